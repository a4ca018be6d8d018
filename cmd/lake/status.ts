/** How the lake is: per source and table, how fresh it is, what is set aside, what fails. */

import { compareCodePoints } from "../../core/base/order.ts";
import { quarantineTable } from "../../core/ingest/quarantine.ts";
import { isAlarm, type KeptReconciliation } from "../../core/ingest/reconciliation.ts";
import type { Unreadable } from "../../core/lake.ts";
import { BRANCH_PREFIX } from "../../core/limits.ts";
import { type Cursor, cursorFromText } from "../../core/model/cursor.ts";
import { isInlined } from "../../core/model/model.ts";
import { failedBehind, goneTables, type RunRecord } from "../../core/model/run-store.ts";
import type { TableHead } from "../../core/ports.ts";
import { liveRows } from "../../core/table/live.ts";
import type { TableName } from "../../core/table/types.ts";
import { isEngineRunning, readHolder } from "../../storage/disk/lease.ts";
import type { Dealt, Drops } from "../../storage/sources/files.ts";
import type { Session } from "../open.ts";
import {
  type GoneStream,
  goneStreams,
  type StreamStatus,
  sourceConfigs,
  streamStatuses,
} from "./sources.ts";

export interface SourceStatus {
  readonly source: string;
  readonly table: string;
  readonly lastMs: number | null;
  readonly waitingFiles: number;
  readonly rowsLanded: number;
  /** Of the table now: replaced and withdrawn rows are not in it. */
  readonly rows: string | null;
  readonly rowsQuarantined: number;
  readonly rowsPerSecond: number | null;
  /** Why the files that wait do not land. */
  readonly failing: string | null;
}

export interface StreamStanding extends StreamStatus {
  /** Why it is not read on. */
  readonly failing: string | null;
}

export interface ModelStatus {
  readonly model: string;
  readonly kind: string;
  readonly lastMs: number | null;
  readonly rows: string | null;
  readonly rowsQuarantined: string | null;
  readonly failing: string | null;
  /** Something it reads failed, so that it is older than it should be. */
  readonly staleUpstream: string | null;
  /** The version that it was set back to and that builds leave alone until its inputs change. */
  readonly restoredTo: string | null;
  /** A table that it reads and that no model makes any more. */
  readonly readsOrphan: string | null;
  /** The nearest table behind it that has changed since it was built: a build is due. */
  readonly behind: string | null;
  /** What it waits for by its cadence, in words; null where it has none. What is new waits with it. */
  readonly cadence: string | null;
}

export interface Status {
  readonly nowMs: number;
  /** Who runs the engine. */
  readonly engine: ReturnType<typeof readHolder>;
  readonly sources: readonly SourceStatus[];
  readonly streams: readonly StreamStanding[];
  readonly models: readonly ModelStatus[];
  /** Dropped, and taken by no source. */
  readonly unclaimed: Dealt["unclaimed"];
  readonly goneStreams: readonly GoneStream[];
  /** Tables that nothing of the project writes any more; none where it has errors. */
  readonly goneTables: ReadonlyMap<TableName, "model" | "source">;
  /** Branches that were begun here and are not main yet; those of other engines are known from the tables alone. */
  readonly branches: readonly string[];
  /** What was done last for a table that nobody wrote to; null where none of the latest commits is that. */
  readonly maintained: { readonly timeMs: number; readonly message: string } | null;
  /** Tables that were not as in their source when they were compared last. */
  readonly alarms: readonly KeptReconciliation[];
  /** What of the drops could not be looked at. */
  readonly unreadable: readonly Unreadable[];
}

/** A window in which throughput and growth are counted. */
const RECENT_MS = 24 * 3_600_000;

