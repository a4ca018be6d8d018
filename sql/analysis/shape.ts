/**
 * The way from a query to one of its tables: whether every output row comes from exactly one row of it, whatever else
 * there is, so that the rows appended to it make the rows appended to the output.
 */

import { must } from "../../core/base/assert.ts";
import type { FunctionFacts } from "../duckdb/functions.ts";
import {
  isNode,
  listAt,
  type Node,
  nodeAt,
  nodesAt,
  subqueryOf,
  type Tree,
  textAt,
  visitNodes,
} from "../syntax/ast.ts";
import { outputNames } from "./row-keys.ts";
import { rowReferences } from "./whole-row.ts";

/** How a query node reaches the driver's rows. */
export type Step =
  /** A SELECT and the table reference in its FROM that leads on. */
  | {
      readonly kind: "select";
      readonly select: Node;
      readonly source: Node;
      readonly next: Step | null;
    }
  /** UNION ALL of branches that each reach the driver. */
  | { readonly kind: "union"; readonly left: Step; readonly right: Step };

export type Way =
  | { readonly kind: "found"; readonly step: Step }
  | { readonly kind: "blocked"; readonly reason: string }
  /** The table is not read by this part. */
  | { readonly kind: "absent" };

/** What a name means while going down: the query of a CTE, or a table. */
export interface Route {
  readonly isDriver: (table: Node) => boolean;
  readonly cteOf: (table: Node) => Node | null;
  /** Whether a CTE's columns have other names than its query gives them. */
  readonly isRenamed: (cte: Node) => boolean;
  readonly facts: FunctionFacts;
  /** Kept while one way is looked for; starts empty. */
  readonly countByCte: Map<Node, number>;
}

/** The way from a query to the driver, or why there is none. */
export function wayTo(query: Node, route: Route): Way {
  const count = mentions(query, route);
  if (count === 0) return { kind: "absent" };
  const kind = textAt(query, "type");
  if (kind === "SET_OPERATION_NODE") return wayThroughSet(query, route);
  if (kind !== "SELECT_NODE") return blocked("a recursive CTE");
  if (count > 1) return blocked("it is read more than once");
  const reason = selectBlocks(query, route.facts);
  if (reason !== null) return blocked(reason);
  const from = must(nodeAt(query, "from_table"), "a SELECT has a FROM node");
  if (mentions(from, route) === 0) return blocked("it is read by a subquery in an expression");
  const down = wayThroughFrom(from, route);
  if (down.kind !== "reached") return down;
  const row = down.next === null ? null : rowOfPart(query, down.source, down.next);
  if (row !== null) return blocked(`the row of ${row} as a value`);
  return {
    kind: "found",
    step: { kind: "select", select: query, source: down.source, next: down.next },
  };
}

/** Every aggregate called in the expressions of one SELECT itself, by name. */
export function aggregatesIn(select: Node, facts: FunctionFacts): string[] {
  const names: string[] = [];
  visitNodes(expressionsOf(select), (node) => {
    if ("cte_map" in node || node.class === "WINDOW") return false;
    const name = textAt(node, "function_name").toLowerCase();
    const isCall = node.class === "FUNCTION" && facts.aggregates.has(name);
    // `histogram` and others are also table functions; in an expression they aggregate.
    if (isCall) names.push(name);
    return true;
  });
  return names;
}

/** Window calls in the expressions of one SELECT itself. */
export function windowsIn(select: Node): Node[] {
  const found: Node[] = [];
  visitNodes(expressionsOf(select), (node) => {
    if ("cte_map" in node) return false;
    if (node.class === "WINDOW") found.push(node);
    return true;
  });
  return found;
}

/** All of a SELECT but its FROM and its CTEs. */
export function expressionsOf(select: Node): Tree[] {
  return Object.entries(select)
    .filter(([key]) => key !== "from_table" && key !== "cte_map")
    .map(([, value]) => value);
}

/** The name of a subquery or CTE that is used as a value: what is carried through it would be in that value. */
function rowOfPart(select: Node, source: Node, step: Step): string | null {
  const alias = textAt(source, "alias") || textAt(source, "table_name");
  if (alias === "" || rowReferences(select, alias).length === 0) return null;
  const names = step.kind === "select" ? outputNames(step.select) : null;
  return names?.some((name) => name.toLowerCase() === alias.toLowerCase()) ? null : alias;
}

type Reached = { readonly kind: "reached"; readonly source: Node; readonly next: Step | null };

function wayThroughFrom(from: Node, route: Route): Reached | Exclude<Way, { kind: "found" }> {
  if (from.sample !== null && isNode(from.sample)) return blocked("TABLESAMPLE");
  switch (from.type) {
    case "BASE_TABLE":
      return wayThroughTable(from, route);
    case "SUBQUERY":
      return reach(from, wayTo(must(subqueryOf(from), "a subquery has a query"), route));
    case "JOIN":
      return wayThroughJoin(from, route);
    case "PIVOT":
      return blocked("PIVOT");
    default:
      return blocked(`it is read by ${textAt(from, "type").toLowerCase().replaceAll("_", " ")}`);
  }
}

function wayThroughTable(table: Node, route: Route): Reached | Exclude<Way, { kind: "found" }> {
  if (route.isDriver(table)) return { kind: "reached", source: table, next: null };
  const cte = route.cteOf(table);
  return cte === null ? { kind: "absent" } : reach(table, wayTo(cte, route));
}

