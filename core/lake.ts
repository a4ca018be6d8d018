/** Landing what is there and building what is due: once for `build`, and the steps that `up` repeats for ever. */

import { LakeError, withinLake } from "./base/errors.ts";
import type { AheadWork } from "./ingest/ahead.ts";
import { type Landed, type LandingPorts, landBatch } from "./ingest/landing.ts";
import type { Source } from "./ingest/source.ts";
import { BATCH_FILES_MAX } from "./limits.ts";
import type { RunSettings } from "./model/model-table.ts";
import type { ModelNode } from "./model/node.ts";
import type { Names } from "./model/pins.ts";
import type { RunOutcome } from "./model/run.ts";
import { type RunRecord, recordFailure } from "./model/run-store.ts";
import type { Patience } from "./patience.ts";
import type { TableName } from "./table/types.ts";

/** Where rows come from. */
export interface Intake {
  /** Looks again at what is there. */
  refresh(): Promise<void>;
  /** Looks again where what landed made more ready; false where it did not. */
  refreshFreed(): Promise<boolean>;
  readonly sources: readonly Source[];
  /** Folders and files that could not be looked at when it looked last; nothing else waits for them. */
  readonly unreadable: readonly Unreadable[];
}

export interface Unreadable {
  /** Relative to the project. */
  readonly path: string;
  readonly error: LakeError;
}

/** The models of a project, validated as a whole. */
export interface ModelGraph {
  /** In dependency order. */
  readonly nodes: readonly ModelNode[];
  readonly names: Names;
  /** Models that read this one, directly or not. */
  descendants(model: TableName): ReadonlySet<TableName>;
  /** Tables that a model reads, or looks into to test its rows: it runs after them. */
  after(model: TableName): readonly TableName[];
}

/** For what only lands. */
export const NO_MODELS: ModelGraph = {
  nodes: [],
  names: {
    tableOf: (): never => {
      throw new LakeError("internal", "there are no models to name a table");
    },
    view: () => null,
  },
  descendants: () => new Set(),
  after: () => [],
};

export type LakeEvent =
  | { readonly event: "landed"; readonly landed: Landed }
  | { readonly event: "land-failed"; readonly source: string; readonly error: LakeError }
  | { readonly event: "unreadable"; readonly path: string; readonly error: LakeError }
  /** A step between the batches failed: a listing, upkeep. It is made again. */
  | { readonly event: "trouble"; readonly error: LakeError }
  | { readonly event: "waiting"; readonly files: number; readonly ms: number }
  | { readonly event: "run"; readonly outcome: RunOutcome };

/** Work that begins, for whoever waits for it. */
export type Begun =
  | { readonly kind: "landing"; readonly source: string }
  | { readonly kind: "running"; readonly model: TableName };

export interface BuildOptions {
  /** Hears of each landing and run when it begins, also of those that come to nothing; answers what hears its end. */
  readonly onBegin?: (begun: Begun) => () => void;
  /** In the endless loop: keeps failures from being repeated at every turn. */
  readonly patience?: Patience;
  /** Models to build; null is all. */
  readonly select: ReadonlySet<TableName> | null;
  readonly full: boolean;
  /** Windows of rows that came too late are computed again. */
  readonly repair?: boolean;
  readonly land: boolean;
  /** Wait for dropped files that are not settled yet. */
  readonly waitForSettle: boolean;
  readonly batchBytes: number;
  readonly signal: AbortSignal;
  readonly onEvent: (event: LakeEvent) => void;
}

/** What the batches of one source landed in all; what each held was told by its event. */
export interface LandedTotal {
  readonly source: string;
  readonly table: string;
  readonly rowsLanded: number;
  /** Those of files that were read, and not the files that were set aside whole. */
  readonly rowsQuarantined: number;
  /** Files. */
  readonly aside: number;
  readonly duplicates: number;
}

export interface BuildSummary {
  /** In the order of the sources' first batches. */
  readonly landed: readonly LandedTotal[];
  readonly landFailures: number;
  readonly runs: readonly RunOutcome[];
}

/** Lands what is there, then builds what is due, once. Failures of sources and models are in the summary. */
export async function buildOnce(
  ports: LandingPorts,
  intake: Intake,
  graph: ModelGraph,
  settings: RunSettings,
  options: BuildOptions,
): Promise<BuildSummary> {
  const landing = options.land
    ? await landAll(ports, intake, settings, options)
    : { landed: [], landFailures: 0 };
  const runs = await runDue(ports, graph, settings, options);
  return { ...landing, runs };
}

