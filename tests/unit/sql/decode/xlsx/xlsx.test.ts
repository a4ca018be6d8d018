/** XLSX: numbers, texts, dates and errors as the cells hold them; sheets and headers as asked for. */

import { expect, setDefaultTimeout, test } from "bun:test";
import type { ReadOptions } from "../../../../../core/ingest/contract.ts";
import { typeToText } from "../../../../../core/table/type-text.ts";
import type { Type } from "../../../../../core/table/types.ts";
import { oldId } from "../../../../../sql/decode/fixes.ts";
import {
  cell,
  raw,
  row,
  type XlsxOptions,
  xlsxFile,
  zipFile,
} from "../../../../support/xlsx-file.ts";
import { Harness, READ, T } from "../harness.ts";

setDefaultTimeout(120_000);

const TIME: Type = { kind: "primitive", name: "time" };
const HEADER = row(1, cell("A1", "id"), cell("B1", "v"));

function sheet(rows: string, more: Partial<XlsxOptions> = {}): Buffer {
  return xlsxFile({ sheets: { Data: rows }, ...more });
}

async function types(file: Uint8Array, read: Partial<ReadOptions> = {}) {
  await using h = await Harness.open();
  return await h.types(file, "x.xlsx", read);
}

async function land(
  file: Uint8Array,
  columns: Readonly<Record<string, Type>>,
  more: Parameters<Harness["decode"]>[2] = {},
) {
  await using h = await Harness.open();
  return await h.decode([h.file("x.xlsx", file)], columns, more);
}

/** The values of column v, one a row. */
function values(cells: readonly string[], more: Partial<XlsxOptions> = {}): Buffer {
  const rows = cells.map((text, index) => row(index + 2, cell(`A${index + 2}`, index + 1), text));
  return sheet(HEADER + rows.join(""), more);
}

type ValueCase = [string, readonly string[], string, Type, readonly unknown[]];

const VALUES: ValueCase[] = [
  ["integers", [cell("B2", 1), cell("B3", -7)], "long", T.long, [1n, -7n]],
  [
    "integers beyond 2^53 as written",
    [raw("B2", "n", "12345678901234567"), raw("B3", "n", "9223372036854775807")],
    "long",
    T.long,
    [12345678901234567n, 9223372036854775807n],
  ],
  [
    "floats beyond 2^53, and beside small ones",
    [raw("B2", "n", "1.234567890123457e+17"), raw("B3", "n", "9007199254740994"), cell("B4", 0.5)],
    "double",
    T.double,
    [1.234567890123457e17, 9007199254740994, 0.5],
  ],
  [
    "floats written with 17 digits",
    [raw("B2", "n", "0.10000000000000001"), raw("B3", "n", "1.5E-7"), raw("B4", "n", "1E+300")],
    "double",
    T.double,
    [0.1, 1.5e-7, 1e300],
  ],
  [
    "money in a declared decimal",
    [raw("B2", "n", "19.989999999999998"), cell("B3", 5)],
    "double",
    T.decimal(10, 2),
    ["19.99", "5.00"],
  ],
  [
    "more digits than a float has",
    [raw("B2", "n", "1.2345678901234567891")],
    "string",
    T.string,
    ["1.2345678901234567891"],
  ],
  [
    "texts with zeros in front",
    [cell("B2", "007"), cell("B3", "010")],
    "string",
    T.string,
    ["007", "010"],
  ],
  [
    "texts that are numbers, as in CSV",
    [cell("B2", "7"), cell("B3", "8")],
    "long",
    T.long,
    [7n, 8n],
  ],
  [
    "numbers and texts",
    [cell("B2", 7), cell("B3", "n/a"), cell("B4", 0.1)],
    "string",
    T.string,
    ["7", "n/a", "0.1"],
  ],
  ["booleans", [cell("B2", true), cell("B3", false)], "boolean", T.boolean, [true, false]],
  [
    "texts with spaces and line ends",
    [cell("B2", " a \r\nb&#13;&#10;_x000D__x005F_ &amp;&lt;")],
    "string",
    T.string,
    [" a \nb\r\n\r_ &<"],
  ],
  [
    "formulas by their stored values",
    ['<c r="B2"><f>1+1</f><v>2</v></c>', '<c r="B3"><f t="shared" si="0"/><v>3</v></c>'],
    "long",
    T.long,
    [2n, 3n],
  ],
  [
    "texts of formulas, empty ones too",
    ['<c r="B2" t="str"><f>A1</f><v></v></c>', raw("B3", "str", "x_x0041_")],
    "string",
    T.string,
    ["", "xA"],
  ],
  [
    "ISO dates",
    [raw("B2", "d", "2024-02-29"), raw("B3", "d", "2024-02-29T12:00:00.5")],
    "timestamp",
    T.timestamp,
    ["2024-02-29 00:00:00", "2024-02-29 12:00:00.5"],
  ],
];

