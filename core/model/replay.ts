/**
 * Replay: models computed again over what bronze holds, staged beside the live tables, compared with them, and
 * published as one commit of overwrite snapshots on the current heads. DESIGN, Settled.
 */

import { LakeError } from "../base/errors.ts";
import type { Diff, Materialized, MaterializeMode, RangeScope, TableRef } from "../engine.ts";
import { REWRITTEN_ROWS_MAX, RUNS_LOOKED_AT_MAX } from "../limits.ts";
import type { Catalog } from "../ports.ts";
import type { Change, Fact, TableChange } from "../table/commit.ts";
import { everyFile, fileKey } from "../table/live.ts";
import { splitName } from "../table/name.ts";
import { commitOnce, publish } from "../table/publish.ts";
import type { DataFile, Scan, ScanFile, TableName } from "../table/types.ts";
import type { WindowsRun } from "./closing.ts";
import { type Cursor, cursorFromText, cursorToText, isSameReading } from "./cursor.ts";
import { type Decision, decideRun } from "./decide.ts";
import { isInlined, isMerged } from "./model.ts";
import {
  appendChange,
  baseScan,
  emptied,
  formatOf,
  type ModelTarget,
  modeInto,
  modelTarget,
  type RunPorts,
  type RunSettings,
  rejectChange,
  rejectScan,
  rejectTarget,
  winnersOf,
} from "./model-table.ts";
import type { ModelNode } from "./node.ts";
import { bindAll, type Names, Pins } from "./pins.ts";
import type { Reach, ReachJob } from "./reach.ts";
import type { RunPlan } from "./run-plan.ts";
import { runRecord } from "./run-record.ts";
import type { RunRecord, TestOutcome } from "./run-store.ts";
import { removeStaged, stagedFile } from "./staged-file.ts";
import { steppedNode } from "./step-node.ts";

/**
 * The range where it can be kept to, else everything. A range is of the rows that the model has read: it is computed
 * from the inputs as they were then, and the model's place stays, so that the next build still finds what came since.
 * Its version stays too: rows outside of the range are of the code that made them, so edited code remains to be run.
 */
export async function reachOf(job: ReachJob, decision: Decision): Promise<Reach> {
  const { options, names, node } = job;
  const { scope } = options;
  const whole = (reason: string): Reach => wholeReach(job, decision, reason);
  if (scope === null) return whole("everything");
  if (node.model.cdc !== null) return whole("a change may count long after it");
  if (node.model.step !== null) return whole("its program makes all of its rows");
  const driver = decision.plan.kind === "full" ? decision.plan.driver : null;
  const { inputs } = decision.next;
  const replayed = [...inputs.keys()].find((name) => job.overrides.has(name));
  if (replayed !== undefined || driver === null) {
    const { keyedReach } = await import("./replay-keys.ts");
    const reach = await keyedReach(job, decision, scope);
    return typeof reach === "string" ? whole(reach) : reach;
  }
  if (!job.pins.has(node.model.name)) return whole("it has no rows yet");
  const reason = `rows of ${names.tableOf(driver)} by ${scope.column}`;
  // Tables beside the live ones have no place: they are read as of one moment.
  if (options.atMs !== null) return { scope, reason, pins: job.pins, next: decision.next };
  const cursor = cursorFromText(decision.cursorText);
  if (cursor === null) return whole("it has lost its place");
  if (cursor.restored !== null) return whole("its rows are those of a restore");
  if (cursor.timezone !== decision.next.timezone) return whole("the timezone changed");
  const read = new Map([...cursor.inputs].filter(([name]) => inputs.has(name)));
  const pins = await job.pins.where(read);
  if (pins === null) return whole("what it has read is not kept any more");
  return { scope, reason, pins, next: { ...cursor, inputs: new Map([...inputs, ...read]) } };
}

function isAll({ scope, keys }: Reach): boolean {
  return scope === null && keys === undefined;
}

/** Everything, from the inputs as they are pinned. */
export function wholeReach(job: ReachJob, decision: Decision, reason: string): Reach {
  return { scope: null, reason, pins: job.pins, next: decision.next };
}

export interface AtOptions {
  /** Inputs are read as of this instant; null is now. */
  readonly atMs: number | null;
  /** What is rebuilt as of then becomes the live tables; the next build goes on from there. */
  readonly promote: boolean;
}

/** Namespaces of tables that were rebuilt as of an earlier moment. */
const BESIDE = "_replay";

