/** Topics read as columns and read record by record: whatever their values are, the table is the same. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { keyType, recordColumns } from "../../core/ingest/feed.ts";
import type { Type } from "../../core/table/types.ts";
import { parseExact, textOf } from "../../sql/decode/json/parse.ts";
import { PartsTarget } from "../../sql/decode/made/whole-file.ts";
import { OddRecords } from "../../sql/decode/segment/odd-records.ts";
import { writeTopic } from "../../sql/decode/segment/topic-parts.ts";
import { openTopic } from "../../sql/decode/segment/topic-plan.ts";
import { loadDuckDB } from "../../sql/duckdb/native.ts";
import type { TestRecord } from "../support/kafka-batch.ts";
import { batchSegment } from "../support/topic-segment.ts";
import { Harness, READ, T } from "../unit/sql/decode/harness.ts";

setDefaultTimeout(120_000);

/** A value as it stands in JSON. */
type Json = fc.Arbitrary<string>;

const pad = (value: number, size = 2) => String(value).padStart(size, "0");
const INTEGER: Json = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
const INT: Json = fc.integer().map(String);
const DOUBLE: Json = fc
  .oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer())
  // Larger ones are written with an exponent, or are whole numbers that no double is.
  .filter((n) => Math.abs(n) < 2 ** 53 || Math.abs(n) >= 1e21)
  .map((n) => (Object.is(n, -0) ? "-0" : String(n)));
const DIGITS = fc
  .tuple(fc.integer({ min: -9_999_999, max: 9_999_999 }), fc.nat({ max: 2 }))
  .map(([cents, places]) => (cents / 10 ** places).toFixed(places).replace(/^-0(\.0*)?$/, "0$1"));
const CLOCK = fc
  .tuple(fc.nat({ max: 23 }), fc.nat({ max: 59 }), fc.nat({ max: 59 }), fc.nat({ max: 999_999 }))
  .map(([h, m, s, rest]) => `${pad(h)}:${pad(m)}:${pad(s)}${rest % 3 === 0 ? "" : `.${rest}`}`);
const DAY = fc
  .tuple(
    fc.integer({ min: 1, max: 9999 }),
    fc.integer({ min: 1, max: 12 }),
    fc.integer({ min: 1, max: 28 }),
  )
  .map(([year, month, day]) => `${pad(year, 4)}-${pad(month)}-${pad(day)}`);
const WALL = fc
  .tuple(DAY, fc.constantFrom(" ", "T"), CLOCK)
  .map(([day, mark, clock]) => `${day}${mark}${clock}`);
const ZONE = fc.constantFrom("Z", "+02", "-03:30", "+15:59");
const STRING: Json = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 80 }).map((text) => JSON.stringify(text)),
  fc.constantFrom('"\\u0041\\ud83d\\ude00"', '"\\/"', '""'),
);
/** What some place holds, and what is none. */
const ANY: Json = fc.oneof(
  ...[INTEGER, DOUBLE, STRING, DAY.map((day) => `"${day}"`), WALL.map((wall) => `"${wall}"`)],
  fc.constantFrom("true", "false", "null", "nul", "{}", "[]", '{"a": [1, "}"]}', "[1,]", "True"),
  fc.constantFrom("-0", "1.0", "1e3", "12E-1", "2147483648", "01", "1.", "-", "1e400", "-0.0"),
  fc.constantFrom("0.1000000000000000055", "9007199254740993", "1.50", "18446744073709551616"),
  fc.constantFrom('"2026-02-30"', '"2026-01-01T24:00:00"', '"2026-01-01 00:00:00+16"', '"\\ud800"'),
  fc.constantFrom('"\t"', '"\\x"', '"open'),
);

function object(fields: Readonly<Record<string, Json>>): Json {
  const pairs = Object.entries(fields).map(([key, value]) =>
    fc.option(value, { freq: 8 }).map((text) => (text === null ? [] : [`"${key}": ${text}`])),
  );
  return fc.tuple(...pairs).map((parts) => `{${parts.flat().join(",")}}`);
}

function list(item: Json): Json {
  const items = fc.array(fc.oneof({ weight: 9, arbitrary: item }, fc.constant("null")), {
    maxLength: 4,
  });
  return items.map((parts) => `[${parts.join(" , ")}]`);
}

