/**
 * What a run published is taken back, as a new snapshot: its table holds again what it held before, and so do those
 * that later runs built on it.
 */

import { LakeError } from "../base/errors.ts";
import { counted } from "../base/quantity.ts";
import { quarantineTable } from "../ingest/quarantine.ts";
import type { Catalog, Random } from "../ports.ts";
import type { Change, CommitInfo, Fact, TableChange } from "../table/commit.ts";
import { commitOnce, publish } from "../table/publish.ts";
import { backTo } from "../table/restore.ts";
import type { Snapshot, Table, TableName } from "../table/types.ts";
import { lateTable } from "./closing-request.ts";
import { cursorFromText, cursorToText, type Place, placeOf } from "./cursor.ts";
import type { PublishedRun, RunRecord } from "./run-store.ts";

/** Commits of a table that are looked at. */
const COMMITS_MAX = 1_000_000;

export interface UndoneTable {
  readonly table: TableName;
  /** Whose it is: itself, or a model that has set rows aside and published none. */
  readonly model: TableName;
  /** What it is at now, and what it holds again; null: it holds nothing. */
  readonly fromSequence: bigint;
  readonly toSequence: bigint | null;
  readonly rows: bigint;
  /** Runs whose rows it does not have any more. */
  readonly runs: readonly string[];
}

export interface Undone {
  /** Null for a dry run. */
  readonly commit: bigint | null;
  readonly run: string;
  readonly tables: readonly UndoneTable[];
}

export interface UndoOptions {
  /** What later runs built on it is taken back with it. */
  readonly cascade: boolean;
  readonly dryRun: boolean;
}

interface Ports {
  readonly catalog: Catalog;
  readonly random: Random;
}

/** A table of a model with the commit before which it is taken back, and the runs that made it since. */
interface Taken {
  readonly model: TableName;
  readonly since: bigint;
  readonly runs: readonly PublishedRun[];
}

/**
 * Takes a run back. Models are held as by a restore: they stay until an input, a correction or their query changes.
 * Throws `conflict` where later runs built on it and are not to go too, or others changed its table since; `not-found`
 * where what was before is not kept any more.
 */
export async function undoRun(ports: Ports, run: RunRecord, options: UndoOptions): Promise<Undone> {
  const { runs } = ports.catalog;
  const commit = await runs.published(run.run);
  if (commit === null || run.status === "failed") {
    throw new LakeError("usage", `run ${short(run.run)} of ${run.model} published nothing`, {
      hint: "nothing is to be taken back; its table is as it was before",
    });
  }
  return publish({
    what: `what run ${short(run.run)} published`,
    hint: "nothing was changed; run it again when the other writer is done",
    attempt: async () => {
      const since = await runs.publishedSince(commit);
      const taken = dependents({ run, commit }, since);
      refuseLater(run, taken, options);
      return await takeBack(ports, run, taken, options);
    },
  });
}

/** The run's model, and those whose later runs read what is taken back, in the order in which they ran. */
function dependents(first: PublishedRun, since: readonly PublishedRun[]): readonly Taken[] {
  const byModel = new Map<TableName, { since: bigint; runs: PublishedRun[] }>();
  const isSame = (one: PublishedRun) => one.run.run === first.run.run;
  byModel.set(first.run.model, { since: first.commit, runs: [] });
  // Of one commit each may have read any other.
  for (let known = 0; known !== byModel.size; ) {
    known = byModel.size;
    for (const one of since) {
      const { model, inputs } = one.run;
      const own = byModel.get(model);
      const isLater = own !== undefined && one.commit >= own.since;
      const isReader = [...byModel].some(([name, { since: first }]) => {
        const own = tablesOf(name);
        return (
          name !== model && one.commit >= first && inputs.some(({ table }) => own.includes(table))
        );
      });
      if (isLater || !isReader) continue;
      byModel.set(model, { since: one.commit, runs: [] });
      known = -1;
    }
  }
  for (const one of since) {
    const own = byModel.get(one.run.model);
    if (own !== undefined && (one.commit > own.since || isSame(one) || own.since === one.commit)) {
      own.runs.push(one);
    }
  }
  return [...byModel].map(([model, own]) => ({ model, ...own }));
}

/** What the runs of a model publish: its rows, those that they set aside, and those that came too late. */
function tablesOf(model: TableName): readonly TableName[] {
  return [model, quarantineTable(model), lateTable(model)];
}

function refuseLater(run: RunRecord, taken: readonly Taken[], { cascade }: UndoOptions): void {
  const later = taken.flatMap(({ runs }) => runs).filter((one) => one.run.run !== run.run);
  if (later.length === 0 || cascade) return;
  const shown = later.slice(0, 3).map(({ run: one, commit }) => `${one.model} (commit ${commit})`);
  const rest = later.length > shown.length ? `, and ${later.length - shown.length} more` : "";
  const message =
    `${counted(later.length, "run")} built on that run of ${run.model}: ` +
    `${shown.join(", ")}${rest}`;
  throw new LakeError("conflict", message, {
    hint: "with --cascade they are taken back with it; with --dry-run too it says which tables",
    context: { run: run.run, later: later.length },
  });
}

