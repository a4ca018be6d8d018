/** Learned types: a column has one only when every value of it is exactly one of its values. robustness.md F19. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { Harness } from "./harness.ts";

setDefaultTimeout(120_000);

/** The golden table of what typed readers bend: values of one CSV column, and the type they get. */
const CSV: readonly (readonly [string, string])[] = [
  ["1|2|-3", "long"],
  ["0|-0", "string"],
  ["007|12", "string"],
  ["+5|1", "string"],
  [" 5|1", "string"],
  ["1e5|2", "string"],
  ["0x1F|2", "string"],
  ["1_000|2", "string"],
  ["NaN|1.5", "string"],
  ["inf|1", "string"],
  ["1e400", "string"],
  ["9223372036854775807", "long"],
  ["9223372036854775808|1", "decimal(38,0)"],
  ["1234567890123456789.5", "decimal(38,2)"],
  ["12345678901234567890123456789012345678", "decimal(38,0)"],
  ["123456789012345678901234567890123456789", "string"],
  ["1.5|2", "decimal(18,2)"],
  ["1.50|19.999", "decimal(18,4)"],
  ["0.1234567890123456789", "decimal(38,19)"],
  [".5|1.5", "decimal(18,2)"],
  ["5.|1.5", "string"],
  ["5.|1.5", "string"],
  ["1,5|2", "string"],
  ["true|false", "boolean"],
  ["TRUE|false", "string"],
  ["t|f", "string"],
  ["yes|no", "string"],
  ["1|true", "string"],
  ["2024-01-31|2024-02-29", "date"],
  ["2023-02-29", "string"],
  ["01/02/2024|13/02/2024", "string"],
  ["2024-1-5", "string"],
  ["20240131", "long"],
  ["2024-01-31 10:00:00|2024-01-31T10:00:00.123456", "timestamp"],
  ["2024-01-31|2024-01-31 10:00:00", "timestamp"],
  ["2024-01-31 24:00:00", "string"],
  ["2024-01-31 10:00", "string"],
  ["2024-01-31 10:00:00.1234567", "string"],
  ["2024-01-31T10:00:00Z|2024-01-31 10:00:00+02|2024-01-31 10:00:00-05:30", "timestamptz"],
  ["2024-01-31T10:00:00Z|2024-01-31T10:00:00", "string"],
  ["epoch|infinity", "string"],
  ["a|1", "string"],
  ['""|1', "string"],
  ["", "unseen"],
];

test.each(CSV)("csv %s is %s", async (values, type) => {
  await using h = await Harness.open();
  const rows = values.split("|").map((value) => `${value.includes(",") ? `"${value}"` : value},x`);
  const content = `v,w\n${rows.join("\n")}\n,y\n`;
  expect((await h.types(content, "x.csv", { delimiter: "," })).v).toBe(type);
});

test.each(CSV)("csv %s is %s, learned from a large file", async (values, type) => {
  await using h = await Harness.open();
  const [first = "", ...others] = values.split("|");
  const line = (value: string) =>
    `${value.includes(",") ? `"${value}"` : value},${"x".repeat(90)}\n`;
  // The sample sees the first value only; the others stand at the end.
  const content = `v,w\n${line(first).repeat(12_000)}${others.map(line).join("")},y\n`;
  expect((await h.types(content, "x.csv", { delimiter: "," })).v).toBe(type);
});

const JSON_VALUES: readonly (readonly [string, string])[] = [
  ["1|-2", "long"],
  ["9223372036854775808|1", "decimal(38,0)"],
  ["1.5|2|1.10|1e5", "double"],
  ["1.5|9007199254740993", "string"],
  ["0.12345678901234567890", "string"],
  ["1e400", "string"],
  ["-0|1", "double"],
  ["true|false", "boolean"],
  ["true|1", "string"],
  ['"7"', "string"],
  ['"7"|7', "string"],
  ['"true"', "string"],
  ['"2024-01-31"', "date"],
  ['"2024-01-31"|"2024-01-31T10:00:00"', "timestamp"],
  ['"2024-01-31T10:00:00Z"', "timestamptz"],
  ['"2024-01-31T10:00:00.123456789Z"', "string"],
  ["null", "unseen"],
  ["[]", "[string]"],
  ["[1,2]|[]", "[long]"],
  ["[1,2.5]", "[double]"],
  ['[1,"x"]', "[string]"],
  ["[[1],[2.5]]", "[[double]]"],
  ['{"x":1}|{"y":"2024-01-31"}', "{x:long,y:string}"],
  ['{"x":1}|5', "string"],
  ['{"x":1}|[1]', "string"],
  ["{}", "string"],
  ['[{"x":1},{"x":2.5,"y":[true]}]', "[{x:double,y:[boolean]}]"],
];

