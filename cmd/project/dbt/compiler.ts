/** Templates of a dbt project as SQL: what their names mean, in which package, for which node. */

import { nearestWord } from "../../../core/base/suggest.ts";
import type { Environment } from "../../../core/config.ts";
import { addSetting, type NodeConfig } from "./config-tree.ts";
import { crossDatabase } from "./cross-database.ts";
import { type GlobalFacts, globalName } from "./globals.ts";
import { macrosOf, RETURN, render, Scope } from "./jinja/evaluate.ts";
import { PlacedTemplateError, parseTemplate, type Template } from "./jinja/syntax.ts";
import {
  bound,
  type Call,
  Callable,
  callable,
  type Dict,
  isTrue,
  TemplateError,
  type Thing,
  toText,
  unsupported,
  type Value,
} from "./jinja/values.ts";
import type { Compiled, DbtNode } from "./node.ts";
import type { DbtPackage } from "./package.ts";
import { type Column, Relation, relationFrom } from "./relation.ts";

/** How a node's template is rendered. */
export interface Mode {
  /** False where settings and references are collected alone. */
  readonly executes: boolean;
  /** What `is_incremental()` is. */
  readonly isIncremental: boolean;
  /** Other values of variables, of a unit test. */
  readonly vars?: Dict;
}

export const PARSING: Mode = { executes: false, isIncremental: false };
export const WHOLE: Mode = { executes: true, isIncremental: false };
export const ADDING: Mode = { executes: true, isIncremental: true };

/** What the compiler is told of a project. */
export interface CompilerFacts extends GlobalFacts {
  readonly env: Environment;
  readonly packages: readonly DbtPackage[];
  readonly varOf: (name: string, from: DbtPackage) => Value;
  /** Throws TemplateError. */
  readonly refOf: (call: Call, from: DbtPackage) => { id: string; relation: Relation };
  /** Throws TemplateError. */
  readonly sourceOf: (source: string, table: string) => { id: string; relation: Relation };
  readonly docOf: (name: string) => string | null;
  /** Columns of a relation, where they are known without asking; null: they are not. */
  readonly columnsOf: (relation: Relation) => readonly Column[] | null;
}

interface Frame {
  readonly node: DbtNode | null;
  readonly package: DbtPackage;
  readonly mode: Mode;
  readonly reads: Set<string>;
  readonly tables: Map<string, string>;
  readonly config: NodeConfig | null;
  /** Names of a test: its model and arguments. */
  readonly names: ReadonlyMap<string, Value>;
}

export class Compiler {
  readonly #facts: CompilerFacts;
  readonly #scopes = new Map<string, Scope>();
  readonly #macros = new Map<string, Map<string, Callable>>();
  readonly #searchOrder: ReadonlyMap<string, readonly string[]>;
  #frame: Frame | null = null;

  constructor(facts: CompilerFacts, searchOrder: ReadonlyMap<string, readonly string[]>) {
    this.#facts = facts;
    this.#searchOrder = searchOrder;
    for (const one of facts.packages) {
      this.#macros.set(one.name, new Map());
      this.#scopes.set(one.name, new Scope(null, (name) => this.#lookUp(one, name)));
    }
  }

