/** A text as statements, and what kind of statement each is: decided on tokens, never by searching text. */

import type { Place } from "../../core/base/errors.ts";
import { isSymbol, isWord, nameOf, type Token, tokensOf } from "./lexer.ts";

/** One statement of a text. */
export interface StatementText {
  /** Without the semicolon and without what stands before the first token. */
  readonly sql: string;
  /** Character offset in the whole text. */
  readonly offset: number;
}

/**
 * What is done with it. `prefix` ends where `query` begins, which is the part that reads tables; both are pieces of
 * the statement as written.
 */
export type StatementKind =
  | { readonly kind: "query" }
  /** EXPLAIN, DESCRIBE, SUMMARIZE, CREATE TEMP TABLE … AS: words in front of a query. */
  | {
      readonly kind: "prefixed";
      readonly prefix: string;
      readonly query: string;
      readonly offset: number;
    }
  | { readonly kind: "show-tables" }
  | { readonly kind: "pivot" }
  /** COPY (query) TO 'file' (options). */
  | {
      readonly kind: "copy-to";
      readonly query: string;
      readonly offset: number;
      readonly path: string;
      readonly rest: string;
    }
  /** Changes rows or a table: allowed on temporary tables. */
  | {
      readonly kind: "write";
      readonly verb: string;
      readonly target: string;
      readonly query: { readonly start: number } | null;
    }
  | { readonly kind: "create"; readonly what: string }
  | { readonly kind: "transaction"; readonly verb: "begin" | "commit" | "rollback" }
  | { readonly kind: "setting"; readonly name: string }
  /** USE BRANCH name. */
  | { readonly kind: "branch"; readonly name: string }
  | { readonly kind: "refused"; readonly verb: string }
  | { readonly kind: "other" };

/** The statements of a text, in order; pieces that hold only blanks and comments are left out. */
export function splitStatements(text: string): StatementText[] {
  const statements: StatementText[] = [];
  let first: Token | null = null;
  let last: Token | null = null;
  for (const token of [...tokensOf(text), null]) {
    if (token !== null && !isSymbol(token, ";")) {
      first ??= token;
      last = token;
      continue;
    }
    if (first !== null && last !== null) {
      statements.push({ sql: text.slice(first.start, last.end), offset: first.start });
    }
    first = null;
    last = null;
  }
  return statements;
}

