/** Runs a program under strace: counting its changes, killing it right after one, or making one fail. */

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { type Call, CHANGING_CALLS, changes, TraceReader } from "./trace.ts";

/** Who dies: the process that was started, the process that made the call, or everybody. */
export type Victim = "owner" | "caller" | "group";

export interface Traced {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Only changes below this folder are counted. */
  readonly lake: string;
  readonly timeoutMs: number;
}

export interface Ending {
  readonly changes: readonly Call[];
  /** The change after which the victim was killed; null when there were fewer. */
  readonly killedAfter: Call | null;
  /** Numbers (from 0) of the changes made by another process than the one that was started. */
  readonly byWorkers: ReadonlySet<number>;
  readonly exitCode: number | null;
  readonly timedOut: boolean;
  readonly stderr: string;
}

/**
 * Each counted call is held this long after it is done, so that the kill arrives before the thread's next step.
 * Counting per thread, as `when=` does, would be no order: the engine's calls move between pool threads.
 */
const HOLD_US = 4_000;
const STDERR_CHARS_MAX = 20_000;

/** Runs the program and kills after the `killAfter`-th change (from 1); null runs it to its end. */
export async function follow(
  traced: Traced,
  killAfter: number | null,
  victim: Victim,
): Promise<Ending> {
  const calls = CHANGING_CALLS.join(",");
  const hold = killAfter === null ? [] : ["-e", `inject=${calls}:delay_exit=${HOLD_US}`];
  const options = [
    "-f",
    "-y",
    "-qq",
    "-s",
    "8",
    "-e",
    `trace=execve,${calls}`,
    "-e",
    "signal=none",
    ...hold,
  ];
  return await run(traced, [...options, "-o", "|cat >&3"], { killAfter, victim });
}

/** Runs the program with the `at`-th matching call of each thread failing with `error`. */
export async function fail(
  traced: Traced,
  fault: {
    readonly calls: readonly string[];
    readonly error: "EIO" | "ENOSPC";
    readonly at: number;
  },
): Promise<Ending & { readonly injected: number }> {
  const names = fault.calls.join(",");
  const inject = `inject=${names}:error=${fault.error}:when=${fault.at}`;
  const options = ["-f", "-y", "-qq", "-s", "8", "-e", `trace=execve,${names}`, "-e", inject];
  let injected = 0;
  const onLine = (line: string) => {
    // A terminal, a pipe or an eventfd is not the disk; only failures of the lake's own files are counted.
    if (line.includes("(INJECTED)") && line.includes(traced.lake)) injected += 1;
  };
  const all = [...options, "-e", "signal=none", "-o", "|cat >&3"];
  const ending = await run(traced, all, { killAfter: null, victim: "owner", onLine });
  return { ...ending, injected };
}

interface Following {
  readonly killAfter: number | null;
  readonly victim: Victim;
  readonly onLine?: (line: string) => void;
}

async function run(traced: Traced, options: readonly string[], how: Following): Promise<Ending> {
  const child = spawn("strace", [...options, "--", ...traced.command], {
    cwd: traced.cwd,
    env: { ...process.env, ...traced.env },
    stdio: ["ignore", "ignore", "pipe", "pipe"],
    detached: true,
  });
  const group = child.pid;
  if (group === undefined) throw new Error("strace did not start");
  const state = { seen: [] as Call[], killedAfter: null as Call | null, owner: 0 };
  const byWorkers = new Set<number>();
  const processByThread = new Map<number, number>();
  const reader = new TraceReader();
  const trace = child.stdio[3];
  if (!(trace instanceof Readable)) throw new Error("strace has no output");
  const lines = createInterface({ input: trace });
  lines.on("line", (line) => {
    // The first line is strace's own execve of the program; threads have numbers of their own.
    state.owner ||= Number(/^(\d+)\s+execve\(/.exec(line)?.[1] ?? 0);
    how.onLine?.(line);
    const call = reader.feed(line);
    if (call === null || !changes(call, traced.lake)) return;
    const process = processByThread.get(call.thread) ?? processOf(call.thread);
    processByThread.set(call.thread, process);
    if (process !== state.owner) byWorkers.add(state.seen.length);
    state.seen.push(call);
    if (state.seen.length !== how.killAfter) return;
    state.killedAfter = call;
    kill(how.victim, group, state.owner, process);
  });
  let stderr = "";
  child.stderr?.on("data", (bytes) => {
    if (stderr.length < STDERR_CHARS_MAX) stderr += String(bytes);
  });
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    endGroup(group);
  }, traced.timeoutMs);
  const exitCode = await new Promise<number | null>((resolve) => {
    child.once("close", (code) => resolve(code));
  });
  clearTimeout(timer);
  const { seen, killedAfter } = state;
  return { changes: seen, killedAfter, byWorkers, exitCode, timedOut, stderr };
}

function kill(victim: Victim, group: number, owner: number, caller: number) {
  if (victim === "group") return endGroup(group);
  endProcess(victim === "owner" ? owner : caller);
}

/** The process that a thread belongs to; the thread itself when it is gone. */
function processOf(thread: number): number {
  try {
    const status = readFileSync(`/proc/${thread}/status`, "utf8");
    return Number(/^Tgid:\s*(\d+)/m.exec(status)?.[1] ?? thread);
  } catch {
    return thread;
  }
}

function endProcess(pid: number) {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone already, which is what was wanted.
  }
}

function endGroup(group: number) {
  endProcess(-group);
}
