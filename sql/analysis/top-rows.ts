/**
 * Queries that keep the first rows of each partition: those of some rows and of others give those of all, from what
 * both keep and what they are ordered by alone.
 */

import type { FunctionFacts } from "../duckdb/functions.ts";
import {
  ctesOf,
  isNode,
  isQuery,
  listAt,
  type Node,
  nodeAt,
  nodesAt,
  subqueryOf,
  type Tree,
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
  /** The SELECT whose rows are ranked. */
  readonly ranked: Node;
  /** Makes the query give all of its rows, in place. */
  loosen(): void;
}

const RANKS = ["row_number", "rank", "dense_rank"] as const;
const MOST_MAX = 1_000_000;

/**
 * What a query keeps, where its QUALIFY, or its WHERE over a query that numbers its rows, keeps first rows, and its
 * columns say which; null for any other.
 */
export function topRowsOf(query: Node, facts: FunctionFacts): TopRows | null {
  if (!isPlainSelect(query, facts)) return null;
  const numbered = numberedIn(query, facts);
  const found = numbered ?? (isNode(query.qualify) ? qualifiedIn(query) : null);
  if (found === null) return null;
  const { ranked, window, most } = found;
  const rank = RANKS.find((name) => name === textAt(window, "function_name").toLowerCase());
  const isPlain = !isNode(window.filter_expr) && listAt(window, "arg_orders").length === 0;
  if (rank === undefined || !isPlain || listAt(window, "children").length > 0) return null;
  const nameOf = (expression: Node | null): string | null => {
    const name = expression === null ? null : nameOfOutput(ranked, expression);
    return name === null || ranked === query ? name : passedOn(query, name);
  };
  const partition = nodesAt(window, "partitions").map(nameOf);
  const orders = nodesAt(window, "orders").map((order) => {
    const [how, name] = [howOrdered(order), nameOf(nodeAt(order, "expression"))];
    return name === null || how === null ? null : { name, how };
  });
  if (partition.length === 0 || orders.length === 0) return null;
  const names = partition.filter((name) => name !== null);
  const by = orders.filter((order) => order !== null);
  const isWhole = names.length === partition.length && by.length === orders.length;
  return isWhole
    ? { partition: names, orders: by, rank, most, ranked, loosen: found.loosen }
    : null;
}

interface Ranked {
  readonly ranked: Node;
  readonly window: Node;
  readonly most: number;
  readonly loosen: () => void;
}

/** A SELECT of rows, each of one row of its FROM. */
function isPlainSelect(query: Node, facts: FunctionFacts): boolean {
  const isGrouped =
    listAt(query, "group_expressions").length > 0 ||
    textAt(query, "aggregate_handling") === "FORCE_AGGREGATES";
  return (
    query.type === "SELECT_NODE" &&
    !isGrouped &&
    !isNode(query.having) &&
    !isNode(query.sample) &&
    nodesAt(query, "modifiers").every(({ type }) => type === "ORDER_MODIFIER") &&
    aggregatesIn(query, facts).length === 0 &&
    !makesRows(query)
  );
}

/** `QUALIFY row_number() OVER (…) <= N`. */
function qualifiedIn(query: Node): Ranked | null {
  const qualify = nodeAt(query, "qualify");
  const [window, most] = [nodeAt(qualify, "left"), mostOf(qualify)];
  const windows = windowsIn(query);
  if (window === null || windows.length !== 1 || window !== windows[0] || most === null)
    return null;
  const loosen = (): void => {
    query.qualify = null;
    query.modifiers = [];
  };
  return { ranked: query, window, most, loosen };
}

