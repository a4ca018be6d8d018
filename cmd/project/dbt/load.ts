/** A dbt project as a project of the lake: its models, seeds, snapshots and tests in the lake's own words. */

import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { errorText, LakeError, type Place } from "../../../core/base/errors.ts";
import { nearestWord } from "../../../core/base/suggest.ts";
import { isRecord } from "../../../core/config/shape.ts";
import type { Environment, LakeConfig } from "../../../core/config.ts";
import type { Model } from "../../../core/model/model.ts";
import { parseYaml } from "../yaml.ts";
import { Compiler } from "./compiler.ts";
import { findNodes, NodeIndex, placeNodes, RefusedReference, sourceRelation } from "./graph.ts";
import { PlacedTemplateError, parseTemplate } from "./jinja/syntax.ts";
import { type Dict, plainFrom, TemplateError, type Value, valueFrom } from "./jinja/values.ts";
import { type DbtNode, placeOfSetting } from "./node.ts";
import {
  type DbtPackage,
  type FilesBelow,
  readPackages,
  UNSUPPORTED_PAGE,
  unsupportedPart,
} from "./package.ts";
import { profileOf } from "./profile.ts";
import { type Properties, readProperties } from "./properties.ts";
import { Column, Relation } from "./relation.ts";
import { type EventTimeOf, modelOf, type Translated } from "./translate.ts";

export interface DbtProject {
  readonly root: string;
  readonly packages: readonly DbtPackage[];
  readonly properties: Properties;
  readonly compiler: Compiler;
  /** What runs, in any order. */
  readonly translated: readonly Translated[];
  readonly seeds: readonly DbtNode[];
  /** Relations of sources, by `source.table`. */
  readonly sources: ReadonlyMap<string, Relation>;
  readonly target: Dict;
  readonly filesBelow: FilesBelow;
}

export interface LoadedDbt {
  readonly project: DbtProject | null;
  readonly models: readonly Model[];
  readonly config: LakeConfig;
  /** What is said of seeds, as tarn.yaml says it, by their names. */
  readonly seeds: ReadonlyMap<string, SaidSeed>;
  readonly errors: readonly LakeError[];
  /** What is left out, each with its place. */
  readonly warnings: readonly LakeError[];
}

export interface SaidSeed {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly place: Place;
}

export interface DbtFlags {
  readonly env?: string | undefined;
  /** Several, a line each. */
  readonly var?: string | undefined;
}

/** What a project stands in. */
export interface DbtSurroundings {
  readonly env: Environment;
  readonly flags: DbtFlags;
  readonly filesBelow: FilesBelow;
}

