/** Whether the configuration and the models are valid, as far as can be said without data. */

import { LakeError } from "../../core/base/errors.ts";
import { SEEDS_FOLDER } from "../../core/config/default-source.ts";
import { judgeColumns } from "../../core/model/columns.ts";
import { momentErrors } from "../../core/model/moments.ts";
import { orphansOf } from "../../core/model/run-store.ts";
import { orphanWarnings } from "../../core/model/validate.ts";
import type { Session } from "../open.ts";
import { macroErrors, withMacros } from "./macro-errors.ts";
import { madeBy, validGraph } from "./models.ts";
import { readOtherwise } from "./reread.ts";
import { testErrors } from "./tests.ts";

export interface Checked {
  readonly sourceCount: number;
  readonly modelCount: number;
  readonly warnings: readonly LakeError[];
  /** What follows from what is written, and may not be known. */
  readonly notes: readonly string[];
}

/** Throws what is wrong, all of it at once. */
export async function checkOf(session: Session): Promise<Checked> {
  const graph = await validGraph(session);
  const { nodes, names, request, warnings } = graph;
  const { catalog, engine, clock } = session.ports;
  const settings = { timezone: session.config.timezone, nowMs: clock.nowMs() };
  const judged = await judgeColumns({ catalog, engine }, names, nodes, settings);
  const moments = await momentErrors(catalog, names, nodes, settings);
  const tests = await testErrors(session, graph);
  const parts = [...(await seedErrors(session)), ...(await macroErrors(session)), ...tests];
  const errors = [...judged.errors, ...moments, ...parts];
  if (errors.length > 0) throw new AggregateError(errors.map((one) => withMacros(one, session)));
  const orphans = await orphansOf(catalog, madeBy(request));
  return {
    sourceCount: request.sources.size,
    modelCount: nodes.length,
    warnings: [
      ...session.project.warnings,
      ...(session.project.tests?.().warnings ?? []),
      ...warnings,
      ...judged.warnings,
      ...orphanWarnings(orphans, names, nodes),
      ...(await sourceWarnings(session)),
    ],
    notes: impliedSchemas(session),
  };
}

/** Files below seeds/ that make no table. */
async function seedErrors(session: Session): Promise<LakeError[]> {
  const drops = await session.drops();
  await drops.refresh();
  return drops.unclaimed.flatMap(({ path, reason, isBookkeeping }) => {
    if (isBookkeeping || !path.startsWith(`${SEEDS_FOLDER}/`)) return [];
    const place = { file: path, line: 1, column: 1 };
    return [new LakeError("config", `${path} is no seed: ${reason}`, { place, page: "T0118" })];
  });
}

/** Declared columns close a source that does not say whether it is open. */
function impliedSchemas({ config }: Session): string[] {
  return config.sources
    .filter(({ schemaImplied }) => schemaImplied === true)
    .map(
      ({ name }) =>
        `${name}: columns are declared and schema: is not, so rows with other fields are set aside ` +
        "(schema: quarantine); schema: evolve adds columns",
    );
}

/** What tarn.yaml says of sources, and their tables are not. */
async function sourceWarnings(session: Session): Promise<LakeError[]> {
  const found = await readOtherwise(session);
  return found.flatMap(({ config, reasons }) =>
    reasons.map(
      (reason) => new LakeError("config", `${config.name}: ${reason}; tarn reread ${config.name}`),
    ),
  );
}
