/** One run of one model: pin, compute into staged files, audit, publish and record it; or leave the old snapshot. */

import { LakeError } from "../base/errors.ts";
import type {
  Binding,
  Materialized,
  MaterializeMode,
  MaterializeRequest,
  TableRef,
} from "../engine.ts";
import { KEY_INDEX_FOLDER, KEY_LOOKUP_ROWS, REWRITTEN_ROWS_MAX } from "../limits.ts";
import type { Patience } from "../patience.ts";
import type { Asked } from "../steps.ts";
import type { Change, Fact, TableChange } from "../table/commit.ts";
import { everyFile, fileKey } from "../table/live.ts";
import { commitOnce, publish } from "../table/publish.ts";
import type { Scan, TableName } from "../table/types.ts";
import type { Gate } from "./cadence.ts";
import type { WindowsRun } from "./closing.ts";
import type { ClosingRequest } from "./closing-request.ts";
import { cursorFromText, cursorToText } from "./cursor.ts";
import { type Decision, decideRun } from "./decide.ts";
import { isInlined, isMerged, isRecomputed, type Model } from "./model.ts";
import {
  adoptDeletes,
  appendChange,
  baseScan,
  emptied,
  type ModelTarget,
  modeInto,
  modelTarget,
  noRows,
  type RunPorts,
  type RunSettings,
  reasonWith,
  rejectChange,
  rejectScan,
  rejectTarget,
  winnersOf,
} from "./model-table.ts";
import type { ModelNode } from "./node.ts";
import { type BindJob, bindAll, type Names, Pins, type ScanOverrides } from "./pins.ts";
import type { AnswersFrom } from "./run-plan.ts";
import { failedRecord, type RecordJob, runRecord } from "./run-record.ts";
import { recordFailure, type TestOutcome } from "./run-store.ts";
import { steppedNode } from "./step-node.ts";
import { inFile } from "./variables.ts";

export type RunOutcome =
  | {
      readonly kind: "skipped";
      readonly model: TableName;
      readonly reason: string;
      /** There is something new, and its cadence has it wait. */
      readonly waits?: true;
    }
  | { readonly kind: "blocked"; readonly model: TableName; readonly reason: string }
  | {
      readonly kind: "built";
      readonly model: TableName;
      readonly mode: "incremental" | "full";
      readonly reason: string;
      readonly commit: bigint;
      readonly sequenceNumber: bigint | null;
      readonly result: Materialized;
      readonly elapsedMs: number;
      /** Of a lookup: when its next answer runs out; 0 where keys are left, null: never. */
      readonly dueMs?: number | null;
    }
  | {
      readonly kind: "failed";
      readonly model: TableName;
      readonly reason: string;
      readonly tests: readonly TestOutcome[];
      readonly elapsedMs: number;
    };

export interface RunOptions {
  /** Asked for by a person: everything is computed anew. */
  readonly full: boolean;
  /** Windows of late rows are to be computed again. */
  readonly repair?: boolean;
  readonly patience?: Patience;
  /** Tables as they were a moment ago. */
  readonly recent?: RecentPins;
  /** Whether what is new may be taken; absent: it may. A first run, or an edited model, waits for nothing. */
  readonly gate?: Gate;
  /** Of a lookup: answers of before then are none, where all keys are asked for; absent: of before now. */
  readonly sinceMs?: number;
}

/**
 * Pins of a turn over many models, of which most are not due: these need no look at the catalog of their own. What came
 * since is seen in the next turn, which it wakes.
 */
export interface RecentPins {
  pins: Pins | null;
  /** Models whose last run failed; null until one asks. */
  failing: ReadonlySet<TableName> | null;
  /** Runs of the turn that published: what was pinned before one of them is old. */
  published: number;
}

