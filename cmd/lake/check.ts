/** Whether the configuration and the models are valid, as far as can be said without data. */

import { LakeError } from "../../core/base/errors.ts";
import { judgeColumns } from "../../core/model/columns.ts";
import { momentErrors } from "../../core/model/moments.ts";
import { orphansOf } from "../../core/model/run-store.ts";
import { orphanWarnings } from "../../core/model/validate.ts";
import type { Session } from "../open.ts";
import { madeBy, validGraph } from "./models.ts";
import { readOtherwise } from "./reread.ts";

export interface Checked {
  readonly sourceCount: number;
  readonly modelCount: number;
  readonly warnings: readonly LakeError[];
}

/** Throws what is wrong, all of it at once. */
export async function checkOf(session: Session): Promise<Checked> {
  const { nodes, names, request, warnings } = await validGraph(session);
  const { catalog, engine, clock } = session.ports;
  const settings = { timezone: session.config.timezone, nowMs: clock.nowMs() };
  const judged = await judgeColumns({ catalog, engine }, names, nodes, settings);
  const moments = await momentErrors(catalog, names, nodes, settings);
  const errors = [...judged.errors, ...moments];
  if (errors.length > 0) throw new AggregateError(errors);
  const orphans = await orphansOf(catalog, madeBy(request));
  return {
    sourceCount: request.sources.size,
    modelCount: nodes.length,
    warnings: [
      ...session.project.warnings,
      ...warnings,
      ...judged.warnings,
      ...orphanWarnings(orphans, names, nodes),
      ...(await sourceWarnings(session)),
    ],
  };
}

/** What tarn.yaml says of sources, and their tables are not. */
async function sourceWarnings(session: Session): Promise<LakeError[]> {
  await (await session.drops()).refresh();
  const found = await readOtherwise(session);
  return found.flatMap(({ config, reasons }) =>
    reasons.map(
      (reason) => new LakeError("config", `${config.name}: ${reason}; tarn reread ${config.name}`),
    ),
  );
}
