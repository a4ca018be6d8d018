/**
 * Which tables a statement names, with their moments in time, read from the syntax tree; and the time that `now()` and
 * its kin are in it, so that a run can be repeated. DESIGN, decision 9.
 */

import { must } from "../../core/base/assert.ts";
import type { TableRef } from "../../core/engine.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import {
  cloneTree,
  isNode,
  listAt,
  type Node,
  nameOutputs,
  nodeAt,
  parseExpression,
  parseSelect,
  printStatement,
  type Statement,
  type Tree,
  textAt,
  textsAt,
  visitNodes,
  visitTables,
} from "./ast.ts";
import { quoteLiteral } from "./quote.ts";
import { TAG_FUNCTION } from "./time-travel.ts";

/** The time that `now()` is in an `AT`: known, asked for when it is needed, or left to the engine's clock. */
export type AtTime = number | (() => Promise<number>) | null;

/** A reference and where it stands in the tree. */
export interface FoundRef {
  readonly ref: TableRef;
  readonly node: Node;
}

/** Functions and keywords of the clock, and what they are of an instant. */
const CLOCK: Readonly<Record<string, string>> = {
  now: "",
  current_timestamp: "",
  get_current_timestamp: "",
  transaction_timestamp: "",
  today: "::DATE",
  current_date: "::DATE",
  localtimestamp: "::TIMESTAMP",
  current_localtimestamp: "::TIMESTAMP",
  localtime: "::TIMESTAMP::TIME",
  current_localtime: "::TIMESTAMP::TIME",
  current_time: "::TIMETZ",
  get_current_time: "::TIMETZ",
};

/** The tables a statement names, each once per mention, in the order of the text. CTE names are no tables. */
export async function tablesIn(
  db: DuckDB,
  sql: string,
  atTime: AtTime = null,
): Promise<TableRef[]> {
  const found = await findTables(db, await parseSelect(db, sql), atTime);
  return found.map(({ ref }) => ref);
}

/** As `tablesIn`, with the nodes. `AT` values that are no literals are computed, at the time if one is given. */
export async function findTables(
  db: DuckDB,
  statement: Statement,
  atTime: AtTime,
): Promise<FoundRef[]> {
  const nodes: Node[] = [];
  visitTables(statement.query, (table, cte) => {
    if (cte === null) nodes.push(table);
  });
  const found: FoundRef[] = [];
  for (const node of nodes) {
    const parts = ["catalog_name", "schema_name", "table_name"]
      .map((key) => textAt(node, key))
      .filter((part) => part !== "");
    const isOneWord = parts.length === 1 && parts[0]?.includes(".") === true;
    found.push({
      node,
      ref: {
        name: parts.join("."),
        at: await atOf(db, node, atTime),
        offset: statement.offsetOf(node),
        ...(isOneWord ? { isOneWord } : {}),
      },
    });
  }
  return found.sort((a, b) => (a.ref.offset ?? 0) - (b.ref.offset ?? 0));
}

/** What makes two references mean the same: name and moment, not where they stand. */
export function refKey(ref: TableRef): string {
  const { name, at, isOneWord } = ref;
  return JSON.stringify([name.toLowerCase(), at?.unit ?? null, at?.value ?? null, isOneWord]);
}

/** True for functions whose value the run time fixes. */
export function isClock(functionName: string): boolean {
  return functionName in CLOCK || functionName === "age" || functionName === "ago";
}

/**
 * Replaces every clock in the tree by the run time; dates are those of the session's time zone. A bare word such as
 * `current_date` is left alone when a table has a column of that name (`columns`, lower case). Output columns keep
 * the names that DuckDB gives them.
 */
export async function pinTime(
  db: DuckDB,
  tree: Tree,
  runTimeMs: number,
  columns: ReadonlySet<string>,
): Promise<void> {
  let found = false;
  visitNodes(tree, (node) => {
    found ||= clockName(node, columns) !== null || isImplicit(node);
    return !found;
  });
  if (!found) return;
  await nameOutputs(db, tree, (item) => readsClock(item, columns));
  const instant = quoteLiteral({ kind: "timestamptz", micros: BigInt(runTimeMs) * 1000n });
  const replacements = new Map<string, Node>();
  for (const [name, cast] of Object.entries(CLOCK)) {
    replacements.set(name, await parseExpression(db, `(${instant})${cast}`));
  }
  const replacementFor = (name: string): Node =>
    cloneTree(must(replacements.get(name), "every clock has a replacement"));
  const walk = (part: Tree): Tree => {
    if (Array.isArray(part)) {
      for (const [index, item] of part.entries()) part[index] = walk(item);
      return part;
    }
    if (!isNode(part)) return part;
    const name = clockName(part, columns);
    if (name !== null) return { ...replacementFor(name), alias: textAt(part, "alias") };
    for (const [key, value] of Object.entries(part)) {
      if (typeof value === "object" && value !== null) part[key] = walk(value);
    }
    if (isImplicit(part)) pinImplicit(part, replacementFor);
    return part;
  };
  walk(tree);
}

