/** The graph of models: who reads whom, in which order they run, and what makes a set of models impossible. */

import { LakeError, type Place } from "../base/errors.ts";
import { compareCodePoints } from "../base/order.ts";
import { placeAt } from "../config/place.ts";
import type { TableRef } from "../engine.ts";
import { writerOfQuarantine } from "../ingest/quarantine.ts";
import type { TableName } from "../table/types.ts";
import type { Analysis } from "./analysis.ts";
import type { Model } from "./model.ts";
import { type NameFound, TableNames } from "./table-names.ts";
import { inFile } from "./variables.ts";

/** What a model writes to may also be read by others without being a model: bronze, foreign tables. */
export interface GraphInput {
  readonly models: readonly Model[];
  readonly analyses: ReadonlyMap<TableName, Analysis>;
  /** Tables that sources land in (with or without rows yet), by the source's name. */
  readonly sources: ReadonlyMap<TableName, string>;
  /** Other tables of the lake. */
  readonly tables: readonly TableName[];
}

export interface Graph {
  /** Models, each after all it reads; ties by name. */
  readonly order: readonly TableName[];
  /** Tables that each model reads, models or not, sorted. */
  readonly parents: ReadonlyMap<TableName, readonly TableName[]>;
  /** Those, and the tables that its tests look into: the order is by them. */
  readonly before: ReadonlyMap<TableName, readonly TableName[]>;
  /** Models that read each table, sorted. */
  readonly children: ReadonlyMap<TableName, readonly TableName[]>;
}

export interface GraphResult {
  /** Null when there are errors. */
  readonly graph: Graph | null;
  readonly errors: readonly LakeError[];
}

/** Resolves every reference and orders the models. All errors are found, not the first. */
export function buildGraph(input: GraphInput): GraphResult {
  const errors = [...doubleWriters(input)];
  const names = new TableNames([
    ...input.models.map((model) => model.name),
    ...input.sources.keys(),
    ...input.tables,
  ]);
  const modelNames = new Set(input.models.map((model) => model.name));
  const parents = new Map<TableName, readonly TableName[]>();
  for (const model of input.models) {
    const read = new Set<TableName>();
    for (const ref of input.analyses.get(model.name)?.tables ?? []) {
      const resolved = names.lookUp(ref.name, ref.isOneWord);
      if (resolved.kind !== "table") {
        errors.push(referenceError(input, model, ref, resolved));
        continue;
      }
      read.add(resolved.name);
      // What is set aside is written by the run, or the landing, of the table itself.
      const writer = writerOfQuarantine(resolved.name);
      if (writer !== null) read.add(writer);
    }
    parents.set(model.name, [...read].sort(compareCodePoints));
  }
  const { order, left } = topologicalOrder(modelNames, parents);
  if (left.size > 0) errors.push(...cycleErrors(input, left, parents));
  if (errors.length > 0) return { graph: null, errors };
  // What a test looks into is built before, too, unless that would go round in a circle.
  const wider = withTestTargets(input.models, parents, names);
  const tested = topologicalOrder(modelNames, wider);
  const best =
    tested.left.size === 0 ? { order: tested.order, before: wider } : { order, before: parents };
  return { graph: { ...best, parents, children: reversed(parents) }, errors: [] };
}

/** Every table that the given ones are computed from, themselves excluded unless one feeds another. */
export function ancestors(
  graph: Graph,
  of: Iterable<TableName>,
  steps = Number.POSITIVE_INFINITY,
): ReadonlySet<TableName> {
  return reach(of, graph.parents, steps);
}

/** Every model that is computed from the given tables. */
export function descendants(
  graph: Graph,
  of: Iterable<TableName>,
  steps = Number.POSITIVE_INFINITY,
): ReadonlySet<TableName> {
  return reach(of, graph.children, steps);
}

/** Where a stretch of a model's SQL stands in its file. */
export function placeInModel(model: Model, offset: number | null, length: number): Place {
  if (offset === null) return { file: model.file, line: model.sqlLine, column: 1 };
  return inFile(model, placeAt(model.sql, model.file, { offset, length }));
}