/** Reads everything; never throws for what the files say. */
export function loadDbt(
  root: string,
  config: LakeConfig,
  { env, flags, filesBelow }: DbtSurroundings,
): LoadedDbt {
  const errors: LakeError[] = [];
  const warnings: LakeError[] = [];
  const packages = readPackages(root, errors);
  const [own] = packages;
  if (own === undefined)
    return { project: null, models: [], config, seeds: new Map(), errors, warnings };
  const properties = readProperties(root, packages, filesBelow, { errors, warnings });
  warnings.push(...hooksOf(own));
  const vars = variablesOf(flags.var);
  const docs = docsOf(root, packages, filesBelow);
  const index: { nodes: NodeIndex | null } = { nodes: null };
  const sources = new Map<string, Relation>();
  const target = profileOf(
    root,
    own,
    { env, name: flags.env ?? env.TARN_ENV ?? env.DBT_TARGET },
    errors,
  );
  const columns = new Map<string, readonly Column[]>();
  const compiler = new Compiler(
    {
      env,
      packages,
      projectName: own.name,
      target,
      startedMs: Date.now(),
      onMessage: () => undefined,
      varOf: (name, from) => variableOf(name, { vars, own, from }),
      docOf: (name) => docs.get(name) ?? null,
      columnsOf: (relation) => columns.get(relation.name) ?? null,
      refOf: (call, from) =>
        index.nodes?.find(call, from) ?? { id: "", relation: placeholder(call.positional) },
      sourceOf: (source, table) => {
        if (index.nodes === null) return { id: "", relation: placeholder([source, table]) };
        const relation = sources.get(`${source}.${table}`);
        if (relation !== undefined)
          return { id: `source.${own.name}.${source}.${table}`, relation };
        const near = nearestWord(`${source}.${table}`, [...sources.keys()]);
        const hint = near === null ? "say it in a properties file" : `did you mean "${near}"?`;
        throw new TemplateError(`there is no source ${source}.${table}`, hint);
      },
    },
    searchOrder(own),
  );
  addMacros({ root, packages, filesBelow, compiler }, { errors, warnings });
  const targetSchema = String(target.get("schema"));
  const facts = { root, packages, properties, targetSchema, filesBelow, errors, told };
  const found = findNodes(facts, compiler);
  const byPhysical = placeNodes(facts, compiler, found.nodes);
  const streams = new Set(config.streams.map(({ name }) => name));
  for (const [name, entry] of properties.sources) {
    sources.set(name, sourceRelation(entry, byPhysical, streams));
  }
  index.nodes = new NodeIndex(found);
  for (const node of found.nodes) columnsSaid(node, columns);
  const eventTimeOf = eventTimes(found.nodes, properties, own.name);
  const run = translateAll(found, { compiler, config, eventTimeOf }, { errors, warnings });
  const seeds = found.nodes.filter(({ kind }) => kind === "seed");
  const made = { root, packages, properties, compiler, sources, target, seeds, filesBelow };
  return {
    project: { ...made, translated: run },
    models: run.map(({ model }) => model),
    seeds: seedsSaid(seeds, warnings),
    config: { ...config, project: config.project === basename(root) ? own.name : config.project },
    errors: distinct(errors),
    warnings: distinct(warnings),
  };
}

/** Statements around all runs. */
function hooksOf({ settings }: DbtPackage): readonly LakeError[] {
  return ["on-run-start", "on-run-end"].flatMap((key) => {
    const said = settings.data[key];
    if (said === undefined || said === null || said === "") return [];
    const hint = "a lake needs no schemas and no grants: run what is left with tarn sql";
    return [unsupportedPart(`${key} is not run`, hint, settings.placeOf([key], "key"))];
  });
}

/** A fault is found once as settings are collected, and again as the node is compiled. */
function distinct(errors: readonly LakeError[]): readonly LakeError[] {
  const byText = new Map(
    errors.map((error) => [`${error.place?.file}:${error.place?.line} ${error.message}`, error]),
  );
  return [...byText.values()];
}

/** A template's fault as people see it. */
export function told(thrown: unknown, file: string, line: number): LakeError {
  const fault = thrown instanceof PlacedTemplateError ? thrown : null;
  if (fault === null && !(thrown instanceof TemplateError)) throw thrown;
  const place = { file: fault?.file ?? file, line: fault?.line ?? line, column: 1 };
  const { hint, isUnsupported } =
    thrown instanceof TemplateError ? thrown : { hint: "", isUnsupported: false };
  return new LakeError(isUnsupported ? "unsupported" : "config", errorText(thrown), {
    ...(hint === "" ? {} : { hint }),
    place,
    ...(isUnsupported ? { page: UNSUPPORTED_PAGE } : {}),
    cause: thrown,
  });
}

interface Told {
  readonly errors: LakeError[];
  readonly warnings: LakeError[];
}

interface Translating {
  readonly compiler: Compiler;
  readonly config: LakeConfig;
  readonly eventTimeOf: EventTimeOf;
}

