/**
 * The lake as a branch has it, for models that are built on one: what was built there is read there, all else as it is
 * on `main`, and what is written goes to the branch alone.
 */

import { LakeError } from "../base/errors.ts";
import { isJsonObject, parseJson, stringifyJson } from "../base/json.ts";
import type { Catalog, TableHead } from "../ports.ts";
import { BUILT_ON, tableOn } from "../table/branch.ts";
import type { Change, CommitResult, Fact, TableChange } from "../table/commit.ts";
import type { TableName } from "../table/types.ts";
import { cursorFromText } from "./cursor.ts";
import type { RunRecord, RunStore } from "./run-store.ts";

/** Where a model stands on a branch, and the version that `main` had when it came there; null: it had none. */
export interface BranchPlace {
  readonly cursor: string;
  readonly mainHash: string | null;
}

/** The fact of a model's place on a branch. It leaves with the branch. */
export function branchCursorFact(branch: string, model: TableName): string {
  return `${branchCursors(branch)}${model}`;
}

/** What the facts of a branch's models begin with. */
export function branchCursors(branch: string): string {
  return `branch-cursor:${branch}:`;
}

/** What the facts of tables begin with that were made for a branch. */
export function branchMade(branch: string): string {
  return `branch-made:${branch}:`;
}

/** Under which name runs on a branch are recorded. */
export function runName(branch: string, model: TableName): string {
  return `${model}@${branch}`;
}