/** Decides by the first words. */
export function classify(sql: string): StatementKind {
  const tokens = tokensOf(sql);
  const verb = tokens[0]?.kind === "word" ? tokens[0].text.toLowerCase() : "";
  switch (verb) {
    case "explain":
      return explain(sql, tokens);
    case "describe":
    case "desc":
    case "summarize":
      return describe(sql, tokens, verb === "summarize" ? "SUMMARIZE " : "DESCRIBE ");
    case "show":
      return show(sql, tokens);
    case "pivot":
    case "unpivot":
    case "pivot_wider":
    case "pivot_longer":
      return { kind: "pivot" };
    case "create":
      return create(sql, tokens);
    case "copy":
      return copy(sql, tokens);
    case "insert":
    case "update":
    case "delete":
    case "merge":
    case "drop":
    case "alter":
    case "truncate":
    case "comment":
      return write(tokens, verb);
    case "begin":
    case "start":
      return { kind: "transaction", verb: "begin" };
    case "commit":
    case "end":
      return { kind: "transaction", verb: "commit" };
    case "rollback":
    case "abort":
      return { kind: "transaction", verb: "rollback" };
    case "use": {
      const [, word, first] = tokens;
      if (!isWord(word, "branch") || first === undefined) return { kind: "refused", verb };
      // fix-2026 is three tokens, and one name.
      const name = sql.slice(first.start).trim();
      return { kind: "branch", name: name.replace(/^(["'])(.*)\1$/, "$2") };
    }
    case "with": {
      const changes = verbBehindCtes(tokens);
      return changes === "" ? { kind: "query" } : write(tokens, changes);
    }
    case "set":
    case "reset":
      return { kind: "setting", name: settingName(tokens) };
    default:
      if (REFUSED.has(verb)) return { kind: "refused", verb };
      return QUERY_WORDS.has(verb) || isSymbol(tokens[0], "(")
        ? { kind: "query" }
        : { kind: "other" };
  }
}

/** True when a query could read a table: anything else need not be bound. */
export function readsTables(sql: string): boolean {
  return tokensOf(sql).some((token) => TABLE_WORDS.some((word) => isWord(token, word)));
}

/** A place counted from the start of a piece of a text, counted from the start of the text. */
export function shiftPlace(place: Place, text: string, offset: number): Place {
  const before = text.slice(0, offset).split("\n");
  const column = place.line === 1 ? place.column + (before.at(-1) ?? "").length : place.column;
  return { ...place, line: place.line + before.length - 1, column };
}

/** A name that stands where a table can stand. */
export interface NamedTable {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** Names right behind FROM, JOIN, PIVOT and UNPIVOT, for statements that have no syntax tree. */
export function tableNamesIn(sql: string): NamedTable[] {
  const tokens = tokensOf(sql);
  const names: NamedTable[] = [];
  for (const [index, token] of tokens.entries()) {
    if (!["from", "join", "pivot", "unpivot"].some((word) => isWord(token, word))) continue;
    const { name, end } = dottedName(tokens, index + 1);
    const first = tokens[index + 1];
    const last = tokens[end - 1];
    if (name === "" || first === undefined || last === undefined) continue;
    names.push({ name, start: first.start, end: last.end });
  }
  return names;
}

const QUERY_WORDS: ReadonlySet<string> = new Set(["select", "with", "from", "values", "table"]);
const TABLE_WORDS = ["from", "join", "table", "describe", "summarize", "show"];

/** Statements that would reach out of the lake, or that promise what a lake of snapshots does not have. */
const REFUSED: ReadonlySet<string> = new Set(
  (
    "attach detach install load update_extensions use checkpoint force vacuum export import prepare execute " +
    "deallocate grant revoke"
  ).split(" "),
);

function prefixed(sql: string, prefix: string, start: number): StatementKind {
  return { kind: "prefixed", prefix, query: sql.slice(start), offset: start };
}

function explain(sql: string, tokens: readonly Token[]): StatementKind {
  const analyze = isWord(tokens[1], "analyze");
  const query = tokens[analyze ? 2 : 1];
  if (query === undefined || isSymbol(query, "(")) return { kind: "other" };
  return prefixed(sql, sql.slice(0, query.start), query.start);
}

function describe(sql: string, tokens: readonly Token[], prefix: string): StatementKind {
  const next = tokens[1];
  if (next === undefined) return { kind: "show-tables" };
  const isQuery = QUERY_WORDS.has(next.text.toLowerCase()) || isSymbol(next, "(");
  if (isQuery) return prefixed(sql, prefix, next.start);
  const from = "FROM ";
  const query = from + sql.slice(next.start);
  return { kind: "prefixed", prefix, query, offset: next.start - from.length };
}

function show(sql: string, tokens: readonly Token[]): StatementKind {
  const next = tokens[1];
  if (isWord(next, "tables") || isWord(next, "all")) return { kind: "show-tables" };
  if (next === undefined || isWord(next, "databases") || isWord(next, "schemas")) {
    return { kind: "other" };
  }
  return describe(sql, tokens, "DESCRIBE ");
}

function create(sql: string, tokens: readonly Token[]): StatementKind {
  const words = tokens.map((token) => (token.kind === "word" ? token.text.toLowerCase() : ""));
  const at = words[1] === "or" && words[2] === "replace" ? 3 : 1;
  const isTemp = words[at] === "temp" || words[at] === "temporary";
  const what = words[isTemp ? at + 1 : at] ?? "";
  const isMacro = what === "macro" || what === "function";
  if (isMacro) return { kind: "other" };
  if (!isTemp || (what !== "table" && what !== "view")) return { kind: "create", what };
  const as = words.indexOf("as");
  const query = tokens[as + 1];
  if (as < 0 || query === undefined) return { kind: "other" };
  return prefixed(sql, sql.slice(0, query.start), query.start);
}

function copy(sql: string, tokens: readonly Token[]): StatementKind {
  let depth = 0;
  const to = tokens.findIndex((token) => {
    if (isSymbol(token, "(")) depth++;
    if (isSymbol(token, ")")) depth--;
    return depth === 0 && isWord(token, "to");
  });
  const path = tokens[to + 1];
  const first = tokens[1];
  const last = tokens[to - 1];
  if (to < 0 || path?.kind !== "string" || first === undefined || last === undefined) {
    return { kind: "refused", verb: "copy" };
  }
  const isQuery = isSymbol(first, "(");
  const query = isQuery
    ? sql.slice(first.end, last.start)
    : `FROM ${sql.slice(first.start, last.end)}`;
  return {
    kind: "copy-to",
    query,
    offset: isQuery ? first.end : first.start - "FROM ".length,
    path: path.text.slice(1, -1).replaceAll("''", "'"),
    rest: sql.slice(path.end),
  };
}

function write(tokens: readonly Token[], verb: string): StatementKind {
  const skip = new Set([
    "into",
    "from",
    "table",
    "view",
    "if",
    "exists",
    "or",
    "replace",
    "ignore",
    "only",
  ]);
  let at = behindCtes(tokens) + 1;
  while (tokens[at]?.kind === "word" && skip.has(tokens[at]?.text.toLowerCase() ?? "")) at++;
  const { name: target, end } = dottedName(tokens, at);
  const query =
    verb === "insert"
      ? tokens.slice(end).find((t) => ["select", "with", "from", "table"].some((w) => isWord(t, w)))
      : undefined;
  const start = query === undefined ? null : { start: query.start };
  return { kind: "write", verb, target, query: start };
}

/** `a.b.c` from token `at` on, and the index of the token behind it. */
function dottedName(tokens: readonly Token[], at: number): { name: string; end: number } {
  const parts: string[] = [];
  let end = at;
  for (let token = tokens[end]; token !== undefined; token = tokens[end]) {
    if (token.kind !== "word" && token.kind !== "quoted") break;
    parts.push(nameOf(token));
    end++;
    if (!isSymbol(tokens[end], ".")) break;
    end++;
  }
  return { name: parts.join("."), end };
}

/** Index of the word behind common table expressions; 0 where there are none. */
export function behindCtes(tokens: readonly Token[]): number {
  if (!isWord(tokens[0], "with")) return 0;
  let depth = 0;
  for (let at = 1; at < tokens.length; at++) {
    const token = tokens[at];
    if (isSymbol(token, "(")) depth++;
    if (isSymbol(token, ")")) depth--;
    // Behind a body come a comma, USING KEY, or the statement.
    const isBehind = depth === 0 && isSymbol(tokens[at - 1], ")");
    if (isBehind && token?.kind === "word" && VERBS.has(token.text.toLowerCase())) return at;
  }
  return tokens.length;
}

const VERBS: ReadonlySet<string> = new Set(
  "insert update delete merge select from values table pivot unpivot describe summarize".split(" "),
);
const CHANGES: ReadonlySet<string> = new Set(["insert", "update", "delete", "merge"]);

/** What a statement with common table expressions does; empty for a query. */
function verbBehindCtes(tokens: readonly Token[]): string {
  const word = tokens[behindCtes(tokens)]?.text.toLowerCase() ?? "";
  return CHANGES.has(word) ? word : "";
}

function settingName(tokens: readonly Token[]): string {
  const scoped = ["session", "global", "local"].some((word) => isWord(tokens[1], word));
  const name = tokens[scoped ? 2 : 1];
  if (isWord(name, "time") && isWord(tokens[scoped ? 3 : 2], "zone")) return "timezone";
  return name === undefined ? "" : nameOf(name).toLowerCase();
}
