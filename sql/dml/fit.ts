/** A value as its column holds it: cast as INSERT casts, and an error where that would make another value of it. */

import type { Field, Type } from "../../core/table/types.ts";
import { duckDBType, icebergType, isLossless, typeText } from "../duckdb/types.ts";
import { quoteLiteral } from "../syntax/quote.ts";

/** A SQL expression that may be written several times, and its type as DuckDB spells it. */
export interface Value {
  readonly sql: string;
  readonly type: string;
}

/** Begins what the engine says of a value that does not fit. */
export const MISFIT = "does not fit: ";
/** Most digits of a decimal. */
const DECIMAL_DIGITS = 38;

/** The value under the type of a column. `column` is how it is called in errors. */
export function fitted({ sql, type }: Value, to: Type, column: string): string {
  const target = duckDBType(to);
  const from = knownType(type);
  if (to.kind === "fixed") return fixed(sql, to.length, column);
  if (from !== null && isLossless(from, to)) return `CAST(${sql} AS ${target})`;
  const isText = type === "VARCHAR" || type === "JSON";
  if (isNested(to) && !isText && (from === null || !isNested(from))) {
    // What is NULL alone has no type of its own.
    const refused = misfit(sql, to, column);
    return `CASE WHEN ${sql} IS NULL THEN NULL::${target} ELSE ${refused} END`;
  }
  if (to.kind === "primitive" && to.name === "string") return `CAST(${sql} AS VARCHAR)`;
  const holds = isText ? textHolds(sql, to) : `TRY_CAST(${cast(sql, target)} AS ${type}) = ${sql}`;
  return (
    `CASE WHEN ${sql} IS NULL THEN NULL WHEN coalesce(${holds}, FALSE) ` +
    `THEN CAST(${sql} AS ${target}) ELSE ${misfit(sql, to, column)} END`
  );
}

/** The same, where a column that may not be NULL is not. */
export function checked(sql: string, field: Field): string {
  if (!field.required) return sql;
  const text = quoteLiteral(`${MISFIT}${field.name} may not be NULL`);
  return `CASE WHEN ${sql} IS NULL THEN error(${text}) ELSE ${sql} END`;
}

/** What the value of a column is that nothing is said of. */
export function absent(field: Field): string {
  const type = duckDBType(field.type);
  if (!field.required) return `NULL::${type}`;
  const text = quoteLiteral(`${MISFIT}${field.name} may not be NULL, and has no value`);
  return `CAST(error(${text}) AS ${type})`;
}

function knownType(text: string): Type | null {
  try {
    return icebergType(text, "");
  } catch {
    return null;
  }
}

function isNested({ kind }: Type): boolean {
  return kind === "struct" || kind === "list" || kind === "map";
}

function cast(sql: string, target: string): string {
  return `TRY_CAST(${sql} AS ${target})`;
}

function misfit(sql: string, to: Type, column: string): string {
  const before = quoteLiteral(`${MISFIT}${column} is ${typeText(to)}, which cannot hold `);
  return `error(${before} || coalesce(${sql}::VARCHAR, 'NULL'))`;
}

function fixed(sql: string, length: number, column: string): string {
  const value = `CAST(${sql} AS BLOB)`;
  const to = { kind: "fixed", length } as const;
  const isWhole = `${sql} IS NULL OR octet_length(${value}) = ${length}`;
  return `CASE WHEN ${isWhole} THEN ${value} ELSE ${misfit(sql, to, column)} END`;
}

/** Whether a text says a value of the type, and no more: DuckDB's casts round and cut what is beyond it. */
function textHolds(sql: string, to: Type): string {
  const value = cast(sql, duckDBType(to));
  if (to.kind === "decimal") {
    const digits = DECIMAL_DIGITS - (to.precision - to.scale);
    return `${value} = TRY_CAST(${sql} AS DECIMAL(${DECIMAL_DIGITS},${digits}))`;
  }
  if (to.kind !== "primitive") return `${value} IS NOT NULL`;
  switch (to.name) {
    case "int":
    case "long":
      return `${value} IS NOT NULL AND regexp_full_match(trim(${sql}), '[+-]?[0-9_]+(\\.0*)?')`;
    case "date":
      return `${value}::TIMESTAMP = coalesce(TRY_CAST(${sql} AS TIMESTAMP), ${value}::TIMESTAMP)`;
    default:
      return `${value} IS NOT NULL`;
  }
}
