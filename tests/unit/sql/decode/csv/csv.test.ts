/** CSV: every good row lands as it stands, every bad one is set aside with its line and text. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { oldId } from "../../../../../sql/decode/fixes.ts";
import { Harness, T } from "../harness.ts";

setDefaultTimeout(120_000);

const AB = { a: T.string, b: T.string };

async function land(content: string | Uint8Array, types = AB, more = {}) {
  await using h = await Harness.open();
  return await h.decode([h.file("x.csv", content)], types, more);
}

test("a clean file lands in one pass with its provenance", async () => {
  await using h = await Harness.open();
  const types = {
    id: T.long,
    at: T.timestamp,
    price: T.decimal(10, 2),
    ok: T.boolean,
    day: T.date,
  };
  const content =
    "id,at,price,ok,day\n1,2024-01-01 00:00:00,1.5,true,2024-01-02\n2,2024-01-01T01:02:03.5,,,\n";
  const { decoded, rows, rejects } = await h.decode([h.file("drops/x.csv", content)], types);
  expect(rows).toEqual([
    { id: 1n, at: "2024-01-01 00:00:00", price: "1.50", ok: true, day: "2024-01-02" },
    { id: 2n, at: "2024-01-01 01:02:03.5", price: null, ok: null, day: null },
  ]);
  expect(rejects).toEqual([]);
  expect(decoded.files).toEqual([
    {
      name: "drops/x.csv",
      dialect: {
        format: "csv",
        encoding: "utf-8",
        compression: "none",
        delimiter: ",",
        quote: '"',
        header: true,
        escapeMark: null,
        comment: null,
        padded: false,
        closing: 0,
        mended: null,
        skip: 0,
        strays: true,
        jsonLayout: null,
      },
      rowsIn: 2,
      rowsLanded: 2,
      rowsQuarantined: 0,
      fault: null,
      misfits: [],
      end: { size: 88, byte: 88, line: 0, lines: 0, rows: 0, aside: 0, isQuoted: false, unit: 1 },
    },
  ]);
  const all = await h.read(
    decoded.data.files.map((file) => file.path),
    "_source, _source_file, _batch, _ingested_at",
  );
  expect(all[0]).toEqual({
    _source: "orders",
    _source_file: "drops/x.csv",
    _batch: "batch-1",
    _ingested_at: "2026-11-20 12:00:00+00",
  });
});

test("an unquoted empty field is NULL, a quoted one is the empty text", async () => {
  const { rows } = await land('a,b\n,""\n"",\n');
  expect(rows).toEqual([
    { a: null, b: "" },
    { a: "", b: null },
  ]);
});

test("rows of another width are set aside with line and text", async () => {
  const { rows, rejects, decoded } = await land("a,b\n1,2\n3\n4,5,6\n7,8\n");
  expect(rows).toEqual([
    { a: "1", b: "2" },
    { a: "7", b: "8" },
  ]);
  expect(rejects.map((row) => [row.line, row.position, row.reason, row.raw])).toEqual([
    [3n, "line 3", "fields", "3"],
    [4n, "line 4", "fields", "4,5,6"],
  ]);
  expect(decoded.files[0]).toMatchObject({ rowsIn: 4, rowsLanded: 2, rowsQuarantined: 2 });
});

test("values that do not fit name their column, line and text", async () => {
  const { rows, rejects } = await land("a,b\n1,x\n1.5,y\n007,z\n2,w\n", { a: T.long, b: T.string });
  expect(rows).toEqual([
    { a: 1n, b: "x" },
    { a: 2n, b: "w" },
  ]);
  expect(
    rejects.map((row) => [row.line, row.column_name, row.reason, row.message, row.raw]),
  ).toEqual([
    [3n, "a", "type", '"1.5" is not exactly a long', "1.5,y"],
    [4n, "a", "type", '"007" is not exactly a long', "007,z"],
  ]);
});

test("a stray quote costs its line, not the file", async () => {
  const { rows, rejects } = await land('a,b\n1,2\n"x,1\n3,4\n5,6\n');
  expect(rows.map((row) => row.a)).toEqual(["1", "3", "5"]);
  expect(rejects.map((row) => [row.line, row.reason, row.raw])).toEqual([[3n, "parse", '"x,1']]);
});

test("quoted line ends, delimiters and quotes are text", async () => {
  const { rows, rejects } = await land('a,b\n"x\ny","p,q"\n"say ""hi""",2\r\n"r\r\ns",3\n');
  expect(rows).toEqual([
    { a: "x\ny", b: "p,q" },
    { a: 'say "hi"', b: "2" },
    { a: "r\r\ns", b: "3" },
  ]);
  expect(rejects).toEqual([]);
});

test("positions after quoted line ends are lines of the file", async () => {
  const types = { a: T.string, b: T.long };
  const { rejects } = await land('a,b\n"x\ny",1\nz,no\nw\nv,2\nu,3.0\n', types);
  expect(rejects.map((row) => [row.line, row.reason])).toEqual([
    [4n, "type"],
    [5n, "fields"],
    [7n, "type"],
  ]);
});

test.each([
  ["CRLF", "a,b\r\n1,2\r\n3,4\r\n"],
  ["CR", "a,b\r1,2\r3,4\r"],
  ["mixed", "a,b\n1,2\r\n3,4\r"],
  ["no last line end", "a,b\n1,2\n3,4"],
  ["blank lines", "a,b\n\n1,2\n\n\n3,4\n\n"],
  ["byte order mark", "\ufeffa,b\n1,2\n3,4\n"],
  ["byte order mark and quotes", '\ufeff"a","b"\n1,2\n3,4\n'],
  ["delimiter at the end", "a,b\n1,2,\n3,4,\n"],
])("line ends and marks: %s", async (_name, content) => {
  const { rows, rejects } = await land(content);
  expect(rows).toEqual([
    { a: "1", b: "2" },
    { a: "3", b: "4" },
  ]);
  expect(rejects).toEqual([]);
});

test("bytes that are not UTF-8 and a cut last line", async () => {
  const bytes = Buffer.concat([
    Buffer.from("a,b\n1,"),
    Buffer.of(0xff, 0x41),
    Buffer.from("\n2,é\n3"),
  ]);
  const { rows, rejects } = await land(bytes);
  expect(rows).toEqual([{ a: "2", b: "é" }]);
  expect(rejects.map((row) => [row.line, row.reason, row.raw])).toEqual([
    [2n, "encoding", "1,\\xFFA"],
    [4n, "fields", "3"],
  ]);
});

test("NUL bytes in a text are kept", async () => {
  const { rows } = await land("a,b\n1,x\u0000y\n2,z\n");
  expect(rows[0]?.b).toBe("x\u0000y");
});

test.each([
  ["nothing", ""],
  ["a header", "a,b\n"],
  ["a header without an end", "a,b"],
])("a file with %s has no rows", async (_name, content) => {
  const { rows, decoded } = await land(content);
  expect(rows).toEqual([]);
  expect(decoded.files[0]).toMatchObject({ rowsIn: 0, fault: null, misfits: [] });
});

test("required columns, missing columns", async () => {
  await using h = await Harness.open();
  const columns = ["a", "b", "c"].map((name) => ({
    source: name,
    name,
    required: name === "b",
    expression: null,
  }));
  const { rows, rejects } = await h.decode(
    [h.file("x.csv", "b,a\n1,2\n,3\n")],
    { a: T.long, b: T.long, c: T.date },
    { columns },
  );
  expect(rows).toEqual([{ a: 2n, b: 1n, c: null }]);
  expect(rejects.map((row) => [row.line, row.reason, row.column_name])).toEqual([
    [3n, "required", "b"],
  ]);
});

test("unknown columns: reported, rescued, quarantined", async () => {
  const content = "a,Zip,b\n1,x,2\n3,,4\n";
  const report = await land(content, AB, { onUnknown: "report" });
  expect(report.decoded.files[0]?.misfits).toEqual([
    { name: "Zip", type: T.string, unseen: false },
  ]);
  expect(report.decoded.data.rows).toBe(0n);
  const rescue = await land(content, AB, { onUnknown: "rescue" });
  expect(rescue.rows).toEqual([
    { a: "1", b: "2", _rescued: '{"Zip":"x"}' },
    { a: "3", b: "4", _rescued: null },
  ]);
  const quarantine = await land(content);
  expect(quarantine.rows).toEqual([{ a: "3", b: "4" }]);
  expect(quarantine.rejects.map((row) => [row.reason, row.column_name])).toEqual([
    ["unknown-field", "Zip"],
  ]);
});

test("misfits are reported with the type that holds them, and nothing of the file is written", async () => {
  await using h = await Harness.open();
  const good = h.file("good.csv", "a,b\n1,x\n");
  const bad = h.file("bad.csv", "a,b\n2,y\n2.5,z\nbroken\n");
  const { decoded, rows, rejects } = await h.decode(
    [good, bad],
    { a: T.long, b: T.string },
    { onMisfit: "report" },
  );
  expect(rows).toEqual([{ a: 1n, b: "x" }]);
  expect(rejects).toEqual([]);
  expect(decoded.files[1]).toMatchObject({
    rowsIn: 0,
    misfits: [{ name: "a", type: T.decimal(18, 2), unseen: false, first: '"2.5" at line 3' }],
  });
});

test("a fix whose place is known stands there though its row would fit", async () => {
  await using h = await Harness.open();
  const file = h.file("x.csv", "a,b\n1,p\n\n2,q\n3,r\n4x,s\n5x,t\n");
  const other = h.file("y.csv", "a,b\n1,p\n");
  const types = { a: T.long, b: T.string };
  const fixAt = (line: number, raw: string | null) => {
    return { id: "", raw, place: { file: file.name, position: `line ${line}` } };
  };
  const fixes = [fixAt(2, '"1",z'), fixAt(4, null), fixAt(6, "4,s"), fixAt(7, "five,t")];
  const { rows, rejects, decoded } = await h.decode([file, other], types, { fixes });
  expect(rows.map((row) => [row.a, row.b])).toEqual([
    [1n, "z"],
    [3n, "r"],
    [4n, "s"],
    [1n, "p"],
  ]);
  expect(rejects.map((row) => [row.line, row.raw])).toEqual([[7n, '"five","t"']]);
  expect(decoded.files.map((one) => [one.rowsIn, one.rowsLanded])).toEqual([
    [4, 3],
    [1, 1],
  ]);
});

test("fixes stand in the place of their rows; a fix without text drops the row", async () => {
  await using h = await Harness.open();
  const file = h.file("x.csv", 'a,b\n1,p\n2x,q\n3\n"4,r\n5x,s\n6,t\n');
  const types = { a: T.long, b: T.string };
  const first = await h.decode([file], types);
  expect(first.rejects.map((row) => row.line)).toEqual([3n, 4n, 5n, 6n]);
  const fixes = first.rejects.map((row, index) => ({
    id: oldId(file.sha256, String(row.position)),
    raw: ["2,q", "3,z", "4,r", null][index] ?? null,
    place: null,
  }));
  const second = await h.decode([file], types, { fixes });
  expect(second.rows).toEqual([
    { a: 1n, b: "p" },
    { a: 2n, b: "q" },
    { a: 3n, b: "z" },
    { a: 4n, b: "r" },
    { a: 6n, b: "t" },
  ]);
  expect(second.rejects).toEqual([]);
  const bad = await h.decode([file], types, {
    fixes: fixes.map((fix) => ({ ...fix, raw: "no,good" })),
  });
  expect(bad.rows.map((row) => row.a)).toEqual([1n, 6n]);
  expect(bad.rejects.map((row) => [row.line, row.reason])).toEqual([
    [3n, "type"],
    [4n, "type"],
    [5n, "type"],
    [6n, "type"],
  ]);
});

test("the tail of a file that grew lands with lines of the whole file", async () => {
  await using h = await Harness.open();
  const before = "a,b\n1,2\n3,4\n";
  const file = h.file("x.csv", `${before}5,6\n7\n`, { fromByte: before.length });
  const { rows, rejects } = await h.decode([file], AB);
  expect(rows).toEqual([{ a: "5", b: "6" }]);
  expect(rejects.map((row) => row.line)).toEqual([5n]);
});

test("many files of one header are one data file, in order; a bad one hurts nobody", async () => {
  await using h = await Harness.open();
  const files = Array.from({ length: 40 }, (_, index) =>
    h.file(`f${index}.csv`, index === 17 ? "a,b\n1,2\r3,4\n5\n" : `a,b\n${index},x\n`),
  );
  const { decoded, rows, rejects } = await h.decode(files, AB);
  expect(decoded.data.files.length).toBe(1);
  expect(rows.length).toBe(41);
  expect(rows.slice(16, 20).map((row) => row.a)).toEqual(["16", "1", "3", "18"]);
  expect(rejects.map((row) => [row.file, row.line])).toEqual([["f17.csv", 4n]]);
});

test("before_landing expressions see the text, and bad rows show none of it", async () => {
  await using h = await Harness.open();
  const columns = [
    { source: "a", name: "a", required: false, expression: "upper(a) || b" },
    { source: "b", name: "b", required: false, expression: null },
  ];
  const { rows, rejects, decoded } = await h.decode(
    [h.file("x.csv", "a,b\nx,1\nsecret,no\nsecret\n")],
    { a: T.string, b: T.long },
    { columns, redacted: true },
  );
  expect(rows).toEqual([{ a: "X1", b: 1n }]);
  expect(rejects.map((row) => [row.raw, row.message])).toEqual([
    [null, "the value is not exactly a long"],
    [null, "1 field instead of 2"],
  ]);
  expect(JSON.stringify(decoded.examples)).not.toContain("secret");
});

test("4,000 columns", async () => {
  await using h = await Harness.open();
  const names = Array.from({ length: 4000 }, (_, index) => `c${index}`);
  const content = `${names.join(",")}\n${names.map((_, index) => index).join(",")}\n`;
  const types = Object.fromEntries(names.map((name) => [name, T.long]));
  const { rows } = await h.decode([h.file("wide.csv", content)], types);
  expect(rows[0]?.c3999).toBe(3999n);
});

test("a line longer than DuckDB's default", async () => {
  const long = "x".repeat(3_000_000);
  const { rows } = await land(`a,b\n1,2\n${long},3\n4,5\n`);
  expect(rows.map((row) => String(row.a).length)).toEqual([1, 3_000_000, 1]);
});

test("texts that mean NULL, unless they are quoted", async () => {
  await using h = await Harness.open();
  const request = h.request([h.file("x.csv", 'a,b\nNA,"NA"\n-,\n')], AB);
  const { rows } = await h.run({ ...request, read: { ...request.read, nulls: ["NA", "-"] } });
  expect(rows).toEqual([
    { a: null, b: "NA" },
    { a: null, b: null },
  ]);
});
