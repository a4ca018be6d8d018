/**
 * What makes a query's result more than its input says: chance, and ties, whose rows an ORDER BY leaves equal. One
 * walk finds them for `check`, which names those that nothing can order, and for a run, which orders the others by
 * the places of their rows. DESIGN, decision 9.
 */

import type { DuckDB } from "../duckdb/duckdb.ts";
import {
  ESTIMATES,
  EXTREMES,
  type FunctionFacts,
  MACROS,
  ORDERED_AGGREGATES,
} from "../duckdb/functions.ts";
import {
  cloneTree,
  isNode,
  isQuery,
  listAt,
  type Node,
  nameOutputs,
  nodeAt,
  nodesAt,
  type Tree,
  textAt,
  visitNodes,
} from "../syntax/ast.ts";
import { type RowKeys, rowKeys } from "./row-keys.ts";
import { aggregatesIn } from "./shape.ts";

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
    if (typeof tree === "string") return tree.toLowerCase();
    if (!isNode(tree) || "rawJSON" in tree) return tree;
    const parts = Object.entries(tree).filter(
      ([key]) => key !== "query_location" && key !== "alias",
    );
    // Names have no case; values have.
    const isValue = (key: string) => key === "value" && "is_null" in tree;
    return Object.fromEntries(
      parts.map(([key, value]) => [key, isValue(key) ? value : strip(value)]),
    );
  };
  return JSON.stringify(strip(expression));
}

export interface Tie {
  /** In words, such as `first() without ORDER BY`. */
  readonly cause: string;
  /** The SELECT whose rows tie; null where it is none. */
  readonly select: Node | null;
  /** The call or query that is to be ordered. */
  readonly node: Node;
  /** Rows as a whole tie, not values of theirs that could be compared themselves. */
  readonly isOfRows: boolean;
  /** What tells the rows apart where they are groups; null where they are the rows that the SELECT reads. */
  readonly groups: RowKeys | null;
  /** Changes the tree so that `keys` decide; null where the engine offers no way. */
  readonly order: ((keys: RowKeys) => void) | null;
}

/** Window functions that follow the order of the rows, whatever their frame. */
const RANKED: ReadonlySet<string> = new Set("row_number lag lead ntile fill".split(" "));
/** Those that pick a row of their frame. */
const PICKED: ReadonlySet<string> = new Set("first_value last_value nth_value".split(" "));

/** Every tie below a query, in the order of the tree. */
export function tiesOf(query: Node, facts: FunctionFacts): Tie[] {
  const ties: Tie[] = [];
  const walk = (tree: Tree, select: Node | null): void => {
    if (Array.isArray(tree)) for (const item of tree) walk(item, select);
    if (!isNode(tree)) return;
    const own = tree.type === "SELECT_NODE" ? tree : null;
    const inner = isQuery(tree) ? own : select;
    const tie = isQuery(tree) ? limitTie(tree, facts) : callTie(tree, inner, facts);
    if (tie !== null) ties.push(tie);
    for (const value of Object.values(tree)) walk(value, inner);
  };
  walk(query, null);
  return ties;
}

/** Whether what a SELECT reads is enough to order a tie of it. */
export function canOrder(
  { select, isOfRows, groups, order }: Tie,
  keys: (select: Node) => RowKeys,
): boolean {
  if (order === null) return false;
  if (!isOfRows) return true;
  return groups === null
    ? select !== null && keys(select).columns !== null
    : groups.columns !== null;
}

/** Orders every tie that can be ordered, in place. Output columns keep the names that DuckDB gives them. */
export async function orderTies(
  db: DuckDB,
  query: Node,
  ties: readonly Tie[],
  keys: (select: Node) => RowKeys,
): Promise<void> {
  const ordered = ties.filter((tie) => canOrder(tie, keys));
  if (ordered.length === 0) return;
  const changed = new Set(ordered.map(({ node }) => node));
  await nameOutputs(db, query, (item) => holdsOneOf(item, changed));
  // The innermost first: what is put into a call is not to be put into it again.
  for (const { select, groups, order } of ordered.toReversed()) {
    order?.(groups ?? (select === null ? { places: [], columns: [] } : keys(select)));
  }
}

function holdsOneOf(item: Node, nodes: ReadonlySet<Node>): boolean {
  let found = false;
  visitNodes(item, (node) => {
    found ||= nodes.has(node);
    return !found;
  });
  return found;
}

function callTie(node: Node, select: Node | null, facts: FunctionFacts): Tie | null {
  const name = textAt(node, "function_name").toLowerCase();
  if (node.class === "FUNCTION") return aggregateTie(node, name, select);
  return node.class === "WINDOW" ? windowTie(node, name, select, facts) : null;
}

