/** The staging folder of one materialize request: data files that stay, work files that do not. */

import { rm } from "node:fs/promises";
import type { Written } from "../../core/engine.ts";
import type { PartitionSpec, Schema } from "../../core/table/types.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { ownColumn } from "../syntax/own-names.ts";
import { quoteFileList, quoteFilePath, quoteTargetPath } from "../syntax/quote.ts";
import { writeRows } from "../write/partition-write.ts";

/** Tells each kept row from all others. */
export const PLACE_COLUMN = ownColumn("place");

/** Work files carry rows between the steps of a run, so that nothing is computed twice and memory stays bounded. */
export class Staging implements AsyncDisposable {
  readonly #db: DuckDB;
  readonly #folder: string;
  readonly #work: string[] = [];
  #count = 0;

  constructor(db: DuckDB, folder: string) {
    this.#db = db;
    this.#folder = folder;
  }

  /** Writes the rows of a SELECT once; answers a SELECT that reads them again, in their order. */
  async keep(sql: string): Promise<string> {
    const path = `${this.#folder}/work-${++this.#count}.parquet`;
    this.#work.push(path);
    await this.#db.run(
      `COPY (${sql}) TO ${quoteTargetPath(path)} (FORMAT parquet, COMPRESSION snappy)`,
    );
    return `SELECT * FROM read_parquet(${quoteFilePath(path)}, hive_partitioning = false)`;
  }

  /** The same, with PLACE_COLUMN. */
  keepPlaced(sql: string): Promise<string> {
    return this.keep(`SELECT *, row_number() OVER () AS ${PLACE_COLUMN} FROM (${sql})`);
  }

  /** Writes rows as data files of a table. */
  write(
    sql: string,
    name: string,
    target: { readonly schema: Schema; readonly spec: PartitionSpec },
  ): Promise<Written> {
    const { schema, spec } = target;
    return writeRows(this.#db, sql, { schema, spec, folder: this.#folder, name });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#work.map((path) => rm(path, { force: true })));
  }
}

/** A SELECT of what was written; null when nothing was. */
export function writtenSql(written: Written): string | null {
  if (written.files.length === 0) return null;
  const paths = written.files.map((file) => file.path);
  return `SELECT * FROM read_parquet(${quoteFileList(paths)}, hive_partitioning = false)`;
}