/** What waits is as of a new listing of the drops, or as of the last one where somebody else lists them. */
export async function statusOf(session: Session, listing: "new" | "last"): Promise<Status> {
  const drops = await session.drops();
  if (listing === "new") await drops.refresh();
  const nowMs = session.ports.clock.nowMs();
  const engine = isEngineRunning(session.warehouse) ? readHolder(session.warehouse) : null;
  const latest = await session.catalog.runs.latest();
  const heads = new Map((await session.catalog.tables()).map((head) => [head.name, head]));
  const cursors = await session.catalog.facts("cursor");
  const lake = { session, drops, latest, heads, cursors };
  const sources = await sourceStatuses(lake, nowMs);
  const gone = await goneOf(lake, sources);
  const models = await modelStatuses(lake, sources, gone);
  const { unclaimed, unreadable } = drops;
  const streams = await streamStandings(lake, sources);
  const found = await session.catalog.reconciliations.latest();
  const alarms = found.filter((one) => isAlarm(one, session.config.reconcile.threshold));
  return {
    ...{ nowMs, engine, sources, streams, models, unclaimed, unreadable, alarms },
    ...{ goneStreams: await goneStreams(session), goneTables: gone },
    branches: [...(await session.catalog.facts("setting")).keys()].flatMap((name) =>
      name.startsWith(BRANCH_PREFIX) ? [name.slice(BRANCH_PREFIX.length)] : [],
    ),
    maintained: await lastMaintained(session.catalog),
  };
}

/** Commits among which the last maintenance is looked for: a lake that is never maintained has no end of them. */
const COMMITS_LOOKED_AT = 1_000n;

async function lastMaintained(catalog: Session["catalog"]): Promise<Status["maintained"]> {
  const [newest] = await catalog.commits({ limit: 1 });
  if (newest === undefined) return null;
  const since = newest.number - COMMITS_LOOKED_AT;
  const [last] = await catalog.commits({ kind: "maintain", since, limit: 1 });
  return last === undefined ? null : { timeMs: last.timeMs, message: last.message };
}

/** Of a project with errors nobody knows what it makes. A folder without a file is a source still. */
async function goneOf(
  { session, heads, cursors }: Lake,
  sources: readonly SourceStatus[],
): Promise<Status["goneTables"]> {
  const { catalog, config, project, root } = session;
  if (project.errors.length > 0) return new Map();
  const made = [...project.models.map(({ name }) => name), ...sources.map(({ table }) => table)];
  const known = {
    tables: async () => [...heads.values()],
    facts: async () => cursors,
    ledger: catalog.ledger,
  };
  const gone = await goneTables(known, made);
  if (![...gone.values()].includes("source")) return gone;
  const { sourceTables } = await import("./drops.ts");
  const named = await sourceTables(root, config);
  return new Map([...gone].filter(([table]) => !named.has(table)));
}

interface Lake {
  readonly session: Session;
  readonly drops: Drops;
  readonly latest: ReadonlyMap<TableName, RunRecord>;
  readonly heads: ReadonlyMap<TableName, TableHead>;
  readonly cursors: ReadonlyMap<TableName, string>;
}

/** True when something fails, or is older than what it is made of. */
export function isTroubled({ sources, streams, models, unreadable, alarms }: Status): boolean {
  const failing = [...sources, ...streams, ...models].some((one) => one.failing !== null);
  const isOld = models.some(({ staleUpstream, behind }) => (staleUpstream ?? behind) !== null);
  return failing || unreadable.length > 0 || alarms.length > 0 || isOld;
}

async function sourceStatuses(lake: Lake, nowMs: number): Promise<SourceStatus[]> {
  const { session, drops, heads } = lake;
  const statuses: SourceStatus[] = [];
  const waiting = new Map(drops.sources.map(({ name, waitingFiles }) => [name, waitingFiles]));
  for (const config of await sourceConfigs(session)) {
    const waitingFiles = waiting.get(config.name) ?? 0;
    const { ledger } = session.catalog;
    const { lastMs, firstMs, rows } = await ledger.pace(config.name, nowMs - RECENT_MS);
    const totals = await ledger.totals(config.name);
    const { rows: inTable } = await stateOf(session, heads.get(config.into));
    const seconds = firstMs === null ? 0 : Math.max(1, (nowMs - firstMs) / 1000);
    statuses.push({
      source: config.name,
      table: config.into,
      lastMs,
      waitingFiles,
      rows: inTable,
      ...totals,
      rowsPerSecond: rows === 0 ? null : Math.round(rows / seconds),
      failing: waitingFiles === 0 ? null : landingFailure(lake, config.into, lastMs),
    });
  }
  return statuses.sort((a, b) => compareCodePoints(a.source, b.source));
}

