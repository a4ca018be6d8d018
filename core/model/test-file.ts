/** Tests that are queries of the project's own: `tests/NAME.sql`, and with parameters `tests/generic/NAME.sql`. */

import { LakeError, type Place } from "../base/errors.ts";
import { nearestWord, suggestion } from "../base/suggest.ts";
import { issueError, placeAt } from "../config/place.ts";
import {
  type Cursor,
  type Issue,
  list,
  mapOf,
  nullable,
  object,
  oneOf,
  optional,
  type Shape,
  text,
} from "../config/shape.ts";
import { type Literal, literalOf } from "../config/variables.ts";
import { splitName } from "../table/name.ts";
import { SEVERITY_KEYS } from "./checks.ts";
import type { Model, TestUse } from "./model.ts";
import { type ParseContext, splitFront } from "./parse.ts";
import type { Thresholds } from "./threshold.ts";
import {
  bindSql,
  type Put,
  VARIABLE_TYPES,
  type Variable,
  type VariableType,
} from "./variables.ts";

export const TESTS_FOLDER = "tests";
export const GENERIC_FOLDER = "tests/generic";
export const UNIT_FOLDER = "tests/unit";

/** A query that answers what must not be, with its variables bound. */
export interface QueryTest {
  readonly name: string;
  readonly file: string;
  /** Line of the file where the query starts, from 1. */
  readonly sqlLine: number;
  readonly puts: readonly Put[];
  readonly sql: string;
  readonly severity: "warn" | "fail";
  readonly thresholds: Thresholds;
  readonly tags: readonly string[];
  readonly description: string | null;
  /** The model that it is a test of; null where its query alone says what it is about. */
  readonly model: Model | null;
  /** It is of a kind that is used on many tables; absent: it is where it is of a model. */
  readonly isGeneric?: boolean;
  /** As of a model. */
  readonly lines?: readonly number[];
}

type ParamType = VariableType | "column" | "columns" | "table";

interface Param {
  /** Null: as the value is written. */
  readonly type: ParamType | null;
  /** Undefined: it has to be given. */
  readonly value: unknown;
}

/** A query with parameters, to be used by models. */
export interface GenericTest {
  readonly name: string;
  readonly file: string;
  readonly sqlLine: number;
  readonly sql: string;
  readonly params: ReadonlyMap<string, Param>;
  readonly severity: "warn" | "fail";
  readonly thresholds: Thresholds;
  readonly tags: readonly string[];
  readonly description: string | null;
}

const NO_TEXTS: readonly string[] = [];
const NO_TEXT: string | null = null;
const PARAM_TYPES = [...VARIABLE_TYPES, "column", "columns", "table"] as const;
const ANYTHING: Shape<unknown> = { schema: {}, read: (value) => value, spell: () => null };

const PARAM = object({
  type: optional(nullable(oneOf(PARAM_TYPES)), null, "What it takes. Default: as it is written."),
  default: optional(
    ANYTHING,
    undefined,
    "What it is where a model does not say. Default: must be.",
  ),
});

const FRONT_KEYS = {
  ...SEVERITY_KEYS,
  tags: optional(list(text({})), NO_TEXTS, "Words to select the test by."),
  description: optional(nullable(text({})), NO_TEXT, "What must not be."),
};
const FRONT = object(FRONT_KEYS, { params: "a test with parameters lies in tests/generic/" });
const GENERIC_FRONT = object({
  ...FRONT_KEYS,
  params: optional(mapOf(PARAM), new Map(), "Its parameters, which the query names as $NAME."),
});

interface Read<T> {
  readonly test: T | null;
  readonly errors: readonly LakeError[];
}

/** A file of `tests/`. Never throws for what it says. */
export function parseQueryTest(
  file: string,
  source: string,
  context: ParseContext,
): Read<QueryTest> {
  const read = readFront(file, source, context, FRONT);
  if (read.values === null) return { test: null, errors: read.errors };
  const { front, values } = read;
  const bound = bindSql(front.sql, context);
  const errors = bound.problems.map(({ message, hint, page, ...span }) => {
    const place = inQuery(file, front, span);
    return new LakeError("config", message, { hint, place, page });
  });
  const { sql, puts } = bound;
  const shared = { file, sqlLine: front.sqlLine, model: null, ...gravity(values) };
  const test = { name: nameOf(file, TESTS_FOLDER), sql, puts, ...shared };
  return { test: errors.length > 0 ? null : test, errors };
}

/** A file of `tests/generic/`; its variables are bound where a model uses it. */
export function parseGenericTest(
  file: string,
  source: string,
  context: ParseContext,
): Read<GenericTest> {
  const read = readFront(file, source, context, GENERIC_FRONT);
  if (read.values === null) return { test: null, errors: read.errors };
  const { front, values } = read;
  const params = new Map(
    [...values.params].map(([name, param]) => [name, { type: param.type, value: param.default }]),
  );
  const { sql, sqlLine } = front;
  const name = nameOf(file, GENERIC_FOLDER);
  return { test: { name, file, sql, sqlLine, params, ...gravity(values) }, errors: [] };
}

