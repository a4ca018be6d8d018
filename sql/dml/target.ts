/** The table that a statement changes, and its columns: what all such statements have. */

import { unsupported } from "../query/error.ts";
import { Clauses } from "../syntax/clauses.ts";
import { isWord, tokensOf } from "../syntax/lexer.ts";

/** The table that is changed. */
export interface Target {
  /** As written, unquoted: `gold`, `daily`. */
  readonly parts: readonly string[];
  /** What its columns are qualified with. */
  readonly alias: string;
  readonly hasAlias: boolean;
}

/** One `column = expression`. */
export interface Assignment {
  readonly column: string;
  readonly sql: string;
}

/** The name of a table, and what it is called in the statement. */
export function readTarget(clauses: Clauses, followers: ReadonlySet<string>): Target {
  const parts = clauses.name();
  if (clauses.sees("@") || clauses.sees("at", "(")) {
    throw unsupported(
      "a past state of a table cannot be changed",
      "to go back to it: tarn restore",
    );
  }
  const alias = clauses.alias(followers);
  return { parts, alias: alias ?? parts.at(-1) ?? "", hasAlias: alias !== null };
}

const QUERY_WORDS: ReadonlySet<string> = new Set(["select", "with", "from", "values", "table"]);

/** `a = x`, or `(a, b) = (x, y)`. */
export function readAssignment(text: string): Assignment[] {
  const clauses = new Clauses(text);
  const columns = clauses.list()?.map(columnName) ?? [clauses.name().join(".")];
  clauses.take("=");
  const [column = ""] = columns;
  if (columns.length === 1) {
    const sql = clauses.text(clauses.at, clauses.tokens.length);
    return [{ column, sql: isWord(tokensOf(sql)[0], "default") ? "NULL" : sql }];
  }
  clauses.take("row");
  const isQuery = QUERY_WORDS.has(clauses.tokens[clauses.at + 1]?.text.toLowerCase() ?? "");
  const values = clauses.list();
  if (isQuery || values === null || values.length !== columns.length || !clauses.isDone) {
    throw unsupported(`(${columns.join(", ")}) cannot be set at once here`, "set them one by one");
  }
  return columns.map((name, index) => ({ column: name, sql: values[index] ?? "NULL" }));
}

export function columnName(text: string): string {
  return new Clauses(text).name().join(".");
}

export function refuseReturning(clauses: Clauses): void {
  if (!clauses.sees("returning")) return;
  throw unsupported(
    "RETURNING is not available here",
    "select the rows before, or after: from t at (version => …)",
  );
}
