/**
 * The only place where a name or a value becomes SQL text: quoted so that nothing in it is read as SQL. What generated
 * SQL adds has names that no column of a user's can meet.
 */

import { LakeError } from "../../core/base/errors.ts";

/** A value that can be written as a literal. Timestamps are microseconds since 1970 in UTC. */
export type Literal =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | { readonly kind: "timestamp" | "timestamptz"; readonly micros: bigint };

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const HUGEINT_MAX = 2n ** 127n - 1n;

/** In the names of columns that the program adds: the unit separator of ASCII. */
export const MARK = "\u001f";

/** `name` as a quoted identifier. Throws LakeError `sql` for a name that DuckDB cannot hold. */
export function quoteIdentifier(name: string): string {
  if (name.includes("\0") || name === "") {
    throw new LakeError("sql", `${JSON.stringify(name)} cannot be a name in SQL`, {
      hint: "give the column or table a name without NUL characters",
    });
  }
  return `"${name.replaceAll('"', '""')}"`;
}

/** `silver.orders` in parts, each quoted: `"silver"."orders"`. */
export function quoteQualified(parts: readonly string[]): string {
  return parts.map(quoteIdentifier).join(".");
}

/**
 * A value as a literal that has its own type whatever stands around it: `number` is BIGINT when it is a safe
 * integer and DOUBLE otherwise, `bigint` is BIGINT or HUGEINT.
 */
export function quoteLiteral(value: Literal): string {
  if (value === null) return "NULL";
  switch (typeof value) {
    case "boolean":
      return value ? "TRUE" : "FALSE";
    case "number":
      return quoteNumber(value);
    case "bigint":
      return quoteInteger(value);
    case "string":
      return quoteText(value);
    default:
      return value instanceof Uint8Array ? quoteBytes(value) : quoteTimestamp(value);
  }
}

/** A list of literals, `[a, b]`. An empty list has no type of its own. */
export function quoteList(values: readonly Literal[]): string {
  return `[${values.map(quoteLiteral).join(", ")}]`;
}

/**
 * A path to read, as a literal that names this one file: characters that DuckDB would expand are escaped. The
 * path must be absolute, which also keeps `~`, `http:` and `s3:` out. Under lockdown it works for the paths
 * and folders that `openDuckDB` was given, because that allows both spellings. Note that `read_text` of a file
 * that is gone is an error only for a path without `*?[`, otherwise no rows.
 */
export function quoteFilePath(path: string): string {
  return quoteText(escapeGlob(checkPath(path)));
}

/** Paths to read, as a list for `read_parquet([...])` and its kin. */
export function quoteFileList(paths: readonly string[]): string {
  return `[${paths.map(quoteFilePath).join(", ")}]`;
}

/** A path to write, for `COPY … TO`: nothing is expanded there, so nothing is escaped. */
export function quoteTargetPath(path: string): string {
  return quoteText(checkPath(path));
}

/**
 * The path as a pattern that matches only itself. A path without `*?[` is no pattern for DuckDB and is opened
 * as it is. A pattern cannot hold a backslash (DuckDB takes it for a separator), so such a path stays as it is, which
 * names the file as long as it exists: DuckDB looks before it expands. Held by tests/unit/sql/quote.test.ts.
 */
export function escapeGlob(path: string): string {
  return path.includes("\\") ? path : path.replace(/[*?[]/g, (found) => `[${found}]`);
}

/** A column's name as trees and results have it. */
export function ownName(word: string): string {
  return `${MARK}${word}`;
}

/** The same, quoted, as SQL text has it. */
export function ownColumn(word: string): string {
  return quoteIdentifier(ownName(word));
}

/** Throws LakeError `unsupported` when one of the names could be one of ours. */
export function refuseOwnNames(names: readonly string[], where: string): void {
  const taken = names.find((name) => name.includes(MARK));
  if (taken === undefined) return;
  throw new LakeError("unsupported", `${where} has a name with the control character U+001F`, {
    hint: `rename it: ${JSON.stringify(taken)} is kept for columns that the program adds`,
  });
}

/** Throws LakeError `sql` for a statement that could name one of ours. */
export function refuseOwnText(sql: string): void {
  if (!sql.includes(MARK)) return;
  throw new LakeError("sql", "the statement holds the control character U+001F", {
    hint: "take it out; in a text write chr(31)",
  });
}

function checkPath(path: string): string {
  if (!path.startsWith("/") || path.includes("\0")) {
    throw new LakeError("input", `${JSON.stringify(path)} is not an absolute path`, {
      hint: "name the file by its full path",
    });
  }
  return path;
}

/** DuckDB ends its input at NUL, so that one character is computed. */
function quoteText(text: string): string {
  const quoted = (part: string) => `'${part.replaceAll("'", "''")}'`;
  const parts = text.split("\0");
  if (parts.length === 1) return quoted(text);
  return `(${parts.map(quoted).join(" || chr(0) || ")})`;
}

function quoteNumber(value: number): string {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) return quoteInteger(BigInt(value));
  if (Number.isNaN(value)) return "'NaN'::DOUBLE";
  if (!Number.isFinite(value)) return value > 0 ? "'Infinity'::DOUBLE" : "'-Infinity'::DOUBLE";
  return Object.is(value, -0) ? "'-0.0'::DOUBLE" : `'${value}'::DOUBLE`;
}

function quoteInteger(value: bigint): string {
  if (value >= INT64_MIN && value <= INT64_MAX) return `'${value}'::BIGINT`;
  if (value >= -HUGEINT_MAX && value <= HUGEINT_MAX) return `'${value}'::HUGEINT`;
  throw new LakeError("sql", `${value} does not fit in a 128-bit integer`, {
    hint: "use text for numbers of more than 38 digits",
  });
}

function quoteBytes(bytes: Uint8Array): string {
  const escaped = Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`);
  return `'${escaped.join("")}'::BLOB`;
}

function quoteTimestamp(value: {
  readonly kind: "timestamp" | "timestamptz";
  readonly micros: bigint;
}): string {
  const make = value.kind === "timestamp" ? "make_timestamp" : "make_timestamptz";
  return `${make}(${quoteInteger(value.micros)})`;
}