async function streamStandings(
  lake: Lake,
  sources: readonly SourceStatus[],
): Promise<StreamStanding[]> {
  const { session } = lake;
  const standings: StreamStanding[] = [];
  for (const status of await streamStatuses(session)) {
    const { stream } = status;
    const own = sources.filter(
      ({ source }) => source === stream || source.startsWith(`${stream}.`),
    );
    const lastMs = Math.max(0, ...own.map((source) => source.lastMs ?? 0));
    standings.push({ ...status, failing: landingFailure(lake, `bronze.${stream}`, lastMs) });
  }
  return standings;
}

/** What the last attempt to land failed for, unless a batch has landed since. */
function landingFailure({ latest }: Lake, table: TableName, lastMs: number | null): string | null {
  const run = latest.get(table);
  if (run?.status !== "failed" || run.mode !== "land") return null;
  const isOver = (lastMs ?? 0) > run.endedMs;
  return isOver ? null : (run.error ?? "failed");
}

async function modelStatuses(
  { session, latest, heads, cursors }: Lake,
  sources: readonly SourceStatus[],
  gone: Status["goneTables"],
): Promise<ModelStatus[]> {
  const notLanding = new Set(sources.filter((one) => one.failing !== null).map((one) => one.table));
  const counts = (run: RunRecord) => run.mode !== "land" || notLanding.has(run.model);
  const news = new Map<TableName, TableName>();
  for (const [name, cursor] of cursors) {
    const newer = await newerInput(session, cursorFromText(cursor), heads);
    if (newer !== null) news.set(name, newer);
  }
  const cadences = await cadencesOf(session, latest);
  for (const [name, { isDue }] of cadences) if (!isDue) news.delete(name);
  const readBy = (name: TableName) => [
    ...(cursorFromText(cursors.get(name) ?? null)?.inputs.keys() ?? []),
  ];
  const statuses: ModelStatus[] = [];
  for (const model of session.project.models) {
    if (isInlined(model.kind)) continue;
    const run = latest.get(model.name);
    const now = await stateOf(session, heads.get(model.name));
    const aside = await stateOf(session, heads.get(quarantineTable(model.name)));
    const { restored } = cursorFromText(cursors.get(model.name) ?? null) ?? { restored: null };
    const behind = failedBehind(model.name, latest, counts);
    statuses.push({
      model: model.name,
      kind: model.kind,
      ...now,
      rowsQuarantined: aside.rows,
      failing: run?.status === "failed" ? (run.error ?? "failed") : null,
      staleUpstream: behind === model.name ? null : behind,
      restoredTo: restored === null ? null : `@${restored}`,
      behind: nearestNews(model.name, news, readBy),
      cadence: cadences.get(model.name)?.text ?? null,
      readsOrphan: run?.inputs.find(({ table }) => gone.get(table) === "model")?.table ?? null,
    });
  }
  return statuses;
}