test.each(VALUES)("%s", async (_, cells, type, target, expected) => {
  const file = values(cells);
  expect(await types(file)).toEqual({ id: "long", v: type });
  const { rows, rejects } = await land(file, { id: T.long, v: target });
  expect(rejects).toEqual([]);
  expect<unknown>(rows.map((found) => found.v)).toEqual([...expected]);
});

test("shared texts: runs join, reading aids do not", async () => {
  const texts = [
    "<t>plain</t>",
    '<r><rPr/><t xml:space="preserve">a </t></r><r><t>b</t></r><rPh sb="0"><t>no</t></rPh>',
  ];
  const file = values([raw("B2", "s", "0"), raw("B3", "s", "1"), raw("B4", "s", "2")], { texts });
  const { rows, rejects } = await land(file, { id: T.long, v: T.string });
  expect(rows.map((found) => found.v)).toEqual(["plain", "a b"]);
  expect(rejects.map((found) => [found.position, found.reason])).toEqual([["row 4", "type"]]);
});

const FORMATS = [
  14,
  22,
  "hh:mm:ss",
  "[h]:mm",
  'yyyy"-"mm\\-dd;@',
  '0.00" days"',
  "[$-409]h:mm AM/PM;@",
  "mmm",
];

type DateCase = [string, readonly string[], string, Type, readonly unknown[], boolean];

const DATES: readonly DateCase[] = [
  [
    "days",
    [cell("B2", 1, 1), cell("B3", 59, 1), cell("B4", 61, 5), cell("B5", 45292, 8)],
    "date",
    T.date,
    ["1900-01-01", "1900-02-28", "1900-03-01", "2024-01-01"],
    false,
  ],
  [
    "days since 1904",
    [cell("B2", 0, 1), cell("B3", 43830, 5)],
    "date",
    T.date,
    ["1904-01-01", "2024-01-01"],
    true,
  ],
  [
    "midnight in a format with a time",
    [cell("B2", 45292, 2)],
    "timestamp",
    T.timestamp,
    ["2024-01-01 00:00:00"],
    false,
  ],
  [
    "15 digits mean the millisecond, 17 the microsecond",
    [
      raw("B2", "n", "45292.5242592593", 2),
      raw("B3", "n", "45292.524259260433", 2),
      raw("B4", "n", "45292.5", 1),
    ],
    "timestamp",
    T.timestamp,
    ["2024-01-01 12:34:56", "2024-01-01 12:34:56.000101", "2024-01-01 12:00:00"],
    false,
  ],
  [
    "16 digits, and days that a float tells no microsecond of, mean the millisecond",
    [
      raw("B2", "n", "45293.00416666667", 2),
      raw("B3", "n", "45293.12784720899", 2),
      raw("B4", "n", "73051.524259260433", 2),
      raw("B5", "n", "2958465.999999988", 2),
    ],
    "timestamp",
    T.timestamp,
    [
      "2024-01-02 00:06:00",
      "2024-01-02 03:04:05.999",
      "2100-01-01 12:34:56",
      "9999-12-31 23:59:59.999",
    ],
    false,
  ],
  [
    "the last microsecond of a day",
    [raw("B2", "n", "0.9999999999884259", 3), raw("B3", "n", "0.999988425925926", 7)],
    "time",
    TIME,
    ["23:59:59.999999", "23:59:59"],
    false,
  ],
  [
    "times of the day",
    [cell("B2", 0.5, 3), raw("B3", "n", "0.524259259259259", 7), cell("B4", 0, 3)],
    "time",
    TIME,
    ["12:00:00", "12:34:56", "00:00:00"],
    false,
  ],
  [
    "durations are numbers of days",
    [cell("B2", 1.5, 4), cell("B3", 2.25, 6)],
    "double",
    T.double,
    [1.5, 2.25],
    false,
  ],
];

