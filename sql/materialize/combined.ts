/**
 * Results over the added rows put together with the stored ones, where those alone say enough: groups, and the first
 * rows of each partition. No old row of an input is read.
 */

import { LakeError } from "../../core/base/errors.ts";
import type { InputChange, MaterializeRequest, TableRef } from "../../core/engine.ts";
import { sameType } from "../../core/table/type-text.ts";
import type { Column, Field } from "../../core/table/types.ts";
import { type Combined, combinationOf } from "../analysis/combination.ts";
import { columnsOf } from "../analysis/describe.ts";
import { describedKey } from "../analysis/described-key.ts";
import { type TopRows, topRowsOf } from "../analysis/top-rows.ts";
import { bindSelect } from "../bind/bind.ts";
import { scanSql } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { FUNCTION_FACTS } from "../duckdb/functions.ts";
import { duckDBType } from "../duckdb/types.ts";
import { isNode, type Node, textAt } from "../syntax/ast.ts";
import { ownColumn, quoteIdentifier } from "../syntax/quote.ts";
import { refKey } from "../syntax/table-ref.ts";
import { KEYS } from "./changed-rows.ts";
import { type Keyed, keyParts } from "./key-parts.ts";
import { keyList } from "./replace.ts";
import { columnList, type Staging } from "./rows.ts";
import { type KeyedRows, limited, oldRows } from "./stored-keys.ts";

/**
 * The rows as they are to be; or with `ties` all but those of the keys that are in KEYS by then: which of their rows
 * come first is told by rows of the inputs alone.
 */
export type CombinedRows =
  | KeyedRows
  | {
      readonly kind: "ties";
      /** A SELECT of the schema's columns. */
      readonly others: string;
      readonly old: string;
      readonly hasNull: boolean;
    };

type Shape =
  | { readonly kind: "groups"; readonly items: readonly Combined[] }
  | { readonly kind: "tops"; readonly tops: TopRows };

/** Null where results alone do not say enough. */
export async function combinedRows(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  mode: Keyed,
): Promise<CombinedRows | null> {
  const [change] = mode.changes;
  if (change === undefined) return null;
  const fresh = await freshRows(db, staging, request, change);
  if (fresh === null) return null;
  const keys = keyParts(mode, request);
  if (keys.length === 0 && fresh.shape.kind === "tops") return null;
  let hasNull = false;
  if (keys.length > 0) {
    await db.run(
      `CREATE OR REPLACE TEMP TABLE lake_feed_keys AS SELECT DISTINCT ${keyList(mode.key)} FROM (${fresh.sql})`,
    );
    const touched = await limited(db, request, mode);
    if (touched.kind === "retreat") return touched;
    hasNull = touched.hasNull;
  }
  const old = await oldRows(db, staging, request, mode, hasNull);
  const columns = columnList(request.schema.fields);
  const both = `SELECT ${columns} FROM (${old}) UNION ALL SELECT ${columns} FROM (${fresh.sql})`;
  return fresh.shape.kind === "groups"
    ? groups(request, fresh.shape.items, both, old)
    : await firstRows(db, staging, request, mode, fresh.shape.tops, both, old);
}

/** What the query gives of the added rows alone, under the types of the table. */
async function freshRows(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  change: InputChange,
): Promise<{ readonly shape: Shape; readonly sql: string } | null> {
  const shapes: Shape[] = [];
  const bound = await bindSelect(db, request.sql, request.bindings, {
    runTimeMs: request.runTimeMs,
    orderTies: true,
    read: (ref, hidden) => addedSql(db, request, change, ref, hidden),
    prepare: ({ query }) => {
      const shape = shapeOf(query);
      if (shape !== null) loosen(query, shape);
      shapes.push(...(shape === null ? [] : [shape]));
    },
  });
  const [found] = shapes;
  if (found === undefined) return null;
  const { fields } = request.schema;
  const given = await combinedColumns(db, request, bound.sql);
  const typeByName = new Map(given.map(({ name, type }) => [name.toLowerCase(), type]));
  const fits = fields.every((field) => {
    const own = typeByName.get(field.name.toLowerCase());
    return own !== undefined && isEnough(found, field, own);
  });
  if (!fits || given.length !== fields.length) return null;
  const typed = fields.map(({ name, type }) => {
    return `CAST(${quoteIdentifier(name)} AS ${duckDBType(type)}) AS ${quoteIdentifier(name)}`;
  });
  try {
    const sql = await staging.keep(`SELECT ${typed.join(", ")} FROM (${bound.sql})`);
    return { shape: found, sql };
  } catch (thrown) {
    throw bound.locate(thrown);
  }
}

