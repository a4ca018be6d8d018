/** What makes a query's result more than its input says: chance, and order that nobody fixed. DESIGN, decision 9. */

import { ESTIMATES, type FunctionFacts } from "../duckdb/functions.ts";
import { isNode, type Node, nodeAt, nodesAt, textAt, visitNodes } from "../syntax/ast.ts";
import { rowKeys } from "./row-keys.ts";
import { canOrder, tiesOf } from "./ties.ts";

/** Each cause once; empty when the result is determined, ties being ordered where they can be. */
export function nondeterminismOf(query: Node, facts: FunctionFacts): string[] {
  const causes = new Set<string>();
  visitNodes(query, (node) => {
    const cause = causeOf(node, facts);
    if (cause !== null) causes.add(cause);
    return true;
  });
  const keys = rowKeys(query, () => ({ places: [], columns: [] }));
  for (const tie of tiesOf(query, facts)) if (!canOrder(tie, keys)) causes.add(tie.cause);
  return [...causes];
}

function causeOf(node: Node, facts: FunctionFacts): string | null {
  if (node.class === "FUNCTION") return functionCause(node, facts);
  if ("cte_map" in node) return isNode(node.sample) ? "USING SAMPLE" : null;
  if (node.type === "JOIN" && node.ref_type === "POSITIONAL") return "a positional join";
  if (node.type === "JOIN" && node.ref_type === "ASOF") {
    return "an ASOF join, where rows of its right side may tie";
  }
  return isNode(node.sample) ? "TABLESAMPLE" : null;
}

function functionCause(call: Node, facts: FunctionFacts): string | null {
  const name = textAt(call, "function_name").toLowerCase();
  if (facts.volatile.has(name)) return `${name}()`;
  if (name === "current_setting" && !isZone(call)) return `${name}() of anything but TimeZone`;
  return ESTIMATES.has(name) ? `${name}(), which estimates` : null;
}

/** The zone is a part of a model's version; other settings are of the machine. */
function isZone(call: Node): boolean {
  const [setting] = nodesAt(call, "children");
  const value = nodeAt(setting ?? null, "value")?.value;
  return typeof value === "string" && value.toLowerCase() === "timezone";
}
