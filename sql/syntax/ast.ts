/** Typed access to DuckDB's syntax trees, as json_serialize_sql writes them and json_deserialize_sql reads them. */

import { must } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import { SQL_CHARS_MAX } from "../../core/limits.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { isWord, placeAt, type Token, tokensOf } from "./lexer.ts";
import { type Rewritten, rewriteSpellings } from "./time-travel.ts";

/** A piece of a tree. Trees are changed in place: they belong to whoever parsed them. */
export type Tree = null | boolean | number | string | Tree[] | Node;
export interface Node {
  [key: string]: Tree;
}

/** One parsed SELECT (or set of them). */
export interface Statement {
  /** What DuckDB gave and takes back. */
  readonly root: Node;
  /** The outermost query node. */
  readonly query: Node;
  /** Character offset in the text as the user wrote it, for a `query_location`; null when it has none. */
  offsetOf(node: Node): number | null;
}

/** What texts came to: runs of a model ask for the same ones again and again, a round trip each. */
class Remembered {
  readonly #answers = new Map<string, string>();
  #chars = 0;

  async of(text: string, ask: (text: string) => Promise<string>): Promise<string> {
    const known = this.#answers.get(text);
    if (known !== undefined) return known;
    const answer = await ask(text);
    this.#chars += text.length + answer.length;
    if (this.#chars > REMEMBERED_CHARS_MAX) {
      this.#answers.clear();
      this.#chars = text.length + answer.length;
    }
    this.#answers.set(text, answer);
    return answer;
  }
}

const REMEMBERED_CHARS_MAX = 4 * 1024 * 1024;
/** Trees by statement, and statements by tree. */
const PARSED = new Remembered();
const PRINTED = new Remembered();

/**
 * Parses one statement. Throws LakeError `sql` with the place for a syntax error or for several statements, and
 * `unsupported` for what DuckDB cannot serialise (anything but SELECT, VALUES, FROM, DESCRIBE, SUMMARIZE).
 */
export async function parseSelect(db: DuckDB, sql: string): Promise<Statement> {
  if (sql.length > SQL_CHARS_MAX) {
    throw new LakeError("sql", `the statement has more than ${SQL_CHARS_MAX} characters`, {
      hint: "put the data into a table or file instead of the text",
    });
  }
  const rewritten = await rewriteSpellings(sql);
  const root = await serialize(db, rewritten.sql);
  if (root.error === true) throw parseError(sql, rewritten, root);
  const statements = listAt(root, "statements");
  const first = statements[0];
  if (statements.length !== 1 || !isNode(first)) {
    throw new LakeError("sql", `expected one statement and found ${statements.length}`, {
      hint: "give one SELECT; split several statements at the semicolons",
    });
  }
  const query = must(nodeAt(first, "node"), "a serialised statement has a node");
  const encoded = new TextEncoder().encode(rewritten.sql);
  const isAscii = encoded.length === rewritten.sql.length;
  const offsetOf = (node: Node): number | null => {
    const bytes = node.query_location;
    if (typeof bytes !== "number" || bytes > encoded.length) return null;
    const characters = isAscii
      ? bytes
      : new TextDecoder().decode(encoded.subarray(0, bytes)).length;
    return rewritten.originalOffset(characters);
  };
  return { root, query, offsetOf };
}

/** The tree as SQL text. */
export async function printStatement(db: DuckDB, statement: Statement): Promise<string> {
  return await PRINTED.of(JSON.stringify(statement.root), async (tree) => {
    const rows = await db.rows("SELECT json_deserialize_sql($1::JSON) AS sql", [tree]);
    return String(rows[0]?.sql);
  });
}

/** The tree of one expression, to be put into another tree. */
export async function parseExpression(db: DuckDB, text: string): Promise<Node> {
  const statement = await parseSelect(db, `SELECT ${text}`);
  const [expression] = listAt(statement.query, "select_list");
  if (!isNode(expression)) throw new LakeError("sql", `${text} is not an expression`);
  return expression;
}

