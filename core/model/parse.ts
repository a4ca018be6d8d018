/** A model from its file: name from the path, settings from the front comment, the rest is the SELECT. */

import { LakeError } from "../base/errors.ts";
import {
  below,
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
import { namePartFrom } from "../table/name.ts";
import { parsePartitionText } from "../table/partition.ts";
import { checksFrom, type SqlQuote, TESTS } from "./checks.ts";
import {
  type CommentsOf,
  type Front,
  issueError,
  type ParsedYaml,
  type ParseYaml,
  splitFront,
} from "./front.ts";
import { modelMeaning } from "./meaning.ts";
import type { Model, ViolationAction } from "./model.ts";

export interface ParseContext {
  readonly parseYaml: ParseYaml;
  readonly quote: SqlQuote;
  /** Equal for texts that differ in comments and layout only. */
  readonly canonicalSql: (sql: string) => string;
  readonly commentsOf: CommentsOf;
  /** Hexadecimal. */
  readonly sha256: (text: string) => string;
  /** `on_fail` of a layer, only when tarn.yaml writes one. */
  readonly onFailOf: (layer: string) => ViolationAction | null;
}

export interface ParsedModel {
  /** Null when there are errors. */
  readonly model: Model | null;
  readonly errors: readonly LakeError[];
}

export const MODELS_FOLDER = "models";
/** Layers that models cannot write: landing owns bronze, and the rest have another meaning in SQL. */
const RESERVED_LAYERS = "bronze lake main temp system pg_catalog information_schema".split(" ");

const NO_TEXTS: readonly string[] = [];
const NO_TEXT: string | null = null;
const PARTITION = text({
  check: (value) => {
    const result = parsePartitionText(value);
    return result.kind === "invalid" ? result.reason : null;
  },
});

const FRONT = object(
  {
    kind: optional(
      oneOf(["view", "full", "append", "merge"], {
        table: "full",
        incremental: "merge",
        upsert: "merge",
        ephemeral: "view",
      }),
      "full",
      "How rows become the table: view, full (default), append, or merge by key.",
    ),
    key: optional(list(text({})), NO_TEXTS, "Columns that name a row; needed by merge."),
    latest_by: optional(list(text({})), NO_TEXTS, "Columns by which the latest row of a key wins."),
    tests: optional(nullable(TESTS), null, "What must hold of the rows."),
    partition: optional(
      list(PARTITION),
      NO_TEXTS,
      "Partition transforms, such as day(ordered_at).",
    ),
    tags: optional(list(text({})), NO_TEXTS, "Words to select the model by."),
    description: optional(nullable(text({})), NO_TEXT, "What a row of the model is."),
  },
  {
    materialized: 'did you mean "kind"?',
    unique_key: 'did you mean "key"?',
    primary_key: 'did you mean "key"?',
    partition_by: 'did you mean "partition"?',
    updated_at: 'did you mean "latest_by"?',
    name: "a model is named by its path: models/<layer>/<name>.sql",
    schema: "a model is named by its path: models/<layer>/<name>.sql",
    ...Object.fromEntries(
      ["expect", "not_null", "unique", "accepted", "relationships"].map((check) => [
        check,
        `a check is an item of the list "tests": - ${check}: …`,
      ]),
    ),
    depends_on: "what a model reads is found in its SQL",
  },
);

type FrontValues = NonNullable<ReturnType<typeof FRONT.read>>;

/** Parses `models/<layer>/…/<name>.sql`. Never throws for what the file says: errors carry their place. */
export function parseModel(file: string, source: string, context: ParseContext): ParsedModel {
  const text = source.replaceAll("\r\n", "\n");
  const named = nameFromPath(file);
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
  const errors = issues.map((issue) => issueError(issue, at));
  return { model: errors.length > 0 ? null : model, errors };
}

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
  const checks = checksFrom(values.tests ?? [], { quote, onFail }, below(cursor, "tests"));
  checkKind(values, cursor);
  const meaning = {
    name: source.name,
    kind: values.kind,
    sql: source.front.sql,
    key: values.key,
    latestBy: values.latest_by,
    expectations: checks.expectations,
    tests: checks.tests,
    partition: values.partition,
    tags: values.tags,
    description: values.description,
  };
  const { file, text, front } = source;
  const hash = sha256(modelMeaning(meaning, canonicalSql(front.sql)));
  return { ...meaning, text, file, sqlLine: front.sqlLine, hash };
}

/** Settings that contradict the kind. */
function checkKind(values: FrontValues, cursor: Cursor): void {
  if (values.kind === "merge" && values.key.length === 0) {
    report(below(cursor, "kind"), "a merge needs a key", "add a line such as: key: order_id");
  }
  if (values.kind !== "merge" && values.latest_by.length > 0) {
    const message = `latest_by means nothing for kind ${values.kind}`;
    report(below(cursor, "latest_by"), message, "write kind: merge, or drop latest_by", "key");
  }
  if (values.kind !== "view") return;
  for (const key of ["key", "tests", "partition"] as const) {
    if ((values[key] ?? []).length === 0) continue;
    const message = `${key} means nothing for a view: it stores no rows`;
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
