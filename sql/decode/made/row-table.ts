/** Rows made here on their way into DuckDB: vectors into a temporary table, and from there into Parquet files. */

import type { DuckDBAppender, DuckDBDataChunk, DuckDBType, DuckDBValue } from "@duckdb/node-api";
import type { DuckDB } from "../../duckdb/duckdb.ts";
import { loadDuckDB } from "../../duckdb/native.ts";
import { quoteIdentifier, quoteLiteral, quoteTargetPath } from "../../syntax/quote.ts";
import { BATCH_ROWS } from "./row-source.ts";

/** A row group of DuckDB's writer. */
export const PART_ROWS = 122_880;
export const PART_BYTES = 64 * 1024 * 1024;

/** Columns are c0, c1, … */
export class RowTable {
  readonly paths: string[] = [];
  #db: DuckDB;
  #name: string;
  #stem: string;
  #constant: string;
  #appender: DuckDBAppender | null = null;
  #chunk: DuckDBDataChunk | null = null;
  #columns: DuckDBValue[][];
  #rows = 0;
  #bytes = 0;

  private constructor(db: DuckDB, name: string, stem: string, width: number, constant: string) {
    this.#db = db;
    this.#name = name;
    this.#stem = stem;
    this.#constant = constant;
    this.#columns = Array.from({ length: width }, () => []);
  }

  /** `stem` is the path of the parts without their number; `constant` the value of the column `lake_file`. */
  static async create(
    db: DuckDB,
    name: string,
    types: readonly string[],
    stem: string,
    constant: string,
  ): Promise<RowTable> {
    const columns = types.map((type, index) => `c${index} ${type}`).join(", ");
    await db.run(`CREATE OR REPLACE TEMP TABLE ${quoteIdentifier(name)} (${columns})`);
    const table = new RowTable(db, name, stem, types.length, constant);
    await table.#open();
    return table;
  }

  async push(values: readonly DuckDBValue[], bytes: number): Promise<void> {
    for (let index = 0; index < this.#columns.length; index++) {
      this.#columns[index]?.push(values[index] ?? null);
    }
    this.#rows++;
    this.#bytes += bytes;
    if ((this.#columns[0]?.length ?? 0) >= BATCH_ROWS) this.#append();
    if (this.#rows >= PART_ROWS || this.#bytes >= PART_BYTES) await this.#writePart();
  }

  /** Writes what is left; the parts are then complete. */
  async finish(): Promise<void> {
    await this.#writePart();
    await this.close();
  }

  async close(): Promise<void> {
    this.#appender?.closeSync();
    this.#appender = null;
    await this.#db.run(`DROP TABLE IF EXISTS ${quoteIdentifier(this.#name)}`);
  }

  async #open(): Promise<void> {
    const { DuckDBDataChunk } = await loadDuckDB();
    const appender = await this.#db.native.createAppender(this.#name);
    const types: DuckDBType[] = this.#columns.map((_, index) => appender.columnType(index));
    this.#appender = appender;
    this.#chunk = DuckDBDataChunk.create(types);
  }

  #append(): void {
    if ((this.#columns[0]?.length ?? 0) === 0) return;
    this.#chunk?.reset();
    this.#chunk?.setColumns(this.#columns);
    if (this.#chunk !== null) this.#appender?.appendDataChunk(this.#chunk);
    this.#columns = this.#columns.map(() => []);
  }

  async #writePart(): Promise<void> {
    if (this.#rows === 0) return;
    this.#append();
    this.#appender?.flushSync();
    const path = `${this.#stem}-${this.paths.length}`;
    const table = quoteIdentifier(this.#name);
    await this.#db.run(
      `COPY (SELECT *, ${quoteLiteral(this.#constant)} AS lake_file FROM ${table})
       TO ${quoteTargetPath(path)} (FORMAT parquet)`,
    );
    await this.#db.run(`TRUNCATE ${table}`);
    this.paths.push(path);
    this.#rows = 0;
    this.#bytes = 0;
  }
}
