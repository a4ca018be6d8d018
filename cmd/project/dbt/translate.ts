/** A node of dbt as a model of the lake: its settings in the words of models, its query as it is compiled. */

import { LakeError } from "../../../core/base/errors.ts";
import { isRecord } from "../../../core/config/shape.ts";
import type { LakeConfig } from "../../../core/config.ts";
import { withIncrement } from "../../../core/model/increment.ts";
import type { Increment, Model, OnSchemaChange } from "../../../core/model/model.ts";
import { parseModel } from "../../../core/model/parse.ts";
import { MODEL_TOOLS } from "../model-tools.ts";
import { parseYaml } from "../yaml.ts";
import { ADDING, type Compiler, WHOLE } from "./compiler.ts";
import { isDict, isList, isTrue, plainFrom, toText, type Value } from "./jinja/values.ts";
import { linesOf } from "./lines.ts";
import { type Compiled, type DbtNode, nodePlace, placeOfSetting, type Queries } from "./node.ts";
import { unsupportedPart } from "./package.ts";
import { snapshotQueries } from "./snapshot.ts";

/** A node that runs. */
export interface Translated {
  readonly node: DbtNode;
  readonly model: Model;
  /** As the template came to. */
  readonly compiled: string;
  /** Ids of what it reads. */
  readonly reads: ReadonlySet<string>;
  readonly description: string | null;
}

export interface Translation {
  readonly translated: Translated | null;
  /** Why it is left out. */
  readonly refused: LakeError | null;
  readonly errors: readonly LakeError[];
  readonly warnings: readonly LakeError[];
}

/** Settings that change no row here, or are read elsewhere. */
const QUIET = new Set(
  (
    "materialized enabled schema alias database tags meta docs group access contract quoting unique_key " +
    "incremental_strategy on_schema_change event_time batch_size begin lookback strategy updated_at check_cols " +
    "target_schema target_database hard_deletes invalidate_hard_deletes dbt_valid_to_current persist_docs tests " +
    "packages column_types full_refresh concurrent_batches description latest_version deprecation_date freshness"
  ).split(" "),
);
/** Settings that would change what happens; the node is left out where one is said. */
const REFUSED: Readonly<Record<string, string>> = {
  pre_hook:
    "statements before a model are not run: put them into the model, or run them with tarn sql",
  post_hook: "statements after a model are not run: what reads the table is a model of its own",
  sql_header:
    "there is no statement before the query: macros in macros/ are templates, and always there",
  incremental_predicates: "put the condition into the query",
  predicates: "put the condition into the query",
  merge_clauses: "write the result of the merge as the query, or use delete+insert",
  merge_update_condition: "put the condition into the query",
  merge_insert_condition: "put the condition into the query",
  merge_update_set_expressions: "compute the value in the query",
  merge_on_using_columns: "say unique_key",
  snapshot_meta_column_names: "rename columns in a model that reads the snapshot",
};

/** What is said of a node or source to be its time, by its id. */
export type EventTimeOf = (id: string) => Value;

type Front = Record<string, unknown>;

/** Throws PlacedTemplateError and TemplateError for its template. */
export function modelOf(
  node: DbtNode,
  compiler: Compiler,
  config: LakeConfig,
  eventTimeOf: EventTimeOf,
): Translation {
  const warnings: LakeError[] = [];
  const refused = refusal(node) ?? (node.kind === "model" ? wrongKind(node) : null);
  if (refused !== null) return { translated: null, refused, errors: [], warnings };
  warnings.push(...unread(node));
  const whole = compiler.compile(node, WHOLE);
  const made =
    node.kind === "snapshot" ? snapshotQueries(node, whole) : queriesOf(node, compiler, whole);
  if (made instanceof LakeError) return { translated: null, refused: made, errors: [], warnings };
  const description = descriptionOf(node, compiler);
  const front = frontOf(node, description);
  const text = `/* tarn\n${frontText(front)}*/\n${made.sql}`;
  const [layer = "", name = ""] = node.relation.name.split(".");
  const parsed = parseModel(
    node.file,
    text,
    {
      parseYaml,
      ...MODEL_TOOLS,
      onFailOf: onFailOf(config),
      variables: new Map(),
      macros: new Map(),
    },
    { layer, name },
  );
  if (parsed.model === null) {
    const errors = parsed.errors.map((error) => inNode(node, error));
    return { translated: null, refused: null, errors, warnings };
  }
  const { model: read } = parsed;
  const timed = isByWindows(node) ? timedInputs(node, whole, eventTimeOf) : null;
  if (timed instanceof LakeError) return { translated: null, refused: timed, errors: [], warnings };
  const byWindows =
    timed === null || read.windows === null
      ? read
      : {
          ...read,
          windows: { ...read.windows, inputs: timed },
          hash: MODEL_TOOLS.sha256(JSON.stringify([read.hash, timed])),
        };
  const model = withIncrement(
    { ...byWindows, sqlLine: node.line, lines: linesOf(node.text, parsed.model.sql) },
    made.increment,
    MODEL_TOOLS.sha256,
  );
  const reads = new Set([...whole.reads, ...(made.reads ?? [])]);
  reads.delete(node.id);
  return {
    translated: { node, model, compiled: whole.sql, reads, description },
    refused: null,
    errors: [],
    warnings,
  };
}

