/** A query by its parts, so that two versions of it can be told apart by what they say, whatever their layout. */

import type { OutlineColumn, QueryOutline } from "../../core/model/analysis.ts";
import type { FunctionFacts } from "../duckdb/functions.ts";
import {
  ctesOf,
  isNode,
  isQuery,
  type Node,
  nodeAt,
  nodesAt,
  type Tree,
  textAt,
  textsAt,
  visitNodes,
} from "../syntax/ast.ts";
import { outputName, writtenOutputs } from "./row-keys.ts";

/** Keys of a query's node, and what people call that part. */
const PARTS: Readonly<Record<string, string>> = {
  from_table: "FROM",
  where_clause: "WHERE",
  having: "HAVING",
  qualify: "QUALIFY",
  sample: "USING SAMPLE",
};
const KNOWN_KEYS = new Set([
  ...Object.keys(PARTS),
  "select_list",
  "cte_map",
  "group_expressions",
  "group_sets",
  "aggregate_handling",
  "modifiers",
]);
/** What has no word of its own. */
const OTHER_PART = "form";
/** Where a tree has names. */
const NAME_KEYS = new Set(
  (
    "column_names table_name schema_name catalog_name relation_name using_columns column_name_alias function_name " +
    "alias aliases key"
  ).split(" "),
);
const NOTHING_SPECIAL = {
  groupsAll: false,
  isGrouped: false,
  isDistinct: false,
  isLimited: false,
} as const;
/** Functions that make rows of one row. */
const ROW_MAKERS = new Set(["unnest", "unlist", "generate_subscripts"]);

/** What a query says, by parts. Functions are known by `facts`. */
export function outlineOf(query: Node, facts: FunctionFacts): QueryOutline {
  const whole = digestOf([query, writtenOutputs(query)]);
  const isSet = query.type !== "SELECT_NODE";
  if (isSet) return { whole, parts: {}, columns: null, words: [], ...NOTHING_SPECIAL };
  const items = nodesAt(query, "select_list");
  const columns = items.map((item) => columnOf(item, facts));
  const parts: Record<string, string> = {};
  for (const [key, name] of Object.entries(PARTS)) parts[name] = digestOf(query[key] ?? null);
  for (const cte of ctesOf(query)) parts[`WITH ${cte.name.toLowerCase()}`] = digestOf(cte.info);
  const groups = nodesAt(query, "group_expressions").map((one) => placed(one, columns));
  const isAll = textAt(query, "aggregate_handling") === "FORCE_AGGREGATES";
  parts["GROUP BY"] = digestOf([groups, query.group_sets ?? null, isAll]);
  for (const [name, digest] of modifierParts(query, columns)) parts[name] = digest;
  const others = Object.entries(query).filter(([key]) => !KNOWN_KEYS.has(key));
  parts[OTHER_PART] = digestOf(Object.fromEntries(others));
  const words = wordsBeside(query);
  const isGrouped = groups.length > 0 || isAll;
  const [isDistinct, isLimited] = ["DISTINCT" in parts, "LIMIT" in parts];
  return { whole, parts, columns, words, groupsAll: isAll, isGrouped, isDistinct, isLimited };
}

function columnOf(item: Node, facts: FunctionFacts): OutlineColumn {
  const name = item.class === "STAR" ? "*" : outputName(item);
  const names = textsAt(item, "column_names");
  const isPlain = item.class === "COLUMN_REF" && same(names.at(-1), name);
  const functions = new Set<string>();
  let looksElsewhere = false;
  visitNodes(item, (node) => {
    // What a subquery counts are rows of its own.
    if (isQuery(node)) looksElsewhere = true;
    else if (node.class === "FUNCTION") functions.add(textAt(node, "function_name").toLowerCase());
    return !isQuery(node);
  });
  const aggregates = [...functions].some((one) => facts.aggregates.has(one));
  const makesRows = [...functions].some((one) => ROW_MAKERS.has(one));
  const digest = digestOf({ ...item, alias: "" });
  const shape = { isPlain, aggregates, makesRows, looksElsewhere };
  return { name, digest, ...shape, words: wordsOf(item) };
}

/** DISTINCT, ORDER BY and LIMIT; the place of a column stands for what is there. */
function modifierParts(
  query: Node,
  columns: readonly OutlineColumn[],
): readonly (readonly [string, string])[] {
  return nodesAt(query, "modifiers").map((modifier) => {
    const type = textAt(modifier, "type");
    if (type === "DISTINCT_MODIFIER") return ["DISTINCT", digestOf(modifier)];
    if (type !== "ORDER_MODIFIER") return ["LIMIT", digestOf(modifier)];
    const orders = nodesAt(modifier, "orders").map((order) => {
      const by = nodeAt(order, "expression");
      return { ...order, expression: by === null ? null : placed(by, columns) };
    });
    return ["ORDER BY", digestOf(orders)];
  });
}

/** `GROUP BY 1` says the first column, and another one once something is put before it. */
function placed(expression: Node, columns: readonly OutlineColumn[]): Tree {
  if (expression.class !== "CONSTANT") return expression;
  const place = Number(nodeAt(expression, "value")?.value);
  const column = Number.isSafeInteger(place) ? columns[place - 1] : undefined;
  return column === undefined ? expression : { place: column.digest };
}

/** Words of all that is beside the select list. */
function wordsBeside(query: Node): string[] {
  const { select_list: _, ...rest } = query;
  return wordsOf(rest);
}

function wordsOf(tree: Tree): string[] {
  const words = new Set<string>();
  visitNodes(tree, (node) => {
    for (const key of NAME_KEYS) {
      const value = node[key];
      if (typeof value === "string") words.add(value.toLowerCase());
      for (const text of textsAt(node, key)) words.add(text.toLowerCase());
    }
    if (node.class === "STAR") words.add("*");
    return true;
  });
  words.delete("");
  return [...words];
}

function digestOf(tree: Tree): string {
  const text = JSON.stringify(plain(tree));
  return new Bun.CryptoHasher("sha256").update(text).digest("hex").slice(0, 32);
}

/** The tree without the places of its text. */
function plain(tree: Tree): Tree {
  if (Array.isArray(tree)) return tree.map(plain);
  if (!isNode(tree) || "rawJSON" in tree) return tree;
  const kept = Object.entries(tree).filter(([key]) => key !== "query_location");
  return Object.fromEntries(kept.map(([key, value]) => [key, plain(value)]));
}

function same(a: string | undefined, b: string): boolean {
  return a !== undefined && a.toLowerCase() === b.toLowerCase();
}
