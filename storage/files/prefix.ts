/** The first bytes of a text, hashed: is a file that landed the beginning of this one? */

import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { worded } from "../../core/base/errors.ts";
import type { Beginning, Prefix } from "../../core/ingest/decision.ts";

const NEWLINE = 10;
const AROUND_BYTES = 4;
const GZIP = [0x1f, 0x8b];
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];

/** By size; packed text counts as it is unpacked. Sizes that it does not have are left out. */
export async function prefixesOf(
  path: string,
  sizes: readonly number[],
): Promise<ReadonlyMap<number, Prefix>> {
  const left = [...new Set(sizes)].filter((size) => size > 0).sort((a, b) => a - b);
  const found = new Map<number, { sha256: string; newlines: number; around: number[] }>();
  if (left.length === 0) return new Map();
  const hasher = new Bun.CryptoHasher("sha256");
  let [position, newlines] = [0, 0];
  // Prefixes whose following bytes are still to come.
  let waiting: { readonly size: number; readonly around: number[] }[] = [];
  for await (const piece of await textOf(path)) {
    let from = 0;
    for (;;) {
      const size = left[0];
      if (size === undefined || size > position + piece.length) break;
      const to = size - position;
      const part = piece.subarray(from, to);
      hasher.update(part);
      newlines += countOf(part);
      from = to;
      left.shift();
      const around = [piece[to - 1] ?? 0];
      found.set(size, { sha256: hasher.copy().digest("hex"), newlines, around });
      waiting.push({ size, around });
    }
    const rest = piece.subarray(from);
    hasher.update(rest);
    newlines += countOf(rest);
    waiting = withBytes(waiting, piece, position);
    position += piece.length;
    if (left.length === 0 && waiting.length === 0) break;
  }
  return new Map(
    [...found].map(([size, { sha256, newlines, around }]) => [
      size,
      { sha256, newlines, around: Uint8Array.from(around) },
    ]),
  );
}

/** All of it where it has no more. */
export async function beginningOf(path: string, sizeMax: number): Promise<Beginning> {
  const hasher = new Bun.CryptoHasher("sha256");
  let size = 0;
  for await (const piece of await textOf(path)) {
    const part = piece.subarray(0, sizeMax - size);
    hasher.update(part);
    size += part.length;
    if (size >= sizeMax) break;
  }
  return { size, sha256: hasher.digest("hex") };
}

/** Gives open prefixes what follows them in a piece; those that still miss some. */
function withBytes(
  open: { readonly size: number; readonly around: number[] }[],
  piece: Uint8Array,
  position: number,
): { readonly size: number; readonly around: number[] }[] {
  return open.filter(({ size, around }) => {
    for (;;) {
      const at = size + around.length - 1 - position;
      if (around.length > AROUND_BYTES) return false;
      if (at < 0 || at >= piece.length) return true;
      around.push(piece[at] ?? 0);
    }
  });
}

/** The file in pieces, unpacked where it is one packed stream. What does not unpack ends there. */
async function textOf(path: string): Promise<AsyncIterable<Uint8Array>> {
  const handle = await worded("open", path, open(path, "r"));
  const head = new Uint8Array(ZSTD.length);
  try {
    await handle.read(head, 0, head.length, 0);
  } finally {
    await handle.close();
  }
  const starts = (magic: readonly number[]): boolean =>
    magic.every((byte, index) => head[index] === byte);
  if (starts(GZIP)) return unpacked(path, createGunzip());
  if (starts(ZSTD)) return unpacked(path, createZstdDecompress());
  return createReadStream(path);
}

async function* unpacked(
  path: string,
  unpacker: Readable & NodeJS.WritableStream,
): AsyncIterable<Uint8Array> {
  const file = createReadStream(path);
  // Both end when the reader has enough.
  try {
    file.on("error", (error) => unpacker.destroy(error));
    file.pipe(unpacker);
    for await (const piece of unpacker) yield piece as Uint8Array; // parse: no encoding is set
  } catch {
    // A damaged packing has fewer bytes: whoever decodes it says so.
  } finally {
    file.destroy();
    unpacker.destroy();
  }
}

function countOf(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count++;
  return count;
}
