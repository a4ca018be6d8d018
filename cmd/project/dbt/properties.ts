/** What properties files (`schema.yml`) say of models, seeds, snapshots, sources, tests and the rest. */

import type { LakeError } from "../../../core/base/errors.ts";
import { isRecord, type Path } from "../../../core/config/shape.ts";
import {
  type DbtPackage,
  type FilesBelow,
  readYaml,
  unsupportedPart,
  type YamlFile,
} from "./package.ts";

/** One entry of a list of a properties file. */
export interface Entry {
  readonly file: YamlFile;
  readonly path: Path;
  readonly data: Readonly<Record<string, unknown>>;
  readonly package: DbtPackage;
}

export interface SourceEntry extends Entry {
  readonly source: string;
  readonly name: string;
  /** Of the source. */
  readonly around: Entry;
}

export interface Properties {
  /** Of models, seeds and snapshots, by their names. */
  readonly byName: ReadonlyMap<string, Entry>;
  /** By `source.table`. */
  readonly sources: ReadonlyMap<string, SourceEntry>;
  readonly exposures: readonly Entry[];
  readonly units: readonly Entry[];
  /** Properties of tests of the project's own, by name. */
  readonly tests: ReadonlyMap<string, Entry>;
  /** Snapshots that are said in YAML alone. */
  readonly snapshots: readonly Entry[];
}

/** Lists that say nothing of tables: for people, or for other tools. */
const WITHOUT_TABLES: Readonly<Record<string, string>> = {
  metrics: "metrics are asked by other tools",
  semantic_models: "semantic models are asked by other tools",
  saved_queries: "saved queries are asked by other tools",
};
const QUIET = ["version", "macros", "groups", "analyses", "anchors", "functions"];

/** Reads them all. What is wrong is in `errors`, what changes no table and is left out in `warnings`. */
export function readProperties(
  root: string,
  packages: readonly DbtPackage[],
  filesBelow: FilesBelow,
  { errors, warnings }: { readonly errors: LakeError[]; readonly warnings: LakeError[] },
): Properties {
  const byName = new Map<string, Entry>();
  const sources = new Map<string, SourceEntry>();
  const tests = new Map<string, Entry>();
  const exposures: Entry[] = [];
  const units: Entry[] = [];
  const snapshots: Entry[] = [];
  for (const one of packages) {
    const { model, seed, snapshot, macro, test } = one.paths;
    for (const top of new Set([...model, ...seed, ...snapshot, ...macro, ...test])) {
      for (const path of propertiesFiles(root, one, top, filesBelow)) {
        const file = readYaml(root, path, errors);
        if (file === null) continue;
        for (const [list, items] of Object.entries(file.data)) {
          const entries = entriesOf(file, list, items, one);
          if (["models", "seeds", "snapshots"].includes(list)) {
            for (const entry of entries) byName.set(`${one.name}.${nameOf(entry)}`, entry);
            if (list === "snapshots") snapshots.push(...entries);
          } else if (list === "sources") {
            for (const entry of entries) {
              readSource(entry, sources);
              if (one.folder === "") warnings.push(...freshnessOf(entry));
            }
          } else if (list === "exposures") exposures.push(...entries);
          else if (list === "unit_tests") units.push(...entries);
          else if (list === "data_tests" || list === "tests") {
            for (const entry of entries) tests.set(nameOf(entry), entry);
          } else if (one.folder === "" && !QUIET.includes(list) && !list.startsWith("x-")) {
            const why = WITHOUT_TABLES[list] ?? "nothing here reads it";
            const place = file.placeOf([list], "key");
            warnings.push(
              unsupportedPart(`${list} is left out: ${why}`, "no table is other for it", place),
            );
          }
        }
      }
    }
  }
  return { byName, sources, exposures, units, tests, snapshots };
}

export function nameOf({ data }: Entry): string {
  return typeof data.name === "string" ? data.name : "";
}

/** Tests that stand at a node or a column: `data_tests`, and `tests` as it was called. */
export function testsOf(data: Readonly<Record<string, unknown>>): readonly [string, unknown[]] {
  const key = data.data_tests === undefined ? "tests" : "data_tests";
  const list = data[key];
  return [key, Array.isArray(list) ? list : []];
}

function propertiesFiles(
  root: string,
  { folder }: DbtPackage,
  top: string,
  filesBelow: FilesBelow,
): readonly string[] {
  const below = folder === "" ? top : `${folder}/${top}`;
  return filesBelow(root, below.replace(/\/$/, ""), /\.ya?ml$/i).files;
}

function entriesOf(file: YamlFile, list: string, items: unknown, one: DbtPackage): Entry[] {
  if (!Array.isArray(items)) return [];
  return items.flatMap((data, index) =>
    isRecord(data) ? [{ file, path: [list, index], data, package: one }] : [],
  );
}

/** What a source says of its freshness, which is told once a source. */
function freshnessOf({ file, path, data }: Entry): readonly LakeError[] {
  const tables = Array.isArray(data.tables) ? data.tables : [];
  const all = [path, ...tables.map((_, index): Path => [...path, "tables", index])];
  const isSaid = (value: unknown): boolean => value !== undefined && value !== null;
  for (const [nth, at] of all.entries()) {
    const one: unknown = nth === 0 ? data : tables[nth - 1];
    if (!isRecord(one)) continue;
    const inConfig = isRecord(one.config) && isSaid(one.config.freshness);
    if (!isSaid(one.freshness) && !inConfig) continue;
    const place = file.placeOf([...at, ...(inConfig ? ["config"] : []), "freshness"], "key");
    const hint = "tarn status says when tables got their last rows";
    return [unsupportedPart(`freshness of the source ${data.name} is not checked`, hint, place)];
  }
  return [];
}

function readSource(entry: Entry, sources: Map<string, SourceEntry>): void {
  const source = nameOf(entry);
  const { tables } = entry.data;
  if (!Array.isArray(tables)) return;
  for (const [index, data] of tables.entries()) {
    if (!isRecord(data) || typeof data.name !== "string") continue;
    const path = [...entry.path, "tables", index];
    const { name } = data;
    sources.set(`${source}.${name}`, { ...entry, path, data, source, name, around: entry });
  }
}
