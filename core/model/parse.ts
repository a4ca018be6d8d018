/**
 * A model from its file: its name from the path, its settings from the comment at the front that starts with `tarn`,
 * the SELECT behind it, and what these mean together, whatever other comments and the description say.
 */

import { LakeError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import {
  issueError,
  type ParsedYaml,
  type ParseYaml,
  placeAt,
  type Span,
} from "../config/place.ts";
import {
  below,
  boolean,
  type Cursor,
  type Issue,
  list,
  nullable,
  object,
  oneOf,
  optional,
  report,
  text,
} from "../config/shape.ts";
import { SQL_CHARS_MAX } from "../limits.ts";
import { namePartFrom, splitName } from "../table/name.ts";
import type { TableName } from "../table/types.ts";
import { CADENCE_KEYS, CADENCE_WORDS, cadenceFrom } from "./cadence.ts";
import { CDC_KEYS, CDC_WORDS, cdcFrom } from "./cdc.ts";
import { type BindCondition, checksFrom, type SqlQuote, TESTS } from "./checks.ts";
import { CONTRACT_KEYS, contractFrom } from "./contract.ts";
import { closingFrom, closingMeaning, EMIT_KEYS, EMIT_WORDS } from "./emit.ts";
import { refuseFeedSettings, SNAPSHOT_KEYS, SNAPSHOT_WORDS, snapshotFrom } from "./full-loads.ts";
import { ANSWERS_LAYER, LOOKUP_KEYS, lookupFrom, lookupMeaning } from "./lookup.ts";
import {
  isInlined,
  isMerged,
  MODEL_KINDS,
  MODELS_FOLDER,
  type Model,
  type ViolationAction,
} from "./model.ts";
import { onSchemaChangeFrom, SCHEMA_CHANGE_KEYS } from "./schema-change.ts";
import { type FileHash, STEP_KEYS, stepFrom, stepMeaning } from "./step.ts";
import { formatFrom, STORAGE_KEYS } from "./storage.ts";
import type { Thresholds } from "./threshold.ts";
import { type Binder, bindSql, withValues } from "./variables.ts";
import { WINDOW_KEYS, windowsFrom } from "./windows.ts";

export interface ParseContext extends Binder {
  readonly parseYaml: ParseYaml;
  readonly quote: SqlQuote;
  /** Equal for texts that differ in comments and layout only. */
  readonly canonicalSql: (sql: string) => string;
  readonly commentsOf: CommentsOf;
  /** Hexadecimal. */
  readonly sha256: (text: string) => string;
  /** `on_fail` of a layer, only when tarn.yaml writes one. */
  readonly onFailOf: (layer: string) => ViolationAction | null;
  /** Of files that steps are made of; absent: there are none. */
  readonly fileHash?: FileHash;
}

/** The table of a model, where its file's path does not say it. */
export interface ModelName {
  readonly layer: string;
  readonly name: string;
}

/** The name of a table in parts. */
export function modelNameOf(name: TableName): ModelName {
  const { namespace: layer, table } = splitName(name);
  return { layer, name: table };
}

export interface ParsedModel {
  /** Null when there are errors. */
  readonly model: Model | null;
  readonly errors: readonly LakeError[];
}

export interface Front {
  /** The YAML of the front comment, or null when the file has none. */
  readonly yaml: string | null;
  /** Where the YAML starts in the file. */
  readonly yamlOffset: number;
  /** The SELECT, padded with spaces so that its columns are the file's. */
  readonly sql: string;
  /** Line of the file where `sql` starts, from 1. */
  readonly sqlLine: number;
}

/** Where the comments of a SQL text stand, in order; cmd brings the lexer. */
export type CommentsOf = (sql: string) => readonly Span[];

/** Layers that models cannot write: the rest have another meaning in SQL. */
const RESERVED_LAYERS = "seeds lake main temp system pg_catalog information_schema".split(" ");

const NO_TEXTS: readonly string[] = [];
const NO_TEXT: string | null = null;
const FRONT_KEYS = {
  kind: optional(
    oneOf(MODEL_KINDS, {
      table: "full",
      incremental: "merge",
      "delete+insert": "delete_insert",
      upsert: "merge",
      auto_cdc: "cdc",
      apply_changes: "cdc",
    }),
    "full",
    "What the table holds, and how changes come to it; the guide has a page on kinds.",
  ),
  key: optional(
    list(text({})),
    NO_TEXTS,
    "Columns that name a row (merge) or the rows that go together (delete_insert).",
  ),
  latest_by: optional(
    list(text({})),
    NO_TEXTS,
    "Columns by which the latest row of a key wins, or all rows that are the latest.",
  ),
  deleted_when: optional(
    nullable(text({})),
    NO_TEXT,
    "merge, delete_insert: a condition; where the newest row of a key meets it, the key has no row.",
  ),
  ...CDC_KEYS,
  ...SNAPSHOT_KEYS,
  ...WINDOW_KEYS,
  ...CONTRACT_KEYS,
  ...SCHEMA_CHANGE_KEYS,
  ...EMIT_KEYS,
  ...STEP_KEYS,
  ...LOOKUP_KEYS,
  tests: optional(nullable(TESTS), null, "What must hold of the rows."),
  ...STORAGE_KEYS,
  forward_only: optional(
    boolean(),
    false,
    "append, merge, delete_insert: an edit is for rows that come; those that are there stay as they are.",
  ),
  ...CADENCE_KEYS,
  tags: optional(list(text({})), NO_TEXTS, "Words to select the model by."),
  owner: optional(
    nullable(text({})),
    NO_TEXT,
    "Whom to ask about the model; plan and lake.models say it.",
  ),
  grain: optional(
    list(text({})),
    NO_TEXTS,
    "Columns that tell rows apart, for readers; tests: unique checks it.",
  ),
  description: optional(nullable(text({})), NO_TEXT, "What a row of the model is."),
};

const FRONT = object(FRONT_KEYS, {
  materialized: 'did you mean "kind"?',
  unique_key: 'did you mean "key"?',
  primary_key: 'did you mean "key"?',
  partition_by: 'did you mean "partition"?',
  name: "a model is named by its path: models/<layer>/<name>.sql",
  schema: "a model is named by its path: models/<layer>/<name>.sql",
  ...Object.fromEntries(
    ["expect", "not_null", "unique", "accepted", "relationships"].map((check) => [
      check,
      `a check is an item of the list "tests": - ${check}: …`,
    ]),
  ),
  ...CDC_WORDS,
  ...SNAPSHOT_WORDS,
  ...EMIT_WORDS,
  ...CADENCE_WORDS,
  depends_on: "what a model reads is found in its SQL",
});

/** Whether it is worth looking for comments at all. */
const NAMED = /tarn/i;
const OPENING = /^\/\*+\s*tarn\b:?/i;
/** `-- tarn` alone on its line, or with a setting behind it. */
const LINE_SETTING = /^--+\s*tarn\b\s*:?\s*(?:$|\w+\s*:)/i;

/** Raised when the same text comes to mean another result, so that models run again. */
const HASH_VERSION = 2;

/** JSON Schema (draft-07) of a model's front comment, from the description that validates it. */
export function modelSchema(): JsonObject {
  return FRONT.schema;
}

/**
 * Parses `models/<layer>/…/<name>.sql`, or a file whose model is named otherwise. Never throws for what the file says:
 * errors carry their place.
 */
export function parseModel(
  file: string,
  source: string,
  context: ParseContext,
  given?: ModelName,
): ParsedModel {
  const text = source.replaceAll("\r\n", "\n");
  const named = given === undefined ? nameFromPath(file) : nameFrom(file, given);
  if (named instanceof LakeError) return { model: null, errors: [named] };
  let front: Front;
  try {
    front = splitFront(text, file, context.commentsOf);
  } catch (thrown) {
    if (thrown instanceof LakeError) return { model: null, errors: [thrown] };
    throw thrown;
  }
  const tooLong = text.length > SQL_CHARS_MAX;
  if (tooLong || front.sql.trim() === "") {
    const message = tooLong ? `longer than ${SQL_CHARS_MAX} characters` : "the model has no SELECT";
    const place = { file, line: front.sqlLine, column: 1 };
    return { model: null, errors: [new LakeError("config", message, { place, page: "T0111" })] };
  }
  const parsed = context.parseYaml(front.yaml ?? "");
  const at = { text, file, parsed, offset: front.yamlOffset };
  const syntax = parsed.problems.map((problem) => syntaxError(problem, at));
  if (syntax.length > 0) return { model: null, errors: syntax.slice(0, 1) };
  const issues: Issue[] = [];
  const cursor: Cursor = { path: [], issues };
  const values = FRONT.read(parsed.data ?? {}, cursor);
  const model =
    values === undefined
      ? null
      : assemble({ ...named, file, text, front }, values, context, cursor);
  const errors = [
    ...issues.map((issue) => issueError(issue, at)),
    ...unboundErrors(front, file, context),
  ];
  return { model: errors.length > 0 ? null : model, errors };
}

/** A front that ends within the line of its schedule. */
const CUT_SCHEDULE = /(?:^|\n)[ \t]*schedule[ \t]*:[^\n]*$/;

/**
 * Splits a model file (with `\n` line ends) into front comment and query. Other comments, blank lines and a byte order
 * mark may stand before the front. Throws `config` for a front without an end, and for settings that stand where they
 * would not count.
 */
export function splitFront(text: string, file: string, commentsOf: CommentsOf): Front {
  const front = frontOf(text, file, commentsOf);
  // The query alone: a front may hold what is no SQL.
  const queryOffset = front.yaml === null ? 0 : front.yamlOffset + front.yaml.length + 2;
  const query = text.slice(queryOffset);
  if (front.yaml !== null && CUT_SCHEDULE.test(front.yaml) && /^\d/.test(query)) {
    const place = { offset: queryOffset - 2, length: 2 };
    throw new LakeError("config", "*/ in schedule ends the comment that the settings stand in", {
      hint: "write the range as well: 0-59/5 * * * * is every five minutes, 0 0-23/2 * * * every two hours",
      place: placeAt(text, file, place),
      page: "T0110",
    });
  }
  if (!NAMED.test(query)) return front;
  for (const span of commentsOf(query)) {
    const comment = query.slice(span.offset, span.offset + span.length);
    if (!OPENING.test(comment) && !LINE_SETTING.test(comment)) continue;
    const [line = ""] = comment.split("\n");
    const place = { offset: queryOffset + span.offset, length: line.length };
    throw new LakeError("config", misplaced(comment, front), {
      hint: "settings stand in one comment, /* tarn … */, before the query; begin another one with another word",
      place: placeAt(text, file, place),
      page: "T0110",
    });
  }
  return front;
}

/** Comments before the query that read like a setting and are none, with their lines. */
export function strayRemarks(
  text: string,
): readonly { readonly line: number; readonly text: string }[] {
  const found: { readonly line: number; readonly text: string }[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const remark = line.trim();
    if (remark !== "" && !remark.startsWith("--")) break;
    const name = /^--+\s*(\w+)\s*:\s*\S/.exec(remark)?.[1] ?? "";
    // A description is one wherever people read it.
    if (name !== "description" && Object.hasOwn(FRONT_KEYS, name))
      found.push({ line: index + 1, text: remark });
  }
  return found;
}

/**
 * Text of what decides a model's rows, and whose hash names its version: query, kind, keys, checks, partition.
 * `canonicalSql` is the query without its comments and its layout.
 */
export function modelMeaning(
  model: Omit<
    Model,
    "hash" | "text" | "kept" | "variables" | "macros" | "puts" | "uses" | "file" | "sqlLine" | "sql"
  >,
  canonicalSql: string,
): string {
  return JSON.stringify({
    version: HASH_VERSION,
    name: model.name,
    kind: model.kind,
    sql: canonicalSql,
    key: model.key,
    latestBy: model.latestBy,
    expectations: model.expectations.map(({ name, sql, action, onNull, thresholds }) =>
      withLimits([name, sql, action, onNull], thresholds),
    ),
    tests: model.tests.map((test) =>
      test.kind === "unique"
        ? withLimits([test.kind, test.columns, test.severity], test.thresholds)
        : withLimits([test.kind, test.column, test.to, test.field, test.severity], test.thresholds),
    ),
    partition: model.partition,
    // What a text meant before there were these it still means.
    ...(model.onSchemaChange === null ? {} : { onSchemaChange: model.onSchemaChange }),
    ...(model.deletedWhen === null ? {} : { deletedWhen: model.deletedWhen }),
    ...(model.cdc === null ? {} : { cdc: model.cdc }),
    ...(model.windows === null ? {} : { windows: model.windows }),
    ...(model.closing === null ? {} : { closing: closingMeaning(model.closing) }),
    ...(model.step === null ? {} : { step: stepMeaning(model.step) }),
    ...(model.lookup === null ? {} : { lookup: lookupMeaning(model.lookup) }),
  });
}

/** What a text meant before there were thresholds it still means. */
function withLimits(parts: readonly unknown[], thresholds?: Thresholds): readonly unknown[] {
  return thresholds === undefined ? parts : [...parts, thresholds];
}

type FrontValues = NonNullable<ReturnType<typeof FRONT.read>>;

function assemble(
  source: {
    readonly name: string;
    readonly layer: string;
    readonly file: string;
    readonly text: string;
    readonly front: Front;
  },
  values: FrontValues,
  context: ParseContext,
  cursor: Cursor,
): Model {
  const { quote, canonicalSql, sha256 } = context;
  const onFail = context.onFailOf(source.layer);
  const query = bindSql(source.front.sql, context);
  const used = new Map(query.used);
  const called = new Set(query.macros);
  const bind = conditionsWith(context, used, called);
  const inTests = below(cursor, "tests");
  const checks = checksFrom(values.tests ?? [], { quote, onFail, bind }, inTests);
  checkKind(values, cursor);
  if (source.layer === ANSWERS_LAYER && values.kind !== "lookup") refuseLayer(values.kind, cursor);
  const isKeyed = values.kind === "cdc" || values.kind === "snapshot";
  // Of another kind, types of columns are no choice of them.
  const isChoice = isKeyed || values.columns?.types === null;
  const feed = { ...values, columns: isChoice ? (values.columns?.names ?? null) : null };
  const cdc =
    values.kind === "cdc" ? cdcFrom(feed, cursor) : isKeyed ? snapshotFrom(feed, cursor) : null;
  refuseFeedSettings(values.kind, feed, cursor);
  const windows = windowsFrom(values.kind, values, cursor);
  const meaning = {
    name: source.name,
    kind: values.kind,
    sql: query.sql,
    key: isKeyed ? values.keys : values.key,
    cdc,
    windows,
    latestBy: values.latest_by,
    closing: closingFrom(values, cursor),
    lookup: lookupFrom(values, source.layer, cursor),
    step: stepFrom(values, context.fileHash ?? (() => null), cursor),
    deletedWhen: deletedWhen(values, bind, cursor),
    expectations: checks.expectations,
    tests: checks.tests,
    uses: checks.uses,
    partition: values.partition,
    formatVersion: formatFrom(values.format_version),
    forwardOnly: values.forward_only,
    onSchemaChange: onSchemaChangeFrom(values.kind, values.on_schema_change, cursor),
    contract: contractFrom(values.kind, values, cursor),
    tags: values.tags,
    owner: values.owner,
    grain: values.grain,
    description: values.description,
    cadence: cadenceFrom(values, cursor),
    onFailure: values.on_failure,
  };
  const { file, text, front } = source;
  const hash = sha256(modelMeaning(meaning, canonicalSql(query.sql)));
  const macros = [...called].sort().flatMap((name) => context.macros.get(name) ?? []);
  const texts = macros.map((macro) => macro.text);
  const kept = withValues(text, used, texts);
  const bound = { kept, variables: used, macros, puts: query.puts };
  return { ...meaning, ...bound, text, file, sqlLine: front.sqlLine, hash };
}

/** Binds a condition of `tests:`; what it uses is added to `used`. */
function conditionsWith(
  context: ParseContext,
  used: Map<string, string>,
  called: Set<string>,
): BindCondition {
  return (sql) => {
    const bound = bindSql(sql, context);
    for (const [name, value] of bound.used) used.set(name, value);
    for (const name of bound.macros) called.add(name);
    const [problem] = bound.problems;
    return problem === undefined ? { sql: bound.sql } : { problem };
  };
}

/** Variables of the query that nobody declares. */
function unboundErrors(front: Front, file: string, context: ParseContext): LakeError[] {
  const { problems } = bindSql(front.sql, context);
  return problems.map(({ offset, length, message, hint, page }) => {
    const place = placeAt(front.sql, file, { offset, length });
    const inFile = { ...place, line: place.line + front.sqlLine - 1 };
    return new LakeError("config", message, { hint, place: inFile, page });
  });
}

/** The condition with its variables bound; reports what is wrong with it. */
function deletedWhen(values: FrontValues, bind: BindCondition, cursor: Cursor): string | null {
  const { deleted_when: condition, kind } = values;
  if (condition === null) return null;
  const at = below(cursor, "deleted_when");
  if (!isMerged(kind)) {
    const hint =
      kind === "cdc" ? 'did you mean "apply_as_delete"?' : "write kind: merge or delete_insert";
    report(at, `deleted_when means nothing for kind ${kind}`, hint, "key");
  }
  const bound = bind(condition);
  if ("sql" in bound) return bound.sql;
  report(at, bound.problem.message, bound.problem.hint);
  return condition;
}

/** Landing owns the layer of what came from outside, and so do answers. */
function refuseLayer(kind: string, cursor: Cursor): void {
  const hint =
    "models go to silver, gold or a layer of your own; answers of kind: lookup are kept there";
  report(below(cursor, "kind"), `a model of kind ${kind} cannot write into ${ANSWERS_LAYER}`, hint);
}

/** Settings that contradict the kind. */
function checkKind(values: FrontValues, cursor: Cursor): void {
  if (isMerged(values.kind) && values.key.length === 0) {
    const message = `a ${values.kind} needs a key`;
    report(below(cursor, "kind"), message, "add a line such as: key: order_id");
  }
  if (values.kind === "insert_overwrite" && values.partition.length === 0) {
    const hint = "add a line such as: partition: day(ordered_at)";
    report(below(cursor, "kind"), "an insert_overwrite needs a partition", hint);
  }
  if (!isMerged(values.kind) && values.latest_by.length > 0) {
    const message = `latest_by means nothing for kind ${values.kind}`;
    const hint =
      values.kind === "cdc"
        ? 'did you mean "sequence_by"?'
        : "write kind: merge or delete_insert, or drop latest_by";
    report(below(cursor, "latest_by"), message, hint, "key");
  }
  const isFeed = values.kind === "cdc" || values.kind === "snapshot";
  if (isFeed && values.key.length > 0) {
    const message = `key means nothing for kind ${values.kind}`;
    report(below(cursor, "key"), message, 'did you mean "keys"?', "key");
  }
  if (values.forward_only && values.kind !== "append" && !isMerged(values.kind)) {
    const message = `forward_only means nothing for kind ${values.kind}: all of its rows are computed anew`;
    report(
      below(cursor, "forward_only"),
      message,
      "it is for append, merge and delete_insert",
      "key",
    );
  }
  if (!isInlined(values.kind)) return;
  for (const key of [
    "key",
    "tests",
    "partition",
    "format_version",
    "schedule",
    "every",
    "target_lag",
  ] as const) {
    const value = values[key] ?? [];
    if (Array.isArray(value) && value.length === 0) continue;
    const what = values.kind === "view" ? "a view" : "an ephemeral model";
    const message = `${key} means nothing for ${what}: it stores no rows`;
    report(
      below(cursor, key),
      message,
      "write kind: full, or move it to a model that reads this",
      "key",
    );
  }
}

/** `models/silver/finance/orders.sql` is `silver.orders`: folders between layer and file only group. */
function nameFromPath(file: string): { readonly layer: string; readonly name: string } | LakeError {
  const parts = file.split("/");
  const [root, layer] = parts;
  const stem = (parts.at(-1) ?? "").replace(/\.sql$/i, "");
  const wrong = (message: string, hint: string): LakeError =>
    new LakeError("config", message, { hint, place: { file, line: 1, column: 1 }, page: "T0112" });
  if (root !== MODELS_FOLDER || layer === undefined || parts.length < 3) {
    return wrong(
      `${file} is in no layer`,
      `move it to ${MODELS_FOLDER}/silver/${namePartFrom(stem)}.sql or another layer`,
    );
  }
  return nameFrom(file, { layer, name: stem });
}

function nameFrom(file: string, { layer, name: stem }: ModelName) {
  const wrong = (message: string, hint: string): LakeError =>
    new LakeError("config", message, { hint, place: { file, line: 1, column: 1 }, page: "T0112" });
  if (RESERVED_LAYERS.includes(layer) || layer.endsWith("_quarantine")) {
    return wrong(
      `a model cannot write into ${layer}`,
      "models go to silver, gold or a layer of your own",
    );
  }
  for (const part of [layer, stem]) {
    if (part === namePartFrom(part)) continue;
    return wrong(`"${part}" cannot be a table's name`, `rename it to "${namePartFrom(part)}"`);
  }
  return { layer, name: `${layer}.${stem}` };
}

function syntaxError(
  problem: ParsedYaml["problems"][number],
  at: Parameters<typeof issueError>[1],
): LakeError {
  const issue: Issue = {
    path: [],
    at: "value",
    severity: "error",
    message: `the front comment is not YAML: ${problem.message}`,
    hint: "settings stand one a line, as key: value",
  };
  return issueError(issue, { ...at, parsed: { ...at.parsed, spanOf: () => problem.span } });
}

function misplaced(comment: string, front: Front): string {
  if (comment.startsWith("--")) return "settings in a -- comment do not count";
  return front.yaml === null
    ? "settings that stand in or behind the query do not count"
    : "settings stand in two comments, and only the first counts";
}

function frontOf(text: string, file: string, commentsOf: CommentsOf): Front {
  const start = frontOffset(text, commentsOf);
  if (start === null) return { yaml: null, yamlOffset: 0, ...queryFrom(text, 0) };
  const opening = OPENING.exec(text.slice(start)) ?? [""];
  const yamlOffset = start + opening[0].length;
  const end = text.indexOf("*/", yamlOffset);
  if (end < 0) {
    throw new LakeError("config", "the front comment has no end", {
      hint: "close it with */ on a line before the SELECT",
      place: placeAt(text, file, { offset: start, length: opening[0].length }),
      page: "T0110",
    });
  }
  return { yaml: text.slice(yamlOffset, end), yamlOffset, ...queryFrom(text, end + 2) };
}

/** Where the front comment starts, behind blanks and other comments; null when something else is first. */
function frontOffset(text: string, commentsOf: CommentsOf): number | null {
  if (!NAMED.test(text)) return null;
  let end = text.startsWith("\uFEFF") ? 1 : 0;
  for (const { offset, length } of commentsOf(text)) {
    if (text.slice(end, offset).trim() !== "") return null;
    if (OPENING.test(text.slice(offset, offset + length))) return offset;
    end = offset + length;
  }
  return null;
}

/** The query from an offset on: blank lines before it are skipped, its first line keeps its columns. */
function queryFrom(text: string, offset: number): { sql: string; sqlLine: number } {
  const start = offset === 0 && text.startsWith("\uFEFF") ? 1 : offset;
  const blank = /^\s*/.exec(text.slice(start))?.[0].length ?? 0;
  const first = start + blank;
  const lineStart = text.lastIndexOf("\n", first - 1) + 1;
  const padding = " ".repeat(first - lineStart);
  const body = text.slice(first).trimEnd();
  const bare = body.endsWith(";") ? body.slice(0, -1).trimEnd() : body;
  return {
    sql: bare === "" ? "" : padding + bare,
    sqlLine: text.slice(0, first).split("\n").length,
  };
}
