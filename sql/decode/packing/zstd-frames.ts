/** Walks the frames of a zstd file: the stream decoder takes a cut file for a whole one. */

import { closeSync, openSync, readSync } from "node:fs";
import { Unreadable } from "../unreadable.ts";

const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const SKIPPABLE_MASK = 0xfffffff0;
const BLOCK_HEADER_BYTES = 3;
const CHECKSUM_BYTES = 4;
const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];
const WINDOW_LOG_MIN = 10;
/** What decoders take unless they are told otherwise: zstd's own ZSTD_WINDOWLOG_LIMIT_DEFAULT. */
const WINDOW_BYTES_MAX = 2 ** 27;

/** Throws Unreadable unless the file is whole frames, each ending in a last block. RFC 8878, 3.1. */
export function checkZstdFrames(path: string, sizeBytes: number): void {
  const file = openSync(path, "r");
  const buffer = new DataView(new ArrayBuffer(8));
  const read = (at: number, length: number): DataView => {
    const bytes = new Uint8Array(buffer.buffer, 0, length);
    if (at + length > sizeBytes || readSync(file, bytes, 0, length, at) < length) throw cut();
    return buffer;
  };
  try {
    let at = 0;
    while (at < sizeBytes) at = frameEnd(at, read);
    if (at > sizeBytes) throw cut();
  } finally {
    closeSync(file);
  }
}

function frameEnd(start: number, read: (at: number, length: number) => DataView): number {
  const magic = read(start, 4).getUint32(0, true);
  if ((magic & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC) {
    return start + 8 + read(start + 4, 4).getUint32(0, true);
  }
  if (magic !== FRAME_MAGIC) throw new Unreadable("unreadable", "the zstd data is broken");
  const descriptor = read(start + 4, 1).getUint8(0);
  const isSingle = (descriptor & 0x20) !== 0;
  const sizeCode = descriptor >> 6;
  const sizeBytes = sizeCode === 0 && isSingle ? 1 : (CONTENT_SIZE_BYTES[sizeCode] ?? 0);
  const sizeAt = start + 5 + (isSingle ? 0 : 1) + (DICTIONARY_ID_BYTES[descriptor & 3] ?? 0);
  checkWindow(
    isSingle ? contentBytes(read(sizeAt, sizeBytes), sizeBytes) : windowBytes(read(start + 5, 1)),
  );
  let at = sizeAt + sizeBytes;
  for (;;) {
    const header = read(at, BLOCK_HEADER_BYTES);
    const bits = header.getUint16(0, true) | (header.getUint8(2) << 16);
    const type = (bits >> 1) & 3;
    if (type === RESERVED_BLOCK) throw new Unreadable("unreadable", "the zstd data is broken");
    at += BLOCK_HEADER_BYTES + (type === RLE_BLOCK ? 1 : bits >> 3);
    if ((bits & 1) === 1) return at + ((descriptor & 4) !== 0 ? CHECKSUM_BYTES : 0);
  }
}

function windowBytes(header: DataView): number {
  const byte = header.getUint8(0);
  return 2 ** (WINDOW_LOG_MIN + (byte >> 3)) * (1 + (byte & 7) / 8);
}

/** A frame of one segment has all of its content for a window. */
function contentBytes(header: DataView, length: number): number {
  if (length === 8) return Number(header.getBigUint64(0, true));
  if (length === 4) return header.getUint32(0, true);
  return length === 2 ? header.getUint16(0, true) + 256 : header.getUint8(0);
}

function checkWindow(bytes: number): void {
  if (bytes <= WINDOW_BYTES_MAX) return;
  const needed = `a window of ${Math.round(bytes / 2 ** 20)} MiB`;
  const most = `${WINDOW_BYTES_MAX / 2 ** 20} MiB`;
  throw new Unreadable(
    "limit",
    `the zstd data needs ${needed}, ${most} at most: pack it without --long, or with --long=27`,
  );
}

function cut(): Unreadable {
  return new Unreadable("unreadable", "the zstd data is broken: it ends inside a frame");
}
