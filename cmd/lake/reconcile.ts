/** Whether what was delivered is what there was: sources, the ledger's account, and models of changes. */

import { LakeError, withinLake } from "../../core/base/errors.ts";
import type { Reconciliation } from "../../core/ingest/reconciliation.ts";
import { type OpenFlags, openSession, type Session } from "../open.ts";
import { reconcileLedger } from "./reconcile-ledger.ts";
import { reconcileModels } from "./reconcile-models.ts";
import { type LeftOut, type ReconciledStream, reconcileStream } from "./reconcile-stream.ts";
import { sourceConfigs } from "./sources.ts";

export interface Reconciled extends ReconciledStream {
  /** Of sources that could not be asked; what others say counts all the same. */
  readonly failures: readonly LakeError[];
}

/** Of some sources by name, or of all. What is landed meanwhile does not count. Throws `not-found`. */
export async function reconcileOf(
  flags: OpenFlags,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Reconciled> {
  const found: Reconciliation[] = [];
  const leftOut: LeftOut[] = [];
  const failures: LakeError[] = [];
  for (const name of await chosenStreams(flags, names)) {
    if (signal.aborted) break;
    try {
      const stream = await reconcileStream(flags, name, signal);
      found.push(...stream.found);
      leftOut.push(...stream.leftOut);
    } catch (thrown) {
      failures.push(withinLake(thrown));
    }
  }
  // What is landed meanwhile may have made the lake.
  await using session = await openSession(flags, { engine: null });
  const isChosen = (source: string) =>
    names.length === 0 || names.some((name) => source === name || source.startsWith(`${name}.`));
  const streams = session.config.streams.map(({ name }) => name);
  const isOfStream = (source: string) =>
    streams.some((name) => source === name || source.startsWith(`${name}.`));
  for (const { source, table } of await session.catalog.ledger.sources()) {
    if (signal.aborted || !isChosen(source)) continue;
    const ledger = await reconcileLedger(session, source, table, !isOfStream(source));
    if (ledger !== null) found.push(ledger);
  }
  const tables = new Set(found.map(({ table }) => table));
  found.push(...(await reconcileModels(session, tables)));
  return { found, leftOut, failures };
}

/** Keeps what was found. Only under the engine lease. */
export async function keepReconciliations(
  session: Session,
  found: readonly Reconciliation[],
): Promise<void> {
  await session.catalog.reconciliations.record(found);
}

async function chosenStreams(
  flags: OpenFlags,
  names: readonly string[],
): Promise<readonly string[]> {
  await using session = await openSession(flags, { engine: null });
  const streams = session.config.streams.map(({ name }) => name);
  if (names.length === 0) return streams;
  await (await session.drops()).refresh();
  const others = (await sourceConfigs(session)).map(({ name }) => name);
  for (const name of names) {
    if (streams.includes(name) || others.includes(name)) continue;
    throw new LakeError("not-found", `there is no source "${name}"`, { hint: "tarn source ls" });
  }
  return streams.filter((name) => names.includes(name));
}
