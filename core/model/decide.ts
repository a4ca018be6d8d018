/** Whether a model is due, and how it will run: nothing, from a delta, or in full, and why. */

import { LakeError } from "../base/errors.ts";
import type { MomentContext } from "../base/moment.ts";
import { compareCodePoints } from "../base/order.ts";
import { counted } from "../base/quantity.ts";
import { sha256Hex } from "../base/sha256.ts";
import type { TableRef } from "../engine.ts";
import { isQuarantineTable } from "../ingest/quarantine.ts";
import type { Catalog } from "../ports.ts";
import { PROVENANCE_COLUMNS, ROW_COLUMN } from "../table/system-columns.ts";
import { sameType } from "../table/type-text.ts";
import type { Field, Schema, Table, TableName } from "../table/types.ts";
import { momentIn } from "../table/version-ref.ts";
import type { ColumnUse } from "./analysis.ts";
import { type Cursor, cursorFromText, isSameReading, type Place } from "./cursor.ts";
import type { Edit } from "./edit.ts";
import { notRepeatable, timesRead, viewsOf } from "./inlined.ts";
import { isIncremental, type Model } from "./model.ts";
import type { RecordedOf } from "./model-table.ts";
import type { ModelNode } from "./node.ts";
import { type Names, type Pin, type Pins, type Reads, readPlace, readsOf } from "./pins.ts";
import type { Change, RowsFrom, RunPlan } from "./run-plan.ts";
import { valuesChanged, valuesOf } from "./variables.ts";

export interface ColumnChange {
  readonly table: TableName;
  /** As the model read it; null where that is not known any more. */
  readonly before: Schema | null;
  readonly after: Schema;
  /** Of the query, its tests and the views that it reads. */
  readonly uses: readonly ColumnUse[];
  /** Of its other inputs. */
  readonly others: readonly Schema[];
}

/**
 * Why a delta would not be exact; null when it is. A new column that nothing names gives older rows a NULL more at
 * most; one that is named, or taken otherwise than by a plain `*`, may be what a name did not mean before.
 */
export function columnsChanged(change: ColumnChange): string | null {
  const { table, before, after, uses, others } = change;
  if (before === null) return `the columns of ${table} are not known as they were`;
  if (before === after) return null;
  const fieldById = new Map(before.fields.map((field) => [field.id, field]));
  const old = after.fields.flatMap((field) => fieldById.get(field.id) ?? []).filter(isTold);
  const kept = after.fields.filter((field) => fieldById.has(field.id)).filter(isTold);
  const other = before.fields.filter(isTold).find((field) => !old.includes(field));
  if (other !== undefined) {
    const isThere = after.fields.some((field) => field.name === other.name);
    return isThere
      ? `the column ${other.name} of ${table} changed`
      : `${table} has no column ${other.name} any more`;
  }
  const differs = kept.find((field) => !isSameColumn(field, fieldById.get(field.id)));
  if (differs !== undefined) return `the column ${differs.name} of ${table} changed`;
  const added = after.fields.filter((field) => !fieldById.has(field.id)).filter(isTold);
  const taken = new Set([
    ...uses.flatMap((use) => use.words),
    ...others.flatMap((schema) => schema.fields.map((field) => field.name.toLowerCase())),
  ]);
  const isUnnamed = uses.some((use) => use.unnamed);
  const seen = added.find((field) => isUnnamed || taken.has(field.name.toLowerCase()));
  return seen === undefined ? null : `${table} has a new column ${seen.name}, which is read`;
}

/** `_row` is made real by a compaction: it was there before. */
function isTold(field: Field): boolean {
  return field.name !== ROW_COLUMN.name;
}

function isSameColumn(field: Field, before: Field | undefined): boolean {
  return before !== undefined && field.name === before.name && sameType(field.type, before.type);
}

