/**
 * How a change of one table is followed to the rows that a query makes of it: by columns of the output whose values
 * are those of expressions over a FROM that the table's rows come into. All rows of a value depend on the FROM's rows
 * of that value and on no others, so those of the values that a change touches can be computed again by themselves:
 * groups, windows over partitions, DISTINCT, sets.
 */

import type { FunctionFacts } from "../duckdb/functions.ts";
import {
  columnRef,
  isNode,
  isQuery,
  listAt,
  type Node,
  nodeAt,
  nodesAt,
  subqueryOf,
  textAt,
  textsAt,
  visitNodes,
} from "../syntax/ast.ts";
import { outputName, placedOutputs, writtenOutputs } from "./row-keys.ts";
import { aggregatesIn, mentions, type Route, starBlocks, windowsIn } from "./shape.ts";
import { canonical } from "./ties.ts";

/** What on the way keeps rows of others, or loses some, by what the table has. */
export type Turn =
  /** `match`: rows of the other side that match stay or go; `pad`: those that match nothing have NULLs in its place. */
  | { readonly kind: "match" | "pad"; readonly join: Node }
  /** A condition of a WHERE that is EXISTS or IN of a subquery, or its negation. */
  | { readonly kind: "ask"; readonly condition: Node; readonly subquery: Node };

/** The way of a table's rows to the output. */
export interface KeyedWay {
  /** The SELECT whose FROM the changed rows come into, one for one. */
  readonly select: Node;
  /** Queries around it, the outermost first. */
  readonly around: readonly Node[];
  /** Expressions over the FROM of `select`, by the names of output columns in lower case. */
  readonly keys: ReadonlyMap<string, Node>;
  readonly turns: readonly Turn[];
  /** Each row of the FROM makes rows of its own: `select` is the outermost query. */
  readonly isFree: boolean;
  /** Other rows come in beside those of `select`, by a set operation. */
  readonly isOneOfMany: boolean;
}

export type Followed =
  | { readonly kind: "found"; readonly way: KeyedWay }
  | { readonly kind: "blocked"; readonly reason: string }
  | { readonly kind: "absent" };

/** The way of a table to the output of a query, or why no columns say what a change of it touches. */
export function keyedWay(query: Node, route: Route): Followed {
  const part = partOf(query, route);
  if (part.kind !== "found") return part;
  // Values that are equal under a collation differ as they are stored.
  if (collates(query)) return blocked("COLLATE");
  const keys = new Map<string, Node>();
  for (const name of candidates(query, part)) {
    const lower = name.toLowerCase();
    const expression = part.resolve(lower);
    if (expression !== null && namesColumn(expression)) keys.set(lower, expression);
  }
  const { select, around, turns, isFree, isOneOfMany } = part;
  return { kind: "found", way: { select, around, keys, turns, isFree, isOneOfMany } };
}

/** Every way to be there or not is asked for by itself. */
const PADS_MAX = 3;

interface Part extends Omit<KeyedWay, "keys"> {
  readonly kind: "found";
  /** An output column, by its name in lower case, as an expression over the FROM of `select`; null: it is none. */
  resolve(name: string): Node | null;
}

type Found = Part | Exclude<Followed, { kind: "found" }>;

function partOf(query: Node, route: Route): Found {
  const count = mentions(query, route);
  if (count === 0) return { kind: "absent" };
  if (count > 1) return blocked("it is read more than once");
  if (hasLimit(query)) return blocked("LIMIT");
  if (query.type === "SET_OPERATION_NODE") return partOfSet(query, route);
  if (query.type !== "SELECT_NODE") return blocked("a recursive CTE");
  return partOfSelect(query, route);
}

function partOfSet(query: Node, route: Route): Found {
  const [left, right] = [nodeAt(query, "left"), nodeAt(query, "right")];
  if (left === null || right === null) return blocked("a set of more than two queries");
  const own = mentions(left, route) > 0 ? left : right;
  const part = partOf(own, route);
  if (part.kind !== "found") return part;
  const around = [query, ...part.around];
  const ofMany = { ...part, around, isFree: false, isOneOfMany: true } as const;
  if (textAt(query, "setop_type") === "UNION_BY_NAME") return ofMany;
  // Columns of other sets go by their places.
  const [names, ownNames] = [placedOutputs(query), placedOutputs(own)];
  const resolve = (name: string): Node | null => {
    const place = names?.findIndex((one) => one.toLowerCase() === name) ?? -1;
    const inOwn = ownNames?.[place] ?? "";
    return place < 0 || inOwn === "" ? null : part.resolve(inOwn.toLowerCase());
  };
  return { ...ofMany, resolve };
}