/** For the order alone: a model also comes after the tables that its `relationships` tests name. */
function withTestTargets(
  models: readonly Model[],
  parents: ReadonlyMap<TableName, readonly TableName[]>,
  names: TableNames,
): ReadonlyMap<TableName, readonly TableName[]> {
  const wider = new Map(parents);
  for (const { name, tests } of models) {
    const targets = tests.flatMap((test) => {
      const resolved = test.kind === "relationships" ? names.lookUp(test.to) : null;
      return resolved?.kind === "table" && resolved.name !== name ? [resolved.name] : [];
    });
    if (targets.length === 0) continue;
    const all = new Set([...(parents.get(name) ?? []), ...targets]);
    wider.set(name, [...all].sort(compareCodePoints));
  }
  return wider;
}

function reach(
  from: Iterable<TableName>,
  edges: ReadonlyMap<TableName, readonly TableName[]>,
  steps: number,
): ReadonlySet<TableName> {
  const found = new Set<TableName>();
  let frontier = [...from];
  for (let step = 0; step < steps && frontier.length > 0; step++) {
    const following = frontier.flatMap((name) => edges.get(name) ?? []);
    frontier = [...new Set(following)].filter((name) => !found.has(name));
    for (const name of frontier) found.add(name);
  }
  return found;
}

function* doubleWriters(input: GraphInput): Generator<LakeError> {
  const fileByName = new Map<TableName, string>();
  for (const model of input.models) {
    const place = { file: model.file, line: 1, column: 1 };
    const before = fileByName.get(model.name);
    const source = input.sources.get(model.name);
    const other =
      before !== undefined ? before : source === undefined ? null : `the source "${source}"`;
    fileByName.set(model.name, model.file);
    if (other === null) continue;
    yield new LakeError("config", `${model.name} is written by ${other} and by ${model.file}`, {
      hint: "a table has one writer: rename or remove one of them",
      place,
      page: "T0213",
    });
  }
}

function referenceError(
  input: GraphInput,
  model: Model,
  ref: TableRef,
  resolved: NameFound,
): LakeError {
  const place = placeInModel(model, ref.offset, ref.name.length);
  switch (resolved.kind) {
    case "ambiguous":
      return new LakeError("sql", `"${ref.name}" is ambiguous: ${resolved.names.join(", ")}`, {
        hint: `write ${resolved.names[0] ?? ref.name} or one of the others${leftOver(input, resolved.names)}`,
        place,
        page: "T0204",
      });
    case "other":
      return new LakeError("sql", `a model cannot read ${OTHER[resolved.what]} "${ref.name}"`, {
        hint:
          resolved.what === "file"
            ? "drop the file under drops/, and read the bronze table that it becomes"
            : "a model reads tables of the lake, so that its runs can be repeated",
        place,
        page: "T0214",
      });
    case "unknown":
    case "table": {
      const nearest = resolved.kind === "unknown" ? resolved.nearest : [];
      const meant = nearest.map((name) => `"${name}"`).join(" or ");
      const hint =
        nearest.length > 0
          ? `did you mean ${meant}?`
          : "drop files under drops/<name>/ to get bronze.<name>, or add a model";
      const message = `there is no table "${ref.name}"`;
      return new LakeError("sql", message, { hint, place, page: "T0202" });
    }
  }
}

/** Of tables with the same last name, one that nothing makes any more may be meant to be gone. */
function leftOver(input: GraphInput, names: readonly TableName[]): string {
  const made = new Set([...input.models.map((model) => model.name), ...input.sources.keys()]);
  const left = names.find((name) => !made.has(name));
  return left === undefined ? "" : `; nothing makes ${left} now: tarn drop ${left}`;
}

const OTHER = {
  file: "the file",
  system: "the system table",
  metadata: "the metadata table",
} as const;