/** The event_time that a node, a source or a table of it says. */
function eventTimes(nodes: readonly DbtNode[], { sources }: Properties, own: string): EventTimeOf {
  const said = new Map<string, Value>();
  for (const node of nodes) said.set(node.id, node.config.values.get("event_time"));
  for (const [name, { data, around }] of sources) {
    const [table, source] = [data.config, around.data.config];
    const ofTable = isRecord(table) ? table.event_time : undefined;
    const ofSource = isRecord(source) ? source.event_time : undefined;
    said.set(`source.${own}.${name}`, valueFrom(ofTable ?? ofSource));
  }
  return (id) => said.get(id);
}

/** What can be run; what reads something that cannot is left out with it. */
function translateAll(
  { nodes, refused }: ReturnType<typeof findNodes>,
  { compiler, config, eventTimeOf }: Translating,
  { errors, warnings }: Told,
): readonly Translated[] {
  const left = new Map<string, LakeError>(refused);
  const translated: Translated[] = [];
  for (const node of nodes) {
    // One that cannot be parsed has been told of.
    if (node.template === null || left.has(node.id)) continue;
    try {
      const one = modelOf(node, compiler, config, eventTimeOf);
      warnings.push(...one.warnings);
      if (one.refused !== null) left.set(node.id, one.refused);
      else if (one.translated === null) errors.push(...one.errors);
      else translated.push(one.translated);
    } catch (thrown) {
      const error = told(thrown, node.file, node.line);
      const cause = thrown instanceof PlacedTemplateError ? thrown : null;
      if (error.code === "unsupported" || cause instanceof RefusedReference)
        left.set(node.id, error);
      else errors.push(error);
    }
  }
  const result = translated.filter((one) => !readsLeftOut(one, translated, left));
  warnings.push(...left.values());
  return result;
}

/** Whether it reads what is left out, at whatever distance; it is then left out itself. */
function readsLeftOut(
  one: Translated,
  all: readonly Translated[],
  left: Map<string, LakeError>,
): boolean {
  const byId = new Map(all.map((other) => [other.node.id, other]));
  const seen = new Set<string>();
  const pending = [...one.reads];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    if (left.has(id)) {
      const name = id.slice(id.lastIndexOf(".") + 1);
      const fault = new TemplateError(
        `${one.node.name} is left out: it reads ${name}, which is left out`,
        "what is wrong with that one is said with it",
        true,
      );
      left.set(one.node.id, told(fault, one.node.file, one.node.line));
      return true;
    }
    pending.push(...(byId.get(id)?.reads ?? []));
  }
  return false;
}

function addMacros(
  {
    root,
    packages,
    filesBelow,
    compiler,
  }: Pick<DbtProject, "root" | "packages" | "filesBelow" | "compiler">,
  { errors, warnings }: Told,
): void {
  for (const one of packages) {
    const tops = [...one.paths.macro, ...one.paths.test.map((path) => `${path}/generic`)];
    for (const top of tops) {
      const below = one.folder === "" ? top : `${one.folder}/${top}`;
      for (const file of filesBelow(root, below, /\.sql$/i).files) {
        try {
          const template = parseTemplate(file, readFileSync(join(root, file), "utf8"));
          compiler.addMacros(one, template);
          for (const block of template.blocks) {
            if (block.kind !== "materialization" || one.folder !== "") continue;
            const message = `the materialization ${block.name} of the project's own is not run`;
            const fault = new TemplateError(
              message,
              "use view, table, incremental or ephemeral",
              true,
            );
            warnings.push(told(fault, file, block.line));
          }
        } catch (thrown) {
          const error = told(thrown, file, 1);
          // A macro of a package that is not read is told of where it is called.
          if (one.folder === "") errors.push(error);
          else warnings.push(error);
        }
      }
    }
  }
}

function columnsSaid(node: DbtNode, columns: Map<string, readonly Column[]>): void {
  const said = node.entry?.data.columns;
  if (!Array.isArray(said) || said.length === 0) return;
  const list = said.flatMap((one): Column[] =>
    isRecord(one) && typeof one.name === "string"
      ? [new Column(one.name, typeof one.data_type === "string" ? one.data_type : "varchar")]
      : [],
  );
  columns.set(node.relation.name, list);
}

