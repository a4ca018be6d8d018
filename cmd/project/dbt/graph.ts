/** Nodes of a dbt project as they are found on disk, with their settings, and how references find them. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { LakeError } from "../../../core/base/errors.ts";
import { nearestWord } from "../../../core/base/suggest.ts";
import { isRecord } from "../../../core/config/shape.ts";
import { namePartFrom, SEEDS_LAYER } from "../../../core/table/name.ts";
import { type Compiler, nodeThing, PARSING } from "./compiler.ts";
import { addSetting, addSettings, addTree, newConfig, type RenderValue } from "./config-tree.ts";
import { blockName, parseTemplate, type Template } from "./jinja/syntax.ts";
import { type Call, TemplateError, toText, type Value } from "./jinja/values.ts";
import { type DbtNode, type NodeKind, nodePlace, settingOf } from "./node.ts";
import { type DbtPackage, type FilesBelow, unsupportedPart } from "./package.ts";
import type { Entry, Properties, SourceEntry } from "./properties.ts";
import { Relation } from "./relation.ts";

/** The schema that dbt's own profiles for this engine have. */
const DEFAULT_SCHEMA = "main";

export interface FoundNodes {
  /** Those that are enabled. */
  readonly nodes: readonly DbtNode[];
  /** Ids of those that cannot be read, with why. */
  readonly refused: ReadonlyMap<string, LakeError>;
  readonly disabled: ReadonlySet<string>;
}

export interface FindFacts {
  readonly root: string;
  readonly packages: readonly DbtPackage[];
  readonly properties: Properties;
  readonly targetSchema: string;
  readonly filesBelow: FilesBelow;
  readonly errors: LakeError[];
  readonly told: (thrown: unknown, file: string, line: number) => LakeError;
}

/** Reads models, seeds and snapshots. Their relations are told by `place`, once all have their settings. */
export function findNodes(facts: FindFacts, compiler: Compiler): FoundNodes {
  const nodes: DbtNode[] = [];
  const refused = new Map<string, LakeError>();
  const disabled = new Set<string>();
  for (const one of facts.packages) {
    for (const node of [
      ...modelsOf(facts, one, refused),
      ...seedsOf(facts, one),
      ...snapshotsOf(facts, one, refused),
    ]) {
      configure(facts, compiler, node, refused);
      if (settingOf(node, "enabled") === false) disabled.add(node.id);
      else nodes.push(node);
    }
  }
  return { nodes, refused, disabled };
}

/** Says where in the lake each node is. */
export function placeNodes(
  facts: FindFacts,
  compiler: Compiler,
  nodes: readonly DbtNode[],
): Map<string, DbtNode> {
  const byPhysical = new Map<string, DbtNode>();
  for (const node of nodes) {
    try {
      const { schema, alias } = physicalOf(compiler, node, facts.targetSchema);
      const own = facts.packages[0]?.name ?? "";
      for (const spelled of [
        schema,
        schema.replace(new RegExp(`^${own}(?=$|_)`), DEFAULT_SCHEMA),
      ]) {
        byPhysical.set(`${spelled}.${alias}`.toLowerCase(), node);
      }
      const isInlined = ["view", "ephemeral"].includes(
        toText(node.config.values.get("materialized")),
      );
      const type = node.kind === "model" && isInlined ? "view" : "table";
      node.relation =
        node.kind === "seed"
          ? new Relation(SEEDS_LAYER, namePartFrom(node.name))
          : new Relation(namespaceOf(schema, facts), namePartFrom(alias), type);
    } catch (thrown) {
      facts.errors.push(facts.told(thrown, node.file, node.line));
    }
  }
  return byPhysical;
}

/** Every name that `ref()` finds. */
export class NodeIndex {
  readonly #found: FoundNodes;
  readonly #byName = new Map<string, DbtNode[]>();

  constructor(found: FoundNodes) {
    this.#found = found;
    for (const node of found.nodes) {
      const names = [node.name, ...(versionOf(node) === null ? [] : [versionOf(node)?.base ?? ""])];
      for (const name of names) {
        this.#byName.set(name, [...(this.#byName.get(name) ?? []), node]);
      }
    }
  }

