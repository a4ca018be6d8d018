/** Segments read as columns and read row by row: whatever the stream held, the table is the same. */

import { expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import type { ShapeColumn } from "../../core/ingest/segment.ts";
import { SegmentFile, type Sent, shapeColumn, UNCHANGED } from "../support/segment-file.ts";
import { Harness, READ } from "../unit/sql/decode/harness.ts";

setDefaultTimeout(120_000);

type Values = fc.Arbitrary<Sent>;

function bytesOf(size: number, write: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.alloc(size);
  write(bytes);
  return bytes;
}

const pad = (value: number, size = 2) => String(value).padStart(size, "0");
const DAY = fc
  .tuple(
    fc.integer({ min: 1, max: 9999 }),
    fc.integer({ min: 1, max: 12 }),
    fc.integer({ min: 1, max: 28 }),
  )
  .map(([year, month, day]) => `${pad(year, 4)}-${pad(month)}-${pad(day)}`);
const CLOCK = fc
  .tuple(fc.integer({ min: 0, max: 86_399 }), fc.integer({ min: 0, max: 999_999 }))
  .map(([all, rest]) => {
    const clock = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60].map((n) => pad(n));
    const fraction = pad(rest, 6).replace(/0+$/, "");
    return `${clock.join(":")}${fraction === "" ? "" : `.${fraction}`}`;
  });
const INSTANT = fc.tuple(DAY, CLOCK).map(([day, clock]) => `${day} ${clock}`);
const MICROS = fc.bigInt({ min: -(2n ** 56n), max: 2n ** 56n });
const LONG = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const MONEY = fc
  .tuple(fc.integer({ min: -9_999_999, max: 9_999_999 }), fc.integer({ min: 0, max: 2 }))
  .map(([cents, places]) => (cents / 100).toFixed(places));
const LONG_DECIMAL = fc
  .tuple(fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }), fc.integer({ min: 0, max: 999 }))
  .map(([whole, rest]) => `${whole}.${pad(rest, 3)}`);

/** Columns with the values that they may be sent; now and then one that no typed column holds. */
const COLUMNS: readonly (readonly [ShapeColumn, Values])[] = [
  [
    shapeColumn("n", "int", 23),
    fc.oneof(
      fc.integer().map(String),
      fc.integer().map((n) => bytesOf(4, (to) => to.writeInt32BE(n))),
    ),
  ],
  [
    shapeColumn("big", "bigint", 20),
    fc.oneof(
      LONG.map(String),
      LONG.map((n) => bytesOf(8, (to) => to.writeBigInt64BE(n))),
    ),
  ],
  [shapeColumn("price", "decimal(9,2)", 1700), MONEY],
  [shapeColumn("wide", "decimal(18,3)", 1700), LONG_DECIMAL.filter((text) => text.length < 19)],
  [
    shapeColumn("wider", "decimal(38,5)", 1700),
    fc.oneof(
      LONG_DECIMAL,
      MONEY,
      fc.bigInt({ min: -(10n ** 33n) + 1n, max: 10n ** 33n - 1n }).map((whole) => `${whole}.00001`),
    ),
  ],
  [
    shapeColumn("clock", "time", 1083),
    fc.oneof({ weight: 20, arbitrary: CLOCK }, fc.constant("24:00:00")),
  ],
  [shapeColumn("text", "varchar", 25), fc.string({ unit: "binary", maxLength: 60 })],
  [
    shapeColumn("ratio", "double", 701),
    fc.oneof(
      fc.double().map((n) => (Object.is(n, -0) ? "-0" : String(n))),
      fc.double().map((n) => bytesOf(8, (to) => to.writeDoubleBE(n))),
    ),
  ],
  [
    shapeColumn("small", "real", 700),
    fc.oneof(
      fc.float({ noNaN: true, noDefaultInfinity: true }).map((n) => String(Math.fround(n))),
      fc.float().map((n) => bytesOf(4, (to) => to.writeFloatBE(n))),
    ),
  ],
  [
    shapeColumn("flag", "boolean", 16),
    fc.oneof(fc.constantFrom("t", "f"), fc.constantFrom(Buffer.of(0), Buffer.of(1))),
  ],
  [
    shapeColumn("day", "date", 1082),
    fc.oneof(
      DAY,
      fc
        .integer({ min: -700_000, max: 700_000 })
        .map((n) => bytesOf(4, (to) => to.writeInt32BE(n))),
    ),
  ],
  [
    shapeColumn("at", "timestamptz", 1184),
    fc.oneof(
      INSTANT.map((text) => `${text}+00`),
      MICROS.map((n) => bytesOf(8, (to) => to.writeBigInt64BE(n))),
    ),
  ],
  [
    shapeColumn("wall", "timestamp", 1114),
    fc.oneof(
      INSTANT,
      MICROS.map((n) => bytesOf(8, (to) => to.writeBigInt64BE(n))),
    ),
  ],
  [
    shapeColumn("ref", "uuid", 2950),
    fc.oneof(
      fc.uuid(),
      fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes)),
    ),
  ],
  [
    shapeColumn("raw", "blob", 17),
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => `\\x${Buffer.from(bytes).toString("hex")}`),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    ),
  ],
  [
    shapeColumn("tags", "varchar", 1009, {
      kind: "array",
      element: { oid: 25, typmod: -1, name: "text", kind: "base" },
    }),
    fc.constantFrom("{}", "{a,NULL}"),
  ],
  [shapeColumn("odd", "timestamptz", 1184), fc.constantFrom("2024-01-01 00:00:00+05:30")],
];

