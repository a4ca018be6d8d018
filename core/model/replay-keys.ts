/**
 * A range of a replay by keys: models whose rows do not say where they came from, and those that read what is replayed
 * with them, compute again the keys that the rows of the range, or those that differ, touch.
 */

import type { RangeScope } from "../engine.ts";
import type { Scan, TableName } from "../table/types.ts";
import { type Cursor, cursorFromText, isSameReading } from "./cursor.ts";
import type { Decision } from "./decide.ts";
import { fromKeys } from "./keyed.ts";
import { corrected, emptyScan, type Pins, readPlace } from "./pins.ts";
import type { Reach, ReachJob } from "./reach.ts";
import type { Change } from "./run-plan.ts";

/** The keys of a range; or why everything is computed. */
export async function keyedReach(
  job: ReachJob,
  decision: Decision,
  scope: RangeScope,
): Promise<Reach | string> {
  const { names, node, overrides } = job;
  const { next } = decision;
  const replayed = [...next.inputs.keys()].filter((name) => overrides.has(name));
  const why =
    replayed.length > 0 ? `${replayed[0]} is replayed with it` : `kind ${node.model.kind}`;
  if (!job.pins.has(node.model.name)) return "it has no rows yet";
  if (job.options.atMs !== null) return `${why}, as of another moment`;
  const cursor = cursorFromText(decision.cursorText);
  const stale = await staleness(job, decision, cursor);
  if (cursor === null || stale !== null) return `${why}, and ${stale}`;
  const read = new Map([...cursor.inputs].filter(([name]) => next.inputs.has(name)));
  const pins = await job.pins.where(read);
  if (pins === null) return "what it has read is not kept any more";
  const changed =
    replayed.length > 0
      ? await differing(job, replayed, cursor)
      : await inRange(job, pins, cursor, scope);
  if (typeof changed === "string") return `${why}, and ${changed}`;
  const driver = decision.plan.kind === "full" ? decision.plan.driver : null;
  const plan = await fromKeys({ catalog: job.catalog, names, node, pins, driver, changed });
  if (typeof plan === "string") return `${why}, and ${plan}`;
  if (plan.kind !== "incremental" || plan.from.kind !== "keys") return why;
  const inputs = new Map([...next.inputs, ...read]);
  return { scope: null, keys: plan.from, reason: plan.reason, pins, next: { ...cursor, inputs } };
}

/** Why the rows that it has are not those that it is computed beside; null where they are. */
async function staleness(
  { pins, names, node, overrides, replaced }: ReachJob,
  { next }: Decision,
  cursor: Cursor | null,
): Promise<string | null> {
  if (cursor === null) return "it has lost its place";
  if (node.model.closing !== null) return "its windows close by all rows";
  if (cursor.hash !== next.hash) return "it was edited since its last run";
  if (cursor.timezone !== next.timezone) return "the timezone changed";
  if (cursor.restored !== null) return "its rows are those of a restore";
  for (const [name, place] of next.inputs) {
    const before = cursor.inputs.get(name);
    const pin = await pins.get(name);
    if (before === undefined || before.uuid !== place.uuid) return `${name} is another table`;
    if (pin !== null && !isSameReading(before, readPlace(names, pin))) {
      return `${name} is read through other corrections`;
    }
    const held = overrides.has(name) ? replaced?.get(name) : undefined;
    if (held !== undefined && held.snapshotId !== before.snapshotId) {
      return `it has not read all of ${name} yet`;
    }
  }
  return null;
}

/** Files that a replay takes out of its tables and puts into them. */
async function differing(
  job: ReachJob,
  replayed: readonly TableName[],
  cursor: Cursor,
): Promise<Change[] | string> {
  const changes: Change[] = [];
  for (const name of replayed) {
    const before = job.replaced?.get(name);
    const after = job.overrides.get(name);
    if (before === undefined || after === undefined) return `${name} has no rows yet`;
    if (before.schema !== after.schema) return `the columns of ${name} change`;
    const isPlain = before.deletes.length === 0 && after.deletes.length === 0;
    const removed = isPlain ? without(before, after) : before;
    const added = isPlain ? without(after, before) : after;
    const place = cursor.inputs.get(name) ?? null;
    const delta = { kind: "full", reason: `what differs in ${name}` } as const;
    const differs = { removed, added, isPart: false };
    changes.push({ name, delta, before: place, columns: null, differs });
  }
  return changes;
}

function without(scan: Scan, other: Scan): Scan {
  const paths = new Set(other.files.map(({ localPath }) => localPath));
  return { ...scan, files: scan.files.filter(({ localPath }) => !paths.has(localPath)) };
}

/** Rows of the range of the one input that has its column. */
async function inRange(
  { names, catalog }: ReachJob,
  pins: Pins,
  cursor: Cursor,
  scope: RangeScope,
): Promise<Change[] | string> {
  const wanted = scope.column.toLowerCase();
  const having: TableName[] = [];
  for (const name of cursor.inputs.keys()) {
    const fields = (await pins.get(name))?.table.schema.fields ?? [];
    if (fields.some((field) => field.name.toLowerCase() === wanted)) having.push(name);
  }
  const [name] = having;
  if (name === undefined) return `none of its inputs has a column ${scope.column}`;
  if (having.length > 1) return `${having.join(" and ")} have a column ${scope.column}`;
  const pin = await pins.get(name);
  if (pin === null) return `${name} has no rows yet`;
  const scan = corrected(names, name, await catalog.scan(pin.table, pin.snapshot));
  const removed = { ...scan, corrected: { by: scan.corrected?.by ?? [], range: scope } };
  const added = emptyScan(name, pin.table.schema);
  const what = scope.where === undefined ? `rows of ${name} by ${scope.column}` : `rows of ${name}`;
  const delta = { kind: "full", reason: what } as const;
  const place = cursor.inputs.get(name) ?? null;
  const differs = { removed, added, isPart: true };
  return [{ name, delta, before: place, columns: null, differs }];
}