export interface Decision {
  readonly plan: RunPlan;
  readonly cursorText: string | null;
  readonly next: Cursor;
  /** Nothing but new rows, or another state of an input, makes it due. */
  readonly isNews: boolean;
  /** Literals of the variables that it names, itself or through views. */
  readonly variables: ReadonlyMap<string, string>;
  /** What became of its text since it last published; null: it is the same, or nothing is known of it. */
  readonly edit: Edit | null;
}

/** Why new rows are not enough for a program. */
const WHOLE_STEP = "its program takes all rows together";

/** Of a model without a table. */
export const FIRST_RUN = "first run";

/** Decides one model from its cursor and the pinned heads. Reads only the catalog. */
export async function decideRun(
  catalog: Catalog,
  pins: Pins,
  names: Names,
  node: ModelNode,
  options: {
    readonly full: boolean;
    readonly moments: MomentContext;
    /** Windows of late rows are to be computed again. */
    readonly repair?: boolean;
    readonly recorded?: RecordedOf | undefined;
    /** Of a lookup with `full`: answers of before then are none. */
    readonly sinceMs?: number | undefined;
  },
): Promise<Decision> {
  const { model } = node;
  const reads = readsOf(names, node.analysis.tables);
  const inputs = reads.current;
  const cursorText = await catalog.fact("cursor", model.name);
  const cursor = cursorFromText(cursorText);
  const hash = hashWithViews(names, node);
  const moments = await placesOf(pins, names, reads, options.moments);
  const { timezone } = options.moments;
  const pinned = await pinnedPlaces(pins, names, inputs);
  const watermark = model.closing === null ? {} : { watermark: cursor?.watermark ?? null };
  const state = { restored: null, sequence: null, ...watermark };
  const next = { hash, timezone, inputs: pinned, moments, ...state };
  let isNews = false;
  let edit: Edit | null = null;
  const through = [node, ...viewsOf(names, node)].map((one) => one.model);
  const variables = new Map(through.flatMap((one) => [...one.variables]));
  const decision = (plan: RunPlan): Decision => {
    return { plan, cursorText, next, isNews, variables, edit };
  };
  const missing = reads.all.find((name) => !pins.has(name) && !isQuarantineTable(name));
  if (missing !== undefined) {
    return decision({ kind: "wait", reason: `${missing} has no data yet` });
  }
  const driver = await provenanceDriver(pins, names, node);
  const isThere = pins.has(model.name);
  const full = (reason: string): Decision =>
    isThere && model.increment?.isHistory === true
      ? onto(reason)
      : decision({ kind: "full", reason, driver });
  const onto = (reason: string): Decision =>
    decision({ kind: "full", reason, driver: null, isOnto: true });
  if (model.lookup !== null) {
    const uses = [node, ...viewsOf(names, node)].map(({ analysis }) => analysis.columns);
    const changed =
      cursor === null
        ? []
        : await changedInputs(catalog, pins, cursor, { names, tables: inputs, uses });
    const { askPlan } = await import("./lookup-plan.ts");
    const plan = await askPlan({
      cursor,
      hash,
      hasTable: pins.has(model.name),
      changed: changed.map(({ name }) => name),
      rows: () => fromRows({ names, node, pins, driver, changed }),
      full: options.full,
      sinceMs: options.sinceMs ?? options.moments.nowMs,
      nowMs: options.moments.nowMs,
    });
    isNews = true;
    return decision(plan);
  }
  if (options.full) return full("asked for");
  if (!isThere) return full(FIRST_RUN);
  if (cursor === null) return full("its table has no place in its inputs");
  if (cursor.hash !== hash) {
    edit = await editSince(names, node, cursor, options.recorded);
    if (edit === null || !isAdopted(edit)) {
      const what = hash === model.hash ? "the model" : "the model or a view it reads";
      return full((await otherValues(catalog, model, variables)) ?? `${what} changed`);
    }
  }
  if (cursor.timezone !== timezone) {
    return full(`the timezone changed from ${cursor.timezone ?? "another"} to ${timezone}`);
  }
  const uses = [node, ...viewsOf(names, node)].map(({ analysis }) => analysis.columns);
  const changed = await changedInputs(catalog, pins, cursor, { names, tables: inputs, uses });
  const moved = [...moments].find(([key, place]) => !isSame(cursor.moments.get(key), place))?.[0];
  if (model.closing !== null && cursor.restored === null && moved === undefined) {
    const { fromWindows } = await import("./closing.ts");
    const { repair = false } = options;
    const time = { repair, nowMs: options.moments.nowMs };
    const plan = await fromWindows({ catalog, names, node, pins, changed, cursor, ...time });
    isNews = true;
    if (typeof plan === "string") return full(plan);
    return decision(plan ?? unchanged(cursor));
  }
  if (changed.length === 0 && moved === undefined) return decision(unchanged(cursor));
  isNews = true;
  if (cursor.restored !== null) {
    const [first] = changed;
    const isReread = first?.correctedBy !== undefined && first.delta.kind === "full";
    const other = isReread ? first.delta.reason : `${first?.name ?? moved} changed`;
    return full(`${other} since it was restored`);
  }
  if (moved !== undefined) return full(`${moved} is another state than it was`);
  const what = changed.map((input) => input.name).join(", ");
  if (model.step !== null) {
    const isByRows = model.step.rows === "each";
    const rows = isByRows ? await fromRows({ names, node, pins, driver, changed }) : WHOLE_STEP;
    return typeof rows === "string" ? full(`${what} changed; ${rows}`) : decision(rows);
  }
  if (model.increment !== undefined) {
    return onto(`${what} changed; goes on from what it holds`);
  }
  // A window is computed from all of its rows; a key that is deleted has no row that older ones could lose against.
  const isOfAll = model.windows !== null || model.deletedWhen !== null;
  const rows = isOfAll ? "" : await fromRows({ names, node, pins, driver, changed });
  if (typeof rows !== "string") return decision(rows);
  const { fromKeys } = await import("./keyed.ts");
  const keys = await fromKeys({ catalog, names, node, pins, driver, changed });
  if (typeof keys !== "string") return decision(keys);
  const reread = changed.find(({ correctedBy }) => correctedBy !== undefined)?.delta;
  if (reread?.kind === "full") return full(`${reread.reason}; ${keys}`);
  if (isOfAll || !isIncremental(node.model.kind)) return full(`${what} changed; ${keys}`);
  return full(notByRows(names, node) === null ? rows : `${what} changed; ${rows}`);
}

