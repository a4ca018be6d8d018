/** Orders the ties of a bound statement by where the rows of its tables came from. DESIGN, decision 9. */

import { isHidden, PROVENANCE_COLUMNS } from "../../core/table/system-columns.ts";
import type { Scan } from "../../core/table/types.ts";
import { rowKeys, type TableKeys } from "../analysis/row-keys.ts";
import { orderTies, tiesOf } from "../analysis/ties.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { FUNCTION_FACTS } from "../duckdb/functions.ts";
import type { Node } from "../syntax/ast.ts";
import { rowOrders } from "./scan.ts";

/** A table reference, and what is bound to it: files, or the SELECT of a view. */
export interface TieSource {
  readonly node: Node;
  readonly scan: Scan | null;
  readonly viewSql: () => Promise<string>;
}

const [BATCH, FILE, ROW] = PROVENANCE_COLUMNS.map((column) => column.name);
/** Rows of a model may share the place of the row that they came from. */
const LANDED = "bronze.";

/** References to tables must have their aliases. */
export async function orderBoundTies(
  db: DuckDB,
  query: Node,
  sources: readonly TieSource[],
): Promise<void> {
  const ties = tiesOf(query, FUNCTION_FACTS);
  if (ties.length === 0) return;
  const keysByTable = new Map<Node, TableKeys>();
  for (const { node, scan, viewSql } of sources) {
    if (scan !== null) {
      keysByTable.set(node, await keysOfScan(db, scan));
      continue;
    }
    const columns = await columnsOf(db, await viewSql());
    keysByTable.set(node, { places: [], columns, given: columns });
  }
  await orderTies(
    db,
    query,
    ties,
    rowKeys(query, (table) => keysByTable.get(table) ?? null),
  );
}

async function keysOfScan(db: DuckDB, scan: Scan): Promise<TableKeys> {
  const names = scan.schema.fields.map((field) => field.name);
  const visible = names.filter((name) => !isHidden(name));
  const isPlaced = [BATCH, FILE].every((name) => name !== undefined && names.includes(name));
  if (!isPlaced) return { places: [], columns: visible, given: visible };
  const places = [BATCH, FILE, ROW].filter((name) => name !== undefined);
  const isTold = scan.table.startsWith(LANDED) && (await everyRowIsPlaced(db, scan));
  return { places, columns: isTold ? [] : visible, given: visible };
}

/** Rows of other writers have no place, and lose it where they rewrite ours. */
async function everyRowIsPlaced(db: DuckDB, scan: Scan): Promise<boolean> {
  const idOf = (name: string | undefined) =>
    scan.schema.fields.find((field) => field.name === name)?.id;
  const hasNone = (file: Scan["files"][number], name: string | undefined): boolean => {
    const id = idOf(name);
    return id !== undefined && file.file.metrics.get(id)?.nullCount === 0n;
  };
  if (!scan.files.every((file) => hasNone(file, BATCH) && hasNone(file, FILE))) return false;
  const paths = scan.files.filter((file) => !hasNone(file, ROW)).map((file) => file.localPath);
  return (await rowOrders(db, paths)).size === paths.length;
}

async function columnsOf(db: DuckDB, sql: string): Promise<string[]> {
  const rows = await db.rows(`DESCRIBE ${sql}`);
  return rows.map((row) => String(row.column_name));
}
