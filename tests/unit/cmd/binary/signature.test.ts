/** Signatures of macOS binaries, read as the kernel reads them. */

import { expect, test } from "bun:test";
import { signed } from "../../../../cmd/binary/signature.ts";

const PAGE_BYTES = 4096;
const CODE_BYTES = 3 * PAGE_BYTES + 48;

test("a binary with the signature of another one is signed anew, and then left alone", () => {
  const old = machO(PAGE_BYTES);
  const made = signed(old, "tool");
  expect(pagesOf(made)).toEqual({ name: "tool", codeBytes: CODE_BYTES, pages: 4, wrong: 0 });
  const view = Buffer.from(made);
  const linkedit = 32 + 72;
  // The signature ends the file, and the last segment holds it.
  expect(view.readUInt32LE(linkedit + 72 + 8) + view.readUInt32LE(linkedit + 72 + 12)).toBe(
    made.length,
  );
  expect(view.readBigUInt64LE(linkedit + 40) + view.readBigUInt64LE(linkedit + 48)).toBe(
    BigInt(made.length),
  );
  expect(view.readBigUInt64LE(linkedit + 32) >= view.readBigUInt64LE(linkedit + 48)).toBe(true);
  expect(view.subarray(2 * PAGE_BYTES, CODE_BYTES)).toEqual(
    Buffer.from(old).subarray(2 * PAGE_BYTES, CODE_BYTES),
  );
  expect(signed(made, "tool")).toBe(made);
});

test("what is no binary for macOS is refused", () => {
  expect(() => signed(Buffer.alloc(64), "tool")).toThrow("no 64-bit Mach-O");
});

/** Two segments and a signature that says it is about so many bytes. */
function machO(signedBytes: number): Uint8Array {
  const file = Buffer.alloc(CODE_BYTES + 256);
  for (let at = 256; at < CODE_BYTES; at++) file[at] = at % 251;
  file.writeUInt32LE(0xfeedfacf, 0);
  file.writeUInt32LE(3, 16);
  const segment = (at: number, name: string, start: number, size: number) => {
    file.writeUInt32LE(0x19, at);
    file.writeUInt32LE(72, at + 4);
    file.write(name, at + 8);
    file.writeBigUInt64LE(BigInt(start), at + 40);
    file.writeBigUInt64LE(BigInt(size), at + 48);
  };
  segment(32, "__TEXT", 0, 2 * PAGE_BYTES);
  segment(104, "__LINKEDIT", 2 * PAGE_BYTES, file.length - 2 * PAGE_BYTES);
  file.writeUInt32LE(0x1d, 176);
  file.writeUInt32LE(16, 180);
  file.writeUInt32LE(CODE_BYTES, 184);
  file.writeUInt32LE(256, 188);
  const words = [0xfade0cc0, 256, 1, 0, 20];
  for (const [index, word] of words.entries()) file.writeUInt32BE(word, CODE_BYTES + index * 4);
  file.writeUInt32BE(0xfade0c02, CODE_BYTES + 20);
  file.writeUInt32BE(signedBytes, CODE_BYTES + 20 + 32);
  return file;
}

/** The code directory of a signed file, and how many of its pages hash otherwise. */
function pagesOf(file: Uint8Array) {
  const bytes = Buffer.from(file);
  const start = bytes.readUInt32LE(184);
  const directory = bytes.subarray(start + bytes.readUInt32BE(start + 16));
  const hashesAt = directory.readUInt32BE(16);
  const pages = directory.readUInt32BE(28);
  const codeBytes = directory.readUInt32BE(32);
  let wrong = 0;
  for (let page = 0; page < pages; page++) {
    const own = bytes.subarray(page * PAGE_BYTES, Math.min((page + 1) * PAGE_BYTES, codeBytes));
    const hash = new Bun.CryptoHasher("sha256").update(own).digest();
    const at = hashesAt + page * 32;
    if (!hash.equals(directory.subarray(at, at + 32))) wrong++;
  }
  const name = directory.subarray(directory.readUInt32BE(20), hashesAt - 1).toString();
  return { name, codeBytes, pages, wrong };
}