/** Columns with the values that they are usually sent. */
const COLUMNS: Readonly<Record<string, readonly [Type, Json]>> = {
  small: [T.int, INT],
  big: [T.long, INTEGER],
  ratio: [T.double, DOUBLE],
  float: [{ kind: "primitive", name: "float" }, fc.constantFrom("1.5", "0.1", "3", "-0.25")],
  price: [T.decimal(9, 2), DIGITS],
  wide: [T.decimal(38, 5), DIGITS],
  long: [T.decimal(18, 9), DIGITS],
  flag: [T.boolean, fc.constantFrom("true", "false")],
  day: [T.date, DAY.map((day) => `"${day}"`)],
  at: [T.timestamptz, fc.tuple(WALL, ZONE).map(([wall, zone]) => `"${wall}${zone}"`)],
  wall: [T.timestamp, fc.oneof(WALL, DAY).map((wall) => `"${wall}"`)],
  text: [T.string, STRING],
  schlüssel: [T.string, fc.oneof(STRING, DOUBLE, fc.constantFrom('{"a": [1, "}"]}', "true"))],
  inner: [
    T.struct({ a: T.long, b: T.string, c: T.struct({ d: T.double }) }),
    object({ a: INTEGER, b: STRING, c: object({ d: DOUBLE }) }),
  ],
  items: [
    T.list(T.struct({ sku: T.string, qty: T.int, tags: T.list(T.string) })),
    list(object({ sku: STRING, qty: INT, tags: list(STRING) })),
  ],
  grid: [T.list(T.list(T.long)), list(list(INTEGER))],
  source_key: [T.string, STRING],
  nothing: [{ kind: "primitive", name: "string", awaits: "value" }, fc.constant("null")],
};

const SPACE = fc.constantFrom("", "", "", " ", "\n\t");
const NEVER = fc.constant(false);
const RUNS = 40;
const RARELY = fc.integer({ min: 0, max: 12 }).map((one) => one === 0);

/** A value of a record with some of these fields: usual where `isOdd` never is. */
function valuesOf(
  names: readonly string[],
  isOdd: fc.Arbitrary<boolean>,
): fc.Arbitrary<string | null> {
  const field = (name: string) => {
    const [, usual = ANY] = COLUMNS[name] ?? [];
    const value = isOdd.chain((odd) =>
      odd ? ANY : fc.oneof({ weight: 9, arbitrary: usual }, fc.constant("null")),
    );
    return fc
      .tuple(SPACE, value, SPACE)
      .map(([before, json, behind]) => `"${name}"${before}:${before}${json}${behind}`);
  };
  const shuffled = fc.shuffledSubarray([...names]);
  const fields = isOdd.chain((odd) => {
    const more = odd ? fc.constantFrom("unknown", names[0] ?? "x", "TEXT") : fc.constant(null);
    return fc
      .tuple(shuffled, more)
      .chain(([own, extra]) =>
        fc.tuple(...own.map(field), ...(extra === null ? [] : [field(extra)])),
      );
  });
  const whole = fc
    .tuple(SPACE, fields, SPACE)
    .map(([a, parts, b]) => `${a}{${a}${parts.join(`,${b}`)}}${b}`);
  return fc.oneof(
    { weight: 20, arbitrary: whole },
    isOdd.map((odd) => (odd ? "no json" : null)),
  );
}

function recordsOf(names: readonly string[], isOdd: fc.Arbitrary<boolean>) {
  const key = fc.oneof(
    fc.constant(null),
    fc.string({ unit: "binary", maxLength: 70 }),
    isOdd.map((odd) => (odd ? Uint8Array.of(255) : "k")),
  );
  const text = fc.oneof(
    fc.constant(null),
    fc.string({ maxLength: 5 }),
    fc.constant(Uint8Array.of(255)),
  );
  const headers = fc.oneof(
    { weight: 4, arbitrary: fc.constant([]) },
    fc.array(fc.tuple(fc.string({ maxLength: 3 }), text), { maxLength: 3 }),
  );
  const record: fc.Arbitrary<TestRecord> = fc.record({
    value: valuesOf(names, isOdd),
    key,
    headers,
    timestampDelta: fc.integer({ min: -5, max: 2 ** 31 - 1 }),
  });
  return fc.array(fc.array(record, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 5 });
}