function addedSql(
  db: DuckDB,
  { bindings }: MaterializeRequest,
  { ref: changed, added }: InputChange,
  ref: TableRef,
  hidden: ReadonlySet<string>,
): Promise<string> | null {
  const key = refKey(ref);
  if (key !== refKey(changed)) return null;
  const binding = bindings.find((one) => refKey(one.ref) === key);
  if (binding?.kind !== "scan") throw new LakeError("internal", `${ref.name} is bound to no files`);
  return scanSql(db, added, { hidden, schema: binding.scan.schema });
}

function shapeOf(query: Node): Shape | null {
  const items = combinationOf(query, FUNCTION_FACTS);
  if (items !== null) return { kind: "groups", items };
  const tops = topRowsOf(query, FUNCTION_FACTS);
  return tops === null ? null : { kind: "tops", tops };
}

/** Leaves what is done to the results as a whole to when they are put together. */
function loosen(query: Node, shape: Shape): void {
  if (shape.kind === "groups") {
    query.select_list = shape.items.map(({ name, plain }) => ({ ...plain, alias: name }));
    return;
  }
  shape.tops.loosen();
}

/** Whether what a column holds is enough of what the query gave for it. */
function isEnough(shape: Shape, { name, type }: Field, own: Field["type"]): boolean {
  const isIt = (other: string): boolean => other.toLowerCase() === name.toLowerCase();
  if (shape.kind === "tops") {
    const { partition, orders } = shape.tops;
    const isRanked = partition.some(isIt) || orders.some((order) => isIt(order.name));
    return !isRanked || sameType(own, type) || (isWhole(own) && isWhole(type));
  }
  const item = shape.items.find((one) => isIt(one.name));
  if (item === undefined) return false;
  if (item.by === null) return true;
  return item.by === "sum" ? sumsExactly(own, type) : isAsStored(item.by, own, type);
}

function isWhole(type: Field["type"]): boolean {
  return type.kind === "primitive" && (type.name === "int" || type.name === "long");
}

function groups(
  { schema: { fields } }: MaterializeRequest,
  combined: readonly Combined[],
  both: string,
  old: string,
): CombinedRows {
  const byOf = (name: string): string | null =>
    combined.find((one) => one.name.toLowerCase() === name.toLowerCase())?.by ?? null;
  const items = fields.map(({ name, type }) => {
    const column = quoteIdentifier(name);
    const how = byOf(name);
    return how === null ? column : `CAST(${how}(${column}) AS ${duckDBType(type)}) AS ${column}`;
  });
  const keys = fields.filter(({ name }) => byOf(name) === null);
  const grouping = keys.length === 0 ? "" : ` GROUP BY ${columnList(keys)}`;
  const sql = `SELECT ${items.join(", ")} FROM (${both})${grouping}`;
  const isCombined = combined.some(({ plain }) => isCountOfAll(plain));
  return { kind: "rows", computed: computed(sql), old, isCombined };
}

function computed(sql: string) {
  return { sql, locate: (thrown: unknown) => thrown };
}

const NTH = ownColumn("nth");
const RANK = ownColumn("rank");

