/** The difference of two scans, row by row: added, removed, and with a key changed. */

import { LakeError } from "../../core/base/errors.ts";
import type { Diff, DiffRequest } from "../../core/engine.ts";
import { isHidden } from "../../core/table/system-columns.ts";
import type { Field, Scan, Type } from "../../core/table/types.ts";
import { pathsOf, scanSql } from "../bind/scan.ts";
import type { DuckDB, Row } from "../duckdb/duckdb.ts";
import { duckDBType } from "../duckdb/types.ts";
import { ownColumn, quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";
import type { WorkerContext } from "../worker/context.ts";
import { twins } from "../write/same-files.ts";
import { fingerprint, type Sides, whereUneven } from "./hashes.ts";
import { hasFloats, nearSql, roundedSql } from "./near.ts";

const THREADS = 2;
/** Temporary table: rows that one side has more often than the other, with how much more. */
const DIFFERENCES = "temp.lake_differences";
const HASH = ownColumn("hash");
const OTHER = ownColumn("other");
const TEXT: Type = { kind: "primitive", name: "string" };
const NO_DIFFERENCE: Diff = { added: 0n, removed: 0n, changed: 0n, sample: [] };

/** A column of the comparison: in both, or NULL where it is not. */
interface Compared {
  readonly name: string;
  readonly before: Field | null;
  readonly after: Field | null;
  readonly type: Type;
}

/**
 * Compares the visible columns, found by field id in versions of one table, then by name. Without a key rows are
 * compared as a whole, each copy for itself. The sample is in order of the key, values as text.
 */
export async function diff(context: WorkerContext, request: DiffRequest): Promise<Diff> {
  const db = await context.open({
    allowedPaths: [...pathsOf(request.before), ...pathsOf(request.after)],
    allowedFolders: [],
    threads: THREADS,
  });
  const columns = comparedColumns(request.before, request.after);
  const key = request.key.map((name) => keyColumn(columns, name));
  const collected = await collectDifferences(db, request, columns);
  if (collected === "none") return NO_DIFFERENCE;
  const keys = key.map((column) => `k${columns.indexOf(column)}`);
  const [found = {}] = await db.rows(countsSql(keys));
  const counts = collected === "all" ? await sidesOf(db) : found;
  await collectShown(db, columns, keys, request.limit);
  await pairDifferences(db, columns, key);
  const rows = await sampleRows(db, columns, request.limit);
  const keyNames = new Set(key.map((column) => column.name));
  return {
    added: BigInt(String(counts.added)),
    removed: BigInt(String(counts.removed)),
    changed: BigInt(String(counts.changed)),
    sample: rows.map((row) => sampleOf(row, columns, keyNames)),
  };
}

function comparedColumns(before: Scan, after: Scan): Compared[] {
  const old = before.schema.fields.filter((field) => !isHidden(field.name));
  const matched = new Set<Field>();
  // Ids of two tables have nothing to do with each other.
  const isOneTable = before.uuid === after.uuid;
  const columns = after.schema.fields
    .filter((field) => !isHidden(field.name))
    .map((field): Compared => {
      const match =
        old.find((candidate) => isOneTable && candidate.id === field.id) ??
        old.find((candidate) => sameName(candidate.name, field.name)) ??
        null;
      if (match !== null) matched.add(match);
      const isSame = match === null || duckDBType(match.type) === duckDBType(field.type);
      const type: Type = isSame ? field.type : { kind: "primitive", name: "string" };
      return { name: field.name, before: match, after: field, type };
    });
  const gone = old.filter((field) => !matched.has(field));
  return [
    ...columns,
    ...gone.map((field) => ({ name: field.name, before: field, after: null, type: field.type })),
  ];
}

function keyColumn(columns: readonly Compared[], name: string): Compared {
  const column = columns.find((candidate) => sameName(candidate.name, name));
  if (column !== undefined && column.before !== null && column.after !== null) return column;
  throw new LakeError("not-found", `the key column ${name} is not in both versions`, {
    hint: `compare without a key, or by one of: ${columns.map((one) => one.name).join(", ")}`,
    context: { column: name },
  });
}

/**
 * Rows that one side has more often than the other, with how much more: `none`, `some`; or `all` rows of both sides, of
 * which the first ones are enough. Files of both sides cancel out unread.
 */
async function collectDifferences(
  db: DuckDB,
  { before, after, key, limit }: DiffRequest,
  columns: readonly Compared[],
): Promise<"none" | "some" | "all"> {
  const isPlain =
    before.deletes.length === 0 && after.deletes.length === 0 && before.uuid === after.uuid;
  const sameColumns = columns.every(
    (column) =>
      column.before !== null && column.after !== null && column.before.id === column.after.id,
  );
  const shared = isPlain && sameColumns ? await sharedFiles(before, after) : new Set<string>();
  if ([...before.files, ...after.files].every(({ file }) => shared.has(file.path))) return "none";
  const rest = (scan: Scan): Scan => ({
    ...scan,
    files: scan.files.filter((file) => !shared.has(file.file.path)),
  });
  const items = (side: "before" | "after") =>
    columns.map((column, index) => {
      const field = column[side];
      const type = duckDBType(column.type);
      const value = field === null ? "NULL" : quoteIdentifier(field.name);
      return `CAST(${value} AS ${type}) AS k${index}`;
    });
  const old = await scanSql(db, rest(before), { hidden: new Set() });
  const now = await scanSql(db, rest(after), { hidden: new Set() });
  const names = columns.map((_, index) => `k${index}`).join(", ");
  const theirs = `SELECT ${items("before").join(", ")} FROM (${old})`;
  const ours = `SELECT ${items("after").join(", ")} FROM (${now})`;
  const values = columns.map(({ type }, index) => ({ sql: `k${index}`, type }));
  const where = await whereUneven(db, { ours, theirs, columns: values });
  if (where === "FALSE") return "none";
  if (where === "TRUE") {
    const sides = await unevenHashes(db, { ours, theirs, columns: values });
    const isWhole = key.length === 0 && !columns.some(({ type }) => hasFloats(type));
    if (isWhole && (await isAll(db))) {
      const first = (sql: string, more: number) =>
        `(SELECT ${names}, ${more}::BIGINT AS more FROM (${sql}) ORDER BY row(${names}) LIMIT ${quoteLiteral(limit)})`;
      await db.run(
        `CREATE OR REPLACE TEMP TABLE lake_differences AS ${first(theirs, -1)} UNION ALL ${first(ours, 1)}`,
      );
      return "all";
    }
    await db.run(
      `CREATE OR REPLACE TEMP TABLE lake_differences AS
       SELECT ${names}, sum(side)::BIGINT AS more FROM (${sides}) GROUP BY ${names} HAVING sum(side) <> 0`,
    );
    await cancelNear(db, columns);
    return "some";
  }
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_differences AS
     SELECT ${names}, sum(side)::BIGINT AS more FROM (
       SELECT *, -1 AS side FROM (${theirs}) WHERE ${where}
       UNION ALL SELECT *, 1 AS side FROM (${ours}) WHERE ${where})
     GROUP BY ${names} HAVING sum(side) <> 0`,
  );
  await cancelNear(db, columns);
  return "some";
}

/** Rows of both sides by two hashes of theirs: with how much more often one side has them, however often that is. */
const HASHES = "temp.lake_hashes";

/**
 * Fills HASHES, and answers a SELECT of the rows of both sides that are in it as uneven, with their side: where many
 * rows differ they are told by hashes of 128 bits, which need a part of the memory that the rows themselves do.
 */
async function unevenHashes(db: DuckDB, { ours, theirs, columns }: Sides): Promise<string> {
  const hashes = [
    `${fingerprint(columns)} AS ${HASH}`,
    // Begun otherwise it is another hash of the same values.
    `${fingerprint([{ sql: "'other'", type: TEXT }, ...columns])} AS ${OTHER}`,
  ].join(", ");
  const both = (items: string) =>
    `SELECT ${items}, -1 AS side FROM (${theirs}) UNION ALL SELECT ${items}, 1 AS side FROM (${ours})`;
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_hashes AS SELECT ${HASH}, ${OTHER}, sum(side)::BIGINT AS more, count(*) AS rows
     FROM (${both(hashes)}) GROUP BY ${HASH}, ${OTHER}`,
  );
  return (
    `SELECT * FROM (${both(`*, ${hashes}`)}) ` +
    `SEMI JOIN (SELECT ${HASH}, ${OTHER} FROM ${HASHES} WHERE more <> 0) USING (${HASH}, ${OTHER})`
  );
}

