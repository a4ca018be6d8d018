/** Law: the checks of a CSV's rows say by its bytes what the statement says: which row, which check, which text. */

import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type { DecodeRequest } from "../../core/engine.ts";
import type { Type } from "../../core/table/types.ts";
import { csvShape } from "../../sql/decode/csv/prepare.ts";
import { FileScan } from "../../sql/decode/csv/records.ts";
import { RowTest } from "../../sql/decode/csv/row-test.ts";
import { misfitsCsv, planCsv } from "../../sql/decode/csv/sql.ts";
import { Fixes } from "../../sql/decode/fixes.ts";
import { prepare } from "../../sql/decode/prepare.ts";
import { openDuckDB } from "../../sql/duckdb/duckdb.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { READ, schemaOf, T } from "../unit/sql/decode/harness.ts";

setDefaultTimeout(180_000);

const db = await openDuckDB({
  threads: 1,
  memoryBytes: 1e9,
  tempFolder: null,
  allowedPaths: [],
  allowedFolders: [],
  lockdown: false,
});
afterAll(() => db.close());

const TYPES: readonly Type[] = [
  T.string,
  T.long,
  T.int,
  T.double,
  T.boolean,
  T.date,
  T.timestamp,
  T.timestamptz,
  T.decimal(10, 2),
  T.decimal(3, 3),
  T.decimal(30, 5),
  { kind: "primitive", name: "float" },
];
const TEXTS = [
  ...[
    "",
    "NA",
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
    "0.5",
    "0.1234",
  ],
  ...[
    "5.",
    "1e5",
    "+5",
    " 5",
    "5 ",
    "9223372036854775807",
    "999999999",
    "2147483648",
    "12345678.90",
  ],
  ...[
    "123456789.01",
    "true",
    "false",
    "TRUE",
    "2024-02-29",
    "2023-02-29",
    "0000-01-01",
    "10000-01-01",
  ],
  ...[
    "2024-01-01 00:00:00",
    "2024-01-01T23:59:59.123456",
    "2024-01-01 24:00:00",
    "2024-01-01 00:00",
  ],
  ...[
    "2024-01-01 00:00:00.1234567",
    "2024-01-01 00:00:00Z",
    "NaN",
    "x",
    "é",
    "a,b",
    'say "hi"',
    "two\nlines",
  ],
  ...["123456789012345", "1234567890123456", "0.1000000000000001", "'", "1;2", "2024-01-1"],
] as const;
const field = fc.record({ text: fc.constantFrom(...TEXTS), isQuoted: fc.boolean() });
const table = fc
  .array(
    fc.record({ type: fc.constantFrom(...TYPES), required: fc.boolean(), isAwaited: fc.nat(9) }),
    {
      minLength: 2,
      maxLength: 5,
    },
  )
  .chain((columns) =>
    fc.record({
      columns: fc.constant(columns),
      rows: fc.array(fc.tuple(...columns.map(() => field)), { minLength: 1, maxLength: 40 }),
      nulls: fc.constantFrom<readonly string[]>([], ["NA"]),
      delimiter: fc.constantFrom(",", ";"),
      isUnknown: fc.boolean(),
    }),
  );

test("rows that do not fit are the same in TypeScript", async () => {
  await using folder = await tempFolder();
  let count = 0;
  await fc.assert(
    fc.asyncProperty(table, async ({ columns, rows, nulls, delimiter, isUnknown }) => {
      const names = columns.map((_, index) => `c_${index}`);
      const lines = [names, ...rows.map((row) => row.map((one) => written(one, delimiter)))];
      const path = join(folder.path, `${count++}.csv`);
      writeFileSync(path, `${lines.map((line) => line.join(delimiter)).join("\n")}\n`);
      const read = { ...READ, delimiter, quote: '"', header: true, nulls };
      const options = { read, decodedBytesMax: 1e9, folder: folder.path, index: 0, known: names };
      const sizeBytes = statSync(path).size;
      const claimed = { name: "x.csv", path, sha256: "", sizeBytes, fromByte: 0, newlines: 0 };
      const prepared = await prepare(claimed, null, options);
      const known = isUnknown ? columns.slice(1) : columns;
      const own = known.map(({ type }, index) => ({
        name: names[isUnknown ? index + 1 : index] ?? "",
        type,
      }));
      const request = {
        ...{ read, schema: schemaOf(own), onUnknown: "quarantine", onStranger: "report" },
        columns: known.map(({ type, required, isAwaited }, index) => ({
          source: own[index]?.name ?? "",
          name: own[index]?.name ?? "",
          required,
          expression: null,
          ...(isAwaited === 0 ? { awaits: type } : {}),
        })),
      };
      // parse: no more of a request is asked for here
      const plan = planCsv(request as unknown as DecodeRequest, prepared);
      const work = { prepared, path, trusted: false, longestBytes: 0 };
      const test = RowTest.of(plan, csvShape(prepared), nulls);
      // Few rows may look as if a space stood behind each delimiter.
      fc.pre(test !== null);
      const scanned = new FileScan(work, null, new Fixes([]), nulls, { test }).run();
      const sql = misfitsCsv(request as unknown as DecodeRequest, plan, work, 1_000); // parse: as above
      const found = sql === null ? [] : await db.rows(sql);
      const expected = found.map((row) => ({
        row: Number(row.lake_row),
        check: Number(row.lake_check),
        text: row.lake_text === null ? null : String(row.lake_text),
      }));
      expect(scanned.failed).toEqual(expected);
      expect([...scanned.raws.keys()]).toEqual(expected.map(({ row }) => row));
    }),
    { numRuns: 300 },
  );
});

function written(
  { text, isQuoted }: { text: string; isQuoted: boolean },
  delimiter: string,
): string {
  const needsQuotes = /["\n]/.test(text) || text.includes(delimiter);
  return isQuoted || needsQuotes ? `"${text.replaceAll('"', '""')}"` : text;
}
