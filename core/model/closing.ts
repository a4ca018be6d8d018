/**
 * Runs of a model whose table has closed windows alone: which of them a run computes, from what changed, from what is
 * late, or because an input is not waited for any more; and what it says of event time.
 */

import { LakeError } from "../base/errors.ts";
import { microsText } from "../base/moment-text.ts";
import { counted } from "../base/quantity.ts";
import { suggestion } from "../base/suggest.ts";
import type { InputChange, Materialized, TableRef } from "../engine.ts";
import type { Catalog } from "../ports.ts";
import type { TableChange } from "../table/commit.ts";
import { freshSchema } from "../table/evolution.ts";
import { everyFile, fileKey } from "../table/live.ts";
import { isHidden, PROVENANCE_COLUMNS, ROW_COLUMN } from "../table/system-columns.ts";
import type { Schema, TableName } from "../table/types.ts";
import { momentIn } from "../table/version-ref.ts";
import { type ClosingRequest, LATE_COLUMNS, lateTable } from "./closing-request.ts";
import { type Cursor, cursorFromText } from "./cursor.ts";
import { EVERY_INPUT, type Watermark, WINDOW_END } from "./emit.ts";
import { notRepeatable, timesRead } from "./inlined.ts";
import type { Model } from "./model.ts";
import { type ModelTarget, type RunPorts, rejectChange, rejectScan } from "./model-table.ts";
import type { ModelNode } from "./node.ts";
import { corrected, emptyScan, type Names, type Pins } from "./pins.ts";
import type { Change, RunPlan } from "./run-plan.ts";
import { settingPlace } from "./setting-place.ts";
import { type InputState, isIdle, type WatermarkState, watermarkOf } from "./watermark.ts";

export interface WindowsAsked {
  readonly catalog: Catalog;
  readonly names: Names;
  readonly node: ModelNode;
  readonly pins: Pins;
  readonly changed: readonly Change[];
  readonly cursor: Cursor;
  /** Windows of late rows are to be computed again. */
  readonly repair: boolean;
  readonly nowMs: number;
}

/** A run over the windows that close now, or that late rows belong to; null: there are none; or why all is computed. */
export async function fromWindows(asked: WindowsAsked): Promise<RunPlan | string | null> {
  const { names, node, pins, changed, cursor, repair } = asked;
  const state = cursor.watermark ?? null;
  if (state === null) return "its table says nothing of event time";
  const isLate = repair && (await hasLate(asked.catalog, node.model.name));
  const moved = idleInput(asked, state);
  if (changed.length === 0 && !isLate && moved === null) return null;
  const blocked = notRepeatable(names, node) ?? node.analysis.beyondRows[0] ?? null;
  if (blocked !== null) return blocked;
  if (node.model.expectations.some(({ action }) => action === "quarantine")) {
    return "rows of its windows may be set aside";
  }
  const changes: InputChange[] = [];
  for (const change of changed) {
    const found = await changeOf(asked, change);
    if (typeof found === "string") return found;
    changes.push(found);
  }
  const causes = changed.map(({ name, delta }) =>
    delta.kind === "append" ? `${counted(delta.snapshots, "new snapshot")} of ${name}` : name,
  );
  if (isLate) causes.push("late rows are repaired");
  if (moved !== null && changed.length === 0) causes.push(`${moved} is idle`);
  const pin = await pins.get(node.model.name);
  const held = pin?.table.schema.fields.find(({ name }) => name.toLowerCase() === WINDOW_END);
  const key = [held?.name ?? WINDOW_END];
  const from = { kind: "keys", key, transforms: [], changes, combines: false } as const;
  return { kind: "incremental", reason: `${causes.join(", ")}, by windows`, driver: null, from };
}

/** What came to an input whose changes can be followed to windows; or why they cannot. */
async function changeOf(
  { names, node, pins }: WindowsAsked,
  { name, delta, columns }: Change,
): Promise<InputChange | string> {
  if (columns !== null) return columns;
  if (delta.kind !== "append") {
    return delta.kind === "full"
      ? `${name} changed; ${delta.reason}`
      : `${name} has no exact delta`;
  }
  const { tables, followed } = node.analysis;
  if (timesRead(names, tables, name) > 1) return `${name} is read more than once`;
  const ref = tables.find((one) => momentIn(one) === null && names.tableOf(one) === name);
  const way = followed.find((one) => one.name === ref?.name);
  if (ref === undefined || way === undefined) return `${name} is read by a view`;
  if (way.blocked !== null) return `${way.blocked} (${ref.name})`;
  if (!way.keys.includes(WINDOW_END))
    return `${name} changed, and no windows say which rows it touches`;
  const pin = await pins.get(name);
  if (pin === null || !hasPlaces(pin.table.schema)) return `rows of ${name} have no places`;
  const none = emptyScan(name, pin.table.schema);
  return { ref, before: none, removed: none, added: delta.scan, marked: null };
}

