/** Laws of CSV: whatever the bytes, every record lands as it stands or is set aside, and the counts add up. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type { Dialect } from "../../core/engine.ts";
import { splitRecord } from "../../sql/decode/csv/record-text.ts";
import { scanCsv } from "../../sql/decode/csv/scan.ts";
import { Harness, T } from "../unit/sql/decode/harness.ts";

setDefaultTimeout(180_000);

const SHAPE = { delimiter: ",", quote: '"', columns: 2 };
const PIECES = [
  "a",
  "1",
  "é",
  ",",
  ",",
  '"',
  '""',
  "\n",
  "\n",
  "\r\n",
  "\r",
  " ",
  "\t",
  "\u0000",
  "x,y\n",
  '"p","q"\n',
];
const messy = fc.array(
  fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom(...PIECES.map((text) => Buffer.from(text))) },
    { weight: 1, arbitrary: fc.constant(Buffer.of(0xff)) },
  ),
  { maxLength: 30 },
);

/**
 * What the scanner alone finds: the fields of each good record, and how many are bad. A whole file may end its lines in
 * delimiters, or have a space behind each.
 */
function expected(path: string, dialect: Dialect | null | undefined) {
  const { closing = 0, padded = false, strays = false } = dialect ?? {};
  const shape = { ...SHAPE, closing, padded, strays, hasHeader: true };
  const rows: (string | null)[][] = [];
  let bad = 0;
  scanCsv(path, shape, (record) => {
    if (record.blank || record.isHeader) return;
    if (record.fault !== null) {
      bad++;
      return;
    }
    const text = Buffer.from(record.bytes.subarray(record.start, record.end)).toString();
    rows.push(splitRecord(text, shape).slice(0, 2));
  });
  return { rows, bad };
}

test("DuckDB lands what the scanner finds, and nothing else", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(messy, { minLength: 1, maxLength: 60 }), async (contents) => {
      await using h = await Harness.open();
      const bytes = contents.map((parts) => Buffer.concat([Buffer.from("a,b\n"), ...parts]));
      const files = bytes.map((content, index) => h.file(`f${index}.csv`, content));
      const read = {
        delimiter: ",",
        quote: '"',
        header: true,
        encoding: "utf-8",
        format: "csv",
      } as const;
      const request = h.request(files, { a: T.string, b: T.string });
      const { decoded } = await h.run({ ...request, read: { ...request.read, ...read } });
      const landed = await h.read(
        decoded.data.files.map((file) => file.path),
        "_source_file, a, b",
      );
      for (const [index, file] of files.entries()) {
        const path = join(h.folder.path, `again-${index}`);
        writeFileSync(path, bytes[index] ?? "");
        const result = decoded.files[index];
        const { rows, bad } = expected(path, result?.dialect);
        const found = landed
          .filter((row) => row._source_file === file.name)
          .map((row) => [row.a, row.b]);
        const shown = JSON.stringify(bytes[index]?.toString("latin1"));
        expect([shown, found]).toEqual([shown, rows]);
        expect([shown, result?.fault, result?.rowsQuarantined]).toEqual([shown, null, bad]);
        expect(result?.rowsIn).toBe(rows.length + bad);
      }
    }),
    { numRuns: 12, endOnFailure: true },
  );
});