/** A wait that is shorter is no news. */
const TOLD_MS = 100;

/** What a source that fails is paused for. */
const LANDING = "landing";

/** Lands everything that is ready, and with `waitForSettle` everything that is there. */
export async function landAll(
  ports: LandingPorts,
  intake: Intake,
  settings: RunSettings,
  options: BuildOptions,
): Promise<{ landed: LandedTotal[]; landFailures: number }> {
  const landed = new Map<string, LandedTotal>();
  const failed = new Set<string>();
  await intake.refresh();
  const unreadable = tellUnreadable(ports, intake, options);
  const onLanded = (one: Landed): void => {
    landed.set(one.source, withBatch(landed.get(one.source), one));
  };
  while (!options.signal.aborted) {
    const progress = await landReady(ports, intake, settings, { ...options, failed, onLanded });
    if (progress || (await intake.refreshFreed())) continue;
    const waitMs = options.waitForSettle ? waitingMs(intake, failed) : null;
    if (waitMs === null) break;
    if (waitMs > TOLD_MS) {
      options.onEvent({ event: "waiting", files: intake.sources.length, ms: waitMs });
    }
    await ports.clock.sleep(waitMs, options.signal);
    await intake.refresh();
  }
  return { landed: [...landed.values()], landFailures: failed.size + unreadable };
}

export interface ReadyOptions
  extends Pick<BuildOptions, "batchBytes" | "patience" | "signal" | "onBegin"> {
  readonly onEvent: BuildOptions["onEvent"];
  readonly onLanded: (landed: Landed) => void;
  /** Sources that are left out; those that fail are added. */
  readonly failed: Set<string>;
}

/** Lands one batch of each source that has one ready; true when any had. */
export async function landReady(
  ports: LandingPorts,
  intake: Intake,
  settings: RunSettings,
  options: ReadyOptions,
): Promise<boolean> {
  const { failed, patience } = options;
  let isAny = false;
  for (const source of intake.sources) {
    if (options.signal.aborted) break;
    const isPaused = patience?.isPaused(source.name, LANDING, ports.clock.nowMs()) === true;
    if (isPaused || failed.has(source.name)) continue;
    try {
      if (!(await landNext(ports, source, settings, options))) continue;
      patience?.succeeded(source.name);
    } catch (thrown) {
      const error = withinLake(thrown);
      failed.add(source.name);
      patience?.failed(source.name, LANDING, ports.clock.nowMs());
      await recordFailure(ports.catalog, failedLanding(ports, source, settings, error));
      options.onEvent({ event: "land-failed", source: source.name, error });
    }
    isAny = true;
  }
  return isAny;
}

/** The next batch of a source; false when none is ready. */
async function landNext(
  ports: LandingPorts,
  source: Source,
  settings: RunSettings,
  options: ReadyOptions,
): Promise<boolean> {
  // A worker starts while the files are claimed.
  if (source.hasSegments !== true && source.waitingMs() === 0) ports.engine.prepare();
  const onEnd = options.onBegin?.({ kind: "landing", source: source.name });
  try {
    const batch = await source.poll({ files: BATCH_FILES_MAX, bytes: options.batchBytes });
    await lookAhead(ports, source, settings);
    if (batch === null) return false;
    for (const one of await landBatch(ports, batch, settings)) {
      options.onLanded(one);
      options.onEvent({ event: "landed", landed: one });
    }
    return true;
  } finally {
    onEnd?.();
  }
}

const AHEAD = new WeakMap<Source, AheadWork>();

/** Begins what a source says is coming; what is there now is not begun a second time beside that. */
async function lookAhead(
  ports: LandingPorts,
  source: Source,
  settings: RunSettings,
): Promise<void> {
  const news = source.ahead?.() ?? [];
  if (news.length === 0) return;
  const { AheadWork } = await import("./ingest/ahead.ts");
  const work = AHEAD.get(source) ?? new AheadWork();
  AHEAD.set(source, work);
  for (const one of news) work.take(ports, one, settings);
  if (news.some(({ kind }) => kind === "there")) await work.settled();
}

/** Sources that are not asked for now, because they failed not long ago. */
export function pausedSources(
  { sources }: Intake,
  patience: Patience,
  nowMs: number,
): ReadonlySet<string> {
  const names = sources.map(({ name }) => name);
  return new Set(names.filter((name) => patience.isPaused(name, LANDING, nowMs)));
}