function partOfSelect(select: Node, route: Route): Found {
  if (isNode(select.sample)) return blocked("USING SAMPLE");
  const star = starBlocks(select);
  if (star !== null) return blocked(star);
  const limits = limitsOf(select, route.facts);
  if (limits.kind === "blocked") return limits;
  const from = nodeAt(select, "from_table");
  if (from === null || mentions(from, route) === 0) return partOfAsked(select, limits, route);
  const reached = sourceIn(from, route, []);
  if (reached.kind !== "reached") return reached;
  const { source, part, turns, joins } = reached;
  if (part === null || part.isFree) {
    const resolve = (name: string): Node | null =>
      outputOf(select, name, limits, (expression) => plainOf(select, expression, route.facts));
    const all = [...turns, ...(part?.turns ?? [])];
    if (all.filter(({ kind }) => kind === "pad").length > PADS_MAX) {
      return blocked("it stands on the sides of many joins that may be NULL");
    }
    return begun(select, resolve, all, limits.isFree);
  }
  const alias = (textAt(source, "alias") || textAt(source, "table_name")).toLowerCase();
  const cte = route.cteOf(source);
  const isRenamed =
    textsAt(source, "column_name_alias").length > 0 || (cte !== null && route.isRenamed(cte));
  // Where rows of others stay without it, its own columns may be NULL, and those that they are joined by are not.
  const isMissed = turns.length > 0;
  const scope: Scope = { alias, part, isMissed, same: samesIn(joins, alias) };
  const resolve = (name: string): Node | null => {
    if (isRenamed) return null;
    return outputOf(select, name, limits, (expression) => {
      const plain = plainOf(select, expression, route.facts);
      return plain === null ? null : substituted(plain, scope);
    });
  };
  const isOneOfMany = part.isOneOfMany || isMissed;
  return { ...part, around: [select, ...part.around], isFree: false, isOneOfMany, resolve };
}

/** A table that a condition of the WHERE asks: rows of the FROM that what changed in it answers come or go. */
function partOfAsked(select: Node, limits: Limits, route: Route): Found {
  const isIn = "it is read by a subquery in an expression";
  const condition = conjuncts(nodeAt(select, "where_clause")).find(
    (one) => mentions(one, route) > 0,
  );
  const [negated] = condition?.type === "OPERATOR_NOT" ? nodesAt(condition, "children") : [];
  const subquery = negated ?? condition;
  if (condition === undefined || subquery?.class !== "SUBQUERY") return blocked(isIn);
  const isIt =
    subquery.subquery_type === "EXISTS" ||
    // NOT IN is true of nothing once a NULL is there.
    (subquery.comparison_type === "COMPARE_EQUAL" && negated === undefined);
  const query = subqueryOf(subquery);
  if (!isIt || query === null || mentions(query, route) === 0) return blocked(isIn);
  const part = partOf(query, route);
  if (part.kind !== "found") return part;
  if (!part.isFree || part.turns.length > 0) return blocked(isIn);
  const resolve = (name: string): Node | null =>
    outputOf(select, name, limits, (expression) => plainOf(select, expression, route.facts));
  return begun(select, resolve, [{ kind: "ask", condition, subquery }], limits.isFree);
}

/** Conditions that must all hold. */
function conjuncts(condition: Node | null): Node[] {
  if (condition === null) return [];
  if (condition.type !== "CONJUNCTION_AND") return [condition];
  return nodesAt(condition, "children").flatMap(conjuncts);
}

/** What names in a SELECT over a query with groups mean. */
interface Scope {
  readonly alias: string;
  readonly part: Part;
  /** Its own columns may be NULL. */
  readonly isMissed: boolean;
  /** Columns of other tables, as they are written, that equal one of its own in every row. */
  readonly same: ReadonlyMap<string, string>;
}

