/** Data tests of dbt, generic and singular, as queries that must answer nothing. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { LakeError, type Place } from "../../../core/base/errors.ts";
import { isRecord, type Path } from "../../../core/config/shape.ts";
import type { Model } from "../../../core/model/model.ts";
import type { QueryTest } from "../../../core/model/test-file.ts";
import { type Thresholds, thresholdFrom } from "../../../core/model/threshold.ts";
import { quoteLiteral } from "../../../sql/syntax/quote.ts";
import type { Compiler } from "./compiler.ts";
import {
  addSettings,
  addTree,
  type NodeConfig,
  newConfig,
  type RenderValue,
} from "./config-tree.ts";
import { blockName, parseTemplate, type Template } from "./jinja/syntax.ts";
import { isList, TemplateError, toText, type Value, valueFrom } from "./jinja/values.ts";
import { linesOf } from "./lines.ts";
import { type DbtProject, told } from "./load.ts";
import type { Compiled, DbtNode } from "./node.ts";
import { type DbtPackage, unsupportedPart, type YamlFile } from "./package.ts";
import { testsOf } from "./properties.ts";
import { Relation } from "./relation.ts";

/** A test with what dbt says of it. */
export interface DbtTest {
  readonly test: QueryTest;
  readonly id: string;
  readonly reads: readonly string[];
  readonly kind: "generic" | "singular";
  /** Of a generic one. */
  readonly generic: string | null;
  readonly column: string | null;
}

export interface LoadedTests {
  readonly tests: readonly DbtTest[];
  readonly errors: readonly LakeError[];
  /** Tests that are left out. */
  readonly warnings: readonly LakeError[];
}

interface Facts {
  readonly project: DbtProject;
  readonly tests: DbtTest[];
  readonly errors: LakeError[];
  readonly warnings: LakeError[];
  /** Names that are taken. */
  readonly names: Set<string>;
}

/** What a generic test is used on. */
interface Subject {
  readonly package: DbtPackage;
  readonly relation: Relation;
  readonly id: string;
  readonly model: Model | null;
  /** What its tests are named after. */
  readonly name: string;
}

/** Where a use of a test stands. */
interface Use {
  readonly file: YamlFile;
  readonly path: Path;
  readonly column: string | null;
  readonly item: unknown;
}

/** Reads all tests of a project; never throws for what they say. */
export function loadDataTests(project: DbtProject): LoadedTests {
  const facts: Facts = { project, tests: [], errors: [], warnings: [], names: new Set() };
  for (const { node, model } of project.translated) ofNode(facts, node, model);
  for (const node of project.seeds) ofNode(facts, node, null);
  ofSources(facts);
  for (const one of project.packages) if (one.folder === "") singular(facts, one);
  return facts;
}

function ofNode(facts: Facts, node: DbtNode, model: Model | null): void {
  if (node.entry === null) return;
  const { file, path, data } = node.entry;
  const subject = {
    ...{ package: node.package, relation: node.relation, id: node.id, model, name: node.name },
  };
  uses(facts, subject, data, file, path);
}

function ofSources(facts: Facts): void {
  const { properties, sources, packages } = facts.project;
  for (const [key, entry] of properties.sources) {
    const relation = sources.get(key);
    if (relation === undefined) continue;
    const id = `source.${packages[0]?.name ?? ""}.${key}`;
    const name = `source_${key.replace(".", "_")}`;
    const subject = { package: entry.package, relation, id, model: null, name };
    uses(facts, subject, entry.data, entry.file, entry.path);
  }
}

function uses(
  facts: Facts,
  subject: Subject,
  data: Readonly<Record<string, unknown>>,
  file: YamlFile,
  path: Path,
): void {
  const [key, list] = testsOf(data);
  for (const [index, item] of list.entries()) {
    generic(facts, subject, { file, path: [...path, key, index], column: null, item });
  }
  const { columns } = data;
  for (const [at, column] of (Array.isArray(columns) ? columns : []).entries()) {
    if (!isRecord(column)) continue;
    const [inner, ofColumn] = testsOf(column);
    for (const [index, item] of ofColumn.entries()) {
      const where = [...path, "columns", at, inner, index];
      generic(facts, subject, { file, path: where, column: String(column.name), item });
    }
  }
}