/** Runs a model when it is due. A failure is an outcome; only a broken lake throws. */
export async function runModel(
  ports: RunPorts,
  names: Names,
  node: ModelNode,
  settings: RunSettings,
  options: RunOptions,
): Promise<RunOutcome> {
  const model = node.model.name;
  if (isInlined(node.model.kind))
    return {
      kind: "skipped",
      model,
      reason: `${node.model.kind === "view" ? "a" : "an"} ${node.model.kind}`,
    };
  const run = (asked: RunOptions): Promise<RunOutcome> =>
    publish({
      what: model,
      hint: "its last snapshot stays; run the build again when the other writer is done",
      attempt: () => attemptRun(ports, names, node, settings, asked),
    });
  const sinceMs = ports.clock.nowMs();
  let outcome = await run({ ...options, sinceMs });
  // A lookup asks some keys at a time: what was answered is kept, whatever befalls the rest.
  while (outcome.kind === "built" && outcome.dueMs === 0) {
    const next = await run({ ...options, sinceMs });
    if (next.kind !== "built" && next.kind !== "failed") break;
    outcome = next;
  }
  const { recent } = options;
  if (outcome.kind === "built" && recent !== undefined) {
    recent.published += 1;
    recent.pins = null;
  }
  return outcome;
}

/** Null when another writer was first: to be decided again on the new heads. */
async function attemptRun(
  ports: RunPorts,
  names: Names,
  node: ModelNode,
  settings: RunSettings,
  options: RunOptions,
): Promise<RunOutcome | null> {
  const model = node.model.name;
  const { recent } = options;
  const moments = { timezone: settings.timezone, nowMs: ports.clock.nowMs() };
  const repair = options.repair === true;
  const { recorded } = settings;
  const { sinceMs } = options;
  const asked = { full: options.full, repair, moments, recorded, sinceMs };
  const before = recent?.pins ?? null;
  if (before !== null) {
    const decision = await decideRun(ports.catalog, before, names, node, asked);
    if (decision.plan.kind === "skip") return await skip(ports, node, settings, options, decision);
  }
  const published = recent?.published ?? 0;
  const pins = await Pins.take(ports.catalog);
  const decision = await decideRun(ports.catalog, pins, names, node, asked);
  const { plan } = decision;
  if (recent !== undefined) {
    const isRecent = plan.kind === "skip" && recent.published === published;
    recent.pins = isRecent ? pins : null;
  }
  if (plan.kind === "skip") return await skip(ports, node, settings, options, decision);
  if (plan.kind === "wait") return { kind: "blocked", model, reason: plan.reason };
  const { gate } = options;
  if (gate?.kind === "waits" && decision.isNews) {
    return { kind: "skipped", model, reason: gate.reason, waits: true };
  }
  const startedMs = ports.clock.nowMs();
  const cause = cursorToText(decision.next);
  if (options.patience?.isPaused(model, cause, startedMs) === true) {
    return { kind: "blocked", model, reason: "its last run failed, and nothing changed since" };
  }
  const tick = gate?.kind === "open" ? gate.tick : null;
  const times = { startedMs, runTimeMs: startedMs, tick };
  const isAsked = options.full;
  const job: Job = { node, names, pins, decision, plan, settings, ...times, isAsked, repair };
  const outcome = await tryRun(ports, job);
  if (outcome === null) return null;
  if (outcome.kind !== "failed") options.patience?.succeeded(model);
  else options.patience?.failed(model, cause, ports.clock.nowMs());
  return outcome;
}

/** What failed a model is over where nothing is to be done: its query, or a table that it reads, was set back. */
async function skip(
  ports: RunPorts,
  node: ModelNode,
  settings: RunSettings,
  { recent, patience }: RunOptions,
  decision: Decision,
): Promise<RunOutcome | null> {
  const model = node.model.name;
  const { edit } = decision;
  if (edit !== null && !(await adopt(ports, node, settings, decision))) return null;
  const reason = edit === null ? decision.plan.reason : `${edit.class}: ${edit.why}`;
  const outcome = { kind: "skipped", model, reason } as const;
  const failing = recent?.failing ?? (await failingModels(ports));
  if (recent !== undefined) recent.failing = failing;
  if (!failing.has(model)) return outcome;
  const startedMs = ports.clock.nowMs();
  const plan = { kind: "full", reason, driver: null } as const;
  const job = { node, decision, plan, settings, startedMs, runTimeMs: startedMs };
  await ports.catalog.runs.record({
    ...failedRecord(ports, job, "", []),
    mode: "incremental",
    status: "ok",
    error: null,
  });
  patience?.succeeded(model);
  return outcome;
}

