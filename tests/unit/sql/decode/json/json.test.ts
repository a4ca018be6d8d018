/** JSON: exact numbers, nesting kept, every bad line set aside with its text, whatever the layout. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { basename } from "node:path";
import type { Type } from "../../../../../core/table/types.ts";
import { decode } from "../../../../../sql/decode/decode.ts";
import { oldId } from "../../../../../sql/decode/fixes.ts";
import { Harness, T } from "../harness.ts";

setDefaultTimeout(120_000);

const A: Readonly<Record<string, Type>> = { a: T.long };

async function land(content: string | Uint8Array, types = A, more = {}, name = "x.ndjson") {
  await using h = await Harness.open();
  return await h.decode([h.file(name, content)], types, more);
}

test("values of every kind land as they stand", async () => {
  const types = {
    id: T.long,
    name: T.string,
    price: T.decimal(10, 2),
    ratio: T.double,
    ok: T.boolean,
    day: T.date,
    at: T.timestamptz,
    address: T.struct({ city: T.string, zip: T.long }),
    tags: T.list(T.string),
    items: T.list(T.struct({ sku: T.string, n: T.long })),
  };
  const rows = [
    '{"id":1,"name":"a\\"b","price":1.50,"ratio":0.1,"ok":true,"day":"2024-01-02","at":"2024-01-01T00:00:00Z",' +
      '"address":{"city":"K","zip":5},"tags":["x","y"],"items":[{"sku":"s","n":1}]}',
    '{"id":2,"name":null,"ratio":5,"tags":[],"items":null,"address":null}',
    '{ "ratio" : 1e2, "id" : 3 , "address" : {"zip": null} }',
  ];
  const { rows: landed, rejects } = await land(rows.join("\n"), types);
  expect(rejects).toEqual([]);
  expect(landed).toEqual([
    {
      id: 1n,
      name: 'a"b',
      price: "1.50",
      ratio: 0.1,
      ok: true,
      day: "2024-01-02",
      at: "2024-01-01 00:00:00+00",
      address: { city: "K", zip: 5n },
      tags: ["x", "y"],
      items: [{ sku: "s", n: 1n }],
    },
    { ...EMPTY, id: 2n, ratio: 5, tags: [] },
    { ...EMPTY, id: 3n, ratio: 100, address: { city: null, zip: null } },
  ]);
});

const EMPTY = {
  name: null,
  price: null,
  ratio: null,
  ok: null,
  day: null,
  at: null,
  address: null,
  tags: null,
  items: null,
};

test.each([
  ["1.5", "type"],
  ["true", "type"],
  ['"7"', "type"],
  ["1e2", "type"],
  ["9223372036854775808", "type"],
  ["{}", "type"],
  ["007", "parse"],
  ["NaN", "parse"],
  ["1,", "parse"],
  ['1,"a":2', "duplicate-key"],
  ['1,"A":2', "duplicate-key"],
  ['1,"b":2', "unknown-field"],
])("%s is not a long: %s", async (value, reason) => {
  const { rows, rejects, decoded } = await land(`{"a":1}\n{"a":${value}}\n{"a":2}\n`);
  expect(rows).toEqual([{ a: 1n }, { a: 2n }]);
  expect(rejects.map((row) => [row.line, row.reason, row.raw])).toEqual([
    [2n, reason, `{"a":${value}}`],
  ]);
  expect(decoded.files[0]).toMatchObject({ rowsIn: 3, rowsLanded: 2, rowsQuarantined: 1 });
});

test("the golden case of lost lines: cut where a value must follow", async () => {
  const { rows, rejects } = await land(
    '{"a":1}\n{"a":\n{"a":3}\n{"a":[\n{"a":5}\n{"a":6,\n{"a":7}\n{"a":8',
  );
  expect(rows.map((row) => row.a)).toEqual([1n, 3n, 5n, 7n]);
  expect(rejects.map((row) => [row.line, row.raw])).toEqual([
    [2n, '{"a":'],
    [4n, '{"a":['],
    [6n, '{"a":6,'],
    [8n, '{"a":8'],
  ]);
});

test("garbage, NULs and bytes that are not UTF-8", async () => {
  const bytes = Buffer.concat([
    Buffer.from('{"a":1}\n\u0000\u0000\n\n{"a":'),
    Buffer.of(0xff),
    Buffer.from('}\n[1]\n5\r\n{"a":2}\r\n'),
  ]);
  const { rows, rejects } = await land(bytes);
  expect(rows).toEqual([{ a: 1n }, { a: 2n }]);
  expect(rejects.map((row) => [row.line, row.reason, row.raw])).toEqual([
    [2n, "parse", "\u0000\u0000"],
    [4n, "encoding", '{"a":\\xFF}'],
    [5n, "parse", "[1]"],
    [6n, "parse", "5\r"],
  ]);
});

test("texts of mixed values are as written", async () => {
  const lines = [
    '"x"',
    "1.10",
    "1E5",
    "123456789012345678901",
    "true",
    '{"b" : 1.0}',
    "[1, 2]",
    "null",
    "-0",
  ];
  const { rows } = await land(lines.map((value) => `{"a":${value}}`).join("\n"), { a: T.string });
  expect(rows.map((row) => row.a)).toEqual([
    "x",
    "1.10",
    "1E5",
    "123456789012345678901",
    "true",
    '{"b" : 1.0}',
    "[1, 2]",
    null,
    "-0",
  ]);
});

test("numbers that a double would change are set aside", async () => {
  const lines = [
    "0.1",
    "5.0",
    "1e3",
    "0.1234567890123456789",
    "1e400",
    "9007199254740993",
    "12345678.125",
  ];
  const { rows, rejects } = await land(lines.map((value) => `{"a":${value}}`).join("\n"), {
    a: T.double,
  });
  expect(rows.map((row) => row.a)).toEqual([0.1, 5, 1000, 12345678.125]);
  expect(rejects.map((row) => row.message)).toEqual([
    '"0.1234567890123456789" is not exactly a double',
    '"1e400" is not exactly a double',
    '"9007199254740993" is not exactly a double',
  ]);
});

test("unknown fields are rescued, nested ones too", async () => {
  const types = { a: T.long, o: T.struct({ x: T.long }) };
  const { rows } = await land('{"a":1,"z":1.10,"o":{"x":1,"y":[1, 2]}}\n{"a":2}\n', types, {
    onUnknown: "rescue",
  });
  expect(rows).toEqual([
    { a: 1n, o: { x: 1n }, _rescued: '{"z":1.10,"o":{"y":[1, 2]}}' },
    { a: 2n, o: null, _rescued: null },
  ]);
});

test("unknown fields and misfits are reported together", async () => {
  await using h = await Harness.open();
  const good = h.file("good.json", '{"a":1}\n');
  const bad = h.file("bad.json", '{"a":1}\n{"a":2.5,"b":"x"}\nbroken\n');
  const { decoded, rows } = await h.decode([good, bad], A, {
    onMisfit: "report",
    onUnknown: "report",
  });
  expect(rows).toEqual([{ a: 1n }]);
  expect(decoded.rejects).toBeNull();
  expect(decoded.files[1]?.misfits).toEqual([
    { name: "a", type: T.double, unseen: false, first: '"2.5" at line 2' },
    { name: "b", type: T.string, unseen: false, first: '"x" at line 2' },
  ]);
});

test.each([
  ["array", '[{"a":1},\n {"a" : 2},{"a":3}]'],
  ["array over lines", '[\n  {\n    "a": 1\n  },\n  {"a":2}, {"a":3}\n]\n'],
  ["objects over lines", '{\n  "a": 1\n}\n{\n  "a": 2\n}\n{"a":3}'],
  ["objects without space", '{"a":1}{"a":2}{"a":3}'],
  ["byte order mark", '\ufeff{"a":1}\n{"a":2}\n{"a":3}\n'],
  ["blank lines", '\n{"a":1}\n\n  \n{"a":2}\r\n{"a":3}'],
])("layout: %s", async (_name, content) => {
  const { rows, rejects } = await land(content, A, {}, "x.json");
  expect(rejects).toEqual([]);
  expect(rows).toEqual([{ a: 1n }, { a: 2n }, { a: 3n }]);
});

test("bad elements of an array are rows with a number", async () => {
  const { rows, rejects } = await land('[{"a":1},{"a":"x"},3,{"a":4}]', A, {}, "x.json");
  expect(rows).toEqual([{ a: 1n }, { a: 4n }]);
  expect(rejects.map((row) => [row.position, row.line, row.raw])).toEqual([
    ["row 2", null, '{"a":"x"}'],
    ["row 3", null, "3"],
  ]);
});

test("a fix whose place is known stands there though its row would fit", async () => {
  await using h = await Harness.open();
  const file = h.file("x.jsonl", '{"a":1}\n\n{"a":2}\n{"a":3}\n{"a":"x"}\n');
  const fixAt = (line: number, raw: string | null) => {
    return { id: "", raw, place: { file: file.name, position: `line ${line}` } };
  };
  const fixes = [fixAt(1, '{"a":10}'), fixAt(3, null), fixAt(5, '{"a":"y"}')];
  const { rows, rejects } = await h.decode([file], A, { fixes });
  expect(rows.map((row) => row.a)).toEqual([10n, 3n]);
  expect(rejects.map((row) => [row.line, row.raw])).toEqual([[5n, '{"a":"y"}']]);
});

test("fixes stand in the place of their rows", async () => {
  await using h = await Harness.open();
  const file = h.file("x.json", '{"a":1}\n{"a":2.5}\ngarbage\n{"a":"no"}\n{"a":5}\n');
  const first = await h.decode([file], A);
  const raws = ['{"a":2}', '{"a":3}', null];
  const fixes = first.rejects.map((row, index) => ({
    id: oldId(file.sha256, String(row.position)),
    raw: raws[index] ?? null,
    place: null,
  }));
  const second = await h.decode([file], A, { fixes });
  expect(second.rows.map((row) => row.a)).toEqual([1n, 2n, 3n, 5n]);
  expect(second.rejects).toEqual([]);
});

test("keys in another case, required values, expressions", async () => {
  await using h = await Harness.open();
  const columns = [
    { source: "id", name: "id", required: true, expression: null },
    { source: "mail", name: "mail", required: false, expression: "md5(mail)" },
  ];
  const lines = ['{"ID":1,"mail":"x"}', '{"mail":"secret"}', '{"id":2,"mail":5}', '{"id":3}'];
  const { rows, rejects } = await h.decode(
    [h.file("x.json", lines.join("\n"))],
    { id: T.long, mail: T.string },
    { columns, redacted: true },
  );
  const md5 = (text: string) => new Bun.CryptoHasher("md5").update(text).digest("hex");
  expect(rows).toEqual([
    { id: 1n, mail: md5("x") },
    { id: 2n, mail: md5("5") },
    { id: 3n, mail: null },
  ]);
  expect(rejects.map((row) => [row.line, row.reason, row.raw])).toEqual([[2n, "required", null]]);
});

test("many files, some with bad lines, are one data file in order", async () => {
  await using h = await Harness.open();
  const files = Array.from({ length: 30 }, (_, index) =>
    h.file(
      `f${index}.json`,
      index % 10 === 7 ? `{"a":${index}}\n{"a":1.0}\nx\n` : `{"a": ${index}}\n`,
    ),
  );
  const { decoded, rows, rejects } = await h.decode(files, A);
  expect(decoded.data.files.length).toBe(1);
  expect(rows.map((row) => Number(row.a))).toEqual(Array.from({ length: 30 }, (_, index) => index));
  expect(rejects.length).toBe(6);
});

test("dictionaries and deep values are kept as their text", async () => {
  const keys = Array.from({ length: 300 }, (_, index) => `"k${index}":${index}`);
  const value = `{${keys.join(",")}}`;
  await using h = await Harness.open();
  expect(await h.types(`{"d":${value}}`, "x.json")).toEqual({ d: "string" });
  const { rows } = await h.decode([h.file("x.json", `{"d":${value}}`)], { d: T.string });
  expect(rows[0]?.d).toBe(value);
  const deep = "[".repeat(70) + "]".repeat(70);
  const types = await h.types(`{"d":${deep}}`, "x.json");
  expect(String(types.d).startsWith("[[[")).toBe(true);
});

test("a struct of hundreds of fields is one value: exact, and in little memory", async () => {
  const peer = (n: number) => ({
    id: n,
    server: `10.0.0.${n}:80`,
    up: n % 2 === 0,
    load: n / 4,
    codes: Object.fromEntries(Array.from({ length: 40 }, (_, code) => [`c${code}`, n * code])),
  });
  const zone = (n: number) => ({ peers: [peer(n), peer(n + 1)], main: peer(n), note: null });
  const names = Array.from({ length: 12 }, (_, index) => `zone ${index}`);
  const line = (n: number) => ({
    at: n,
    zones: Object.fromEntries(names.map((name, index) => [name, zone(n + index)])),
  });
  const lines = Array.from({ length: 120 }, (_, n) => JSON.stringify(line(n)));
  // One value that its column cannot hold, one key that nobody knows.
  lines[7] = lines[7]?.replace('"up":false', '"up":"down"') ?? "";
  lines[8] = lines[8]?.replace('"note":null', '"extra":1') ?? "";
  await using h = await Harness.open();
  const file = h.file("x.ndjson", lines.join("\n"));
  const good = h.file("good.ndjson", lines.filter((_, n) => n !== 7 && n !== 8).join("\n"));
  const [seen] = (await h.inspect([good])).files;
  const types = Object.fromEntries(seen?.columns.map(({ name, type }) => [name, type]) ?? []);
  const { rows, rejects } = await h.decode([file], types, { onMisfit: "quarantine" });
  expect(rejects.map((row) => row.position)).toEqual(["line 8", "line 9"]);
  expect(rows.length).toBe(118);
  expect(
    JSON.parse(JSON.stringify(rows[5], (_, v) => (typeof v === "bigint" ? Number(v) : v))),
  ).toEqual(line(5));
});

test.each([
  { odd: "none", line: null, landed: 90_001 },
  { odd: "corrected", line: '{"pad":"late","n":100}', landed: 90_001 },
  { odd: "set aside", line: '{"n":"many","pad":"late"}', landed: 90_000 },
])("a file is written while it is walked: the last line is odd, $odd", async ({ line, landed }) => {
  const pad = "x".repeat(100);
  const plain = (n: number) => `{"n":${n},"pad":"${pad}"}`;
  const lines = Array.from({ length: 90_000 }, (_, n) => plain(n));
  lines.push(line ?? plain(90_000));
  await using h = await Harness.open();
  const request = h.request([h.file("x.ndjson", `${lines.join("\n")}\n`)], {
    n: T.long,
    pad: T.string,
  });
  const decoded = await decode(h.context(), request);
  expect(decoded.data.rows).toBe(BigInt(landed));
  expect(decoded.files[0]?.rowsQuarantined).toBe(90_001 - landed);
  const files = readdirSync(request.staging).filter((name) => name.startsWith("data-"));
  expect(files).toEqual(decoded.data.files.map((file) => basename(file.path)));
});
