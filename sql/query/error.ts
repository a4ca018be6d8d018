/** Errors of a query session: what is refused and why, where an error stands in the text that was typed. */

import { LakeError } from "../../core/base/errors.ts";
import { nearestWords, suggestion } from "../../core/base/suggest.ts";
import { nameOf, placeAt, tokensOf } from "../syntax/lexer.ts";
import { shiftPlace } from "../syntax/statement.ts";

export const READ_ONLY =
  "tables are changed by: tarn sql; rows come from drops and models too: put a file into drops/<source>/ or use " +
  "tarn load; a transformation goes into models/<layer>/<name>.sql";

/** What to do instead of a statement that is refused; READ_ONLY for the rest. */
export const REFUSAL: Readonly<Record<string, string>> = {
  attach: "files can be read where they are: select * from 'file.parquet'",
  install: "nothing is downloaded at run time",
  load: "every extension that is used is built in; to land a file: tarn load FILE",
  update_extensions: "nothing is downloaded at run time",
  use: "write the layer: silver.orders; of a branch: use branch NAME",
  prepare: "write the statement itself",
  execute: "write the statement itself",
  copy: "to write: copy (select …) to 'file.csv'; to land a file: tarn load FILE",
  export: "to write: copy (select …) to 'file.parquet'",
};

/** Settings that change how queries run or look, and nothing that the session relies on. */
export const SETTINGS: ReadonlySet<string> = new Set(
  (
    "timezone variable threads memory_limit max_memory default_null_order null_order default_order " +
    "default_collation preserve_insertion_order integer_division ieee_floating_point_ops max_expression_depth " +
    "explain_output calendar order_by_non_integer_literal scalar_subquery_error_on_multiple_rows " +
    "preserve_identifier_case lambda_syntax pivot_limit pivot_filter_threshold"
  ).split(" "),
);

/** True for what a cancelled query throws. */
export function isCancelled(thrown: unknown): boolean {
  return thrown instanceof LakeError && thrown.context.engine === "interrupt";
}

/** What a cancelled query throws. */
export function cancelled(): LakeError {
  return new LakeError("sql", "the query was cancelled", {
    hint: "nothing was changed",
    context: { engine: "interrupt" },
  });
}

export function unsupported(message: string, hint: string): LakeError {
  return new LakeError("unsupported", message, { hint });
}

/** The error with its place counted from the start of a longer text; `offset` may be negative for a prefix of ours. */
export function shifted(thrown: unknown, text: string, offset: number): unknown {
  if (!(thrown instanceof LakeError) || thrown.place === null || thrown.place.file !== "") {
    return thrown;
  }
  if (offset >= 0) return rebuilt(thrown, shiftPlace(thrown.place, text, offset));
  const { place } = thrown;
  if (place.line > 1) return thrown;
  const column = place.column + offset;
  return rebuilt(thrown, column < 1 ? null : { ...place, column });
}

/** An error of one table's name or moment, placed by the `offset` that the lookup gave it. */
export function atReference(thrown: unknown, query: string): unknown {
  if (!(thrown instanceof LakeError) || thrown.place !== null) return thrown;
  const { offset } = thrown.context;
  return typeof offset === "number" ? rebuilt(thrown, placeAt(query, offset)) : thrown;
}

/** An error that has no place, at the beginning of the statement: which of several it was. */
export function atStatement(thrown: unknown, sql: string): unknown {
  const isPlaced = !(thrown instanceof LakeError) || thrown.place !== null;
  return isPlaced ? thrown : rebuilt(thrown, placeAt(sql, 0));
}

/** The error without its place, when the text it counts in is not the one that was typed. */
export function withoutPlace(thrown: unknown): unknown {
  return thrown instanceof LakeError ? rebuilt(thrown, null) : thrown;
}

