/** Restore: an older snapshot's files become the table again, in a new snapshot; offsets stay where they are. */

import { LakeError } from "../base/errors.ts";
import { quarantineTable } from "../ingest/quarantine.ts";
import { lateTable } from "../model/closing-request.ts";
import { cursorFromText, cursorToText, type Place, placeOf } from "../model/cursor.ts";
import type { Catalog, Random } from "../ports.ts";
import { RESTORED_SNAPSHOT } from "./branch.ts";
import type { Change, CommitInfo, Fact, TableChange, VersionRef } from "./commit.ts";
import { everyFile, fileKey, liveRows } from "./live.ts";
import { commitOnce, publish } from "./publish.ts";
import { isHidden } from "./system-columns.ts";
import type { DataFile, Field, Scan, Schema, Snapshot, Table, TableName } from "./types.ts";

/** Commits of a quarantine table looked at for one that rewrote it. */
const COMMITS_MAX = 1_000_000;

export interface Restored {
  readonly commit: bigint;
  readonly fromSequence: bigint;
  readonly toSequence: bigint;
  readonly rows: bigint;
  /** Ledger batches whose rows left the table. */
  readonly withdrawn: readonly string[];
  /** It is a model's, and stays as it is until what the model is made of changes. */
  readonly held: boolean;
}

/**
 * Makes a new snapshot with the files of an older one. Batches committed after it become `withdrawn`; a model's table
 * is held: its next full run comes when an input or its query changes. Throws `not-found`, `unsupported` (delete
 * files), `conflict`.
 */
export async function restoreTable(
  ports: { readonly catalog: Catalog; readonly random: Random },
  name: TableName,
  ref: VersionRef,
): Promise<Restored> {
  const { catalog, random } = ports;
  const attempt = async (): Promise<Restored | null> => {
    const table = await catalog.load(name);
    if (table === null) throw new LakeError("not-found", `there is no table ${name}`);
    const target = await catalog.snapshotAt(table, ref);
    if (target === null) throw new LakeError("not-found", `${name} held nothing then`);
    return await restoreOnce(catalog, random, table, target);
  };
  const hint = "nothing was changed; run it again when the other writer is done";
  return await publish({ what: name, hint, attempt });
}

/** Null when another writer was first. */
async function restoreOnce(
  catalog: Catalog,
  random: Random,
  table: Table,
  target: Snapshot,
): Promise<Restored | null> {
  const { withdrawn, reinstated, out, commit } = await movedBatches(catalog, table, target);
  const snapshotId = random.int63();
  const hold = await holdFact(catalog, table.name, target.sequenceNumber);
  const facts: Fact[] = hold === null ? [] : [hold];
  const { change, rows } = await backTo(catalog, table, target);
  const asides: TableChange[] = [];
  for (const name of [quarantineTable(table.name), lateTable(table.name)]) {
    const aside = commit === null ? null : await asideBackTo(catalog, name, commit);
    if (aside !== null) asides.push(aside);
  }
  if (out.length > 0) {
    const name = leftOutName(snapshotId);
    facts.push({ kind: "setting", name, was: null, becomes: out.join(" ") });
  }
  const restored: Change = {
    kind: "restore",
    tables: [{ ...change, snapshotId }, ...asides],
    facts,
    batches: [],
    withdrawn,
    reinstated,
    runs: [],
    message: `${table.name} restored to @${target.sequenceNumber}`,
  };
  const result = await commitOnce(catalog, restored, table.name);
  if (result === null) return null;
  const sequence = result.snapshots.get(table.name)?.sequenceNumber ?? 0n;
  return {
    commit: result.number,
    fromSequence: sequence,
    toSequence: target.sequenceNumber,
    rows,
    withdrawn,
    held: hold !== null,
  };
}

/** A model's place from now on: its inputs as they are, and that its rows are older. Null for what is no model's. */
async function holdFact(catalog: Catalog, name: TableName, restored: bigint): Promise<Fact | null> {
  const was = await catalog.fact("cursor", name);
  if (was === null) return null;
  const cursor = cursorFromText(was);
  if (cursor === null) return { kind: "cursor", name, was, becomes: null };
  const inputs = new Map<TableName, Place>();
  for (const [input, place] of cursor.inputs) {
    const table = await catalog.load(input);
    const { corrections } = place;
    const now = table === null ? place : placeOf({ table, snapshot: table.current });
    inputs.set(input, corrections === undefined ? now : { ...now, corrections });
  }
  return { kind: "cursor", name, was, becomes: cursorToText({ ...cursor, inputs, restored }) };
}

/** The change that makes a table hold what it held at a snapshot (null: nothing), and how many rows that is. */
export async function backTo(
  catalog: Catalog,
  table: Table,
  target: Snapshot | null,
): Promise<{ change: TableChange; rows: bigint }> {
  const live = await catalog.scan(table, table.current);
  const old = await catalog.scan(table, target);
  const restored = target === null ? "none" : target.snapshotId.toString();
  const change: TableChange = {
    table: table.name,
    uuid: table.uuid,
    create: null,
    base: table.current?.snapshotId ?? null,
    schema: target === null ? null : schemaOf(table, target),
    operation: "overwrite",
    added: missingFrom(old, live),
    removed: missingFrom(live, old).map(fileKey),
    summary: { [RESTORED_SNAPSHOT]: restored },
  };
  return { change, rows: target === null ? 0n : (liveRows(target) ?? 0n) };
}