  /** Macros of a file become those of its package. Throws PlacedTemplateError. */
  addMacros(one: DbtPackage, template: Template): void {
    const macros = this.#macros.get(one.name);
    for (const [name, macro] of macrosOf(template, this.#scope(one))) macros?.set(name, macro);
  }

  macro(packageName: string, name: string): Callable | undefined {
    return this.#macros.get(packageName)?.get(name);
  }

  /** A macro of the project itself, else of any package. */
  anyMacro(name: string): Callable | undefined {
    for (const macros of this.#macros.values()) {
      const found = macros.get(name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** A node's template; `config` takes what it says of itself. Throws PlacedTemplateError. */
  compile(node: DbtNode, mode: Mode, config: NodeConfig | null = null): Compiled {
    const { template } = node;
    if (template === null) throw new TemplateError(`${node.name} has no template`);
    const work = (): string => {
      const scope = new Scope(this.#scope(node.package));
      if (node.block === null) return render(template, scope);
      const block = macrosOf(template, scope).get(node.block);
      return toText(block?.call({ positional: [], named: new Map(), caller: null }));
    };
    return this.#within({ node, package: node.package, mode, config, names: new Map() }, work);
  }

  /** A text of YAML, or the body of a test, in the sight of a package. Throws PlacedTemplateError. */
  renderText(
    text: string,
    from: DbtPackage,
    file: string,
    names: ReadonlyMap<string, Value> = new Map(),
  ): Compiled {
    const frame = { node: null, package: from, mode: WHOLE, config: null, names };
    return this.#within(frame, () =>
      render(parseTemplate(file, text), new Scope(this.#scope(from))),
    );
  }

  /** What an expression of YAML is, such as `{{ var('x') }}`: its value where it is nothing else, else a text. */
  renderValue(text: string, from: DbtPackage, file: string): Value {
    const only = /^\s*\{\{([\s\S]*)\}\}\s*$/.exec(text)?.[1];
    if (only === undefined || only.includes("{{")) return this.renderText(text, from, file).sql;
    const shown = this.renderText(text, from, file).sql.trim();
    if (/^(?:true|false)$/i.test(shown)) return shown.toLowerCase() === "true";
    if (/^-?\d+$/.test(shown)) return Number(shown);
    return shown === "None" ? null : shown;
  }

  /** Calls a macro in the sight of a package. Throws PlacedTemplateError, TemplateError. */
  callMacro(
    macro: Callable,
    from: DbtPackage,
    call: Call,
    names: ReadonlyMap<string, Value> = new Map(),
  ): Compiled {
    const frame = { node: null, package: from, mode: WHOLE, config: null, names };
    return this.#within(frame, () => toText(macro.call(call)));
  }

  #within(frame: Omit<Frame, "reads" | "tables">, work: () => string): Compiled {
    const before = this.#frame;
    const reads = new Set<string>();
    const tables = new Map<string, string>();
    this.#frame = { ...frame, reads, tables };
    try {
      return { sql: work(), reads, tables };
    } finally {
      this.#frame = before;
    }
  }

  #scope({ name }: DbtPackage): Scope {
    return this.#scopes.get(name) ?? new Scope(null);
  }

  #lookUp(from: DbtPackage, name: string): Value {
    const given = this.#frame?.names.get(name);
    if (given !== undefined) return given;
    const own = this.#macros.get(from.name)?.get(name);
    if (own !== undefined) return own;
    const [root] = this.#facts.packages;
    const ofRoot = root === undefined ? undefined : this.#macros.get(root.name)?.get(name);
    if (ofRoot !== undefined) return ofRoot;
    const ofNode = this.#nodeName(name, from);
    if (ofNode !== undefined) return ofNode;
    const ofAll = globalName(name, this.#facts);
    if (ofAll !== undefined) return ofAll;
    if (name === "dbt") return this.#namespace("dbt", (inner) => this.#dbtMacro(inner));
    if (this.#macros.has(name)) {
      return this.#namespace(name, (inner) => this.#packageMacro(name, inner));
    }
    return this.#dbtMacro(name);
  }

  #dbtMacro(name: string): Value {
    // A project may say how dbt's own macros are for the engine.
    const said = this.#macros.get(this.#facts.packages[0]?.name ?? "");
    return said?.get(`duckdb__${name}`) ?? crossDatabase(name);
  }

  #packageMacro(packageName: string, name: string): Value {
    if (isSpine(packageName, name)) return crossDatabase(name);
    const found = this.#macros.get(packageName)?.get(name);
    if (found !== undefined) return found;
    const near = nearestWord(name, [...(this.#macros.get(packageName)?.keys() ?? [])]);
    const hint = near === null ? "" : `did you mean "${near}"?`;
    throw new TemplateError(`the package ${packageName} has no macro ${name}`, hint);
  }

  #namespace(name: string, of: (name: string) => Value): Thing {
    return { thing: `package ${name}`, attribute: of, text: () => name };
  }

  #nodeName(name: string, from: DbtPackage): Value {
    const frame = this.#frame;
    if (frame === null) return undefined;
    switch (name) {
      case "return":
        return RETURN;
      case "execute":
        return frame.mode.executes;
      case "ref":
        return new Callable("ref", (call) => this.#read(this.#facts.refOf(call, frame.package)));
      case "source":
        return callable("source", ["source_name", "table_name"], (source, table) =>
          this.#read(this.#facts.sourceOf(toText(source), toText(table))),
        );
      case "builtins":
        return this.#namespace("builtins", (inner) => this.#nodeName(inner, from));
      case "context":
        return this.#namespace("context", (inner) => this.#lookUp(from, inner));
      case "var":
        return this.#var(frame);
      case "env_var":
        return callable("env_var", ["var", "default"], (key, otherwise) =>
          this.#environment(toText(key), otherwise),
        );
      case "doc":
        return new Callable("doc", ({ positional }) => this.#doc(positional.map(toText)));
      case "config":
        return this.#config(frame);
      case "this":
        return frame.node?.relation;
      case "model":
      case "node":
        return frame.node === null ? undefined : nodeThing(frame.node);
      case "is_incremental":
        return callable("is_incremental", [], () => this.#isIncremental(frame));
      case "should_full_refresh":
        return callable("should_full_refresh", [], () => !frame.mode.isIncremental);
      case "adapter":
        return this.#namespace("adapter", (inner) => this.#adapter(inner, frame));
      default:
        return undefined;
    }
  }

  #read({ id, relation }: { id: string; relation: Relation }): Relation {
    this.#frame?.reads.add(id);
    this.#frame?.tables.set(relation.name, id);
    return relation;
  }

  #isIncremental({ node, mode }: Frame): boolean {
    return mode.isIncremental && node?.config.values.get("materialized") === "incremental";
  }

  #var(frame: Frame): Thing {
    const find = (name: string): Value => {
      const other = frame.mode.vars?.get(name);
      return other === undefined ? this.#facts.varOf(name, frame.package) : other;
    };
    return {
      thing: "var",
      text: () => "var",
      attribute: (name) =>
        name === "has_var"
          ? callable("has_var", ["name"], (key) => find(toText(key)) !== undefined)
          : undefined,
      call: (call) => {
        const [name, otherwise] = bound("var", ["name", "default"], call);
        const found = find(toText(name));
        if (found !== undefined) return found;
        if (otherwise !== undefined || call.positional.length > 1) return otherwise;
        if (!frame.mode.executes) return null;
        const hint = `say it in dbt_project.yml (vars:), with --var ${toText(name)}=…, or give it a default`;
        throw new TemplateError(`the variable ${toText(name)} has no value`, hint);
      },
    };
  }

  #environment(name: string, otherwise: Value): Value {
    const value = this.#facts.env[name];
    if (value !== undefined) return value;
    if (otherwise !== undefined) return toText(otherwise);
    const hint = `set ${name}, put it into .env, or write a default: env_var(…, default)`;
    throw new TemplateError(`the environment has no ${name}`, hint);
  }

  #doc(words: readonly string[]): string {
    const name = words.at(-1) ?? "";
    const found = this.#facts.docOf(name);
    if (found !== null) return found;
    const hint = `write {% docs ${name} %} … {% enddocs %} in a .md file of model-paths`;
    throw new TemplateError(`there is no docs block ${name}`, hint);
  }

  #config(frame: Frame): Thing {
    const values = frame.node?.config.values ?? new Map();
    return {
      thing: "config",
      text: () => "",
      call: ({ positional, named }) => {
        const [map] = positional;
        if (frame.config === null || frame.node === null) return "";
        const entries = map instanceof Map ? [...map] : [...named];
        for (const [key, value] of entries) {
          addSetting(frame.config, String(key), value, { file: null, path: [] });
        }
        return "";
      },
      attribute: (name) => {
        if (name === "get" || name === "meta_get") {
          return callable(name, ["name", "default", "validator"], (key, otherwise) => {
            const found = values.get(toText(key));
            return found === undefined ? (otherwise ?? null) : found;
          });
        }
        if (name === "require") {
          return callable("require", ["name", "validator"], (key) => {
            const found = values.get(toText(key));
            if (found !== undefined || !frame.mode.executes) return found;
            throw new TemplateError(`the setting ${toText(key)} is required`);
          });
        }
        if (name.startsWith("persist_")) return callable(name, [], () => false);
        return values.get(name);
      },
    };
  }

  #adapter(name: string, frame: Frame): Value {
    switch (name) {
      case "dispatch":
        return callable("dispatch", ["macro_name", "macro_namespace"], (macro, namespace) =>
          this.#dispatch(toText(macro), namespace === undefined ? null : toText(namespace), frame),
        );
      case "type":
        return callable("type", [], () => "duckdb");
      case "quote":
        return callable("quote", ["identifier"], (word) => `"${toText(word)}"`);
      case "get_columns_in_relation":
        return callable(name, ["relation"], (relation) => this.#columns(relation, frame));
      case "get_relation":
        return callable(name, ["database", "schema", "identifier"], (_, schema, identifier) =>
          frame.mode.executes ? new Relation(toText(schema), toText(identifier)) : null,
        );
      case "check_schema_exists":
        return callable(name, ["database", "schema"], () => true);
      case "resolve_schema":
      case "create_schema":
        return callable(name, ["relation"], () => "");
      default:
        throw unsupported(
          `adapter.${name} asks or changes the database while a template is read`,
          "say what it would answer, as a list or a variable",
        );
    }
  }

  #columns(relation: Value, frame: Frame): Value {
    const found = relationFrom(relation);
    if (found === null) return [];
    const columns = this.#facts.columnsOf(found);
    if (columns !== null) return [...columns];
    if (!frame.mode.executes) return [];
    throw unsupported(
      `the columns of ${found.name} are not known while a template is read`,
      `say them: columns: of ${found.identifier} in a properties file, each with its name`,
    );
  }

