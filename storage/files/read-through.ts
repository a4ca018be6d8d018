/** A file read once: hashed, its lines counted, and each piece handed on. */

import type { DiskFile } from "../disk/disk.ts";

const BUFFER_BYTES = 1024 * 1024;
const NEWLINE = 10;

export interface Counted {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly newlines: number;
}

/**
 * Reads at most `bytes` bytes from the start, hashing and counting. Each piece is hashed while it is taken and
 * the next one is read: two buffers take turns.
 */
export async function readThrough(
  file: DiskFile,
  bytes: number,
  take: (piece: Uint8Array, position: number) => Promise<void>,
): Promise<Counted> {
  const hasher = new Bun.CryptoHasher("sha256");
  const size = Math.max(1, Math.min(BUFFER_BYTES, bytes));
  let [buffer, other] = [new Uint8Array(size), new Uint8Array(size)];
  let position = 0;
  let newlines = 0;
  let count = await readAt(file, buffer, position, bytes);
  while (count > 0) {
    const piece = buffer.subarray(0, count);
    const next = position + count;
    // Both end before either's error is thrown: the files are closed after that.
    const moved = Promise.allSettled([take(piece, position), readAt(file, other, next, bytes)]);
    // From the next turn on both are under way in other threads, and this one has the time to hash.
    await new Promise((resolve) => setImmediate(resolve));
    hasher.update(piece);
    newlines += countNewlines(piece);
    const [taken, read] = await moved;
    if (taken.status === "rejected") throw taken.reason;
    if (read.status === "rejected") throw read.reason;
    position = next;
    count = read.value;
    [buffer, other] = [other, buffer];
  }
  return { sha256: hasher.digest("hex"), sizeBytes: position, newlines };
}

/** Bytes read into the buffer, of those before `end`; 0 there and at the end of the file. */
async function readAt(
  file: DiskFile,
  buffer: Uint8Array,
  position: number,
  end: number,
): Promise<number> {
  const room = Math.min(buffer.byteLength, end - position);
  return room <= 0 ? 0 : file.read(buffer.subarray(0, room), position);
}

function countNewlines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count++;
  return count;
}