interface Step {
  readonly op: "insert" | "update" | "key" | "full" | "delete" | "truncate" | "begin";
  readonly row: readonly Sent[];
  readonly old: readonly Sent[];
}

function stepsOf(values: readonly Values[]): fc.Arbitrary<readonly Step[]> {
  const row = fc.tuple(...values.map((value) => fc.option(value, { freq: 6 })));
  const patchy = fc.tuple(
    ...values.map((value) => fc.oneof({ weight: 5, arbitrary: value }, fc.constant(UNCHANGED))),
  );
  const op = fc.constantFrom<Step["op"]>(
    "insert",
    "update",
    "key",
    "full",
    "delete",
    "truncate",
    "begin",
  );
  return fc.array(fc.record({ op, row: fc.oneof(row, patchy), old: row }), { maxLength: 40 });
}

function segmentOf(
  columns: readonly ShapeColumn[],
  steps: readonly Step[],
  isFull: boolean,
): Buffer {
  const file = new SegmentFile();
  const identity = isFull ? "full" : "default";
  const shape = file.shape({ columns, identity });
  let xid = 1;
  file.transaction(xid);
  for (const { op, row, old } of steps) {
    const inserted = row.map((value) => (value === UNCHANGED ? null : value));
    const key = old.map((value, index) => (columns[index]?.key ? value : null));
    if (op === "begin") file.transaction(++xid);
    else if (op === "truncate") file.truncate(shape);
    else if (op === "insert") file.insert(shape, inserted);
    else if (op === "delete") file.delete(shape, isFull ? { old } : { key });
    else if (op === "update") file.update(shape, row);
    else file.update(shape, row, isFull ? { old } : { key });
  }
  return file.bytes({ "public.orders": file.countOf(shape) });
}

test("columns and rows of any stream are the same table", async () => {
  await using h = await Harness.open();
  const chosen = fc.shuffledSubarray([...COLUMNS.keys()], { minLength: 1, maxLength: 8 });
  const stream = chosen.chain((places) => {
    const columns = places.map((place, index) => {
      const [column] = COLUMNS[place] ?? [];
      return { ...(column ?? shapeColumn("x", "int", 23)), key: index === 0 };
    });
    const values = places.map((place) => COLUMNS[place]?.[1] ?? fc.constant(null));
    return fc.tuple(fc.constant(columns), stepsOf(values), fc.boolean());
  });
  await fc.assert(
    fc.asyncProperty(stream, async ([columns, steps, isFull]) => {
      const file = h.file("0001.segment", segmentOf(columns, steps, isFull));
      const [seen] = (await h.inspect([file])).files;
      const types = Object.fromEntries((seen?.columns ?? []).map(({ name, type }) => [name, type]));
      const fast = await h.decode([file], types, { read: READ });
      // A correction, even of no row, has every row looked at.
      const fixes = [{ id: "none", raw: null, place: null }];
      const slow = await h.decode([file], types, { read: READ, fixes });
      expect(fast.rejects).toEqual(slow.rejects);
      expect(fast.rows).toEqual(slow.rows);
      expect(slow.rejects).toEqual([]);
    }),
    { numRuns: 60 },
  );
});