/** `_row` may be that of a row's place in its file. */
function hasPlaces({ fields }: Schema): boolean {
  return PROVENANCE_COLUMNS.every(
    ({ name }) => name === ROW_COLUMN.name || fields.some((field) => field.name === name),
  );
}

/** An input that is idle by now, where that moves the watermark; null: none is. */
function idleInput({ nowMs }: WindowsAsked, state: WatermarkState): TableName | null {
  const advancing = state.inputs.map((input) => ({
    ...input,
    delayUs: micros(input.delayMs),
    isIdle: isIdle(input, nowMs),
  }));
  const now = watermarkOf(advancing);
  const isMoved = now !== null && (state.us === null || now > state.us);
  return isMoved ? (advancing.find((input) => input.isIdle)?.table ?? null) : null;
}

/** Rows that are late for a window, and not only in none. */
async function hasLate(catalog: Catalog, model: TableName): Promise<boolean> {
  const table = await catalog.load(lateTable(model));
  return Number(table?.current?.summary["total-records"] ?? 0) > 0;
}

/** The table of a model's late rows, as it is or as its first rows make it. */
async function lateTarget(ports: RunPorts, model: TableName): Promise<ModelTarget> {
  const name = lateTable(model);
  const table = await ports.catalog.load(name);
  return {
    name,
    table,
    base: table?.current ?? null,
    uuid: table?.uuid ?? ports.random.uuid(),
    schema: table?.schema ?? freshSchema(LATE_COLUMNS, new Set()),
    spec: table?.spec ?? { specId: 0, fields: [] },
    schemaChanged: false,
    specChanged: false,
    format: null,
    breaking: null,
    unfit: [],
    isLenient: false,
    feed: null,
  };
}

/** A run of a model whose windows close, beside what every run does. */
export interface WindowsRun {
  readonly closing: ClosingRequest;
  /** What of late rows it publishes beside its own; null where nothing changes. */
  change(result: Materialized, run: string): Promise<TableChange | null>;
  /** How event time stands after it. */
  state(result: Materialized): WatermarkState | null;
  /** Of the snapshot that it makes. */
  summary(result: Materialized): Readonly<Record<string, string>>;
}

export interface ClosingJob {
  readonly names: Names;
  readonly node: ModelNode;
  readonly pins: Pins;
  readonly cursorText: string | null;
  readonly plan: RunPlan;
  readonly repair: boolean;
  readonly nowMs: number;
  /** By which watermark the run that is repeated went; null: by what there is to see. */
  readonly recorded: WatermarkState | null;
}

/** What the engine is asked of event time, and what its answer comes to; null where windows do not close. */
export async function windowsRun(ports: RunPorts, job: ClosingJob): Promise<WindowsRun | null> {
  const { closing } = job.node.model;
  if (closing === null) return null;
  const late = await lateTarget(ports, job.node.model.name);
  const before = cursorFromText(job.cursorText)?.watermark ?? null;
  const state = job.plan.kind === "incremental" ? before : null;
  const inputs = await inputsOf(job, state);
  const finalUs =
    state?.us === null || state === null ? null : state.us - micros(closing.latenessMs);
  const { recorded } = job;
  return {
    closing: {
      inputs: inputs.map(({ input, ref, watermark, fresh }) => ({
        ...input,
        name: ref.name,
        delayUs: micros(watermark.delayMs),
        maxFutureUs: micros(watermark.maxFutureMs),
        isIdle: isIdle(input, job.nowMs),
        fresh,
      })),
      since: state === null ? null : { us: state.us, finalUs },
      recorded: recorded === null ? null : { us: recorded.us },
      repairs: closing.repairs || job.repair,
      lateSchema: late.schema,
      lateTarget: await rejectScan(ports, late),
    },
    change: (result, run) => lateChange(ports, late, result, run),
    state: (result) => stateAfter(state, inputs, result),
    summary: (result) => watermarkSummary(result, state),
  };
}