/** Whether no row of one side is on the other. */
async function isAll(db: DuckDB): Promise<boolean> {
  return (await db.rows(`SELECT 1 FROM ${HASHES} WHERE abs(more) <> rows LIMIT 1`)).length === 0;
}

/** How many rows each side has, where no row of one is on the other. */
async function sidesOf(db: DuckDB): Promise<Row> {
  const [row = {}] = await db.rows(
    `SELECT coalesce(sum(more) FILTER (more > 0), 0)::BIGINT AS added,
       coalesce(-sum(more) FILTER (more < 0), 0)::BIGINT AS removed, 0::BIGINT AS changed FROM ${HASHES}`,
  );
  return row;
}

/**
 * Takes rows out that differ in nothing but floating numbers that are near: rows of one side and the other that agree
 * in all else, paired in the order of their numbers.
 */
async function cancelNear(db: DuckDB, columns: readonly Compared[]): Promise<void> {
  const typed = columns.map(({ type }, index) => ({ type, name: `k${index}` }));
  const floats = typed.filter(({ type }) => hasFloats(type));
  if (floats.length === 0) return;
  const exact = typed.filter(({ type }) => !hasFloats(type)).map(({ name }) => name);
  const names = typed.map(({ name }) => name).join(", ");
  const order = [
    ...floats.map(({ type, name }) => roundedSql(type, name)),
    ...floats.map(({ name }) => name),
  ];
  const group = ["side", ...exact].join(", ");
  // Where nothing else agrees there is nothing to pair: nearly always most rows, or all.
  const rest = `hash(${exact.length === 0 ? "0" : exact.join(", ")})`;
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_both AS SELECT ${rest} AS rest FROM ${DIFFERENCES}
     GROUP BY 1 HAVING min(more) < 0 AND max(more) > 0`,
  );
  if (await isEmpty(db, "temp.lake_both")) return;
  const isPaired = `${rest} IN (SELECT rest FROM temp.lake_both)`;
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_sided AS
     SELECT *, row_number() OVER () AS id,
       row_number() OVER (PARTITION BY ${group} ORDER BY ${order.join(", ")}) AS place
     FROM (SELECT ${names}, sign(more) AS side, unnest(range(abs(more))) AS copy
       FROM ${DIFFERENCES} WHERE ${isPaired})`,
  );
  const same = exact.map((name) => `a.${name} IS NOT DISTINCT FROM b.${name}`);
  const near = floats.map(({ type, name }) => nearSql(type, `a.${name}`, `b.${name}`));
  const pairs =
    `(SELECT * FROM temp.lake_sided WHERE side > 0) AS a JOIN (SELECT * FROM temp.lake_sided WHERE side < 0) AS b ` +
    `ON ${["a.place = b.place", ...same].join(" AND ")} WHERE ${near.join(" AND ")}`;
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_near AS SELECT unnest([a.id, b.id]) AS id FROM ${pairs}`,
  );
  if (await isEmpty(db, "temp.lake_near")) return;
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_differences AS
     SELECT * FROM ${DIFFERENCES} WHERE NOT (${isPaired})
     UNION ALL
     SELECT ${names}, sum(side)::BIGINT AS more FROM temp.lake_sided ANTI JOIN temp.lake_near USING (id)
     GROUP BY ${names} HAVING sum(side) <> 0`,
  );
}