/** `SELECT … FROM (SELECT …, row_number() OVER (…) AS n FROM …) WHERE n <= N`, or of a CTE. */
function numberedIn(query: Node, facts: FunctionFacts): Ranked | null {
  const from = nodeAt(query, "from_table");
  const condition = nodeAt(query, "where_clause");
  const [asked, most] = [nodeAt(condition, "left"), mostOf(condition)];
  const ranked = from === null ? null : queryOf(query, from);
  if (from === null || ranked === null || most === null || asked?.class !== "COLUMN_REF")
    return null;
  if (isNode(query.qualify) || isNode(ranked.qualify) || windowsIn(query).length > 0) return null;
  if (!isPlainSelect(ranked, facts) || nodesAt(ranked, "modifiers").length > 0) return null;
  const windows = windowsIn(ranked);
  const [window] = windows;
  const items = nodesAt(ranked, "select_list");
  const name = textsAt(asked, "column_names").at(-1)?.toLowerCase() ?? "";
  const called = items.filter((item) => outputName(item).toLowerCase() === name);
  if (window === undefined || windows.length !== 1 || called.length !== 1) return null;
  if (called[0] !== window || name === "" || items.length < 2) return null;
  if (tellsMore(query, name, aliasOf(from))) return null;
  const loosen = (): void => {
    ranked.select_list = items.filter((item) => item !== window);
    query.where_clause = null;
    query.modifiers = [];
    for (const star of nodesAt(query, "select_list")) {
      if (star.class !== "STAR") continue;
      star.exclude_list = listAt(star, "exclude_list").filter((one) => !isName(one, name));
    }
  };
  return { ranked, window, most, loosen };
}

/** The query of a subquery, or of a CTE that nothing renames; null for any other reference. */
function queryOf(query: Node, from: Node): Node | null {
  if (textsAt(from, "column_name_alias").length > 0 || isNode(from.sample)) return null;
  if (from.type === "SUBQUERY") return subqueryOf(from);
  if (from.type !== "BASE_TABLE" || textAt(from, "schema_name") !== "") return null;
  const named = ctesOf(query).filter(({ name }) => isName(name, textAt(from, "table_name")));
  const [cte] = named;
  return cte === undefined || textsAt(cte.info, "aliases").length > 0 ? null : cte.query;
}

function aliasOf(from: Node | null): string {
  return textAt(from, "alias") || textAt(from, "table_name");
}

function isName(one: Tree, other: string): boolean {
  return typeof one === "string" && one.toLowerCase() === other.toLowerCase();
}

/** Whether the output of a query over numbered rows tells their numbers, or may. */
function tellsMore(query: Node, number: string, alias: string): boolean {
  let isTold = false;
  for (const item of nodesAt(query, "select_list")) {
    if (item.class === "STAR") {
      const isLeftOut = listAt(item, "exclude_list").some((one) => isName(one, number));
      const others = ["replace_list", "rename_list", "qualified_exclude_list"];
      const isOther = others.some((part) => JSON.stringify(item[part] ?? null).length > 4);
      isTold ||= !isLeftOut || isOther || isNode(item.expr);
      continue;
    }
    visitNodes(item, (node) => {
      const names = textsAt(node, "column_names");
      isTold ||= isQuery(node) || node.class === "STAR" || isName(names.at(-1) ?? "", number);
      // The row as a whole.
      isTold ||= names.length === 1 && isName(names[0] ?? "", alias);
      return !isTold;
    });
  }
  return isTold;
}

/** What an output column of the query in its FROM is called in the output of a query; null where it is not there. */
function passedOn(query: Node, name: string): string | null {
  const items = nodesAt(query, "select_list");
  const alias = aliasOf(nodeAt(query, "from_table"));
  const [own] = items.filter((item) => {
    const names = textsAt(item, "column_names");
    const isOwn = names.length === 1 || (names.length === 2 && isName(names[0] ?? "", alias));
    return isOwn && isName(names.at(-1) ?? "", name);
  });
  const isStarred = items.some(
    (item) =>
      item.class === "STAR" && !listAt(item, "exclude_list").some((one) => isName(one, name)),
  );
  const called = own === undefined ? (isStarred ? name : "") : outputName(own);
  const same = items.filter((item) => isName(outputName(item), called));
  return called === "" || same.length > (own === undefined ? 0 : 1) ? null : called;
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
