/** Whether a column that comes to an input later could be meant by a query that was written before. */

import type { ColumnUse } from "../../core/model/analysis.ts";
import { isNode, isQuery, type Node, nodesAt, type Tree, textAt, textsAt } from "../syntax/ast.ts";

/** Every word of the queries, and whether they take columns without naming them. */
export function columnUse(queries: readonly Node[]): ColumnUse {
  const words = new Set<string>();
  const aliases = new Set<string>();
  const references = new Set<string>();
  let unnamed = false;
  // A star among the outputs of a SELECT gives the columns on, each under its own name.
  const plain = new Set<Node>();
  const walk = (tree: Tree): void => {
    if (typeof tree === "string") words.add(tree.toLowerCase());
    if (Array.isArray(tree)) for (const item of tree) walk(item);
    if (!isNode(tree)) return;
    if (isQuery(tree)) for (const star of plainStars(tree)) plain.add(star);
    unnamed ||= takesUnnamed(tree, plain);
    const names = textsAt(tree, "column_names");
    if (tree.class === "COLUMN_REF" && names.length === 1) references.add(lower(names[0]));
    if ("table_name" in tree) aliases.add(lower(textAt(tree, "table_name")));
    if (!("class" in tree)) aliases.add(lower(textAt(tree, "alias")));
    for (const value of Object.values(tree)) walk(value);
  };
  for (const query of queries) walk(query);
  aliases.delete("");
  // The name of a table as a value is the row with all of its columns.
  const takesRows = [...references].some((name) => aliases.has(name));
  return { words: [...words], unnamed: unnamed || takesRows };
}

function plainStars(query: Node): Node[] {
  return nodesAt(query, "select_list").filter(
    (item) => item.class === "STAR" && item.columns !== true && !isNode(item.expr),
  );
}

function takesUnnamed(node: Node, plain: ReadonlySet<Node>): boolean {
  if (node.class === "STAR") return !plain.has(node);
  if (node.type === "JOIN") return node.ref_type === "NATURAL";
  return node.type === "PIVOT" || node.type === "SHOW_REF";
}

function lower(name: string | undefined): string {
  return (name ?? "").toLowerCase();
}
