/** Sets of rows and deletion vectors: what is read is what was written, and nothing damaged is. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  readPuffinFooter,
  readVector,
  writeVector,
  writeVectors,
} from "../../../../core/table/deletion-vector.ts";
import {
  bitsOfRange,
  rangeOfBits,
  readRowSet,
  rowCount,
  rowSet,
  rowsOf,
  writeRowSet,
} from "../../../../core/table/row-set.ts";

const crc32 = (bytes: Uint8Array): number => Bun.hash.crc32(bytes);
const entryOf = (rows: number) => ({
  path: "file:///t/x.puffin",
  referencedDataFile: "file:///t/a.parquet",
  recordCount: BigInt(rows),
});

/** Blobs of Iceberg 1.11, without runs and with them, and the rows that Spark deleted. */
const BY_SPARK: readonly (readonly [string, readonly number[]])[] = [
  ["00000022d1d339640100000000000000000000003a3000000100000000000000100000000000f7a6b4b5", [0]],
  ["0000001fd1d339640100000000000000000000003b3000000100000300010006000300184141e9", [6, 7, 8, 9]],
  [
    "0000002fd1d339640100000000000000000000003b3000000100000d000500000009" +
      "0067000000cb0000002f0100009301000070611536",
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 103, 203, 303, 403],
  ],
];

/** Ranges of rows that touch, single ones, and ends of containers. */
const positions = fc
  .array(
    fc.oneof(
      fc.record({
        from: fc.nat(400_000),
        count: fc.integer({ min: 1, max: 9_000 }),
        step: fc.integer({ min: 1, max: 3 }),
      }),
      fc.record({
        from: fc.constantFrom(0, 65_535, 65_536, 131_071, 2 ** 32 - 1, 2 ** 32, 2 ** 33 + 5),
        count: fc.constant(1),
        step: fc.constant(1),
      }),
    ),
    { maxLength: 6 },
  )
  .map((runs) => [
    ...new Set(
      runs.flatMap(({ from, count, step }) =>
        Array.from({ length: count }, (_, nth) => from + nth * step),
      ),
    ),
  ]);

describe("sets of rows", () => {
  test("are read as they were written, whatever is in them", () => {
    fc.assert(
      fc.property(positions, (rows) => {
        const set = rowSet(rows);
        const sorted = rows.toSorted((a, b) => a - b);
        expect([...rowsOf(set)]).toEqual(sorted);
        const bytes = writeRowSet(set);
        expect([...rowsOf(readRowSet(bytes))]).toEqual(sorted);
        const viaBits = set.map((range) => rangeOfBits(range.high, bitsOfRange(range)));
        expect([...rowsOf(viaBits)]).toEqual(sorted);
      }),
      { numRuns: 60 },
    );
  });

  test("no byte of a vector can change unseen", () => {
    const rows = rowSet([1, 2, 3, 70_000, 5_000_000]);
    const blob = writeVector(rows, crc32);
    expect([...rowsOf(readVector(blob, entryOf(5), crc32))]).toEqual([1, 2, 3, 70_000, 5_000_000]);
    for (let at = 0; at < blob.length; at++) {
      const bent = blob.slice();
      bent[at] = (bent[at] ?? 0) ^ 1;
      expect(() => readVector(bent, entryOf(5), crc32)).toThrow("file:///t/a.parquet");
    }
    for (let length = 0; length < blob.length; length++) {
      expect(() => readVector(blob.subarray(0, length), entryOf(5), crc32)).toThrow();
    }
    expect(() => readVector(blob, entryOf(6), crc32)).toThrow(
      "it holds 5 rows, and its entry says 6",
    );
  });

  test("what Spark 4.0.1 wrote is read, and written again byte for byte", () => {
    for (const [hex, rows] of BY_SPARK) {
      const blob = Uint8Array.fromHex(hex);
      const set = readVector(blob, entryOf(rows.length), crc32);
      expect([...rowsOf(set)]).toEqual([...rows]);
      expect(writeVector(set, crc32).toHex()).toBe(hex);
    }
  });

  test("bytes that are no set are told apart, not read as something", () => {
    const whole = writeRowSet(rowSet([1, 5, 9]));
    const reads = (change: (bytes: Uint8Array) => Uint8Array) => () =>
      readRowSet(change(whole.slice()));
    expect(reads((bytes) => new Uint8Array([...bytes, 0]))).toThrow("1 bytes are left over");
    expect(reads((bytes) => bytes.fill(7, 12, 16))).toThrow("a bitmap begins with");
    // The second position comes before the first.
    expect(reads((bytes) => bytes.fill(0, bytes.length - 4, bytes.length - 2))).toThrow(
      "out of order",
    );
    expect(reads((bytes) => bytes.fill(0xff, 0, 4))).toThrow("it claims");
  });
});

describe("Puffin files", () => {
  test("hold several vectors, each where the footer and the entries say", () => {
    const vectors = [
      { dataFile: "file:///t/a.parquet", rows: rowSet([0]) },
      {
        dataFile: "file:///t/b é.parquet",
        rows: rowSet(Array.from({ length: 9_000 }, (_, i) => i)),
      },
    ];
    const { bytes, places } = writeVectors(vectors, "tests", crc32);
    expect(places.map(({ rows }) => rows)).toEqual([1n, 9_000n]);
    const blobs = readPuffinFooter(bytes, "x.puffin");
    expect(blobs.map(({ properties }) => properties["referenced-data-file"])).toEqual(
      vectors.map(({ dataFile }) => dataFile),
    );
    for (const [index, blob] of blobs.entries()) {
      expect(BigInt(blob.offset)).toBe(places[index]?.offset ?? -1n);
      const read = readVector(
        bytes.subarray(blob.offset, blob.offset + blob.length),
        { ...entryOf(0), recordCount: places[index]?.rows ?? 0n },
        crc32,
      );
      expect(rowCount(read)).toBe(Number(places[index]?.rows));
    }
    expect(() => readPuffinFooter(bytes.subarray(0, -1), "x.puffin")).toThrow(
      "it is no Puffin file",
    );
    expect(() => readPuffinFooter(bytes.subarray(4), "x.puffin")).toThrow("x.puffin");
  });
});
