/** One commit of rows that were decoded again: they take the place of the rows that their files had. */

import type { StagedFile } from "../engine.ts";
import type { Change, CommitKind, TableChange } from "../table/commit.ts";
import { commitOnce } from "../table/publish.ts";
import type { DataFile, Table } from "../table/types.ts";
import { batchRecord } from "./accounts.ts";
import { nextBatchId } from "./batch-id.ts";
import type { LandingTable } from "./bronze-table.ts";
import type { Contract, SourceConfig } from "./contract.ts";
import type { EngineBudget, LandingPorts } from "./landing.ts";
import type { FileRef, Fix, LedgerFile, QuarantineEvent } from "./ledger.ts";
import { asideWithoutFiles, type RewriteJob, type Rewritten, rowsWithoutFiles } from "./rewrite.ts";

/** A batch that stands in for others: its id, and the source's last one before it. */
export interface StandIn {
  readonly batch: string;
  readonly previous: string | null;
}

/** Rows of one table that make way, and those that take their place. */
export interface Exchange {
  readonly target: LandingTable;
  readonly leaving: readonly FileRef[];
  readonly staged: readonly StagedFile[];
}

export interface Republish {
  readonly config: SourceConfig;
  readonly kind: CommitKind;
  readonly message: string;
  readonly summary: Readonly<Record<string, string>>;
  readonly bronze: Exchange | null;
  readonly aside: Exchange | null;
  readonly standIn: StandIn;
  /** What the ledger says of the files from now on, each with the rows it replaces; empty: as before. */
  readonly files: readonly LedgerFile[];
  readonly replaces: readonly FileRef[];
  readonly contract: Contract | null;
  readonly fixes: readonly Fix[];
  readonly events: readonly QuarantineEvent[];
}

/** The number of the commit; null when another writer was first: what was read is to be read again. */
export async function republish(
  ports: LandingPorts,
  budget: EngineBudget,
  what: Republish,
): Promise<bigint | null> {
  const { config, standIn, files } = what;
  const { ledger } = ports.catalog;
  const tables = [
    await exchange(ports, budget, what, what.bronze, "rows"),
    await exchange(ports, budget, what, what.aside, "aside"),
  ].filter((change) => change !== null);
  const isForget = what.kind === "forget";
  const isRecorded = files.length > 0 || what.contract !== null || isForget;
  if (isRecorded) {
    // Before the commit, and counting from it on: a row that landed by its correction is never without it.
    if (what.fixes.length > 0) await ledger.addFixes(what.fixes);
    if (what.events.length > 0) await ledger.addQuarantineEvents(what.events);
    const batch = batchRecord(
      { config, batch: standIn.batch, startedMs: ports.clock.nowMs() },
      files,
    );
    const { replaces, contract } = what;
    await ledger.prepare({ batch, files, replaces, contract, drift: [] });
  }
  const { batch, previous } = standIn;
  const change: Change = {
    kind: what.kind,
    tables,
    facts: isRecorded
      ? [{ kind: "offset", name: offsetName(config.name), was: previous, becomes: batch }]
      : [],
    batches: isRecorded ? [batch] : [],
    withdrawn: [],
    runs: [],
    message: what.message,
  };
  const committed = await commitOnce(ports.catalog, change, config.into);
  return committed?.number ?? null;
}

/** A batch of a source that comes after all that it has. */
export async function nextStandIn(ports: LandingPorts, source: string): Promise<StandIn> {
  const previous = await ports.catalog.fact("offset", offsetName(source));
  return { batch: nextBatchId(ports.clock.nowMs(), previous, ports.random.uuid()), previous };
}

/** A table as it is, to take other rows. */
export function asTarget(table: Table): LandingTable {
  const { name, uuid, schema, spec } = table;
  return { table, name, uuid, schema, spec, evolution: null };
}

function offsetName(source: string): string {
  return `files:${source}`;
}

async function exchange(
  ports: LandingPorts,
  budget: EngineBudget,
  { standIn, summary }: Republish,
  exchanged: Exchange | null,
  what: "rows" | "aside",
): Promise<TableChange | null> {
  if (exchanged === null) return null;
  const { target, leaving, staged } = exchanged;
  const { table, name, uuid, schema, spec } = target;
  const gone = await without(ports, budget, `${standIn.batch}-${what}`, exchanged, what);
  const changes = target.evolution?.changes.length ?? 0;
  const files = [...staged, ...gone.files];
  if (files.length === 0 && gone.removed.length === 0 && changes === 0) return null;
  const added: DataFile[] =
    files.length === 0 ? [] : await ports.catalog.adopt({ name, uuid, schema, spec }, files);
  const isOverwrite = leaving.length > 0 && gone.removed.length > 0;
  const sortOrder = { orderId: 0, fields: [] };
  return {
    table: name,
    uuid,
    create: table === null ? { schema, spec, sortOrder, properties: {} } : null,
    base: table?.current?.snapshotId ?? null,
    schema: table !== null && changes > 0 ? schema : null,
    operation:
      isOverwrite || gone.removed.length > 0 ? "overwrite" : added.length > 0 ? "append" : null,
    added,
    removed: gone.removed,
    summary,
  };
}

async function without(
  ports: LandingPorts,
  budget: EngineBudget,
  folder: string,
  { target, leaving }: Exchange,
  what: "rows" | "aside",
): Promise<Rewritten> {
  if (target.table === null) return { files: [], removed: [] };
  const scan = await ports.catalog.scan(target.table, target.table.current);
  const staging = await ports.io.stagingFolder(folder);
  const job: RewriteJob = { scan, target, staging, ...budget, timeMs: ports.clock.nowMs() };
  if (what === "aside") return asideWithoutFiles(ports.engine, job, leaving);
  return rowsWithoutFiles(ports.engine, job, leaving, target.evolution?.retyped ?? []);
}