const SETTINGS = [
  "severity",
  "warn_if",
  "error_if",
  "where",
  "limit",
  "tags",
  "enabled",
  "store_failures",
  "store_failures_as",
  "fail_calc",
  "meta",
];

function generic(facts: Facts, subject: Subject, use: Use): void {
  const place = use.file.placeOf(use.path, "value");
  const read = readUse(use);
  if (read === null) {
    const hint = "write a name, or name: { arguments }";
    facts.errors.push(new LakeError("config", "a test is a name with arguments", { hint, place }));
    return;
  }
  const { compiler } = facts.project;
  const config = newConfig();
  const render: RenderValue = (text) => compiler.renderValue(text, subject.package, use.file.file);
  try {
    for (const section of ["tests", "data_tests"]) {
      const [root] = facts.project.packages;
      if (root !== undefined) addTree(config, root, section, [subject.package.name], render);
    }
    addSettings(config, read.settings, use.file, use.path, render);
    if (config.values.get("enabled") === false) return;
    const name =
      read.name ?? testName(read.test, subject.name, { ...read.args, column: use.column });
    const refused = refusal(config, name, place);
    if (refused !== null) {
      facts.warnings.push(refused);
      return;
    }
    const compiled = genericSql(facts, subject, use, read, config);
    const reads = [subject.id, ...[...compiled.reads].filter((id) => id !== subject.id)];
    const made = { name, place, config, compiled, model: subject.model, reads };
    add(facts, { ...made, kind: "generic", generic: read.test, column: use.column, lines: [] });
  } catch (thrown) {
    const error = told(thrown, place.file, place.line);
    (error.code === "unsupported" ? facts.warnings : facts.errors).push(error);
  }
}