/**
 * Rows that were set aside stay where they are, and their batches say whether they count. Where they were set aside
 * anew since (a replay from originals, a reread), what was set aside then belongs to the rows that come back.
 */
async function asideBackTo(
  catalog: Catalog,
  name: TableName,
  commit: CommitInfo,
): Promise<TableChange | null> {
  const aside = await catalog.load(name);
  if (aside === null) return null;
  const entryOf = (one: CommitInfo) => one.tables.find((entry) => entry.uuid === aside.uuid);
  const since = await catalog.commits({ table: aside.name, limit: COMMITS_MAX });
  // Rows of a landing leave with their batch; those of any other commit are in the name of batches that may stay.
  const isRewritten = since.some((one) => one.number > commit.number && one.kind !== "land");
  if (!isRewritten) return null;
  const until = commit.number;
  const [then] = await catalog.commits({ table: aside.name, until, limit: 1 });
  const id = then === undefined ? null : (entryOf(then)?.snapshotId ?? null);
  const target = aside.snapshots.find((snapshot) => snapshot.snapshotId === id) ?? null;
  // Thinned since: what is set aside now stays, closed with the batches that leave.
  if (id !== null && target === null) return null;
  return (await backTo(catalog, aside, target)).change;
}

/** Files of data and of deletes, each with its sequence number: which deletes hold for which data stays as it was. */
function missingFrom(scan: Scan, other: Scan): readonly DataFile[] {
  const keys = new Set(everyFile(other).map(fileKey));
  return everyFile(scan).filter((file) => !keys.has(fileKey(file)));
}

/**
 * The current schema with the columns that the older files need to be read by: those that left the table since come
 * back, and those that took another id under their name have the one of then. Columns that came since stay, empty. Null
 * when nothing changes.
 */
function schemaOf(table: Table, target: Snapshot): Schema | null {
  const now = table.schema.fields;
  const then = table.schemas.find((schema) => schema.schemaId === target.schemaId)?.fields ?? [];
  const thenByName = new Map(then.map((field) => [field.name, field]));
  const known = new Set(now.flatMap((field) => [field.id, field.name]));
  const kept = now.map((field) => {
    const before = thenByName.get(field.name);
    return before === undefined || before.id === field.id ? field : before;
  });
  // Under another name now, or gone.
  const back = then
    .filter((field) => !known.has(field.name) && !known.has(field.id))
    .map((field) => ({ ...field, required: false }));
  const all = [...kept, ...back];
  const isSame = all.length === now.length && all.every((field, index) => field === now[index]);
  if (isSame) return null;
  const isLast = (field: Field) => isHidden(field.name);
  const fields = [...all.filter((field) => !isLast(field)), ...all.filter(isLast)];
  return { ...table.schema, fields };
}

interface MovedBatches {
  /** In the table now, and not in it then. */
  readonly withdrawn: readonly string[];
  /** In it then, and withdrawn since. */
  readonly reinstated: readonly string[];
  /** All that have been committed and are not in it after the restore. */
  readonly out: readonly string[];
  /** The commit that made the target; null where nothing is known of it. */
  readonly commit: CommitInfo | null;
}

/**
 * What was in the table at the target: all that landed up to it, but for what the last restore before it had left
 * out, which that restore has kept as a fact.
 */
async function movedBatches(
  catalog: Catalog,
  table: Table,
  target: Snapshot,
): Promise<MovedBatches> {
  const { name } = table;
  const [commit] = await catalog.commits({
    table: name,
    snapshotId: target.snapshotId,
    limit: 1,
  });
  if (commit === undefined) return { withdrawn: [], reinstated: [], out: [], commit: null };
  const until = commit.number;
  const [last] = await catalog.commits({ table: name, kind: "restore", until, limit: 1 });
  const restored = last?.tables.find((one) => one.name === name)?.snapshotId ?? null;
  const left = new Set(await leftOut(catalog, restored));
  const withdrawn: string[] = [];
  const reinstated: string[] = [];
  const out: string[] = [];
  for (const { batch, commit: landed, withdrawnBy } of await catalog.ledger.batches({
    table: table.name,
  })) {
    if (landed === null) continue;
    const wasIn = landed <= commit.number && !left.has(batch);
    if (!wasIn) out.push(batch);
    if (wasIn && withdrawnBy !== null) reinstated.push(batch);
    if (!wasIn && withdrawnBy === null) withdrawn.push(batch);
  }
  return { withdrawn, reinstated, out, commit };
}

/** The name of the fact that says which batches a restore left out. */
function leftOutName(snapshotId: bigint): string {
  return `left-out:${snapshotId}`;
}

async function leftOut(catalog: Catalog, snapshotId: bigint | null): Promise<string[]> {
  if (snapshotId === null) return [];
  const text = await catalog.fact("setting", leftOutName(snapshotId));
  return text === null || text === "" ? [] : text.split(" ");
}
