/** Law: SQL and TypeScript bring numbers and days, however they are written, to the same plain texts. */

import { afterAll, expect, test } from "bun:test";
import fc from "fast-check";
import { dateParts, numberMarks, numbersFrom } from "../../core/ingest/notation.ts";
import type { Type } from "../../core/table/types.ts";
import { Spelling } from "../../sql/decode/lossless/spelling.ts";
import { openDuckDB } from "../../sql/duckdb/duckdb.ts";
import { quoteLiteral } from "../../sql/syntax/quote.ts";

const db = await openDuckDB({
  threads: 1,
  memoryBytes: 1e9,
  tempFolder: null,
  allowedPaths: [],
  allowedFolders: [],
  lockdown: true,
});
afterAll(() => db.close());

const NUMBER: Type = { kind: "decimal", precision: 18, scale: 2 };
const MOMENT: Type = { kind: "primitive", name: "timestamp" };
const NUMBERS = ["1.234,56", "1,234.56", "1 234,56", "1'234.56", "1234,56", "1_234.56"];
const DATES = ["DD.MM.YYYY", "MM/DD/YYYY", "D-M-YYYY", "YYYY/MM/DD", "YYYY-DD-MM"];
const TIMES = [
  "",
  " 7:05",
  " 07:05:09",
  "T23:59:59.123456",
  " 1:02:03,5",
  " 12:00 AM",
  " 12:30 p.m.",
  " 13:00 PM",
  " 24:00",
];

async function inSql(spelling: Spelling, type: Type, texts: readonly string[]): Promise<unknown[]> {
  const rows = texts.map((text) => `(${quoteLiteral(text)})`).join(", ");
  const found = await db.rows(`SELECT ${spelling.sql(type, "t")} AS x FROM (VALUES ${rows}) v(t)`);
  return found.map(({ x }) => x);
}

test("numbers", async () => {
  const parts = fc.array(
    fc.constantFrom(
      "1",
      "23",
      "456",
      "0",
      ".",
      ",",
      " ",
      "\u00a0",
      "'",
      "’",
      "_",
      "-",
      "(",
      ")",
      "x",
    ),
    {
      minLength: 1,
      maxLength: 8,
    },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...NUMBERS),
      fc.array(parts, { minLength: 1, maxLength: 40 }),
      async (numbers, made) => {
        const spelling = Spelling.of({ numbers });
        if (spelling === null) throw new Error("it says something");
        const texts = made.map((one) => one.join(""));
        expect(await inSql(spelling, NUMBER, texts)).toEqual(
          texts.map((text) => spelling.plain(NUMBER, text)),
        );
      },
    ),
    { numRuns: 60 },
  );
}, 120_000);

test("days and moments", async () => {
  const day = fc.tuple(
    fc.integer({ min: 0, max: 33 }),
    fc.integer({ min: 0, max: 13 }),
    fc.integer({ min: 0, max: 10_000 }),
    fc.boolean(),
  );
  const moment = fc.tuple(
    day,
    fc.constantFrom(".", "/", "-", " "),
    fc.constantFrom(...TIMES),
    fc.constantFrom("dmy", "mdy", "ymd", "ydm"),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...DATES),
      fc.array(moment, { minLength: 1, maxLength: 40 }),
      async (dates, made) => {
        const spelling = Spelling.of({ dates });
        if (spelling === null) throw new Error("it says something");
        const texts = made.map(([[d, m, y, isPadded], between, time, order]) => {
          const two = (part: number) => (isPadded ? String(part).padStart(2, "0") : String(part));
          const by: Record<string, string> = {
            d: two(d),
            m: two(m),
            y: String(y).padStart(4, "0"),
          };
          return [...order].map((part) => by[part]).join(between) + time;
        });
        expect(await inSql(spelling, MOMENT, texts)).toEqual(
          texts.map((text) => spelling.plain(MOMENT, text)),
        );
      },
    ),
    { numRuns: 60 },
  );
}, 120_000);

test("what may be said", () => {
  expect(["de", "EN", "fr", "ch", "1.234,56", "1234,56"].map(numbersFrom)).toEqual([
    "1.234,56",
    "1,234.56",
    "1 234,56",
    "1'234.56",
    "1.234,56",
    "1234,56",
  ]);
  expect(["dutch", "1.234.56", "1234", "1x234,56", ""].map(numbersFrom)).toEqual([
    null,
    null,
    null,
    null,
    null,
  ]);
  expect(numberMarks("1 234,56")).toEqual({ decimal: ",", groups: " \u00a0\u202f\u2009" });
  expect(dateParts("dd.mm.yyyy")).toEqual(["D", ".", "M", ".", "Y"]);
  expect(
    ["YYYY-MM-DD", "DD.MM", "DD.MM.YY", "DDMMYYYY", "DD.DD.YYYY", "DD.MM.YYYY HH:mm"].map(
      dateParts,
    ),
  ).toEqual(Array.from({ length: 6 }, () => null));
});

test("plain texts", () => {
  const spelling = Spelling.of({ numbers: "1.234,56", dates: "DD.MM.YYYY" });
  const number = (text: string) => spelling?.plain(NUMBER, text);
  const moment = (text: string) => spelling?.plain(MOMENT, text);
  expect(
    ["1.234,50", "-1.234.567,5", "1234,5", ",5", "12", "1.5", "1,234.50", "1.23"].map(number),
  ).toEqual(["1234.50", "-1234567.5", "1234.5", ".5", "12", "1.5 ", "1,234.50 ", "1.23 "]);
  expect(
    ["5.1.2025", "31.12.2025 7:05", "31.12.2025 12:30 AM", "31/12/2025", "2025-12-31"].map(moment),
  ).toEqual([
    "2025-01-05",
    "2025-12-31 07:05:00",
    "2025-12-31 00:30:00",
    "31/12/2025",
    "2025-12-31",
  ]);
  expect(["192.168.100.200", "192.168.100.256", "1.234.567.890"].map(number)).toEqual([
    "192.168.100.200 ",
    "192168100256",
    "1234567890",
  ]);
  expect(["1.234,50-", "1.234,50 -", "(12,5)", "-(1)", "1-2", "()", "-1-"].map(number)).toEqual([
    "-1234.50",
    "-1234.50",
    "-12.5",
    "-(1) ",
    "1-2 ",
    "() ",
    "-1- ",
  ]);
  expect(spelling?.plain({ kind: "primitive", name: "string" }, "1.234,50")).toBe("1.234,50");
});