/** Types of columns and delimiters; what else is said of a seed is told to be left out. */
function seedsSaid(
  seeds: readonly DbtNode[],
  warnings: LakeError[],
): ReadonlyMap<string, SaidSeed> {
  const said = new Map<string, SaidSeed>();
  for (const node of seeds) {
    const settings: Record<string, unknown> = {};
    for (const [name, value] of node.config.values) {
      const key = String(name);
      if (key === "column_types") settings.columns = plainFrom(value);
      else if (key === "delimiter") settings.delimiter = plainFrom(value);
      else if (SEED_REFUSED.includes(key)) {
        const message = `the setting ${key} of the seed ${node.name} is not read`;
        warnings.push(unsupportedPart(message, "it lands as it is", placeOfSetting(node, key)));
      }
    }
    if (Object.keys(settings).length === 0) continue;
    const key = settings.columns === undefined ? "delimiter" : "column_types";
    said.set(node.name, { settings, place: placeOfSetting(node, key) });
  }
  return said;
}

const SEED_REFUSED = ["pre_hook", "post_hook", "quote_columns"];

/** What a reference is as long as settings are collected. */
function placeholder(words: readonly Value[]): Relation {
  const [first = "", second] = words.map(String);
  return second === undefined ? new Relation("ref", first) : new Relation(first, second);
}

/** dbt's `--vars` a value at a time. */
function variablesOf(given: string | undefined): ReadonlyMap<string, Value> {
  const values = new Map<string, Value>();
  for (const line of given === undefined ? [] : given.split("\n")) {
    const at = line.indexOf("=");
    if (at < 1) {
      throw new LakeError("usage", `--var ${line} gives no value`, { hint: "--var name=value" });
    }
    values.set(line.slice(0, at).trim(), valueFrom(parseYaml(line.slice(at + 1)).data));
  }
  return values;
}

/** The command line's, then the project's for the package, then the project's, then the package's own. */
function variableOf(
  name: string,
  said: { vars: ReadonlyMap<string, Value>; own: DbtPackage; from: DbtPackage },
): Value {
  if (said.vars.has(name)) return said.vars.get(name);
  for (const one of new Set([said.own, said.from])) {
    const all = one.settings.data.vars;
    if (!isRecord(all)) continue;
    const inner = all[said.from.name];
    if (isRecord(inner) && Object.hasOwn(inner, name)) return valueFrom(inner[name]);
    if (Object.hasOwn(all, name)) return valueFrom(all[name]);
  }
  return undefined;
}

function searchOrder(own: DbtPackage): ReadonlyMap<string, readonly string[]> {
  const { dispatch } = own.settings.data;
  const order = new Map<string, readonly string[]>();
  for (const one of Array.isArray(dispatch) ? dispatch : []) {
    if (!isRecord(one) || !Array.isArray(one.search_order)) continue;
    order.set(String(one.macro_namespace), one.search_order.map(String));
  }
  return order;
}

const DOCS = /\{%-?\s*docs\s+(\w+)\s*-?%\}([\s\S]*?)\{%-?\s*enddocs\s*-?%\}/g;

function docsOf(
  root: string,
  packages: readonly DbtPackage[],
  filesBelow: FilesBelow,
): ReadonlyMap<string, string> {
  const docs = new Map<string, string>();
  for (const one of packages) {
    const { model, seed, snapshot, macro } = one.paths;
    for (const top of new Set([...model, ...seed, ...snapshot, ...macro])) {
      const below = one.folder === "" ? top : `${one.folder}/${top}`;
      for (const file of filesBelow(root, below, /\.md$/i).files) {
        for (const [, name = "", text = ""] of readFileSync(join(root, file), "utf8").matchAll(
          DOCS,
        )) {
          docs.set(name, text.trim());
        }
      }
    }
  }
  return docs;
}