/** True where rows that are there are as the new text has them: it is taken over without a run. */
export function isAdopted({ class: is }: Edit): boolean {
  return is === "metadata-only" || is === "forward-only";
}

/** What became of the model since its place was recorded; null where nobody can tell. */
async function editSince(
  names: Names,
  node: ModelNode,
  cursor: Cursor,
  recorded: RecordedOf | undefined,
): Promise<Edit | null> {
  const before = (await recorded?.(node)) ?? null;
  if (before === null) return null;
  const { editOf, viewEdit } = await import("./edit.ts");
  // What is kept of a model are its own words, and none of the views behind it.
  return isOfViews(names, before, cursor) ? viewEdit() : editOf(before, node);
}

/** False also where it read a table that is not there any more: it reads others now. */
function isOfViews(names: Names, before: ModelNode, { hash }: Cursor): boolean {
  try {
    return hashWithViews(names, before) !== hash;
  } catch (thrown) {
    if (!(thrown instanceof LakeError)) throw thrown;
    return false;
  }
}

/** Which variables have other values than in its last run, and which of its macros changed; null where none has. */
async function otherValues(
  catalog: Catalog,
  { name, macros }: Model,
  variables: Decision["variables"],
): Promise<string | null> {
  if (variables.size + macros.length === 0) return null;
  const [run] = await catalog.runs.list({ model: name, status: "ok", limit: 1 });
  if (run === undefined) return null;
  const kept = macros.length === 0 ? null : await catalog.runs.modelText(run.modelHash);
  const before = kept === null ? [] : valuesOf(kept).macros;
  return valuesChanged({ values: run.variables ?? {}, macros: before }, { variables, macros });
}

