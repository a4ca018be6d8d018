/** A table's name as a value: the row of its own columns, whatever hidden ones stand beside them. */

import {
  columnRef,
  isNode,
  isQuery,
  listAt,
  type Node,
  nodeAt,
  nodesAt,
  type Tree,
  textAt,
  textsAt,
} from "../syntax/ast.ts";

export interface RowSource {
  /** What the SELECT calls the table. */
  readonly alias: string;
  /** The columns of its row, in order. */
  readonly columns: readonly string[];
}

/** References below `select` that are the row of a table called `alias`, and no column or parameter of that name. */
export function rowReferences(select: Node, alias: string): Node[] {
  const sought = alias.toLowerCase();
  const found: Node[] = [];
  const walk = (tree: Tree): void => {
    if (Array.isArray(tree)) for (const item of tree) walk(item);
    if (!isNode(tree)) return;
    if (tree !== select && isQuery(tree) && namesSource(nodeAt(tree, "from_table"), sought)) return;
    if (tree.class === "LAMBDA" && parameters(nodeAt(tree, "lhs")).includes(sought)) return;
    const [name, ...rest] = textsAt(tree, "column_names");
    if (tree.class === "COLUMN_REF" && rest.length === 0 && name?.toLowerCase() === sought) {
      found.push(tree);
    }
    for (const [key, value] of Object.entries(tree)) {
      // What a CTE names is not of this FROM.
      if (tree !== select || key !== "cte_map") walk(value);
    }
  };
  walk(select);
  return found;
}

/** Spells the rows out, so that nothing but the columns is in them. Output columns keep their names. */
export function spellRows(select: Node, { alias, columns }: RowSource): void {
  const outputs = new Set(listAt(select, "select_list"));
  for (const node of rowReferences(select, alias)) {
    const name = textAt(node, "alias");
    const shown =
      name === "" && outputs.has(node) ? (textsAt(node, "column_names")[0] ?? "") : name;
    const children = columns.map((column) => columnRef([alias, column], column));
    for (const key of Object.keys(node)) delete node[key];
    Object.assign(node, {
      ...{ class: "FUNCTION", type: "FUNCTION", alias: shown, query_location: 0 },
      ...{ function_name: "struct_pack", schema: "", catalog: "", children, filter: null },
      ...{ order_bys: { type: "ORDER_MODIFIER", orders: [] }, distinct: false },
      ...{ is_operator: false, export_state: false },
    });
  }
}

/** Whether a FROM has a table, or a part of a join, of that name. */
function namesSource(from: Node | null, sought: string): boolean {
  if (from === null) return false;
  if (from.type === "JOIN") {
    return ["left", "right"].some((side) => namesSource(nodeAt(from, side), sought));
  }
  return (textAt(from, "alias") || textAt(from, "table_name")).toLowerCase() === sought;
}

function parameters(lhs: Node | null): string[] {
  if (lhs === null) return [];
  const own = textsAt(lhs, "column_names").slice(0, 1);
  const all = [
    ...own,
    ...nodesAt(lhs, "children").flatMap((child) => textsAt(child, "column_names")),
  ];
  return all.map((name) => name.toLowerCase());
}
