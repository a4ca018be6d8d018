/** Rows that a model sets aside, as rows of its quarantine table. core/ingest/quarantine.ts. */

import type { MaterializeRequest } from "../../core/engine.ts";
import type { QuarantineReason } from "../../core/ingest/quarantine.ts";
import { RAW_TEXT_CHARS_MAX } from "../../core/limits.ts";
import { isHidden } from "../../core/table/system-columns.ts";
import type { Field, Type } from "../../core/table/types.ts";
import { duckDBType } from "../duckdb/types.ts";
import { ownColumn } from "../syntax/own-names.ts";
import { quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";
import { type Flags, violatedNamesSql } from "./expectations.ts";

const JSON_COLUMN = ownColumn("json");

/**
 * A SELECT of the quarantine's columns over `rows`, which have the schema's columns and the flags. The id is that of
 * the row's visible columns, so the same row keeps its id from run to run.
 */
export function rejectsSql(
  request: MaterializeRequest,
  rows: string,
  flags: Flags,
  keys: readonly string[],
): string {
  const values = rejectValues(request, flags, keys);
  const items = request.rejectSchema.fields.map((field) => {
    const value = values.get(field.name) ?? "NULL";
    return `CAST(${value} AS ${duckDBType(field.type)}) AS ${quoteIdentifier(field.name)}`;
  });
  const json = rowJson(request.schema.fields.filter((field) => !isHidden(field.name)));
  return `SELECT ${items.join(", ")} FROM (SELECT *, ${json} AS ${JSON_COLUMN} FROM (${rows}))`;
}

/** By the names of QUARANTINE_COLUMNS; what a model does not know stays NULL. */
function rejectValues(
  request: MaterializeRequest,
  flags: Flags,
  keys: readonly string[],
): ReadonlyMap<string, string> {
  const has = (name: string) => request.schema.fields.some((field) => field.name === name);
  const noKey = keys.map((key) => `${quoteIdentifier(key)} IS NULL`).join(" OR ");
  const isKey = noKey === "" ? "FALSE" : `(${noKey})`;
  const keyNames = keys.map(
    (key) => `CASE WHEN ${quoteIdentifier(key)} IS NULL THEN ${quoteLiteral(key)} END`,
  );
  const reason = (one: QuarantineReason) => quoteLiteral(one);
  const nullKeys = keyNames.length === 0 ? "NULL" : `concat_ws(', ', ${keyNames.join(", ")})`;
  const isFollowed = request.driver !== null && has("_batch") && has("_ingested_at");
  const runTime = quoteLiteral({ kind: "timestamptz", micros: BigInt(request.runTimeMs) * 1000n });
  return new Map([
    ["id", `sha256(${quoteLiteral(`${request.model}:`)} || ${JSON_COLUMN})`],
    ["source", quoteLiteral(request.model)],
    ["file", has("_source_file") ? "_source_file" : "NULL"],
    ["position", has("_row") ? "'row ' || _row" : "NULL"],
    ["column_name", `CASE WHEN ${isKey} THEN ${nullKeys} END`],
    ["reason", `CASE WHEN ${isKey} THEN ${reason("key")} ELSE ${reason("expectation")} END`],
    [
      "message",
      `concat_ws('; ', CASE WHEN ${isKey} THEN 'NULL in key ' || ${nullKeys} END,
         nullif(${violatedNamesSql(flags)}, ''))`,
    ],
    ["raw", `left(${JSON_COLUMN}, ${RAW_TEXT_CHARS_MAX})`],
    ["_batch", isFollowed ? "_batch" : quoteLiteral(request.run)],
    ["_ingested_at", isFollowed ? "_ingested_at" : runTime],
  ]);
}

/** A row as a JSON object: decimals and numbers that JSON cannot hold exactly as text. */
function rowJson(fields: readonly Field[]): string {
  const pairs = fields.map((field) => {
    const own = quoteIdentifier(field.name);
    return `${quoteLiteral(field.name)}, ${jsonValue(field.type, own)}`;
  });
  return `json_object(${pairs.join(", ")})::VARCHAR`;
}

/** The value of a column in the JSON of its row. */
export function jsonValue(type: Type, own: string): string {
  if (type.kind === "decimal") return `${own}::VARCHAR`;
  const isFloat = type.kind === "primitive" && (type.name === "double" || type.name === "float");
  if (!isFloat) return own;
  return `CASE WHEN isfinite(${own}) THEN to_json(${own}) ELSE to_json(${own}::VARCHAR) END`;
}