test.each(DATES)("dates: %s", async (_, cells, type, target, expected, epoch1904) => {
  const file = values(cells, { formats: FORMATS, epoch1904 });
  expect(await types(file)).toEqual({ id: "long", v: type });
  const { rows, rejects } = await land(file, { id: T.long, v: target });
  expect(rejects).toEqual([]);
  expect<unknown>(rows.map((found) => found.v)).toEqual([...expected]);
});

test("cells without a value of their own set their row aside", async () => {
  const rows = [
    row(2, cell("A2", 1), cell("B2", 10)),
    row(3, cell("A3", 2), raw("B3", "e", "#DIV/0!")),
    row(4, cell("A4", 3), '<c r="B4"><f>SUM(A1)</f><v/></c>'),
    row(5, cell("A5", 4), cell("B5", 60, 1)),
    row(6, cell("A6", 5), raw("B6", "n", "12abc")),
    row(7, cell("A7", 6), cell("B7", 1), cell("D7", "note")),
    row(8, cell("A8", 7), raw("B8", "b", "2")),
    row(9, '<c r="A9" s="1"/>', '<c r="B9"/>'),
    '<row r="10"/>',
    row(12, cell("A12", 8), cell("B12", 20)),
  ];
  const file = sheet(HEADER + rows.join(""), { formats: FORMATS });
  expect(await types(file)).toEqual({ id: "long", v: "long" });
  const { rows: landed, rejects, decoded } = await land(file, { id: T.long, v: T.long });
  expect(landed.map((found) => found.id)).toEqual([1n, 8n]);
  expect(
    rejects.map((found) => [found.position, found.reason, found.column_name, found.raw]),
  ).toEqual([
    ["row 3", "type", "v", '{"id":2,"v":"#DIV/0!"}'],
    ["row 4", "type", "v", '{"id":3,"v":""}'],
    ["row 5", "type", "v", '{"id":4,"v":"60"}'],
    ["row 6", "type", "v", '{"id":5,"v":"12abc"}'],
    ["row 7", "fields", null, '{"id":6,"v":1,"column2":"note"}'],
    ["row 8", "type", "v", '{"id":7,"v":"2"}'],
  ]);
  expect(String(rejects[0]?.message)).toBe("cell B3 holds the error #DIV/0!");
  expect(decoded.files[0]).toMatchObject({ rowsIn: 8, rowsLanded: 2, rowsQuarantined: 6 });

  await using h = await Harness.open();
  const claimed = h.file("x.xlsx", file);
  const fixes = [
    {
      id: oldId(claimed.sha256, String(rejects[0]?.position)),
      raw: '{"id":2,"v":"15"}',
      place: null,
    },
  ];
  const again = await h.decode([claimed], { id: T.long, v: T.long }, { fixes });
  expect(again.rows.map((found) => found.v)).toEqual([10n, 15n, 20n]);
});

test("merged cells: the value stands in the first one", async () => {
  const rows = row(2, cell("A2", 1), cell("B2", "both")) + row(3, cell("A3", 2), '<c r="B3"/>');
  const tail = '<mergeCells count="1"><mergeCell ref="B2:B3"/></mergeCells>';
  const { rows: landed } = await land(sheet(HEADER + rows, { tail }), { id: T.long, v: T.string });
  expect(landed).toEqual([
    { id: 1n, v: "both" },
    { id: 2n, v: null },
  ]);
});

test("sheets: the first that is seen, or the one asked for", async () => {
  const one = (value: string) => row(1, cell("A1", "v")) + row(2, cell("A2", value));
  const file = xlsxFile({ sheets: { ".hidden": one("h"), First: one("f"), Second: one("s") } });
  await using h = await Harness.open();
  const claimed = h.file("x.xlsx", file);
  const found: unknown[] = [];
  for (const name of [null, "Second", "second", ".hidden"]) {
    const read = { ...READ, sheet: name };
    found.push((await h.decode([claimed], { v: T.string }, { read })).rows[0]?.v);
  }
  expect(found).toEqual(["f", "s", "s", "h"]);
  const { decoded } = await h.decode([claimed], { v: T.string }, { read: { ...READ, sheet: "x" } });
  expect(decoded.files[0]?.fault?.message).toContain(
    'no sheet "x"; its sheets: ".hidden", "First"',
  );
});

