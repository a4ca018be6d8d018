/** What makes a query's result more than its input says: chance, and order that nobody fixed. DESIGN, decision 9. */

import { ESTIMATES, type FunctionFacts, ORDERED_AGGREGATES } from "../duckdb/functions.ts";
import {
  isNode,
  listAt,
  type Node,
  nodeAt,
  nodesAt,
  type Tree,
  textAt,
  visitNodes,
} from "../syntax/ast.ts";

/** Window functions whose value depends on the order of the rows. */
const ORDERED_WINDOWS: ReadonlySet<string> = new Set(
  "row_number lag lead first_value last_value nth_value ntile fill".split(" "),
);

/** Each cause once, in the order of the tree; empty when the result is determined. */
export function nondeterminismOf(query: Node, facts: FunctionFacts): string[] {
  const causes = new Set<string>();
  visitNodes(query, (node) => {
    const cause = causeOf(node, facts);
    if (cause !== null) causes.add(cause);
    return true;
  });
  return [...causes];
}

function causeOf(node: Node, facts: FunctionFacts): string | null {
  if (node.class === "FUNCTION") return functionCause(node, facts);
  if (node.class === "WINDOW") return windowCause(node);
  if ("cte_map" in node) return queryCause(node);
  return isNode(node.sample) ? "TABLESAMPLE" : null;
}

function functionCause(call: Node, facts: FunctionFacts): string | null {
  const name = textAt(call, "function_name").toLowerCase();
  if (facts.volatile.has(name)) return `${name}()`;
  if (ESTIMATES.has(name)) return `${name}(), which estimates`;
  const isOrdered = listAt(nodeAt(call, "order_bys"), "orders").length > 0;
  return ORDERED_AGGREGATES.has(name) && !isOrdered ? `${name}() without ORDER BY` : null;
}

function windowCause(call: Node): string | null {
  const name = textAt(call, "function_name").toLowerCase();
  const needsOrder = ORDERED_WINDOWS.has(name) || ORDERED_AGGREGATES.has(name);
  const isOrdered = listAt(call, "orders").length > 0 || listAt(call, "arg_orders").length > 0;
  return needsOrder && !isOrdered ? `${name}() over a window without ORDER BY` : null;
}

function queryCause(query: Node): string | null {
  if (isNode(query.sample)) return "USING SAMPLE";
  const modifiers = nodesAt(query, "modifiers");
  const ofType = (type: string) => modifiers.find((modifier) => textAt(modifier, "type") === type);
  const orders = nodesAt(ofType("ORDER_MODIFIER") ?? null, "orders");
  const limit = ofType("LIMIT_MODIFIER") ?? ofType("LIMIT_PERCENT_MODIFIER");
  const distinct = ofType("DISTINCT_MODIFIER");
  if (listAt(distinct ?? null, "distinct_on_targets").length > 0 && orders.length === 0) {
    return "DISTINCT ON without ORDER BY";
  }
  if (limit === undefined || isLimitZero(limit)) return null;
  if (orders.length === 0) return "LIMIT without ORDER BY";
  return isTotal(query, orders)
    ? null
    : "LIMIT with an ORDER BY that may tie: order by every output column";
}

function isLimitZero(limit: Node): boolean {
  return nodeAt(nodeAt(limit, "limit"), "value")?.value === 0;
}

/** True when the order names every output column, or every grouping key. */
function isTotal(query: Node, orders: readonly Node[]): boolean {
  const expressions = orders.map((order) => nodeAt(order, "expression"));
  if (expressions.some((expression) => expression?.class === "STAR")) return true;
  const items = nodesAt(query, "select_list");
  if (items.length === 0 || items.some((item) => item.class === "STAR")) return false;
  const isOrdered = (item: Node) => {
    const index = items.indexOf(item) + 1;
    const name = textAt(item, "alias").toLowerCase();
    return expressions.some((expression) => {
      if (expression === null) return false;
      const ordinal = nodeAt(expression, "value")?.value;
      if (index > 0 && expression.class === "CONSTANT" && ordinal === index) return true;
      const names = listAt(expression, "column_names");
      const last = names.at(-1);
      if (name !== "" && typeof last === "string" && last.toLowerCase() === name) return true;
      return canonical(expression) === canonical(item);
    });
  };
  if (items.every(isOrdered)) return true;
  const keys = nodesAt(query, "group_expressions");
  const isKeyOrdered = (key: Node) => {
    const ordinal = key.class === "CONSTANT" ? nodeAt(key, "value")?.value : null;
    const named = listAt(key, "column_names").at(-1);
    const item =
      typeof ordinal === "number"
        ? items[ordinal - 1]
        : items.find((one) => typeof named === "string" && textAt(one, "alias") === named);
    return isOrdered(item ?? key) || isOrdered(key);
  };
  if (keys.length > 0) return listAt(query, "group_sets").length <= 1 && keys.every(isKeyOrdered);
  // GROUP BY ALL: the keys are the items without an aggregate, which only the catalog knows.
  return false;
}

/** An expression without its place and its output name. */
function canonical(expression: Node): string {
  const strip = (tree: Tree): Tree => {
    if (Array.isArray(tree)) return tree.map(strip);
    if (!isNode(tree)) return tree;
    const parts = Object.entries(tree).filter(
      ([key]) => key !== "query_location" && key !== "alias",
    );
    return Object.fromEntries(parts.map(([key, value]) => [key, strip(value)]));
  };
  const text = JSON.stringify(strip(expression));
  return text.toLowerCase();
}
