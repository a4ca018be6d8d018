/** `information_schema`: the lake's tables, views and columns as every SQL tool asks for them. ISO/IEC 9075-11. */

import type { Json } from "../../core/base/json.ts";
import { splitName } from "../../core/table/name.ts";
import { isHidden } from "../../core/table/system-columns.ts";
import type { Column } from "../../core/table/types.ts";
import { duckDBType } from "../../sql/duckdb/types.ts";
import type { SystemTable } from "../../sql/query/session-table.ts";
import type { Session } from "../open.ts";

const CATALOG = "lake";

type Rows = (session: Session) => Promise<Json[][]>;

const TABLES: Readonly<
  Record<string, { readonly columns: readonly Column[]; readonly rows: Rows }>
> = {
  schemata: { columns: texts("catalog_name", "schema_name"), rows: schemata },
  tables: {
    columns: texts("table_catalog", "table_schema", "table_name", "table_type"),
    rows: tables,
  },
  columns: {
    columns: [
      ...texts("table_catalog", "table_schema", "table_name", "column_name"),
      { name: "ordinal_position", type: { kind: "primitive", name: "int" } },
      ...texts("column_default", "is_nullable", "data_type"),
    ],
    rows: columns,
  },
};

export const INFORMATION_SCHEMA_NAMES = Object.keys(TABLES).map(
  (name) => `information_schema.${name}`,
);

/** The table of that name; null where there is none. Columns of views are not told: only the engine knows them. */
export async function informationSchema(
  session: Session,
  name: string,
): Promise<SystemTable | null> {
  const table = TABLES[name.toLowerCase().slice("information_schema.".length)];
  return table === undefined ? null : { columns: table.columns, rows: await table.rows(session) };
}

/** The columns of each of its tables, by the table's name. */
export function informationSchemaColumns(): ReadonlyMap<string, readonly Column[]> {
  return new Map(Object.entries(TABLES).map(([name, { columns: all }]) => [name, all]));
}

async function schemata(session: Session): Promise<Json[][]> {
  const names = new Set((await relations(session)).map(({ schema }) => schema));
  return [...names, "lake"].sort().map((name) => [CATALOG, name]);
}

async function tables(session: Session): Promise<Json[][]> {
  const all = await relations(session);
  return all.map(({ schema, table, type }) => [CATALOG, schema, table, type]);
}

async function columns(session: Session): Promise<Json[][]> {
  const { catalog } = session;
  const rows: Json[][] = [];
  for (const { schema, table, type } of await relations(session)) {
    const loaded = type === "VIEW" ? null : await catalog.load(`${schema}.${table}`);
    const fields = loaded?.schema.fields.filter(({ name }) => !isHidden(name)) ?? [];
    for (const [index, field] of fields.entries()) {
      const isNullable = field.required ? "NO" : "YES";
      const place = [CATALOG, schema, table, field.name, index + 1];
      rows.push([...place, null, isNullable, duckDBType(field.type)]);
    }
  }
  return rows;
}

interface Relation {
  readonly schema: string;
  readonly table: string;
  readonly type: "BASE TABLE" | "VIEW";
}

/** By schema and name. */
async function relations({ catalog, project }: Session): Promise<readonly Relation[]> {
  const heads = await catalog.tables();
  const names = new Map<string, Relation["type"]>(heads.map(({ name }) => [name, "BASE TABLE"]));
  for (const { name, kind } of project.models) if (kind === "view") names.set(name, "VIEW");
  return [...names]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, type]) => {
      const { namespace, table } = splitName(name);
      return { schema: namespace, table, type };
    });
}

function texts(...names: readonly string[]): readonly Column[] {
  return names.map((name) => ({ name, type: { kind: "primitive", name: "string" } }));
}
