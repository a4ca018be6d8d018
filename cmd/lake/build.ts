/** What is dropped landed, and what is due built, once. */

import { type BuildSummary, buildOnce, type LakeEvent } from "../../core/lake.ts";
import type { Session } from "../open.ts";
import { chosenModels, validGraph } from "./models.ts";

export interface BuildRequest {
  readonly select: readonly string[];
  readonly exclude: readonly string[];
  readonly full: boolean;
  readonly models: boolean;
  readonly sources: boolean;
}

/** How a caller hears of what happens, and stops it. */
export interface Following {
  readonly signal: AbortSignal;
  readonly onEvent: (event: LakeEvent) => void;
}

/** Failures of sources and models are in the summary. Throws what is wrong with the models. */
export async function buildOf(
  session: Session,
  request: BuildRequest,
  following: Following,
): Promise<BuildSummary> {
  const graph = await validGraph(session);
  const chosen = chosenModels(graph, request.select, request.exclude);
  const drops = await session.drops();
  const summary = await buildOnce(session.ports, drops, graph, session.settings, {
    select: request.models ? chosen : new Set(),
    full: request.full,
    land: request.sources,
    waitForSettle: true,
    batchBytes: session.config.batch.bytesMax,
    ...following,
  });
  // Who never runs `up` has no other moment in which old files leave the disk.
  if (!following.signal.aborted) await session.maintain();
  return summary;
}

/** True when something did not land or run. */
export function hasFailed({ runs, landFailures }: BuildSummary): boolean {
  return landFailures > 0 || runs.some((run) => run.kind === "failed");
}
