/**
 * Selectors over the graph of models, in dbt's grammar: `silver.orders+`, `+gold.*`, `2+x+1`, `@x`,
 * `layer:silver,tag:x`, `state:modified+`, `result:error`. Blanks are "or", commas "and".
 */

import { must } from "../base/assert.ts";
import { LakeError } from "../base/errors.ts";
import { compileGlob, hasWildcard } from "../base/glob.ts";
import { own } from "../base/json.ts";
import { nearestWord, suggestion } from "../base/suggest.ts";
import { isSeedTable, SEEDS_LAYER } from "../table/name.ts";
import type { TableName } from "../table/types.ts";
import { ancestors, descendants, type Graph } from "./graph.ts";
import { isInlined, MODEL_KINDS, type Model, type ModelKind } from "./model.ts";
import { TableNames } from "./table-names.ts";

/** What is selected, and what of it is left out; nothing selects all. */
export interface Selection {
  readonly select: readonly string[];
  readonly exclude: readonly string[];
}

export interface SelectInput {
  readonly graph: Graph;
  readonly models: readonly Model[];
  /** Tables that sources land in, by the source's name. */
  readonly sources: ReadonlyMap<TableName, string>;
  /** What the lake holds of the models; null where no selector asks for it. */
  readonly state: LakeState | null;
}

/** What became of a model when it was run last. */
export type LastResult = "error" | "fail" | "warn" | "success" | "skipped";

/** How the models stand beside what the lake holds of them. */
export interface LakeState {
  /** Models without a table that they made. */
  readonly fresh: ReadonlySet<TableName>;
  /** Models whose table was made by another version of them, or of a view that they read. */
  readonly changed: ReadonlySet<TableName>;
  readonly results: ReadonlyMap<TableName, LastResult>;
}

/** Whether selectors ask for what the lake holds. */
export function asksForState(selectors: readonly string[]): boolean {
  return selectors.some((selector) => /(?:^|[\s,+@])(?:state|result):/.test(selector));
}

const METHODS = [
  ...["layer", "tag", "path", "file", "kind", "config", "source", "name", "fqn"],
  ...["resource_type", "state", "result"],
] as const;
type Method = (typeof METHODS)[number];

interface Atom {
  /** `@`: descendants, and everything those are computed from. */
  readonly whole: boolean;
  /** Steps upstream; null for none. */
  readonly up: number | null;
  readonly down: number | null;
  readonly method: Method | null;
  /** Behind the method's dot: `config.tags:x`. */
  readonly key: string | null;
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
      .split(OUTER_COMMA)
      .map((atom) => selectAtom(parseAtom(atom, term), input));
    for (const name of first ?? []) {
      if (others.every((other) => other.has(name))) union.add(name);
    }
  }
  return union;
}

/** Not that of `{gold,ops}`. */
const OUTER_COMMA = /,(?![^{}]*\})/;
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
  const [head, key = null] = word === null ? [null] : splitOnce(word);
  const method = head === null ? null : METHODS.find((known) => known === head);
  if (method === undefined || (key !== null && method !== "config")) {
    throw new LakeError("usage", `there is no selector method "${word}:"`, {
      hint: suggestion(head ?? "", METHODS, "methods"),
    });
  }
  const value = base.slice(colon + 1);
  if (value === "") {
    const hint = `write ${word}:x`;
    throw new LakeError("usage", `"${term}" is not a selector: a value is missing`, { hint });
  }
  return {
    whole: at !== undefined,
    up: steps(up, upSteps),
    down: steps(down, downSteps),
    method,
    key,
    value,
  };
}

