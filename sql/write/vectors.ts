/** Deletion vectors written: one for each data file, all in one Puffin file. */

import { writeFile } from "node:fs/promises";
import type { StagedFile, Written } from "../../core/engine.ts";
import { type DeletionVector, writeVectors } from "../../core/table/deletion-vector.ts";
import { type RowRange, rangeOfBits } from "../../core/table/row-set.ts";
import type { ScanFile } from "../../core/table/types.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";

/** What is written into the footer. */
const CREATED_BY = "tarn";
const NO_FILES: Written = { files: [], rows: 0n };

/**
 * Vectors of the rows that a SELECT of `local` and `pos` gives, each once or more often. Every file that it names is
 * one of `files`. No rows, no file.
 */
export async function writeVectorFile(
  db: DuckDB,
  sql: string,
  files: readonly ScanFile[],
  path: string,
): Promise<Written> {
  const ranges = await db.rows(
    `SELECT local, pos // 65536 AS high, bitstring_agg((pos % 65536)::INTEGER, 0, 65535)::BLOB AS bits
     FROM (${sql}) GROUP BY ALL ORDER BY local, high`,
  );
  if (ranges.length === 0) return NO_FILES;
  const byLocal = new Map(files.map((file) => [file.localPath, file]));
  const vectors: (DeletionVector & { rows: RowRange[]; file: ScanFile })[] = [];
  for (const { local, high, bits } of ranges) {
    const file = byLocal.get(String(local));
    if (file === undefined || !(bits instanceof Uint8Array)) continue;
    const range = rangeOfBits(Number(high), bits);
    const last = vectors.at(-1);
    if (last?.file === file) last.rows.push(range);
    else vectors.push({ dataFile: file.file.path, rows: [range], file });
  }
  const { bytes, places } = writeVectors(vectors, CREATED_BY, (part) => Bun.hash.crc32(part));
  await writeFile(path, bytes, { flag: "wx" });
  const staged = places.map((place, index): StagedFile => {
    const { offset, sizeBytes } = place;
    return {
      path,
      rows: place.rows,
      sizeBytes: BigInt(bytes.length),
      partition: vectors[index]?.file.file.partition ?? [],
      vector: { dataFile: place.dataFile, blob: { offset, sizeBytes } },
    };
  });
  return { files: staged, rows: staged.reduce((sum, { rows }) => sum + rows, 0n) };
}
