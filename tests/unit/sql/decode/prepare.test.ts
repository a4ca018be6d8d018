/** Compression and encodings: found by the bytes, undone by streaming, bombs stopped, nothing guessed away. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { crc32, deflateRawSync, gzipSync, zstdCompressSync } from "node:zlib";
import { Harness, T } from "./harness.ts";

setDefaultTimeout(120_000);

const AB = { a: T.string, b: T.string };
const TEXT = "a,b\n1,ü\n2,€\n";
const ROWS = [
  { a: "1", b: "ü" },
  { a: "2", b: "€" },
];

/** A zip of stored or deflated entries, as APPNOTE has it. */
function zip(entries: Readonly<Record<string, string | Uint8Array>>, deflated = true): Uint8Array {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of Object.entries(entries)) {
    const data = Buffer.from(text as string); // parse: a text or bytes, both are taken
    const packed = deflated ? deflateRawSync(data) : data;
    const shared = Buffer.alloc(26);
    shared.writeUInt32LE(crc32(data), 10);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(deflated ? 8 : 0, 4);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(data.length, 18);
    shared.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from("PK\u0003\u0004"), shared, Buffer.from(name), packed]);
    const end = Buffer.alloc(14);
    end.writeUInt32LE(offset, 10);
    directory.push(
      Buffer.concat([Buffer.from("PK\u0001\u0002\u0014\u0000"), shared, end, Buffer.from(name)]),
    );
    files.push(local);
    offset += local.length;
  }
  const list = Buffer.concat(directory);
  const tail = Buffer.alloc(22);
  tail.write("PK\u0005\u0006");
  tail.writeUInt16LE(files.length, 8);
  tail.writeUInt16LE(files.length, 10);
  tail.writeUInt32LE(list.length, 12);
  tail.writeUInt32LE(offset, 16);
  return Buffer.concat([...files, list, tail]);
}

