/** Whether a model is due, and how it will run: nothing, from a delta, or in full, and why. */

import { counted } from "../base/count.ts";
import { compareCodePoints } from "../base/order.ts";
import { sha256Hex } from "../base/sha256.ts";
import type { TableRef } from "../engine.ts";
import { VIEW_DEPTH_MAX } from "../limits.ts";
import type { Catalog } from "../ports.ts";
import { PROVENANCE_COLUMNS } from "../table/system-columns.ts";
import type { Scan, Schema, TableName } from "../table/types.ts";
import type { Cursor } from "./cursor.ts";
import { cursorFromText } from "./cursor.ts";
import { namesMoment } from "./moment-ref.ts";
import type { ModelNode } from "./node.ts";
import type { Names, Pins } from "./pins.ts";
import { baseTables } from "./pins.ts";

export type RunPlan =
  | { readonly kind: "skip"; readonly reason: string }
  | { readonly kind: "wait"; readonly reason: string }
  | {
      readonly kind: "incremental";
      readonly reason: string;
      readonly driver: TableRef;
      readonly driverTable: TableName;
      readonly delta: Scan;
    }
  | {
      readonly kind: "full";
      readonly reason: string;
      /** Whose provenance the rows carry; null when the query's shape does not allow it. */
      readonly driver: TableRef | null;
    };

export interface Decision {
  readonly plan: RunPlan;
  readonly cursorText: string | null;
  readonly next: Cursor;
}

/** Decides one model from its cursor and the pinned heads. Reads only the catalog. */
export async function decideRun(
  catalog: Catalog,
  pins: Pins,
  names: Names,
  node: ModelNode,
  options: { readonly full: boolean },
): Promise<Decision> {
  const { model } = node;
  const inputs = baseTables(names, node.analysis.tables);
  const cursorText = await catalog.fact("cursor", model.name);
  const cursor = cursorFromText(cursorText);
  const hash = hashWithViews(names, node);
  const next = await nextCursor(pins, hash, inputs);
  const decision = (plan: RunPlan): Decision => ({ plan, cursorText, next });
  const missing = inputs.find((name) => !pins.has(name));
  if (missing !== undefined) {
    return decision({ kind: "wait", reason: `${missing} has no data yet` });
  }
  const driver = await provenanceDriver(pins, names, node);
  const full = (reason: string): Decision => decision({ kind: "full", reason, driver });
  if (options.full) return full("asked for");
  if (!pins.has(model.name)) return full("first run");
  if (cursor === null) return full("it was restored, and has no place in its inputs");
  if (cursor.hash !== hash) {
    return full(hash === model.hash ? "the model changed" : "the model or a view it reads changed");
  }
  const changed = await changedInputs(catalog, pins, cursor, inputs);
  if (changed.length === 0) return decision({ kind: "skip", reason: "nothing new" });
  const blocked = notIncremental(node);
  const what = changed.map((input) => input.name).join(", ");
  if (blocked !== null)
    return full(blocked === "" ? `${what} changed` : `${what} changed; ${blocked}`);
  if (driver === null) return full("its driving input carries no row positions");
  const driverTable = names.resolve(driver);
  const other = changed.find((input) => input.name !== driverTable);
  if (other !== undefined) return full(`${other.name} changed, which is not its driving input`);
  // A delta stands in for the table wherever it is read, so it must be read in one place only.
  if (timesRead(names, node.analysis.tables, driverTable) > 1) {
    return full(`${driverTable} is read more than once`);
  }
  const delta = changed[0]?.delta;
  if (delta?.kind !== "append") return full(deltaReason(driverTable, delta));
  const reason = `${counted(delta.snapshots, "new snapshot")} of ${driverTable}`;
  return decision({ kind: "incremental", reason, driver, driverTable, delta: delta.scan });
}

/** True when the schema holds what orders rows and finds them again. */
export function hasProvenance(schema: Schema): boolean {
  const names = new Set(schema.fields.map((field) => field.name));
  // `_row` may be virtual (bronze): it is derived from the row's place in its file.
  return PROVENANCE_COLUMNS.every((column) => column.name === "_row" || names.has(column.name));
}

