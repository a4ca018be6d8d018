/** Sources read again, as tarn.yaml says now. */

import { LakeError } from "../../core/base/errors.ts";
import { nearestWord } from "../../core/base/suggest.ts";
import type { SourceConfig } from "../../core/ingest/contract.ts";
import { declaredOtherwise } from "../../core/ingest/current-contract.ts";
import type { Reread } from "../../core/ingest/reread.ts";
import type { Session } from "../open.ts";
import { sourceConfigs } from "./sources.ts";

export interface RereadRequest {
  /** Sources, by name or by the table that they land in. */
  readonly sources: readonly string[];
  readonly dryRun: boolean;
  /** Kept with the commit. */
  readonly why: string | null;
}

export interface SourceReread extends Reread {
  readonly source: string;
  readonly table: string;
}

/** Reads each source again, told as it is done. Throws `not-found`, and what a reread throws. */
export async function rereadOf(
  session: Session,
  request: RereadRequest,
  onDone: (done: SourceReread) => void,
): Promise<void> {
  // Every build asks what would be read otherwise; few read it again.
  const { rereadSource } = await import("../../core/ingest/reread.ts");
  const drops = await session.drops();
  await drops.refresh();
  const known = await sourceConfigs(session);
  const configs = request.sources.map((name) => sourceOf(known, name));
  for (const config of new Set(configs)) {
    const options = { dryRun: request.dryRun, why: request.why ?? "read again" };
    const done = await rereadSource(session.ports, config, session.settings, options);
    onDone({ source: config.name, table: config.into, ...done });
  }
}

/** Sources whose files would be read otherwise now, each with what differs; as of the last listing of the drops. */
export async function readOtherwise(
  session: Session,
): Promise<readonly { readonly config: SourceConfig; readonly reasons: readonly string[] }[]> {
  const found = [];
  for (const config of await sourceConfigs(session)) {
    const reasons = await declaredOtherwise(session.catalog, config);
    if (reasons.length > 0) found.push({ config, reasons });
  }
  return found;
}

function sourceOf(configs: readonly SourceConfig[], name: string): SourceConfig {
  const found = configs.find(
    ({ name: source, into }) => source === name || into === name || into === `bronze.${name}`,
  );
  if (found !== undefined) return found;
  const near = nearestWord(
    name,
    configs.map((config) => config.name),
  );
  throw new LakeError("not-found", `there is no source "${name}"`, {
    hint: near === null ? "see: tarn status" : `did you mean "${near}"?`,
  });
}