/** The new text stands for the rows that are there: its place is all that is written. False where that was moved. */
async function adopt(
  ports: RunPorts,
  node: ModelNode,
  settings: RunSettings,
  decision: Decision,
): Promise<boolean> {
  const { name, hash, kept } = node.model;
  const cursor = cursorFromText(decision.cursorText);
  if (cursor === null) return false;
  const startedMs = ports.clock.nowMs();
  const reason = `${decision.edit?.class}: ${decision.edit?.why}`;
  const plan = { kind: "full", reason, driver: null } as const;
  const job = { node, decision, plan, settings, startedMs, runTimeMs: startedMs };
  const run = failedRecord(ports, job, "", []);
  await ports.catalog.runs.keepModel(hash, name, kept);
  const becomes = cursorToText({ ...cursor, hash: decision.next.hash });
  const change: Change = {
    kind: "build",
    tables: [],
    facts: [{ kind: "cursor", name, was: decision.cursorText, becomes }],
    batches: [],
    withdrawn: [],
    runs: [{ ...run, mode: "incremental", status: "ok", error: null }],
    message: `${name}: ${reason}`,
  };
  return (await commitOnce(ports.catalog, change, name)) !== null;
}

async function failingModels({ catalog }: RunPorts): Promise<ReadonlySet<TableName>> {
  const runs = await catalog.runs.latest();
  return new Set([...runs].flatMap(([model, { status }]) => (status === "failed" ? [model] : [])));
}

/** Null when another writer was first: to be decided again on the new heads. */
async function tryRun(ports: RunPorts, job: Job): Promise<RunOutcome | null> {
  try {
    await refuseForeignChange(ports, job);
    return await runOnce(ports, job);
  } catch (thrown) {
    const failed = await failure(ports, job, thrown);
    if (failed === null) throw thrown;
    return failed;
  }
}

interface Job extends RecordJob {
  readonly names: Names;
  readonly pins: Pins;
  /** A person asked for a full run: whatever the table holds is made anew. */
  readonly isAsked: boolean;
  readonly repair: boolean;
  /** What came of the questions of a lookup. */
  readonly asked?: Asked;
}

async function runOnce(ports: RunPorts, asked: Job): Promise<RunOutcome | null> {
  const job = await withIncrementQuery(ports, asked);
  const from = job.plan.kind === "incremental" ? job.plan.from : null;
  const delta = from?.kind === "answers" ? from.delta : from?.kind === "rows" ? from : null;
  const overrides: ScanOverrides =
    delta === null ? new Map() : new Map([[delta.table, delta.delta]]);
  const bound = await bindAll(bindJob(job, overrides), job.node.analysis.tables);
  if (from?.kind === "answers") return askOnce(ports, job, from, bound);
  const { node, bindings } = await steppedNode(ports, job, bound);
  const { driver } = job.plan;
  const isWhole = job.plan.kind === "full";
  const target = await modelTarget(ports, { ...job, node, driver, isWhole }, bindings);
  if (!isWhole && target.breaking !== null) {
    if (job.node.model.forwardOnly) {
      throw heldTypes(job.node.model, target.breaking);
    }
    const plan = { kind: "full", reason: target.breaking, driver } as const;
    return runOnce(ports, { ...job, plan });
  }
  const told = isWhole ? withReason(job, target) : job;
  return runTo(ports, { ...told, node }, target, bindings);
}

/** A run of a lookup: what it has is never computed again, and its answers are added. */
async function askOnce(
  ports: RunPorts,
  job: Job,
  from: AnswersFrom,
  bound: readonly Binding[],
): Promise<RunOutcome | null> {
  const { askedRun } = await import("./asked.ts");
  const { target, bindings, ...made } = await askedRun(ports, job, from, bound);
  return runTo(ports, { ...job, ...made }, target, bindings);
}

/** Rows of before cannot stay under a column of another type. */
function heldTypes({ name, file, sqlLine: line }: Model, why: string): LakeError {
  return new LakeError("schema", `rows of ${name} cannot stay as they are: ${why}`, {
    hint: `forward_only keeps them: cast to the type of before, or take all: tarn build ${name} --full`,
    place: { file, line, column: 1 },
  });
}