export function isNode(value: Tree | undefined): value is Node {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The node under a key, or null. */
export function nodeAt(node: Node | null, key: string): Node | null {
  const value = node?.[key];
  return isNode(value) ? value : null;
}

/** The list under a key itself, so that it can be changed; empty when there is none. */
export function listAt(node: Node | null, key: string): Tree[] {
  const value = node?.[key];
  return Array.isArray(value) ? value : [];
}

export function nodesAt(node: Node | null, key: string): Node[] {
  return listAt(node, key).filter(isNode);
}

export function textAt(node: Node | null, key: string): string {
  const value = node?.[key];
  return typeof value === "string" ? value : "";
}

/** The texts under a key, such as `column_names`. */
export function textsAt(node: Node | null, key: string): string[] {
  return listAt(node, key).filter((item) => typeof item === "string");
}

/** True for SELECT, set operations and recursive CTEs. */
export function isQuery(node: Node): boolean {
  return "cte_map" in node;
}

/** The common table expressions of a query node, in order. */
export function ctesOf(
  query: Node,
): { readonly name: string; readonly query: Node; readonly info: Node }[] {
  return nodesAt(nodeAt(query, "cte_map"), "map").flatMap((entry) => {
    const info = nodeAt(entry, "value");
    const inner = nodeAt(nodeAt(info, "query"), "node");
    return info === null || inner === null
      ? []
      : [{ name: textAt(entry, "key"), query: inner, info }];
  });
}

/** The query inside a table reference or expression of type SUBQUERY. */
export function subqueryOf(node: Node): Node | null {
  return nodeAt(nodeAt(node, "subquery"), "node");
}

/** A copy that can be changed on its own; numbers that JavaScript would print otherwise stay as they are. */
export function cloneTree<T extends Tree>(tree: T): T {
  const copy = (part: Tree): Tree => {
    if (Array.isArray(part)) return part.map(copy);
    if (!isNode(part) || "rawJSON" in part) return part;
    return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, copy(value)]));
  };
  return copy(tree) as T; // parse: a copy has the shape of its original
}

/** A reference to a column by its (qualified) name, with an optional output name. */
export function columnRef(names: readonly string[], alias = ""): Node {
  return {
    class: "COLUMN_REF",
    type: "COLUMN_REF",
    alias,
    query_location: 0,
    column_names: [...names],
  };
}

/**
 * Visits every reference to a named table below `tree`, with the query that a CTE of that name stands for, or null.
 * A CTE is seen by what follows it and, when recursive, by itself; a qualified name is never a CTE.
 */
export function visitTables(tree: Tree, visit: (table: Node, cte: Node | null) => void): void {
  const walk = (part: Tree, scope: ReadonlyMap<string, Node>): void => {
    if (Array.isArray(part)) {
      for (const item of part) walk(item, scope);
      return;
    }
    if (!isNode(part)) return;
    let inner = scope;
    for (const cte of ctesOf(part)) {
      const own = new Map(inner).set(cte.name.toLowerCase(), cte.query);
      walk(cte.info, cte.query.type === "RECURSIVE_CTE_NODE" ? own : inner);
      inner = own;
    }
    if (part.type === "BASE_TABLE") {
      const qualified = textAt(part, "schema_name") !== "" || textAt(part, "catalog_name") !== "";
      const cte = qualified ? null : inner.get(textAt(part, "table_name").toLowerCase());
      visit(part, cte ?? null);
    }
    for (const [key, value] of Object.entries(part)) if (key !== "cte_map") walk(value, inner);
  };
  walk(tree, new Map());
}

/** Visits every node below `tree`, itself included; `enter` returns false to leave a node's parts out. */
export function visitNodes(tree: Tree, enter: (node: Node) => boolean): void {
  if (Array.isArray(tree)) {
    for (const item of tree) visitNodes(item, enter);
  } else if (isNode(tree) && enter(tree)) {
    for (const value of Object.values(tree)) visitNodes(value, enter);
  }
}

/**
 * Gives every unnamed output of a query below `tree` that `changes` its name, before the tree is changed: a column
 * is named after what was written, not after run times and files.
 */