/** A test of the project as one model uses it: its parameters are literals, quoted names of columns and tables. */
export function useOf(
  model: Model,
  use: TestUse,
  generics: ReadonlyMap<string, GenericTest>,
  context: ParseContext,
  placeOf: (word: string) => Place,
): Read<QueryTest> {
  const generic = generics.get(use.test);
  const wrong = (message: string, hint: string, word: string): LakeError =>
    new LakeError("config", message, { hint, place: placeOf(word), page: "T0108" });
  if (generic === undefined) {
    const names = [...generics.keys()];
    const near = nearestWord(use.test, names);
    const hint =
      near === null ? `write ${GENERIC_FOLDER}/${use.test}.sql` : `did you mean "${near}"?`;
    return { test: null, errors: [wrong(`there is no test "${use.test}"`, hint, use.test)] };
  }
  const errors: LakeError[] = [];
  const params = [...generic.params.keys()];
  for (const name of use.values.keys()) {
    if (generic.params.has(name)) continue;
    const hint = suggestion(name, params, "parameters");
    errors.push(wrong(`${use.test} has no parameter "${name}"`, hint, name));
  }
  const variables = new Map<string, Variable>(context.variables);
  variables.set("model", { type: "text", sql: quotedTable(model.name, context) });
  for (const [name, param] of generic.params) {
    const value = use.values.has(name) ? use.values.get(name) : param.value;
    const literal = argumentOf(value, param.type, context);
    if (!("wrong" in literal)) variables.set(name, literal);
    else
      errors.push(
        wrong(`${use.test}: ${name}: ${literal.wrong}`, `with: { ${name}: … }`, use.test),
      );
  }
  if (errors.length > 0) return { test: null, errors };
  const bound = bindSql(generic.sql, { ...context, variables });
  const problems = bound.problems.map(({ message, hint, page, ...span }) => {
    const place = inQuery(generic.file, generic, span);
    return new LakeError("config", message, { hint, place, page });
  });
  const { file, sqlLine, tags, description } = generic;
  const given = [...use.values].map(([key, value]) => `${key}: ${String(value)}`).join(", ");
  const test = {
    ...{ name: use.name ?? `${use.test}(${given})`, file, sqlLine, tags, description, model },
    ...{ sql: bound.sql, puts: bound.puts },
    severity: use.severity ?? generic.severity,
    thresholds: { ...generic.thresholds, ...use.thresholds },
  };
  return { test: problems.length > 0 ? null : test, errors: problems };
}

function argumentOf(value: unknown, type: ParamType | null, context: ParseContext): Literal {
  const { quote } = context;
  if (value === undefined || value === null) return { wrong: "it has to be given" };
  if (type === "column" || type === "columns") {
    const names: readonly unknown[] = Array.isArray(value) ? value : [value];
    const isNames = names.length > 0 && names.every((name) => typeof name === "string");
    if (!isNames || (type === "column" && names.length > 1)) {
      return {
        wrong: type === "column" ? "it is the name of a column" : "they are names of columns",
      };
    }
    return { type: "text", sql: names.map((name) => quote.identifier(String(name))).join(", ") };
  }
  if (type !== "table") return literalOf(value, type, quote.literal);
  if (typeof value !== "string") return { wrong: "it is the name of a table" };
  return { type: "text", sql: quotedTable(value, context) };
}

function quotedTable(name: string, { quote }: ParseContext): string {
  if (!name.includes(".")) return quote.identifier(name);
  const { namespace, table } = splitName(name);
  return `${quote.identifier(namespace)}.${quote.identifier(table)}`;
}

function readFront<T>(file: string, source: string, context: ParseContext, shape: Shape<T>) {
  const all = source.replaceAll("\r\n", "\n");
  try {
    const front = splitFront(all, file, context.commentsOf);
    if (front.sql.trim() === "") {
      const place = { file, line: front.sqlLine, column: 1 };
      const error = new LakeError("config", "the test has no SELECT", { place, page: "T0111" });
      return { values: null, errors: [error] };
    }
    const parsed = context.parseYaml(front.yaml ?? "");
    const at = { text: all, file, parsed, offset: front.yamlOffset };
    const issues: Issue[] = parsed.problems.slice(0, 1).map(({ message }) => {
      return { path: [], at: "value", severity: "error", message, hint: null };
    });
    const cursor: Cursor = { path: [], issues };
    const values = issues.length > 0 ? undefined : shape.read(parsed.data ?? {}, cursor);
    if (values !== undefined && issues.length === 0) return { front, values, errors: [] };
    return { values: null, errors: issues.map((issue) => issueError(issue, at)) };
  } catch (thrown) {
    if (thrown instanceof LakeError) return { values: null, errors: [thrown] };
    throw thrown;
  }
}

function gravity(values: NonNullable<ReturnType<typeof FRONT.read>>) {
  const { severity, warn_if: warnIf, error_if: errorIf, tags, description } = values;
  const thresholds: Thresholds = {
    ...(warnIf === null ? {} : { warnIf }),
    ...(errorIf === null ? {} : { errorIf }),
  };
  return {
    severity: severity === "warn" ? "warn" : "fail",
    thresholds,
    tags,
    description,
  } as const;
}

/** `tests/finance/totals.sql` is `finance/totals`. */
function nameOf(file: string, folder: string): string {
  return file.slice(folder.length + 1).replace(/\.sql$/i, "");
}

function inQuery(
  file: string,
  { sql, sqlLine }: { readonly sql: string; readonly sqlLine: number },
  span: { readonly offset: number; readonly length: number },
): Place {
  const place = placeAt(sql, file, span);
  return { ...place, line: place.line + sqlLine - 1 };
}