/** Columns that joins make equal to those of one of their sides. */
function samesIn(joins: readonly Node[], alias: string): ReadonlyMap<string, string> {
  const same = new Map<string, string>();
  for (const join of joins) {
    for (const name of textsAt(join, "using_columns"))
      same.set(name.toLowerCase(), name.toLowerCase());
    for (const [a, b] of equalities(nodeAt(join, "condition"))) {
      const [left, right] = [namesOf(a), namesOf(b)];
      if (left[0] === alias && left.length === 2 && right[0] !== alias) {
        same.set(right.join("."), left[1] ?? "");
      }
      if (right[0] === alias && right.length === 2 && left[0] !== alias) {
        same.set(left.join("."), right[1] ?? "");
      }
    }
  }
  return same;
}

/** Pairs of columns of which a condition says that they are equal. */
function equalities(condition: Node | null): (readonly [Node, Node])[] {
  if (condition === null) return [];
  if (condition.type === "CONJUNCTION_AND")
    return nodesAt(condition, "children").flatMap(equalities);
  const [left, right] = [nodeAt(condition, "left"), nodeAt(condition, "right")];
  const isPair =
    condition.type === "COMPARE_EQUAL" &&
    left?.class === "COLUMN_REF" &&
    right?.class === "COLUMN_REF";
  return isPair ? [[left, right]] : [];
}

function namesOf(column: Node): string[] {
  return textsAt(column, "column_names").map((name) => name.toLowerCase());
}

function begun(
  select: Node,
  resolve: (name: string) => Node | null,
  turns: readonly Turn[],
  isFree: boolean,
): Part {
  return { kind: "found", select, around: [], turns, isFree, isOneOfMany: false, resolve };
}

type Reached = {
  readonly kind: "reached";
  readonly source: Node;
  readonly part: Part | null;
  readonly turns: readonly Turn[];
  /** Those on the way whose condition holds for all rows that it is in. */
  readonly joins: readonly Node[];
};

function sourceIn(
  from: Node,
  route: Route,
  turns: readonly Turn[],
  joins: readonly Node[] = [],
): Reached | Exclude<Followed, { kind: "found" }> {
  if (isNode(from.sample)) return blocked("TABLESAMPLE");
  const down = (query: Node | null): ReturnType<typeof sourceIn> => {
    if (query === null) return { kind: "absent" };
    const part = partOf(query, route);
    return part.kind === "found" ? { kind: "reached", source: from, part, turns, joins } : part;
  };
  switch (from.type) {
    case "BASE_TABLE":
      if (route.isDriver(from)) return { kind: "reached", source: from, part: null, turns, joins };
      return down(route.cteOf(from));
    case "SUBQUERY":
      return down(subqueryOf(from));
    case "JOIN":
      return sourceInJoin(from, route, turns, joins);
    default:
      return blocked(`it is read by ${textAt(from, "type").toLowerCase().replaceAll("_", " ")}`);
  }
}

/** Joins by which a table's rows come into the FROM, each of them one for one or not at all. */
function sourceInJoin(
  join: Node,
  route: Route,
  turns: readonly Turn[],
  joins: readonly Node[],
): ReturnType<typeof sourceIn> {
  const [left, right] = [nodeAt(join, "left"), nodeAt(join, "right")];
  if (left === null || right === null) return blocked("a join without two sides");
  const isLeft = mentions(left, route) > 0;
  if (!isLeft && mentions(right, route) === 0) {
    return blocked("it is read by a subquery in a join condition");
  }
  const type = textAt(join, "join_type");
  const kind = textAt(join, "ref_type");
  if (kind === "POSITIONAL") return blocked("a positional join");
  const side = isLeft ? left : right;
  const isKept = isLeft
    ? ["INNER", "LEFT", "SEMI", "ANTI"].includes(type)
    : kind !== "ASOF" && ["INNER", "RIGHT"].includes(type);
  const held = type === "INNER" && kind !== "ASOF" ? [...joins, join] : joins;
  if (isKept) return sourceIn(side, route, turns, held);
  if (!isLeft && kind !== "ASOF" && (type === "SEMI" || type === "ANTI")) {
    return sourceIn(side, route, [...turns, { join, kind: "match" }], [...joins, join]);
  }
  if (!isLeft && kind !== "ASOF" && type === "LEFT" && right.type !== "JOIN") {
    return sourceIn(side, route, [...turns, { join, kind: "pad" }], [...joins, join]);
  }
  if (type === "FULL" || type === "OUTER") return blocked("a full outer join");
  return blocked(
    kind === "ASOF"
      ? "it stands on the right of an asof join"
      : "it stands on the side of an outer join that may be NULL",
  );
}