function queriesOf(node: DbtNode, compiler: Compiler, whole: Compiled): Queries | LakeError {
  if (materialization(node) !== "incremental") return { sql: whole.sql, increment: null };
  const adding = compiler.compile(node, ADDING);
  if (isByWindows(node)) return windowQueries(node, whole, adding);
  const key = wordsOf(node.config.values.get("unique_key"));
  const said = node.config.values.get("incremental_strategy") ?? null;
  const strategy = said === null ? (key.length > 0 ? "delete+insert" : "append") : toText(said);
  const refuse = (message: string, hint: string): LakeError =>
    unsupportedPart(message, hint, placeOfSetting(node, "incremental_strategy"));
  const how = HOW[strategy];
  if (how === undefined) {
    const hint = "append, delete+insert, merge and microbatch are";
    return refuse(`the incremental strategy ${strategy} is not run`, hint);
  }
  if (how === "merge" && key.length === 0) {
    return { sql: whole.sql, increment: { ...EMPTY, sql: adding.sql, how: "append" } };
  }
  const word = toText(node.config.values.get("on_schema_change") ?? "ignore");
  const onSchemaChange = SCHEMA_WORDS.find((one) => one === word) ?? "ignore";
  const updates = wordsOf(node.config.values.get("merge_update_columns"));
  const excluded = wordsOf(node.config.values.get("merge_exclude_columns"));
  const increment = { ...EMPTY, sql: adding.sql, how, key, onSchemaChange, updates, excluded };
  return { sql: whole.sql, increment, reads: adding.reads };
}

/** Whether its rows are computed by windows of event time: dbt's strategy of that name. */
function isByWindows(node: DbtNode): boolean {
  return (
    materialization(node) === "incremental" &&
    node.config.values.get("incremental_strategy") === "microbatch"
  );
}

/** A query that says for itself which rows are new would give other rows by every run. */
function windowQueries(node: DbtNode, whole: Compiled, adding: Compiled): Queries | LakeError {
  if (adding.sql === whole.sql) return { sql: whole.sql, increment: null };
  const message = `is_incremental() changes the query of ${node.name}, which is computed by batches`;
  const hint = "take the condition out: each batch is read by event_time";
  return unsupportedPart(message, hint, nodePlace(node));
}

/** The inputs that dbt filters by batch: those that say an event_time, which here is a column of one name. */
function timedInputs(
  node: DbtNode,
  { tables }: Compiled,
  eventTimeOf: EventTimeOf,
): readonly string[] | LakeError {
  const place = placeOfSetting(node, "event_time");
  const own = toText(node.config.values.get("event_time"));
  const timed: string[] = [];
  for (const [table, id] of tables) {
    const column = eventTimeOf(id);
    if (column === undefined || column === null) continue;
    if (toText(column).toLowerCase() !== own.toLowerCase()) {
      const message = `${node.name} has the event_time ${own}, and its input ${table} ${toText(column)}`;
      return unsupportedPart(message, "give both columns one name, in a view between", place);
    }
    timed.push(table);
  }
  if (timed.length > 0 && !/\.render\(\s*\)/.test(node.text)) return timed;
  const isRendered = timed.length > 0;
  const message = isRendered
    ? `${node.name} reads an input whole with render(), which is not read here`
    : `no input of ${node.name} has an event_time: every batch would read all rows`;
  const hint = isRendered
    ? "leave event_time out where that input is said, or read it through a view"
    : "say event_time in the config of the model or source that it reads";
  return unsupportedPart(message, hint, place);
}

const HOW: Readonly<Record<string, Increment["how"]>> = {
  append: "append",
  "delete+insert": "delete_insert",
  delete_insert: "delete_insert",
  merge: "merge",
};
const SCHEMA_WORDS: readonly OnSchemaChange[] = [
  "sync_all_columns",
  "append_new_columns",
  "fail",
  "ignore",
];
const EMPTY: Omit<Increment, "sql" | "how"> = {
  key: [],
  updates: [],
  excluded: [],
  onSchemaChange: "ignore",
  isHistory: false,
};

