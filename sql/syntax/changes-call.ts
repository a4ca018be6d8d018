/**
 * `lake.changes('silver.orders', 3, 5)`: what changed in a table from one version to another. A function over a table
 * is no reference to one, so the call becomes a name that says what it was called with.
 */

import { LakeError } from "../../core/base/errors.ts";
import { parseJson, stringifyJson } from "../../core/base/json.ts";
import { closingIndex, isSymbol, isWord, type Token } from "./lexer.ts";
import { quoteIdentifier } from "./quote.ts";

/** What `lake.changes` was called with. */
export interface ChangesCall {
  readonly table: string;
  /** The version before the first change; null: before the first that the table had. */
  readonly from: string | null;
  /** The version of the last change; null: the current one. */
  readonly to: string | null;
  /** Columns that say which rows are one row before and after; null: those of the table. */
  readonly key: readonly string[] | null;
}

const SCHEMA = "lake";
const FUNCTION = "changes";
const PREFIX = `${FUNCTION}:`;
const USAGE =
  "write lake.changes('silver.orders', 3, 5): the table, the version before, the last one";

/** The call whose first token is at `index` as a name, and its last token; null when there is none. */
export function changesCall(
  sql: string,
  tokens: readonly Token[],
  index: number,
): { readonly text: string; readonly last: number } | null {
  const isCall =
    isWord(tokens[index], SCHEMA) &&
    isSymbol(tokens[index + 1], ".") &&
    isWord(tokens[index + 2], FUNCTION) &&
    isSymbol(tokens[index + 3], "(");
  if (!isCall) return null;
  const last = closingIndex(tokens, index + 3);
  const values = argumentsOf(sql, tokens.slice(index + 4, last));
  return { text: `${SCHEMA}.${quoteIdentifier(PREFIX + stringifyJson(values))}`, last };
}

/** What a name of `changesCall` says; null for any other name. Throws `usage` for what is no such call. */
export function changesCallIn(name: string): ChangesCall | null {
  const start = `${SCHEMA}.${PREFIX}`;
  if (!name.startsWith(start)) return null;
  const values = parseJson(name.slice(start.length));
  const all: readonly unknown[] = Array.isArray(values) ? values : [];
  const list = all.map((value) => (value === null ? null : String(value)));
  const [table, from = null, to = null, key = null, ...rest] = list;
  if (typeof table !== "string" || rest.length > 0) {
    throw new LakeError("usage", "lake.changes takes a table and two versions", { hint: USAGE });
  }
  const names = key?.split(",").map((one) => one.trim()) ?? null;
  return { table, from, to, key: names };
}

/** Values as they are written: texts, numbers and NULL. */
function argumentsOf(sql: string, tokens: readonly Token[]): (string | null)[] {
  const values: (string | null)[] = [];
  let at = 0;
  while (at < tokens.length) {
    const isSigned = isSymbol(tokens[at], "-");
    const token = tokens[isSigned ? at + 1 : at];
    const next = tokens[isSigned ? at + 2 : at + 1];
    const value = token === undefined ? undefined : literalOf(sql, token, isSigned);
    if (value === undefined || (next !== undefined && !isSymbol(next, ","))) {
      throw new LakeError("sql", "lake.changes takes values as they are written", { hint: USAGE });
    }
    values.push(value);
    at += isSigned ? 3 : 2;
  }
  return values;
}

function literalOf(sql: string, token: Token, isSigned: boolean): string | null | undefined {
  const text = sql.slice(token.start, token.end);
  if (token.kind === "number") return isSigned ? `-${text}` : text;
  if (isSigned) return undefined;
  if (token.kind === "string" && text.startsWith("'"))
    return text.slice(1, -1).replaceAll("''", "'");
  return isWord(token, "null") ? null : undefined;
}