/** Of models with a cadence: what that is, and whether a time has come that nothing ran at yet. */
async function cadencesOf(
  { project, config, catalog, ports }: Session,
  latest: Lake["latest"],
): Promise<ReadonlyMap<TableName, { readonly text: string; readonly isDue: boolean }>> {
  const models = project.models.filter(({ cadence }) => cadence !== null);
  if (models.length === 0) return new Map();
  const { cadenceText, isByClock, nextMs } = await import("../../core/model/cadence.ts");
  const { nextTick } = await import("../project/schedules.ts");
  const nowMs = ports.clock.nowMs();
  const done = await catalog.runs.lastTicks();
  return new Map(
    models.flatMap(({ name, cadence }) => {
      if (cadence === null) return [];
      const text = cadenceText(cadence);
      if (!isByClock(cadence)) return [[name, { text, isDue: false }] as const];
      const next = (afterMs: number) => nextMs(cadence, config.timezone, nextTick, afterMs);
      const doneMs = done.get(name) ?? latest.get(name)?.startedMs ?? nowMs;
      const dueMs = next(doneMs);
      const isDue = dueMs !== null && dueMs <= nowMs;
      const atMs = isDue ? dueMs : next(nowMs);
      const at = atMs === null ? "" : `, next ${new Date(atMs).toISOString().slice(0, 16)}Z`;
      return [[name, { text: `${text}${at}`, isDue }] as const];
    }),
  );
}

/** A table that a model reads and that holds other rows now than when it was built; null for one that is held. */
async function newerInput(
  { catalog }: Session,
  cursor: Cursor | null,
  heads: Lake["heads"],
): Promise<TableName | null> {
  if (cursor === null || cursor.restored !== null) return null;
  for (const [table, { uuid, snapshotId }] of cursor.inputs) {
    const head = heads.get(table);
    if (head === undefined || head.snapshotId === null) continue;
    if (head.uuid === uuid && head.snapshotId === snapshotId) continue;
    if (head.uuid !== uuid || !(await isRewritten(catalog, table, snapshotId))) return table;
  }
  return null;
}

/** True when only files were replaced since a snapshot: the rows are the same. */
async function isRewritten(
  catalog: Session["catalog"],
  name: TableName,
  since: bigint | null,
): Promise<boolean> {
  const table = await catalog.load(name);
  const byId = new Map(table?.snapshots.map((one) => [one.snapshotId, one]));
  let at = table?.current ?? null;
  while (at !== null && at.snapshotId !== since) {
    if (at.operation !== "replace") return false;
    at = byId.get(at.parentId ?? 0n) ?? null;
  }
  return at !== null;
}

function nearestNews(
  name: TableName,
  news: ReadonlyMap<TableName, TableName>,
  readBy: (name: TableName) => readonly TableName[],
): TableName | null {
  const seen = new Set([name]);
  // Names are added while the set is walked: nearest first.
  for (const table of seen) {
    const newer = news.get(table);
    if (newer !== undefined) return newer;
    for (const input of readBy(table)) seen.add(input);
  }
  return null;
}

/** Commits of a table among which one that changed it is looked for. */
const LOOKED_BACK = 100;

/** When a table changed last, and its rows: as its last commit says, which spares reading its metadata. */
async function stateOf(
  session: Session,
  head: TableHead | undefined,
): Promise<Pick<ModelStatus, "lastMs" | "rows">> {
  if (head === undefined) return { lastMs: null, rows: null };
  const [last] = await session.catalog.commits({ table: head.name, limit: 1 });
  const entry = last?.tables.find((table) => table.name === head.name);
  const isKnown = entry?.uuid === head.uuid && entry.snapshotId === head.snapshotId;
  if (last !== undefined && isKnown && entry.snapshotId !== null) {
    const rows = entry.totalRecords.toString();
    if (last.kind !== "maintain") return { lastMs: last.timeMs, rows };
    // Files that were made one are no news.
    const before = await session.catalog.commits({ table: head.name, limit: LOOKED_BACK });
    const changed = before.find(({ kind }) => kind !== "maintain") ?? last;
    return { lastMs: changed.timeMs, rows };
  }
  const current = (await session.catalog.load(head.name))?.current ?? null;
  return {
    lastMs: current?.timestampMs ?? null,
    rows: current === null ? null : (liveRows(current)?.toString() ?? null),
  };
}
