/**
 * The graph of models: who reads whom, in which order they run, what makes a set of models impossible, and selectors
 * over it: `silver.orders+`, `+gold.*`, `layer:silver,tag:finance`, `2+x+1`, `@x`.
 */

import { LakeError, type Place } from "../base/errors.ts";
import { compileGlob, hasWildcard } from "../base/glob.ts";
import { compareCodePoints } from "../base/order.ts";
import { nearestWord, suggestion } from "../base/suggest.ts";
import { placeAt } from "../config/place.ts";
import type { TableRef } from "../engine.ts";
import { writerOfQuarantine } from "../ingest/quarantine.ts";
import type { TableName } from "../table/types.ts";
import type { Analysis } from "./analysis.ts";
import { MODEL_KINDS, type Model } from "./model.ts";
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
  const tested = topologicalOrder(modelNames, withTestTargets(input.models, parents, names));
  const best = tested.left.size === 0 ? tested.order : order;
  return { graph: { order: best, parents, children: reversed(parents) }, errors: [] };
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

export interface SelectInput {
  readonly graph: Graph;
  readonly models: readonly Model[];
  /** Tables that sources land in, by the source's name. */
  readonly sources: ReadonlyMap<TableName, string>;
}

const METHODS = ["layer", "tag", "path", "kind", "source", "name"] as const;
type Method = (typeof METHODS)[number];

interface Atom {
  /** `@`: descendants, and everything those are computed from. */
  readonly whole: boolean;
  /** Steps upstream; null for none. */
  readonly up: number | null;
  readonly down: number | null;
  readonly method: Method | null;
  readonly value: string;
}

/**
 * The tables (models and source tables) that selectors name: blanks are "or", commas "and". No selector selects all.
 * Sources come first, then models in the order they run. Throws `usage` with the nearest right name.
 */
export function select(
  selectors: readonly string[],
  input: SelectInput,
  exclude: readonly string[] = [],
): readonly TableName[] {
  const terms = selectors.flatMap((selector) => selector.split(/\s+/)).filter(Boolean);
  const all = [...[...input.sources.keys()].sort(), ...input.graph.order];
  const chosen = terms.length === 0 ? new Set(all) : unionOf(terms, input);
  const without = unionOf(
    exclude.flatMap((selector) => selector.split(/\s+/)).filter(Boolean),
    input,
  );
  return all.filter((name) => chosen.has(name) && !without.has(name));
}

function unionOf(terms: readonly string[], input: SelectInput): ReadonlySet<TableName> {
  const union = new Set<TableName>();
  for (const term of terms) {
    const [first, ...others] = term
      .split(",")
      .map((atom) => selectAtom(parseAtom(atom, term), input));
    for (const name of first ?? []) {
      if (others.every((other) => other.has(name))) union.add(name);
    }
  }
  return union;
}

const ATOM = /^(@)?(?:(\d*)(\+))?(.*?)(?:(\+)(\d*))?$/s;

function parseAtom(text: string, term: string): Atom {
  const [, at, upSteps, up, base = "", down, downSteps] = ATOM.exec(text) ?? [];
  if (base === "") {
    throw new LakeError("usage", `"${term}" is not a selector: a name is missing`, {
      hint: "selectors are written silver.orders, +gold.daily, silver.*, layer:silver,tag:x",
    });
  }
  const steps = (sign: string | undefined, digits: string | undefined): number | null => {
    if (sign === undefined) return null;
    return digits === "" || digits === undefined ? Number.POSITIVE_INFINITY : Number(digits);
  };
  const colon = base.indexOf(":");
  const word = colon < 0 ? null : base.slice(0, colon);
  const method = word === null ? null : METHODS.find((known) => known === word);
  if (method === undefined) {
    throw new LakeError("usage", `there is no selector method "${word}:"`, {
      hint: suggestion(word ?? "", METHODS, "methods"),
    });
  }
  return {
    whole: at !== undefined,
    up: steps(up, upSteps),
    down: steps(down, downSteps),
    method,
    value: base.slice(colon + 1),
  };
}

