/** Which tables a publication has, and which of them are wanted; it is made, and added to, where that is ours to do. */

import { compileGlob, hasWildcard } from "../../../core/base/glob.ts";
import { refusal } from "../source-failure.ts";
import { type Connection, quoteName, quoteText } from "./connection.ts";
import { identitiesOf, type TableIdentity } from "./identity.ts";

export interface PublishedTable {
  readonly schema: string;
  readonly table: string;
  readonly oid: number;
  /** What made it part of the publication: an oid that is another after it was taken out and put in again. */
  readonly member: string;
  /** Names of its columns that are published, in order. */
  readonly columns: readonly string[];
  /** An SQL condition; null for all rows. */
  readonly rowFilter: string | null;
  readonly isPartitioned: boolean;
}

interface NamedTable {
  readonly schema: string;
  readonly table: string;
  readonly oid: number;
}

const NAMES_SHOWN_MAX = 10;
const DEFAULT_SCHEMA = "public";
const ROW_FILTERS_SINCE = 15;
const GENERATED_SINCE = 18;
/** What may be replicated: tables and partitioned ones. */
const KINDS = "('r', 'p')";

/** Tells wanted tables by name: all when nothing is named. */
export function tableChoice(
  patterns: readonly string[],
): (schema: string, table: string) => boolean {
  if (patterns.length === 0) return () => true;
  const globs = patterns.map((pattern) => {
    const dot = pattern.indexOf(".");
    const path = dot === -1 ? `${DEFAULT_SCHEMA}/${pattern}` : pattern.replace(".", "/");
    const compiled = compileGlob(path);
    if (compiled.kind === "glob") return compiled.glob;
    throw refusal("config", `tables: "${pattern}": ${compiled.reason}`, "write public.orders");
  });
  return (schema, table) => globs.some((glob) => glob.matches(`${schema}/${table}`));
}

/** Those of the patterns that are names, with their schema. */
export function namedTables(patterns: readonly string[]): readonly string[] {
  return patterns
    .filter((pattern) => !hasWildcard(pattern))
    .map((name) => (name.includes(".") ? name : `${DEFAULT_SCHEMA}.${name}`));
}

/** The tables of a publication as they are now. Null when there is no such publication. */
export async function publishedTables(
  connection: Connection,
  publication: string,
  major: number,
): Promise<readonly PublishedTable[] | null> {
  const name = quoteText(publication);
  const [found] = await connection.rows(
    `SELECT oid FROM pg_publication WHERE pubname = ${name}`,
    "look for the publication",
  );
  if (found === undefined) return null;
  const columns =
    major >= ROW_FILTERS_SINCE
      ? `p.rowfilter, (SELECT string_agg(quote_ident(a.attname), ',' ORDER BY a.attnum)
          FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = ANY (p.attnames)
          AND a.attnum > 0 AND NOT a.attisdropped ${major >= GENERATED_SINCE ? "" : "AND a.attgenerated = ''"})`
      : `NULL, (SELECT string_agg(quote_ident(a.attname), ',' ORDER BY a.attnum)
          FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          AND a.attgenerated = '')`;
  const rows = await connection.rows(
    `SELECT p.schemaname, p.tablename, c.oid, coalesce(r.oid, 0), c.relkind, ${columns}
      FROM pg_publication_tables p
      JOIN pg_namespace n ON n.nspname = p.schemaname
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
      LEFT JOIN pg_publication_rel r ON r.prpubid = ${found[0]} AND r.prrelid = c.oid
      WHERE p.pubname = ${name} ORDER BY 1, 2`,
    "read the tables of the publication",
  );
  return rows.map(([schema, table, oid, member, kind, rowFilter, names]) => ({
    schema: `${schema}`,
    table: `${table}`,
    oid: Number(oid),
    member: `${member}`,
    columns: namesIn(names ?? ""),
    rowFilter: rowFilter ?? null,
    isPartitioned: kind === "p",
  }));
}

/**
 * Makes a publication of the tables that are wanted. Never of all tables: UPDATEs of those without a key would fail.
 * Partitions come under the name of their root.
 */