async function inputsOf({ names, node, pins, plan }: ClosingJob, state: WatermarkState | null) {
  const { model, analysis } = node;
  const watermarks = model.closing?.watermarks ?? new Map<string, Watermark>();
  const found: {
    readonly name: TableName;
    readonly ref: TableRef;
    readonly watermark: Watermark;
    readonly input: InputState;
    readonly fresh: ClosingRequest["inputs"][number]["fresh"];
  }[] = [];
  for (const ref of analysis.tables) {
    const name = names.tableOf(ref);
    const isKnown = momentIn(ref) !== null || found.some((one) => one.name === name);
    if (isKnown || names.view(name) !== null) continue;
    const pin = await pins.get(name);
    if (pin === null) continue;
    const watermark = watermarkFor(watermarks, names, name, pin.table.schema.fields);
    if (watermark === null) continue;
    const { column, delayMs, idleTimeoutMs } = watermark;
    refuseColumn(node, name, column, pin.table.schema);
    const before = state?.inputs.find((one) => one.table === name) ?? null;
    const changes =
      plan.kind === "incremental" && plan.from.kind === "keys" ? plan.from.changes : [];
    const change = changes.find((one) => one.added.table === name);
    const isNew = state === null || change !== undefined || before === null;
    const all = state === null || before === null ? await pins.scan(name) : null;
    const whole = all === null ? null : corrected(names, name, all);
    found.push({
      name,
      ref,
      watermark,
      fresh: whole ?? change?.added ?? emptyScan(name, pin.table.schema),
      input: {
        table: name,
        ...{ column, delayMs, idleTimeoutMs },
        seenUs: before?.seenUs ?? null,
        futureRows: before?.futureRows ?? 0n,
        furthestUs: before?.furthestUs ?? null,
        cameMs: isNew ? (pin.snapshot?.timestampMs ?? null) : before.cameMs,
      },
    });
  }
  if (found.length > 0) return found;
  throw await noColumn(
    model,
    pins,
    analysis.tables.map((ref) => names.tableOf(ref)),
    watermarks,
  );
}

/** The column of a watermark that no input has, said where the setting stands. */
async function noColumn(
  model: Model,
  pins: Pins,
  inputs: readonly TableName[],
  watermarks: ReadonlyMap<string, Watermark>,
): Promise<LakeError> {
  const column = watermarks.get(EVERY_INPUT)?.column ?? "";
  const names = new Set<string>();
  for (const input of inputs) {
    for (const { name } of (await pins.get(input))?.table.schema.fields ?? []) {
      if (!isHidden(name)) names.add(name);
    }
  }
  const { file, line, column: at } = settingPlace(model, column, "watermark");
  const message = `the watermark of ${model.name} names "${column}", which no input has`;
  return new LakeError("schema", `${message} at ${file}:${line}:${at}`, {
    hint: suggestion(column, [...names], "columns"),
  });
}

/** Said where the setting stands. */
function refuseColumn({ model }: ModelNode, table: TableName, column: string, { fields }: Schema) {
  const names = fields.map(({ name }) => name);
  if (names.some((name) => name.toLowerCase() === column.toLowerCase())) return;
  const { file, line, column: at } = settingPlace(model, column, "watermark");
  const message = `the watermark of ${model.name} names "${column}", which ${table} does not have`;
  throw new LakeError("schema", `${message} at ${file}:${line}:${at}`, {
    hint: suggestion(column, names, "columns"),
  });
}

function watermarkFor(
  watermarks: ReadonlyMap<string, Watermark>,
  names: Names,
  table: TableName,
  fields: readonly { readonly name: string }[],
): Watermark | null {
  for (const [name, watermark] of watermarks) {
    if (name !== EVERY_INPUT && names.tableOf({ name, at: null, offset: null }) === table) {
      return watermark;
    }
  }
  const every = watermarks.get(EVERY_INPUT);
  const isThere = fields.some(({ name }) => name.toLowerCase() === every?.column.toLowerCase());
  return every !== undefined && isThere ? every : null;
}

function stateAfter(
  before: WatermarkState | null,
  inputs: readonly { readonly input: InputState }[],
  { closed }: Materialized,
): WatermarkState | null {
  if (closed === undefined || closed === null) return null;
  return {
    us: closed.us,
    beforeUs: before?.us ?? null,
    lateRows: closed.lateRows,
    inputs: inputs.map(({ input }) => {
      const seen = closed.inputs.find((one) => one.table === input.table) ?? input;
      const { seenUs, futureRows, furthestUs } = seen;
      return { ...input, seenUs, futureRows, furthestUs };
    }),
  };
}

async function lateChange(
  ports: RunPorts,
  target: ModelTarget,
  { closed }: Materialized,
  run: string,
): Promise<TableChange | null> {
  if (closed === undefined || closed === null) return null;
  const scan = closed.lateReplaced ? await rejectScan(ports, target) : null;
  const replaced = scan === null ? [] : everyFile(scan).map(fileKey);
  return rejectChange(ports, target, closed.late.files, { id: run, replaced });
}

function watermarkSummary(
  { closed }: Materialized,
  before: WatermarkState | null,
): Record<string, string> {
  if (closed === undefined || closed === null) return {};
  return {
    ...(closed.us === null ? {} : { "tarn.watermark": microsText(closed.us) }),
    ...(before?.us === null || before === null
      ? {}
      : { "tarn.watermark-before": microsText(before.us) }),
    ...(closed.lateRows === 0n ? {} : { "tarn.late-rows": String(closed.lateRows) }),
  };
}

function micros(ms: number): bigint {
  return BigInt(ms) * 1000n;
}