/** DuckDB's own suggestions as a hint, and the page of an unknown column. */
export function explained(thrown: unknown): unknown {
  if (!(thrown instanceof LakeError)) return thrown;
  const aboutFile = aboutFiles(thrown);
  if (aboutFile !== null) return aboutFile;
  if (thrown.hint !== null) return thrown;
  const call = /types '(.+)'\. You might need to add explicit type casts/.exec(thrown.message)?.[1];
  if (call !== undefined) {
    // What a window of event time is made of, which nobody wrote.
    const isWindow = /^epoch_us\(/i.test(call);
    const hint = isWindow
      ? "windows of event time need a date or a timestamp: (select *, ts::timestamp as at_time from …)"
      : candidatesHint(thrown.message);
    return rebuilt(thrown, thrown.place, {
      message: `there is no function ${typesOf(call)}`,
      hint,
    });
  }
  const [headline = "", ...rest] = thrown.message.split("\n").filter((line) => line.trim() !== "");
  const suggested = /^(?:Candidate bindings: |Did you mean )(.+?)\??$/i.exec(rest[0] ?? "")?.[1];
  if (suggested === undefined) return thrown;
  const [first, ...others] = suggested.split(", ");
  const missing = /^Referenced column "(.+?)" not found/.exec(headline)?.[1] ?? null;
  if (missing !== null && !suggested.split(", ").some((name) => isNear(missing, name))) {
    return rebuilt(thrown, thrown.place, {
      message: headline,
      hint: `the nearest are: ${suggested}`,
    });
  }
  const also = others.length === 0 ? "" : `   (also near: ${others.join(", ")})`;
  const hint = `did you mean ${first}?${also}`;
  return rebuilt(thrown, thrown.place, { message: headline, hint });
}

/** A number that is written out is of a type of its own to the engine. */
function typesOf(call: string): string {
  return call.replaceAll("INTEGER_LITERAL", "INTEGER").replaceAll("STRING_LITERAL", "VARCHAR");
}

/** The first few of the functions that there are: `sum` alone has eight. */
function candidatesHint(message: string): string {
  const all = message.split("\n").flatMap((line) => /^\s+(\S.*\)) ->/.exec(line)?.[1] ?? []);
  const more = all.length - CANDIDATES_MAX;
  const shown = all.slice(0, CANDIDATES_MAX).join(", ");
  const rest = more > 0 ? `, and ${more} more` : "";
  return `there are: ${shown}${rest}; cast what stands in it, such as amount::decimal(12,2)`;
}

const CANDIDATES_MAX = 3;

/** A table that the engine does not know, with the names that the session does and its place in the statement. */
export function withNearTables(
  thrown: LakeError,
  sql: string,
  names: readonly string[],
): LakeError {
  const name = missingTable(thrown);
  if (name === null) return thrown;
  const last = lastPart(name);
  const near = nearestWords(last, names.map(lastPart));
  const meant = names.filter((known) => near.includes(lastPart(known)));
  const token = tokensOf(sql).find((each) => nameOf(each).toLowerCase() === last);
  return new LakeError("not-found", `there is no table "${name}"`, {
    hint:
      meant.length === 0
        ? suggestion(name, names, "tables")
        : `did you mean ${meant.map((known) => `"${known}"`).join(" or ")}?`,
    ...(token === undefined ? {} : { place: placeAt(sql, token.start) }),
    context: thrown.context,
    cause: thrown.cause,
  });
}

/** The name of the table that an error misses, or null. */
export function missingTable(thrown: unknown): string | null {
  if (!(thrown instanceof LakeError) || thrown.context.engine !== "catalog") return null;
  return /^Table with name "?([^"]+?)"? does not exist/.exec(thrown.message)?.[1] ?? null;
}

/** Files that are not there or not here, in the words of this shell. */
function aboutFiles(thrown: LakeError): LakeError | null {
  const pattern = /^No files found that match the pattern "(.*)"/.exec(thrown.message)?.[1];
  if (pattern !== undefined) {
    return new LakeError("not-found", `there is no file "${pattern}"`, {
      hint: "paths are relative to the folder you are in",
      cause: thrown.cause,
    });
  }
  if (thrown.context.engine !== "missing extension") return null;
  return new LakeError("unsupported", thrown.message.split("\n")[0] ?? thrown.message, {
    hint: "only local files are read, and nothing is downloaded at run time; fetch the file first",
    cause: thrown.cause,
  });
}

/** Whether a suggestion, quoted and perhaps qualified, may be what was meant. */
function isNear(missing: string, suggested: string): boolean {
  return nearestWords(missing.toLowerCase(), [lastPart(suggested.replaceAll('"', ""))]).length > 0;
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1).toLowerCase();
}

function rebuilt(
  error: LakeError,
  place: LakeError["place"],
  change: { readonly message?: string; readonly hint?: string } = {},
): LakeError {
  const hint = change.hint ?? error.hint;
  const isColumn = error.context.subtype === "COLUMN_NOT_FOUND";
  const page = error.page ?? (isColumn ? "T0203" : null);
  return new LakeError(error.code, change.message ?? error.message, {
    ...(hint === null ? {} : { hint }),
    ...(place === null ? {} : { place }),
    ...(page === null ? {} : { page }),
    context: error.context,
    cause: error.cause,
  });
}
