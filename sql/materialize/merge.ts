/** Upsert by key: per key the greatest (latest_by, batch, file, row) wins, whichever run it came with. */

import type { MaterializeMode, MaterializeRequest } from "../../core/engine.ts";
import { isHidden } from "../../core/table/system-columns.ts";
import type { Schema } from "../../core/table/types.ts";
import { FILE_COLUMN, POSITION_COLUMN } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { ownColumn } from "../syntax/own-names.ts";
import { quoteIdentifier } from "../syntax/quote.ts";
import { columnList } from "./computed.ts";
import type { Staging } from "./staging.ts";
import { type Published, publish, storedSql, type Target } from "./target.ts";

export interface Counts {
  readonly rowsInserted: bigint;
  readonly rowsUpdated: bigint;
  readonly rowsDeleted: bigint;
}

type Merge = MaterializeMode & { readonly kind: "merge" };

const WINNERS = "temp.lake_winners";
/** How a row stands among those of its key, and whether the table had the key before. */
const RANK = ownColumn("rank");
const KNOWN = ownColumn("known");
const ORDER_COLUMNS = ["_batch", "_source_file", "_row"] as const;

/** Merges accepted rows (a SELECT of the schema's columns, keys not NULL) into the target. */
export async function merge(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  mode: Merge,
  accepted: string,
): Promise<Published & Counts> {
  const { schema, spec } = request;
  const target: Target = { scan: mode.target, schema, spec };
  const best = winnersSql(accepted, schema, mode);
  if (mode.target.files.length === 0) {
    const data = await staging.write(best, "data", target);
    return { data, replaced: [], rowsInserted: data.rows, rowsUpdated: 0n, rowsDeleted: 0n };
  }
  const incoming = await staging.keep(best);
  await rankAgainstStored(db, target, mode, incoming);
  const keys = keyList(mode.key);
  const columns = columnList(schema.fields, "i");
  const added = `SELECT ${columns} FROM (${incoming}) AS i SEMI JOIN ${WINNERS} AS w USING (${keys})`;
  const published = await publish(db, staging, target, added);
  const [counts] = await db.rows(
    `SELECT count(*) FILTER (NOT ${KNOWN}) AS inserted, count(*) FILTER (${KNOWN}) AS updated FROM ${WINNERS}`,
  );
  return {
    ...published,
    rowsInserted: BigInt(String(counts?.inserted)),
    rowsUpdated: BigInt(String(counts?.updated)),
    rowsDeleted: 0n,
  };
}

/** The winning row of every key. */
export function winnersSql(
  rows: string,
  schema: Schema,
  mode: { readonly key: readonly string[]; readonly latestBy: readonly string[] },
): string {
  return (
    `SELECT ${columnList(schema.fields)} FROM (${rows}) QUALIFY ` +
    `row_number() OVER (PARTITION BY ${keyList(mode.key)} ORDER BY ${orderSql(schema, mode.latestBy)}) = 1`
  );
}

export function keyList(key: readonly string[]): string {
  return key.map(quoteIdentifier).join(", ");
}

/** The greatest first, NULL lowest. The row as a whole decides between rows of one source row. */
function orderSql(schema: Schema, latestBy: readonly string[]): string {
  const has = (name: string) => schema.fields.some((field) => field.name === name);
  const order = [...latestBy, ...ORDER_COLUMNS.filter(has)].map(
    (name) => `${quoteIdentifier(name)} DESC NULLS LAST`,
  );
  return [...order, `${rowSql(schema)} DESC`].join(", ");
}

/** The visible columns as one comparable value. */
function rowSql(schema: Schema): string {
  return `row(${columnList(schema.fields.filter((field) => !isHidden(field.name)))})`;
}

/** Fills LOSERS with stored rows that are beaten and WINNERS with the keys of incoming rows that win. */
async function rankAgainstStored(
  db: DuckDB,
  target: Target,
  mode: Merge,
  incoming: string,
): Promise<void> {
  const keys = keyList(mode.key);
  const columns = columnList(target.schema.fields);
  const stored = await storedSql(db, target);
  const order = orderSql(target.schema, mode.latestBy);
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_ranked AS
     SELECT ${keys}, ${FILE_COLUMN}, ${POSITION_COLUMN},
       row_number() OVER (PARTITION BY ${keys}
         ORDER BY ${order}, ${FILE_COLUMN} NULLS LAST, ${POSITION_COLUMN}) AS ${RANK},
       count(${FILE_COLUMN}) OVER (PARTITION BY ${keys}) > 0 AS ${KNOWN}
     FROM (
       SELECT ${columns}, NULL::VARCHAR AS ${FILE_COLUMN}, NULL::BIGINT AS ${POSITION_COLUMN} FROM (${incoming})
       UNION ALL
       SELECT ${columns}, ${FILE_COLUMN}, ${POSITION_COLUMN} FROM (${stored}) SEMI JOIN (${incoming}) USING (${keys}))`,
  );
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_losers AS SELECT ${FILE_COLUMN}, ${POSITION_COLUMN}
     FROM temp.lake_ranked WHERE ${RANK} > 1 AND ${FILE_COLUMN} IS NOT NULL`,
  );
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_winners AS SELECT ${keys}, ${KNOWN}
     FROM temp.lake_ranked WHERE ${RANK} = 1 AND ${FILE_COLUMN} IS NULL`,
  );
}
