/** Columns that the engine reads from typed files cast to a table's: the rule of lossless typing for typed columns. */

import type { Type } from "../../../core/table/types.ts";
import { duckDBType, isLossless } from "../../duckdb/types.ts";
import { textFit } from "./text-fit.ts";

/** A column, and the SQL that reads it as its type. */
export interface TypedSql {
  readonly value: string;
  readonly type: Type;
}

/** A cast that keeps every value, or one with a test that it kept this one: it casts back to what it was. */
export function columnCast(
  { value, type }: TypedSql,
  to: Type,
): { readonly cast: string; readonly fits: string } {
  if (isLossless(type, to)) return { cast: value, fits: "TRUE" };
  if (to.kind === "primitive" && to.name === "string") {
    const isNested = type.kind === "struct" || type.kind === "list" || type.kind === "map";
    const text = isNested ? `to_json(${value})::VARCHAR` : `CAST(${value} AS VARCHAR)`;
    return { cast: text, fits: "TRUE" };
  }
  if (type.kind === "primitive" && type.name === "string") {
    const fit = textFit(to, value);
    return { cast: fit?.value ?? "NULL", fits: fit?.fits ?? `(${value} IS NULL)` };
  }
  if (!castsBack(type, to)) return { cast: "NULL", fits: `(${value} IS NULL)` };
  if (isFloating(type)) return floatCast(value, type, to);
  const cast = `TRY_CAST(${value} AS ${duckDBType(to)})`;
  // By what a float prints: the engine makes digits up behind those.
  const made = type.kind === "decimal" && isFloating(to) ? `CAST(${cast} AS VARCHAR)` : cast;
  return { cast, fits: `coalesce(${backSql(made, type)} = ${value}, ${value} IS NULL)` };
}

/**
 * A floating point number is the decimal number that it prints: a float of the same text, a decimal of its digits. From
 * where on only whole numbers are there it prints zeros for digits, and is the whole number.
 */
function floatCast(value: string, type: Type, to: Type) {
  const text = `CAST(${value} AS VARCHAR)`;
  const wholeFrom = type.kind === "primitive" && type.name === "float" ? 2 ** 24 : 2 ** 53;
  const exact = `CASE WHEN abs(${value}) < ${wholeFrom} THEN ${text}
    ELSE CAST(TRY_CAST(${value} AS HUGEINT) AS VARCHAR) END`;
  const cast = `TRY_CAST(${to.kind === "decimal" ? exact : value} AS ${duckDBType(to)})`;
  const back = `${backSql(cast, type)} = ${value}`;
  const isSame = isFloating(to)
    ? `(${back} OR CAST(${cast} AS VARCHAR) = ${text})`
    : `(${back} AND NOT (${value} = 0 AND signbit(${value})))`;
  return { cast, fits: `coalesce(${isSame}, ${value} IS NULL)` };
}

function backSql(cast: string, type: Type): string {
  return `TRY_CAST(${cast} AS ${duckDBType(type)})`;
}

function isFloating(type: Type): boolean {
  return type.kind === "primitive" && (type.name === "double" || type.name === "float");
}

/** Numbers among themselves, and a timestamp at midnight to its date. A zone is never made up or dropped. */
function castsBack(from: Type, to: Type): boolean {
  if (isNumber(from) && isNumber(to)) return true;
  const names = [from, to].map((type) => (type.kind === "primitive" ? type.name : ""));
  return names.join(" ") === "timestamp date" || names.join(" ") === "date timestamp";
}

function isNumber(type: Type): boolean {
  if (type.kind === "decimal") return true;
  return type.kind === "primitive" && ["int", "long", "float", "double"].includes(type.name);
}