/** A run that goes on from what the table holds computes the table as it is after it. */
async function withIncrementQuery(ports: RunPorts, job: Job): Promise<Job> {
  if (job.plan.kind !== "full" || job.plan.isOnto !== true) return job;
  const { incrementNode } = await import("./increment.ts");
  return { ...job, node: await incrementNode(ports, { ...job, bind: bindJob(job, new Map()) }) };
}

/** The result; or why all is to be computed: a statement made of the model's own says nothing of it when it fails. */
async function materialized(
  ports: RunPorts,
  { plan }: Job,
  request: MaterializeRequest,
): Promise<Materialized | string> {
  try {
    const result = await ports.engine.materialize(request);
    return result.retreat ?? result;
  } catch (thrown) {
    const isByKeys = plan.kind === "incremental" && plan.from.kind === "keys";
    if (!isByKeys || !(thrown instanceof LakeError) || thrown.code !== "sql") throw thrown;
    return "its keys cannot be asked for by themselves";
  }
}

/** All is computed, where a run by keys found that nothing else is right or worth it. */
function runWhole(ports: RunPorts, job: Job, why: string): Promise<RunOutcome | null> {
  const { reason, driver } = job.plan;
  return runOnce(ports, { ...job, plan: { kind: "full", reason: `${reason}; ${why}`, driver } });
}

function withReason(job: Job, target: ModelTarget): Job {
  return { ...job, plan: { ...job.plan, reason: reasonWith(job.plan.reason, target) } };
}

function withNote(job: Job, { note }: Materialized): Job {
  if (note === null) return job;
  return { ...job, plan: { ...job.plan, reason: `${job.plan.reason}; ${note}` } };
}

async function runTo(
  ports: RunPorts,
  asked: Job,
  target: ModelTarget,
  bindings: readonly Binding[],
): Promise<RunOutcome | null> {
  const current = looksAtRows(asked) ? await baseScan(ports.catalog, target) : noRows(target);
  const rejects = await rejectTarget(ports, asked.node.model.name);
  const windows = await windowsOf(ports, asked);
  const parts = { bindings, target, current, rejects, closing: windows?.closing ?? null };
  const request = await materializeRequest(ports, asked, parts);
  const result = await materialized(ports, asked, request);
  if (typeof result === "string") return runWhole(ports, asked, result);
  if (result.stop !== null) return heldBack(ports, asked, result);
  const job = withNote(asked, result);
  const replaced = job.plan.kind === "full" ? everyFile(current).map(fileKey) : result.replaced;
  const tables: TableChange[] = [];
  const own = await ownChange(ports, request.run, target, result, replaced);
  if (own !== null)
    tables.push({ ...own, summary: { ...own.summary, ...windows?.summary(result) } });
  const late = (await windows?.change(result, request.run)) ?? null;
  if (late !== null) tables.push(late);
  const rejected = await rejectChange(ports, rejects, result.rejects?.files ?? [], {
    id: request.run,
    replaced: job.plan.kind === "full" ? await rejectPaths(ports, rejects) : [],
  });
  if (rejected !== null) tables.push(rejected);
  const record = runRecord(ports, job, request, result);
  await ports.catalog.runs.keepModel(job.node.model.hash, job.node.model.name, job.node.model.kept);
  await keepInputs(ports, job.names, job.node);
  const change: Change = {
    kind: "build",
    tables,
    facts: [cursorFact(job, result, windows)],
    batches: [],
    withdrawn: [],
    runs: [record],
    message: `${job.node.model.name}: ${job.plan.kind}, ${job.plan.reason}`,
  };
  const commit = await commitOnce(ports.catalog, change, target.name);
  if (commit === null) return null;
  return {
    kind: "built",
    model: target.name,
    mode: job.plan.kind,
    reason: job.plan.reason,
    commit: commit.number,
    sequenceNumber: commit.snapshots.get(target.name)?.sequenceNumber ?? null,
    result,
    elapsedMs: ports.clock.nowMs() - job.startedMs,
    ...(job.asked === undefined ? {} : { dueMs: job.asked.dueMs }),
  };
}

