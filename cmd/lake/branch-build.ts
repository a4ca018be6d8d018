/** Models built on a branch, over what `main` has, and made `main` as a whole. */

import { LakeError } from "../../core/base/errors.ts";
import { type BuildSummary, runDue } from "../../core/lake.ts";
import {
  type BranchPlace,
  branchCatalog,
  branchCursorFact,
  branchMade,
  branchPlaces,
  runName,
} from "../../core/model/branch-catalog.ts";
import { cursorFromText, cursorToText, type Place } from "../../core/model/cursor.ts";
import { descendants } from "../../core/model/graph.ts";
import type { RunRecord } from "../../core/model/run-store.ts";
import type { Catalog } from "../../core/ports.ts";
import { branchState, tableOn } from "../../core/table/branch.ts";
import type { Fact, TableChange } from "../../core/table/commit.ts";
import { everyFile } from "../../core/table/live.ts";
import { commitOnce, publish } from "../../core/table/publish.ts";
import type { DataFile, Scan, Table, TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";
import { createBranchOf } from "./branch-create.ts";
import { type Branch, branchesOf, branchOf } from "./branch-list.ts";
import type { BuildRequest, Following } from "./build-request.ts";
import { lakeState } from "./lake-state.ts";
import { chosenModels, type ProjectGraph, validGraph } from "./models.ts";
import { recordedOf } from "./recorded.ts";

/** The session as it is on a branch: what reads and writes tables by it does so there. */
export function onBranch(session: Session, branch: string): Session {
  const catalog = branchCatalog(session.catalog, branch);
  const ports = { ...session.ports, catalog };
  return new Proxy(session, {
    get: (target, key) => {
      if (key === "catalog") return catalog;
      if (key === "ports") return ports;
      if (key === "settings") {
        const { config, settings } = target;
        return { ...settings, recorded: recordedOf({ catalog, config, ports }) };
      }
      const found = Reflect.get(target, key, target);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
}

/**
 * Builds on a branch what is edited or new against `main`, and what reads it; other tables are read as they are there.
 * The branch is begun where there is none. Throws what is wrong with the models.
 */
export async function buildOnBranch(
  session: Session,
  branch: string,
  request: BuildRequest,
  following: Following,
): Promise<BuildSummary> {
  const graph = await validGraph(session);
  const changed = await changedModels(session, graph, branch);
  const asked = await chosenModels(session.catalog, graph, request.select, request.exclude);
  const select = new Set([...changed].filter((name) => asked === null || asked.has(name)));
  if (!(await branchesOf(session)).includes(branch)) {
    await createBranchOf(session, branch, { tables: [], at: null });
  }
  const there = onBranch(session, branch);
  for (const { model } of graph.nodes) {
    if (model.lookup !== null) await takeAnswers(there, session.catalog, model.name, branch);
  }
  const runs = await runDue(there.ports, graph, there.settings, {
    ...{ select, full: request.full, repair: request.repair === true },
    ...{ land: false, waitForSettle: false, batchBytes: session.config.batch.bytesMax },
    ...following,
  });
  return { landed: [], landFailures: 0, runs };
}

/** Models whose version `main` does not have, those that are on the branch, and all that reads them. */
async function changedModels(
  session: Session,
  graph: ProjectGraph,
  branch: string,
): Promise<ReadonlySet<TableName>> {
  const { fresh, changed } = await lakeState(session.catalog, graph);
  const there = await branchPlaces(session.catalog, branch);
  const own = new Set(graph.nodes.map(({ model }) => model.name));
  const otherwise = await readOtherwise(session, graph);
  const begun = [...fresh, ...changed, ...otherwise, ...there.keys()];
  const ours = begun.filter((name) => own.has(name));
  return new Set([...ours, ...descendants(graph.graph, ours)]);
}

/** Models whose inputs are read through other corrections than `main` has read them through. */
async function readOtherwise(
  { catalog }: Session,
  { nodes, names }: ProjectGraph,
): Promise<readonly TableName[]> {
  const cursors = await catalog.facts("cursor");
  const others: TableName[] = [];
  for (const { model } of nodes) {
    const inputs = [...(cursorFromText(cursors.get(model.name) ?? null)?.inputs ?? [])];
    const isOther = inputs.some(([input, { corrections = [] }]) => {
      const now = (names.corrections?.(input) ?? []).map(({ hash }) => hash);
      return now.join(" ") !== corrections.join(" ");
    });
    if (isOther) others.push(model.name);
  }
  return others;
}

/** What was answered on `main` since a lookup came to the branch: nobody is asked for it again, and nothing goes. */
async function takeAnswers(
  there: Session,
  catalog: Catalog,
  name: TableName,
  branch: string,
): Promise<void> {
  const table = await catalog.load(name);
  if (table === null || branchState(table, branch) === null) return;
  const own = tableOn(table, branch);
  const live = await catalog.scan(table, table.current);
  const added = missingFrom(live, await catalog.scan(own, own.current));
  if (added.length === 0) return;
  const base = own.current?.snapshotId ?? null;
  const nothing = { create: null, schema: null, removed: [], summary: {} } as const;
  const operation = "append" as const;
  const change = { table: name, uuid: table.uuid, base, operation, added, ...nothing };
  const message = `answers of main to ${name}`;
  const rest = { facts: [], batches: [], withdrawn: [], runs: [] };
  const commit = { kind: "build" as const, tables: [change], ...rest, message };
  await publish({
    what: `the branch ${branch}`,
    hint: "nothing was changed: try again",
    attempt: () => commitOnce(there.catalog, commit, name),
  });
}

/** True where models were built on the branch. */
export async function hasModels(session: Session, branch: string): Promise<boolean> {
  return (await branchPlaces(session.catalog, branch)).size > 0;
}

export interface Promoted {
  readonly commit: bigint;
  readonly branch: Branch;
}

/**
 * Makes what was built on a branch `main`, all of it in one commit: it takes in first what `main` got meanwhile, so no
 * row is lost by it and none comes twice. Throws `conflict` where `main` has another version of a model since, or the
 * project has, and `expectation` where a run fails: nothing is changed then.
 */
export async function promoteBuilt(
  session: Session,
  name: string,
  { keep, following }: { readonly keep: boolean; readonly following: Following },
): Promise<Promoted> {
  const graph = await validGraph(session);
  await refuseOthers(session, graph, name);
  const nothing = { select: [], exclude: [], full: false, models: true, sources: false };
  const { runs } = await buildOnBranch(session, name, nothing, following);
  const failed = runs.find((run) => run.kind === "failed" || run.kind === "blocked");
  if (failed !== undefined) {
    throw new LakeError(
      "expectation",
      `${name} stays a branch: ${failed.model}: ${failed.reason}`,
      {
        hint: `mend it, then again: tarn build --branch ${name}`,
      },
    );
  }
  const branch = await branchOf(session, name);
  const commit = await publish({
    what: `the branch ${name}`,
    hint: "nothing was changed: try again",
    attempt: () => tryPromote(session, branch),
  });
  if (!keep) await session.catalog.dropBranch(name);
  return { commit, branch };
}

/** What was built is of the models as the project has them, and is put in the place of what it began from. */
async function refuseOthers(session: Session, graph: ProjectGraph, name: string): Promise<void> {
  const models = new Set(graph.nodes.map(({ model }) => model.name));
  for (const [model, { mainHash, cursor }] of await branchPlaces(session.catalog, name)) {
    if (!models.has(model)) {
      throw new LakeError("conflict", `${model} is on ${name}, and no model of the project`, {
        hint: `promote it where its model is, or begin anew: tarn branch drop ${name}`,
      });
    }
    const now = cursorFromText(await session.catalog.fact("cursor", model))?.hash ?? null;
    // What was promoted before, and not let go of, is there by now.
    const isThere = now === cursorFromText(cursor)?.hash;
    if (now === mainHash || isThere) continue;
    throw new LakeError("conflict", `main has another version of ${model} since ${name} began`, {
      hint: `take its text over first, then begin anew: tarn branch drop ${name}`,
    });
  }
}

/** Null when another writer was first. */
async function tryPromote(session: Session, { name, tables }: Branch): Promise<bigint | null> {
  const { catalog, ports } = session;
  const changes: TableChange[] = [];
  /** Snapshots of `main` by those of the branch that they have the rows of. */
  const heads = new Map<string, bigint>();
  const places = await branchPlaces(catalog, name);
  const { makersOf } = await import("./foreign-rules.ts");
  const makerOf = await makersOf(session);
  for (const { table } of tables) {
    const loaded = await catalog.load(table);
    const state = loaded === null ? null : branchState(loaded, name);
    if (loaded === null || state === null) continue;
    if (makerOf(table) === null && !state.isForward) throw movedOn(table, name);
    const snapshotId = ports.random.int63();
    const change = await changeOf(session, loaded, name);
    if (change !== null) changes.push({ ...change, snapshotId });
    const now = change === null ? loaded.current?.snapshotId : snapshotId;
    if (now !== undefined) heads.set(`${state.head.snapshotId}`, now);
  }
  const facts: Fact[] = [];
  const runs: RunRecord[] = [];
  for (const [model, place] of places) {
    facts.push(...(await factsOf(session, name, model, place, heads)));
    const [run] = await catalog.runs.list({ model: runName(name, model), status: "ok", limit: 1 });
    if (run === undefined) continue;
    const reason = `branch ${name}: ${run.reason}`;
    runs.push({ ...run, run: ports.random.uuid(), model, reason });
  }
  const committed = await commitOnce(
    catalog,
    {
      ...{ kind: "build", tables: changes, facts, batches: [], withdrawn: [], runs },
      message: `branch ${name} is main: ${tables.map(({ table }) => table).join(", ")}`,
    },
    `the branch ${name}`,
  );
  return committed?.number ?? null;
}

/** What makes `main` of a table hold what the branch has; null where it does. */
async function changeOf(
  { catalog }: Session,
  table: Table,
  branch: string,
): Promise<TableChange | null> {
  const there = tableOn(table, branch);
  const live = await catalog.scan(table, table.current);
  const built = await catalog.scan(there, there.current);
  const added = missingFrom(built, live);
  const removed = missingFrom(live, built).map(({ path }) => path);
  const { schemaId } = table.schema;
  const isOther = there.schema.schemaId !== schemaId;
  if (added.length + removed.length === 0 && !isOther && table.current !== null) return null;
  return {
    table: table.name,
    uuid: table.uuid,
    create: null,
    base: table.current?.snapshotId ?? null,
    schema: isOther ? { ...there.schema, schemaId } : null,
    lastColumnId: table.lastColumnId,
    operation: removed.length > 0 ? "overwrite" : "append",
    onMoved: "conflict",
    added,
    removed,
    summary: { "tarn.promoted-branch": branch },
  };
}

function missingFrom(scan: Scan, other: Scan): readonly DataFile[] {
  const paths = new Set(everyFile(other).map((file) => file.path));
  return everyFile(scan).filter((file) => !paths.has(file.path));
}

/** The model's place on `main`, in the snapshots that `main` gets, in the place of the one that it had. */
async function factsOf(
  { catalog }: Session,
  branch: string,
  model: TableName,
  place: BranchPlace,
  heads: ReadonlyMap<string, bigint>,
): Promise<readonly Fact[]> {
  const cursor = cursorFromText(place.cursor);
  const name = branchCursorFact(branch, model);
  const stored = await catalog.fact("setting", name);
  const own: Fact = { kind: "setting", name, was: stored, becomes: stored };
  if (cursor === null) return [own];
  const moved = (one: Place): Place => {
    const now = one.snapshotId === null ? undefined : heads.get(`${one.snapshotId}`);
    return now === undefined ? one : { ...one, snapshotId: now };
  };
  const inputs = new Map([...cursor.inputs].map(([input, one]) => [input, moved(one)] as const));
  const was = await catalog.fact("cursor", model);
  const becomes = cursorToText({ ...cursor, inputs });
  return [{ kind: "cursor", name: model, was, becomes }, own];
}

function movedOn(table: TableName, branch: string): LakeError {
  return new LakeError("conflict", `${table} went on since ${branch} began`, {
    hint: `it was changed by statements on both: to see what differs: tarn diff ${table}@${branch} ${table}`,
  });
}

/** Tables that were made for a branch and hold nothing on `main`: they leave with it. */
export async function dropMade(session: Session, branch: string): Promise<readonly TableName[]> {
  const begin = branchMade(branch);
  const empty: TableName[] = [];
  for (const [name, uuid] of await session.catalog.facts("setting")) {
    if (!name.startsWith(begin)) continue;
    const table = await session.catalog.load(name.slice(begin.length));
    const others = [...(table?.refs.keys() ?? [])].filter((ref) => ref !== branch);
    if (table?.uuid === uuid && table.current === null && others.length === 0) {
      empty.push(table.name);
    }
  }
  if (empty.length === 0) return [];
  const message = `branch ${branch} dropped: ${empty.join(", ")}`;
  const commit = await session.catalog.drop({ tables: empty, withdrawn: [], message });
  if (commit !== null) return empty;
  throw new LakeError("conflict", `tables of ${branch} keep being changed by others`, {
    hint: "nothing was changed: try again",
  });
}