interface ReadUse {
  readonly test: string;
  readonly name: string | null;
  readonly args: Readonly<Record<string, unknown>>;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** `unique`, `{accepted_values: {values: […]}}`, `{test_name: …, name: …, …}`. */
function readUse({ item }: Use): ReadUse | null {
  if (typeof item === "string") return { test: item, name: null, args: {}, settings: {} };
  if (!isRecord(item)) return null;
  const { test_name: named } = item;
  const [first] = Object.entries(item);
  const test = typeof named === "string" ? named : first?.[0];
  const given = typeof named === "string" ? item : first?.[1];
  if (test === undefined) return null;
  const all: Record<string, unknown> = isRecord(given) ? { ...given } : {};
  // Settings may stand beside the test too.
  if (typeof named !== "string")
    for (const [key, value] of Object.entries(item).slice(1)) all[key] = value;
  const settings: Record<string, unknown> = isRecord(all.config) ? { ...all.config } : {};
  const args: Record<string, unknown> = isRecord(all.arguments) ? { ...all.arguments } : {};
  for (const [key, value] of Object.entries(all)) {
    if (["config", "arguments", "test_name", "name", "description"].includes(key)) continue;
    if (SETTINGS.includes(key)) settings[key] = value;
    else args[key] = value;
  }
  return { test, name: typeof all.name === "string" ? all.name : null, args, settings };
}

function genericSql(
  { project }: Facts,
  subject: Subject,
  use: Use,
  { test, args }: ReadUse,
  config: NodeConfig,
): Compiled {
  const { compiler } = project;
  const where = config.values.get("where");
  const table = subject.relation.text();
  const text =
    where === undefined || where === null
      ? table
      : `(select * from ${table} where ${toText(where)}) dbt_subquery`;
  const named = new Map<string, Value>();
  for (const [key, value] of Object.entries(args)) {
    named.set(key, argument(compiler, subject.package, use, value));
  }
  const column = named.get("column_name") ?? use.column;
  named.delete("column_name");
  const own = BUILT_IN[test];
  const [packageName, inner] = test.includes(".") ? test.split(".") : [null, test];
  const macroName = blockName("test", inner ?? test);
  const macro =
    packageName === null
      ? (compiler.macro(subject.package.name, macroName) ??
        compiler.macro(project.packages[0]?.name ?? "", macroName))
      : compiler.macro(packageName ?? "", macroName);
  if (macro === undefined && own !== undefined) {
    return { sql: own(text, toText(column), named), reads: new Set(), tables: new Map() };
  }
  if (macro === undefined) {
    const hint =
      packageName === null
        ? `write {% test ${test}(model) %} below ${project.packages[0]?.paths.test[0] ?? "tests"}/generic/`
        : `vendor the package below dbt_packages/: dbt deps`;
    throw new TemplateError(`there is no test ${test}`, hint);
  }
  const model = where === undefined || where === null ? subject.relation : text;
  if (column !== null && column !== undefined) named.set("column_name", column);
  named.set("model", model);
  const reads = new Set<string>();
  const from = project.packages.find(({ name }) => name === packageName) ?? subject.package;
  const compiled = compiler.callMacro(macro, from, { positional: [], named, caller: null });
  for (const id of compiled.reads) reads.add(id);
  return { ...compiled, reads };
}

const CALL = /^\s*(?:ref|source|var|env_var|doc)\s*\(.+\)\s*$/s;

function argument(compiler: Compiler, from: DbtPackage, use: Use, value: unknown): Value {
  if (typeof value === "string") {
    if (CALL.test(value)) return compiler.renderText(`{{ ${value} }}`, from, use.file.file).sql;
    return value.includes("{{") ? compiler.renderValue(value, from, use.file.file) : value;
  }
  if (Array.isArray(value)) return value.map((one) => argument(compiler, from, use, one));
  return valueFrom(value);
}

type BuiltIn = (table: string, column: string, args: ReadonlyMap<string, Value>) => string;

/** The four tests that dbt has by itself. */
const BUILT_IN: Readonly<Record<string, BuiltIn>> = {
  unique: (table, column) =>
    `select ${column} as unique_field, count(*) as n_records from ${table} ` +
    `where ${column} is not null group by ${column} having count(*) > 1`,
  not_null: (table, column) => `select ${column} from ${table} where ${column} is null`,
  accepted_values: (table, column, args) => {
    const values = args.get("values");
    const isQuoted = args.get("quote") !== false;
    const listed = (isList(values) ? values : []).map((value) =>
      isQuoted ? quoteLiteral(toText(value)) : toText(value),
    );
    return (
      `with all_values as (select ${column} as value_field, count(*) as n_records from ${table} ` +
      `group by ${column}) select * from all_values where value_field not in (${listed.join(", ")})`
    );
  },
  relationships: (table, column, args) =>
    `with child as (select ${column} as from_field from ${table} where ${column} is not null), ` +
    `parent as (select ${toText(args.get("field"))} as to_field from ${toText(args.get("to"))}) ` +
    "select from_field from child left join parent on child.from_field = parent.to_field " +
    "where parent.to_field is null",
};

function refusal(config: NodeConfig, name: string, place: Place): LakeError | null {
  const calc = config.values.get("fail_calc");
  const isCounted = calc === undefined || calc === null || toText(calc).trim() === "count(*)";
  if (!isCounted) {
    const hint = "let the test answer a row for each failure";
    return unsupportedPart(`fail_calc of the test ${name} is not read`, hint, place);
  }
  if (config.values.get("store_failures") !== true) return null;
  const hint = "tarn test shows rows that fail: --limit says how many; take store_failures out";
  return unsupportedPart(`store_failures of the test ${name} is not done`, hint, place);
}

interface Made {
  readonly name: string;
  readonly place: Place;
  readonly config: NodeConfig;
  readonly compiled: Compiled;
  readonly model: Model | null;
  readonly reads: readonly string[];
  readonly kind: "generic" | "singular";
  readonly generic: string | null;
  readonly column: string | null;
  readonly lines: readonly number[];
}

function add(facts: Facts, made: Made): void {
  const { name, place, config, compiled, model, reads, kind } = made;
  const { values } = config;
  const limit = values.get("limit");
  const body = compiled.sql.trim().replace(/;\s*$/, "");
  const sql =
    limit === undefined || limit === null
      ? body
      : `select * from (${body}\n) as failing_rows limit ${toText(limit)}`;
  const tags = values.get("tags");
  let taken = name;
  for (let nth = 2; facts.names.has(taken); nth += 1) taken = `${name}_${nth}`;
  facts.names.add(taken);
  const test: QueryTest = {
    ...{ name: taken, file: place.file, sqlLine: place.line, puts: [], sql, model },
    severity: toText(values.get("severity") ?? "error").toLowerCase() === "warn" ? "warn" : "fail",
    thresholds: thresholds(config, place),
    tags: isList(tags) ? tags.map(toText) : [],
    description: null,
    isGeneric: kind === "generic",
    lines: made.lines,
  };
  const id = `test.${facts.project.packages[0]?.name ?? ""}.${taken}`;
  facts.tests.push({ test, id, reads, kind, generic: made.generic, column: made.column });
}

function thresholds({ values }: NodeConfig, place: Place): Thresholds {
  const of = (key: string) => {
    const said = values.get(key);
    if (said === undefined || said === null) return null;
    const read = thresholdFrom(toText(said));
    if (read !== null) return read;
    throw new TemplateError(
      `${key}: ${toText(said)} is no number of rows`,
      `such as ">10" in ${place.file}`,
    );
  };
  const [warnIf, errorIf] = [of("warn_if"), of("error_if")];
  return {
    ...(warnIf === null ? {} : { warnIf }),
    ...(errorIf === null ? {} : { errorIf }),
  };
}

/** Characters that dbt's names of tests have at most before they are cut and hashed. */
const NAME_MAX = 64;
const NAME_KEPT = 30;

/** As dbt names them. */
function testName(test: string, of: string, args: Readonly<Record<string, unknown>>): string {
  const { column, ...rest } = args;
  const named: Record<string, unknown> = column === null ? rest : { ...rest, column_name: column };
  const flat = Object.keys(named)
    .sort()
    .flatMap((key) => {
      const value = named[key];
      if (Array.isArray(value)) return value.map(pythonText);
      return isRecord(value) ? Object.values(value).map(pythonText) : [pythonText(value)];
    })
    .map((text) => text.replace(/[^0-9a-zA-Z_]+/g, "_"));
  const base = `${test.replace(".", "_")}_${of}`;
  const full = `${base}_${flat.join("__")}`;
  if (full.length < NAME_MAX) return full;
  const hash = new Bun.CryptoHasher("md5").update(full).digest("hex");
  return `${base.slice(0, NAME_KEPT)}_${hash}`;
}

function pythonText(value: unknown): string {
  return toText(valueFrom(value));
}

function singular(facts: Facts, one: DbtPackage): void {
  const { root, compiler, filesBelow } = facts.project;
  for (const top of one.paths.test) {
    for (const file of filesBelow(root, top, /\.sql$/i).files) {
      if (file.startsWith(`${top}/generic/`)) continue;
      const name = file.slice(file.lastIndexOf("/") + 1).replace(/\.sql$/i, "");
      try {
        const text = readFileSync(join(root, file), "utf8");
        const template: Template = parseTemplate(file, text);
        const config = newConfig();
        const node = singularNode(one, file, name, text, template, config);
        const compiled = compiler.compile(node, { executes: true, isIncremental: false }, config);
        if (config.values.get("enabled") === false) continue;
        const place = { file, line: 1, column: 1 };
        const refused = refusal(config, name, place);
        if (refused === null) {
          const made = { name, place, config, compiled, model: null, reads: [...compiled.reads] };
          const lines = linesOf(text, compiled.sql.trim());
          add(facts, { ...made, kind: "singular", generic: null, column: null, lines });
        } else facts.warnings.push(refused);
      } catch (thrown) {
        const error = told(thrown, file, 1);
        (error.code === "unsupported" ? facts.warnings : facts.errors).push(error);
      }
    }
  }
}

function singularNode(
  one: DbtPackage,
  file: string,
  name: string,
  text: string,
  template: Template,
  config: NodeConfig,
): DbtNode {
  const relation = new Relation(null, name);
  const id = `test.${one.name}.${name}`;
  return {
    ...{ kind: "model", name, package: one, file, line: 1, text, template, block: null },
    ...{ entry: null, config, id, fqn: [one.name, name], relation },
  };
}
