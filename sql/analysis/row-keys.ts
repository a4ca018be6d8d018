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
  const keysOf = (from: Node | null): RowKeys => {
    switch (from?.type) {
      case "EMPTY":
        return { places: [], columns: [] };
      case "JOIN":
        return keysOfJoin(from, keysOf);
      case "SUBQUERY":
        return references(from, columnsOnly(outputNames(subqueryOf(from))));
      case "BASE_TABLE": {
        const cte = cteByTable.get(from);
        if (cte === undefined) return references(from, ofTable(from));
        return references(from, columnsOnly(renamedNames(outputNames(cte), renamed.get(cte))));
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
  return columns === null ? null : { places: [], columns };
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
