/** PostgreSQL's texts of values as exact values, and how values inside others are written and read. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import type { WireType } from "../../../../../core/ingest/wire-type.ts";
import type { Type } from "../../../../../core/table/types.ts";
import {
  Day,
  Decimal,
  Entries,
  type Exact,
  Instant,
  Time,
} from "../../../../../sql/decode/lossless/exact-value.ts";
import { exactText } from "../../../../../sql/decode/segment/postgres/exact-text.ts";
import {
  arrayText,
  hstoreText,
  parseArray,
  parseHstore,
  parseRow,
  rowText,
} from "../../../../../sql/decode/segment/postgres/literals.ts";
import { OID } from "../../../../../sql/decode/segment/postgres/oids.ts";
import { T } from "../harness.ts";

const DAY_MICROS = 86_400_000_000n;
const TIME: Type = { kind: "primitive", name: "time" };
const BINARY: Type = { kind: "primitive", name: "binary" };
const MAP: Type = {
  kind: "map",
  keyId: 0,
  key: T.string,
  valueId: 0,
  valueRequired: false,
  value: T.string,
};

function base(name: string, oid: number): WireType {
  return { oid, typmod: -1, name, kind: "base" };
}

const INT = base("int4", OID.int4);
const INTS: WireType = { oid: 1007, typmod: -1, name: "_int4", kind: "array", element: INT };
const PAIR: WireType = {
  oid: 90_000,
  typmod: -1,
  name: "public.pair",
  kind: "composite",
  fields: [
    { name: "a", wire: INT },
    { name: "b", wire: base("text", OID.text) },
  ],
};

const CASES: readonly (readonly [WireType, Type, string, Exact])[] = [
  [base("bool", OID.bool), T.boolean, "t", true],
  [base("bool", OID.bool), T.string, "f", "false"],
  [base("int8", OID.int8), T.long, "-9223372036854775808", -(2n ** 63n)],
  [base("float4", OID.float4), T.double, "0.1", Math.fround(0.1)],
  [base("float8", OID.float8), T.double, "-Infinity", -Infinity],
  [base("numeric", OID.numeric), T.decimal(9, 2), "-12.50", new Decimal(-1250n, 2)],
  [base("numeric", OID.numeric), T.decimal(9, 2), "NaN", "NaN"],
  [base("money", OID.money), T.decimal(19, 2), "-$1,234.50", new Decimal(-123_450n, 2)],
  [base("date", OID.date), T.date, "0001-01-01 BC", new Day(-719_528)],
  [base("date", OID.date), T.date, "5874897-12-31", new Day(2_145_042_905)],
  [base("date", OID.date), T.date, "infinity", "infinity"],
  [base("time", OID.time), TIME, "23:59:59.5", new Time(86_399_500_000n)],
  [base("time", OID.time), TIME, "24:00:00", "24:00:00"],
  [
    base("timestamp", OID.timestamp),
    T.timestamp,
    "1970-01-02 00:00:00",
    new Instant(DAY_MICROS, 0, false),
  ],
  [
    base("timestamptz", OID.timestamptz),
    T.timestamptz,
    "1970-01-01 05:30:00+05:30",
    new Instant(0n, 0, true),
  ],
  [base("timestamptz", OID.timestamptz), T.timestamptz, "-infinity", "-infinity"],
  [base("bytea", OID.bytea), BINARY, "\\x00ff", Buffer.of(0, 255)],
  [base("bytea", OID.bytea), BINARY, "a\\\\\\001", Buffer.of(97, 92, 1)],
  [
    base("interval", OID.interval),
    T.string,
    "P1Y2M-3DT4H5M6.7S",
    "1 year 2 mons -3 days +04:05:06.7",
  ],
  [base("interval", OID.interval), T.string, "P0D", "00:00:00"],
  [base("interval", OID.interval), T.string, "PT-0.000001S", "-00:00:00.000001"],
  [base("interval", OID.interval), T.string, "1 day", "1 day"],
  [INTS, T.list(T.int), "{1,NULL,3}", [1n, null, 3n]],
  [INTS, T.list(T.int), "{}", []],
  [INTS, T.list(T.int), "{{1},{2}}", "{{1},{2}}"],
  [INTS, T.list(T.int), "[2:3]={7,8}", "[2:3]={7,8}"],
  [INTS, T.string, "{1,2}", "{1,2}"],
  [
    PAIR,
    T.struct({ a: T.int, b: T.string }),
    '(1,"x,y")',
    new Entries([
      ["a", 1n],
      ["b", "x,y"],
    ]),
  ],
  [
    PAIR,
    T.struct({ a: T.int, b: T.string }),
    "(,)",
    new Entries([
      ["a", null],
      ["b", null],
    ]),
  ],
  [PAIR, T.struct({ a: T.int, b: T.string }), "(1)", "(1)"],
  [
    base("public.hstore", 90_001),
    MAP,
    '"a"=>"1", "b"=>NULL',
    new Entries([
      ["a", "1"],
      ["b", null],
    ]),
  ],
  [base("jsonb", OID.jsonb), T.string, '{"a": 1}', '{"a": 1}'],
  [{ oid: 90_002, typmod: -1, name: "d", kind: "domain", base: INT }, T.int, "7", 7n],
];

test("a text is the value of its type, and stays a text where the column does not hold it", () => {
  for (const [wire, type, text, value] of CASES) {
    expect([wire.name, text, exactText(wire, type)(text)]).toEqual([wire.name, text, value]);
  }
});

const WORD = fc.string({
  unit: fc.constantFrom("a", ",", ";", '"', "\\", "{", "}", "(", ")", " ", "é", "N", "NULL"),
});
const ITEMS = fc.array(fc.option(WORD), { maxLength: 6 });

test("the texts of items come back out of an array, whatever they hold and whatever parts them", () => {
  fc.assert(
    fc.property(ITEMS, fc.constantFrom(",", ";"), (items, delimiter) => {
      const sizes = items.length === 0 ? [] : [items.length];
      const text = arrayText(
        sizes,
        sizes.map(() => 1),
        items,
        delimiter,
      );
      expect(parseArray(text, delimiter)?.items).toEqual(items);
    }),
  );
});

test("an array of two dimensions and with other bounds is read as what it is", () => {
  const text = arrayText([2, 2], [0, 5], ["1", null, "a b", "4"], ",");
  expect(text).toBe('[0:1][5:6]={{1,NULL},{"a b",4}}');
  expect(parseArray(text, ",")).toEqual({
    items: [
      ["1", null],
      ["a b", "4"],
    ],
    depth: 2,
    isPlain: false,
  });
});

test("what is no array, no row and no hstore is told", () => {
  for (const text of ["", "{", "{a", "{a}}", "{,}", "{a,}", '{"a}', "a", "[1:2]{1,2}", "{a}b"]) {
    expect([text, parseArray(text, ",")]).toEqual([text, null]);
  }
  for (const text of ["", "(", "1,2", '(",)']) expect([text, parseRow(text)]).toEqual([text, null]);
  for (const text of ["a=>1", '"a"=>"1', '"a"=>"1",']) {
    expect([text, parseHstore(text)]).toEqual([text, null]);
  }
});

test("the texts of fields come back out of a row, and those of a hstore", () => {
  fc.assert(
    fc.property(fc.array(fc.option(WORD), { minLength: 1, maxLength: 6 }), (fields) => {
      expect(parseRow(rowText(fields))).toEqual(fields);
    }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(WORD, fc.option(WORD))), (pairs) => {
      expect(parseHstore(hstoreText(pairs))).toEqual(pairs);
    }),
  );
});