/** Frames one after the other, with one to be skipped between. */
function zstdParts(...texts: readonly string[]): Uint8Array {
  const skipped = Buffer.from([0x51, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
  return Buffer.concat(texts.flatMap((text) => [zstdCompressSync(Buffer.from(text)), skipped]));
}

test.each([
  ["gzip", "x.csv.gz", gzipSync(TEXT)],
  ["gzip", "x.csv", Buffer.concat([gzipSync("a,b\n1,ü\n"), gzipSync("2,€\n")])],
  ["zstd", "x.csv.zst", zstdCompressSync(Buffer.from(TEXT))],
  ["zstd", "x.csv.zst", zstdCompressSync(Buffer.from(TEXT), { params: { 201: 1, 100: 19 } })],
  ["zstd", "x.csv.zst", zstdParts("a,b\n1,ü\n", "2,€\n")],
  ["zstd", "x.csv.zst", Buffer.concat([zstdParts("").subarray(9), zstdParts(TEXT)])],
  ["zip", "x.zip", zip({ "x.csv": TEXT })],
  ["zip", "x.zip", zip({ "x.csv": TEXT }, false)],
  ["zip", "x.zip", zip({ "1.csv": "a,b\n1,ü\n", "2.csv": "a,b\n2,€" })],
  ["zip", "x.zip", zip({ "1.csv": "a,b\n1,ü", "2.csv": "2,€\n" })],
  ["zip", "x.zip", zip({ "1.csv": "a,b\n1,ü\n", "2.csv": 'B,a\n"€",2\n' })],
  ["zip", "x.zip", zip({ "1.csv": "a,b\n1,ü\n", "2.csv": "# second\nb,a\r\n€,2\r\n" })],
  ["zip", "x.zip", zip({ "0.csv": "", "1.csv": "a,b\r\n1,ü\r\n", "2.csv": "\ufeffA,b\n2,€\n" })],
  ["zip", "x.zip", zip({ "__MACOSX/._x.csv": "junk", "x.csv": TEXT, ".hidden": "junk" })],
])("%s: %s", async (compression, name, bytes) => {
  await using h = await Harness.open();
  const { rows, rejects, decoded } = await h.decode([h.file(name, bytes)], AB);
  expect(rows).toEqual(ROWS);
  expect(rejects).toEqual([]);
  expect(decoded.files[0]?.dialect?.compression).toBe(compression as "gzip"); // parse: from the table
});

test("rows of an archive's parts are all rows when there is no header", async () => {
  await using h = await Harness.open();
  const bytes = zip({ "1.csv": "1,2\n3,4\n", "2.csv": "1,2\n5,6\n" });
  const { rows } = await h.decode([h.file("x.zip", bytes)], { column0: T.long, column1: T.long });
  expect(rows.map((row) => row.column0)).toEqual([1n, 3n, 1n, 5n]);
});

test.each([
  ["other names", { "1.csv": "a,b\n1,2\n", "2.csv": "a,c\n3,4\n" }, "other names"],
  ["other columns", { "1.csv": "a,b\n1,2\n", "read me.txt": "hello\n" }, "not as many"],
  ["another format", { "1.csv": "a,b\n1,2\n", "2.json": '{"a":1,"b":2}\n' }, "JSON"],
  ["binary files", { "1.parquet": "PAR1xxPAR1", "2.parquet": "PAR1xxPAR1" }, "no text"],
])("a zip with files of %s is set aside whole", async (_name, entries, message) => {
  await using h = await Harness.open();
  const { rows, decoded } = await h.decode([h.file("x.zip", zip(entries))], AB);
  expect(rows).toEqual([]);
  expect(decoded.files[0]?.fault?.message).toContain(message);
});

test("rows of another width in a part of another order are set aside as they stand", async () => {
  await using h = await Harness.open();
  const bytes = zip({ "1.csv": "a,b\n1,2\n", "2.csv": 'b,a\n4,3\n5\n"x, y",6\n' });
  const { rows, rejects } = await h.decode([h.file("x.zip", bytes)], AB);
  expect(rows.map(({ a, b }) => `${a} ${b}`)).toEqual(["1 2", "3 4", "6 x, y"]);
  expect(rejects.map((row) => row.raw)).toEqual(["5"]);
});

const TAR = Buffer.alloc(1024);
TAR.write("ustar", 257);

test.each([
  ["x.zip", zip({ "a.csv.gz": gzipSync(TEXT) }), "a.csv.gz in the zip is packed once more (gzip)"],
  ["x.zip", zip({ "a.zip": zip({ "a.csv": TEXT }) }), "what zip holds is packed once more (zip)"],
  ["x.zip", zip({ "a.csv": TEXT, "b.csv.zst": zstdCompressSync(TEXT) }), "packed once more (zstd)"],
  ["x.csv.gz", gzipSync(gzipSync(TEXT)), "what gzip holds is packed once more (gzip)"],
  ["x.csv.gz", gzipSync(TAR), "packed once more (tar)"],
  ["x.csv.bz2", Buffer.from("BZh91AY&SY"), "bzip2 is not unpacked here"],
  ["x.csv", Buffer.from("\u00fd7zXZ\u0000", "latin1"), "xz is not unpacked here"],
  ["x.csv", TAR, "tar is not unpacked here"],
  // A frame with a window of 2^28 bytes, and an empty last block.
  ["x.csv.zst", Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x90, 1, 0, 0]), "a window of 256 MiB"],
])("what is not unpacked says so: %s", async (name, bytes, message) => {
  await using h = await Harness.open();
  const { rows, decoded } = await h.decode([h.file(name, bytes)], AB);
  expect(rows).toEqual([]);
  expect(decoded.files[0]?.fault?.message).toContain(message);
});

test("lines of a compressed file are lines of its text", async () => {
  await using h = await Harness.open();
  const { rejects } = await h.decode([h.file("x.csv.gz", gzipSync("a,b\n1,2\n3\n"))], AB);
  expect(rejects.map((row) => [row.line, row.raw])).toEqual([[3n, "3"]]);
});

test.each([
  ["cut gzip", gzipSync(TEXT.repeat(1000)).subarray(0, 60)],
  ["cut zstd", zstdCompressSync(Buffer.from(TEXT.repeat(1000))).subarray(0, 30)],
  ["zip with another check sum", Buffer.from(zip({ "x.csv": TEXT }, false)).fill("9", 40, 41)],
  ["zip without a directory", Buffer.from(zip({ "x.csv": TEXT })).subarray(0, 40)],
])("%s is set aside whole, and the others land", async (_name, bytes) => {
  await using h = await Harness.open();
  const { rows, decoded } = await h.decode(
    [h.file("bad.csv", bytes), h.file("good.csv", TEXT)],
    AB,
  );
  expect(rows).toEqual(ROWS);
  expect(decoded.files[0]?.fault?.message).toContain("broken");
});