test("other sheets with rows are named as not read, unless one was asked for", async () => {
  const one = (value: string) => row(1, cell("A1", "v")) + row(2, cell("A2", value));
  const file = xlsxFile({ sheets: { jan: one("f"), feb: one("s"), empty: "" } });
  await using h = await Harness.open();
  const claimed = h.file("x.xlsx", file);
  const { decoded } = await h.decode([claimed], { v: T.string });
  expect(decoded.files[0]?.unread).toContain('sheet "feb" has rows that were not read');
  const read = { ...READ, sheet: "jan" };
  const asked = await h.decode([claimed], { v: T.string }, { read });
  expect(asked.decoded.files[0]?.unread).toBeUndefined();
});

test("several sheets: each under its own header, with its name, rows numbered on", async () => {
  const jan = row(1, cell("A1", "id"), cell("B1", "v")) + row(2, cell("A2", 1), cell("B2", "a"));
  const feb =
    row(3, cell("B3", "V"), cell("C3", "ID"), cell("D3", "new")) +
    row(4, cell("B4", "b"), cell("C4", 2), cell("D4", 7)) +
    row(6, cell("B6", "c"), cell("C6", 3), cell("F6", "loose"));
  const notes = row(1, cell("A1", "Remarks")) + row(2, cell("A2", "all is well"));
  const file = xlsxFile({
    sheets: { Jan: jan, notes, Feb: feb, empty: "", ".lists": row(1, cell("A1", "id")) },
  });
  await using h = await Harness.open();
  const claimed = h.file("x.xlsx", file);
  const columns = { _sheet: T.string, id: T.long, v: T.string, new: T.long };
  const of = async (sheets: readonly string[]) => {
    const found = await h.decode([claimed], columns, { read: { ...READ, sheets } });
    const [only] = found.decoded.files;
    return { ...found, fault: only?.fault?.message, unread: only?.unread };
  };
  expect(await types(file, { sheets: ["all"] })).toEqual({
    _sheet: "string",
    id: "long",
    v: "string",
    new: "long",
  });
  const all = await of(["all"]);
  expect(all.rows).toEqual([
    { _sheet: "Jan", id: 1n, v: "a", new: null },
    { _sheet: "Feb", id: 2n, v: "b", new: 7n },
  ]);
  expect(all.rejects.map(({ position, reason, message }) => [position, reason, message])).toEqual([
    ["row 8", "fields", "cell Feb!F6 stands under no header"],
  ]);
  expect(all.unread).toBe(
    'sheets that were not read: "notes" shares no column with the others; ".lists" has rows too ' +
      "(sheets: names those to read)",
  );
  const named = await of(["feb", "Mar"]);
  expect(named.rows).toEqual([{ _sheet: "Feb", id: 2n, v: "b", new: 7n }]);
  expect(named.unread).toBe('there is no sheet "Mar" with rows');
  expect((await of(["J*", "?eb"])).rows.length).toBe(2);
  const both = await of(["jan", "notes"]);
  expect(both.decoded.files[0]?.misfits).toEqual([]);
  expect(both.unread).toBeUndefined();
  expect((await of(["x*", "y"])).fault).toBe(
    'the spreadsheet has no sheet "x*", "y"; its sheets: "Jan", "notes", "Feb", "empty", ".lists"',
  );
});

test("a column that is called _sheet is the file's own", async () => {
  const read = { ...READ, sheets: ["all"] };
  for (const name of ["_SHEET", "_sheet"]) {
    const header = row(1, cell("A1", name), cell("B1", "id"));
    const one = header + row(2, cell("A2", "mine"), cell("B2", 1)) + row(3, cell("B3", 2));
    const { rows } = await land(sheet(one), { _sheet: T.string, id: T.long }, { read });
    expect(rows).toEqual([
      { _sheet: "mine", id: 1n },
      { _sheet: null, id: 2n },
    ]);
  }
});

test("an instant behind the last day sets its row aside", async () => {
  const file = values([raw("B2", "n", "2958466", 2)], { formats: FORMATS });
  const { rejects } = await land(file, { id: T.long, v: T.timestamp });
  expect(rejects.map((found) => found.position)).toEqual(["row 2"]);
});