interface Limits {
  readonly kind: "limits";
  /** No row depends on another. */
  readonly isFree: boolean;
  /** Whether all rows that an output row depends on have its value of an item of the select list. */
  holds(item: Node): boolean;
}

/** What a SELECT asks of a column by which its rows can be told apart into those that depend on each other. */
function limitsOf(
  select: Node,
  facts: FunctionFacts,
): Limits | { kind: "blocked"; reason: string } {
  const windows = windowsIn(select);
  const groups = listAt(select, "group_expressions");
  const isGrouped =
    groups.length > 0 ||
    textAt(select, "aggregate_handling") === "FORCE_AGGREGATES" ||
    listAt(select, "group_sets").length > 0;
  // One row of all.
  const isOne = !isGrouped && (aggregatesIn(select, facts).length > 0 || isNode(select.having));
  if (listAt(select, "group_sets").length > 1) return blocked("GROUPING SETS");
  const ons = nodesAt(select, "modifiers")
    .filter((modifier) => modifier.type === "DISTINCT_MODIFIER")
    .map((modifier) => nodesAt(modifier, "distinct_on_targets"));
  const isAmong = (item: Node, others: readonly Node[]): boolean =>
    others.some((other) => isSame(select, item, other));
  return {
    kind: "limits",
    isFree: !isGrouped && !isOne && windows.length === 0 && ons.length === 0,
    // What is selected beside aggregates is the same in all rows of a group.
    holds: (item) =>
      !isOne &&
      windows.every((window) => isAmong(item, nodesAt(window, "partitions"))) &&
      ons.every((targets) => targets.length === 0 || isAmong(item, targets)),
  };
}

/** The item of an output column, as `translate` has it; null where there is none, or where its value is not enough. */
function outputOf(
  select: Node,
  name: string,
  limits: Limits,
  translate: (expression: Node) => Node | null,
): Node | null {
  const items = nodesAt(select, "select_list");
  const own = items.filter((item) => outputName(item).toLowerCase() === name);
  if (own.length > 1) return null;
  const [item] = own;
  if (item !== undefined) return limits.holds(item) ? translate(item) : null;
  const stars = items.filter((one) => one.class === "STAR" && givesColumn(one, name));
  const [star] = stars;
  if (stars.length !== 1 || star === undefined) return null;
  const relation = textAt(star, "relation_name");
  const column = columnRef(relation === "" ? [name] : [relation, name]);
  return limits.holds(column) ? translate(column) : null;
}

function givesColumn(star: Node, name: string): boolean {
  const text = JSON.stringify([
    star.exclude_list ?? null,
    star.qualified_exclude_list ?? null,
    star.replace_list ?? null,
    star.rename_list ?? null,
  ]).toLowerCase();
  return !isNode(star.expr) && !text.includes(JSON.stringify(name));
}

/** An expression that is a function of one row of its FROM; null for any other. */
function plainOf(select: Node, expression: Node, facts: FunctionFacts): Node | null {
  const aliases = new Set(
    nodesAt(select, "select_list")
      .filter((item) => textAt(item, "alias") !== "" && item !== expression)
      .map((item) => textAt(item, "alias").toLowerCase()),
  );
  let isPlain = true;
  visitNodes(expression, (node) => {
    const name = textAt(node, "function_name").toLowerCase();
    const isCall = node.class === "FUNCTION";
    const isOther =
      isQuery(node) ||
      ["SUBQUERY", "WINDOW", "LAMBDA", "STAR", "DEFAULT", "PARAMETER"].includes(
        textAt(node, "class"),
      );
    if (isOther || (isCall && (facts.aggregates.has(name) || MANY_ROWS.has(name)))) isPlain = false;
    // The name of another item may be what it is called in the FROM, or the item.
    const [first, ...rest] = textsAt(node, "column_names");
    if (rest.length === 0 && first !== undefined && aliases.has(first.toLowerCase())) {
      isPlain &&= node === expression && isPlainItem(select, first);
    }
    return isPlain;
  });
  return isPlain ? { ...expression, alias: "" } : null;
}

const MANY_ROWS: ReadonlySet<string> = new Set(["unnest", "unlist", "generate_subscripts"]);

