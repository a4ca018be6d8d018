/** Names of output columns that have none of their own: as DuckDB makes them of the expression as it was written. */

import type { DuckDB } from "../duckdb/duckdb.ts";
import {
  cloneTree,
  type Node,
  nodesAt,
  parseSelect,
  printStatement,
  type Tree,
  textAt,
  visitNodes,
} from "./ast.ts";

/**
 * Gives every unnamed output of a query below `tree` that `changes` its name, before the tree is changed: a column
 * is named after what was written, not after run times and files.
 */
export async function nameOutputs(
  db: DuckDB,
  tree: Tree,
  changes: (item: Node) => boolean,
): Promise<void> {
  const unnamed: Node[] = [];
  visitNodes(tree, (node) => {
    for (const item of nodesAt(node, "select_list")) {
      if (textAt(item, "alias") === "" && item.class !== "STAR" && changes(item)) {
        unnamed.push(item);
      }
    }
    return true;
  });
  const names: string[] = [];
  for (const item of unnamed) {
    const statement = await parseSelect(db, "SELECT 1");
    statement.query.select_list = [cloneTree(item)];
    names.push((await printStatement(db, statement)).slice("SELECT ".length));
  }
  for (const [index, item] of unnamed.entries()) item.alias = names[index] ?? "";
}
