/** `vars:` and `environments:` of tarn.yaml: values that SQL names, typed, and others of them by environment. */

import { LakeError } from "../base/errors.ts";
import { nearestWord, suggestion } from "../base/suggest.ts";
import {
  VARIABLE_TYPES,
  type Variable,
  type Variables,
  type VariableType,
} from "../model/variables.ts";
import {
  below,
  type Cursor,
  isRecord,
  mapOf,
  nullable,
  object,
  oneOf,
  optional,
  report,
  type Shape,
  shown,
  text,
} from "./shape.ts";

/** What `--env` and `--var` say. */
export interface VariableChoice {
  /** Null: none was chosen. */
  readonly environment: string | null;
  /** How the environment was named, for messages. */
  readonly by: "--env" | "TARN_ENV";
  /** `name=value`, as given. */
  readonly given: readonly string[];
}

export const NO_CHOICE: VariableChoice = { environment: null, by: "--env", given: [] };

export type Declared = {
  readonly type: VariableType | null;
  readonly value: unknown;
};

export interface EnvironmentValues {
  readonly vars: ReadonlyMap<string, unknown>;
}

/** How `vars:` and `environments:` are read, and what they come to. */
export interface VariableReader {
  readonly vars: Shape<ReadonlyMap<string, Declared>>;
  readonly environments: Shape<ReadonlyMap<string, EnvironmentValues>>;
  resolve(
    vars: ReadonlyMap<string, Declared>,
    environments: ReadonlyMap<string, EnvironmentValues>,
    cursor: Cursor,
  ): Variables;
  /** What of the choice cannot be, as of the last `resolve`. */
  readonly refused: readonly LakeError[];
}

/** How a text is written in SQL; cmd brings sql/syntax/quote.ts. */
export type QuoteText = (value: string) => string;

const NO_VALUES: ReadonlyMap<string, unknown> = new Map();

const VALUE: Shape<unknown> = {
  schema: { type: ["string", "number", "boolean", "array"] },
  read: (value, cursor) => (isRecord(value) ? report(cursor, "expected a value, got keys") : value),
  spell: () => null,
};

const DECLARED = object({
  type: optional(
    nullable(
      oneOf(VARIABLE_TYPES, {
        string: "text",
        varchar: "text",
        integer: "number",
        decimal: "number",
        bool: "boolean",
        array: "list",
        datetime: "timestamp",
      }),
    ),
    null,
    "What its values are. Default: as its value is written; a day is a date.",
  ),
  value: optional(
    VALUE,
    null,
    "The value where no environment and no --var says another. Default: one has to.",
  ),
  description: optional(nullable(text({})), null, "What it is for."),
});

const ENVIRONMENT = object({
  vars: optional(mapOf(VALUE, checkName), NO_VALUES, "Values of variables in this environment."),
});

/** `choice` is what the command line and the process say. */
export function variableReader(choice: VariableChoice, quote: QuoteText): VariableReader {
  const refused: LakeError[] = [];
  return {
    vars: mapOf(declared(), checkName),
    environments: mapOf(ENVIRONMENT, checkEnvironment),
    resolve: (vars, environments, cursor) => {
      // Data may be read twice: once more where something in it has to be pointed at.
      refused.length = 0;
      return resolve({ vars, environments, cursor, choice, quote, refused });
    },
    refused,
  };
}

interface Job {
  readonly vars: ReadonlyMap<string, Declared>;
  readonly environments: ReadonlyMap<string, EnvironmentValues>;
  readonly cursor: Cursor;
  readonly choice: VariableChoice;
  readonly quote: QuoteText;
  readonly refused: LakeError[];
}

function resolve(job: Job): Variables {
  const { vars, environments, cursor, choice, quote } = job;
  const result = new Map<string, Variable>();
  const inVars = below(cursor, "vars");
  for (const [name, { type, value }] of vars) {
    const literal = value === null ? null : literalOf(value, type, quote);
    if (literal !== null && "wrong" in literal) report(below(inVars, name), literal.wrong);
    else result.set(name, literal ?? { type: type ?? "text", sql: null });
  }
  for (const [environment, { vars: values }] of environments) {
    const at = below(below(below(cursor, "environments"), environment), "vars");
    for (const [name, value] of values) {
      const known = result.get(name);
      if (known === undefined) {
        if (!vars.has(name)) report(below(at, name), ...unknown(name, vars), "key");
        continue;
      }
      const literal = literalOf(value, known.type, quote);
      if ("wrong" in literal) report(below(at, name), literal.wrong);
      else if (environment === choice.environment) result.set(name, literal);
    }
  }
  chosen(job);
  for (const given of choice.given) {
    const found = givenLiteral(job, given, result);
    if (found instanceof LakeError) job.refused.push(found);
    else result.set(found.name, found.literal);
  }
  return result;
}

function givenLiteral(
  { vars, quote }: Job,
  given: string,
  variables: Variables,
): { readonly name: string; readonly literal: Variable } | LakeError {
  const equals = given.indexOf("=");
  if (equals < 1) {
    return new LakeError("usage", `--var ${given} is not NAME=VALUE`, {
      hint: "--var region=north; several are several --var",
    });
  }
  const name = given.slice(0, equals).trim();
  const known = variables.get(name);
  if (known === undefined) {
    const [message, hint] = unknown(name, vars);
    return new LakeError("usage", `--var ${given}: ${message}`, { hint });
  }
  const value = givenValue(given.slice(equals + 1), known);
  const literal = literalOf(value, known.type, quote, known.item);
  if (!("wrong" in literal)) return { name, literal };
  return new LakeError("usage", `--var ${given}: ${literal.wrong}`);
}

