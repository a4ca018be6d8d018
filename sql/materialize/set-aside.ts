/** What a run sets aside: added to the quarantine, or for a replay in the place of what was said of the same rows. */

import type { MaterializeRequest, Written } from "../../core/engine.ts";
import type { Scan } from "../../core/table/types.ts";
import { FILE_COLUMN, POSITION_COLUMN } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";
import { columnList } from "./computed.ts";
import { jsonValue } from "./rejects.ts";
import { KEYS } from "./replace.ts";
import type { Staging } from "./staging.ts";
import { publish, storedSql } from "./target.ts";

export interface SetAside {
  readonly rejects: Written;
  /** Recorded paths of quarantine files that the rejects replace. */
  readonly replaced: readonly string[];
  /** Rows that this run set aside. */
  readonly rows: bigint;
}

const NO_PARTITIONS = { specId: 0, fields: [] };
/** Columns that name the run, where a row has no source row to name. */
const OF_THE_RUN: ReadonlySet<string> = new Set(["_batch", "_ingested_at"]);

/**
 * Writes `fresh`, a SELECT of the quarantine's columns. With `rejectTarget` it stands in for the rows of before that
 * the replay computed again, and nothing is written when they are the same. `inScope` is the range, over rows with
 * provenance called `lake_row`.
 */
export async function setAside(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  fresh: string,
  inScope: string,
): Promise<SetAside> {
  const { rejectTarget: scan, rejectSchema: schema } = request;
  if (scan === null || scan.files.length === 0) {
    const rejects = await staging.write(fresh, "rejects", { schema, spec: NO_PARTITIONS });
    return { rejects, replaced: [], rows: rejects.rows };
  }
  const rows = await staging.keep(fresh);
  const target = { scan, schema, spec: NO_PARTITIONS };
  const old = await staging.keep(await againSql(db, request, scan, rows, inScope));
  const [counts = {}] = await db.rows(countsSql(request, rows, old));
  const count = BigInt(String(counts.fresh));
  if (String(counts.different) === "0") {
    return { rejects: { files: [], rows: 0n }, replaced: [], rows: count };
  }
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_losers AS SELECT ${FILE_COLUMN}, ${POSITION_COLUMN} FROM (${old})`,
  );
  const { data, replaced } = await publish(db, staging, target, rows, "rejects");
  return { rejects: data, replaced, rows: count };
}

/** Rows of before that are said anew: all, or those of the range and of the keys that it touches. */
async function againSql(
  db: DuckDB,
  request: MaterializeRequest,
  scan: Scan,
  rows: string,
  inScope: string,
): Promise<string> {
  const stored = await storedSql(db, { scan, schema: request.rejectSchema, spec: NO_PARTITIONS });
  if (request.mode.kind !== "replace") return stored;
  const placed =
    `SELECT *, file AS _source_file, ` +
    `TRY_CAST(regexp_extract(position, '^row (\\d+)$', 1) AS BIGINT) AS _row FROM (${stored})`;
  const again = [
    `(${inScope})`,
    // Whatever is set aside now is not to be there twice.
    `EXISTS (SELECT 1 FROM (${rows}) AS f WHERE f.id = lake_row.id AND f._batch IS NOT DISTINCT FROM lake_row._batch
       AND f.file IS NOT DISTINCT FROM lake_row.file AND f.position IS NOT DISTINCT FROM lake_row.position)`,
    ...keyCondition(request, request.mode.key),
  ];
  return `SELECT * EXCLUDE (_source_file, _row) FROM (${placed}) AS lake_row WHERE ${again.join(" OR ")}`;
}

/** True for rows whose key is computed again; the key is in the JSON of the row, unless that was cut. */
function keyCondition(request: MaterializeRequest, key: readonly string[]): string[] {
  if (key.length === 0) return [];
  const names = new Set(key.map((name) => name.toLowerCase()));
  const fields = request.schema.fields.filter((field) => names.has(field.name.toLowerCase()));
  const stored = fields.map(({ name }) => {
    const pointer = `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    return `${quoteLiteral(name)}, json_extract(raw, ${quoteLiteral(pointer)})`;
  });
  const touched = fields.map(
    ({ name, type }) => `${quoteLiteral(name)}, ${jsonValue(type, quoteIdentifier(name))}`,
  );
  return [
    `(json_valid(raw) AND CASE WHEN json_valid(raw) THEN json_object(${stored.join(", ")})::VARCHAR END
       IN (SELECT json_object(${touched.join(", ")})::VARCHAR FROM ${KEYS}))`,
  ];
}

/** How many rows are set aside, and how many are so on one side only. */
function countsSql(request: MaterializeRequest, rows: string, old: string): string {
  const compared = request.rejectSchema.fields.filter(
    (field) => request.driver !== null || !OF_THE_RUN.has(field.name),
  );
  const columns = columnList(compared);
  const less = (a: string, b: string) =>
    `(SELECT ${columns} FROM (${a}) EXCEPT ALL SELECT ${columns} FROM (${b}))`;
  return (
    `SELECT (SELECT count(*) FROM (${rows})) AS fresh, ` +
    `(SELECT count(*) FROM (${less(rows, old)} UNION ALL ${less(old, rows)})) AS different`
  );
}
