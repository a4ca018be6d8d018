/** What a statement that changes a table asks for, in its parts as they are written. */

import { unsupported } from "../query/error.ts";
import { Clauses } from "../syntax/clauses.ts";
import { isSymbol, isWord, tokensOf } from "../syntax/lexer.ts";
import { behindCtes } from "../syntax/statement.ts";
import { type Merge, readMerge } from "./merge-clauses.ts";
import { readAlter, readComment, readCreate, type TableStatement } from "./table-statement.ts";
import {
  type Assignment,
  columnName,
  readAssignment,
  readTarget,
  refuseReturning,
  type Target,
} from "./target.ts";

export interface Insert {
  readonly kind: "insert";
  readonly target: Target;
  /** Null: all, in their order. */
  readonly columns: readonly string[] | null;
  readonly isByName: boolean;
  /** A query; null: one row of defaults. */
  readonly query: string | null;
}

export interface Delete {
  readonly kind: "delete";
  readonly target: Target;
  /** `WITH …`, or empty. */
  readonly ctes: string;
  /** What stands beside the table, or empty. */
  readonly from: string;
  /** Empty: all rows. */
  readonly where: string;
}

export interface Update extends Omit<Delete, "kind"> {
  readonly kind: "update";
  readonly set: readonly Assignment[];
}

export interface Truncate {
  readonly kind: "truncate";
  readonly target: Target;
}

export type ChangeStatement = Insert | Delete | Update | Truncate | Merge | TableStatement;

const MERGE_INSTEAD =
  "tables of the lake have no keys: merge into t using (…) as s on t.id = s.id when matched then update … " +
  "when not matched then insert …";

/** Reads a statement that DuckDB's parser takes. Throws `unsupported` for what is not done here. */
export function readChange(sql: string): ChangeStatement {
  const clauses = new Clauses(sql);
  const ctes = readCtes(clauses);
  if (clauses.take("insert")) return readInsert(clauses, ctes);
  if (clauses.take("delete", "from")) return readDelete(clauses, ctes);
  if (clauses.take("update")) return readUpdate(clauses, ctes);
  if (clauses.take("merge", "into")) return readMerge(clauses, ctes);
  if (clauses.take("truncate")) {
    clauses.take("table");
    return { kind: "truncate", target: readTarget(clauses, NO_WORDS) };
  }
  if (clauses.take("create")) return readCreate(clauses);
  if (clauses.take("alter")) return readAlter(clauses);
  if (clauses.take("comment", "on")) return readComment(clauses);
  if (clauses.take("drop", "table")) {
    const isOptional = clauses.take("if", "exists");
    const target = readTarget(clauses, NO_WORDS);
    return { kind: "drop", target, isOptional, isForced: clauses.take("cascade") };
  }
  const word = clauses.tokens[clauses.at]?.text ?? "";
  throw unsupported(`${word.toUpperCase()} is not available here`, "see: tarn sql --help");
}

const NO_WORDS: ReadonlySet<string> = new Set(["cascade", "restrict"]);

/** Goes to the word behind the common table expressions; answers them with their WITH. */
function readCtes(clauses: Clauses): string {
  clauses.at = behindCtes(clauses.tokens);
  return clauses.text(0, clauses.at);
}

function readInsert(clauses: Clauses, ctes: string): Insert {
  if (clauses.take("or")) {
    throw unsupported("INSERT OR REPLACE and OR IGNORE are not available", MERGE_INSTEAD);
  }
  clauses.take("into");
  const target = readTarget(clauses, INSERT_FOLLOWERS);
  const columns = isColumnList(clauses) ? clauses.list() : null;
  const isByName = clauses.take("by", "name");
  clauses.take("by", "position");
  const isDefault = clauses.take("default", "values");
  const query = clauses.until(["on", "conflict"], ["returning"]);
  if (clauses.sees("on", "conflict")) {
    throw unsupported("ON CONFLICT is not available", MERGE_INSTEAD);
  }
  refuseReturning(clauses);
  return {
    kind: "insert",
    target,
    columns: columns === null ? null : columns.map(columnName),
    isByName,
    query: isDefault ? null : `${ctes} ${withoutDefaults(query)}`.trim(),
  };
}

const INSERT_FOLLOWERS: ReadonlySet<string> = new Set(
  "values select with from table by default describe show pivot unpivot summarize".split(" "),
);

/** `(a, b)`, and not a query in brackets. */
function isColumnList(clauses: Clauses): boolean {
  const inner = clauses.tokens[clauses.at + 1];
  if (!clauses.sees("(") || inner === undefined || isSymbol(inner, "(")) return false;
  return inner.kind === "quoted" || !INSERT_FOLLOWERS.has(inner.text.toLowerCase());
}

/** Columns have no defaults: DEFAULT among values is NULL. */
function withoutDefaults(query: string): string {
  const tokens = tokensOf(query);
  if (!isWord(tokens[0], "values")) return query;
  let output = "";
  let at = 0;
  for (const [index, token] of tokens.entries()) {
    const before = tokens[index - 1];
    const after = tokens[index + 1];
    const isAlone =
      (isSymbol(before, "(") || isSymbol(before, ",")) &&
      (isSymbol(after, ")") || isSymbol(after, ","));
    if (!isAlone || !isWord(token, "default")) continue;
    output += `${query.slice(at, token.start)}NULL`;
    at = token.end;
  }
  return output + query.slice(at);
}

function readDelete(clauses: Clauses, ctes: string): Delete {
  const target = readTarget(clauses, new Set(["using", "where", "returning"]));
  const from = clauses.take("using") ? clauses.until(["where"], ["returning"]) : "";
  const where = clauses.take("where") ? clauses.until(["returning"]) : "";
  refuseReturning(clauses);
  return { kind: "delete", target, ctes, from, where };
}

function readUpdate(clauses: Clauses, ctes: string): Update {
  const target = readTarget(clauses, new Set(["set"]));
  clauses.take("set");
  const first = clauses.at;
  clauses.until(["from"], ["where"], ["returning"]);
  const set = clauses.parts(first, clauses.at).flatMap(readAssignment);
  const from = clauses.take("from") ? clauses.until(["where"], ["returning"]) : "";
  const where = clauses.take("where") ? clauses.until(["returning"]) : "";
  refuseReturning(clauses);
  return { kind: "update", target, ctes, set, from, where };
}
