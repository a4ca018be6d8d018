/** Law: a text that is written as a file of its table without the engine lands what the engine lands of it. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import fc from "fast-check";
import type { ClaimedFile, Decoded, DecodeRequest } from "../../core/engine.ts";
import type { Schema, Type } from "../../core/table/types.ts";
import { decodeWholeText } from "../../sql/decode/whole-text.ts";
import { metricsOf } from "../support/data-file-metrics.ts";
import { Harness, READ, T } from "../unit/sql/decode/harness.ts";

setDefaultTimeout(180_000);

const TYPES: Readonly<Record<string, Type>> = {
  text: T.string,
  long: T.long,
  int: T.int,
  double: T.double,
  flag: T.boolean,
  day: T.date,
  moment: T.timestamp,
  instant: T.timestamptz,
  money: T.decimal(10, 2),
  exact: T.decimal(15, 15),
  wide: T.decimal(38, 6),
  address: T.struct({ street: T.string, no: T.long, since: T.timestamp, price: T.decimal(12, 3) }),
  tags: T.list(T.string),
  sums: T.list(T.double),
  deep: T.list(T.struct({ a: T.long, b: T.list(T.string) })),
};

const JSON_TEXTS = [
  ...["null", "true", "false", "0", "-0", "-0.0", "7", "-12", "007", "1.5", "1.50", "0.1", "5."],
  ...[".5", "1e5", "1E+2", "1.0", "0.30000000000000004", "123456789.1", "85189.82", "19.999"],
  ...["99999999.99", "9007199254740993", "999999999999999", "0.123456789012345", "2147483647"],
  ...["2147483648", "123456789012345678", "9223372036854775807", "NaN", "12345678901234567890.5"],
  ...['""', '"a"', '"é€𝄞"', '"a\\nb"', '"\\u0041"', '"\\ud800"', '"12"', '"true"', '"null"'],
  ...['"2024-02-29"', '"2023-02-29"', '"0000-01-01"', '"0001-01-01"', '"9999-12-31"'],
  ...['"2024-01-01 00:00:00"', '"2024-01-01T23:59:59.123456"', '"2024-01-01 00:00:00.1"'],
  ...['"2024-01-01 00:00:00.1234567"', '"2024-01-01 24:00:00"', '"2024-01-01T00:00:00Z"'],
  ...['"2024-01-01T00:00:00+02:00"', '"2024-01-01T00:00:00-05"', '"0001-01-01 00:00:00"'],
  ...["[]", "[null]", '["a","b",null]', "[1,2.5,-3]", '["a"]trail', "{}", '{ "no" : 5 }'],
  '{"street":"x","no":5,"since":"2024-01-01 01:02:03","price":12.345}',
  ...['{"no":5,"street":"x"}', '{"street":null,"no":1.5}', '{"street":"x","city":"y"}'],
  ...['[{"a":1,"b":["x",null]},null,{"b":[]},{"a":null}]', '{"no":1,"no":2}', '{"No":1}'],
] as const;
const value = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...JSON_TEXTS) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme" }).map((text) => JSON.stringify(text)) },
  { weight: 1, arbitrary: fc.bigInt(-(10n ** 19n), 10n ** 19n).map(String) },
  { weight: 1, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }).map(String) },
  { weight: 1, arbitrary: fc.array(fc.string()).map((texts) => JSON.stringify(texts)) },
);
/** How lines are written: what stands around values, and behind them. */
const SHAPES: readonly ((value: string, row: number) => string)[] = [
  (text, row) => `{"v":${text},"last":${row}}`,
  (text, row) => `{ "last" : ${row} , "v" : ${text} } `,
  (text, row) => `{"v":${text},"last":${row}}\r`,
  (text) => `{"v":${text}}`,
];