/** A model's meaning is its own text and that of the views it reads: their definitions are inlined. */
function hashWithViews(names: Names, node: ModelNode): string {
  const hashes = new Map<TableName, string>();
  const visit = (refs: readonly TableRef[]): void => {
    for (const ref of refs) {
      const name = names.resolve(ref);
      const view = names.view(name);
      if (view === null || hashes.has(name)) continue;
      hashes.set(name, view.model.hash);
      visit(view.analysis.tables);
    }
  };
  visit(node.analysis.tables);
  if (hashes.size === 0) return node.model.hash;
  const sorted = [...hashes].sort(([a], [b]) => compareCodePoints(a, b));
  return sha256Hex(JSON.stringify([node.model.hash, sorted]));
}

/** How often a query reads a table, through views too; counted to 2. */
function timesRead(names: Names, refs: readonly TableRef[], table: TableName, depth = 0): number {
  let times = 0;
  for (const ref of refs) {
    if (times > 1 || depth > VIEW_DEPTH_MAX) return times;
    // As of another moment it is another table.
    if (namesMoment(ref)) continue;
    const name = names.resolve(ref);
    const view = names.view(name);
    if (name === table) times += 1;
    else if (view !== null) times += timesRead(names, view.analysis.tables, table, depth + 1);
  }
  return times;
}

function notIncremental(node: ModelNode): string | null {
  // A model of kind full says so itself: there is nothing to explain.
  if (node.model.kind !== "append" && node.model.kind !== "merge") return "";
  const [first] = [...node.analysis.notIncremental, ...node.analysis.notDeterministic];
  return first ?? null;
}

/** The input whose rows are followed: the first that may drive and that knows its rows' places. */
async function provenanceDriver(
  pins: Pins,
  names: Names,
  node: ModelNode,
): Promise<TableRef | null> {
  if (notIncremental(node) !== null) return null;
  for (const driverName of node.analysis.drivers) {
    const ref = node.analysis.tables.find((table) => table.name === driverName);
    if (ref === undefined) continue;
    const name = names.resolve(ref);
    if (names.view(name) !== null) continue;
    const pin = await pins.get(name);
    if (pin !== null && hasProvenance(pin.table.schema)) return ref;
  }
  return null;
}

async function nextCursor(pins: Pins, hash: string, inputs: readonly TableName[]): Promise<Cursor> {
  const pinned = new Map<TableName, { uuid: string; snapshotId: bigint | null }>();
  for (const name of inputs) {
    const pin = await pins.get(name);
    if (pin === null) continue;
    pinned.set(name, { uuid: pin.table.uuid, snapshotId: pin.snapshot?.snapshotId ?? null });
  }
  return { hash, inputs: pinned };
}

type Change = { readonly name: TableName; readonly delta: Awaited<ReturnType<Catalog["delta"]>> };

async function changedInputs(
  catalog: Catalog,
  pins: Pins,
  cursor: Cursor,
  inputs: readonly TableName[],
): Promise<Change[]> {
  const changes: Change[] = [];
  for (const name of inputs) {
    const pin = await pins.get(name);
    const before = cursor.inputs.get(name);
    if (pin === null) continue;
    if (before === undefined) {
      changes.push({ name, delta: { kind: "full", reason: `${name} is a new input` } });
    } else if (before.uuid !== pin.table.uuid) {
      changes.push({ name, delta: { kind: "full", reason: `${name} was made anew` } });
    } else if (before.snapshotId !== (pin.snapshot?.snapshotId ?? null)) {
      const delta = await catalog.delta(pin.table, before.snapshotId, pin.snapshot);
      if (delta.kind !== "none") changes.push({ name, delta });
    }
  }
  return changes;
}

function deltaReason(driverTable: TableName, delta: Change["delta"] | undefined): string {
  return delta?.kind === "full" ? delta.reason : `${driverTable} has no exact delta`;
}
