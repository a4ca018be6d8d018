/** What the server sends of old rows, table by table, and where that would stop an application's own statements. */

import { type Connection, quoteName } from "./connection.ts";

export interface TableIdentity {
  /** `schema.table`. */
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  /** What mends it, or null. */
  readonly sql: string | null;
}

/** Since here the server refuses an UPDATE whose old row would hold a generated column that is not published. */
const GENERATED_SINCE = 18;

/**
 * How old rows of tables are found. A published table without an identity fails the application's UPDATE and DELETE, so
 * these are to be looked at before it is published.
 */
export async function identitiesOf(
  connection: Connection,
  oids: readonly number[],
  major: number,
): Promise<readonly TableIdentity[]> {
  if (oids.length === 0) return [];
  const rows = await connection.rows(
    `SELECT n.nspname, c.relname, c.relreplident,
        EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary),
        (SELECT string_agg(a.attname, ', ' ORDER BY a.attnum) FROM pg_index i JOIN pg_attribute a
          ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) WHERE i.indrelid = c.oid AND i.indisreplident),
        (SELECT string_agg(a.attname, ', ') FROM pg_attribute a
          WHERE a.attrelid = c.oid AND a.attgenerated <> '' AND NOT a.attisdropped)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.oid IN (${oids.join(", ")}) ORDER BY 1, 2`,
    "read the replica identity of tables",
  );
  return rows.map(([schema, table, letter, primary, index, generated]) => {
    const name = `${schema}.${table}`;
    const sqlName = `${quoteName(`${schema}`)}.${quoteName(`${table}`)}`;
    const full = `ALTER TABLE ${sqlName} REPLICA IDENTITY FULL;`;
    if (letter === "f" && generated !== null && major >= GENERATED_SINCE) {
      return {
        name,
        ok: false,
        detail: `identity FULL with generated columns (${generated}): UPDATE and DELETE would fail with 42P10`,
        sql: `ALTER TABLE ${sqlName} REPLICA IDENTITY DEFAULT;`,
      };
    }
    if (letter === "n" || (letter === "d" && primary !== "t")) {
      const why = letter === "n" ? "identity NOTHING" : "no primary key";
      const detail = `${why}: UPDATE and DELETE would fail with 55000 once it is published`;
      return { name, ok: false, detail, sql: full };
    }
    if (letter === "i" && index === null) {
      const detail = "the index of its identity is gone: UPDATE and DELETE would fail";
      return { name, ok: false, detail, sql: full };
    }
    return { name, ok: true, detail: goodDetail(`${letter}`, index ?? null), sql: null };
  });
}

function goodDetail(letter: string, index: string | null): string {
  if (letter === "f") return "identity FULL: old rows come whole, and make the log larger";
  return letter === "i"
    ? `identity by the index of ${index}: use these as keys`
    : "its primary key";
}