interface FromRows {
  readonly names: Names;
  readonly node: ModelNode;
  readonly pins: Pins;
  /** Null where no rows carry where they come from. */
  readonly driver: TableRef | null;
  readonly changed: readonly Change[];
}

/** A run that makes rows of the rows that one input got; or why that is not all. */
async function fromRows({ names, node, driver, changed }: FromRows): Promise<RunPlan | string> {
  const blocked = notByRows(names, node);
  if (blocked !== null) return blocked;
  const isCarried = isIncremental(node.model.kind);
  if (isCarried && driver === null) return "its driving input carries no row positions";
  const [first] = changed;
  const followed = isCarried ? driver : drivenBy(names, node, first?.name ?? null);
  if (followed === null) return `${first?.name} changed, which is not its driving input`;
  const table = names.tableOf(followed);
  const other = changed.find((input) => input.name !== table);
  if (other !== undefined) return `${other.name} changed, which is not its driving input`;
  // A delta stands in for the table wherever it is read, so it must be read in one place only.
  if (timesRead(names, node.analysis.tables, table) > 1) return `${table} is read more than once`;
  const delta = first?.delta;
  if (delta?.kind !== "append") return deltaReason(table, delta);
  const reason = `${counted(delta.snapshots, "new snapshot")} of ${table}`;
  const from: RowsFrom = { kind: "rows", table, delta: delta.scan };
  return { kind: "incremental", reason, driver: isCarried ? driver : null, from };
}

/** The reference to a table of which each row makes rows of its own; null where it is none. */
function drivenBy(names: Names, node: ModelNode, table: TableName | null): TableRef | null {
  const { tables, drivers } = node.analysis;
  const isIt = (ref: TableRef): boolean => {
    const name = names.tableOf(ref);
    return name === table && names.view(name) === null && drivers.includes(ref.name);
  };
  return tables.find((ref) => momentIn(ref) === null && isIt(ref)) ?? null;
}

/** True when the schema holds what orders rows and finds them again. */
export function hasProvenance(schema: Schema): boolean {
  const names = new Set(schema.fields.map((field) => field.name));
  // `_row` may be virtual (bronze): it is derived from the row's place in its file.
  return PROVENANCE_COLUMNS.every((column) => column.name === "_row" || names.has(column.name));
}

/** A model's meaning is its own text and that of the views it reads: their definitions are inlined. */
export function hashWithViews(names: Names, node: ModelNode): string {
  const hashes = viewsOf(names, node).map(({ model }) => [model.name, model.hash] as const);
  if (hashes.length === 0) return node.model.hash;
  const sorted = hashes.sort(([a], [b]) => compareCodePoints(a, b));
  return sha256Hex(JSON.stringify([node.model.hash, sorted]));
}

/** Why new rows of an input are not enough, whichever it is. */
function notByRows(names: Names, node: ModelNode): string | null {
  return node.analysis.notIncremental[0] ?? notRepeatable(names, node);
}

/** The input whose rows are followed: the first that may drive and that knows its rows' places. */
async function provenanceDriver(
  pins: Pins,
  names: Names,
  node: ModelNode,
): Promise<TableRef | null> {
  if (!isIncremental(node.model.kind) || notByRows(names, node) !== null) return null;
  for (const driverName of node.analysis.drivers) {
    const ref = node.analysis.tables.find(
      (table) => table.name === driverName && momentIn(table) === null,
    );
    if (ref === undefined) continue;
    const name = names.tableOf(ref);
    if (names.view(name) !== null) continue;
    const pin = await pins.get(name);
    if (pin !== null && hasProvenance(pin.table.schema)) return ref;
  }
  return null;
}

/** A table that was set back stays so until what it is made of changes. */
function unchanged({ restored }: Cursor): RunPlan & { kind: "skip" } {
  if (restored === null) return { kind: "skip", reason: "nothing new" };
  return { kind: "skip", reason: `restored to @${restored}, held until its inputs change` };
}

