/** Tables about the lake, as plain rows on demand: `lake.tables`, `lake.snapshots`, …, `orders$files`. */

import type { Json } from "../../core/base/json.ts";
import type { Column, TableName } from "../../core/table/types.ts";
import type { CatalogContext } from "./context.ts";
import { SYSTEM_TABLES_OF_ICEBERG } from "./system-iceberg.ts";
import { SYSTEM_TABLES_OF_LAKE } from "./system-lake.ts";

export interface SystemTable {
  readonly columns: readonly Column[];
  /** Values in the order of the columns: moments as ISO text in UTC, 64-bit numbers as bigint, maps as objects. */
  readonly rows: readonly (readonly Json[])[];
}

/** How one table is made; `table` restricts it to one table of the lake where that means something. */
export interface SystemTableMaker {
  readonly columns: readonly Column[];
  readonly read: (context: CatalogContext, table: TableName | null) => Promise<Json[][]>;
}

/** Names of the tables of the schema `lake`, sorted. */
export const SYSTEM_TABLE_NAMES: readonly string[] = [
  ...Object.keys(SYSTEM_TABLES_OF_ICEBERG),
  ...Object.keys(SYSTEM_TABLES_OF_LAKE),
].sort();

/** The rows of a system table, of one table or of all; null when there is none of that name. */
export async function readSystemTable(
  context: CatalogContext,
  name: string,
  table: TableName | null = null,
): Promise<SystemTable | null> {
  const makers = new Map([
    ...Object.entries(SYSTEM_TABLES_OF_ICEBERG),
    ...Object.entries(SYSTEM_TABLES_OF_LAKE),
  ]);
  const maker = makers.get(name.toLowerCase());
  if (maker === undefined) return null;
  return { columns: maker.columns, rows: await maker.read(context, table) };
}
