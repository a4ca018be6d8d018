/** What failed in its last run, with what waits for it. */

import type { TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";
import { lakeState } from "./lake-state.ts";
import { validGraph } from "./models.ts";

/** Models in the order in which they run. Throws what is wrong with them. */
export async function failedModels(session: Session): Promise<readonly TableName[]> {
  const graph = await validGraph(session);
  const { results } = await lakeState(session.catalog, graph);
  const isDue = (name: TableName): boolean =>
    ["error", "fail", "skipped"].includes(results.get(name) ?? "");
  return graph.nodes.map(({ model }) => model.name).filter(isDue);
}