async function isEmpty(db: DuckDB, table: string): Promise<boolean> {
  return (await db.rows(`SELECT 1 FROM ${table} LIMIT 1`)).length === 0;
}

/** Recorded paths of the files whose rows are on both sides: the same file, or another one with the same bytes. */
async function sharedFiles(before: Scan, after: Scan): Promise<ReadonlySet<string>> {
  const old = new Set(before.files.map((file) => file.file.path));
  const same = new Set(
    [...after.files.map((file) => file.file.path)].filter((path) => old.has(path)),
  );
  const others = (scan: Scan) => scan.files.filter((file) => !same.has(file.file.path));
  return new Set([...same, ...(await twins(others(before), others(after)))]);
}

/** How many rows were added, removed and, of one key on both sides, changed. */
function countsSql(keys: readonly string[]): string {
  const sides =
    "coalesce(sum(more) FILTER (more > 0), 0) AS a, coalesce(-sum(more) FILTER (more < 0), 0) AS b";
  // Without a key nothing is the same row on both sides.
  const paired = keys.length === 0 ? "0" : "least(a, b)";
  const group = keys.length === 0 ? "" : ` GROUP BY ${keys.join(", ")}`;
  return (
    `SELECT coalesce(sum(a - paired), 0)::BIGINT AS added, coalesce(sum(b - paired), 0)::BIGINT AS removed, ` +
    `coalesce(sum(paired), 0)::BIGINT AS changed ` +
    `FROM (SELECT a, b, ${paired} AS paired FROM (SELECT ${sides} FROM ${DIFFERENCES}${group}))`
  );
}