export async function nameOutputs(
  db: DuckDB,
  tree: Tree,
  changes: (item: Node) => boolean,
): Promise<void> {
  const unnamed: Node[] = [];
  visitNodes(tree, (node) => {
    for (const item of nodesAt(node, "select_list")) {
      if (textAt(item, "alias") === "" && item.class !== "STAR" && changes(item)) {
        unnamed.push(item);
      }
    }
    return true;
  });
  const names: string[] = [];
  for (const item of unnamed) {
    const statement = await parseSelect(db, "SELECT 1");
    statement.query.select_list = [cloneTree(item)];
    names.push((await printStatement(db, statement)).slice("SELECT ".length));
  }
  for (const [index, item] of unnamed.entries()) item.alias = names[index] ?? "";
}

/** Numbers that JavaScript would print otherwise (64-bit, `10.0`) are kept as they are written. */
async function serialize(db: DuckDB, sql: string): Promise<Node> {
  const tree = await PARSED.of(sql, async (text) => {
    const rows = await db.rows("SELECT json_serialize_sql($1::VARCHAR) AS tree", [text]);
    return String(rows[0]?.tree);
  });
  const keepText = (
    _key: string,
    value: unknown,
    context?: { readonly source?: string },
  ): unknown => {
    const source = context?.source;
    if (typeof value !== "number" || source === undefined || String(value) === source) return value;
    const raw = JSON as unknown as { rawJSON(text: string): unknown }; // parse: not in the library types yet
    return raw.rawJSON(source);
  };
  return JSON.parse(tree, keepText) as Node; // parse: DuckDB writes one object
}

function parseError(sql: string, rewritten: Rewritten, root: Node): LakeError {
  const message = textAt(root, "error_message");
  if (textAt(root, "error_type") === "not implemented") {
    const [word] = tokensOf(sql);
    const name = (word?.text ?? "this statement").toUpperCase();
    const what = isWord(word, "select") || isWord(word, "with") || isWord(word, "from");
    return new LakeError(
      "unsupported",
      what
        ? "a part of this query cannot be bound to tables of the lake"
        : `${name} cannot be bound`,
      {
        hint: what
          ? "write PIVOT with the values spelled out (FOR x IN (…)), or as FILTER clauses"
          : "only queries can read tables of the lake: SELECT, FROM, WITH, VALUES, DESCRIBE, SUMMARIZE",
        context: { statement: name, engine: message },
      },
    );
  }
  const position = Number(textAt(root, "position"));
  const offset = Number.isSafeInteger(position)
    ? rewritten.originalOffset(characters(rewritten.sql, position))
    : null;
  const name = offset === null ? null : unquotedName(tokensOf(sql), offset);
  return new LakeError("sql", message, {
    hint:
      name === null
        ? "mend the statement where it is marked"
        : `${name} is a word of SQL: where it is a column, write "${name}"`,
    ...(offset === null ? {} : { place: placeAt(sql, offset) }),
  });
}

/** Words that the engine keeps for itself and that people call columns. */
const KEPT_WORDS = new Set(
  (
    "all at case check column default desc end from full group left limit offset order primary references right " +
    "table to unique when window"
  ).split(" "),
);
/** What a column's name follows. */
const BEFORE_A_NAME = new Set([
  "select",
  "by",
  "where",
  "and",
  "or",
  "on",
  "not",
  "distinct",
  "having",
]);

/** The word of SQL that stands where a column's name would, at an error or before it; null where none does. */
function unquotedName(tokens: readonly Token[], offset: number): string | null {
  const at = tokens.findIndex((token) => token.start >= offset);
  for (const index of at < 0 ? [tokens.length - 1] : [at, at - 1]) {
    const [before, word] = [tokens[index - 1], tokens[index]];
    if (word?.kind !== "word" || before === undefined) continue;
    const isBehindName =
      before.kind === "symbol" && /^(?:[,(=<>+*/%-]|[<>!]=|\|\|)$/.test(before.text);
    const isBehindWord = before.kind === "word" && BEFORE_A_NAME.has(before.text.toLowerCase());
    if (KEPT_WORDS.has(word.text.toLowerCase()) && (isBehindName || isBehindWord)) return word.text;
  }
  return null;
}

function characters(sql: string, bytes: number): number {
  return new TextDecoder().decode(new TextEncoder().encode(sql).subarray(0, bytes)).length;
}

/** The line end closes a comment at the condition's own end. */
export function conditionQuery(condition: string): string {
  return `SELECT (${condition}\n)`;
}
