/** What is dropped landed, and what is due built, once. */

import { withinLake } from "../../core/base/errors.ts";
import { type BuildSummary, buildOnce, type ModelGraph, NO_MODELS } from "../../core/lake.ts";
import type { TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";
import { type BuildRequest, type Following, refuseOtherProject } from "./build-request.ts";
import { ProjectIntake } from "./intake.ts";
import type { ProjectGraph } from "./models.ts";

/** Failures of sources and models are in the summary. Throws what is wrong with the models. */
export async function buildOf(
  session: Session,
  request: BuildRequest,
  following: Following,
): Promise<BuildSummary> {
  const { branch = null, root = null } = request;
  if (branch !== null) {
    refuseOtherProject(session, root);
    const { buildOnBranch } = await import("./branch-build.ts");
    return await buildOnBranch(session, branch, request, following);
  }
  const { graph, chosen } = await modelsOf(session, request);
  await using intake = await ProjectIntake.open(session);
  const summary = await buildOnce(session.ports, intake, graph, session.settings, {
    select: request.models ? chosen : new Set(),
    full: request.full,
    repair: request.repair === true,
    land: request.sources,
    waitForSettle: true,
    batchBytes: session.config.batch.bytesMax,
    ...following,
  });
  if (!following.signal.aborted) {
    if (request.models) await keepTexts(session, graph, chosen);
    if (request.sources) await measure(session, intake);
    await upkeep(session, following);
  }
  return summary;
}

/** What holds of corrections is entered where there are any, or were. */
async function adopt({ ports, project }: Session, { names }: ProjectGraph): Promise<void> {
  const { adoptCorrections } = await import("./corrections.ts");
  await adoptCorrections(ports, names, project.corrections);
}

/** Other words about the same version are kept in the place of those that were. */
async function keepTexts(
  { catalog }: Session,
  { nodes }: ModelGraph,
  chosen: ReadonlySet<TableName> | null,
): Promise<void> {
  for (const { model } of nodes) {
    if (chosen !== null && !chosen.has(model.name)) continue;
    const { hash, name, kept } = model;
    if ((await catalog.runs.modelText(hash)) !== null)
      await catalog.runs.keepModel(hash, name, kept);
  }
}

/** Dropped files are never behind. */
async function measure({ ports }: Session, { sources }: ProjectIntake): Promise<void> {
  const known = sources.filter((source) => source.lag !== undefined);
  if (known.length === 0) return;
  const { recordLags } = await import("../../core/ingest/lag-watch.ts");
  await recordLags(ports, known);
}

async function modelsOf(session: Session, { select, exclude }: BuildRequest) {
  const { models, errors } = session.project;
  const isNone = models.length === 0 && errors.length === 0;
  if (isNone && select.length + exclude.length === 0) return { graph: NO_MODELS, chosen: null };
  // What reads and orders models is loaded where there are any.
  const { chosenModels, validGraph } = await import("./models.ts");
  const graph = await validGraph(session);
  await adopt(session, graph);
  return { graph, chosen: await chosenModels(session.catalog, graph, select, exclude) };
}

/** Who never runs `up` has no other moment in which old files leave the disk. What was built stays built without it. */
async function upkeep(session: Session, { onEvent }: Following): Promise<void> {
  try {
    await session.maintain();
  } catch (thrown) {
    onEvent({ event: "trouble", error: withinLake(thrown) });
  }
}

/** True when something did not land or run. */
export function hasFailed({ runs, landFailures }: BuildSummary): boolean {
  return landFailures > 0 || runs.some((run) => run.kind === "failed");
}