function aggregateTie(call: Node, name: string, select: Node | null): Tie | null {
  const isExtreme = EXTREMES.has(name);
  if (!isExtreme && !ORDERED_AGGREGATES.has(name)) return null;
  const orders = listAt(nodeAt(call, "order_bys"), "orders");
  if (isDecided(call, orders)) return null;
  const without = isExtreme ? `${name}(), where rows may tie` : `${name}() without ORDER BY`;
  const cause = orders.length === 0 ? without : `${name}() with an ORDER BY that may tie`;
  const order = (keys: RowKeys): void => {
    if (isExtreme && orders.length === 0 && call.distinct !== true) placeExtreme(call, keys);
    else orders.push(...valueKeys(call, keys).map(ascending));
  };
  const common = { cause, select, node: call, isOfRows: false, groups: null };
  return { ...common, order: hasNoOrder(name) ? null : order };
}

/** A frame of rows, a rank, or a pick among the rows of a frame. */
function windowTie(
  call: Node,
  name: string,
  select: Node | null,
  facts: FunctionFacts,
): Tie | null {
  const [start, end] = [textAt(call, "start"), textAt(call, "end")];
  const isByRows = start.endsWith("_ROWS") || end.endsWith("_ROWS");
  const isRanked = RANKED.has(name);
  const isExtreme = EXTREMES.has(name);
  const isPicked = PICKED.has(name) || ORDERED_AGGREGATES.has(name) || isExtreme;
  if (!isByRows && !isRanked && !isPicked) return null;
  const orders = listAt(call, "orders");
  const own = listAt(call, "arg_orders");
  if (isPicked && !isByRows && isDecided(call, own)) return null;
  const isBare = orders.length === 0 && own.length === 0;
  const cause = isBare
    ? `${name}() over a window without ORDER BY`
    : `${name}() over a window whose ORDER BY may tie`;
  const isOfRows = isByRows || isRanked;
  // A frame by the distance of values takes one value to order by.
  const isByDistance = /EXPR_\w+_RANGE/.test(`${start} ${end}`);
  if (hasNoOrder(name) || (isRanked && isByDistance)) {
    return { cause, select, node: call, isOfRows, groups: null, order: null };
  }
  const way = isByRows ? "frame" : isRanked ? "rank" : "pick";
  const order = (keys: RowKeys) => orderWindow(call, way, keys, isExtreme);
  const groups = select === null ? null : groupKeys(select, facts);
  return { cause, select, node: call, isOfRows, groups, order };
}

/** A frame of rows and a rank follow the window's order; a pick has an order of its own, or that of the window. */
function orderWindow(
  call: Node,
  way: "frame" | "rank" | "pick",
  keys: RowKeys,
  isExtreme: boolean,
): void {
  const orders = listAt(call, "orders");
  const own = listAt(call, "arg_orders");
  const rows = [...keys.places, ...(keys.columns ?? [])].map(ascending);
  if (way !== "pick") orders.push(...rows);
  if (own.length > 0) own.push(...valueKeys(call, keys).map(ascending));
  if (own.length > 0 || way !== "pick") return;
  if (isExtreme && call.distinct !== true) {
    placeExtreme(call, keys);
    return;
  }
  if (call.distinct !== true) own.push(...orders.map(cloneTree));
  own.push(...valueKeys(call, keys).map(ascending));
}

/** LIMIT and DISTINCT ON, which keep some rows of those that come. */
function limitTie(query: Node, facts: FunctionFacts): Tie | null {
  const modifiers = nodesAt(query, "modifiers");
  const ofType = (type: string) => modifiers.find((modifier) => textAt(modifier, "type") === type);
  const distinct = ofType("DISTINCT_MODIFIER") ?? null;
  const orderBy = ofType("ORDER_MODIFIER") ?? null;
  const orders = listAt(orderBy, "orders");
  const limit = ofType("LIMIT_MODIFIER") ?? ofType("LIMIT_PERCENT_MODIFIER");
  const isPick = listAt(distinct, "distinct_on_targets").length > 0;
  if (!isPick && (limit === undefined || isLimitZero(limit))) return null;
  if (orders.length > 0 && isTotal(query, orders.filter(isNode))) return null;
  const what = isPick ? "DISTINCT ON" : "LIMIT";
  const cause =
    orders.length === 0
      ? `${what} without ORDER BY`
      : `${what} with an ORDER BY that may tie: order by every output column`;
  const isSelect = query.type === "SELECT_NODE";
  const select = isSelect ? query : null;
  const unordered: Tie = {
    ...{ cause, select, node: query, isOfRows: true, groups: null },
    order: null,
  };
  if (!isSelect || (distinct !== null && !isPick) || unnests(query)) return unordered;
  const groups = nodesAt(query, "group_expressions");
  const isGrouped = groups.length > 0 || textAt(query, "aggregate_handling") === "FORCE_AGGREGATES";
  if (!isGrouped && aggregatesIn(query, facts).length > 0) return null;
  if (isGrouped && (groups.length === 0 || listAt(query, "group_sets").length > 1)) {
    return unordered;
  }
  const order = (keys: RowKeys): void => {
    const rows = [...keys.places, ...(keys.columns ?? [])];
    const added = (isGrouped ? groups.map(cloneTree) : rows).map(ascending);
    const fresh: Node = { type: "ORDER_MODIFIER", orders: added };
    if (orderBy !== null) orders.push(...added);
    else listAt(query, "modifiers").splice(distinct === null ? 0 : 1, 0, fresh);
  };
  return { cause, select, node: query, isOfRows: !isGrouped, groups: null, order };
}