  /** Throws TemplateError for a name that there is none of. */
  find({ positional, named }: Call, from: DbtPackage): DbtNode {
    const words = positional.map(toText);
    const name = words.at(-1) ?? "";
    const packageName = words.length > 1 ? words[0] : null;
    const version = named.get("v") ?? named.get("version");
    const all = (this.#byName.get(name) ?? []).filter(
      (node) => packageName === null || node.package.name === packageName,
    );
    const versions = all.filter((node) => isVersion(node, version));
    const [only = null] = versions.filter((node) => node.package === from);
    const found = only ?? versions[0];
    if (found !== undefined) return found;
    return this.#unknown(name, version);
  }

  #unknown(name: string, version: Value): never {
    const ids = [...this.#found.disabled, ...this.#found.refused.keys()];
    const id = ids.find((one) => one.endsWith(`.${name}`));
    if (id !== undefined && this.#found.disabled.has(id)) {
      throw new TemplateError(`${name} is not enabled`, "enabled: true in its settings");
    }
    if (id !== undefined) throw new RefusedReference(id, name);
    const near = nearestWord(name, [...this.#byName.keys()]);
    const hint = near === null ? "it is no model, seed or snapshot" : `did you mean "${near}"?`;
    const which = version === undefined ? name : `version ${toText(version)} of ${name}`;
    throw new TemplateError(`ref(): there is no ${which}`, hint);
  }
}

/** A reference to a node that is left out. */
export class RefusedReference extends TemplateError {
  readonly id: string;

  constructor(id: string, name: string) {
    super(
      `it reads ${name}, which is left out`,
      "what is wrong with that one is said with it",
      true,
    );
    this.id = id;
  }
}

/** Where a source of dbt is in the lake: what the project makes itself, else a table of bronze. */
export function sourceRelation(
  entry: SourceEntry,
  byPhysical: ReadonlyMap<string, DbtNode>,
  streams: ReadonlySet<string>,
): Relation {
  const schema = textOf(entry.around.data.schema) ?? entry.source;
  const identifier = textOf(entry.data.identifier) ?? entry.name;
  const own = byPhysical.get(`${schema}.${identifier}`.toLowerCase());
  if (own !== undefined) return own.relation;
  const said = metaOf(entry.data) ?? metaOf(entry.around.data);
  const [namespace = "", table = ""] = (said ?? "").split(".");
  if (said !== null && table !== "") return new Relation(namespace, table);
  if (said !== null) return new Relation(said, namePartFrom(identifier));
  const name = streams.has(entry.source) ? `${entry.source}_${identifier}` : identifier;
  return new Relation("bronze", namePartFrom(name));
}

/** `orders_v2` is version 2 of `orders`, where the properties say versions. */
function versionOf(node: DbtNode): { readonly base: string; readonly v: string } | null {
  const found = /^(\w+)[._]v(\w+)$/.exec(node.name);
  const base = textOf(node.entry?.data.name);
  if (base === null || base === node.name || found?.[1] !== base) return null;
  return { base, v: found[2] ?? "" };
}

function isVersion(node: DbtNode, asked: Value): boolean {
  const version = versionOf(node);
  if (version === null) return asked === undefined || asked === null;
  if (asked !== undefined && asked !== null) return version.v === toText(asked);
  const { latest_version: latest, versions } = node.entry?.data ?? {};
  if (latest !== undefined) return version.v === String(latest);
  const all = Array.isArray(versions)
    ? versions.flatMap((one) => (isRecord(one) ? [one.v] : []))
    : [];
  const numbers = all.map(Number);
  const greatest = numbers.some(Number.isNaN)
    ? all.map(String).sort().at(-1)
    : Math.max(...numbers);
  return version.v === String(greatest);
}

function physicalOf(compiler: Compiler, node: DbtNode, targetSchema: string) {
  const custom = node.config.values.get(node.kind === "snapshot" ? "target_schema" : "schema");
  const named = custom ?? node.config.values.get("schema") ?? null;
  const call = { positional: [named, nodeThing(node)], named: new Map(), caller: null };
  const macro = compiler.anyMacro("generate_schema_name");
  const isPlain = macro === undefined || (node.kind === "snapshot" && custom !== undefined);
  const schema = isPlain
    ? node.kind === "snapshot" && custom !== undefined
      ? toText(custom)
      : named === null
        ? targetSchema
        : `${targetSchema}_${toText(named).trim()}`
    : compiler.callMacro(macro, node.package, call).sql.trim();
  const aliasMacro = compiler.anyMacro("generate_alias_name");
  const said = node.config.values.get("alias") ?? null;
  const aliasCall = { positional: [said, nodeThing(node)], named: new Map(), caller: null };
  const plain = said === null ? node.name.replaceAll(".", "_") : toText(said);
  const alias =
    aliasMacro === undefined
      ? plain
      : compiler.callMacro(aliasMacro, node.package, aliasCall).sql.trim();
  return { schema, alias };
}

/** A schema as a namespace of the lake; the one that profiles of the engine have by default is the project's name. */
function namespaceOf(schema: string, { packages }: FindFacts): string {
  const name = schema === DEFAULT_SCHEMA ? (packages[0]?.name ?? schema) : schema;
  const prefix = `${DEFAULT_SCHEMA}_`;
  const isBelow = name.startsWith(prefix);
  return namePartFrom(isBelow ? `${packages[0]?.name ?? ""}_${name.slice(prefix.length)}` : name);
}

function configure(
  facts: FindFacts,
  compiler: Compiler,
  node: DbtNode,
  refused: Map<string, LakeError>,
): void {
  const [root] = facts.packages;
  const render: RenderValue = (text, file, path) => {
    try {
      return compiler.renderValue(text, node.package, file.file);
    } catch (thrown) {
      const place = file.placeOf(path, "value");
      facts.errors.push(facts.told(thrown, file.file, place.line));
      return text;
    }
  };
  const section = `${node.kind}s`;
  addTree(node.config, node.package, section, node.fqn, render);
  if (root !== undefined && root !== node.package) {
    addTree(node.config, root, section, node.fqn, render);
  }
  const { entry } = node;
  if (entry !== null) {
    const { file, path, data } = entry;
    addSettings(node.config, data.config, file, [...path, "config"], render);
    for (const key of ["tags", "meta"]) {
      if (data[key] === undefined) continue;
      addSettings(node.config, { [key]: data[key] }, file, path, render);
    }
    const { v } = versionOf(node) ?? {};
    const versions = Array.isArray(data.versions) ? data.versions : [];
    const nth = versions.findIndex((one) => isRecord(one) && String(one.v) === v);
    const { config } = isRecord(versions[nth]) ? versions[nth] : {};
    addSettings(node.config, config, file, [...path, "versions", nth, "config"], render);
  }
  const isIn = node.template !== null && !refused.has(node.id);
  if (!isIn || node.config.values.get("enabled") === false) return;
  try {
    compiler.compile(node, PARSING, node.config);
  } catch (thrown) {
    // A reference that is not found yet is told when the node is compiled as a whole.
    const error = facts.told(thrown, node.file, node.line);
    if (error.code === "unsupported") refused.set(node.id, error);
    else facts.errors.push(error);
  }
}

function modelsOf(
  facts: FindFacts,
  one: DbtPackage,
  refused: Map<string, LakeError>,
): readonly DbtNode[] {
  return one.paths.model.flatMap((top) => {
    const { files } = facts.filesBelow(facts.root, within(one, top), /\.(?:sql|py)$/i);
    return files.map((file): DbtNode => {
      const node = made(facts, one, "model", top, file);
      if (/\.py$/i.test(file)) {
        const hint = "write it as SQL";
        refused.set(
          node.id,
          unsupportedPart("a model in Python is not run", hint, nodePlace(node)),
        );
        return node;
      }
      return withTemplate(facts, node, refused);
    });
  });
}

function seedsOf(facts: FindFacts, one: DbtPackage): readonly DbtNode[] {
  return one.paths.seed.flatMap((top) => {
    const { files } = facts.filesBelow(facts.root, within(one, top), /\.csv$/i);
    return files.map((file) => made(facts, one, "seed", top, file));
  });
}

function snapshotsOf(
  facts: FindFacts,
  one: DbtPackage,
  refused: Map<string, LakeError>,
): readonly DbtNode[] {
  const inFiles = one.paths.snapshot.flatMap((top) => {
    const { files } = facts.filesBelow(facts.root, within(one, top), /\.sql$/i);
    return files.flatMap((file) => {
      const read = withTemplate(facts, made(facts, one, "snapshot", top, file), refused);
      return (read.template?.blocks ?? []).flatMap((block): DbtNode[] => {
        if (block.kind !== "snapshot") return [];
        const { name, line } = block;
        const named = renamed(facts, read, name);
        return [{ ...named, line, block: blockName("snapshot", name) }];
      });
    });
  });
  const inYaml = facts.properties.snapshots.flatMap((entry): DbtNode[] => {
    const { relation } = entry.data;
    if (entry.package !== one || typeof relation !== "string") return [];
    const { line } = entry.file.placeOf(entry.path, "value");
    const file = entry.file.file;
    const text = `select * from {{ ${relation} }}`;
    const node = { ...made(facts, one, "snapshot", "", file), file, line, text };
    return [withTemplate(facts, renamed(facts, node, textOf(entry.data.name) ?? ""), refused)];
  });
  return [...inFiles, ...inYaml];
}

function made(
  facts: FindFacts,
  one: DbtPackage,
  kind: NodeKind,
  top: string,
  file: string,
): DbtNode {
  const inner = file.slice(within(one, top).length + 1);
  const folders = inner.split("/");
  const name = (folders.pop() ?? "").replace(/\.(?:sql|py|csv)$/i, "");
  const text = kind === "seed" ? "" : readFileSync(join(facts.root, file), "utf8");
  return {
    ...{ kind, name, package: one, file, line: 1, text, template: null, block: null },
    entry: entryOf(facts, one, name),
    config: newConfig(),
    id: `${kind}.${one.name}.${name}`,
    fqn: [one.name, ...folders, name],
    relation: new Relation(facts.targetSchema, name),
  };
}

function entryOf({ properties }: FindFacts, one: DbtPackage, name: string): Entry | null {
  const base = /^(\w+)[._]v\w+$/.exec(name)?.[1];
  const own = properties.byName.get(`${one.name}.${name}`);
  if (own !== undefined || base === undefined) return own ?? null;
  const versioned = properties.byName.get(`${one.name}.${base}`);
  return versioned?.data.versions === undefined ? null : versioned;
}

function renamed(facts: FindFacts, node: DbtNode, name: string): DbtNode {
  return {
    ...node,
    name,
    id: `${node.kind}.${node.package.name}.${name}`,
    fqn: [...node.fqn.slice(0, -1), name],
    entry: entryOf(facts, node.package, name),
    config: newConfig(),
  };
}

function withTemplate(facts: FindFacts, node: DbtNode, refused: Map<string, LakeError>): DbtNode {
  try {
    const template: Template = parseTemplate(node.file, node.text);
    return { ...node, template };
  } catch (thrown) {
    const error = facts.told(thrown, node.file, node.line);
    if (error.code === "unsupported") refused.set(node.id, error);
    else facts.errors.push(error);
    return node;
  }
}

function within({ folder }: DbtPackage, top: string): string {
  const path = top.replace(/^\.\//, "").replace(/\/+$/, "");
  return folder === "" ? path : `${folder}/${path}`;
}

function metaOf(data: Readonly<Record<string, unknown>>): string | null {
  const meta = isRecord(data.meta) ? data.meta : isRecord(data.config) ? data.config.meta : null;
  return isRecord(meta) ? textOf(meta.tarn) : null;
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

export { addSetting };
