/**
 * Queries that keep the first rows of each partition: those of some rows and of others give those of all, from what
 * both keep and what they are ordered by alone.
 */

import type { FunctionFacts } from "../duckdb/functions.ts";
import {
  isNode,
  isQuery,
  listAt,
  type Node,
  nodeAt,
  nodesAt,
  textAt,
  textsAt,
  visitNodes,
} from "../syntax/ast.ts";
import { isSame } from "./keyed.ts";
import { outputName } from "./row-keys.ts";
import { aggregatesIn, windowsIn } from "./shape.ts";

export interface TopRows {
  /** Output columns, by their names, that say which rows are ranked together. */
  readonly partition: readonly string[];
  readonly orders: readonly { readonly name: string; readonly how: string }[];
  readonly rank: "row_number" | "rank" | "dense_rank";
  /** The last rank that stays. */
  readonly most: number;
}

const RANKS = ["row_number", "rank", "dense_rank"] as const;
const MOST_MAX = 1_000_000;

/** What a query keeps, where its QUALIFY keeps first rows and its columns say which; null for any other. */
export function topRowsOf(query: Node, facts: FunctionFacts): TopRows | null {
  if (query.type !== "SELECT_NODE" || isNode(query.having) || isNode(query.sample)) return null;
  if (nodesAt(query, "modifiers").some(({ type }) => type !== "ORDER_MODIFIER")) return null;
  const isGrouped =
    listAt(query, "group_expressions").length > 0 ||
    textAt(query, "aggregate_handling") === "FORCE_AGGREGATES" ||
    aggregatesIn(query, facts).length > 0;
  const windows = windowsIn(query);
  if (isGrouped || windows.length !== 1 || makesRows(query)) return null;
  const qualify = nodeAt(query, "qualify");
  const [window, most] = [nodeAt(qualify, "left"), mostOf(qualify)];
  const rank = RANKS.find((name) => name === textAt(window, "function_name").toLowerCase());
  if (window === null || window !== windows[0] || most === null || rank === undefined) return null;
  const isPlain = !isNode(window.filter_expr) && listAt(window, "arg_orders").length === 0;
  if (!isPlain || listAt(window, "children").length > 0) return null;
  const partition = nodesAt(window, "partitions").map((one) => nameOfOutput(query, one));
  const orders = nodesAt(window, "orders").map((order) => {
    const expression = nodeAt(order, "expression");
    const how = howOrdered(order);
    const name = expression === null ? null : nameOfOutput(query, expression);
    return name === null || how === null ? null : { name, how };
  });
  if (partition.length === 0 || orders.length === 0) return null;
  const names = partition.filter((name) => name !== null);
  const by = orders.filter((order) => order !== null);
  const isWhole = names.length === partition.length && by.length === orders.length;
  return isWhole ? { partition: names, orders: by, rank, most } : null;
}

/** The last rank that a condition keeps: `= 1`, `<= N` or `< N`. */
function mostOf(condition: Node | null): number | null {
  const value = nodeAt(nodeAt(condition, "right"), "value")?.value;
  if (typeof value !== "number" || !Number.isInteger(value)) return null;
  const most = condition?.type === "COMPARE_LESSTHAN" ? value - 1 : value;
  if (most < 1 || most > MOST_MAX) return null;
  switch (condition?.type) {
    case "COMPARE_EQUAL":
      return most === 1 ? 1 : null;
    case "COMPARE_LESSTHAN":
    case "COMPARE_LESSTHANOREQUALTO":
      return most;
    default:
      return null;
  }
}

const DIRECTIONS = new Map([
  ["ORDER_DEFAULT", ""],
  ["ASCENDING", "ASC"],
  ["DESCENDING", "DESC"],
]);
const NULLS = new Map([
  ["ORDER_DEFAULT", ""],
  ["NULLS FIRST", "NULLS FIRST"],
  ["NULLS LAST", "NULLS LAST"],
]);

function howOrdered(order: Node): string | null {
  const direction = DIRECTIONS.get(textAt(order, "type"));
  const nulls = NULLS.get(textAt(order, "null_order"));
  return direction === undefined || nulls === undefined ? null : `${direction} ${nulls}`.trim();
}

/** Some calls in a select list make several rows of one. */
function makesRows(query: Node): boolean {
  let found = false;
  visitNodes(listAt(query, "select_list"), (node) => {
    if (isQuery(node)) return false;
    found ||= MANY_ROWS.has(textAt(node, "function_name").toLowerCase());
    return !found;
  });
  return found;
}

const MANY_ROWS: ReadonlySet<string> = new Set(["unnest", "unlist", "generate_subscripts"]);

/** The output column that holds the value of an expression over the FROM; null where none surely does. */
function nameOfOutput(select: Node, expression: Node): string | null {
  if (expression.class === "CONSTANT" || !meansItsFrom(select, expression)) return null;
  const items = nodesAt(select, "select_list");
  const named = items.filter((item) => isSame(select, item, expression)).map(outputName);
  const [name] = named.length > 0 ? named : [starred(select, expression)];
  if (name === undefined || name === null || name === "") return null;
  const same = items.filter((item) => outputName(item).toLowerCase() === name.toLowerCase());
  return same.length > (named.length > 0 ? 1 : 0) ? null : name;
}

/** A column by the name that a star gives it, where one table's rows are all that the FROM has. */
function starred(select: Node, expression: Node): string | null {
  const [name, ...others] = textsAt(expression, "column_names").toReversed();
  const stars = nodesAt(select, "select_list").filter((item) => item.class === "STAR");
  const [star] = stars;
  const from = nodeAt(select, "from_table");
  const isOne = from?.type === "BASE_TABLE" || from?.type === "SUBQUERY";
  if (!isOne || star === undefined || stars.length > 1 || name === undefined || others.length > 1) {
    return null;
  }
  const parts = ["exclude_list", "qualified_exclude_list", "replace_list", "rename_list"];
  const text = JSON.stringify(parts.map((part) => star[part] ?? null)).toLowerCase();
  const isGiven = !isNode(star.expr) && !text.includes(JSON.stringify(name.toLowerCase()));
  return isGiven ? name : null;
}

/** Names in it are columns of the FROM, and no items that are called like them and are something else. */
function meansItsFrom(select: Node, expression: Node): boolean {
  let isSure = true;
  visitNodes(expression, (node) => {
    if (isQuery(node) || node.class === "LAMBDA" || node.class === "WINDOW") isSure = false;
    const [name, ...rest] = textsAt(node, "column_names");
    if (name !== undefined && rest.length === 0) isSure &&= isPlainItem(select, name);
    return isSure;
  });
  return isSure;
}

/** Every item of that alias is the column of that name. */
function isPlainItem(select: Node, name: string): boolean {
  return nodesAt(select, "select_list")
    .filter((item) => textAt(item, "alias").toLowerCase() === name.toLowerCase())
    .every((item) => textsAt(item, "column_names").at(-1)?.toLowerCase() === name.toLowerCase());
}