/** Of a SELECT that groups: its keys, by which its rows are told apart; null for one that does not. */
function groupKeys(select: Node, facts: FunctionFacts): RowKeys | null {
  const keys = nodesAt(select, "group_expressions");
  const isForced = textAt(select, "aggregate_handling") === "FORCE_AGGREGATES";
  const isWhole = keys.length === 0 && !isForced;
  if (isWhole && aggregatesIn(select, facts).length === 0) return null;
  // GROUP BY ALL: only the catalog knows the keys. Grouping sets give rows of equal keys.
  if (isForced || listAt(select, "group_sets").length > 1) return { places: [], columns: null };
  const items = nodesAt(select, "select_list");
  const columns = keys.map((key) => {
    const ordinal = key.class === "CONSTANT" ? nodeAt(key, "value")?.value : null;
    const names = listAt(key, "column_names");
    const named = items.find((item) => names.length === 1 && textAt(item, "alias") === names[0]);
    const item = typeof ordinal === "number" ? items[ordinal - 1] : named;
    return { ...cloneTree(item ?? key), alias: "" };
  });
  return { places: [], columns };
}

/** Whether equal arguments are all that can tie: then it makes no difference which comes first. */
function isDecided(call: Node, orders: readonly Tree[]): boolean {
  const written = orders.filter(isNode).map((each) => nodeAt(each, "expression"));
  const ordered = new Set(written.filter((each) => each !== null).map(canonical));
  const values = nodesAt(call, "children").filter((child) => child.class !== "CONSTANT");
  return orders.length > 0 && values.every((child) => ordered.has(canonical(child)));
}

function hasNoOrder(name: string): boolean {
  return MACROS.has(name) || name.endsWith("_nulls_last");
}

/** What orders rows for a call that takes values of theirs: their places, then the values. */
function valueKeys(call: Node, { places }: RowKeys): Node[] {
  const values = nodesAt(call, "children").filter((child) => child.class !== "CONSTANT");
  return [...(call.distinct === true ? [] : places), ...values.map(cloneTree)];
}

/** `arg_max(v, by)` becomes `arg_max(v, row(by, place…, v))`: an ORDER BY would sort every group. */
function placeExtreme(call: Node, { places }: RowKeys): void {
  const children = listAt(call, "children");
  const [value, by] = children;
  if (!isNode(value) || !isNode(by)) return;
  const node = (kind: string, type: string): Node => ({
    ...{ class: kind, type, alias: "", query_location: 0 },
  });
  const isThere = { ...node("OPERATOR", "OPERATOR_IS_NOT_NULL"), children: [cloneTree(by)] };
  const row = {
    ...node("FUNCTION", "FUNCTION"),
    ...{ function_name: "row", schema: "", catalog: "", filter: null, distinct: false },
    ...{
      is_operator: false,
      export_state: false,
      order_bys: { type: "ORDER_MODIFIER", orders: [] },
    },
    children: [by, ...places, cloneTree(value)],
  };
  const nothing = {
    ...node("CONSTANT", "VALUE_CONSTANT"),
    value: { type: { id: "NULL", type_info: null }, is_null: true },
  };
  const checks = [{ when_expr: isThere, then_expr: row }];
  children[1] = { ...node("CASE", "CASE_EXPR"), case_checks: checks, else_expr: nothing };
}

function ascending(expression: Node): Node {
  return { type: "ORDER_DEFAULT", null_order: "ORDER_DEFAULT", expression };
}

/** Rows that come of one row tie whatever is known of that row. */
function unnests(query: Node): boolean {
  let found = false;
  visitNodes(listAt(query, "select_list"), (node) => {
    if (isQuery(node)) return false;
    found ||= textAt(node, "function_name").toLowerCase() === "unnest";
    return true;
  });
  return found;
}

/** Each cause once; empty when the result is determined, ties being ordered where they can be. */
export function nondeterminismOf(query: Node, facts: FunctionFacts): string[] {
  const causes = new Set<string>();
  visitNodes(query, (node) => {
    const cause = causeOf(node, facts);
    if (cause !== null) causes.add(cause);
    return true;
  });
  const keys = rowKeys(query, () => ({ places: [], columns: [], given: [] }));
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
