/** What a query reads and depends on through the views that are put in its place. */

import type { TableRef } from "../engine.ts";
import { VIEW_DEPTH_MAX } from "../limits.ts";
import type { TableName } from "../table/types.ts";
import { momentIn } from "../table/version-ref.ts";
import type { ModelNode } from "./node.ts";
import type { Names } from "./pins.ts";

/** The views that a model reads, through others too. */
export function viewsOf(names: Names, node: ModelNode): ModelNode[] {
  const found = new Map<TableName, ModelNode>();
  const visit = (refs: readonly TableRef[]): void => {
    for (const ref of refs) {
      const name = names.tableOf(ref);
      const view = names.view(name);
      if (view === null || found.has(name)) continue;
      found.set(name, view);
      visit(view.analysis.tables);
    }
  };
  visit(node.analysis.tables);
  return [...found.values()];
}

/** How often a query reads a table, through views too; counted to 2. */
export function timesRead(
  names: Names,
  refs: readonly TableRef[],
  table: TableName,
  depth = 0,
): number {
  let times = 0;
  for (const ref of refs) {
    if (times > 1 || depth > VIEW_DEPTH_MAX) return times;
    // As of another moment it is another table.
    if (momentIn(ref) !== null) continue;
    const name = names.tableOf(ref);
    const view = names.view(name);
    if (name === table) times += 1;
    else if (view !== null) times += timesRead(names, view.analysis.tables, table, depth + 1);
  }
  return times;
}

/** What a run depends on beside its inputs, through views too. */
export function notRepeatable(names: Names, node: ModelNode): string | null {
  const analyses = [node, ...viewsOf(names, node)].map(({ analysis }) => analysis);
  const [clock] = analyses.flatMap((analysis) => analysis.clock);
  if (clock !== undefined) return `it reads the clock: ${clock}`;
  return analyses.flatMap((analysis) => analysis.notDeterministic)[0] ?? null;
}
