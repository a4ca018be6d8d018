/** From how a person names a version of a table to the snapshot it means. DESIGN, Settled. */

import { unreachable } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { nearestWord } from "../../core/base/suggest.ts";
import { headOn, tableOn } from "../../core/table/branch.ts";
import type { VersionRef } from "../../core/table/commit.ts";
import type { Snapshot, Table } from "../../core/table/types.ts";
import { long } from "./database.ts";
import { firstMoment, keptAround, momentAt, readMomentOf } from "./history.ts";
import type { LakeStore } from "./lake-store.ts";

/** The snapshot; null when the table had no rows then. Throws `not-found` naming the nearest kept ones. */
export async function resolveVersion(
  store: LakeStore,
  table: Table,
  ref: VersionRef,
): Promise<Snapshot | null> {
  switch (ref.kind) {
    case "current":
      return table.current;
    case "back":
      return byPosition(table, ref.steps);
    case "version":
      return await byVersion(store, table, ref.value);
    case "branch":
      return onBranch(table, ref.name);
    case "tag":
      return await byTag(store, table, ref.name);
    case "time":
      return await byTime(store, table, ref.timeMs, ref.nearest);
    default:
      return unreachable(ref);
  }
}

/**
 * Under the table's columns of now, which a branch shares with all others (Iceberg spec, "Point in Time Reads"), but
 * for those that a build gave it.
 */
function onBranch(table: Table, branch: string): Snapshot | null {
  const head = headOn(table, branch);
  return head === null ? null : { ...head, schemaId: tableOn(table, branch).schema.schemaId };
}

/** Steps follow parents: what was taken back is not on the way. */
function byPosition(table: Table, steps: number): Snapshot {
  let at = table.current;
  for (let step = 0; step < steps && at !== null; step++) {
    const { parentId } = at;
    at = table.snapshots.find((snapshot) => snapshot.snapshotId === parentId) ?? null;
    if (at === null && parentId !== null) {
      throw new LakeError("not-found", `${table.name}@-${steps} is not kept any more`, {
        hint: `@-${step} is the oldest kept one in an unbroken line; see: tarn log ${table.name}`,
      });
    }
  }
  if (at !== null) return at;
  throw new LakeError("not-found", `${table.name} has no version ${steps} before the current one`, {
    hint: `it has ${counted(table.snapshots.length, "kept snapshot")}; see: tarn log ${table.name}`,
  });
}

async function byVersion(store: LakeStore, table: Table, value: string): Promise<Snapshot | null> {
  if (/^\d{1,19}$/.test(value)) {
    const number = BigInt(value);
    const byId = table.snapshots.find((snapshot) => snapshot.snapshotId === number);
    // Of a sequence number on several branches, main's.
    const found = byId ?? bySequence(table, number);
    if (found !== null) return found;
    if (!table.refs.has(value)) throw notKept(table, number);
  }
  return await byTag(store, table, value);
}

function bySequence(table: Table, number: bigint): Snapshot | null {
  const same = table.snapshots.filter((snapshot) => snapshot.sequenceNumber === number);
  const onMain = same.find((snapshot) =>
    table.snapshotLog.some((entry) => entry.snapshotId === snapshot.snapshotId),
  );
  return number === 0n ? null : (onMain ?? same[0] ?? null);
}

/** A branch or tag of the table, else a tag of the lake. */
async function byTag(store: LakeStore, table: Table, name: string): Promise<Snapshot | null> {
  const ref = table.refs.get(name);
  if (ref !== undefined) return snapshotById(table, ref.snapshotId, `${table.name}@${name}`);
  const sql = "SELECT commit_number FROM lake_tags WHERE name = ?";
  const moment = await store.read(() => {
    const tag = store.db.get(sql, name);
    if (tag === null) return null;
    return readMomentOf(store, table.uuid, long(tag, "commit_number")) ?? "absent";
  });
  if (moment === null) throw noSuchVersion(table, name);
  if (moment === "absent") {
    throw new LakeError("not-found", `${table.name} did not exist yet at the tag ${name}`);
  }
  return moment.snapshotId === null
    ? null
    : snapshotById(table, moment.snapshotId, `${table.name}@${name}`);
}

async function byTime(
  store: LakeStore,
  table: Table,
  timeMs: number,
  nearest: boolean,
): Promise<Snapshot | null> {
  const moment = await momentAt(store, table.uuid, timeMs);
  if (moment === null) return await beforeHistory(store, table, timeMs);
  if (moment.snapshotId === null) return null;
  const exact = table.snapshots.find((snapshot) => snapshot.snapshotId === moment.snapshotId);
  if (exact !== undefined) return exact;
  const kept = table.snapshots.map((snapshot) => snapshot.snapshotId);
  const { before, after } = await keptAround(store, table.uuid, timeMs, kept);
  const earlier = before?.snapshotId ?? null;
  if (nearest && earlier !== null) return snapshotById(table, earlier, table.name);
  const moments = [before, after].flatMap((one) => (one === null ? [] : [iso(one.timeMs)]));
  throw new LakeError("not-found", `${table.name} as of ${iso(timeMs)} is not kept any more`, {
    hint:
      moments.length === 0
        ? `see what is kept: tarn log ${table.name}`
        : `the nearest kept moments are ${moments.join(" and ")}: ask for one of them`,
    context: { table: table.name, timeMs },
  });
}

/** Times from before the lake knew the table: its own log tells, when another engine made it. */
async function beforeHistory(
  store: LakeStore,
  table: Table,
  timeMs: number,
): Promise<Snapshot | null> {
  const entry = table.snapshotLog.findLast((one) => one.timestampMs <= timeMs);
  if (entry !== undefined) return snapshotById(table, entry.snapshotId, table.name);
  const first = await firstMoment(store, table.uuid);
  throw new LakeError("not-found", `${table.name} did not exist yet at ${iso(timeMs)}`, {
    ...(first === null ? {} : { hint: `its first commit is of ${iso(first.timeMs)}` }),
    context: { table: table.name, timeMs },
  });
}

function snapshotById(table: Table, id: bigint, asked: string): Snapshot {
  const found = table.snapshots.find((snapshot) => snapshot.snapshotId === id);
  if (found !== undefined) return found;
  throw new LakeError("not-found", `snapshot ${id} of ${asked} is not kept any more`, {
    hint: `see what is kept: tarn log ${table.name}`,
  });
}

function notKept(table: Table, number: bigint): LakeError {
  const sorted = table.snapshots.map((one) => one.sequenceNumber).sort((a, b) => Number(a - b));
  const before = sorted.findLast((one) => one < number);
  const after = sorted.find((one) => one > number);
  const near = [before, after].flatMap((one) => (one === undefined ? [] : [`@${one}`]));
  return new LakeError("not-found", `${table.name} keeps no snapshot ${number}`, {
    hint:
      near.length === 0
        ? `${table.name} has no snapshots`
        : `the nearest kept versions are ${near.join(" and ")}; see: tarn log ${table.name}`,
  });
}

function noSuchVersion(table: Table, name: string): LakeError {
  const refs = [...table.refs.keys()];
  const near = nearestWord(name, refs);
  const meant = near === null ? "" : `did you mean "${near}"? `;
  return new LakeError("not-found", `${table.name} has no version, branch or tag "${name}"`, {
    hint:
      refs.length === 0
        ? `see: tarn log ${table.name}`
        : `${meant}it has ${refs.slice(0, 10).join(", ")}; numbers are in: tarn log ${table.name}`,
  });
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