function selectAtom(atom: Atom, input: SelectInput): ReadonlySet<TableName> {
  const base =
    atom.method === null ? named(atom.value, input) : byMethod(atom.method, atom.value, input);
  const { graph } = input;
  const result = new Set(base);
  const add = (names: Iterable<TableName>): void => {
    for (const name of names) result.add(name);
  };
  if (atom.whole) {
    const below = descendants(graph, base);
    add(below);
    add(ancestors(graph, [...base, ...below]));
  }
  if (atom.up !== null) add(ancestors(graph, base, atom.up));
  if (atom.down !== null) add(descendants(graph, base, atom.down));
  return result;
}

function named(value: string, input: SelectInput): readonly TableName[] {
  const all = everyName(input);
  if (hasWildcard(value)) {
    const matches = all.filter(matcher(value));
    if (matches.length > 0) return matches;
    throw new LakeError("usage", `no table matches "${value}"`, {
      hint: suggestion(value.replace(/[^\w.]/g, ""), all, "tables"),
    });
  }
  const resolved = new TableNames(all).lookUp(value);
  if (resolved.kind === "table") return [resolved.name];
  if (resolved.kind === "ambiguous") {
    const hint = `write ${resolved.names.join(" or ")}`;
    throw new LakeError("usage", `"${value}" is ambiguous: ${resolved.names.join(", ")}`, { hint });
  }
  // A source is also named by its own name.
  const tables = [...input.sources]
    .filter(([, source]) => source === value)
    .map(([table]) => table);
  if (tables.length > 0) return tables;
  const layer = all.some((name) => name.startsWith(`${value}.`));
  const nearest = resolved.kind === "unknown" ? resolved.nearest : [];
  const meant = nearest.map((name) => `"${name}"`).join(" or ");
  const hint = layer
    ? `for all tables of the layer write ${value}.* or layer:${value}`
    : nearest.length > 0
      ? `did you mean ${meant}?`
      : suggestion(value, all, "tables");
  throw new LakeError("usage", `there is no model or source table "${value}"`, { hint });
}

function byMethod(method: Method, value: string, input: SelectInput): readonly TableName[] {
  const matches = matcher(value);
  const models = (test: (model: Model) => boolean): TableName[] =>
    input.models.filter(test).map((model) => model.name);
  const layerOf = (name: TableName): string => name.slice(0, name.indexOf("."));
  switch (method) {
    case "name":
      return named(value, input);
    case "layer":
      return known(value, everyName(input).map(layerOf), "layers", () =>
        everyName(input).filter((name) => matches(layerOf(name))),
      );
    case "tag":
      return known(
        value,
        input.models.flatMap((model) => model.tags),
        "tags",
        () => models((model) => model.tags.some(matches)),
      );
    case "kind":
      return known(value, MODEL_KINDS, "kinds", () => models((model) => matches(model.kind)));
    case "path": {
      const clean = value.replace(/^\.\//, "").replace(/\/$/, "");
      const inside = matcher(`${clean}/**`);
      const exact = matcher(clean);
      return models((model) => exact(model.file) || inside(model.file));
    }
    case "source":
      return known(value, input.sources.values(), "sources", () =>
        [...input.sources].filter(([, source]) => matches(source)).map(([table]) => table),
      );
  }
}

/** The selection, or an error when the value is none of the known words and selects nothing. */
function known(
  value: string,
  words: Iterable<string>,
  kind: string,
  selection: () => readonly TableName[],
): readonly TableName[] {
  const found = selection();
  const all = [...new Set(words)].sort();
  if (found.length > 0 || all.includes(value)) return found;
  const near = nearestWord(value, all);
  throw new LakeError("usage", `there are no ${kind} "${value}"`, {
    hint: near === null ? suggestion(value, all, kind) : `did you mean "${near}"?`,
  });
}

function everyName(input: SelectInput): TableName[] {
  return [...[...input.sources.keys()].sort(), ...input.graph.order];
}

function matcher(pattern: string): (text: string) => boolean {
  const compiled = compileGlob(pattern.toLowerCase());
  if (compiled.kind === "glob") return (text) => compiled.glob.matches(text.toLowerCase());
  throw new LakeError("usage", `"${pattern}" is not a pattern: ${compiled.reason}`);
}