test("lines of JSON, by every type", async () => {
  await using h = await Harness.open();
  const names = fc.constantFrom(...Object.keys(TYPES));
  const shapes = fc.constantFrom(...SHAPES);
  let landed = 0;
  const values = fc.array(value, { minLength: 30, maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(names, shapes, values, async (name, shape, all) => {
      const types = { v: TYPES[name] ?? T.string, last: T.long };
      const usual: string[] = [];
      for (const text of all) {
        const line = shape(text, usual.length);
        const file = h.file("one.jsonl", `${line}\n`);
        if ((await whole(h, h.request([file], types))) !== null) usual.push(line);
      }
      landed += usual.length;
      if (usual.length > 0) await same(h, h.file("f.jsonl", usual.join("\n")), types);
    }),
    { numRuns: 60, endOnFailure: true },
  );
  expect(landed).toBeGreaterThan(300);
});

test("a text whose rows are not all as usual is left to the engine", async () => {
  await using h = await Harness.open();
  const types = { a: T.long, b: T.string };
  const good = '{"a":1,"b":"x"}';
  const isLeft = async (content: string | Uint8Array, more: Partial<DecodeRequest> = {}) =>
    (await whole(h, h.request([h.file("f.jsonl", content)], types, more))) === null;
  expect(await isLeft(`${good}\n`)).toBe(false);
  expect(await isLeft(good)).toBe(false);
  const odd = [
    ...["", "\n", `${good}\n\n${good}\n`, '{"a":1,\n"b":"x"}\n', `${good}${good}\n`, "[1]\n"],
    ...[
      `${good}\nnull\n`,
      '{"a":"1"}\n',
      '{"A":1}\n',
      '{"a":1,"c":2}\n',
      '{"a":1,"a":1}\n',
      '{"a":1',
    ],
    ...[`[${good},${good}]`, `{\n"a": 1\n}\n`, Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0xff, 0x7d])],
    ...[Buffer.from('{"b":"\xff"}\n', "latin1"), Bun.gzipSync(Buffer.from(`${good}\n`))],
    Buffer.from(`${good}\n`, "utf16le"),
  ];
  for (const content of odd) expect(await isLeft(content)).toBe(true);
  const column = { source: "a", name: "a", required: true, expression: null };
  const rest = { source: "b", name: "b", required: false, expression: null };
  expect(await isLeft('{"b":"x"}\n', { columns: [column, rest] })).toBe(true);
  expect(await isLeft('{"a":null}\n', { columns: [column, rest] })).toBe(true);
  expect(await isLeft(`${good}\n`, { columns: [column, rest] })).toBe(false);
  const made = { ...column, required: false, expression: "a + 1" };
  expect(await isLeft(`${good}\n`, { columns: [made, rest] })).toBe(true);
  expect(await isLeft(`${good}\n`, { tellRejects: true })).toBe(true);
  expect(await isLeft(`${good}\n`, { countsValues: true })).toBe(true);
});

test("what a text grew by lands behind what landed before", async () => {
  await using h = await Harness.open();
  const first = '{"v":1,"last":0}\n{"v":2,"last":1}\n';
  const file = h.file("f.jsonl", `${first}{"v":3,"last":2}\n{"v":4`, { fromByte: first.length });
  expect(await whole(h, h.request([file], { v: T.long, last: T.long }))).toBeNull();
  writeFileSync(file.path, `${first}{"v":3,"last":2}\n{"v":4}`);
  await same(h, file, { v: T.long, last: T.long });
});

function whole(h: Harness, request: DecodeRequest): Promise<Decoded | null> {
  return decodeWholeText(h.context(), { ...request, read: { ...READ, ...request.read } });
}

/** Both write one file with the same rows, and say the same of it and of the drop. */
async function same(
  h: Harness,
  file: ClaimedFile,
  types: Readonly<Record<string, Type>>,
): Promise<void> {
  const [mine, engines] = [h.request([file], types), h.request([file], types)];
  const written = await whole(h, mine);
  const { decoded } = await h.run(engines);
  if (written === null) throw new Error("the text is not written whole");
  expect(written.files).toEqual(decoded.files);
  expect(written.rejects).toBeNull();
  expect(written.data.rows).toBe(decoded.data.rows);
  const [one] = written.data.files;
  const [other] = decoded.data.files;
  expect(written.data.files).toHaveLength(1);
  expect(one?.partition).toEqual(other?.partition ?? []);
  const paths = [one?.path ?? "", other?.path ?? ""] as const;
  expect(await h.read([paths[0]])).toEqual(await h.read([paths[1]]));
  const [said, engineSaid] = await Promise.all(paths.map((path) => saidOf(path, mine.schema)));
  expect(said).toEqual(engineSaid);
}

/** All but sizes. */
async function saidOf(path: string, schema: Schema) {
  const { recordCount, keyValue, metrics } = await metricsOf(path, schema);
  const said = [...metrics].map(([id, { sizeBytes: _, ...rest }]) => ({ id, ...rest }));
  return { recordCount, keyValue, said: said.toSorted((a, b) => a.id - b.id) };
}
