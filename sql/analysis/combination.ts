/** Whether the groups of some rows and those of others can be put together from their results alone, and how. */

import type { FunctionFacts } from "../duckdb/functions.ts";
import {
  isNode,
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
    const plain = item.class === "CAST" ? (nodeAt(item, "child") ?? item) : item;
    const by = aggregates.length === 0 ? null : combinedBy(plain);
    if (aggregates.length > 0 && by === null) return null;
    combined.push({ name: names[index] ?? "", item, by, plain: by === null ? item : plain });
  }
  const keys = combined.filter(({ by }) => by === null).map(({ item }) => item);
  const isAll = textAt(query, "aggregate_handling") === "FORCE_AGGREGATES";
  const groups = nodesAt(query, "group_expressions");
  const isGrouped = isAll || groups.length > 0;
  // A value beside one row of all is a constant.
  if (!isGrouped && keys.length > 0) return null;
  const isSelected = groups.every((group) => keys.some((key) => isOf(group, key, items)));
  return isAll || isSelected ? combined : null;
}

function combinedBy(call: Node): string | null {
  if (call.class !== "FUNCTION" || call.distinct === true) return null;
  if (textAt(call, "schema") !== "" || textAt(call, "catalog") !== "") return null;
  if (nodesAt(nodeAt(call, "order_bys"), "orders").length > 0) return null;
  if (listAt(call, "children").length > 1) return null;
  return BY_AGGREGATE[textAt(call, "function_name").toLowerCase()] ?? null;
}

/** Whether a grouping expression is an item: by its place, as it is written, or by the item's name. */
function isOf(group: Node, item: Node, items: readonly Node[]): boolean {
  if (group.class === "CONSTANT") return nodeAt(group, "value")?.value === items.indexOf(item) + 1;
  if (isSame(group, item)) return true;
  const names = textsAt(group, "column_names");
  const [name = ""] = names;
  const isAlias = names.length === 1 && textAt(item, "alias").toLowerCase() === name.toLowerCase();
  // A column of the FROM comes before an item of that name, and then the item is made of it.
  return isAlias && !namesOf(item).has(name.toLowerCase());
}

function namesOf(item: Node): ReadonlySet<string> {
  const names = new Set<string>();
  visitNodes(item, (node) => {
    const last = textsAt(node, "column_names").at(-1);
    if (last !== undefined) names.add(last.toLowerCase());
    return true;
  });
  return names;
}
