/** Whether the groups of some rows and those of others can be put together from their results alone, and how. */

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
import { outputNames } from "./row-keys.ts";
import { aggregatesIn, windowsIn } from "./shape.ts";

export interface Combined {
  readonly name: string;
  /** What the item is in the select list, which may be a cast of its aggregate. */
  readonly item: Node;
  /** The aggregate over results of the aggregate; null for what the rows are grouped by. */
  readonly by: string | null;
  /** The aggregate without the cast around it; the item itself where there is none. */
  readonly plain: Node;
}

/** What puts the results of an aggregate together. An average or a count of distinct values is more than its result. */
const BY_AGGREGATE: Readonly<Record<string, string>> = {
  sum: "sum",
  count: "sum",
  count_star: "sum",
  count_if: "sum",
  countif: "sum",
  min: "min",
  max: "max",
  bool_and: "bool_and",
  bool_or: "bool_or",
  bit_and: "bit_and",
  bit_or: "bit_or",
  bit_xor: "bit_xor",
};

/** The columns of a query of groups, each with how its results are put together; null where they cannot be. */
export function combinationOf(query: Node, facts: FunctionFacts): readonly Combined[] | null {
  if (query.type !== "SELECT_NODE" || isNode(query.having) || isNode(query.qualify)) return null;
  if (isNode(query.sample) || windowsIn(query).length > 0) return null;
  if (nodesAt(query, "modifiers").some(({ type }) => type !== "ORDER_MODIFIER")) return null;
  if (listAt(query, "group_sets").length > 1 || aggregatesIn(query, facts).length === 0)
    return null;
  const names = outputNames(query);
  if (names === null) return null;
  const items = nodesAt(query, "select_list");
  const combined: Combined[] = [];
  for (const [index, item] of items.entries()) {
    const aggregates = aggregatesIn({ type: "SELECT_NODE", select_list: [item] }, facts);
    const plain = isCastBack(item) ? (nodeAt(item, "child") ?? item) : item;
    const by = aggregates.length === 0 ? null : combinedBy(plain);
    if (aggregates.length > 0 && by === null) return null;
    if (by === null && namesAggregate(item, items, facts)) return null;
    combined.push({ name: names[index] ?? "", item, by, plain: by === null ? item : plain });
  }
  const keys = combined.filter(({ by }) => by === null).map(({ item }) => item);
  const isAll = textAt(query, "aggregate_handling") === "FORCE_AGGREGATES";
  const groups = nodesAt(query, "group_expressions");
  const isGrouped = isAll || groups.length > 0;
  // A value beside one row of all is a constant.
  if (!isGrouped && keys.length > 0) return null;
  const isSelected = groups.every((group) => keys.some((key) => isOf(query, group, key)));
  return isAll || isSelected ? combined : null;
}

/** A cast that a table's type makes again as it was: it fails, or rounds, where that of the whole does. */
function isCastBack(item: Node): boolean {
  const id = textAt(nodeAt(item, "cast_type"), "id");
  return item.class === "CAST" && item.try_cast !== true && STORED_AS_THEY_ARE.has(id);
}

const STORED_AS_THEY_ARE: ReadonlySet<string> = new Set(["INTEGER", "BIGINT", "DECIMAL", "DOUBLE"]);

/** Whether an item names another one that is, or is made of, an aggregate. */
function namesAggregate(item: Node, items: readonly Node[], facts: FunctionFacts): boolean {
  const names = new Set(columnsIn(item).flatMap((one) => one.slice(0, 1)));
  return items.some(
    (other) =>
      other !== item &&
      names.has(textAt(other, "alias").toLowerCase()) &&
      aggregatesIn({ type: "SELECT_NODE", select_list: [other] }, facts).length > 0,
  );
}

function combinedBy(call: Node): string | null {
  if (call.class !== "FUNCTION" || call.distinct === true) return null;
  if (textAt(call, "schema") !== "" || textAt(call, "catalog") !== "") return null;
  if (nodesAt(nodeAt(call, "order_bys"), "orders").length > 0) return null;
  if (listAt(call, "children").length > 1) return null;
  return BY_AGGREGATE[textAt(call, "function_name").toLowerCase()] ?? null;
}

/** Whether a grouping expression is an item: by its place, as it is written, or by the item's name. */
function isOf(select: Node, group: Node, item: Node): boolean {
  const items = nodesAt(select, "select_list");
  if (group.class === "CONSTANT") return nodeAt(group, "value")?.value === items.indexOf(item) + 1;
  if (isSame(select, group, item)) return true;
  const names = textsAt(group, "column_names");
  const [name = ""] = names;
  const isAlias = names.length === 1 && textAt(item, "alias").toLowerCase() === name.toLowerCase();
  return isAlias && isGroupedByItself(select, group, item);
}

/**
 * A column of the FROM comes before an item of that name; then the item is made of what else there is grouped by. So
 * it is meant where it names a column that nothing else does.
 */
function isGroupedByItself(select: Node, group: Node, item: Node): boolean {
  const items = nodesAt(select, "select_list");
  const own = columnsIn(item);
  const aliases = new Set(items.map((one) => textAt(one, "alias").toLowerCase()));
  if (own.some((names) => names.length === 1 && aliases.has(names[0] ?? ""))) return false;
  const others = nodesAt(select, "group_expressions")
    .filter((other) => other !== group)
    .flatMap((other) => {
      const place = other.class === "CONSTANT" ? nodeAt(other, "value")?.value : null;
      const named = items.filter(
        (one, index) => index + 1 === place || isNamedBy(textsAt(other, "column_names"), one),
      );
      return [other, ...named].flatMap(columnsIn);
    });
  const taken = new Set(others.map((names) => names.at(-1)));
  return own.some((names) => names.every((name) => !taken.has(name)));
}

function isNamedBy(names: readonly string[], item: Node): boolean {
  return names.length === 1 && textAt(item, "alias").toLowerCase() === names[0]?.toLowerCase();
}

/** The names of each column that an expression names outside subqueries, in lower case. */
function columnsIn(expression: Node): string[][] {
  const found: string[][] = [];
  visitNodes(expression, (node) => {
    if (isQuery(node)) return false;
    const names = textsAt(node, "column_names");
    if (names.length > 0) found.push(names.map((name) => name.toLowerCase()));
    return true;
  });
  return found;
}