/** Whether the live tables stay as they are. */
export function isBeside(options: AtOptions): boolean {
  return options.atMs !== null && !options.promote;
}

/** The model as it is rebuilt beside its table: `silver.orders` into `silver_replay.orders`. */
export function besideNode(node: ModelNode): ModelNode {
  const { namespace, table } = splitName(node.model.name);
  return { ...node, model: { ...node.model, name: `${namespace}${BESIDE}.${table}` } };
}

/** Inputs as of the moment; tables that are written, as they are now. */
export async function pinsFor(
  catalog: Catalog,
  nodes: readonly ModelNode[],
  options: AtOptions,
): Promise<Pins> {
  if (options.atMs === null) return Pins.take(catalog);
  const written = new Set<TableName>(options.promote ? nodes.map((node) => node.model.name) : []);
  const isNow = (name: TableName): boolean =>
    written.has(name) || name.split(".")[0]?.endsWith(BESIDE) === true;
  return Pins.takeAt(catalog, options.atMs, isNow);
}

export interface ReplayOptions extends AtOptions {
  /** Half-open range of the driving rows; null replays everything. */
  readonly scope: RangeScope | null;
  readonly dryRun: boolean;
  readonly why: string;
  /** Rows of the diff to keep for the screen. */
  readonly sampleRows: number;
}

export interface ReplayedTable {
  readonly model: TableName;
  readonly mode: "range" | "full";
  readonly reason: string;
  readonly diff: Diff;
  readonly rowsIn: bigint;
  readonly rows: bigint;
  /** Its quarantine table changes: other rows are set aside, or for other reasons. */
  readonly asideChanged: boolean;
  readonly tests: readonly TestOutcome[];
}

export interface Replayed {
  /** Null for a dry run, and when nothing changed. */
  readonly commit: bigint | null;
  readonly tables: readonly ReplayedTable[];
}

/** One model's staged result, named by no snapshot. */
interface Staged {
  readonly node: ModelNode;
  readonly target: ModelTarget;
  readonly before: Scan;
  readonly after: Scan;
  readonly added: readonly DataFile[];
  readonly removed: readonly string[];
  readonly snapshotId: bigint;
  readonly decision: Decision;
  readonly result: Materialized;
  readonly record: RunRecord;
  readonly rejects: TableChange | null;
  readonly windows: WindowsRun | null;
  readonly late: TableChange | null;
  readonly report: ReplayedTable;
}

/**
 * Replays `nodes` (in dependency order). Tables outside the selection are read at one pin. Throws `expectation`
 * when a test forbids publishing: nothing is then changed.
 */
export async function replay(
  ports: RunPorts,
  names: Names,
  nodes: readonly ModelNode[],
  settings: RunSettings,
  options: ReplayOptions,
): Promise<Replayed> {
  return publish({
    what: "what is replayed",
    hint: "nothing was changed; stop the other writer and run the replay again",
    attempt: () => attemptReplay(ports, names, nodes, settings, options),
  });
}

/** Null when a live run or another writer published since the pin: to be staged again on the new heads. */
async function attemptReplay(
  ports: RunPorts,
  names: Names,
  nodes: readonly ModelNode[],
  settings: RunSettings,
  options: ReplayOptions,
): Promise<Replayed | null> {
  const pins = await pinsFor(ports.catalog, nodes, options);
  const staged: Staged[] = [];
  const overrides = new Map<TableName, Scan>();
  const replaced = new Map<TableName, Scan>();
  for (const node of nodes) {
    // Answers are what came from outside: a replay reads them as they were given.
    if (isInlined(node.model.kind) || node.model.lookup !== null) continue;
    const one = await stage(ports, {
      catalog: ports.catalog,
      names,
      pins,
      node: isBeside(options) ? besideNode(node) : node,
      live: node.model.name,
      settings,
      options,
      overrides,
      replaced,
    });
    staged.push(one);
    // What is not going to be published is not read either.
    if (!isBeside(options) && isUnchanged(one)) continue;
    overrides.set(node.model.name, one.after);
    replaced.set(node.model.name, one.before);
  }
  const tables = staged.map((one) => one.report);
  const change = replayChange(staged, options);
  const isNothing =
    change.tables.length === 0 && change.facts.every((one) => one.was === one.becomes);
  if (options.dryRun || isNothing) {
    await dropStaged(ports, staged);
    return { commit: null, tables };
  }
  for (const { node } of staged) {
    await ports.catalog.runs.keepModel(node.model.hash, node.model.name, node.model.kept);
    await keepInputs(ports, names, node);
  }
  const committed = await commitOnce(ports.catalog, change, "the replay");
  if (committed === null) {
    await dropStaged(ports, staged);
    return null;
  }
  const unchanged = isBeside(options) ? [] : staged.filter(isUnchanged);
  await ports.catalog.discard(unchanged.flatMap((one) => one.added));
  return { commit: committed.number, tables };
}

