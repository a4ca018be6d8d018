/**
 * Rows of a table that a MERGE may come to, found by their keys: where it is joined on equal columns, the indexes of
 * its large files say where they stand.
 */

import { REWRITTEN_ROWS_MAX } from "../../core/limits.ts";
import type { Field } from "../../core/table/types.ts";
import { FILE_COLUMN, POSITION_COLUMN } from "../bind/scan.ts";
import { duckDBType, icebergType, isLossless } from "../duckdb/types.ts";
import { KEYS, rowsOfKeys } from "../materialize/changed-rows.ts";
import type { Staging } from "../materialize/rows.ts";
import {
  listAt,
  type Node,
  nodeAt,
  nodesAt,
  parseExpression,
  textAt,
  textsAt,
} from "../syntax/ast.ts";
import { quoteIdentifier } from "../syntax/quote.ts";
import type { Merge } from "./merge-clauses.ts";
import type { PendingTable } from "./pending.ts";
import { type ChangeContext, identifiedTable, type Placed, ROW_ID } from "./rows.ts";

/** Temporary table of the source. */
export const SOURCE = "lake_merge_source";

/** What a MERGE is worked out with. */
export interface Work {
  readonly context: ChangeContext;
  readonly table: PendingTable;
  readonly placed: Placed;
  readonly statement: Merge;
  readonly staging: Staging;
  /** What the source is called. */
  readonly source: string;
  readonly sourceColumns: readonly string[];
}

/** A column of the table that equals one of the source. */
interface Pair {
  readonly field: Field;
  readonly source: string;
}

/**
 * A SELECT of the rows that may match, with their places and the columns that are needed; null where they are to be
 * looked for among all: there is no key, no large file, or nothing says that the table is changed again and again.
 */
export async function rowsByKey(work: Work, needed: ReadonlySet<Field>): Promise<string | null> {
  const { context, table, staging } = work;
  const { scan } = table;
  const isLarge = scan.files.some(({ file }) => file.recordCount > BigInt(REWRITTEN_ROWS_MAX));
  // An index costs more than one look; with marks there is a table that is changed again and again.
  if (!isLarge || scan.deletes.length === 0) return null;
  const pairs = await keyPairs(work);
  if (pairs.length === 0) return null;
  const { db } = context;
  const columns = pairs.map(({ field, source }) => {
    const own = quoteIdentifier(source);
    return `CAST(${own} AS ${duckDBType(field.type)}) AS ${quoteIdentifier(field.name)}`;
  });
  const known = pairs.map(({ source }) => `${quoteIdentifier(source)} IS NOT NULL`).join(" AND ");
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_feed_keys AS
     SELECT DISTINCT ${columns.join(", ")} FROM temp.${SOURCE} WHERE ${known}`,
  );
  const keys = new Set(pairs.map(({ field }) => field));
  const { rowId } = work.placed;
  const isKeysOnly = rowId === null && [...needed].every((field) => keys.has(field));
  const all = isKeysOnly ? keys : new Set([...keys, ...needed]);
  const names = [...all].map((field) => quoteIdentifier(field.name));
  const wanted = {
    target: identifiedTable(table),
    key: pairs.map(({ field }) => field.name),
    indexes: await context.writer.keyIndexes(table.uuid),
    indexedRowsMin: REWRITTEN_ROWS_MAX,
    staging,
  };
  const ids = rowId === null ? [] : [ROW_ID];
  const what = [...names, ...ids, FILE_COLUMN, POSITION_COLUMN].join(", ");
  return await staging.keep(await rowsOfKeys(db, wanted, what, "TRUE", isKeysOnly));
}

/** Equalities that every pair of rows fulfils: those at the top of the condition. */
async function keyPairs(work: Work): Promise<Pair[]> {
  const { context, statement, placed } = work;
  if (statement.using.length > 0) {
    return await typed(
      work,
      statement.using.map((name) => pairOf(work, ["", name], [work.source, name])),
    );
  }
  let tree: Node;
  try {
    tree = await parseExpression(context.db, placed.text(statement.on));
  } catch {
    return [];
  }
  const isAll = tree.class === "CONJUNCTION" && textAt(tree, "type") === "CONJUNCTION_AND";
  const parts = isAll ? nodesAt(tree, "children") : [tree];
  const found = parts.flatMap((part) => {
    if (part.class !== "COMPARISON" || textAt(part, "type") !== "COMPARE_EQUAL") return [];
    const [left, right] = [columnOf(nodeAt(part, "left")), columnOf(nodeAt(part, "right"))];
    return [pairOf(work, left, right), pairOf(work, right, left)];
  });
  const pairs = await typed(work, found);
  // One of each column: the others are looked at when rows are matched.
  return pairs.filter(
    ({ field }, index) => pairs.findIndex((one) => one.field === field) === index,
  );
}

/** `t.id` as its two names; null for anything else. */
function columnOf(node: Node | null): readonly string[] | null {
  const names = node?.class === "COLUMN_REF" ? textsAt(node, "column_names") : [];
  return names.length === 2 ? names : null;
}

function pairOf(
  { table, statement, source, sourceColumns }: Work,
  own: readonly string[] | null,
  other: readonly string[] | null,
): Pair | null {
  if (own === null || other === null) return null;
  const isSame = (a: string | undefined, b: string) => a?.toLowerCase() === b.toLowerCase();
  const isOurs = own[0] === "" || isSame(own[0], statement.target.alias);
  if (!isOurs || !isSame(other[0], source)) return null;
  const field = table.schema.fields.find(({ name }) => isSame(own[1], name));
  const column = sourceColumns.find((name) => isSame(other[1], name));
  return field === undefined || column === undefined ? null : { field, source: column };
}

/** Those whose values of the source are all values of the column: equal then means the same in either type. */
async function typed({ context: { db } }: Work, pairs: readonly (Pair | null)[]): Promise<Pair[]> {
  const described = await db.rows(`DESCRIBE temp.${SOURCE}`);
  const typeByName = new Map(
    described.map((row) => [String(row.column_name), String(row.column_type)]),
  );
  return pairs
    .filter((pair) => pair !== null)
    .filter(({ field, source }) => {
      try {
        return isLossless(icebergType(typeByName.get(source) ?? "", source), field.type);
      } catch {
        return false;
      }
    });
}

export { KEYS, listAt };