test.each(JSON_VALUES)("json %s is %s", async (values, type) => {
  await using h = await Harness.open();
  const content = values.split("|").map((value) => `{"w":"x","v":${value}}\n`);
  expect((await h.types(content.join(""), "x.json")).v).toBe(type);
});

test.each(JSON_VALUES)("json %s is %s, learned from a large file", async (values, type) => {
  await using h = await Harness.open();
  const [first = "", ...others] = values.split("|");
  const line = (value: string) => `{"v":${value},"w":"${"x".repeat(90)}"}\n`;
  const content = line(first).repeat(11_000) + others.map(line).join("");
  expect((await h.types(content, "x.json")).v).toBe(type);
});

test("keys in order of first appearance; bad rows teach nothing", async () => {
  await using h = await Harness.open();
  const content = '{"b":1}\n{"a":"x","b":2}\n{"b":1,"b":"x"}\ngarbage\n{"c":null}\n';
  expect(await h.types(content, "x.json")).toEqual({ b: "long", a: "string", c: "unseen" });
});

test("a first row of text among codes of one shape is a row; names beside codes are names", async () => {
  await using h = await Harness.open();
  const codes = ["Aruba,AW", "Belgium,BE", "Cuba,CU", "Denmark,DK", "Estonia,EE", "France,FR"];
  const headerOf = async (first: string) => {
    const text = `${[first, ...codes].join("\n")}\n`;
    const [file] = (await h.inspect([h.file("codes.csv", text)])).files;
    return file?.dialect?.header;
  };
  expect(await headerOf('"Bonaire, Saint Eustatius and Saba",BQ')).toBe(false);
  expect(await headerOf('"Name, in English",ISO')).toBe(true);
  expect(await headerOf("country,cc")).toBe(true);
  expect(await headerOf("Country,CC")).toBe(true);
});

test("headers: repeated, empty, missing", async () => {
  await using h = await Harness.open();
  expect(Object.keys(await h.types("a,a,,A\n1,2,3,4\n", "x.csv"))).toEqual([
    "a",
    "a_1",
    "column2",
    "A_2",
  ]);
  expect(await h.types("1,2\n3,4.5\n", "x.csv")).toEqual({
    column0: "long",
    column1: "decimal(18,2)",
  });
  expect(await h.types("name\nalice\nbob\n", "x.csv")).toEqual({ name: "string" });
});

test.each([
  ["a;b\n1,5;x\n2,5;y\n", ";", '"'],
  ["a\tb\n1\tx y\n2\tz, w\n", "\t", '"'],
  ["a|b\n'1|2'|x\n'3|4'|y\n", "|", "'"],
  ['a,b\n"1;2;3",x\n"4;5;6",y\n', ",", '"'],
  ["at,v\n2024-01-01 00:00:00,1\n2024-01-01 00:00:01,2\n", ",", '"'],
  ["a\u0001b\nx\u0001y\n", "\u0001", '"'],
])("the dialect of %j", async (content, delimiter, quote) => {
  await using h = await Harness.open();
  const [file] = (await h.inspect([h.file("x.txt", content)])).files;
  expect(file?.dialect).toMatchObject({ delimiter, quote, header: true });
  expect(file?.columns.length).toBe(2);
});

test("names of thousands of characters or with NULs are data where a header should be", async () => {
  await using h = await Harness.open();
  const long = "x".repeat(1_001);
  for (const [name, text] of [
    ["a.csv", `${long}\nvalue\n`],
    ["a.json", `{"${long}":1}\n`],
  ] as const) {
    const [file] = (await h.inspect([h.file(name, text)])).files;
    expect(file?.fault?.message).toContain("a column's name has 1001 characters, 1000 at most");
  }
  const [file] = (await h.inspect([h.file("a.csv", "a\0b,c\n1,2\n")])).files;
  expect(file?.fault?.message).toContain("a column's name holds NUL characters");
});
