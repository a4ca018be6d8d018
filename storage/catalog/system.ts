/** Tables about the lake, as plain rows on demand: `lake.tables`, `lake.snapshots`, …, `orders$files`. */

import type { Column, TableName } from "../../core/table/types.ts";
import type { CatalogContext } from "./context.ts";
import { readPointers } from "./history.ts";
import type { SystemTable, SystemTableMaker } from "./system-column.ts";
import { CONTRACTS } from "./system-contracts.ts";
import { SYSTEM_TABLES_OF_ICEBERG } from "./system-iceberg.ts";
import { SYSTEM_TABLES_OF_LAKE } from "./system-lake.ts";
import { WATERMARKS } from "./system-watermarks.ts";

/** Names of the tables of the schema `lake`, sorted. */
export const SYSTEM_TABLE_NAMES: readonly string[] = [
  ...Object.keys(SYSTEM_TABLES_OF_ICEBERG),
  ...Object.keys(SYSTEM_TABLES_OF_LAKE),
  "contracts",
  "watermarks",
].sort();

/**
 * The rows of a system table: `lake.snapshots` (or `snapshots`), of all tables or of one, which may also stand in the
 * name as in `orders$snapshots`. Null when there is none of that name.
 */
export async function readSystemTable(
  context: CatalogContext,
  name: string,
  table: TableName | null = null,
): Promise<SystemTable | null> {
  const asked = parseName(name);
  const maker = MAKERS.get(asked.kind);
  if (maker === undefined) return null;
  const only = asked.table === null ? table : await findTable(context, asked.table);
  if (asked.table !== null && only === null) return null;
  return { columns: maker.columns, rows: await maker.read(context, only) };
}

/** The columns of each table of the schema `lake`, by its name, sorted. */
export function systemTableColumns(): ReadonlyMap<string, readonly Column[]> {
  return new Map(SYSTEM_TABLE_NAMES.map((name) => [name, MAKERS.get(name)?.columns ?? []]));
}

const MAKERS: ReadonlyMap<string, SystemTableMaker> = new Map([
  ...Object.entries(SYSTEM_TABLES_OF_ICEBERG),
  ...Object.entries(SYSTEM_TABLES_OF_LAKE),
  ["contracts", CONTRACTS] as const,
  ["watermarks", WATERMARKS] as const,
]);
const SCHEMA_PREFIX = "lake.";
/** Where a name without a schema is looked for first. DESIGN, Settled. */
const LAYERS = ["gold", "silver", "bronze"];

function parseName(name: string): { readonly kind: string; readonly table: string | null } {
  const lower = name.toLowerCase();
  if (lower.startsWith(SCHEMA_PREFIX)) {
    return { kind: lower.slice(SCHEMA_PREFIX.length), table: null };
  }
  const dollar = lower.lastIndexOf("$");
  if (dollar < 0) return { kind: lower, table: null };
  return { kind: lower.slice(dollar + 1), table: name.slice(0, dollar) };
}

async function findTable(context: CatalogContext, text: string): Promise<TableName | null> {
  const { store } = context;
  const names = await store.read(() => readPointers(store).map((pointer) => pointer.name));
  const candidates = text.includes(".") ? [text] : LAYERS.map((layer) => `${layer}.${text}`);
  const wanted = candidates.map((one) => one.toLowerCase());
  for (const one of wanted) {
    const found = names.find((name) => name.toLowerCase() === one);
    if (found !== undefined) return found;
  }
  return names.find((name) => name.toLowerCase().endsWith(`.${text.toLowerCase()}`)) ?? null;
}