function materialization(node: DbtNode): string {
  return toText(node.config.values.get("materialized") ?? "view");
}

const KINDS: Readonly<Record<string, string>> = {
  view: "view",
  table: "full",
  ephemeral: "ephemeral",
  incremental: "full",
};
const OTHER_KINDS: Readonly<Record<string, string>> = {
  materialized_view: "write materialized: table; its runs follow what changed by themselves",
  external: "write materialized: table, and tarn export the table where it is needed",
  table_function: "write the query as a macro of Jinja",
};

function wrongKind(node: DbtNode): LakeError | null {
  const kind = materialization(node);
  if (KINDS[kind] !== undefined) return null;
  const hint = OTHER_KINDS[kind] ?? "view, table, incremental and ephemeral are";
  const place = placeOfSetting(node, "materialized");
  return unsupportedPart(`materialized: ${kind} of ${node.name} is not run`, hint, place);
}

function refusal(node: DbtNode): LakeError | null {
  for (const [name, value] of node.config.values) {
    const key = String(name);
    const hint = REFUSED[key];
    const isSaid = isList(value)
      ? value.some(isTrue)
      : isDict(value)
        ? value.size > 0
        : isTrue(value);
    if (hint === undefined || !isSaid) continue;
    return unsupportedPart(`${key} of ${node.name} is not run`, hint, placeOfSetting(node, key));
  }
  return null;
}

/** Settings that nobody here reads, which is told. */
function unread(node: DbtNode): LakeError[] {
  return [...node.config.values.keys()].flatMap((name) => {
    const key = String(name);
    if (QUIET.has(key) || REFUSED[key] !== undefined || key.startsWith("merge_")) return [];
    const message = `the setting ${key} of ${node.name} is not read`;
    return [unsupportedPart(message, "its rows are as without it", placeOfSetting(node, key))];
  });
}

function frontOf(node: DbtNode, description: string | null): Front {
  const { values } = node.config;
  const windows = isByWindows(node) ? windowSettings(node) : {};
  const plain = isByWindows(node) ? "microbatch" : (KINDS[materialization(node)] ?? "full");
  const kind = node.kind === "snapshot" ? "full" : plain;
  const tags = wordsOf(values.get("tags"));
  const owner = values.get("group");
  const contract = values.get("contract");
  const isEnforced =
    isDict(contract) && isTrue(contract.get("enforced")) && !["view", "ephemeral"].includes(kind);
  return {
    kind,
    ...windows,
    ...(tags.length > 0 ? { tags } : {}),
    ...(description === null ? {} : { description }),
    ...(typeof owner === "string" ? { owner } : {}),
    ...(isEnforced ? { contract: "enforced", columns: columnTypes(node) } : {}),
  };
}

/** Settings of batches as they are said: their words are the lake's. */
function windowSettings({ config: { values } }: DbtNode): Front {
  const front: Front = {};
  for (const key of ["event_time", "batch_size", "lookback", "on_schema_change"]) {
    const value = values.get(key);
    if (value !== undefined && value !== null) front[key] = plainFrom(value);
  }
  const begin = values.get("begin");
  // A time of Python has its zone, UTC, behind it.
  if (begin !== undefined && begin !== null) front.begin = toText(begin).slice(0, 19);
  return front;
}

function columnTypes({ entry }: DbtNode): Front {
  const { columns } = entry?.data ?? {};
  const types: Front = {};
  for (const column of Array.isArray(columns) ? columns : []) {
    if (isRecord(column)) types[String(column.name)] = String(column.data_type ?? "varchar");
  }
  return types;
}

/** A key a line, each value as JSON, which is YAML; without what would end the comment. */
function frontText(front: Front): string {
  return Object.entries(front)
    .map(([key, value]) => `${key}: ${JSON.stringify(value).replaceAll("*/", "*\\/")}\n`)
    .join("");
}

function descriptionOf(node: DbtNode, compiler: Compiler): string | null {
  const said = node.entry?.data.description;
  if (typeof said !== "string" || node.entry === null) return null;
  if (!said.includes("{{")) return said;
  return compiler.renderText(said, node.package, node.entry.file.file).sql;
}

function inNode(node: DbtNode, error: LakeError): LakeError {
  return new LakeError(error.code, error.message, {
    ...(error.hint === null ? {} : { hint: error.hint }),
    ...(error.page === null ? {} : { page: error.page }),
    place: nodePlace(node),
    cause: error,
  });
}

function onFailOf(config: LakeConfig) {
  return (layer: string) => config.layers.get(layer)?.onFail ?? null;
}

function wordsOf(value: Value): string[] {
  if (value === undefined || value === null || value === "") return [];
  return isList(value) ? value.map(toText) : [toText(value)];
}
