/** What tells the rows of a SELECT apart: the places and the columns of every table in its FROM. */

import {
  columnRef,
  ctesOf,
  type Node,
  nodeAt,
  nodesAt,
  subqueryOf,
  textAt,
  textsAt,
  visitNodes,
  visitTables,
} from "../syntax/ast.ts";

export interface TableKeys {
  /** Columns that order rows by where they came from; empty where that is not known. */
  readonly places: readonly string[];
  /** Columns that, after the places, tell rows apart: equal in all of them, two rows are one and the same. */
  readonly columns: readonly string[];
  /** All columns that `*` gives. */
  readonly given: readonly string[];
}

/** The same as references in a SELECT. */
export interface RowKeys {
  readonly places: readonly Node[];
  /** Null where not every column is known. */
  readonly columns: readonly Node[] | null;
}

/** For a table of the lake: how its rows are told apart; null where that is not known. */
export type KeysOfTable = (table: Node) => TableKeys | null;

/** For any SELECT below `query`: what tells its rows apart, as new references at every call. */
export function rowKeys(query: Node, ofTable: KeysOfTable): (select: Node) => RowKeys {
  const cteByTable = new Map<Node, Node>();
  visitTables(query, (table, cte) => {
    if (cte !== null) cteByTable.set(table, cte);
  });
  const renamed = renamedCtes(query);
  const given = (from: Node | null): readonly string[] | null => {
    if (from?.type === "JOIN") return givenByJoin(from, given);
    // A function in a FROM names its columns where it is called.
    if (from?.type === "TABLE_FUNCTION") return textsAt(from, "column_name_alias");
    if (from?.type === "SUBQUERY") return columnsOf(subqueryOf(from), given);
    if (from?.type !== "BASE_TABLE") return null;
    const cte = cteByTable.get(from);
    if (cte === undefined) return ofTable(from)?.given ?? null;
    return renamed.has(cte) ? null : columnsOf(cte, given);
  };
  const keysOf = (from: Node | null): RowKeys => {
    switch (from?.type) {
      case "EMPTY":
        return { places: [], columns: [] };
      case "JOIN":
        return keysOfJoin(from, keysOf);
      case "SUBQUERY":
        return references(from, columnsOnly(columnsOf(subqueryOf(from), given)));
      case "BASE_TABLE": {
        const cte = cteByTable.get(from);
        if (cte === undefined) return references(from, ofTable(from));
        return references(from, columnsOnly(renamedNames(columnsOf(cte, given), renamed.get(cte))));
      }
      default:
        return { places: [], columns: null };
    }
  };
  return (select) => keysOf(nodeAt(select, "from_table"));
}

/** New names for columns of CTEs, the first ones first, by their queries: `WITH p(a, b) AS (…)`. */
export function renamedCtes(tree: Node): ReadonlyMap<Node, readonly string[]> {
  const renamed = new Map<Node, readonly string[]>();
  visitNodes(tree, (node) => {
    for (const { query, info } of ctesOf(node)) {
      const names = textsAt(info, "aliases");
      if (names.length > 0) renamed.set(query, names);
    }
    return true;
  });
  return renamed;
}

function renamedNames(
  names: readonly string[] | null,
  others: readonly string[] = [],
): readonly string[] | null {
  return names === null ? null : [...others, ...names.slice(others.length)];
}

function keysOfJoin(join: Node, keysOf: (from: Node | null) => RowKeys): RowKeys {
  const left = keysOf(nodeAt(join, "left"));
  // The filtering side of a join adds no rows, and its columns cannot be named.
  if (join.join_type === "SEMI" || join.join_type === "ANTI") return left;
  const right = keysOf(nodeAt(join, "right"));
  const columns =
    left.columns === null || right.columns === null ? null : [...left.columns, ...right.columns];
  return { places: [...left.places, ...right.places], columns };
}