/** False where rows are put beside those that are there, whatever they are: planning them costs by their files. */
function looksAtRows({ plan, node: { model } }: Job): boolean {
  const isAdded = plan.kind === "incremental" && plan.from.kind !== "keys";
  const isPlain = model.kind === "append" || isRecomputed(model.kind);
  return !isAdded || !isPlain || model.tests.length > 0;
}

function bindJob(job: Job, overrides: ScanOverrides): BindJob {
  const { pins, names, settings, runTimeMs } = job;
  const moments = { timezone: settings.timezone, nowMs: runTimeMs };
  return { pins, names, overrides, moments };
}

/** A model's table is ours alone: rows of another writer would be lost by the next full run. */
async function refuseForeignChange(ports: RunPorts, job: Job): Promise<void> {
  const name = job.node.model.name;
  const pin = await job.pins.get(name);
  if (pin === null || job.isAsked) return;
  const { foreignChange } = await import("./foreign-change.ts");
  const found = await foreignChange(ports.catalog, name);
  if (found === null) return;
  const context = { table: name, commit: found.number };
  if (found.kind === "write") {
    throw new LakeError("conflict", `${name} has rows that statements put there`, {
      hint:
        `a model's table holds what its query says and nothing else: give the model another name, ` +
        `or let it take the table: tarn build ${name} --full`,
      context,
    });
  }
  throw new LakeError("conflict", `${name} was changed by another writer`, {
    hint:
      `a model's table holds what its query says and nothing else; keep the change elsewhere, then: ` +
      `tarn restore ${name} --to @-1, or rebuild it: tarn build ${name} --full`,
    context,
  });
}

interface Parts {
  readonly bindings: readonly Binding[];
  readonly target: ModelTarget;
  readonly current: Scan;
  readonly rejects: ModelTarget;
  readonly closing: ClosingRequest | null;
}

/** Loaded for the few models that ask for it. */
async function windowsOf(ports: RunPorts, job: Job): Promise<WindowsRun | null> {
  if (job.node.model.closing === null) return null;
  const { cursorText } = job.decision;
  const { windowsRun } = await import("./closing.ts");
  return windowsRun(ports, { ...job, cursorText, nowMs: job.runTimeMs, recorded: null });
}

async function materializeRequest(
  ports: RunPorts,
  job: Job,
  parts: Parts,
): Promise<MaterializeRequest> {
  const { model } = job.node;
  const run = ports.random.uuid();
  return {
    run,
    model: model.name,
    sql: model.sql,
    bindings: parts.bindings,
    timezone: job.settings.timezone,
    runTimeMs: job.runTimeMs,
    schema: parts.target.schema,
    spec: parts.target.spec,
    expectations: model.expectations,
    tests: model.tests,
    testBindings: await testBindings(job, parts),
    driver: job.plan.driver,
    closing: parts.closing,
    mode: await materializeMode(job, parts),
    windows: model.windows,
    isLenient: parts.target.isLenient,
    rejectSchema: parts.rejects.schema,
    rejectTarget: null,
    rewrittenRowsMax: REWRITTEN_ROWS_MAX,
    keyIndexes: {
      folder: `${ports.io.root}/${KEY_INDEX_FOLDER}/${parts.target.uuid}`,
      lookupRows: KEY_LOOKUP_ROWS,
    },
    staging: await ports.io.stagingFolder(run),
    memoryBytes: job.settings.memoryBytes,
    threads: job.settings.threads,
  };
}

/** A run over everything says anew what is set aside, so it stands in for what earlier runs said. */
async function rejectPaths(ports: RunPorts, rejects: ModelTarget): Promise<string[]> {
  const scan = await rejectScan(ports, rejects);
  return (scan?.files ?? []).map((file) => file.file.path);
}

async function materializeMode(job: Job, parts: Parts): Promise<MaterializeMode> {
  const isDelta = job.plan.kind === "incremental";
  if (job.plan.kind === "incremental" && job.plan.from.kind === "keys") {
    const { model } = job.node;
    const winners = isMerged(model.kind) ? winnersOf(model) : null;
    return { ...job.plan.from, kind: "keyed", winners, target: parts.current };
  }
  const target = isDelta ? parts.current : emptied(parts.current, parts.target);
  const mode = modeInto(job.node, parts.target, target, job.plan.driver);
  if (!isDelta || mode.kind !== "cdc") return mode;
  const history = await bindAll(bindJob(job, new Map()), job.node.analysis.tables);
  return { ...mode, history, since: cursorFromText(job.decision.cursorText)?.sequence ?? null };
}