/** Every item of that alias is the column of that name. */
function isPlainItem(select: Node, name: string): boolean {
  return nodesAt(select, "select_list")
    .filter((item) => textAt(item, "alias").toLowerCase() === name.toLowerCase())
    .every((item) => textsAt(item, "column_names").at(-1)?.toLowerCase() === name.toLowerCase());
}

/** The expression with columns of a subquery replaced by what they are; null where it names any other. */
function substituted(expression: Node, { alias, part, isMissed, same }: Scope): Node | null {
  let isWhole = true;
  const replace = (tree: Node): Node => {
    if (tree.class === "COLUMN_REF") {
      const names = namesOf(tree);
      const [last] = names.slice(-1);
      const isOwn = names.length === 1 || (names.length === 2 && names[0] === alias);
      const equal = same.get(names.join(".")) ?? null;
      const own = equal ?? (isOwn && !isMissed && last !== undefined ? last : null);
      const found = own === null ? null : part.resolve(own);
      if (found === null) isWhole = false;
      return found ?? tree;
    }
    return Object.fromEntries(
      Object.entries(tree).map(([key, value]) => [
        key,
        Array.isArray(value)
          ? value.map((item) => (isNode(item) ? replace(item) : item))
          : isNode(value) && !("rawJSON" in value)
            ? replace(value)
            : value,
      ]),
    );
  };
  const result = replace(expression);
  return isWhole ? result : null;
}

/** Names that may be those of output columns: as they are written, and behind a star those that divide its rows. */
function candidates(query: Node, part: Part): string[] {
  const named = writtenOutputs(query);
  for (const select of [part.select, ...part.around]) {
    const divides = [
      ...windowsIn(select).flatMap((window) => nodesAt(window, "partitions")),
      ...nodesAt(select, "modifiers").flatMap((one) => nodesAt(one, "distinct_on_targets")),
      ...nodesAt(select, "select_list"),
    ];
    for (const one of divides)
      named.push(textAt(one, "alias"), ...textsAt(one, "column_names").slice(-1));
  }
  return [...new Set(named.filter((name) => name !== ""))];
}

function collates(query: Node): boolean {
  let found = false;
  visitNodes(query, (node) => {
    found ||= node.class === "COLLATE";
    return !found;
  });
  return found;
}

function namesColumn(expression: Node): boolean {
  let found = false;
  visitNodes(expression, (node) => {
    found ||= node.class === "COLUMN_REF";
    return !found;
  });
  return found;
}

/** The same expression of one SELECT; of a column also where only one of the two says of which table it is. */
export function isSame(select: Node, a: Node, b: Node): boolean {
  const [namesA, namesB] = [textsAt(a, "column_names"), textsAt(b, "column_names")];
  const [short, long] = namesA.length < namesB.length ? [namesA, namesB] : [namesB, namesA];
  if (short.length !== 1 || long.length !== 2) return canonical(a) === canonical(b);
  const [table, column] = long.map((name) => name.toLowerCase());
  if (short[0]?.toLowerCase() !== column || table === undefined) return false;
  // A struct has fields of names that columns have too, and so may another output column be called.
  const isOther = nodesAt(select, "select_list").some((item) => {
    const names = textsAt(item, "column_names").map((name) => name.toLowerCase());
    const isIt =
      names.at(-1) === column && (names.length === 1 || names.join() === [table, column].join());
    return outputName(item).toLowerCase() === column && !isIt;
  });
  return !isOther && tablesIn(nodeAt(select, "from_table"))?.includes(table) === true;
}

/** Names of the tables of a FROM, in lower case; null where a column may be one of two of them. */
function tablesIn(from: Node | null): readonly string[] | null {
  if (from?.type !== "JOIN") {
    return [(textAt(from, "alias") || textAt(from, "table_name")).toLowerCase()];
  }
  if (textsAt(from, "using_columns").length > 0 || from.ref_type === "NATURAL") return null;
  const sides = [tablesIn(nodeAt(from, "left")), tablesIn(nodeAt(from, "right"))];
  return sides.some((side) => side === null) ? null : sides.flatMap((side) => side ?? []);
}

function hasLimit(query: Node): boolean {
  return nodesAt(query, "modifiers").some(({ type }) =>
    ["LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER"].includes(String(type)),
  );
}

function blocked(reason: string): { readonly kind: "blocked"; readonly reason: string } {
  return { kind: "blocked", reason };
}