function references(source: Node, keys: TableKeys | null): RowKeys {
  // A list of new names for its columns hides those that are known.
  if (keys === null || textsAt(source, "column_name_alias").length > 0) {
    return { places: [], columns: null };
  }
  const alias = textAt(source, "alias") || textAt(source, "table_name");
  const reference = (name: string): Node => columnRef(alias === "" ? [name] : [alias, name]);
  return { places: keys.places.map(reference), columns: keys.columns.map(reference) };
}

function columnsOnly(columns: readonly string[] | null): TableKeys | null {
  return columns === null ? null : { places: [], columns, given: columns };
}

type Given = (from: Node | null) => readonly string[] | null;

/** Names of a query's output columns, those that a plain star gives included; null where one is not known. */
function columnsOf(query: Node | null, given: Given): readonly string[] | null {
  const named = outputNames(query);
  if (named !== null || query?.type !== "SELECT_NODE") return named;
  const items = nodesAt(query, "select_list");
  const names: string[] = [];
  for (const item of items) {
    if (item.class !== "STAR") {
      names.push(outputName(item));
      continue;
    }
    const starred = isPlainStar(item) ? given(nodeAt(query, "from_table")) : null;
    if (starred === null) return null;
    const left = new Set(textsAt(item, "exclude_list").map((name) => name.toLowerCase()));
    names.push(...starred.filter((name) => !left.has(name.toLowerCase())));
  }
  const isUnique = new Set(names.map((name) => name.toLowerCase())).size === names.length;
  return isUnique && names.every((name) => name !== "") ? names : null;
}

/** `*`, or `* EXCLUDE (…)` of plain names. */
function isPlainStar(star: Node): boolean {
  const isOther = (key: string): boolean => JSON.stringify(star[key] ?? null).length > 4;
  const others = ["expr", "replace_list", "rename_list", "qualified_exclude_list"];
  return textAt(star, "relation_name") === "" && !others.some(isOther);
}

function givenByJoin(join: Node, given: Given): readonly string[] | null {
  const [left, right] = [given(nodeAt(join, "left")), given(nodeAt(join, "right"))];
  if (join.join_type === "SEMI" || join.join_type === "ANTI") return left;
  const isMerged = textsAt(join, "using_columns").length > 0 || join.ref_type === "NATURAL";
  return left === null || right === null || isMerged ? null : [...left, ...right];
}

/** Names of a query's output columns; null where one is not written out, or is there twice. */
export function outputNames(query: Node | null): string[] | null {
  if (query?.type === "SET_OPERATION_NODE") return outputNames(nodeAt(query, "left"));
  if (query?.type !== "SELECT_NODE") return null;
  const names = nodesAt(query, "select_list").map(outputName);
  const isNamed = names.length > 0 && names.every((name) => name !== "");
  const isUnique = new Set(names.map((name) => name.toLowerCase())).size === names.length;
  return isNamed && isUnique ? names : null;
}

/** Names of output columns by their places, empty for those without one; null where a star hides the places. */
export function placedOutputs(query: Node): string[] | null {
  if (query.type === "SET_OPERATION_NODE") {
    const left = nodeAt(query, "left");
    return left === null ? null : placedOutputs(left);
  }
  const items = nodesAt(query, "select_list");
  const isPlaced = items.length > 0 && items.every((item) => item.class !== "STAR");
  return isPlaced ? items.map(outputName) : null;
}

/** Names of output columns that the select list writes out; those of a set are the names of its first query. */
export function writtenOutputs(query: Node): string[] {
  if (query.type === "SET_OPERATION_NODE") {
    const left = nodeAt(query, "left");
    return left === null ? [] : writtenOutputs(left);
  }
  return nodesAt(query, "select_list")
    .map(outputName)
    .filter((name) => name !== "");
}

/** Empty for a star, and for an expression without a name. */
export function outputName(item: Node): string {
  if (item.class === "STAR") return "";
  const alias = textAt(item, "alias");
  if (alias !== "" || item.class !== "COLUMN_REF") return alias;
  return textsAt(item, "column_names").at(-1) ?? "";
}
