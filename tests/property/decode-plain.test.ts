/** Law: lines that are passed over as plain land what the exact parser makes of them. */

import { expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import type { Type } from "../../core/table/types.ts";
import { OUT } from "../../sql/decode/lossless/json-text.ts";
import { plainReader } from "../../sql/decode/lossless/plain-json.ts";
import { Harness, T } from "../unit/sql/decode/harness.ts";

setDefaultTimeout(180_000);

const TYPES: Readonly<Record<string, Type>> = {
  text: T.string,
  long: T.long,
  int: T.int,
  double: T.double,
  flag: T.boolean,
  day: T.date,
  moment: T.timestamp,
  money: T.decimal(10, 2),
  exact: T.decimal(15, 15),
  whole: T.decimal(15, 0),
  address: T.struct({ street: T.string, no: T.long, since: T.timestamp, price: T.decimal(12, 3) }),
  tags: T.list(T.string),
  sums: T.list(T.double),
};
const JSON_VALUES = [
  "null",
  "true",
  "false",
  "0",
  "-0",
  "-0.0",
  "7",
  "-12",
  "007",
  "1.5",
  "1.50",
  "0.1",
  "0.30000000000000004",
  "123456789.1",
  "85189.82",
  "99999999.99",
  "19.999",
  "1e5",
  "1E+2",
  "1.0",
  "5.",
  ".5",
  "9007199254740993",
  "999999999999999",
  "0.123456789012345",
  "2147483647",
  "2147483648",
  "123456789012345678",
  "9223372036854775807",
  "NaN",
  '""',
  '"a"',
  '"é€𝄞"',
  '"a\\nb"',
  '"\\u0041"',
  '"12"',
  '"true"',
  '"2024-02-29"',
  '"2023-02-29"',
  '"0000-01-01"',
  '"0001-01-01"',
  '"9999-12-31"',
  '"2024-01-01 00:00:00"',
  '"2024-01-01T23:59:59.123456"',
  '"2024-01-01 00:00:00.1"',
  '"2024-01-01 00:00:00.1234567"',
  '"2024-01-01 24:00:00"',
  '"2024-01-01T00:00:00Z"',
  '"0001-01-01 00:00:00"',
  "[]",
  '["a","b",null]',
  "[1,2.5,-3]",
  '["a"]trail',
  "{}",
  '{"street":"x","no":5,"since":"2024-01-01 01:02:03","price":12.345}',
  '{"street":"x","no":5}',
  '{"no":5,"street":"x"}',
  '{"street":null,"no":1.5}',
  '{"street":"x","city":"y"}',
] as const;
const value = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...JSON_VALUES) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme" }).map((text) => JSON.stringify(text)) },
  { weight: 1, arbitrary: fc.bigInt(-(10n ** 19n), 10n ** 19n).map(String) },
  { weight: 1, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }).map(String) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.bigInt(-(10n ** 10n), 10n ** 10n), fc.nat(4), fc.nat(9_999))
      .map(([whole, digits, part]) => `${whole}.${String(part).padStart(4, "0").slice(0, digits)}`),
  },
  {
    weight: 1,
    arbitrary: fc
      .date({ min: new Date("0001-01-01"), max: new Date("9999-12-31"), noInvalidDate: true })
      .map((date) => JSON.stringify(date.toISOString().slice(0, -1))),
  },
);
/** Makes a file large enough to be walked. */
const PAD = "x".repeat(2_000);

test("files walked as plain land what every line decided by itself lands", async () => {
  const names = fc.constantFrom(...Object.keys(TYPES));
  await fc.assert(
    fc.asyncProperty(
      names,
      fc.array(value, { minLength: 30, maxLength: 80 }),
      async (name, values) => {
        await using h = await Harness.open();
        const types = { pad: T.string, v: TYPES[name] ?? T.string, last: T.long };
        const land = async (open: string) => {
          const lines = values.map(
            (text, row) => `${open}"pad":"${PAD}","v":${text},"last":${row}}`,
          );
          // What most lines look like is read off the first ones.
          const usual = Array.from(
            { length: 40 },
            (_, row) => `{"pad":"${PAD}","v":null,"last":${row}}`,
          );
          const file = h.file("f.jsonl", `${[...usual, ...lines].join("\n")}\n`);
          const { rows, rejects, decoded } = await h.decode([file], types);
          const aside = rejects.map((row) => [row.line, row.reason, row.column_name]);
          // The two files are not of one length.
          const files = decoded.files.map(({ end: _, ...file }) => file);
          return { rows: rows.map((row) => [row.v, row.last]), aside, files };
        };
        const plain = await land("{");
        const decided = await land("{ ");
        expect(plain.aside).toEqual(decided.aside);
        expect(plain.rows).toEqual(decided.rows);
        expect(plain.files).toEqual(decided.files);
      },
    ),
    { numRuns: 40, endOnFailure: true },
  );
});

test("plain values of each type, and those that are not", () => {
  const isPlain = (type: Type, text: string) => {
    const bytes = Buffer.from(`${text}}\n`);
    const end = plainReader(type, false)?.(bytes, 0) ?? OUT;
    return end === bytes.length - 2;
  };
  const plain: [Type, string][] = [
    [T.string, '"a é"'],
    [T.long, "-123456789012345678"],
    [T.int, "123456789"],
    [T.double, "-0.25"],
    [T.boolean, "false"],
    [T.date, '"2024-02-29"'],
    [T.timestamp, '"2024-01-01T00:00:00.123456"'],
    [T.decimal(10, 2), "85189.82"],
    [T.list(T.long), "[1,null,3]"],
    [T.struct({ a: T.long, b: T.string }), '{"b":null}'],
  ];
  for (const [type, text] of plain)
    expect([type, text, isPlain(type, text)]).toEqual([type, text, true]);
  const odd: [Type, string][] = [
    [T.string, '"a\\n"'],
    [T.string, '"a\nb"'],
    [T.string, "5"],
    [T.long, "1234567890123456789"],
    [T.long, "-0"],
    [T.long, "1.0"],
    [T.long, "01"],
    [T.double, "1e5"],
    [T.double, "0.12345678901234"],
    [T.double, "-0.0"],
    [T.boolean, "truer"],
    [T.date, '"2023-02-29"'],
    [T.date, '"1900-02-29"'],
    [T.date, '"0000-01-01"'],
    [T.timestamp, '"2024-01-01"'],
    [T.timestamp, '"2024-01-01 24:00:00"'],
    [T.decimal(10, 2), "85189.820"],
    [T.decimal(10, 2), "123456789"],
    [T.list(T.long), "[1, 2]"],
    [T.list(T.long), "[1,]"],
    [T.struct({ a: T.long, b: T.string }), '{"b":"x","a":1}'],
    [T.struct({ a: T.long }), '{"a":1,"a":2}'],
  ];
  for (const [type, text] of odd)
    expect([type, text, isPlain(type, text)]).toEqual([type, text, false]);
});