/** Every clock below a tree, as it is called: `now()`, `current_date`. */
export function clocksIn(tree: Tree): string[] {
  const found = new Set<string>();
  visitNodes(tree, (node) => {
    const name = clockName(node, new Set());
    if (name !== null) found.add(node.class === "FUNCTION" ? `${name}()` : name);
    if (isImplicit(node)) found.add(`${textAt(node, "function_name").toLowerCase()}()`);
    return true;
  });
  return [...found];
}

/** One time for all `AT (TIMESTAMP => now())` of a statement and of the views that it reads. */
export function statementTime(db: DuckDB): () => Promise<number> {
  let time: Promise<number> | null = null;
  const ask = async () => Number((await db.rows("SELECT epoch_ms(now()) AS ms"))[0]?.ms);
  return () => {
    time ??= ask();
    return time;
  };
}

async function atOf(db: DuckDB, table: Node, atTime: AtTime): Promise<TableRef["at"]> {
  const clause = nodeAt(table, "at_clause");
  const expression = nodeAt(clause, "expr");
  if (clause === null || expression === null) return null;
  const isTag = textAt(expression, "function_name") === TAG_FUNCTION;
  const [tag] = listAt(expression, "children");
  const value = await momentText(db, isTag && isNode(tag) ? tag : expression, atTime);
  if (isTag) return { unit: "tag", value };
  const unit = textAt(clause, "unit").toLowerCase() === "timestamp" ? "timestamp" : "version";
  return { unit, value };
}

/** The text of a literal or typed literal as written; anything else is computed. */
async function momentText(db: DuckDB, expression: Node, atTime: AtTime): Promise<string> {
  const literal = expression.class === "CAST" ? nodeAt(expression, "child") : expression;
  const value = nodeAt(literal, "value");
  if (literal?.class === "CONSTANT" && value !== null) {
    const type = textAt(nodeAt(value, "type"), "id");
    const inner = value.value;
    if (type === "VARCHAR" && typeof inner === "string") return inner;
    if ((type === "INTEGER" || type === "BIGINT") && literal === expression)
      return JSON.stringify(inner);
  }
  const statement = await parseSelect(db, "SELECT 1");
  statement.query.select_list = [expression];
  const timeMs = typeof atTime === "function" ? await atTime() : atTime;
  if (timeMs !== null) await pinTime(db, statement.query, timeMs, new Set());
  const printed = await printStatement(db, statement);
  const rows = await db.rows(`SELECT (${printed})::VARCHAR AS value`);
  return String(rows[0]?.value);
}

function readsClock(item: Node, columns: ReadonlySet<string>): boolean {
  let found = false;
  visitNodes(item, (node) => {
    found ||= clockName(node, columns) !== null || isImplicit(node);
    return !found;
  });
  return found;
}

function clockName(node: Node, columns: ReadonlySet<string>): string | null {
  if (node.class === "FUNCTION" && listAt(node, "children").length === 0) {
    const name = textAt(node, "function_name").toLowerCase();
    return Object.hasOwn(CLOCK, name) ? name : null;
  }
  if (node.class !== "COLUMN_REF") return null;
  const [name, ...rest] = textsAt(node, "column_names");
  if (name === undefined || rest.length > 0) return null;
  const lower = name.toLowerCase();
  const isKeyword = lower.startsWith("current_") || lower.startsWith("local");
  return isKeyword && Object.hasOwn(CLOCK, lower) && !columns.has(lower) ? lower : null;
}

/** `age(x)` is `age(current_date, x)`, and `ago(i)` is `now() - i`. */
function isImplicit(node: Node): boolean {
  const name = textAt(node, "function_name").toLowerCase();
  const isCall = node.class === "FUNCTION" && listAt(node, "children").length === 1;
  return isCall && (name === "age" || name === "ago");
}

function pinImplicit(node: Node, replacementFor: (name: string) => Node): void {
  const isAge = textAt(node, "function_name").toLowerCase() === "age";
  listAt(node, "children").unshift(replacementFor(isAge ? "today" : "now"));
  if (isAge) return;
  node.function_name = "-";
  node.is_operator = true;
}