test("zstd with a window that is too large says so", async () => {
  const [magic, window, lastBlock] = [[0x28, 0xb5, 0x2f, 0xfd], (28 - 10) << 3, [1, 0, 0]];
  const frame = Buffer.from([...magic, 0, window, ...lastBlock]);
  await using h = await Harness.open();
  const { decoded } = await h.decode([h.file("x.csv.zst", frame)], AB);
  expect(decoded.files[0]?.fault).toMatchObject({
    reason: "limit",
    message: expect.stringContaining("a window of 256 MiB, 128 MiB at most"),
  });
});

test("a bomb stops at the limit", async () => {
  await using h = await Harness.open();
  const bomb = gzipSync(Buffer.alloc(20_000_000, "a"));
  const request = h.request([h.file("bomb.csv.gz", bomb)], AB);
  const limits = { ...request.limits, decodedBytesMax: 1_000_000 };
  const { decoded } = await h.run({ ...request, limits });
  const message = "unpacks to more than 1000000 bytes";
  expect(decoded.files[0]?.fault).toEqual({ reason: "limit", message });
});

function utf16(text: string, bigEndian: boolean, mark: boolean): Uint8Array {
  const bytes = Buffer.from(`${mark ? "\ufeff" : ""}${text}`, "utf16le");
  return bigEndian ? bytes.swap16() : bytes;
}

test.each([
  ["utf-16le", utf16(TEXT, false, true), null],
  ["utf-16be", utf16(TEXT, true, true), null],
  ["utf-16le", utf16(TEXT, false, false), null],
  ["utf-16le", utf16(TEXT, false, false), "utf-16"],
  ["windows-1252", Buffer.from("a,b\n1,\u00fc\n2,\u0080\n", "latin1"), "latin-1"],
  ["utf-8", Buffer.from(`\ufeff${TEXT}`), null],
])("%s", async (encoding, bytes, given) => {
  await using h = await Harness.open();
  const request = h.request([h.file("x.csv", bytes)], AB);
  const { rows, decoded } = await h.run({ ...request, read: { ...request.read, encoding: given } });
  expect(rows).toEqual(ROWS);
  expect(decoded.files[0]?.dialect?.encoding).toBe(encoding);
});

test("half a surrogate pair costs its row, pairs over a chunk's end do not", async () => {
  await using h = await Harness.open();
  const text = `a,b\n1,${"😀".repeat(100_000)}\n2,x\ud83dy\n3,z\n`;
  const { rows, rejects } = await h.decode([h.file("x.csv", utf16(text, false, true))], AB);
  expect(rows.map((row) => [row.a, String(row.b).length])).toEqual([
    ["1", 200_000],
    ["3", 1],
  ]);
  expect(rejects.map((row) => [row.line, row.reason, row.raw])).toEqual([
    [3n, "encoding", "2,x\\xFFy"],
  ]);
});

test("an unknown encoding is an error of the configuration", async () => {
  await using h = await Harness.open();
  const request = h.request([h.file("x.csv", TEXT)], AB);
  const run = h.run({ ...request, read: { ...request.read, encoding: "klingon" } });
  expect(run).rejects.toThrow('"klingon" is not a text encoding');
});

test("of a packed text the part is read that stands from a byte of it on", async () => {
  await using h = await Harness.open();
  const bytes = gzipSync("a,b\n1,x\n2,y\n");
  const { rows } = await h.decode([h.file("x.csv.gz", bytes, { fromByte: 8 })], AB);
  expect(rows.map((row) => String(row.a))).toEqual(["2"]);
});

test("of a zip of texts no part is read", async () => {
  await using h = await Harness.open();
  const bytes = zip({ "x.csv": "a,b\n1,x\n" });
  const { decoded } = await h.decode([h.file("x.zip", bytes, { fromByte: 5 })], AB);
  expect(decoded.files[0]?.fault?.message).toContain("grew");
});

test("text behind a byte is not read", async () => {
  await using h = await Harness.open();
  const text = "a,b\n1,x\n2,y\n3,z\n";
  const file = h.file("x.csv", text, { fromByte: 8, toByte: 12 });
  const { rows } = await h.decode([file], AB);
  expect(rows.map((row) => String(row.a))).toEqual(["2"]);
});
