/** Whether what changed in the inputs of a model comes to rows of some keys alone, and to which. */

import { counted } from "../base/quantity.ts";
import type { InputChange, TableRef } from "../engine.ts";
import { COMBINED_CHANGED_MAX, KEYED_CHANGED_MAX, KEYED_SHARE_ROWS } from "../limits.ts";
import type { Catalog } from "../ports.ts";
import { transformText } from "../table/partition.ts";
import { PROVENANCE_COLUMNS } from "../table/system-columns.ts";
import type { Scan, Table, TableName, Transform } from "../table/types.ts";
import { momentIn } from "../table/version-ref.ts";
import type { FollowedInput } from "./analysis.ts";
import { notRepeatable, timesRead } from "./inlined.ts";
import { isMerged, type Model } from "./model.ts";
import type { ModelNode } from "./node.ts";
import { corrected, emptyScan, type Names, type Pins } from "./pins.ts";
import type { Change, KeysFrom, RunPlan } from "./run-plan.ts";
import { isTimed } from "./windows.ts";

interface Asked {
  readonly catalog: Catalog;
  readonly names: Names;
  readonly node: ModelNode;
  readonly pins: Pins;
  readonly driver: TableRef | null;
  readonly changed: readonly Change[];
}

/** A run that makes again what the changes touch; or why all is to be computed. */
export async function fromKeys(asked: Asked): Promise<RunPlan | string> {
  const { names, node, pins, driver, changed } = asked;
  const { model, analysis } = node;
  const once = notRepeatable(names, node) ?? notByKeys(node);
  if (once !== null) return once;
  const columns = changed.flatMap((change) => change.columns ?? [])[0];
  if (columns !== undefined) return columns;
  const inputs: { readonly ref: TableRef; readonly followed: FollowedInput }[] = [];
  for (const { name } of changed) {
    const timed = await timedInput(asked, name);
    const input = timed ?? inputOf(names, node, name);
    if (typeof input === "string") return input;
    inputs.push(input);
  }
  const ways = inputs.map(({ followed }) => followed);
  const table = (await pins.get(model.name))?.table ?? null;
  const held = table?.schema.fields.map(({ name }) => name) ?? [];
  const isAdded = changed.every(({ delta }) => delta.kind === "append");
  const [way] = ways;
  const combines =
    analysis.combines &&
    isAdded &&
    ways.length === 1 &&
    way?.isGrouped === true &&
    way.isKept &&
    // What is stored of a group that was dropped is nothing, and not nothing of it.
    model.expectations.every(({ action }) => action !== "drop") &&
    (model.kind === "full" || model.kind === "append");
  const parts = partitionsOf(model, table, ways);
  const { windows } = model;
  const key = parts === null ? keyOf(asked, ways, held) : parts.map(({ column }) => column);
  const whole =
    windows === null ? undefined : ways.find(({ keys }) => !hasName(keys, windows.column));
  if (key === null && windows !== null && whole !== undefined) {
    return `${whole.name} has no ${windows.column}: a change of it may touch every ${windows.size}`;
  }
  if (key === null && !combines) return "no columns of its output say what a change touches";
  const changes: InputChange[] = [];
  for (const [index, change] of changed.entries()) {
    const ref = inputs[index]?.ref;
    if (ref === undefined) continue;
    const found = await changeOf(asked, change, ref, changed.length > 1);
    if (found === null) return `${change.name} as it was is not kept any more`;
    changes.push(found);
  }
  const share = await shareOf(pins, changed, changes);
  if (share > (combines ? COMBINED_CHANGED_MAX : KEYED_CHANGED_MAX)) {
    return `${Math.round(Math.min(1, share) * 100)} % of its rows are other ones`;
  }
  const what = changed.map(({ name, delta, correctedBy, differs }) =>
    (correctedBy !== undefined || differs !== undefined) && delta.kind === "full"
      ? delta.reason
      : delta.kind === "append"
        ? `${counted(delta.snapshots, "new snapshot")} of ${name}`
        : `changes of ${name}`,
  );
  const texts = parts?.map(({ text }) => text) ?? [byText(key ?? [])];
  const named = windows === null ? texts.join(", ") : `${windows.size}s of ${windows.column}`;
  const isOther = model.kind === "insert_overwrite" && parts === null;
  const by = named === "" ? "" : `, by ${named}${isOther ? " and not by partition" : ""}`;
  const transforms = parts?.map(({ transform }) => transform) ?? [];
  const from: KeysFrom = { kind: "keys", key: key ?? [], transforms, changes, combines };
  return { kind: "incremental", reason: `${what.join(", ")}${by}`, driver, from };
}

