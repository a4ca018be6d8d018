/** The signature of a macOS binary: macOS kills a program whose pages are not those that were signed. */

import { LakeError } from "../../core/base/errors.ts";

/** What of a Mach-O file concerns its signature; offsets of load commands are those of their first byte. */
interface Layout {
  readonly signatureCommand: number;
  readonly linkeditCommand: number;
  /** Where the signature begins and the signed bytes end. */
  readonly codeBytes: number;
  readonly textBytes: bigint;
  readonly linkeditStart: number;
}

/** mach-o/loader.h: 64 bits, little-endian. */
const MACHO_MAGIC = 0xfeedfacf;
const HEADER_BYTES = 32;
const LC_SEGMENT_64 = 0x19;
const LC_CODE_SIGNATURE = 0x1d;
/** kern/cs_blobs.h of XNU; all of it big-endian. */
const SUPER_BLOB_MAGIC = 0xfade0cc0;
const SUPER_BLOB_BYTES = 20;
const DIRECTORY_MAGIC = 0xfade0c02;
const DIRECTORY_VERSION = 0x20400;
const DIRECTORY_BYTES = 88;
/** Made by a linker, by nobody in particular. */
const AD_HOC_LINKER_SIGNED = 0x20002;
const MAIN_BINARY = 1n;
const SHA256 = 2;
const HASH_BYTES = 32;
const PAGE_BYTES = 4096;
const PAGE_SHIFT = 12;
/** Segments of arm64 are aligned to this, and those of x64 may be. */
const SEGMENT_ALIGN = 0x4000;

/**
 * The binary with a signature of its own bytes: itself when it has one, else signed ad hoc. Bun signs what it compiles
 * for arm64; for x64 it leaves the signature of its own runtime, which says other bytes. Throws `internal` for a file
 * that is no thin 64-bit Mach-O with its signature at the end.
 */
export function signed(binary: Uint8Array, name: string): Uint8Array {
  const layout = layoutOf(binary);
  if (signedBytes(binary, layout) === layout.codeBytes) return binary;
  const pages = Math.ceil(layout.codeBytes / PAGE_BYTES);
  const identity = Buffer.from(`${name}\0`);
  const hashesAt = DIRECTORY_BYTES + identity.length;
  const directoryBytes = hashesAt + pages * HASH_BYTES;
  const signatureBytes = aligned(SUPER_BLOB_BYTES + directoryBytes, 16);
  const made = Buffer.alloc(layout.codeBytes + signatureBytes);
  made.set(binary.subarray(0, layout.codeBytes));
  // Before the pages are hashed: the sizes stand in the first of them.
  made.writeUInt32LE(signatureBytes, layout.signatureCommand + 12);
  const linkeditBytes = made.length - layout.linkeditStart;
  made.writeBigUInt64LE(BigInt(aligned(linkeditBytes, SEGMENT_ALIGN)), layout.linkeditCommand + 32);
  made.writeBigUInt64LE(BigInt(linkeditBytes), layout.linkeditCommand + 48);
  const blob = made.subarray(layout.codeBytes);
  writeWords(blob, [SUPER_BLOB_MAGIC, SUPER_BLOB_BYTES + directoryBytes, 1, 0, SUPER_BLOB_BYTES]);
  const directory = blob.subarray(SUPER_BLOB_BYTES);
  writeDirectory(directory, { layout, pages, directoryBytes, hashesAt });
  directory.set(identity, DIRECTORY_BYTES);
  for (let page = 0; page < pages; page++) {
    const end = Math.min((page + 1) * PAGE_BYTES, layout.codeBytes);
    const bytes = made.subarray(page * PAGE_BYTES, end);
    const hash = new Bun.CryptoHasher("sha256").update(bytes).digest();
    directory.set(hash, hashesAt + page * HASH_BYTES);
  }
  return made;
}

function writeDirectory(
  directory: Buffer,
  made: {
    readonly layout: Layout;
    readonly pages: number;
    readonly directoryBytes: number;
    readonly hashesAt: number;
  },
): void {
  const { layout, pages, directoryBytes, hashesAt } = made;
  writeWords(directory, [
    DIRECTORY_MAGIC,
    directoryBytes,
    DIRECTORY_VERSION,
    AD_HOC_LINKER_SIGNED,
    hashesAt,
    DIRECTORY_BYTES,
    0,
    pages,
    layout.codeBytes,
  ]);
  directory.set([HASH_BYTES, SHA256, 0, PAGE_SHIFT], 36);
  directory.writeBigUInt64BE(layout.textBytes, 72);
  directory.writeBigUInt64BE(MAIN_BINARY, 80);
}

function layoutOf(binary: Uint8Array): Layout {
  const view = viewOf(binary);
  if (view.getUint32(0, true) !== MACHO_MAGIC) throw odd("it is no 64-bit Mach-O file");
  let signatureCommand = -1;
  let linkeditCommand = -1;
  let textBytes = 0n;
  let at = HEADER_BYTES;
  for (let left = view.getUint32(16, true); left > 0; left--) {
    const command = view.getUint32(at, true);
    if (command === LC_CODE_SIGNATURE) signatureCommand = at;
    if (command === LC_SEGMENT_64) {
      const name = Buffer.from(binary.subarray(at + 8, at + 24)).toString("latin1");
      if (name.startsWith("__LINKEDIT\0")) linkeditCommand = at;
      if (name.startsWith("__TEXT\0")) textBytes = view.getBigUint64(at + 48, true);
    }
    at += view.getUint32(at + 4, true);
  }
  if (signatureCommand < 0 || linkeditCommand < 0) throw odd("it has no room for a signature");
  const codeBytes = view.getUint32(signatureCommand + 8, true);
  if (codeBytes + view.getUint32(signatureCommand + 12, true) < binary.length) {
    throw odd("its signature is not at its end");
  }
  const linkeditStart = Number(view.getBigUint64(linkeditCommand + 40, true));
  return { signatureCommand, linkeditCommand, codeBytes, textBytes, linkeditStart };
}

/** How many bytes the present signature is about; 0 where there is none that can be read. */
function signedBytes(binary: Uint8Array, layout: Layout): number {
  if (binary.length < layout.codeBytes + SUPER_BLOB_BYTES) return 0;
  const view = viewOf(binary.subarray(layout.codeBytes));
  if (view.getUint32(0) !== SUPER_BLOB_MAGIC) return 0;
  const directory = view.getUint32(16);
  if (directory + DIRECTORY_BYTES > view.byteLength) return 0;
  return view.getUint32(directory) === DIRECTORY_MAGIC ? view.getUint32(directory + 32) : 0;
}

function writeWords(target: Buffer, words: readonly number[]): void {
  for (const [index, word] of words.entries()) target.writeUInt32BE(word, index * 4);
}

function aligned(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function odd(what: string): LakeError {
  return new LakeError("internal", `the binary for macOS cannot be signed: ${what}`, {
    hint: "sign it on macOS: codesign --force --sign - FILE",
  });
}
