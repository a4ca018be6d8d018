/** What tables a database has, and which of them can be followed as they are. */

import type { JsonObject } from "../../../core/base/json.ts";
import type { Discovered, Finds } from "../../../core/ingest/discovery.ts";
import { refusal } from "../source-failure.ts";
import { Connection, type Row, targetOf } from "./connection.ts";
import { identitiesOf } from "./identity.ts";
import type { PostgresSettings } from "./settings.ts";
import { versionOf } from "./setup.ts";

/** Named one by one; more are named by their schemas. */
const NAMED_MAX = 20;
const PUBLIC = "public.";

const TABLES = `SELECT n.nspname, c.relname, c.oid,
    CASE WHEN c.relkind = 'p' THEN (SELECT sum(greatest(l.reltuples, 0)) FROM pg_partition_tree(c.oid) t
      JOIN pg_class l ON l.oid = t.relid WHERE t.isleaf) ELSE c.reltuples END,
    CASE WHEN c.relkind = 'p' THEN (SELECT sum(pg_table_size(t.relid)) FROM pg_partition_tree(c.oid) t
      WHERE t.isleaf) ELSE pg_table_size(c.oid) END,
    (SELECT string_agg(a.attname, ', ' ORDER BY array_position(i.indkey::int2[], a.attnum)) FROM pg_index i
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
      WHERE i.indrelid = c.oid AND i.indisprimary),
    has_table_privilege(c.oid, 'SELECT')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND NOT c.relispartition
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%'
  ORDER BY 1, 2`;

/** The address as it is: what it leads to is said by the server. */
export function postgresEntry(address: string): JsonObject {
  return { url: address };
}

/** Throws LakeError. */
export async function discoverTables(
  settings: PostgresSettings,
  { projectRoot }: { readonly projectRoot: string },
): Promise<Finds> {
  const target = await targetOf(settings, projectRoot);
  const control = await Connection.open(target, "plain");
  try {
    const { major, version } = await versionOf(control);
    const rows = await control.rows(TABLES, "list the tables");
    if (rows.length === 0) {
      const where = `database ${target.database}`;
      throw refusal("not-found", `there is no table in ${where}`, "name another database");
    }
    const oids = rows.map(([, , oid]) => Number(oid));
    const identities = await identitiesOf(control, oids, major);
    const faults = new Map(identities.filter(({ ok }) => !ok).map((one) => [one.name, one.detail]));
    const found = rows.map((row) => tableOf(row, faults));
    const good = found.filter(({ note }) => note === null).map(({ name }) => name);
    const at = `${target.host}:${target.port}/${target.database}, PostgreSQL ${version}`;
    return { at, found, keys: { tables: namesOf(good) } };
  } finally {
    await control.close();
  }
}

function tableOf(
  [schema, table, , rows, bytes, key, isReadable]: Row,
  faults: ReadonlyMap<string, string>,
): Discovered {
  const name = `${schema}.${table}`;
  const denied = isReadable === "t" ? null : "the role may not read it";
  return {
    name,
    // Before it was ever analysed it is -1.
    rows: rows === null || rows === undefined || Number(rows) < 0 ? null : Number(rows),
    bytes: Number(bytes ?? 0),
    key: key ?? null,
    note: denied ?? faults.get(name) ?? null,
  };
}

function namesOf(names: readonly string[]): string[] {
  if (names.length <= NAMED_MAX) {
    return names.map((name) => (name.startsWith(PUBLIC) ? name.slice(PUBLIC.length) : name));
  }
  return [...new Set(names.map((name) => `${name.slice(0, name.indexOf("."))}.*`))];
}
