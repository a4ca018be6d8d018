/** Selectors: `silver.orders+`, `+gold.*`, `layer:silver,tag:finance`, `2+x+1`, `@x`. */

import { LakeError } from "../base/errors.ts";
import { compileGlob, hasWildcard } from "../base/glob.ts";
import { nearestWord, suggestion } from "../base/suggest.ts";
import type { TableName } from "../table/types.ts";
import { ancestors, descendants, type Graph } from "./graph.ts";
import type { Model } from "./model.ts";
import { TableNames } from "./resolve.ts";

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
  const resolved = new TableNames(all).resolve(value);
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
      return known(value, ["view", "full", "append", "merge"], "kinds", () =>
        models((model) => matches(model.kind)),
      );
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
