/** Files forgotten: their rows, what was set aside of them and their place in the ledger leave in one commit. */

import { compareCodePoints } from "../base/order.ts";
import { counted } from "../base/quantity.ts";
import { publish } from "../table/publish.ts";
import type { TableName } from "../table/types.ts";
import type { SourceConfig } from "./contract.ts";
import type { EngineBudget, LandingPorts } from "./landing.ts";
import type { FileRef, LedgerFile } from "./ledger.ts";
import { NOTHING_CHANGED, redecodeJob, rowsOf } from "./originals.ts";
import { asTarget, nextStandIn, republish } from "./republish.ts";

/** What is forgotten: one file with all of its versions, or all files of a source. */
export interface ForgetAsked {
  /** Null: every file. */
  readonly file: string | null;
}

export interface Forgotten {
  readonly table: TableName;
  /** Files of which something was live. */
  readonly files: readonly string[];
  readonly rows: number;
  /** Rows that were set aside; a whole file counts as one. */
  readonly aside: number;
  /** Every original that the ledger names for them, also those that were forgotten before. */
  readonly originals: readonly string[];
  /** Null where nothing was live, and for a dry run. */
  readonly commit: bigint | null;
  /** The table before: what a restore goes back to; null where it had none. */
  readonly before: bigint | null;
}

/**
 * Nothing of the files counts any more: dropped again they land again. Rows of other files stay in their places. A
 * restore of the table takes it back while its past is kept. Throws `conflict` when a foreign writer keeps winning.
 */
export async function forgetFiles(
  ports: LandingPorts,
  config: SourceConfig,
  asked: ForgetAsked,
  budget: EngineBudget,
  options: { readonly dryRun: boolean },
): Promise<Forgotten> {
  const attempt = () => forgetOnce(ports, config, asked, budget, options);
  return await publish({ what: config.into, hint: NOTHING_CHANGED, attempt });
}

async function forgetOnce(
  ports: LandingPorts,
  config: SourceConfig,
  { file }: ForgetAsked,
  budget: EngineBudget,
  { dryRun }: { readonly dryRun: boolean },
): Promise<Forgotten | null> {
  const { ledger } = ports.catalog;
  const own = { source: config.name, ...(file === null ? {} : { file }) };
  const live = await ledger.files({ ...own, live: true });
  const all = await ledger.files(own);
  const job = await redecodeJob(ports, config, budget);
  const { table, quarantine } = job;
  const sum = (pick: (one: LedgerFile) => number): number =>
    live.reduce((total, one) => total + pick(one), 0);
  const forgotten: Forgotten = {
    table: config.into,
    files: [...new Set(live.map((one) => one.file))].sort(compareCodePoints),
    rows: sum(({ rowsLanded }) => rowsLanded),
    aside: sum(({ rowsQuarantined }) => rowsQuarantined),
    originals: [...new Set(all.flatMap(({ original }) => original ?? []))],
    commit: null,
    before: table?.current?.sequenceNumber ?? null,
  };
  if (live.length === 0 || dryRun) return forgotten;
  const sha256s = all.map(({ sha256 }) => sha256).filter((sha256) => sha256 !== "");
  const equal = await ledger.files({ source: config.name, sha256s });
  const copies = equal.filter(({ outcome }) => outcome === "duplicate");
  const leaving = live.map(rowsOf);
  const rows = counted(forgotten.rows, "row");
  const files = counted(forgotten.files.length, "file");
  const commit = await republish(ports, budget, {
    config,
    kind: "forget",
    message: `${rows} from ${files} of ${config.name} forgotten`,
    summary: { "tarn.source-id": config.name },
    bronze: table === null ? null : { target: asTarget(table), leaving, staged: [] },
    aside: { target: quarantine, leaving, staged: [] },
    standIn: await nextStandIn(ports, config.name),
    files: [],
    // Also versions that others stood in for, and copies that were skipped: none of them holds these bytes any more.
    replaces: [...all, ...copies].map(refOf),
    contract: null,
    fixes: [],
    events: [],
  });
  return commit === null ? null : { ...forgotten, commit };
}

function refOf({ batch, file, landsAs }: LedgerFile): FileRef {
  return { batch, file, landsAs };
}