  /** The macro of the engine, or the one for all. */
  #dispatch(name: string, namespace: string | null, frame: Frame): Callable {
    const order = namespace === null ? null : (this.#searchOrder.get(namespace) ?? null);
    const [root] = this.#facts.packages;
    const places =
      order ??
      (namespace === null
        ? [root?.name ?? "", frame.package.name, ...this.#macros.keys()]
        : [namespace, root?.name ?? ""]);
    for (const place of places) {
      for (const prefix of ["duckdb", "default"]) {
        const found = this.#macros.get(place)?.get(`${prefix}__${name}`);
        if (found !== undefined) {
          if (!isSpine(place, name)) return found;
        }
      }
    }
    const own = crossDatabase(name);
    if (own !== undefined) return own;
    const hint = `write {% macro duckdb__${name}() %} or default__${name}`;
    throw new TemplateError(`no macro is there for ${name}, which is looked for by engine`, hint);
  }
}

/** Macros of packages that ask the database how many rows there will be, which SQL can say itself. */
function isSpine(packageName: string, name: string): boolean {
  return name === "date_spine" && ["dbt_utils", "dbt_date"].includes(packageName);
}

/** `model` and `node` in templates, as far as they are asked. */
export function nodeThing(node: DbtNode): Thing {
  const values: Readonly<Record<string, () => Value>> = {
    name: () => node.name,
    alias: () => node.relation.identifier,
    resource_type: () => node.kind,
    unique_id: () => node.id,
    package_name: () => node.package.name,
    schema: () => node.relation.schema,
    database: () => "lake",
    fqn: () => [...node.fqn],
    path: () => node.file,
    original_file_path: () => node.file,
    config: () => node.config.values,
    tags: () => node.config.values.get("tags") ?? [],
    meta: () => node.config.values.get("meta") ?? new Map(),
  };
  const attribute = (name: string): Value =>
    Object.hasOwn(values, name) ? values[name]?.() : undefined;
  return { thing: "node", attribute, text: () => node.id };
}

/** A fault of a template with a place, whatever it was thrown as. */
export function placedFault(thrown: unknown, file: string, line: number): PlacedTemplateError {
  if (thrown instanceof PlacedTemplateError) return thrown;
  if (thrown instanceof TemplateError) return new PlacedTemplateError(file, line, thrown);
  throw thrown;
}

export { isTrue };
