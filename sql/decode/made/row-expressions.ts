/** Expressions of before_landing over rows that are made here: each sees every field of its row as text. */

import type { DecodeColumn } from "../../../core/engine.ts";
import type { DuckDB } from "../../duckdb/duckdb.ts";
import { loadDuckDB } from "../../duckdb/native.ts";
import { quoteIdentifier } from "../../syntax/quote.ts";
import { type Exact, exactText } from "../lossless/exact-value.ts";
import { findName } from "../target-columns.ts";
import type { SourceRow } from "./row-source.ts";

const TABLE = "lake_texts";

/** Texts by source name, in the order of the rows. */
export type Made = ReadonlyMap<string, readonly (string | null)[]>;

export class RowExpressions {
  #db: DuckDB;
  #columns: readonly { readonly source: string; readonly sql: string }[];
  /** Name of a field of the table, and its place in the rows; -1: not in the file. */
  #fields: { readonly name: string; readonly at: number }[];
  #isOpen = false;

  constructor(db: DuckDB, names: readonly string[], columns: readonly DecodeColumn[]) {
    this.#db = db;
    this.#columns = columns.flatMap(({ source, expression }) =>
      expression === null ? [] : [{ source, sql: expression }],
    );
    const taken = new Set<string>();
    const fields = names.map((name, at) => ({ name, at }));
    for (const { source } of columns) {
      if (findName(names, source) < 0) fields.push({ name: source, at: -1 });
    }
    this.#fields = fields.filter(({ name }) => {
      const isNew = !taken.has(name.toLowerCase());
      taken.add(name.toLowerCase());
      return isNew;
    });
  }

  /** What the expressions make of the rows; nothing when there are none. */
  async make(rows: readonly SourceRow[]): Promise<Made> {
    if (this.#columns.length === 0 || rows.length === 0) return new Map();
    const { DuckDBDataChunk } = await loadDuckDB();
    await this.#open();
    const appender = await this.#db.native.createAppender(TABLE);
    const types = this.#fields.map((_, index) => appender.columnType(index));
    const chunk = DuckDBDataChunk.create(types);
    chunk.setColumns(
      this.#fields.map(({ at }) => rows.map((row) => exactText(valueAt(row.values, at)))),
    );
    appender.appendDataChunk(chunk);
    appender.closeSync();
    const list = this.#columns.map(({ sql }, index) => `CAST((${sql}) AS VARCHAR) AS x${index}`);
    const made = await this.#db.rows(`SELECT ${list.join(", ")} FROM ${TABLE}`);
    return new Map(
      this.#columns.map(({ source }, index) => [
        source,
        made.map((row) => {
          const text = row[`x${index}`] ?? null;
          return text === null ? null : String(text);
        }),
      ]),
    );
  }

  async #open(): Promise<void> {
    if (this.#isOpen) {
      await this.#db.run(`TRUNCATE ${TABLE}`);
      return;
    }
    const columns = this.#fields.map(({ name }) => `${quoteIdentifier(name)} VARCHAR`);
    await this.#db.run(`CREATE OR REPLACE TEMP TABLE ${TABLE} (${columns.join(", ")})`);
    this.#isOpen = true;
  }
}

/** What they make of one row. */
export function madeOf(made: Made, index: number): ReadonlyMap<string, string | null> {
  if (made.size === 0) return NONE;
  return new Map([...made].map(([source, texts]) => [source, texts[index] ?? null]));
}

const NONE: ReadonlyMap<string, string | null> = new Map();

function valueAt(values: readonly Exact[], at: number): Exact {
  return at < 0 ? null : (values[at] ?? null);
}