/** The differences that the sample can come from: those of the first keys, or the first of each side. */
async function collectShown(
  db: DuckDB,
  columns: readonly Compared[],
  keys: readonly string[],
  limit: number,
): Promise<void> {
  const whole = `row(${columns.map((_, index) => `k${index}`).join(", ")})`;
  const first = (side: string) =>
    `(SELECT * FROM ${DIFFERENCES} WHERE more ${side} 0 ORDER BY ${whole} LIMIT ${quoteLiteral(limit)})`;
  const order = keys.map((name) => `${name} NULLS LAST`).join(", ");
  const same = keys.map((name) => `d.${name} IS NOT DISTINCT FROM f.${name}`).join(" AND ");
  const shown =
    keys.length === 0
      ? `${first("<")} UNION ALL ${first(">")}`
      : `SELECT d.* FROM ${DIFFERENCES} AS d SEMI JOIN (SELECT DISTINCT ${keys.join(", ")} FROM ${DIFFERENCES}
         ORDER BY ${order} LIMIT ${quoteLiteral(limit)}) AS f ON ${same}`;
  await db.run(`CREATE OR REPLACE TEMP TABLE lake_shown AS ${shown}`);
}

/** Pairs what is shown: with a key, a removed and an added row of one key are one changed row. */
async function pairDifferences(
  db: DuckDB,
  columns: readonly Compared[],
  key: readonly Compared[],
): Promise<void> {
  const names = columns.map((_, index) => `k${index}`);
  const whole = `row(${names.join(", ")})`;
  const keys = key.map((column) => `k${columns.indexOf(column)}`);
  const partition = keys.length === 0 ? "" : `PARTITION BY ${keys.join(", ")} `;
  const side = (condition: string) =>
    `SELECT *, row_number() OVER (${partition}ORDER BY ${whole}) AS place
     FROM (SELECT ${names.join(", ")}, unnest(range(abs(more))) AS copy FROM temp.lake_shown WHERE ${condition})`;
  const pairs = names.flatMap((name) => [`b.${name} AS b_${name}`, `a.${name} AS a_${name}`]);
  const same =
    keys.length === 0
      ? "FALSE"
      : [
          ...keys.map((name) => `a.${name} IS NOT DISTINCT FROM b.${name}`),
          "a.place = b.place",
        ].join(" AND ");
  const change =
    "CASE WHEN b.place IS NULL THEN 'added' WHEN a.place IS NULL THEN 'removed' ELSE 'changed' END";
  const either =
    keys.length === 0
      ? names.map((name) => `coalesce(b.${name}, a.${name})`)
      : keys.map((name) => `coalesce(b.${name}, a.${name})`);
  const order = either.map((sql) => `${sql} NULLS LAST`).join(", ");
  const joined =
    keys.length === 0
      ? `SELECT ${names.map((name) => `b.${name} AS b_${name}, NULL AS a_${name}`).join(", ")}, 'removed' AS change,
           row_number() OVER (ORDER BY ${whole}) AS place FROM (${side("more < 0")}) AS b
         UNION ALL SELECT ${names.map((name) => `NULL AS b_${name}, a.${name} AS a_${name}`).join(", ")}, 'added',
           row_number() OVER (ORDER BY ${whole}) FROM (${side("more > 0")}) AS a`
      : `SELECT ${pairs.join(", ")}, ${change} AS change, row_number() OVER (ORDER BY ${order}, a.place) AS place
         FROM (${side("more < 0")}) AS b FULL JOIN (${side("more > 0")}) AS a ON ${same}`;
  await db.run(`CREATE OR REPLACE TEMP TABLE lake_pairs AS ${joined}`);
}

function sampleRows(db: DuckDB, columns: readonly Compared[], limit: number): Promise<Row[]> {
  const items = columns.flatMap((_, index) => [
    `b_k${index}::VARCHAR AS b${index}`,
    `a_k${index}::VARCHAR AS a${index}`,
  ]);
  return db.rows(
    `SELECT change, ${items.join(", ")} FROM temp.lake_pairs ORDER BY place, change LIMIT $1`,
    [limit],
  );
}

function sampleOf(
  row: Row,
  columns: readonly Compared[],
  keyNames: ReadonlySet<string>,
): Diff["sample"][number] {
  const change = row.change === "added" || row.change === "removed" ? row.change : "changed";
  const values = columns.map((column, index) => ({
    column: column.name,
    before: textOf(row[`b${index}`]),
    after: textOf(row[`a${index}`]),
  }));
  const ofKey = values.filter(({ column }) => keyNames.has(column));
  const isShown = (value: (typeof values)[number]) =>
    !keyNames.has(value.column) && (change !== "changed" || value.before !== value.after);
  return {
    change,
    key: Object.fromEntries(ofKey.map(({ column, before, after }) => [column, after ?? before])),
    values: values.filter(isShown),
  };
}

function textOf(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}

function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