/** Tables that `relationships` tests look into, and the rows an append is added to. */
async function testBindings(job: Job, parts: Parts): Promise<Binding[]> {
  const refs: TableRef[] = job.node.model.tests.flatMap((test) =>
    test.kind === "relationships" ? [{ name: test.to, at: null, offset: null }] : [],
  );
  const bindings = await bindAll(bindJob(job, new Map()), refs);
  if (job.plan.kind !== "incremental" || !looksAtRows(job)) return bindings;
  const self: TableRef = { name: job.node.model.name, at: null, offset: null };
  return [...bindings, { kind: "scan", ref: self, scan: parts.current }];
}

async function ownChange(
  ports: RunPorts,
  run: string,
  target: ModelTarget,
  result: Materialized,
  replaced: readonly string[],
): Promise<TableChange | null> {
  const change = await appendChange(ports, target, result.data.files, run);
  const marks = await adoptDeletes(ports, target, result.deletes.files);
  const overwrite = replaced.length > 0 || marks.length > 0;
  const described = target.schemaChanged || target.specChanged;
  if (change.added.length === 0 && !overwrite && target.table !== null && !described) return null;
  const empty = change.added.length === 0 && !overwrite;
  return {
    ...change,
    added: [...change.added, ...marks],
    operation: empty && target.table !== null ? null : overwrite ? "overwrite" : "append",
    removed: replaced,
    schema: target.schemaChanged ? target.schema : null,
    ...(target.specChanged ? { spec: target.spec } : {}),
    // What was computed stands beside the rows that were there, and beside no others.
    onMoved: "conflict",
  };
}

function cursorFact(job: Job, result: Materialized, windows: WindowsRun | null): Fact {
  const { cursorText: was, next } = job.decision;
  const { sequence } = result;
  const watermark = windows?.state(result) ?? null;
  const asked = job.asked === undefined ? {} : { asked: { dueMs: job.asked.dueMs } };
  const becomes = cursorToText({ ...next, sequence, watermark, ...asked });
  return { kind: "cursor", name: job.node.model.name, was, becomes };
}

async function heldBack(ports: RunPorts, job: Job, result: Materialized): Promise<RunOutcome> {
  const reason = result.stop ?? "a test failed";
  const record = failedRecord(ports, job, reason, result.tests);
  await ports.catalog.runs.record(record);
  const elapsedMs = record.endedMs - record.startedMs;
  const model = job.node.model.name;
  return { kind: "failed", model, reason, tests: result.tests, elapsedMs };
}

/** Where an error of the model's SQL stands, as ` at FILE:LINE:COLUMN`. */
function placeText(model: Model, { place }: LakeError): string {
  if (place === null) return "";
  const { file, line, column } = place.file === "" ? inFile(model, place) : place;
  return ` at ${file}:${line}:${column}`;
}

/** Failures of the model itself are outcomes; failures of the lake are thrown. */
async function failure(ports: RunPorts, job: Job, thrown: unknown): Promise<RunOutcome | null> {
  if (!(thrown instanceof LakeError)) return null;
  if (thrown.scope === "lake") return null;
  const why = thrown.hint === null ? thrown.message : `${thrown.message} (${thrown.hint})`;
  const reason = `${why}${placeText(job.node.model, thrown)}`;
  const record = failedRecord(ports, job, reason, []);
  await recordFailure(ports.catalog, record);
  const elapsedMs = record.endedMs - record.startedMs;
  return { kind: "failed", model: job.node.model.name, reason, tests: [], elapsedMs };
}

/** How that is done is loaded only where any input is put right. */
async function keepInputs({ catalog }: RunPorts, names: Names, node: ModelNode): Promise<void> {
  if (names.corrections === undefined) return;
  const { keepReadings } = await import("./corrections.ts");
  await keepReadings(catalog, names, node);
}