/** Why rows of one key alone are never computed again, whatever changes. */
function notByKeys({ model, analysis }: ModelNode): string | null {
  if (model.cdc !== null) return "it is a feed of changes";
  const isAside = model.expectations.some(({ action }) => action === "quarantine");
  if (isAside) return "rows of its keys may be set aside";
  return analysis.beyondRows[0] ?? null;
}

/** Whether changes of some input can be followed to rows of keys. */
export function mayGoByKeys(node: ModelNode): boolean {
  const { model, analysis } = node;
  if (notByKeys(node) !== null) return false;
  if (model.windows !== null) return true;
  return analysis.followed.some(({ keys, isFree, blocked }) => {
    if (blocked !== null) return false;
    if (isMerged(model.kind)) return model.key.every((name) => keys.includes(name.toLowerCase()));
    return isFree || keys.length > 0;
  });
}

const PROVENANCE: readonly string[] = PROVENANCE_COLUMNS.map(({ name }) => name).filter(
  (name) => name !== "_ingested_at",
);

function byText(key: readonly string[]): string {
  return key.includes("_row") ? "its rows" : key.join(", ");
}

/** An input that is read by windows: what changes in it touches those that it is of. Null for any other. */
async function timedInput(
  { names, node, pins }: Asked,
  name: TableName,
): Promise<{ readonly ref: TableRef; readonly followed: FollowedInput } | null> {
  const { model, analysis } = node;
  const column = model.windows?.column.toLowerCase();
  const schema = (await pins.get(name))?.table.schema;
  if (schema?.fields.every((field) => field.name.toLowerCase() !== column) !== false) return null;
  const refs = analysis.tables.filter(
    (one) => momentIn(one) === null && names.tableOf(one) === name,
  );
  const [ref] = refs;
  if (ref !== undefined && model.windows !== null && !isTimed(model.windows, ref.name)) return null;
  // Through a view it may be anything.
  if (ref === undefined || refs.length < timesRead(names, analysis.tables, name)) return null;
  const keys = column === undefined ? [] : [column];
  const one = { isFree: false, isKept: true, isGrouped: false, blocked: null };
  return { ref, followed: { name: ref.name, keys, ...one } };
}

/** The only reference to an input, and how its changes are followed; or why they are not. */
function inputOf(
  names: Names,
  { analysis }: ModelNode,
  name: TableName,
): { readonly ref: TableRef; readonly followed: FollowedInput } | string {
  if (timesRead(names, analysis.tables, name) > 1) return `${name} is read more than once`;
  const ref = analysis.tables.find((one) => momentIn(one) === null && names.tableOf(one) === name);
  if (ref === undefined) return `${name} is read by a view`;
  const followed = analysis.followed.find((one) => one.name === ref.name);
  if (followed === undefined) return `${name} is not followed`;
  return followed.blocked === null ? { ref, followed } : `${followed.blocked} (${ref.name})`;
}

interface Part {
  readonly column: string;
  readonly transform: Transform;
  /** As a model names it. */
  readonly text: string;
}

/** The partitions of a table that overwrites them by which all changes are followed; null where there are none. */
function partitionsOf(
  { kind }: Model,
  table: Table | null,
  ways: readonly FollowedInput[],
): readonly Part[] | null {
  if (kind !== "insert_overwrite" || table === null) return null;
  const parts: Part[] = [];
  for (const { sourceId, transform } of table.spec.fields) {
    const column = table.schema.fields.find(({ id }) => id === sourceId)?.name;
    if (column === undefined || transform === "void") continue;
    const isFollowed = ways.every(({ keys }) => keys.includes(column.toLowerCase()));
    // Some of its partitions together hold what a coarser one does.
    if (!isFollowed || parts.some((part) => part.column === column)) continue;
    parts.push({ column, transform, text: transformText(transform, column) });
  }
  return parts.length === 0 ? null : parts;
}