function selectAtom(atom: Atom, input: SelectInput): ReadonlySet<TableName> {
  const base = atom.method === null ? named(atom.value, input) : byMethod(atom, input);
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
  // As in dbt, what looks like a path is one.
  if (value.includes("/")) return byPath(value, input);
  if (/\.sql$/i.test(value)) return byFile(value, input);
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
  // A source is also named by its own name, and a seed by that of its file.
  const tables = [...input.sources]
    .filter(([table, source]) => source === value || table === `${SEEDS_LAYER}.${value}`)
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

function byMethod(atom: Atom, input: SelectInput): readonly TableName[] {
  const { method, value } = atom;
  const matches = matcher(value);
  switch (method) {
    case null:
    case "name":
    case "fqn":
      return named(value, input);
    case "layer":
      return known(value, everyName(input).map(layerOf), "layers", () =>
        everyName(input).filter((name) => matches(layerOf(name))),
      );
    case "tag":
      return ofModels(value, "tags", input, (model) => model.tags);
    case "kind":
      return byKind(value, input);
    case "config":
      return byConfig(atom.key, value, input);
    case "path":
      return byPath(value, input);
    case "file":
      return byFile(value, input);
    case "source":
      return known(value, input.sources.values(), "sources", () =>
        [...input.sources].filter(([, source]) => matches(source)).map(([table]) => table),
      );
    case "resource_type":
      return known(value, ["model", "seed", "source"], "types", () =>
        everyName(input).filter((name) => matches(typeOf(name, input))),
      );
    case "state":
      return byState(value, input);
    case "result":
      return byResult(value, input);
  }
}

function layerOf(name: TableName): string {
  return name.slice(0, name.indexOf("."));
}

function typeOf(name: TableName, { sources }: SelectInput): "model" | "seed" | "source" {
  if (!sources.has(name)) return "model";
  return isSeedTable(name) ? "seed" : "source";
}

/** Models of which one word matches; an error where no model has the word. */
function ofModels(
  value: string,
  what: string,
  { models }: SelectInput,
  wordsOf: (model: Model) => readonly string[],
): readonly TableName[] {
  const matches = matcher(value);
  return known(value, models.flatMap(wordsOf), what, () =>
    models.filter((model) => wordsOf(model).some(matches)).map(({ name }) => name),
  );
}

function byKind(value: string, input: SelectInput): readonly TableName[] {
  const matches = matcher(value);
  const kinds = [...MODEL_KINDS, "seed", "source"];
  return known(value, kinds, "kinds", () => {
    const tables = [...input.sources.keys()].filter((name) => matches(typeOf(name, input)));
    const models = input.models.filter((model) => matches(model.kind)).map(({ name }) => name);
    return [...tables, ...models];
  });
}

/** Settings of the front comment, and dbt's words for them. */
const CONFIG: Readonly<Record<string, (model: Model) => readonly string[]>> = {
  kind: ({ kind }) => [kind],
  materialized: ({ kind }) => [MATERIALIZED[kind] ?? "incremental"],
  key: ({ key }) => key,
  unique_key: ({ key }) => key,
  latest_by: ({ latestBy }) => latestBy,
  partition: ({ partition }) => partition,
  partition_by: ({ partition }) => partition,
  tags: ({ tags }) => tags,
  schema: ({ name }) => [layerOf(name)],
};

const MATERIALIZED: Readonly<Partial<Record<ModelKind, string>>> = {
  view: "view",
  ephemeral: "ephemeral",
  full: "table",
  snapshot: "snapshot",
};

function byConfig(key: string | null, value: string, input: SelectInput): readonly TableName[] {
  const wordsOf = own(CONFIG, key ?? "");
  if (wordsOf !== undefined) return ofModels(value, `values of ${key}`, input, wordsOf);
  throw new LakeError("usage", `config.${key ?? ""} is no setting to select by`, {
    hint: suggestion(key ?? "", Object.keys(CONFIG), "settings"),
  });
}

function byPath(value: string, { models }: SelectInput): readonly TableName[] {
  const clean = value.replace(/^\.\//, "").replace(/\/$/, "");
  const inside = matcher(`${clean}/**`);
  const exact = matcher(clean);
  const found = models.filter((model) => exact(model.file) || inside(model.file));
  if (found.length > 0) return found.map(({ name }) => name);
  const places = foldersOf(models);
  const near = nearestWord(clean, places);
  throw new LakeError("usage", `there is no model at "${value}"`, {
    hint: near === null ? suggestion(clean, places, "places") : `did you mean "${near}"?`,
  });
}

/** Files of models, and folders that they lie in. */
function foldersOf(models: readonly Model[]): readonly string[] {
  const places = models.flatMap(({ file }) => {
    const parts = file.split("/");
    return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
  });
  return [...new Set(places)].sort();
}

/** By the last part of a model's path, with or without its ending. */
function byFile(value: string, input: SelectInput): readonly TableName[] {
  const stem = value.replace(/\.sql$/i, "");
  return ofModels(stem, "files", input, ({ file }) => [
    file.slice(file.lastIndexOf("/") + 1).replace(/\.sql$/i, ""),
  ]);
}

function byState(value: string, { models, state }: SelectInput): readonly TableName[] {
  const { fresh, changed } = must(state, "what the lake holds was asked for");
  const isOther = (name: TableName): boolean => fresh.has(name) || changed.has(name);
  const tests: Readonly<Record<string, (name: TableName) => boolean>> = {
    new: (name) => fresh.has(name),
    old: (name) => !fresh.has(name),
    modified: isOther,
    unmodified: (name) => !isOther(name),
  };
  const test = own(tests, value);
  // A view has no version in the lake: its change is one of those who read it.
  const stored = models.filter(({ kind }) => !isInlined(kind)).map(({ name }) => name);
  if (test !== undefined) return stored.filter(test);
  throw new LakeError("usage", `there is no state "${value}"`, {
    hint: suggestion(value, Object.keys(tests), "states"),
  });
}

const RESULTS: readonly LastResult[] = ["error", "fail", "warn", "success", "skipped"];

/** Nothing is selected where nothing came out so: that is no mistake. */
function byResult(value: string, { models, state }: SelectInput): readonly TableName[] {
  const { results } = must(state, "what the lake holds was asked for");
  if (!RESULTS.some((result) => result === value)) {
    throw new LakeError("usage", `there is no result "${value}"`, {
      hint: suggestion(value, RESULTS, "results"),
    });
  }
  return models.flatMap(({ name }) => (results.get(name) === value ? [name] : []));
}

function splitOnce(word: string): [string, string?] {
  const dot = word.indexOf(".");
  return dot < 0 ? [word] : [word.slice(0, dot), word.slice(dot + 1)];
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
