/** A worker process from the inside: its one socket to the engine, and how it dies with it. */

import { dlopen } from "bun:ffi";
import { writeFileSync, writeSync } from "node:fs";
import type { LakeError } from "../../core/base/errors.ts";
import { encodeFrame, FrameReader, type FromWorker } from "./protocol.ts";
import { type Handlers, WorkerServer } from "./server.ts";
import { socketOf } from "./socket.ts";

/** The socket that the engine hands over. stdin and stdout are closed: libraries print there. */
const CHANNEL = 3;
const PARENT_CHECK_MS = 1_000;
const FULL_WAIT_MS = 1;
/** prctl(2). */
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;

/** Serves until the engine goes away; never returns before. With a `refusal` it says only that. */
export function runWorkerProcess(
  handlers: Handlers,
  refusal: LakeError | null = null,
): Promise<never> {
  const parent = process.ppid;
  dieWithParent(parent);
  preferAsVictim();
  // A terminal's Ctrl-C and a service manager's stop reach the whole group; the engine decides when we end.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {});
  const send = (message: FromWorker) => writeAll(encodeFrame(message));
  const server = new WorkerServer(handlers, send, refusal);
  const reader = new FrameReader();
  const socket = socketOf(CHANNEL);
  socket.on("data", (chunk: Uint8Array) => {
    for (const message of reader.push(chunk)) server.receive(message);
  });
  for (const event of ["end", "close", "error"]) socket.on(event, die);
  return new Promise<never>(() => {});
}

/** Whole frames, before this returns: what is announced must be out before a file can kill us. */
function writeAll(frame: Uint8Array): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let at = 0; at < frame.length; ) {
    try {
      at += writeSync(CHANNEL, frame, at);
    } catch (thrown) {
      const code = thrown instanceof Error && "code" in thrown ? thrown.code : null;
      if (code !== "EAGAIN") die();
      Atomics.wait(pause, 0, 0, FULL_WAIT_MS);
    }
  }
}

/** Three ways, since each can fail: the kernel's signal, the closed socket, a look at the parent's id. */
function dieWithParent(parent: number): void {
  if (process.platform === "linux") askKernel();
  if (process.ppid !== parent) die();
  const timer = setInterval(() => {
    if (process.ppid !== parent) die();
  }, PARENT_CHECK_MS);
  timer.unref();
}

function askKernel(): void {
  try {
    const libc = dlopen("libc.so.6", { prctl: { args: ["i32", "u64"], returns: "i32" } });
    libc.symbols.prctl(PR_SET_PDEATHSIG, BigInt(SIGKILL));
  } catch {
    // Another libc: the socket and the timer remain.
  }
}

/** When memory runs out the kernel shall take a worker, not the engine. proc(5), oom_score_adj. */
function preferAsVictim(): void {
  if (process.platform !== "linux") return;
  try {
    writeFileSync("/proc/self/oom_score_adj", "500");
  } catch {
    // Not permitted in some containers; then the kernel chooses by itself.
  }
}

/** At once: a query that still runs in another thread must not hold the exit up. */
function die(): never {
  process.kill(process.pid, "SIGKILL");
  throw new Error("killed");
}
