/** How a file is packed, what of that is not read, and what a zip archive holds. */

import { closeSync, openSync, readSync, statSync } from "node:fs";
import type { Dialect } from "../../../core/engine.ts";
import { Unreadable } from "../unreadable.ts";

export type Compression = Dialect["compression"];

export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly start: number;
  readonly packedBytes: number;
  /** CRC-32 of the unpacked bytes. */
  readonly crc: number;
  readonly encrypted: boolean;
}

/** First bytes of what nobody unpacks here. */
const FOREIGN: readonly (readonly [string, string])[] = [
  ["BZh", "bzip2"],
  ["\u00fd7zXZ\u0000", "xz"],
  ["7z\u00bc\u00af\u0027\u001c", "7z"],
  ["Rar!\u001a\u0007", "rar"],
  ["\u0004\u0022M\u0018", "lz4"],
];
const COMPOUND = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
const TAR_MARK = "ustar";
const TAR_MARK_AT = 257;

const ZSTD_FRAME = 0xfd2fb528;
/** The number that skippable frames begin with, but for its last four bits. */
const SKIPPABLE = 0x184d2a5;
const FRAME_HEAD_BYTES = 8;
const ZIP_END = 0x06054b50;
const ZIP_ENTRY = 0x02014b50;
const ZIP_END_BYTES = 22;
const ZIP_COMMENT_MAX = 0xffff;
const ZIP_ENTRY_BYTES = 46;
const ZIP_LOCAL_BYTES = 30;
const ZIP64 = 0xffffffff;
const ZIP_ENTRIES_MAX = 10_000;

/** What a file's first bytes say. An XLSX file is a zip too: the caller decides. */
export function compressionOf(head: Uint8Array): Compression {
  const starts = (...bytes: number[]) => bytes.every((byte, index) => head[index] === byte);
  if (starts(0x1f, 0x8b)) return "gzip";
  if (isZstd(head)) return "zstd";
  if (starts(0x50, 0x4b, 0x03, 0x04) || starts(0x50, 0x4b, 0x05, 0x06)) return "zip";
  return "none";
}

/** Frames that a reader passes over may stand first, whatever they hold: LZ4 has such frames too. RFC 8878, 3.1.2. */
function isZstd(head: Uint8Array): boolean {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  let at = 0;
  while (at + FRAME_HEAD_BYTES <= head.length && view.getUint32(at, true) >>> 4 === SKIPPABLE) {
    at += FRAME_HEAD_BYTES + view.getUint32(at + 4, true);
  }
  if (at + 4 > head.length) return at > 0;
  return view.getUint32(at, true) === ZSTD_FRAME;
}

/** Names of the files in a zip, in order. Throws Unreadable when the directory is broken. */
export function zipNames(path: string): string[] {
  return zipEntries(path).map((entry) => entry.name);
}

/** The files in a zip, in order. Throws Unreadable when the directory is broken. */
export function zipEntries(path: string): readonly ZipEntry[] {
  return readEntries(path, statSync(path).size);
}

/** APPNOTE 4.3: the directory at the end of the archive. */
function readEntries(path: string, sizeBytes: number): ZipEntry[] {
  const file = openSync(path, "r");
  try {
    const read = (start: number, length: number): DataView => {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, sizeBytes - start)));
      readSync(file, bytes, 0, bytes.length, start);
      return new DataView(bytes.buffer);
    };
    const tailStart = Math.max(0, sizeBytes - ZIP_END_BYTES - ZIP_COMMENT_MAX);
    const tail = read(tailStart, sizeBytes - tailStart);
    let at = tail.byteLength - ZIP_END_BYTES;
    while (at >= 0 && tail.getUint32(at, true) !== ZIP_END) at--;
    if (at < 0) throw new Unreadable("unreadable", "the zip has no directory: it is cut or broken");
    const count = tail.getUint16(at + 10, true);
    const directory = read(tail.getUint32(at + 16, true), tail.getUint32(at + 12, true));
    if (count > ZIP_ENTRIES_MAX) {
      throw new Unreadable("limit", `the zip holds more than ${ZIP_ENTRIES_MAX} files`);
    }
    return directoryEntries(directory, count, read);
  } catch (thrown) {
    if (thrown instanceof RangeError) {
      throw new Unreadable("unreadable", "the directory of the zip is broken");
    }
    throw thrown;
  } finally {
    closeSync(file);
  }
}

function directoryEntries(
  directory: DataView,
  count: number,
  read: (start: number, length: number) => DataView,
): ZipEntry[] {
  const entries: ZipEntry[] = [];
  let at = 0;
  for (let index = 0; index < count; index++) {
    if (directory.getUint32(at, true) !== ZIP_ENTRY) throw new RangeError("entry");
    const nameBytes = directory.getUint16(at + 28, true);
    const packedBytes = directory.getUint32(at + 20, true);
    const header = directory.getUint32(at + 42, true);
    if (packedBytes === ZIP64 || header === ZIP64) {
      throw new Unreadable(
        "unreadable",
        "zip files of more than 4 GiB are not read; use gzip or zstd",
      );
    }
    const local = read(header, ZIP_LOCAL_BYTES);
    const start = header + ZIP_LOCAL_BYTES + local.getUint16(26, true) + local.getUint16(28, true);
    const name = new Uint8Array(directory.buffer, at + ZIP_ENTRY_BYTES, nameBytes);
    entries.push({
      name: new TextDecoder().decode(name),
      method: directory.getUint16(at + 10, true),
      start,
      packedBytes,
      crc: directory.getUint32(at + 16, true),
      encrypted: (directory.getUint16(at + 8, true) & 1) === 1,
    });
    const extra = directory.getUint16(at + 30, true) + directory.getUint16(at + 32, true);
    at += ZIP_ENTRY_BYTES + nameBytes + extra;
  }
  return entries;
}

/** What the bytes are packed in, whether it is read or not; null for what is not packed. */
export function packingOf(head: Uint8Array): string | null {
  const known = compressionOf(head);
  return known === "none" ? foreignPacking(head) : known;
}

/** A packing that is not read; null for any other bytes. */
export function foreignPacking(head: Uint8Array): string | null {
  const text = Buffer.from(head.subarray(0, TAR_MARK_AT + TAR_MARK.length)).toString("latin1");
  const found = FOREIGN.find(([magic]) => text.startsWith(magic));
  if (found !== undefined) return found[1];
  return text.startsWith(TAR_MARK, TAR_MARK_AT) ? "tar" : null;
}

/** A compound file: what spreadsheets were before 2007, and what encrypted ones still are. */
export function isCompound(head: Uint8Array): boolean {
  return COMPOUND.every((byte, index) => head[index] === byte);
}

/** Throws Unreadable for what came out of a packing and is packed itself. */
export function packedOnce(head: Uint8Array, what: string): void {
  const packing = packingOf(head);
  if (packing === null) return;
  const text = `${what} is packed once more (${packing}), and an archive in an archive is not read`;
  throw new Unreadable("unreadable", `${text}: unpack it and drop what it holds`);
}
