/** Windows of event time in SQL: which a moment is in, and which a run computes. */

import { LakeError } from "../../core/base/errors.ts";
import type { Windows } from "../../core/model/windows.ts";
import type { Column } from "../../core/table/types.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { typeText } from "../duckdb/types.ts";
import { quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";
import { KEYS } from "./changed-rows.ts";

/** The window that a moment is in: where it begins, on the wall of the session's zone. */
export function windowSql({ size }: Windows, value: string): string {
  return `date_trunc('${size}', CAST(${value} AS TIMESTAMP))`;
}

/** A bound column of an input, by its name in any case; null: it has none. Throws `schema` for one that is no time. */
export function timeColumn(
  windows: Windows,
  input: string,
  columns: readonly Column[],
): string | null {
  const lower = windows.column.toLowerCase();
  const column = columns.find(({ name }) => name.toLowerCase() === lower);
  if (column === undefined) return null;
  const { name, type } = column;
  const isTime =
    type.kind === "primitive" && ["date", "timestamp", "timestamptz"].includes(type.name);
  if (isTime) return quoteIdentifier(name);
  throw new LakeError(
    "schema",
    `${input}: ${name} is ${typeText(type)}, and event_time needs a date or a timestamp`,
    {
      hint: `declare its type in tarn.yaml, or cast it in a model between: ${quoteIdentifier(name)}::timestamp`,
      context: { table: input, column: name },
    },
  );
}

/** KEYS, which are windows: with those before them that are looked back to, and without those before all. */
export async function lookBack(db: DuckDB, windows: Windows, name: string): Promise<void> {
  const own = quoteIdentifier(name);
  const { size, lookback } = windows;
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_windows AS SELECT DISTINCT ${own} - i::INTEGER * INTERVAL '1 ${size}' AS ${own}
     FROM ${KEYS}, range(0, ${lookback + 1}) AS r(i) WHERE ${own} IS NOT NULL`,
  );
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_feed_keys AS SELECT * FROM temp.lake_windows WHERE ${fromBegin(windows, own)}`,
  );
}

/** A condition over a moment: it is in a window of KEYS. Their range tells the reader which pages it needs. */
export async function touchedSql(
  db: DuckDB,
  windows: Windows,
  name: string,
): Promise<(value: string) => string> {
  const own = quoteIdentifier(name);
  const [row] = await db.rows(
    `SELECT CAST(min(${own}) AS VARCHAR) AS least,
       CAST(max(${own}) + INTERVAL '1 ${windows.size}' AS VARCHAR) AS end FROM ${KEYS}`,
  );
  const { least, end } = row ?? {};
  if (typeof least !== "string" || typeof end !== "string") return () => "FALSE";
  return (value) => {
    const moment = `CAST(${value} AS TIMESTAMP)`;
    const range = `${moment} >= TIMESTAMP ${quoteLiteral(least)} AND ${moment} < TIMESTAMP ${quoteLiteral(end)}`;
    return `(${range} AND ${windowSql(windows, value)} IN (SELECT ${own} FROM ${KEYS}))`;
  };
}

/** Where the first window begins; there is one only where `begin` is set. */
export function beginSql({ begin }: Windows): string {
  return `TIMESTAMP ${quoteLiteral(begin ?? "")}`;
}

/** A condition over the begin of a window: true where it is part of the model. */
export function fromBegin(windows: Windows, window: string): string {
  return windows.begin === null ? "TRUE" : `${window} >= ${beginSql(windows)}`;
}