/** Kahn's algorithm by name order; what is left stands in a cycle or behind one. */
function topologicalOrder(
  models: ReadonlySet<TableName>,
  parents: ReadonlyMap<TableName, readonly TableName[]>,
): { readonly order: readonly TableName[]; readonly left: ReadonlySet<TableName> } {
  const order: TableName[] = [];
  const left = new Set([...models].sort(compareCodePoints));
  const waitsFor = new Map<TableName, number>();
  const children = reversed(parents);
  for (const name of left) {
    waitsFor.set(name, (parents.get(name) ?? []).filter((parent) => models.has(parent)).length);
  }
  let ready = [...left].filter((name) => waitsFor.get(name) === 0);
  while (ready.length > 0) {
    const following: TableName[] = [];
    for (const name of ready) {
      order.push(name);
      left.delete(name);
      for (const child of children.get(name) ?? []) {
        const waits = (waitsFor.get(child) ?? 0) - 1;
        waitsFor.set(child, waits);
        if (waits === 0) following.push(child);
      }
    }
    ready = following.sort(compareCodePoints);
  }
  return { order, left };
}

/** One error a cycle, at the reference that closes it, with its path. */
function cycleErrors(
  input: GraphInput,
  left: ReadonlySet<TableName>,
  parents: ReadonlyMap<TableName, readonly TableName[]>,
): LakeError[] {
  const errors: LakeError[] = [];
  const reported = new Set<TableName>();
  for (const start of left) {
    const cycle = cycleFrom(start, left, parents);
    if (cycle.some((name) => reported.has(name))) continue;
    for (const name of cycle) reported.add(name);
    const first = cycle[0] ?? start;
    const path = [...cycle, first].join(" → ");
    const model = input.models.find((candidate) => candidate.name === first);
    const place = model === undefined ? null : closingPlace(input, model, cycle[1] ?? first);
    if (cycle.length === 1) {
      errors.push(selfError(first, place));
      continue;
    }
    errors.push(
      new LakeError("sql", `models read each other in a circle: ${path}`, {
        hint: "break it: one of them must read a table further up instead",
        ...(place === null ? {} : { place }),
        page: "T0212",
      }),
    );
  }
  return errors;
}

/** What a model has from before is its last run's: rows would depend on when it ran, and a replay has no before. */
function selfError(name: TableName, place: Place | null): LakeError {
  return new LakeError("sql", `${name} reads what it makes itself`, {
    hint:
      "a model is made of what it reads, whenever it runs: take running values of its input by a window, " +
      "such as sum(x) over (partition by k order by t), or the newest row of a key by kind: merge",
    ...(place === null ? {} : { place }),
    page: "T0212",
  });
}

/** Walks up parents that are left until one repeats; each of `left` has such a parent. Reader first. */
function cycleFrom(
  start: TableName,
  left: ReadonlySet<TableName>,
  parents: ReadonlyMap<TableName, readonly TableName[]>,
): TableName[] {
  const path: TableName[] = [];
  let name: TableName | undefined = start;
  while (name !== undefined && !path.includes(name)) {
    path.push(name);
    name = (parents.get(name) ?? []).find((parent) => left.has(parent));
  }
  return path.slice(name === undefined ? 0 : path.indexOf(name));
}

function closingPlace(input: GraphInput, model: Model, reads: TableName): Place {
  const last = reads.slice(reads.indexOf(".") + 1);
  const refs = input.analyses.get(model.name)?.tables ?? [];
  const ref = refs.find((entry) => entry.name.toLowerCase().endsWith(last));
  return placeInModel(model, ref?.offset ?? null, ref?.name.length ?? 1);
}

function reversed(
  parents: ReadonlyMap<TableName, readonly TableName[]>,
): ReadonlyMap<TableName, readonly TableName[]> {
  const children = new Map<TableName, TableName[]>();
  for (const [child, read] of parents) {
    for (const parent of read) children.set(parent, [...(children.get(parent) ?? []), child]);
  }
  for (const list of children.values()) list.sort(compareCodePoints);
  return children;
}