test("a few texts among numbers are told beside what the numbers are; padded ones are codes", async () => {
  await using h = await Harness.open();
  const numbers = (others: Readonly<Record<number, string>>, of: (at: number) => number) =>
    values(
      Array.from({ length: 200 }, (_, index) => cell(`B${index + 2}`, others[index] ?? of(index))),
    );
  const mixedOf = async (file: Buffer) => {
    const [inspected] = (await h.inspect([h.file("x.xlsx", file)], { misfits: 0.01 })).files;
    const column = inspected?.columns.find(({ name }) => name === "v");
    const [place] = column?.mixed ?? [];
    if (place === undefined) return [column === undefined ? "none" : typeToText(column.type)];
    return [typeToText(place.type), place.values, place.misfits, place.shown];
  };
  const whole = (at: number): number => at;
  const half = (at: number): number => at + 0.5;
  expect([
    await mixedOf(numbers({}, whole)),
    await mixedOf(numbers({ 7: "n/a", 9: "n/a" }, whole)),
    await mixedOf(numbers({ 7: "-" }, half)),
    await mixedOf(numbers({ 7: "007" }, whole)),
    await mixedOf(numbers({ 7: "12.25", 8: "n/a" }, half)),
  ]).toEqual([
    ["long"],
    ["long", 200, 2, '"n/a" (2)'],
    ["double", 200, 1, '"-"'],
    ["string"],
    ["decimal(18, 2)", 200, 1, '"n/a"'],
  ]);
});

test("headers: the first row with a value, the row asked for, or none", async () => {
  const rows = [
    row(2, cell("B2", "A report")),
    row(4, cell("B4", "id"), cell("C4", "id"), cell("E4", "v")),
    row(5, cell("B5", 1), cell("C5", 2), cell("E5", "x")),
    row(6, cell("B6", 3), cell("D6", "loose")),
  ].join("");
  const file = sheet(rows);
  expect(await types(file, { headerRow: 4 })).toEqual({
    id: "long",
    id_1: "long",
    column3: "string",
    v: "string",
  });
  expect(await types(file, { header: false })).toEqual({
    column1: "string",
    column2: "string",
    column3: "string",
    column4: "string",
  });
  await using h = await Harness.open();
  const [inspected] = (await h.inspect([h.file("x.xlsx", file)], { headerRow: 3 })).files;
  expect(inspected?.fault?.message).toBe(
    'row 3 of the sheet "Data" is to be the header, and it is empty',
  );
});

test("titles above a table are passed over, or asked about", async () => {
  const title = row(1, cell("A1", "Sold in March")) + row(2, cell("A2", "as of 31 March"));
  const names = (at: number) =>
    row(at, cell(`A${at}`, "shop"), cell(`B${at}`, "town"), cell(`C${at}`, "sum"));
  const rowAt = (at: number, sum: string | number) =>
    row(at, cell(`A${at}`, "a"), cell(`B${at}`, "Bonn"), cell(`C${at}`, sum));
  const columns = { shop: T.string, town: T.string, sum: T.long };
  const found = await land(sheet(title + names(3) + rowAt(4, 7) + rowAt(5, 8)), columns);
  expect(found.rows.map(({ sum }) => sum)).toEqual([7n, 8n]);
  const apart = await land(sheet(title + names(4) + rowAt(5, "x")), { ...columns, sum: T.string });
  expect(apart.rows).toEqual([{ shop: "a", town: "Bonn", sum: "x" }]);
  const texts = sheet(title + names(3) + rowAt(4, "x"));
  const asked = await land(texts, columns);
  expect(asked.decoded.files[0]?.fault?.message).toBe(
    'row 1 of the sheet "Data" is nearly empty and row 3 is not: set header_row: 3 if that is the header, ' +
      "header_row: 1 if it is this one, header: false if there is none",
  );
  expect(await types(texts, { headerRow: 3 })).toEqual({
    shop: "string",
    town: "string",
    sum: "string",
  });
  expect(Object.keys(await types(texts, { header: true }))).toContain("Sold in March");
});