interface StageJob extends ReachJob {
  /** The table that the result is compared with. */
  readonly live: TableName;
  readonly settings: RunSettings;
  readonly options: ReplayOptions;
}

async function stage(ports: RunPorts, job: StageJob): Promise<Staged> {
  const { catalog } = ports;
  const moments = { timezone: job.settings.timezone, nowMs: ports.clock.nowMs() };
  const asked = { full: true, moments };
  const decided = await decideRun(catalog, job.pins, job.names, job.node, asked);
  return stageReach(ports, job, decided, await reachOf(job, decided));
}

async function stageReach(
  ports: RunPorts,
  job: StageJob,
  decided: Decision,
  range: Reach,
): Promise<Staged> {
  const { names, settings } = job;
  const { catalog } = ports;
  const startedMs = ports.clock.nowMs();
  const runTimeMs = (await recordedTime(catalog, job)) ?? job.options.atMs ?? startedMs;
  const decision = { ...decided, next: range.next };
  const driver = decision.plan.kind === "full" ? decision.plan.driver : null;
  const { overrides } = job;
  const moments = { timezone: settings.timezone, nowMs: runTimeMs };
  const bindJob = { pins: range.pins, names, overrides, moments };
  const bound = await bindAll(bindJob, job.node.analysis.tables);
  const made = await steppedNode(ports, { node: job.node, settings, runTimeMs }, bound);
  const { node, bindings } = made;
  const isWhole = isAll(range);
  const target = await modelTarget(
    ports,
    { node, pins: job.pins, settings, runTimeMs, driver, isWhole },
    bindings,
  );
  if (!isWhole && target.breaking !== null) {
    return stageReach(ports, job, decided, wholeReach(job, decided, target.breaking));
  }
  const before = await baseScan(ports.catalog, target);
  const plan: RunPlan & { kind: "full" } = { kind: "full", reason: range.reason, driver };
  const run = ports.random.uuid();
  const rejects = await rejectTarget(ports, node.model.name);
  const windows = await windowsOf(ports, job, decision, { pins: range.pins, runTimeMs });
  const request = {
    run,
    model: node.model.name,
    sql: node.model.sql,
    bindings,
    timezone: settings.timezone,
    runTimeMs,
    schema: target.schema,
    spec: target.spec,
    expectations: node.model.expectations,
    tests: node.model.tests,
    testBindings: await bindAll({ ...bindJob, pins: job.pins }, relationshipRefs(node)),
    driver,
    windows: node.model.windows,
    isLenient: target.isLenient,
    closing: windows?.closing ?? null,
    mode: replayMode(node, target, before, range, driver),
    rejectSchema: rejects.schema,
    rejectTarget: await rejectScan(ports, rejects),
    // What is compared and published is rows: no file has some of them marked.
    rewrittenRowsMax: range.keys === undefined ? REWRITTEN_ROWS_MAX : Number.MAX_SAFE_INTEGER,
    keyIndexes: null,
    staging: await ports.io.stagingFolder(run),
    memoryBytes: settings.memoryBytes,
    threads: settings.threads,
  };
  const result = await ports.engine.materialize(request);
  if (result.retreat !== null) {
    return stageReach(ports, job, decided, wholeReach(job, decided, result.retreat));
  }
  if (result.stop !== null) throw heldBack(node, result);
  const recordJob = { node, decision, plan, settings, startedMs, runTimeMs };
  const record = runRecord(ports, recordJob, request, result);
  const late = isBeside(job.options) ? null : ((await windows?.change(result, run)) ?? null);
  const computed = { target, before, decision, result, record, rejects, windows, late };
  return adopted(ports, job, range, computed);
}

/**
 * Event time of what is replayed: where it reads what its last run has read, it goes by the watermark of that run;
 * else by all that there is now.
 */