export async function makePublication(
  connection: Connection,
  publication: string,
  patterns: readonly string[],
  major: number,
): Promise<void> {
  const tables = await wantedTables(connection, patterns);
  const identities = await identitiesOf(
    connection,
    tables.map(({ oid }) => oid),
    major,
  );
  const bad = identities.filter(({ ok }) => !ok);
  const [first] = bad;
  if (first !== undefined) {
    const more = bad.length > 1 ? ` (and ${bad.length - 1} more tables)` : "";
    throw refusal(
      "config",
      `${first.name} cannot be published as it is: ${first.detail}${more}`,
      `paste ${bad.map(({ sql }) => sql).join(" ")} or name the tables that are wanted`,
    );
  }
  await connection.rows(createPublicationSql(publication, tables), "make the publication");
}

/**
 * Adds tables that are wanted and there, but not yet in a publication of ours. Answers those that are left out, for
 * their applications' UPDATEs would fail.
 */
export async function addWanted(
  connection: Connection,
  publication: string,
  patterns: readonly string[],
  major: number,
): Promise<readonly TableIdentity[]> {
  const rows = await connection.rows(
    `SELECT r.prrelid FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
      WHERE p.pubname = ${quoteText(publication)}`,
    "read the tables of the publication",
  );
  const known = new Set(rows.map(([oid]) => Number(oid)));
  const wanted = (await matchingTables(connection, patterns)).wanted;
  const missing = wanted.filter(({ oid }) => !known.has(oid));
  const identities = await identitiesOf(
    connection,
    missing.map(({ oid }) => oid),
    major,
  );
  const bad = identities.filter(({ ok }) => !ok);
  const added = missing.filter(({ schema, table }) =>
    bad.every(({ name }) => name !== `${schema}.${table}`),
  );
  if (added.length === 0) return bad;
  const list = added.map(nameOf).join(", ");
  await connection.rows(
    `ALTER PUBLICATION ${quoteName(publication)} ADD TABLE ${list}`,
    "add tables to the publication",
  );
  return bad;
}

export function createPublicationSql(
  publication: string,
  tables: readonly { readonly schema: string; readonly table: string }[],
): string {
  const list = tables.map(nameOf).join(", ");
  const how = "WITH (publish_via_partition_root = true)";
  return `CREATE PUBLICATION ${quoteName(publication)} FOR TABLE ${list} ${how}`;
}

/** Tables that there are of those that are wanted. Throws `not-found` when there are none. */
export async function wantedTables(
  connection: Connection,
  patterns: readonly string[],
): Promise<readonly NamedTable[]> {
  const { all, wanted } = await matchingTables(connection, patterns);
  if (wanted.length > 0) return wanted;
  const named =
    patterns.length === 0 ? "there is no table" : `no table is called ${patterns.join(", ")}`;
  const there = all.slice(0, NAMES_SHOWN_MAX).map(({ schema, table }) => `${schema}.${table}`);
  throw refusal(
    "not-found",
    `${named} in database ${connection.target.database}`,
    `there are: ${there.join(", ") || "none"}`,
  );
}

/** Partitions are left to their root, or the publication would have them twice. */
async function matchingTables(
  connection: Connection,
  patterns: readonly string[],
): Promise<{ readonly all: readonly NamedTable[]; readonly wanted: readonly NamedTable[] }> {
  const choice = tableChoice(patterns);
  const rows = await connection.rows(
    `SELECT n.nspname, c.relname, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ${KINDS} AND c.relpersistence = 'p' AND NOT c.relispartition
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%'
      ORDER BY 1, 2`,
    "list the tables",
  );
  const all = rows.map(([schema, table, oid]) => ({
    schema: `${schema}`,
    table: `${table}`,
    oid: Number(oid),
  }));
  return { all, wanted: all.filter(({ schema, table }) => choice(schema, table)) };
}

function nameOf({ schema, table }: { readonly schema: string; readonly table: string }): string {
  return `${quoteName(schema)}.${quoteName(table)}`;
}

/** Reads names as quote_ident wrote them, with commas between. */
function namesIn(list: string): string[] {
  const names = list.match(/"(?:[^"]|"")*"|[^,]+/g) ?? [];
  return names.map((name) =>
    name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name,
  );
}