/** The columns by which all changes are followed; null where there are none. */
function keyOf(
  { node: { model }, driver }: Asked,
  ways: readonly FollowedInput[],
  held: readonly string[],
): readonly string[] | null {
  const shared = (name: string): boolean =>
    ways.every(({ keys }) => keys.includes(name.toLowerCase()));
  if (model.windows !== null) {
    const { column } = model.windows;
    const name = heldName(held, column);
    return name === null || !shared(column) ? null : [name];
  }
  if (isMerged(model.kind)) {
    const columns = model.key.map((name) => heldName(held, name));
    return columns.every((name) => name !== null && shared(name))
      ? columns.filter((name) => name !== null)
      : null;
  }
  const isCarried = driver !== null && PROVENANCE.every((name) => held.includes(name));
  if (isCarried && ways.every(({ isFree }) => isFree)) return PROVENANCE;
  const columns = held.filter((name) => !PROVENANCE.includes(name) && shared(name));
  return columns.length > 0 ? columns : null;
}

function hasName(names: readonly string[], name: string): boolean {
  return names.includes(name.toLowerCase());
}

function heldName(held: readonly string[], name: string): string | null {
  return held.find((one) => one.toLowerCase() === name.toLowerCase()) ?? null;
}

/** What came to an input and left it; null where its state of before is not kept. */
async function changeOf(
  { catalog, names, pins }: Asked,
  { name, delta, before: place, correctedBy, differs }: Change,
  ref: TableRef,
  isOneOfMany: boolean,
): Promise<InputChange | null> {
  const pin = await pins.get(name);
  if (pin === null || place === null) return null;
  const { table, snapshot } = pin;
  const { snapshotId } = place;
  const before = table.snapshots.find((one) => one.snapshotId === snapshotId) ?? null;
  if (before === null && snapshotId !== null) return null;
  const nothing: Scan = emptyScan(name, table.schema);
  const read = (scan: Scan): Scan => corrected(names, name, scan);
  if (differs !== undefined) {
    const { removed, added } = differs;
    return { ref, before: read(await catalog.scan(table, before)), removed, added, marked: null };
  }
  if (correctedBy === null) return null;
  if (correctedBy !== undefined) {
    const { rereadChange } = await import("./corrections.ts");
    const was = await catalog.scan(table, before);
    const now = read(await catalog.scan(table, snapshot));
    return { ref, ...rereadChange(was, correctedBy, now) };
  }
  // Rows of an input as it was are read where others changed beside it.
  const was = isOneOfMany ? read(await catalog.scan(table, before)) : nothing;
  if (delta.kind === "append") {
    return { ref, before: was, removed: nothing, added: read(delta.scan), marked: null };
  }
  const { removed, added, marked } = await catalog.changes(table, before, snapshot);
  const both = marked === null ? null : { before: read(marked.before), after: read(marked.after) };
  return { ref, before: was, removed: read(removed), added: read(added), marked: both };
}

/** How many of the rows of what changed are other ones; 0 where they are few anyway. */
async function shareOf(
  pins: Pins,
  changed: readonly Change[],
  changes: readonly InputChange[],
): Promise<number> {
  let share = 0;
  for (const [index, { name, correctedBy, differs }] of changed.entries()) {
    // How many rows of it a correction changes, or are in a range, is seen when they are looked at.
    if (correctedBy !== undefined || differs?.isPart === true) continue;
    const summary = (await pins.get(name))?.snapshot?.summary ?? {};
    const total = Number(summary["total-records"] ?? Number.NaN);
    const files = [
      ...(changes[index]?.added.files ?? []),
      ...(changes[index]?.removed.files ?? []),
    ];
    const rows = files.reduce((sum, { file }) => sum + Number(file.recordCount), 0);
    if (rows > KEYED_SHARE_ROWS) share = Math.max(share, rows / total);
  }
  return Number.isNaN(share) ? 1 : share;
}
