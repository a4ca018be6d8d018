/**
 * Tables of a session that are none of the lake's: those about the lake (`lake.runs`, …), made only for the statement
 * that names them, files given on the command line, and temporary ones that a user made.
 */

import { LakeError } from "../../core/base/errors.ts";
import { type Json, own, stringifyJson } from "../../core/base/json.ts";
import { namePartFrom } from "../../core/table/name.ts";
import type { Column } from "../../core/table/types.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType } from "../duckdb/types.ts";
import { quoteFilePath, quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";

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

const READERS: Readonly<Record<string, string>> = {
  csv: "read_csv",
  tsv: "read_csv",
  txt: "read_csv",
  json: "read_json",
  jsonl: "read_json",
  ndjson: "read_json",
  parquet: "read_parquet",
};

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

/** The table's name (the file's stem) and the query that reads it. Throws `unsupported` for other formats. */
export function fileTableSql(path: string): { readonly name: string; readonly sql: string } {
  const base = path.slice(path.lastIndexOf("/") + 1);
  const plain = base.replace(/\.(gz|zst)$/i, "");
  const dot = plain.lastIndexOf(".");
  const ending = dot < 0 ? "" : plain.slice(dot + 1).toLowerCase();
  const reader = own(READERS, ending);
  if (reader === undefined) {
    throw new LakeError("unsupported", `${base} cannot be queried as it is`, {
      hint: `${Object.keys(READERS).join(", ")} files can; land others first: tarn load ${base}`,
    });
  }
  const name = namePartFrom(dot <= 0 ? plain : plain.slice(0, dot));
  return { name, sql: `SELECT * FROM ${reader}(${quoteFilePath(path)})` };
}

/** Their columns by their names, in lower case; what statements of ours made for themselves is not among them. */
export async function temporaryColumns(
  db: DuckDB,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = await db.rows(
    "SELECT lower(t.name) AS name, coalesce(list(c.column_name ORDER BY c.column_index), []) AS columns FROM " +
      "(SELECT table_name AS name FROM duckdb_tables() WHERE temporary UNION ALL " +
      "SELECT view_name FROM duckdb_views() WHERE temporary AND NOT internal) AS t " +
      "LEFT JOIN duckdb_columns() AS c ON c.table_name = t.name AND c.database_name = 'temp' " +
      "GROUP BY 1 ORDER BY 1",
  );
  return new Map(
    found.flatMap(({ name, columns }) => {
      const isScratch = /^lake_(system|table)_\d+$/.test(String(name));
      const names = Array.isArray(columns) ? columns.map(String) : [];
      return isScratch ? [] : [[String(name), names] as const];
    }),
  );
}
