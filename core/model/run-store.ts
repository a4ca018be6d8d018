/**
 * Records of runs and model versions: what makes a result repeatable, and says which table is old because a run failed
 * or its model is gone. DESIGN, decision 9.
 */

import { withinLake } from "../base/errors.ts";
import { quarantineTable, writerOfQuarantine } from "../ingest/quarantine.ts";
import { isSeedTable } from "../table/name.ts";
import type { TableName } from "../table/types.ts";
import type { Tick } from "./cadence.ts";

export type RunReason = "new-data" | "model-changed" | "replay" | "asked" | "full" | "upstream";

export interface RunInput {
  readonly table: TableName;
  readonly uuid: string;
  /** Exclusive start of an incremental read; null when read whole. */
  readonly from: bigint | null;
  readonly to: bigint | null;
  /** Hashes of the corrections that it was read through; absent: none. */
  readonly corrections?: readonly string[];
}

export interface RunRecord {
  readonly run: string;
  readonly model: TableName;
  /** sha256 of the model's text and settings. */
  readonly modelHash: string;
  /** `land` is a source that could not land, under the table it lands in. */
  readonly mode: "incremental" | "full" | "replay" | "land";
  readonly reason: string;
  readonly inputs: readonly RunInput[];
  /** Literals of the variables that it read; absent: none. */
  readonly variables?: Readonly<Record<string, string>>;
  /** `now()` inside the run. */
  readonly runTimeMs: number;
  readonly timezone: string;
  readonly engine: string;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly status: "ok" | "failed";
  readonly error: string | null;
  readonly rowsIn: bigint;
  readonly rowsWritten: bigint;
  readonly rowsQuarantined: bigint;
  readonly rowsDropped: bigint;
  readonly tests: readonly TestOutcome[];
  /** The time of its cadence that it ran for; absent: none. */
  readonly tick?: Tick;
}

export interface TestOutcome {
  readonly name: string;
  readonly status: "pass" | "warn" | "fail";
  readonly rows: bigint;
  readonly action: "warn" | "drop" | "quarantine" | "fail";
}

/** A run with the commit that it published. */
export interface PublishedRun {
  readonly run: RunRecord;
  readonly commit: bigint;
}

export interface RunStore {
  /** A run that failed or published nothing; runs that publish go into the commit. */
  record(run: RunRecord): Promise<void>;
  /** Newest first. */
  list(filter: {
    readonly model?: TableName;
    readonly status?: RunRecord["status"];
    readonly limit: number;
  }): Promise<readonly RunRecord[]>;
  /** Runs whose ids begin so; three at most. */
  named(beginning: string): Promise<readonly RunRecord[]>;
  /** The commit that a run published; null for one that published nothing. */
  published(run: string): Promise<bigint | null>;
  /** What was published by this commit and later ones, in their order. */
  publishedSince(commit: bigint): Promise<readonly PublishedRun[]>;
  /** The last run of each model. */
  latest(): Promise<ReadonlyMap<TableName, RunRecord>>;
  /** A model was due, and there was nothing new. Those that were due and failed are recorded with their runs. */
  recordTick(model: TableName, tick: Tick, nowMs: number): Promise<void>;
  /** The last time that each model was due at, and done. */
  lastTicks(): Promise<ReadonlyMap<TableName, number>>;
  /** Keeps the text of a model version for ever; of texts that differ in words about it alone, the last one. */
  keepModel(hash: string, name: TableName, text: string): Promise<void>;
  modelText(hash: string): Promise<string | null>;
}

/** Keeps the record of a failure; where the disk has no room for it, what is told of the failure has to do. */
export async function recordFailure(
  catalog: { readonly runs: Pick<RunStore, "record"> },
  record: RunRecord,
): Promise<void> {
  try {
    await catalog.runs.record(record);
  } catch (thrown) {
    withinLake(thrown);
  }
}

/**
 * The nearest table, from `name` itself on through what its last run read, whose last run failed; null when there is
 * none. `counts` says which failures are over.
 */
export function failedBehind(
  name: TableName,
  latest: ReadonlyMap<TableName, RunRecord>,
  counts: (run: RunRecord) => boolean,
): TableName | null {
  const seen = new Set([name]);
  // Names are added while the set is walked: nearest first.
  for (const table of seen) {
    const run = latest.get(table);
    if (run?.status === "failed" && counts(run)) return table;
    for (const input of run?.inputs ?? []) seen.add(input.table);
  }
  return null;
}

/**
 * Tables that a model, or a seed, used to make and none makes now, with what they set aside: they stay as they are, and
 * who reads them goes stale. `made` are the models and the tables that sources land in.
 */
export async function orphansOf(
  catalog: {
    tables(): Promise<readonly { readonly name: TableName }[]>;
    facts(kind: "cursor"): Promise<ReadonlyMap<TableName, string>>;
  },
  made: Iterable<TableName>,
): Promise<ReadonlySet<TableName>> {
  const now = new Set(made);
  const heads = new Set((await catalog.tables()).map((head) => head.name));
  const orphans = new Set<TableName>();
  for (const name of (await catalog.facts("cursor")).keys()) {
    if (now.has(name) || !heads.has(name)) continue;
    orphans.add(name);
    const aside = quarantineTable(name);
    if (heads.has(aside)) orphans.add(aside);
  }
  for (const name of heads) {
    const seed = writerOfQuarantine(name) ?? name;
    if (isSeedTable(seed) && !now.has(seed)) orphans.add(name);
  }
  return orphans;
}

/** Tables that nothing of a project writes any more, by what used to: a model, or a source that landed in them. */
export async function goneTables(
  catalog: Parameters<typeof orphansOf>[0] & {
    readonly ledger: { sources(): Promise<readonly { readonly table: TableName }[]> };
  },
  made: Iterable<TableName>,
): Promise<ReadonlyMap<TableName, "model" | "source">> {
  const now = new Set(made);
  const heads = new Set((await catalog.tables()).map((head) => head.name));
  const landed = (await catalog.ledger.sources())
    .map(({ table }) => table)
    .filter((table) => heads.has(table) && !now.has(table));
  const orphans = await orphansOf(catalog, now);
  return new Map([
    ...landed.map((table) => [table, "source"] as const),
    ...[...orphans]
      .filter((table) => !landed.includes(table))
      .map((table) => [table, "model"] as const),
  ]);
}

/** What is said of an orphan behind its name. */
export function goneText(name: TableName): string {
  return isSeedTable(name) ? "whose seed is gone" : "which no model makes any more";
}
