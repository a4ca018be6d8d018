/** Which tables a statement names: references with their moment in time, read from the syntax tree. */

import type { TableRef } from "../../core/engine.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import {
  isNode,
  listAt,
  type Node,
  nodeAt,
  parseSelect,
  printStatement,
  type Statement,
  textAt,
  visitTables,
} from "./ast.ts";
import { pinTime } from "./run-time.ts";
import { TAG_FUNCTION } from "./time-travel.ts";

/** The time that `now()` is in an `AT`: known, asked for when it is needed, or left to the engine's clock. */
export type AtTime = number | (() => Promise<number>) | null;

/** A reference and where it stands in the tree. */
export interface FoundRef {
  readonly ref: TableRef;
  readonly node: Node;
}

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
