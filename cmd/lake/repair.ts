/** Windows that rows came too late for, computed again with them, and all that reads them. */

import { LakeError } from "../../core/base/errors.ts";
import type { BuildSummary } from "../../core/lake.ts";
import type { Session } from "../open.ts";
import { buildOf } from "./build.ts";
import type { Following } from "./build-request.ts";
import { chosenModels, validGraph } from "./models.ts";

export interface RepairRequest {
  /** Selectors of models; none is all. */
  readonly select: readonly string[];
}

/**
 * Runs the models over the windows that their late rows belong to, and what is due behind them. Throws `usage` for
 * models that are chosen and have no late rows, whatever comes.
 */
export async function repairOf(
  session: Session,
  { select }: RepairRequest,
  following: Following,
): Promise<BuildSummary> {
  const graph = await validGraph(session);
  const chosen = await chosenModels(session.catalog, graph, select);
  const closing = graph.nodes.filter(({ model }) => model.closing !== null);
  const meant = closing.filter(({ model }) => chosen?.has(model.name) ?? true);
  if (meant.length === 0)
    throw nothingCloses(chosen === null ? null : [...chosen], closing.length > 0);
  const models = chosen === null ? [] : meant.map(({ model }) => `${model.name}+`);
  const what = { exclude: [], full: false, repair: true, models: true, sources: false };
  return buildOf(session, { ...what, select: models }, following);
}

function nothingCloses(chosen: readonly string[] | null, hasOthers: boolean): LakeError {
  const [name] = chosen ?? [];
  const hint = hasOthers
    ? "see which have with: tarn explain watermark"
    : "write emit: on_window_close and a watermark at the front of a model";
  if (name === undefined || chosen?.length !== 1) {
    return new LakeError("usage", "no model closes its windows, so no rows are late", { hint });
  }
  const message = `${name} does not close its windows, so no rows are late for it`;
  return new LakeError("usage", message, { hint });
}