async function windowsOf(
  ports: RunPorts,
  job: StageJob,
  { cursorText, plan, next }: Decision,
  { pins, runTimeMs }: { readonly pins: Pins; readonly runTimeMs: number },
): Promise<WindowsRun | null> {
  const { node, names, options } = job;
  if (node.model.closing === null) return null;
  const cursor = options.atMs === null ? cursorFromText(cursorText) : null;
  const isSame = cursor !== null && samePlaces(cursor.inputs, next.inputs);
  const recorded = isSame && job.overrides.size === 0 ? (cursor.watermark ?? null) : null;
  const { windowsRun } = await import("./closing.ts");
  const asked = { names, node, pins, cursorText, plan, repair: false, nowMs: runTimeMs, recorded };
  return windowsRun(ports, asked);
}

function samePlaces(a: Cursor["inputs"], b: Cursor["inputs"]): boolean {
  const isIn = (name: TableName): boolean =>
    a.get(name)?.uuid === b.get(name)?.uuid &&
    a.get(name)?.snapshotId === b.get(name)?.snapshotId &&
    isSameReading(a.get(name), b.get(name));
  return a.size === b.size && [...b.keys()].every(isIn);
}

/** `now()` of the run that the live rows are of, or were of at the asked moment; null when none is recorded. */
async function recordedTime(catalog: Catalog, { live, options }: StageJob): Promise<number | null> {
  const { atMs } = options;
  const runs = await catalog.runs.list({ model: live, limit: RUNS_LOOKED_AT_MAX });
  const run = runs.find((one) => one.status === "ok" && (atMs === null || one.endedMs <= atMs));
  return run?.runTimeMs ?? null;
}

interface Computed
  extends Pick<
    Staged,
    "target" | "before" | "decision" | "result" | "record" | "windows" | "late"
  > {
  readonly rejects: ModelTarget;
}

/**
 * The result as files of its table, with what they change. It is compared where it was staged: what changes nothing is
 * not made durable first.
 */
async function adopted(
  ports: RunPorts,
  job: StageJob,
  range: Reach,
  computed: Computed,
): Promise<Staged> {
  const { node, options } = job;
  const { target, before, result, record } = computed;
  const removed = isAll(range) ? everyFile(before).map(fileKey) : result.replaced;
  const afterWith = (files: readonly ScanFile[]) => scanAfter(target, before, removed, files);
  const diffWith = async (after: Scan) =>
    ports.engine.diff({
      before: isBeside(options) ? await liveScan(ports, job.live, after) : before,
      after,
      key: node.model.key,
      limit: options.sampleRows,
    });
  // Delete files are found by where the table's own files lie.
  const isPlain = before.deletes.length === 0;
  const early = isPlain ? await diffWith(afterWith(result.data.files.map(stagedFile))) : null;
  const isDropped = early !== null && !isBeside(options) && changesNothing(target, early);
  if (isDropped) await removeStaged(ports, result.data.files);
  const files = isDropped ? [] : result.data.files;
  const own = await appendChange(ports, target, files, record.run);
  const after = isDropped ? before : afterWith(ports.catalog.scanFiles(own.added));
  const diff = early ?? (await diffWith(after));
  const rejects = await rejectChange(ports, computed.rejects, result.rejects?.files ?? [], {
    id: record.run,
    replaced: result.rejectsReplaced,
  });
  return {
    ...computed,
    node,
    after,
    added: own.added,
    removed,
    snapshotId: ports.random.int63(),
    record: { ...record, mode: "replay", reason: options.why },
    rejects,
    report: {
      model: node.model.name,
      mode: isAll(range) ? "full" : "range",
      reason: range.reason,
      diff,
      rowsIn: result.rowsIn,
      rows: result.data.rows,
      asideChanged: rejects !== null,
      tests: result.tests,
    },
  };
}

function replayMode(
  node: ModelNode,
  target: ModelTarget,
  before: Scan,
  { scope, keys }: Reach,
  driver: TableRef | null,
): MaterializeMode {
  const { model } = node;
  if (keys !== undefined) {
    const winners = isMerged(model.kind) ? winnersOf(model) : null;
    return { ...keys, kind: "keyed", winners, target: before };
  }
  if (scope !== null) {
    const winners = isMerged(model.kind) ? winnersOf(model) : { key: [], latestBy: [] };
    return { kind: "replace", ...winners, target: before, scope };
  }
  return modeInto(node, target, emptied(before, target), driver);
}

function relationshipRefs(node: ModelNode): TableRef[] {
  return node.model.tests.flatMap((test) =>
    test.kind === "relationships" ? [{ name: test.to, at: null, offset: null }] : [],
  );
}

