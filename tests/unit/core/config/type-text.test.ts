/** Type texts: DuckDB's words, nesting, and that what the core writes reads back. */

import { expect, test } from "bun:test";
import { parseTypeText } from "../../../../core/config/type-text.ts";
import { typeToText } from "../../../../core/table/type-text.ts";

function read(text: string): string {
  const result = parseTypeText(text);
  return result.kind === "invalid"
    ? `! ${result.reason}`
    : `${typeToText(result.type)}${result.required ? " !" : ""}`;
}

test("types are read in DuckDB's words", () => {
  const texts = [
    "BIGINT not null",
    "varchar(20)",
    "decimal",
    "numeric(10, 2)",
    "timestamp with time zone",
    "text[][]",
  ];
  expect(texts.map(read)).toEqual([
    "long !",
    "string",
    "decimal(18, 3)",
    "decimal(10, 2)",
    "timestamptz",
    "list<list<string>>",
  ]);
});

test("nested types are read with quoted names and inner not null", () => {
  const text = 'struct(a int not null, "b ""c" map(varchar, decimal(4,1)[]))';
  expect(read(text)).toBe('struct<a: int, b "c: map<string, list<decimal(4, 1)>>>');
});

test("what the core writes is read back", () => {
  const texts = [
    "map<string, int>",
    "struct<a: list<long>, b: decimal(9, 0)>",
    "fixed[16]",
    "timestamp",
    "uuid",
  ];
  expect(texts.map(read)).toEqual(texts);
});

test("what is no type is refused in words", () => {
  const texts = [
    "",
    "strnig",
    "decimal(0,0)",
    "int int",
    "struct(int)",
    "int[",
    "a;b",
    "map(int)",
    "time with time zone",
  ];
  expect(texts.map(read).filter((text) => !text.startsWith("! "))).toEqual([]);
  expect(read("list(".repeat(200))).toBe("! nested deeper than 64");
});