/** An environment that nobody declares is a misspelt one. */
function chosen({ environments, refused, choice: { environment, by } }: Job): void {
  if (environment === null || environments.has(environment)) return;
  const names = [...environments.keys()];
  const near = nearestWord(environment, names);
  const known =
    names.length === 0
      ? `declare it in tarn.yaml: environments: { ${environment}: { vars: … } }`
      : suggestion(environment, names, "environments");
  const hint = near === null ? known : `did you mean "${near}"?`;
  const message = `${by} ${environment}: there is no such environment`;
  refused.push(new LakeError("usage", message, { hint }));
}

function unknown(name: string, vars: ReadonlyMap<string, Declared>): [string, string] {
  const names = [...vars.keys()];
  const near = nearestWord(name, names);
  const known = names.length === 0 ? `vars: { ${name}: … }` : suggestion(name, names, "variables");
  const hint = near === null ? `declare it in tarn.yaml; ${known}` : `did you mean "${near}"?`;
  return [`there is no variable "${name}"`, hint];
}

/** On a command line a list is its items, between commas. */
function givenValue(value: string, { type }: Variable): unknown {
  if (type !== "list") return value;
  return value.trim() === "" ? [] : value.split(",").map((item) => item.trim());
}

export type Literal = Variable | { readonly wrong: string };

/** A value as a literal of its type; of none, as it is written. */
export function literalOf(
  value: unknown,
  type: VariableType | null,
  quote: QuoteText,
  item?: VariableType,
): Literal {
  const meant = type ?? (Array.isArray(value) ? "list" : itemType(value));
  const wrong = { wrong: `${shown(value)} is no ${meant}` };
  if (meant === "list") return Array.isArray(value) ? listOf(value, quote, item) : wrong;
  const sql = scalar(value, meant, quote);
  return sql === null ? wrong : { type: meant, sql };
}

function listOf(items: readonly unknown[], quote: QuoteText, of?: VariableType): Literal {
  const kinds = new Set(items.map(itemType));
  // Texts of which some look like days are texts.
  if (kinds.has("text")) kinds.delete("date");
  const [first] = kinds;
  const item = of ?? first;
  if (kinds.has("list") || (kinds.size > 1 && of === undefined)) {
    return { wrong: "a list holds values of one type" };
  }
  const literals = items.map((each) => literalOf(each, item ?? null, quote));
  const bad = literals.find((each) => "wrong" in each);
  if (bad !== undefined) return bad;
  const sql = `[${literals.map((each) => ("wrong" in each ? "" : (each.sql ?? ""))).join(", ")}]`;
  return { type: "list", sql, ...(item === undefined ? {} : { item }) };
}

function scalar(
  value: unknown,
  type: Exclude<VariableType, "list">,
  quote: QuoteText,
): string | null {
  const isPlain = ["string", "number", "bigint", "boolean"].includes(typeof value);
  if (!isPlain) return null;
  const written = String(value).trim();
  switch (type) {
    case "text":
      return onOneLine(String(value), quote);
    case "number":
      return typeof value === "boolean" ? null : numberOf(written);
    case "boolean":
      return /^(?:true|false)$/i.test(written) ? written.toUpperCase() : null;
    case "date":
      return isDay(written) ? `DATE '${written}'` : null;
    case "timestamp": {
      const [, day = "", time = "00:00:00"] = TIMESTAMP.exec(written) ?? [];
      return isDay(day) ? `TIMESTAMP '${day} ${time}'` : null;
    }
  }
}

const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i;
const DAY = /^\d{4}-\d{2}-\d{2}$/;
const TIMESTAMP =
  /^(\d{4}-\d{2}-\d{2})(?:[T ]((?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?))?$/;

/** What is below zero stands in brackets: `1 -$x` would begin a comment. */
function numberOf(written: string): string | null {
  if (!NUMBER.test(written)) return null;
  const text = /^[+-]?\d+$/.test(written) ? String(BigInt(written)) : written.replace(/^\+/, "");
  return text.startsWith("-") ? `(${text})` : text;
}

function isDay(written: string): boolean {
  if (!DAY.test(written)) return false;
  const ms = Date.parse(`${written}T00:00:00Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(written);
}

function onOneLine(value: string, quote: QuoteText): string | null {
  if (value.includes("\0")) return null;
  if (!/[\n\r]/.test(value)) return quote(value);
  const escaped = value
    .replaceAll("\\", "\\\\")
    .replaceAll("'", "\\'")
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r");
  return `E'${escaped}'`;
}

function itemType(value: unknown): VariableType {
  if (Array.isArray(value)) return "list";
  if (typeof value === "boolean") return "boolean";
  if (typeof value === "number" || typeof value === "bigint") return "number";
  return typeof value === "string" && isDay(value) ? "date" : "text";
}

/** A value alone, or with its type. */
function declared(): Shape<Declared> {
  return {
    get schema() {
      return { anyOf: [VALUE.schema, DECLARED.schema] };
    },
    read: (value, cursor) => {
      // `mapOf` hands an empty one on as keys.
      if (!isRecord(value)) return { type: null, value };
      return DECLARED.read(value, cursor);
    },
    spell: () => null,
  };
}

function checkName(name: string): string | null {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return null;
  return `"${name}" cannot name a variable: use letters, digits and _`;
}

function checkEnvironment(name: string): string | null {
  if (/^[A-Za-z_][\w-]*$/.test(name)) return null;
  return `"${name}" cannot name an environment: use letters, digits, - and _`;
}
