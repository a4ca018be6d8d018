/** Law: SQL and TypeScript agree on which texts are exactly a value of a type. */

import { afterAll, expect, test } from "bun:test";
import fc from "fast-check";
import type { PrimitiveName, Type } from "../../core/table/types.ts";
import { parseExact } from "../../sql/decode/json/parse.ts";
import { fitterOf } from "../../sql/decode/lossless/exact-fit.ts";
import {
  Decimal,
  decimalOf,
  decimalText,
  type Exact,
} from "../../sql/decode/lossless/exact-value.ts";
import { jsonFit } from "../../sql/decode/lossless/json-fit.ts";
import {
  decimalDigits,
  survivesDouble,
  textFit,
  textFits,
} from "../../sql/decode/lossless/text-fit.ts";
import { openDuckDB } from "../../sql/duckdb/duckdb.ts";
import { loadDuckDB } from "../../sql/duckdb/native.ts";

const db = await openDuckDB({
  threads: 1,
  memoryBytes: 1e9,
  tempFolder: null,
  allowedPaths: [],
  allowedFolders: [],
  lockdown: true,
});
afterAll(() => db.close());

const NAMES: readonly PrimitiveName[] = [
  "boolean",
  "float",
  "int",
  "long",
  "double",
  "date",
  "time",
  "timestamp",
  "timestamptz",
  "uuid",
];
const TYPES: readonly Type[] = [
  ...NAMES.map((name): Type => ({ kind: "primitive", name })),
  { kind: "decimal", precision: 10, scale: 2 },
  { kind: "decimal", precision: 38, scale: 0 },
  { kind: "decimal", precision: 18, scale: 18 },
];
const SEEDS = [
  "true",
  "0",
  "-0",
  "7",
  "007",
  "-12",
  "1.5",
  "1.50",
  "19.999",
  "-0.00",
  ".81",
  "-.5",
  "-.0",
  ".",
  "5.",
  ".04758156209000001",
  "1e5",
  "0x1F",
  "1_000",
  "+5",
  " 5",
  "9223372036854775807",
  "-9223372036854775808",
  "9007199254740993",
  "123456789012345678.125",
  "0.1",
  "5.",
  ".5",
  "NaN",
  "inf",
  "2024-02-29",
  "2023-02-29",
  "0000-01-01",
  "2024-01-01 00:00:00",
  "2024-01-01T23:59:59.123456",
  "2024-01-01 24:00:00",
  "2024-01-01 00:00:60",
  "2024-01-01 00:00:00Z",
  "2024-01-01T00:00:00.5+05:30",
  "2024-01-01 00:00:00-15",
  "12:34:56",
  "24:00:00",
  "12:34:56.5",
  "epoch",
  "infinity",
  "9999-12-31 23:59:59.999999",
  "10000-01-01",
  "10000-01-01 00:00:00",
  "0001-01-01 00:00:00",
  "0044-03-15 (BC) 00:00:00",
  "2026-01-01 10:00:00.137",
  "1000000000000000.0",
  "1e15",
  "0.0001",
  "0.00001",
  "0.00000530347819449189",
  "2024-01-01  1:00:00",
  " 024-01-01 00:00:00",
  "550e8400-e29b-41d4-a716-446655440000",
  "{550e8400-e29b-41d4-a716-446655440000}",
  "550E8400E29B41D4A716446655440000",
  "",
];

/** A seed with a few characters put in, taken out or changed. */
const mutated = fc
  .tuple(
    fc.constantFrom(...SEEDS),
    fc.array(
      fc.tuple(fc.nat(40), fc.constantFrom(..."0123456789-+.:TZe_ x,a{"), fc.constantFrom(0, 1, 2)),
      { maxLength: 3 },
    ),
  )
  .map(([seed, edits]) =>
    edits.reduce((text, [at, char, kind]) => {
      const i = at % (text.length + 1);
      return text.slice(0, i) + (kind === 0 ? "" : char) + text.slice(kind === 1 ? i : i + 1);
    }, seed),
  );
const numeric = fc
  .tuple(fc.boolean(), fc.bigInt(0n, 10n ** 22n), fc.option(fc.bigInt(0n, 10n ** 19n)))
  .map(([minus, whole, part]) => `${minus ? "-" : ""}${whole}${part === null ? "" : `.${part}`}`);
const printed = fc
  .double({ noNaN: true, noDefaultInfinity: true })
  .chain((value) => fc.constantFrom(String(value), `${value}.0`, value.toFixed(6)));

test("SQL and TypeScript agree on every type", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(mutated, numeric, printed), { minLength: 50, maxLength: 300 }),
      async (texts) => {
        for (const type of TYPES) {
          const fit = textFit(type, "t");
          const rows = await db.rows(
            `SELECT t, ${fit?.fits} AS f FROM unnest($1::VARCHAR[]) u(t)`,
            [texts],
          );
          for (const row of rows) {
            const text = String(row.t);
            if (row.f === textFits(type, text)) continue;
            throw new Error(`${JSON.stringify(text)} ${JSON.stringify(type)}: SQL ${row.f}`);
          }
        }
      },
    ),
    { numRuns: 25, endOnFailure: true },
  );
});

test("digits of plain decimal numbers", () => {
  expect(decimalDigits("0.05")).toEqual({ whole: 0, fraction: 2 });
  expect(decimalDigits("-12.5")).toEqual({ whole: 2, fraction: 1 });
  expect(decimalDigits("-0.0")).toBeNull();
});

const NUMBERS: readonly Type[] = TYPES.filter(
  (type) =>
    type.kind === "decimal" ||
    (type.kind === "primitive" && ["int", "long", "float", "double"].includes(type.name)),
);

test("what a text is a number of, JSON and typed values are too", async () => {
  const native = await loadDuckDB();
  const floats = fc
    .tuple(fc.bigInt(-10_000_000n, 10_000_000n), fc.nat(12))
    .map(([unscaled, scale]) => decimalText(new Decimal(unscaled, scale)));
  fc.assert(
    fc.property(fc.oneof(numeric, printed, floats), (text) => {
      if (decimalOf(text) === null || /^-?0\d/.test(text)) return;
      const node = parseExact(text);
      for (const type of NUMBERS) {
        if (!textFits(type, text)) continue;
        const fit = fitterOf(native, type, { text: "times", onUnknown: "report" });
        jsonFit(node, type, { onUnknown: "report" }, new Map());
        fit(exactOf(text), null);
      }
    }),
    { numRuns: 5_000 },
  );
});

/** As typed files hold numbers. */
function exactOf(text: string): Exact {
  if (/^-?\d+$/.test(text) && text !== "-0") return BigInt(text);
  return survivesDouble(text) ? Number(text) : decimalOf(text);
}