/** A catalog that reads and writes the branch. It is not closed by itself. */
export function branchCatalog<C extends Catalog>(catalog: C, branch: string): C {
  const own: Partial<Catalog> = {
    tables: () => tablesOn(catalog, branch),
    load: async (name) => {
      const table = await catalog.load(name);
      return table === null ? null : tableOn(table, branch);
    },
    fact: async (kind, name) => {
      const main = await catalog.fact(kind, name);
      if (kind !== "cursor") return main;
      return (await branchPlace(catalog, branch, name))?.cursor ?? main;
    },
    facts: async (kind) => {
      const main = await catalog.facts(kind);
      if (kind !== "cursor") return main;
      const places = await branchPlaces(catalog, branch);
      return new Map([
        ...main,
        ...[...places].map(([name, { cursor }]) => [name, cursor] as const),
      ]);
    },
    commit: (change, ready) => commitOn(catalog, branch, change, ready),
    runs: runsOn(catalog.runs, branch),
  };
  return new Proxy(catalog, {
    get: (target, key) => {
      const found = Reflect.get(own, key) ?? Reflect.get(target, key, target);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
}

/** Places of all models that are on a branch. */
export async function branchPlaces(
  catalog: Pick<Catalog, "facts">,
  branch: string,
): Promise<ReadonlyMap<TableName, BranchPlace>> {
  const begin = branchCursors(branch);
  const found = new Map<TableName, BranchPlace>();
  for (const [name, text] of await catalog.facts("setting")) {
    const place = name.startsWith(begin) ? placeFrom(text) : null;
    if (place !== null) found.set(name.slice(begin.length), place);
  }
  return found;
}

async function branchPlace(
  catalog: Pick<Catalog, "fact">,
  branch: string,
  model: TableName,
): Promise<BranchPlace | null> {
  return placeFrom(await catalog.fact("setting", branchCursorFact(branch, model)));
}

function placeFrom(text: string | null): BranchPlace | null {
  const value = text === null ? null : parseJson(text);
  if (!isJsonObject(value) || typeof value.cursor !== "string") return null;
  return { cursor: value.cursor, mainHash: typeof value.main === "string" ? value.main : null };
}

async function tablesOn(catalog: Catalog, branch: string): Promise<readonly TableHead[]> {
  const heads = await catalog.tables();
  const moved = new Set<TableName>();
  for (const head of await catalog.branchHeads()) if (head.branch === branch) moved.add(head.table);
  return await Promise.all(
    heads.map(async (head) => {
      const table = moved.has(head.name) ? await catalog.load(head.name) : null;
      const current = table === null ? null : tableOn(table, branch).current;
      if (current === null) return head;
      const { snapshotId, sequenceNumber } = current;
      return { ...head, snapshotId, sequenceNumber };
    }),
  );
}

async function commitOn(
  catalog: Catalog,
  branch: string,
  change: Change,
  ready?: Promise<void>,
): Promise<CommitResult> {
  const made = change.tables.filter(({ create }) => create !== null);
  if (made.length > 0) {
    const result = await makeEmpty(catalog, branch, made);
    if (result.kind !== "committed") return result;
  }
  const tables: TableChange[] = [];
  for (const one of change.tables) tables.push(await changeOn(catalog, branch, one));
  const facts: Fact[] = [];
  for (const fact of change.facts) {
    const moved = await factOn(catalog, branch, fact);
    if (moved === null) return { kind: "stale", fact: fact.name };
    facts.push(moved);
    const isIn = tables.some(({ table }) => table === fact.name);
    const pin = fact.kind === "cursor" && !isIn ? await pinOn(catalog, branch, fact.name) : null;
    if (pin !== null) tables.push(pin);
  }
  const runs = change.runs.map((run) => ({ ...run, model: runName(branch, run.model) }));
  const message = `branch ${branch}: ${change.message}`;
  return await catalog.commit({ ...change, tables, facts, runs, message }, ready);
}

/** A table has to be there, empty, before a branch of it is. */
async function makeEmpty(
  catalog: Catalog,
  branch: string,
  made: readonly TableChange[],
): Promise<CommitResult> {
  const facts: Fact[] = [];
  for (const { table, uuid } of made) {
    const name = `${branchMade(branch)}${table}`;
    const was = await catalog.fact("setting", name);
    facts.push({ kind: "setting", name, was, becomes: uuid });
  }
  return await catalog.commit({
    kind: "schema",
    tables: made.map(({ table, uuid, create }) => {
      const nothing = { base: null, schema: null, operation: null, added: [], removed: [] };
      return { table, uuid, create, ...nothing, summary: {} };
    }),
    facts,
    batches: [],
    withdrawn: [],
    runs: [],
    message: `made for branch ${branch}: ${made.map(({ table }) => table).join(", ")}`,
  });
}

async function changeOn(
  catalog: Catalog,
  branch: string,
  change: TableChange,
): Promise<TableChange> {
  const { table: name, spec } = change;
  if (change.create === null && spec !== undefined) {
    throw new LakeError("unsupported", `the partition of ${name} is not changed on a branch`, {
      hint: `a table has one on all of its branches: build it on main, tarn build ${name}`,
    });
  }
  const table = await catalog.load(name);
  const now = table === null ? null : tableOn(table, branch);
  const isOwn = now !== null && now.schema.schemaId !== table?.schema.schemaId;
  const schema = change.create === null ? (change.schema ?? (isOwn ? now.schema : null)) : null;
  return {
    ...change,
    branch,
    create: null,
    schema,
    // What changes columns alone is a snapshot too: it has them.
    operation: change.operation ?? "append",
    summary: { ...change.summary, [BUILT_ON]: branch },
  };
}

/** A place is one of rows as they are: on `main` more of them may come. Null where the branch has them. */
async function pinOn(
  catalog: Catalog,
  branch: string,
  model: TableName,
): Promise<TableChange | null> {
  const table = await catalog.load(model);
  if (table === null || table.refs.get(branch)?.kind === "branch") return null;
  const nothing = { create: null, schema: null, operation: null, added: [], removed: [] } as const;
  const base = table.current?.snapshotId ?? null;
  const pin = { table: model, uuid: table.uuid, base, summary: {}, ...nothing };
  return await changeOn(catalog, branch, pin);
}

/** Null where the place was moved since it was read. */
async function factOn(catalog: Catalog, branch: string, fact: Fact): Promise<Fact | null> {
  if (fact.kind !== "cursor") return fact;
  const { name: model, was, becomes } = fact;
  const name = branchCursorFact(branch, model);
  const stored = await catalog.fact("setting", name);
  const place = placeFrom(stored);
  const main = await catalog.fact("cursor", model);
  if ((place === null ? main : place.cursor) !== was) return null;
  if (becomes === null) return { kind: "setting", name, was: stored, becomes: null };
  const mainHash = place === null ? (cursorFromText(main)?.hash ?? null) : place.mainHash;
  const text = stringifyJson({ cursor: becomes, main: mainHash });
  return { kind: "setting", name, was: stored, becomes: text };
}

/** Runs on the branch; where there is none of a model, those of `main` tell what it was. */
function runsOn(runs: RunStore, branch: string): RunStore {
  const end = runName(branch, "");
  const named = (run: RunRecord): RunRecord => ({ ...run, model: run.model.slice(0, -end.length) });
  return {
    record: (run) => runs.record({ ...run, model: runName(branch, run.model) }),
    list: async (filter) => {
      if (filter.model === undefined) return await runs.list(filter);
      const own = await runs.list({ ...filter, model: runName(branch, filter.model) });
      return own.length > 0 ? own.map(named) : await runs.list(filter);
    },
    latest: async () => {
      const all = [...(await runs.latest()).values()];
      return new Map(
        all.filter(({ model }) => model.endsWith(end)).map((run) => [named(run).model, named(run)]),
      );
    },
    named: (beginning) => runs.named(beginning),
    published: (run) => runs.published(run),
    publishedSince: (commit) => runs.publishedSince(commit),
    recordTick: async () => {},
    lastTicks: () => runs.lastTicks(),
    keepModel: (hash, name, text) => runs.keepModel(hash, name, text),
    modelText: (hash) => runs.modelText(hash),
  };
}