function reach(source: Node, way: Way): Reached | Exclude<Way, { kind: "found" }> {
  return way.kind === "found" ? { kind: "reached", source, next: way.step } : way;
}

function wayThroughJoin(join: Node, route: Route): Reached | Exclude<Way, { kind: "found" }> {
  const left = must(nodeAt(join, "left"), "a join has a left side");
  const right = must(nodeAt(join, "right"), "a join has a right side");
  const isLeft = mentions(left, route) > 0;
  const isRight = mentions(right, route) > 0;
  if (isLeft && isRight) return blocked("it is read more than once");
  if (!isLeft && !isRight) return blocked("it is read by a subquery in a join condition");
  const type = textAt(join, "join_type");
  const kind = textAt(join, "ref_type");
  if (kind === "POSITIONAL") return blocked("a positional join");
  const preserved: Readonly<Record<string, boolean>> = {
    INNER: kind !== "ASOF" || isLeft,
    LEFT: isLeft,
    RIGHT: isRight && kind !== "ASOF",
    SEMI: isLeft,
    ANTI: isLeft,
  };
  if (preserved[type] === true) return wayThroughFrom(isLeft ? left : right, route);
  if (type === "FULL" || type === "OUTER") return blocked("a full outer join");
  return blocked(
    type === "SEMI" || type === "ANTI" || kind === "ASOF"
      ? `it stands on the right of ${kind === "ASOF" ? "an asof" : `a ${type.toLowerCase()}`} join`
      : "it stands on the side of an outer join that may be NULL",
  );
}

function wayThroughSet(query: Node, route: Route): Way {
  const type = textAt(query, "setop_type");
  if (type === "EXCEPT" || type === "INTERSECT") return blocked(type);
  if (query.setop_all !== true) return blocked("UNION without ALL");
  const modifier = modifierBlocks(query);
  if (modifier !== null) return blocked(modifier);
  const left = wayTo(must(nodeAt(query, "left"), "a union has a left side"), route);
  const right = wayTo(must(nodeAt(query, "right"), "a union has a right side"), route);
  if (left.kind === "blocked") return left;
  if (right.kind === "blocked") return right;
  if (left.kind === "found" && right.kind === "found") {
    return { kind: "found", step: { kind: "union", left: left.step, right: right.step } };
  }
  return blocked("a branch of UNION ALL does not read it, so its rows would be added at every run");
}

function selectBlocks(select: Node, facts: FunctionFacts): string | null {
  const modifier = modifierBlocks(select);
  if (modifier !== null) return modifier;
  if (listAt(select, "group_sets").length > 0 || listAt(select, "group_expressions").length > 0) {
    return "GROUP BY";
  }
  if (textAt(select, "aggregate_handling") === "FORCE_AGGREGATES") return "GROUP BY";
  if (isNode(select.having)) return "HAVING";
  if (isNode(select.qualify)) return "QUALIFY";
  if (isNode(select.sample)) return "USING SAMPLE";
  const [window] = windowsIn(select);
  if (window !== undefined) return `the window function ${textAt(window, "function_name")}()`;
  const [aggregate] = aggregatesIn(select, facts);
  if (aggregate !== undefined) return `the aggregate ${aggregate.replace("count_star", "count")}()`;
  return starBlocks(select);
}

/** Stars that pick by pattern, and whole rows as a value, would pick up the provenance columns too. */
export function starBlocks(select: Node): string | null {
  let found: string | null = null;
  visitNodes(expressionsOf(select), (node) => {
    if ("cte_map" in node) return false;
    if (node.class === "STAR" && isNode(node.expr)) found = "COLUMNS with a pattern";
    return true;
  });
  return found;
}

/** What of ORDER BY, LIMIT and DISTINCT makes rows of a query depend on others; null: nothing. */
export function modifierBlocks(query: Node): string | null {
  for (const modifier of nodesAt(query, "modifiers")) {
    const type = textAt(modifier, "type");
    if (type === "DISTINCT_MODIFIER") return "DISTINCT";
    if (type === "LIMIT_MODIFIER" || type === "LIMIT_PERCENT_MODIFIER") {
      return isNode(modifier.limit) ? "LIMIT" : "OFFSET";
    }
  }
  return null;
}

/** How often the driver is read by a part of the tree, through the CTEs that it names. */
export function mentions(tree: Tree, route: Route): number {
  if (Array.isArray(tree))
    return tree.reduce((sum: number, item) => sum + mentions(item, route), 0);
  if (!isNode(tree)) return 0;
  let count = 0;
  if (tree.type === "BASE_TABLE") {
    const cte = route.cteOf(tree);
    if (route.isDriver(tree)) count++;
    else if (cte !== null) count += mentionsOfCte(cte, route);
  }
  for (const [key, value] of Object.entries(tree)) {
    if (key !== "cte_map") count += mentions(value, route);
  }
  return count;
}

function mentionsOfCte(cte: Node, route: Route): number {
  const known = route.countByCte.get(cte);
  if (known !== undefined) return known;
  // A recursive CTE names itself: while it is counted, that mention counts for nothing.
  route.countByCte.set(cte, 0);
  const count = mentions(cte, route);
  route.countByCte.set(cte, count);
  return count;
}

function blocked(reason: string): { readonly kind: "blocked"; readonly reason: string } {
  return { kind: "blocked", reason };
}
