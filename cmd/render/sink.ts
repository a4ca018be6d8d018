/** Where results go: standard output or a file, with back-pressure and no half-written files. */

import { write } from "node:fs";
import { open, rename, unlink } from "node:fs/promises";
import { LakeError } from "../../core/base/errors.ts";
import type { FileSink, Packing } from "./output-file.ts";
import type { Sink } from "./render.ts";

/** Thrown when nobody reads standard output any more: the end of the work, not a failure. */
export class ReaderGone extends Error {}

const RETRY_MS = 2;

/** Standard output. A write waits for the reader, so that memory stays bounded. */
export function stdoutSink(): Sink {
  return { write: (data) => writeAll(1, bytesOf(data)) };
}

/** A file that appears when it is whole, packed on the way. Throws `io` when it cannot be made. */
export async function fileSink(path: string, packing: Packing | null = null): Promise<FileSink> {
  const file = await plainSink(path);
  if (packing === null) return file;
  const { packedSink } = await import("./packed-sink.ts");
  return packedSink(file, packing);
}

async function plainSink(path: string): Promise<FileSink> {
  const partial = `${path}.${process.pid}.partial`;
  const file = await guarded(path, () => open(partial, "wx"));
  return {
    write: (data) => guarded(path, () => writeAll(file.fd, bytesOf(data))),
    async close() {
      await guarded(path, async () => {
        // Its name is to mean all of it, after a power cut too. What is no file, such as a pipe, has nothing to sync.
        await file.datasync().catch(ifNoFile);
        await file.close();
        await rename(partial, path);
      });
    },
    async discard() {
      await file.close().catch(() => undefined);
      await unlink(partial).catch(() => undefined);
    },
  };
}

function ifNoFile(thrown: unknown): void {
  if (codeOf(thrown) !== "EINVAL") throw thrown;
}

function bytesOf(data: string | Uint8Array): Uint8Array {
  return typeof data === "string" ? new TextEncoder().encode(data) : data;
}

async function writeAll(descriptor: number, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.length) {
    try {
      at += await writeFrom(descriptor, bytes, at);
    } catch (thrown) {
      const code = codeOf(thrown);
      if (code === "EPIPE") throw new ReaderGone();
      // A pipe that another process made non-blocking: wait for its reader.
      if (code !== "EAGAIN") throw thrown;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** Bytes written, of those from `at`. */
function writeFrom(descriptor: number, bytes: Uint8Array, at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(descriptor, bytes, at, (thrown, count) => {
      if (thrown === null) resolve(count);
      else reject(thrown);
    });
  });
}

async function guarded<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (thrown) {
    throw new LakeError("io", `${path} cannot be written (${codeOf(thrown)})`, {
      hint: "check the folder, its permissions and the free space",
      cause: thrown,
    });
  }
}

function codeOf(thrown: unknown): string {
  return typeof thrown === "object" && thrown !== null && "code" in thrown
    ? String(thrown.code)
    : "unknown";
}
