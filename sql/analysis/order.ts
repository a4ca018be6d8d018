/** What an ORDER BY fixes: whether it leaves rows of a query to tie. */

import { isNode, listAt, type Node, nodeAt, nodesAt, type Tree, textAt } from "../syntax/ast.ts";

/** True for `LIMIT 0`. */
export function isLimitZero(limit: Node): boolean {
  return nodeAt(nodeAt(limit, "limit"), "value")?.value === 0;
}

/** True when the order names every output column, or every grouping key. */
export function isTotal(query: Node, orders: readonly Node[]): boolean {
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
export function canonical(expression: Node): string {
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
