/**
 * The rows that position deletes take out, as a run asks for them again and again: a delete file never changes, so it
 * is read once by a worker, whatever snapshots name it.
 */

import { DEAD_ROWS_KEPT_MAX } from "../../core/limits.ts";
import { POSITION_DELETES } from "../../core/table/system-columns.ts";
import type { DataFile, Scan, ScanFile } from "../../core/table/types.ts";
import { filesSql, internalName } from "../bind/nested.ts";
import { deletePaths } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";

/** Positions in ascending order, by the recorded path of their data file. */
type Dead = ReadonlyMap<string, Float64Array>;

/** By path and size. */
const KEPT = new Map<string, Dead>();
let keptRows = 0;

/** What delete files say of data files. */
export class DeadRows {
  readonly #deadByFile: ReadonlyMap<DataFile, Dead>;

  /** Null where there is too much to keep, or a file is of another format. */
  static async of(db: DuckDB, scan: Scan, files: readonly DataFile[]): Promise<DeadRows | null> {
    const rows = files.reduce((sum, file) => sum + Number(file.recordCount), 0);
    const isOther = files.some((file) => file.format.toLowerCase() !== "parquet");
    if (rows > DEAD_ROWS_KEPT_MAX || isOther) return null;
    const unknown = files.filter((file) => !KEPT.has(keyOf(file)));
    const added = unknown.reduce((sum, file) => sum + Number(file.recordCount), 0);
    if (keptRows + added > DEAD_ROWS_KEPT_MAX) {
      KEPT.clear();
      keptRows = 0;
      return DeadRows.of(db, scan, files);
    }
    await keep(db, scan, unknown);
    return new DeadRows(new Map(files.map((file) => [file, KEPT.get(keyOf(file)) ?? new Map()])));
  }

  private constructor(deadByFile: ReadonlyMap<DataFile, Dead>) {
    this.#deadByFile = deadByFile;
  }

  /** Whether a row of a data file is gone. */
  has({ file }: ScanFile, position: number): boolean {
    return this.#of(file).some((positions) => holds(positions, position));
  }

  /** Those delete files that take rows out of some data files. */
  touching(files: readonly ScanFile[]): readonly DataFile[] {
    return [...this.#deadByFile].flatMap(([one, dead]) =>
      files.some(({ file }) => dead.has(file.path) && isLater(one, file)) ? [one] : [],
    );
  }

  /** How many rows of a data file are gone. */
  count({ file }: ScanFile): number {
    const [first, ...rest] = this.#of(file);
    if (first === undefined || rest.length === 0) return first?.length ?? 0;
    return new Set([first, ...rest].flatMap((positions) => [...positions])).size;
  }

  #of(file: DataFile): Float64Array[] {
    return [...this.#deadByFile].flatMap(([one, dead]) => {
      const positions = isLater(one, file) ? dead.get(file.path) : undefined;
      return positions === undefined ? [] : [positions];
    });
  }
}

function keyOf({ path, sizeBytes }: DataFile): string {
  return `${sizeBytes} ${path}`;
}

/** A delete is about files that were there. Iceberg spec, "Scan Planning". */
function isLater(one: DataFile, file: DataFile): boolean {
  return (one.dataSequenceNumber ?? 0n) >= (file.dataSequenceNumber ?? 0n);
}

async function keep(db: DuckDB, scan: Scan, files: readonly DataFile[]): Promise<void> {
  if (files.length === 0) return;
  const paths = deletePaths({ ...scan, deletes: files });
  const [path, position] = POSITION_DELETES.fields.map((field) => `d.${internalName(field)}`);
  const rows = await db.rows(
    `SELECT d.filename AS deletes, ${path} AS path, string_agg(${position}, ',' ORDER BY ${position}) AS positions
     FROM ${filesSql(paths, POSITION_DELETES)} AS d GROUP BY ALL`,
  );
  for (const [index, file] of files.entries()) {
    const own = rows.filter((row) => String(row.deletes) === paths[index]);
    const dead = own.map(({ path: recorded, positions }) => {
      const sorted = Float64Array.from(String(positions).split(","), Number);
      return [String(recorded), sorted] as const;
    });
    KEPT.set(keyOf(file), new Map(dead));
    keptRows += Number(file.recordCount);
  }
}

function holds(sorted: Float64Array, wanted: number): boolean {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    const found = sorted[middle] ?? 0;
    if (found === wanted) return true;
    if (found < wanted) from = middle + 1;
    else to = middle;
  }
  return false;
}
