/** Tables about the lake (`lake.runs`, …) as temporary tables, made only for the statement that names them. */

import { type Json, stringifyJson } from "../../core/base/json.ts";
import type { Column } from "../../core/table/types.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType } from "../duckdb/types.ts";
import { quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";

/** Rows that the composition root gathers; values in the order of the columns. */
export interface SystemTable {
  readonly columns: readonly Column[];
  /**
   * JSON values: 64-bit numbers as bigint, decimals as text, moments as ISO text with a zone, maps and structs as
   * objects, binary as text.
   */
  readonly rows: Iterable<readonly Json[]> | AsyncIterable<readonly Json[]>;
  /** The query that stands for the name: over tables of the lake, and over the rows under their quoted name. */
  readonly query?: (rows: string) => string;
}

/** Rows handed to the engine at once. */
const ROWS_PER_INSERT = 5_000;

/** Creates (or replaces) the temporary table `name` and fills it. */
export async function materializeSystemTable(
  db: DuckDB,
  name: string,
  table: SystemTable,
): Promise<void> {
  const target = `temp.main.${quoteIdentifier(name)}`;
  const columns = table.columns.map(
    (column) => `${quoteIdentifier(column.name)} ${duckDBType(column.type)}`,
  );
  await db.run(`CREATE OR REPLACE TEMP TABLE ${quoteIdentifier(name)} (${columns.join(", ")})`);
  // from_json reads a struct per row; keys are positions, so that no column name needs escaping.
  const shape = Object.fromEntries(
    table.columns.map((column, index) => [`c${index}`, duckDBType(column.type)]),
  );
  const picks = table.columns.map((_column, index) => `r.c${index}`);
  const insert =
    `INSERT INTO ${target} SELECT ${picks.join(", ")} FROM ` +
    `(SELECT unnest(from_json($1::JSON, ${quoteLiteral(stringifyJson([shape]))})) AS r)`;
  let batch: Json[] = [];
  const flush = async () => {
    if (batch.length > 0) await db.run(insert, [stringifyJson(batch)]);
    batch = [];
  };
  for await (const row of table.rows) {
    batch.push(Object.fromEntries(row.map((value, index) => [`c${index}`, value])));
    if (batch.length >= ROWS_PER_INSERT) await flush();
  }
  await flush();
}