/** The first of the stored rows and the added ones. Of rows that tie about the last place none is known to be it. */
async function firstRows(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  mode: Keyed,
  { partition, orders, rank, most }: TopRows,
  both: string,
  old: string,
): Promise<CombinedRows> {
  const columns = columnList(request.schema.fields);
  const by = orders.map(({ name, how }) => `${quoteIdentifier(name)} ${how}`).join(", ");
  const window = `(PARTITION BY ${keyList(partition)} ORDER BY ${by})`;
  if (rank !== "row_number") {
    const sql = `SELECT ${columns} FROM (${both}) QUALIFY ${rank}() OVER ${window} <= ${most}`;
    return { kind: "rows", computed: computed(sql), old, isCombined: false };
  }
  const ranked = await staging.keep(
    `SELECT ${columns}, row_number() OVER ${window} AS ${NTH}, rank() OVER ${window} AS ${RANK} FROM (${both})`,
  );
  const first = `SELECT ${columns} FROM (${ranked}) AS r WHERE ${NTH} <= ${most}`;
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_feed_keys AS SELECT DISTINCT ${keyList(mode.key)} FROM (${ranked})
     WHERE ${RANK} <= ${most} AND ${NTH} > ${most}`,
  );
  const tied = await limited(db, request, mode);
  if (tied.kind === "retreat") return tied;
  const [row] = await db.rows(`SELECT count(*) AS n FROM ${KEYS}`);
  if (Number(row?.n) === 0) {
    return { kind: "rows", computed: computed(first), old, isCombined: false };
  }
  const same = mode.key.map(
    (name) => `k.${quoteIdentifier(name)} IS NOT DISTINCT FROM r.${quoteIdentifier(name)}`,
  );
  const others = `${first} AND NOT EXISTS (SELECT 1 FROM ${KEYS} AS k WHERE ${same.join(" AND ")})`;
  return { kind: "ties", others: await staging.keep(others), old, hasNull: tied.hasNull };
}

/** A row more is another count, whatever it holds. */
function isCountOfAll(call: Node): boolean {
  return textAt(call, "function_name").toLowerCase() === "count_star" && !isNode(call.filter);
}

/** Columns of queries whose sums have no casts around them, by what they depend on. */
const COMBINED = new Map<string, readonly Column[]>();
const COMBINED_MAX = 1_000;

async function combinedColumns(
  db: DuckDB,
  request: MaterializeRequest,
  sql: string,
): Promise<readonly Column[]> {
  const key = describedKey(request);
  const known = COMBINED.get(key);
  if (known !== undefined) return known;
  const columns = await comparableColumns(db, sql);
  if (COMBINED.size >= COMBINED_MAX) COMBINED.clear();
  COMBINED.set(key, columns);
  return columns;
}

/** None where a type is none of a table's, or is compared by another order than its texts. */
async function comparableColumns(db: DuckDB, sql: string): Promise<readonly Column[]> {
  const types = await db.rows(`SELECT column_type FROM (DESCRIBE ${sql})`);
  if (types.some(({ column_type: type }) => String(type).includes("ENUM("))) return [];
  try {
    return await columnsOf(db, sql);
  } catch (thrown) {
    if (thrown instanceof LakeError && thrown.code === "schema") return [];
    throw thrown;
  }
}

/** Whether what is stored of a least or a greatest value, or of bits, is in the order, and the bits, that it is of. */
function isAsStored(how: string, own: Field["type"], stored: Field["type"]): boolean {
  if (!sameType(own, stored) && !sumsExactly(own, stored)) return false;
  return (
    !how.startsWith("bit_") || (own.kind === "primitive" && ["int", "long"].includes(own.name))
  );
}

/** Whether sums of a type, kept as the table's type, lose nothing that a sum over all would have. */
function sumsExactly(own: Field["type"], stored: Field["type"]): boolean {
  if (stored.kind === "primitive" && stored.name === "double") {
    return own.kind === "primitive" && own.name === "double";
  }
  const scaleOf = (type: Field["type"]): number | null => {
    if (type.kind === "decimal") return type.scale;
    return type.kind === "primitive" && (type.name === "int" || type.name === "long") ? 0 : null;
  };
  const [from, to] = [scaleOf(own), scaleOf(stored)];
  return from !== null && to !== null && from <= to;
}