async function takeBack(
  ports: Ports,
  run: RunRecord,
  taken: readonly Taken[],
  { dryRun }: UndoOptions,
): Promise<Undone | null> {
  const { catalog, random } = ports;
  const changes: TableChange[] = [];
  const tables: UndoneTable[] = [];
  const nextByTable = new Map<TableName, bigint>();
  const targets = new Map<TableName, Snapshot | null>();
  for (const { model, since, runs } of taken) {
    const all = await Promise.all(tablesOf(model).map((name) => stateBefore(catalog, name, since)));
    const [own] = all;
    for (const state of all) {
      if (state === null || state === undefined) continue;
      const { change, rows } = await backTo(catalog, state.table, state.before);
      const snapshotId = random.int63();
      changes.push({ ...change, snapshotId });
      nextByTable.set(state.table.name, snapshotId);
      // Its table is what it was; what it set aside is told alone.
      const isAlone = own === null;
      if (state !== own && !isAlone) continue;
      targets.set(model, isAlone ? ((await catalog.load(model))?.current ?? null) : state.before);
      tables.push({
        ...{ table: state.table.name, model },
        fromSequence: (state.table.current?.sequenceNumber ?? 0n) + 1n,
        toSequence: state.before?.sequenceNumber ?? null,
        rows,
        runs: runs.map((one) => one.run.run),
      });
    }
  }
  if (changes.length === 0) {
    throw new LakeError("conflict", `run ${short(run.run)} of ${run.model} changed no rows`, {
      hint: "nothing is to be taken back",
    });
  }
  if (dryRun) return { commit: null, run: run.run, tables };
  const facts: Fact[] = [];
  for (const [model, before] of targets) {
    const fact = await heldFact(catalog, model, before, nextByTable);
    if (fact !== null) facts.push(fact);
  }
  const names = tables.map(({ table }) => table).join(", ");
  const undo: Change = {
    ...{ kind: "restore", tables: changes, facts, batches: [], withdrawn: [], runs: [] },
    message: `run ${run.run} of ${run.model} undone: ${names}`,
  };
  const committed = await commitOnce(catalog, undo, run.model);
  return committed === null ? null : { commit: committed.number, run: run.run, tables };
}

/** A table as it was before a commit; null where no such table is, or nothing changed it since. */
async function stateBefore(
  catalog: Catalog,
  name: TableName,
  since: bigint,
): Promise<{ readonly table: Table; readonly before: Snapshot | null } | null> {
  const table = await catalog.load(name);
  if (table === null) return null;
  const commits = await catalog.commits({ table: name, since, limit: COMMITS_MAX });
  const other = commits.find(({ kind }) => !OUR_KINDS.has(kind));
  if (other !== undefined) throw changedSince(name, other);
  const first = commits.at(-1)?.tables.find((one) => one.name === name);
  if (first === undefined || first.uuid !== table.uuid) return null;
  const { parentId } = first;
  const before = table.snapshots.find(({ snapshotId }) => snapshotId === parentId) ?? null;
  if (before === null && parentId !== null) {
    throw new LakeError(
      "not-found",
      `what ${name} held before commit ${since} is not kept any more`,
      {
        hint: `compute it anew: tarn build --full ${name}; keep: in tarn.yaml says how long snapshots stay`,
      },
    );
  }
  return { table, before };
}

/** What runs and upkeep make of a model's table. */
const OUR_KINDS: ReadonlySet<string> = new Set(["build", "replay", "maintain", "retry"]);

function changedSince(name: TableName, { kind, number }: CommitInfo): LakeError {
  const what = kind === "restore" ? "was set back" : "was changed by another writer";
  return new LakeError("conflict", `${name} ${what} since, by commit ${number}`, {
    hint: `see: tarn log ${name}; set it where it is to be: tarn restore ${name} --to @N`,
  });
}

/** A model's place from now on: its inputs as they are after the undo, and that its rows are older. */
async function heldFact(
  catalog: Catalog,
  name: TableName,
  before: Snapshot | null,
  nextByTable: ReadonlyMap<TableName, bigint>,
): Promise<Fact | null> {
  const was = await catalog.fact("cursor", name);
  const cursor = cursorFromText(was);
  if (cursor === null) return null;
  const inputs = new Map<TableName, Place>();
  for (const [input, place] of cursor.inputs) {
    const table = await catalog.load(input);
    const now = table === null ? place : placeOf({ table, snapshot: table.current });
    const snapshotId = nextByTable.get(input) ?? now.snapshotId;
    const { corrections } = place;
    inputs.set(input, {
      ...{ ...now, snapshotId },
      ...(corrections === undefined ? {} : { corrections }),
    });
  }
  const restored = before?.sequenceNumber ?? 0n;
  return { kind: "cursor", name, was, becomes: cursorToText({ ...cursor, inputs, restored }) };
}

/** The beginning of a run's id by which people tell it. */
export function short(run: string): string {
  return run.slice(0, 8);
}
