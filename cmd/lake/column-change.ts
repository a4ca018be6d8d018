/** What a person changes of a learned column: its name, or what is done with values that do not fit it. */

import { LakeError } from "../../core/base/errors.ts";
import type { Renaming } from "../../core/ingest/column-name.ts";
import type { Choice, Chosen } from "../../core/ingest/misfit-choice.ts";
import type { Session } from "../open.ts";
import { contractHistory } from "./contracts.ts";
import { sourceConfigs } from "./sources.ts";

/** `table` is the source, or the table that it lands in. */
export type ColumnChange = { readonly table: string } & (
  | Choice
  | (Renaming & { readonly choice: "rename" })
);

/** Throws `not-found` for a source that is not there, or has landed nothing, and what the change throws. */
export async function changedColumn(
  session: Session,
  { table, ...change }: ColumnChange,
): Promise<Chosen & { readonly source: string; readonly table: string }> {
  const drops = await session.drops();
  await drops.refresh();
  const { source } = await contractHistory(session, table);
  const config = (await sourceConfigs(session)).find(({ name }) => name === source);
  if (config === undefined) {
    throw new LakeError("not-found", `there is no source "${source}" any more`, {
      hint: "its rows stay as they are; see: tarn status",
    });
  }
  const { ports, settings } = session;
  if (change.choice === "rename") {
    const { renameColumn } = await import("../../core/ingest/column-name.ts");
    const { column, reread } = await renameColumn(ports, config, settings, change);
    return { column, reread, commit: reread.commit, source, table: config.into };
  }
  const { chooseMisfits } = await import("../../core/ingest/misfit-choice.ts");
  const chosen = await chooseMisfits(ports, config, settings, change);
  return { ...chosen, source, table: config.into };
}