const SAID = Object.fromEntries(
  [
    { name: "_op", type: T.string },
    { name: "_position", type: T.string },
    ...recordColumns(keyType("text")),
  ].map(({ name, type }) => [name, type]),
);

async function landBoth(
  h: Harness,
  names: readonly string[],
  batches: readonly (readonly TestRecord[])[],
  {
    isPacked,
    onUnknown,
  }: { readonly isPacked: boolean; readonly onUnknown: "quarantine" | "rescue" },
) {
  const packing = isPacked ? { codec: 4, pack: (plain: Buffer) => zstdCompressSync(plain) } : {};
  const bytes = batchSegment([
    { partition: 3, batches: batches.map((records) => ({ records, ...packing })) },
  ]);
  const file = h.file("0001.segment", bytes);
  const types: Record<string, Type> = {};
  const awaits: Record<string, Type> = {};
  for (const name of names) {
    const type = COLUMNS[name]?.[0] ?? T.string;
    const isAwaiting = type.kind === "primitive" && type.awaits !== undefined;
    types[name] = isAwaiting ? T.string : type;
    if (isAwaiting) awaits[name] = type;
  }
  const read = { ...READ, format: "segment" as const, table: "orders" };
  const plain = h.request([file], { ...types, ...SAID }, { read, onUnknown });
  const columns = plain.columns.map((column) => {
    const awaited = awaits[column.name];
    return awaited === undefined ? column : { ...column, awaits: awaited };
  });
  const request = { ...plain, columns };
  const topic = await openTopic(file.path, read);
  const target = new PartsTarget(`${request.staging}/looked`, file.name);
  const odd = topic === null ? null : new OddRecords(await loadDuckDB(), topic, request);
  const isFast =
    topic !== null &&
    odd !== null &&
    (await writeTopic(topic, request, odd, { target, reject: () => {} })) !== null;
  const fast = await h.run(request);
  // A correction, even of no row, has every row looked at.
  const fixes = [{ id: "none", raw: null, place: null }];
  const slow = await h.run({
    ...h.request([file], { ...types, ...SAID }, { read, onUnknown }),
    columns,
    fixes,
  });
  return { fast, slow, isFast };
}

const NAMES = fc.shuffledSubarray(Object.keys(COLUMNS), { minLength: 1, maxLength: 7 });
const HOW = fc.record({
  isPacked: fc.boolean(),
  onUnknown: fc.constantFrom("quarantine" as const, "rescue" as const),
});

function topicsOf(isOdd: fc.Arbitrary<boolean>) {
  return NAMES.chain((names) => fc.tuple(fc.constant(names), recordsOf(names, isOdd), HOW));
}

/**
 * A record that is decided by itself is shown without the fields that others have, in its own order, its numbers as
 * numbers though other records have texts there.
 */
function ofItself(reject: Readonly<Record<string, unknown>>) {
  const row = parseExact(String(reject.raw));
  const fields = row.kind === "object" ? [...row.entries] : [];
  const own = fields.flatMap(([key, node]) => {
    const text = textOf(node);
    return text === null ? [] : [`${key}: ${Number.isNaN(Number(text)) ? text : Number(text)}`];
  });
  return { ...reject, raw: own.toSorted() };
}

test("columns and records of any topic are the same table", async () => {
  await using h = await Harness.open();
  let asideCount = 0;
  await fc.assert(
    fc.asyncProperty(topicsOf(RARELY), async ([names, batches, how]) => {
      const { fast, slow, isFast } = await landBoth(h, names, batches, how);
      expect(fast.rejects.map(ofItself)).toEqual(slow.rejects.map(ofItself));
      expect(fast.rows).toEqual(slow.rows);
      expect(fast.decoded.files).toEqual(slow.decoded.files);
      if (isFast && fast.rejects.length > 0) asideCount++;
    }),
    { numRuns: RUNS },
  );
  expect(asideCount).toBeGreaterThan(0);
});

test("usual records are written as columns, without an object for each", async () => {
  await using h = await Harness.open();
  await fc.assert(
    fc.asyncProperty(topicsOf(NEVER), async ([names, batches, how]) => {
      const { fast, slow, isFast } = await landBoth(h, names, batches, how);
      expect(isFast).toBe(true);
      expect(fast.rejects).toEqual([]);
      expect(fast.rows).toEqual(slow.rows);
    }),
    { numRuns: RUNS },
  );
});