async function pinnedPlaces(
  pins: Pins,
  names: Names,
  inputs: readonly TableName[],
): Promise<Map<TableName, Place>> {
  const pinned = new Map<TableName, Place>();
  for (const name of inputs) {
    const pin = await pins.get(name);
    if (pin !== null) pinned.set(name, readPlace(names, pin));
  }
  return pinned;
}

/** What the moments lead to now. One that leads nowhere has a place like no other: its run says what is wrong. */
async function placesOf(
  pins: Pins,
  names: Names,
  { fixed }: Reads,
  moments: MomentContext,
): Promise<Map<string, Place>> {
  const places = new Map<string, Place>();
  for (const { name, by } of fixed) {
    const key = `${name}@${momentIn(by)?.value ?? ""}`;
    try {
      const ref = await pins.moment(by, name, moments);
      const pin = ref === null ? null : await pins.at(name, ref);
      if (pin !== null) places.set(key, readPlace(names, pin));
    } catch (thrown) {
      if (!(thrown instanceof LakeError)) throw thrown;
      places.set(key, { uuid: "", snapshotId: null, schemaId: null });
    }
  }
  return places;
}

function isSame(a: Place | undefined, b: Place): boolean {
  const isSameState = a?.uuid === b.uuid && a.snapshotId === b.snapshotId;
  return isSameState && a.schemaId === b.schemaId && isSameReading(a, b);
}

interface Inputs {
  readonly names: Names;
  readonly tables: readonly TableName[];
  readonly uses: readonly ColumnUse[];
}

async function changedInputs(
  catalog: Catalog,
  pins: Pins,
  cursor: Cursor,
  inputs: Inputs,
): Promise<Change[]> {
  const changes: Change[] = [];
  for (const name of inputs.tables) {
    const pin = await pins.get(name);
    if (pin === null) continue;
    const delta = await deltaOf(catalog, pin, cursor.inputs.get(name));
    const before = cursor.inputs.get(name) ?? null;
    const isSameTable = before !== null && before.uuid === pin.table.uuid;
    const columns = isSameTable ? await changedColumns(pins, before, pin.table, inputs) : null;
    const known = { name, before: isSameTable ? before : null, columns };
    if (isSameTable && !isSameReading(before, readPlace(inputs.names, pin))) {
      const { otherReading } = await import("./corrections.ts");
      changes.push({ ...known, ...(await otherReading(catalog, inputs.names, name, before)) });
      continue;
    }
    if (columns !== null) changes.push({ ...known, delta: { kind: "full", reason: columns } });
    else if (delta.kind !== "none") changes.push({ ...known, delta });
  }
  return changes;
}

async function deltaOf(
  catalog: Catalog,
  { table, snapshot }: Pin,
  before: Place | undefined,
): Promise<Change["delta"]> {
  const { name } = table;
  if (before === undefined) return { kind: "full", reason: `${name} is a new input` };
  if (before.uuid !== table.uuid) return { kind: "full", reason: `${name} was made anew` };
  if (before.snapshotId === (snapshot?.snapshotId ?? null)) return { kind: "none" };
  return catalog.delta(table, before.snapshotId, snapshot);
}

async function changedColumns(
  pins: Pins,
  before: Place,
  table: Table,
  inputs: Inputs,
): Promise<string | null> {
  if (before.schemaId === table.schema.schemaId) return null;
  const others: Schema[] = [];
  for (const name of inputs.tables) {
    const other = name === table.name ? null : await pins.get(name);
    if (other !== null) others.push(other.table.schema);
  }
  const then = table.schemas.find((schema) => schema.schemaId === before.schemaId) ?? null;
  const { name, schema: after } = table;
  return columnsChanged({ table: name, before: then, after, uses: inputs.uses, others });
}

function deltaReason(driverTable: TableName, delta: Change["delta"] | undefined): string {
  return delta?.kind === "full" ? delta.reason : `${driverTable} has no exact delta`;
}