/** Tells what could not be looked at; how much that is. */
export function tellUnreadable(
  { clock }: LandingPorts,
  { unreadable }: Intake,
  { patience, onEvent }: Pick<BuildOptions, "patience" | "onEvent">,
): number {
  for (const { path, error } of unreadable) {
    const nowMs = clock.nowMs();
    if (patience?.isPaused(path, error.message, nowMs) === true) continue;
    patience?.failed(path, error.message, nowMs);
    onEvent({ event: "unreadable", path, error });
  }
  return unreadable.length;
}

function withBatch(total: LandedTotal | undefined, batch: Landed): LandedTotal {
  const aside = batch.files.filter(({ outcome }) => outcome === "quarantined").length;
  return {
    source: batch.source,
    table: batch.table,
    rowsLanded: (total?.rowsLanded ?? 0) + batch.rowsLanded,
    // In the ledger a file that is set aside whole counts as one.
    rowsQuarantined: (total?.rowsQuarantined ?? 0) + batch.rowsQuarantined - aside,
    aside: (total?.aside ?? 0) + aside,
    duplicates: (total?.duplicates ?? 0) + batch.duplicates.length,
  };
}

/** Builds what is due in dependency order; a failed model blocks its descendants and no one else. */
export async function runDue(
  ports: LandingPorts,
  graph: ModelGraph,
  settings: RunSettings,
  options: Pick<
    BuildOptions,
    "select" | "full" | "repair" | "signal" | "onEvent" | "onBegin" | "patience"
  >,
): Promise<RunOutcome[]> {
  const runs: RunOutcome[] = [];
  if (graph.nodes.length === 0) return runs;
  const { runModel } = await import("./model/run.ts");
  const blockedBy = new Map<TableName, TableName>();
  const recent = { pins: null, failing: null, published: 0 };
  for (const node of graph.nodes) {
    const { name } = node.model;
    if (options.signal.aborted) break;
    if (options.select !== null && !options.select.has(name)) continue;
    const cause = blockedBy.get(name);
    const onEnd = cause === undefined ? options.onBegin?.({ kind: "running", model: name }) : null;
    const outcome: RunOutcome =
      cause === undefined
        ? await runModel(ports, graph.names, node, settings, { ...options, recent }).finally(() =>
            onEnd?.(),
          )
        : { kind: "blocked", model: name, reason: `${cause} failed; the old snapshot stays` };
    if (outcome.kind === "failed") {
      for (const blocked of blockedBehind(graph, node)) {
        if (!blockedBy.has(blocked)) blockedBy.set(blocked, name);
      }
    }
    runs.push(outcome);
    options.onEvent({ event: "run", outcome });
  }
  return runs;
}

/** Models that do not run in a turn in which this one failed. */
export function blockedBehind(graph: ModelGraph, { model }: ModelNode): Iterable<TableName> {
  switch (model.onFailure) {
    case "hold":
      return graph.descendants(model.name);
    case "fail_open":
      return [];
    case "fail_fast":
      return graph.nodes.map((node) => node.model.name);
  }
}

/** What `status` tells a failing source by, in whatever process. */
function failedLanding(
  { clock, random }: LandingPorts,
  { name, into }: Source,
  settings: RunSettings,
  error: LakeError,
): RunRecord {
  const nowMs = clock.nowMs();
  return {
    run: random.uuid(),
    model: into,
    modelHash: "",
    mode: "land",
    reason: `files of ${name}`,
    inputs: [],
    runTimeMs: nowMs,
    timezone: settings.timezone,
    engine: settings.engineVersion,
    startedMs: nowMs,
    endedMs: nowMs,
    status: "failed",
    error: error.hint === null ? error.message : `${error.message}: ${error.hint}`,
    rowsIn: 0n,
    rowsWritten: 0n,
    rowsQuarantined: 0n,
    rowsDropped: 0n,
    tests: [],
  };
}

/** Until something may be ready that is not; null when nothing waits. Those that failed are left out. */
export function waitingMs(intake: Intake, failed: ReadonlySet<string>): number | null {
  let least: number | null = null;
  for (const source of intake.sources) {
    if (failed.has(source.name)) continue;
    const ms = source.waitingMs();
    if (ms !== null) least = least === null ? ms : Math.min(least, ms);
  }
  return least;
}