/** The live table now; empty when there is none. */
async function liveScan(ports: RunPorts, name: TableName, like: Scan): Promise<Scan> {
  const table = await ports.catalog.load(name);
  if (table === null) return { ...like, files: [], deletes: [] };
  return ports.catalog.scan(table, table.current);
}

function scanAfter(
  target: ModelTarget,
  before: Scan,
  removed: readonly string[],
  added: readonly ScanFile[],
): Scan {
  const gone = new Set(removed);
  const kept = before.files.filter((file) => !gone.has(file.file.path));
  // As they will be once they are published: newer than every delete that is there.
  const dataSequenceNumber = before.sequenceNumber + 1n;
  const fresh = added.map((one) => ({ ...one, file: { ...one.file, dataSequenceNumber } }));
  const deletes = kept.length === 0 ? [] : before.deletes;
  return { ...before, schema: target.schema, files: [...kept, ...fresh], deletes };
}

function replayChange(staged: readonly Staged[], options: ReplayOptions): Change {
  const snapshotByTable = new Map(staged.map((one) => [one.node.model.name, one.snapshotId]));
  const beside = isBeside(options);
  const changed = staged.filter((one) => beside || !isUnchanged(one));
  const aside = staged.flatMap(({ rejects, late }) => [rejects, late]);
  const rejects = aside.filter((change) => change !== null);
  const tables = changed.map(ownChange);
  const published = new Set(tables.map((table) => table.table));
  const facts = (beside ? [] : staged).map((one): Fact => {
    const inputs = new Map(one.decision.next.inputs);
    for (const [name, input] of inputs) {
      const snapshotId = snapshotByTable.get(name);
      if (snapshotId !== undefined && published.has(name))
        inputs.set(name, { ...input, snapshotId });
    }
    const { result, windows, decision } = one;
    const state = windows === null ? {} : { watermark: windows.state(result) };
    const becomes = cursorToText({ ...decision.next, inputs, sequence: result.sequence, ...state });
    return { kind: "cursor", name: one.node.model.name, was: one.decision.cursorText, becomes };
  });
  return {
    kind: "replay",
    tables: [...tables, ...rejects],
    facts,
    batches: [],
    withdrawn: [],
    runs: staged.map((one) => one.record),
    message: options.why,
  };
}

/** A table without a difference is not published: its live files stay as they are. */
function isUnchanged(one: Staged): boolean {
  return changesNothing(one.target, one.report.diff);
}

function changesNothing(target: ModelTarget, diff: Diff): boolean {
  const same = diff.added === 0n && diff.removed === 0n && diff.changed === 0n;
  const described = target.schemaChanged || target.specChanged;
  return same && target.table !== null && !described;
}

function ownChange(one: Staged): TableChange {
  const { target } = one;
  const { name, uuid, schema, spec } = target;
  const sortOrder = { orderId: 0, fields: [] };
  return {
    table: name,
    uuid,
    ...formatOf(target, { schema, spec, sortOrder, properties: {} }),
    base: target.base?.snapshotId ?? null,
    onMoved: "conflict",
    schema: target.schemaChanged ? schema : null,
    ...(target.specChanged ? { spec } : {}),
    snapshotId: one.snapshotId,
    operation: one.removed.length > 0 ? "overwrite" : "append",
    added: one.added,
    removed: one.removed,
    summary: {
      ...{ "tarn.run-id": one.record.run, "tarn.replay": "true" },
      ...one.windows?.summary(one.result),
    },
  };
}

async function dropStaged(ports: RunPorts, staged: readonly Staged[]): Promise<void> {
  const files = staged.flatMap((one) => [
    ...one.added,
    ...(one.rejects?.added ?? []),
    ...(one.late?.added ?? []),
  ]);
  await ports.catalog.discard(files);
}

function heldBack(node: ModelNode, result: Materialized): LakeError {
  return new LakeError("expectation", `${node.model.name}: ${result.stop ?? "a test failed"}`, {
    hint: "nothing was changed; mend the model or its test and run the replay again",
    context: { model: node.model.name },
  });
}

/** How that is done is loaded only where any input is put right. */
async function keepInputs({ catalog }: RunPorts, names: Names, node: ModelNode): Promise<void> {
  if (names.corrections === undefined) return;
  const { keepReadings } = await import("./corrections.ts");
  await keepReadings(catalog, names, node);
}