test("texts that mean NULL, and fields that nobody knows", async () => {
  const read = { ...READ, nulls: ["n/a", ""] };
  const file = values([cell("B2", 7), cell("B3", "n/a"), raw("B4", "str", "")]);
  expect(await types(file, read)).toEqual({ id: "long", v: "long" });
  const { rows } = await land(file, { id: T.long }, { read, onUnknown: "rescue" });
  expect(rows).toEqual([
    { id: 1n, _rescued: '{"v":7}' },
    { id: 2n, _rescued: null },
    { id: 3n, _rescued: null },
  ]);
  const reported = await land(file, { id: T.string }, { onUnknown: "report" });
  expect(reported.decoded.files[0]?.misfits.map(({ name }) => name)).toEqual(["v"]);
});

test("values that do not fit are reported or set aside", async () => {
  const file = values([cell("B2", 1), cell("B3", 1.5), cell("B4", "x")]);
  const columns = { id: T.long, v: T.long };
  const reported = await land(file, columns, { onMisfit: "report" });
  expect(reported.decoded.files[0]?.misfits).toEqual([
    { name: "v", type: T.string, unseen: false, first: '"1.5" at row 3' },
  ]);
  const { rejects } = await land(file, columns);
  expect(rejects.map((found) => [found.position, found.message])).toEqual([
    ["row 3", '"1.5" is not exactly a long'],
    ["row 4", '"x" is not exactly a long'],
  ]);
});

test("prefixed names, cells without references, comments and CDATA", async () => {
  const header = '<x:row><x:c t="inlineStr"><x:is><x:t>v</x:t></x:is></x:c></x:row>';
  const value =
    "<x:row><x:c t='inlineStr' note='a>b'><x:is><x:t><![CDATA[<&>]]></x:t></x:is></x:c></x:row>";
  const rows = `<x:sheetData><!-- <x:row> -->${header}${value}</x:sheetData>`;
  const xml = `<x:worksheet xmlns:x="m">${rows}</x:worksheet>`;
  const file = sheet("", { parts: { "xl/worksheets/sheet1.xml": xml } });
  expect((await land(file, { v: T.string })).rows).toEqual([{ v: "<&>" }]);
});

const PART = "xl/worksheets/sheet1.xml";
const GOOD = values([cell("B2", 1)]);

function turned(file: Buffer): Buffer {
  const copy = Buffer.from(file);
  // A byte of the last local file: the sheet.
  const at = copy.lastIndexOf("PK\u0003\u0004") + 30 + PART.length + 20;
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

test.each<[string, Buffer, RegExp]>([
  ["no sheet at all", sheet(HEADER, { parts: { [PART]: null } }), /has no xl\/worksheets/],
  [
    "a document type",
    sheet("", { parts: { [PART]: '<!DOCTYPE a [<!ENTITY b "c">]><worksheet/>' } }),
    /document type/,
  ],
  [
    "cut XML",
    sheet("", { parts: { [PART]: "<worksheet><sheetData><row><c><v>1</v>" } }),
    /ends early/,
  ],
  [
    "rows out of order",
    sheet(row(2, cell("A2", 1)) + row(1, cell("A1", 1))),
    /row 1 follows row 2/,
  ],
  ["a cell twice", sheet(row(1, cell("A1", 1), cell("A1", 2))), /cell A1/],
  ["a byte turned", turned(GOOD), /xl\/worksheets\/sheet1.xml in the spreadsheet/],
  [
    "a binary one",
    sheet("", {
      parts: {
        "_rels/.rels":
          '<R><Relationship Id="a" Type="x/officeDocument" Target="xl/workbook.bin"/></R>',
      },
    }),
    /xlsb/,
  ],
  [
    "a zip with nothing in it",
    zipFile([["xl/workbook.xml", "<workbook/>"]]),
    /no sheet with cells/,
  ],
  ["an old Excel file", Buffer.from("d0cf11e0a1b11ae10000", "hex"), /old kind/],
])("set aside whole: %s", async (_, file, message) => {
  await using h = await Harness.open();
  const files = [h.file("bad.xlsx", file), h.file("good.xlsx", GOOD)];
  const { rows, decoded } = await h.decode(files, { id: T.long, v: T.long });
  expect(rows).toEqual([{ id: 1n, v: 1n }]);
  expect(decoded.files[0]?.fault?.message).toMatch(message);
});
