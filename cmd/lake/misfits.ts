/** What is done with values of a column that do not fit, chosen for a source. */

import { LakeError } from "../../core/base/errors.ts";
import type { Choice, Chosen } from "../../core/ingest/misfit-choice.ts";
import type { Session } from "../open.ts";
import { contractHistory } from "./contracts.ts";
import { sourceConfigs } from "./sources.ts";

export interface ChoiceRequest extends Choice {
  /** The source, or the table that it lands in. */
  readonly table: string;
}

/** Throws `not-found` for a source that is not there, or has landed nothing, and what the choice throws. */
export async function chosenOf(
  session: Session,
  { table, ...choice }: ChoiceRequest,
): Promise<Chosen & { readonly source: string; readonly table: string }> {
  const { chooseMisfits } = await import("../../core/ingest/misfit-choice.ts");
  const drops = await session.drops();
  await drops.refresh();
  const { source } = await contractHistory(session, table);
  const config = (await sourceConfigs(session)).find(({ name }) => name === source);
  if (config === undefined) {
    throw new LakeError("not-found", `there is no source "${source}" any more`, {
      hint: "its rows stay as they are; see: tarn status",
    });
  }
  const chosen = await chooseMisfits(session.ports, config, session.settings, choice);
  return { ...chosen, source, table: config.into };
}
