/** Variables of a project in SQL: `$name` stands for a typed value, and never for text. */

import type { Place } from "../base/errors.ts";
import { isJsonObject, type Json, parseJson, stringifyJson } from "../base/json.ts";
import { nearestWord, suggestion } from "../base/suggest.ts";
import { type Macro, type MacroCall, type Macros, NO_MACROS } from "./macros.ts";

export const VARIABLE_TYPES = ["text", "number", "boolean", "date", "timestamp", "list"] as const;
export type VariableType = (typeof VARIABLE_TYPES)[number];

export interface Variable {
  readonly type: VariableType;
  /** The value as a literal of SQL, on one line; null where none is given. */
  readonly sql: string | null;
  /** Of a list: what its items are. */
  readonly item?: VariableType;
}

export type Variables = ReadonlyMap<string, Variable>;

export const NO_VARIABLES: Variables = new Map();

/** `$name` as it stands in a SQL text. */
export interface Parameter {
  /** Without the dollar sign; a number for `$1`. */
  readonly name: string;
  readonly offset: number;
  readonly length: number;
  /** A string stands right before it, and would go on in a string behind a line end. */
  readonly followsString: boolean;
}

/** A value that stands in a bound text where the written one has a name. */
export interface Put {
  /** From 1, in the bound text. */
  readonly line: number;
  readonly column: number;
  readonly length: number;
  /** Characters that it has in the written text. */
  readonly written: number;
}

export interface Bound {
  readonly sql: string;
  readonly puts: readonly Put[];
  /** The literals that were used, by name. */
  readonly used: ReadonlyMap<string, string>;
  /** Macros that were used, in lower case. */
  readonly macros: ReadonlySet<string>;
  readonly problems: readonly (Pick<Parameter, "offset" | "length"> & {
    readonly message: string;
    readonly hint: string;
    readonly page: string;
  })[];
}

/** How a text is bound: cmd brings the lexer. */
export interface Binder {
  readonly parametersOf: (sql: string) => readonly Parameter[];
  readonly callsOf: (sql: string, macros: Macros) => readonly MacroCall[];
  readonly variables: Variables;
  readonly macros: Macros;
}

/**
 * A text with its macros and its parameters bound: the same for the engine as if what they mean were written there.
 */
export function bindSql(sql: string, binder: Binder): Bound {
  const calls = binder.callsOf(sql, binder.macros);
  const isIn = ({ offset }: Parameter): boolean =>
    calls.some((call) => call.offset <= offset && offset < call.offset + call.length);
  const parameters = binder.parametersOf(sql).filter((parameter) => !isIn(parameter));
  const edits = [...calls, ...parameters].sort((a, b) => a.offset - b.offset);
  const used = new Map<string, string>();
  const macros = new Set<string>();
  const puts: Put[] = [];
  const problems: Bound["problems"][number][] = [];
  let bound = "";
  let at = 0;
  for (const edit of edits) {
    const { offset, length } = edit;
    const value = "value" in edit ? callValue(edit, binder) : parameterValue(edit, binder);
    for (const [name, literal] of value.used) used.set(name, literal);
    for (const name of value.macros) macros.add(name);
    problems.push(...value.problems.map((problem) => ({ offset, length, ...problem })));
    if (value.sql === null) continue;
    bound += sql.slice(at, offset);
    const line = bound.split("\n").length;
    const column = bound.length - bound.lastIndexOf("\n");
    puts.push({ line, column, length: value.sql.length, written: length });
    bound += value.sql;
    at = offset + length;
  }
  return { sql: bound + sql.slice(at), puts, used, macros, problems };
}

interface Problem {
  readonly message: string;
  readonly hint: string;
  /** What `tarn explain` tells of it. */
  readonly page: string;
}

interface Value {
  /** Null: it stays as it is written. */
  readonly sql: string | null;
  readonly used: ReadonlyMap<string, string>;
  readonly macros: Iterable<string>;
  readonly problems: readonly Problem[];
}

function parameterValue({ name, followsString }: Parameter, { variables }: Binder): Value {
  const literal = variables.get(name)?.sql ?? null;
  if (literal === null) {
    return {
      sql: null,
      used: new Map(),
      macros: [],
      problems: [{ ...unbound(name, variables), page: "T0119" }],
    };
  }
  const sql = followsString ? `(${literal})` : literal;
  return { sql, used: new Map([[name, literal]]), macros: [], problems: [] };
}

/** Variables of its arguments and of the macros stand in it by now. */
function callValue({ value, names, problem }: MacroCall, binder: Binder): Value {
  if (problem !== null) {
    return { sql: null, used: new Map(), macros: [], problems: [{ ...problem, page: "T0121" }] };
  }
  const { sql, used, problems } = bindSql(value, { ...binder, macros: NO_MACROS });
  const told = problems.map(({ message, hint, page }) => ({ message, hint, page }));
  return { sql, used, macros: names, problems: told };
}

/** A query of a file, with its variables bound. */
export interface BoundQuery {
  readonly file: string;
  /** Line of the file where the query starts, from 1. */
  readonly sqlLine: number;
  readonly puts: readonly Put[];
  /** The line of the file for each line of the query, where the query was made of it; absent: they go in step. */
  readonly lines?: readonly number[];
}

/** A place of a query in its file, where values of variables stand as their names. */
export function inFile(
  { file, sqlLine, puts, lines }: BoundQuery,
  { line, column, length }: Pick<Place, "line" | "column" | "length">,
): Place {
  const written = writtenColumn(puts, line, column);
  const at = lines === undefined ? line + sqlLine - 1 : (lines[line - 1] ?? sqlLine);
  const place = { file, line: at, column: written };
  return length === undefined ? place : { ...place, length };
}

/** Where a place of a bound text stands in the written one. Lines are the same. */
export function writtenColumn(puts: readonly Put[], line: number, column: number): number {
  let moved = 0;
  for (const put of puts) {
    if (put.line !== line || put.column > column) continue;
    if (column < put.column + put.length) return put.column + moved;
    moved += put.written - put.length;
  }
  return column + moved;
}

/** What a model's text is kept with, so that it is read again with the values and macros that it had. */
export function withValues(
  text: string,
  used: ReadonlyMap<string, string>,
  macros: readonly string[] = [],
): string {
  const told = macros.length === 0 ? "" : `\n${MACROS}${stringifyJson([...macros])}\n`;
  const values = stringifyJson(Object.fromEntries([...used].sort()));
  return `${text}${told}${used.size === 0 ? "" : `\n${VALUES}${values}\n`}`;
}

export interface Kept {
  readonly text: string;
  readonly values: Variables;
  /** Statements that made its macros. */
  readonly macros: readonly string[];
}

/** The inverse of `withValues`. */
export function valuesOf(kept: string): Kept {
  const withMacros = cut(kept, VALUES);
  const { text, json: macros } = cut(withMacros.text, MACROS);
  const values = isJsonObject(withMacros.json) ? Object.entries(withMacros.json) : [];
  return {
    text,
    values: new Map(
      values.map(([name, sql]) => [name, { type: "text", sql: String(sql) }] as const),
    ),
    macros: Array.isArray(macros) ? macros.map(String) : [],
  };
}

function cut(kept: string, mark: string): { readonly text: string; readonly json: Json } {
  const start = kept.lastIndexOf(`\n${mark}`);
  if (start < 0) return { text: kept, json: null };
  const json = parseJson(kept.slice(start + 1 + mark.length).trim());
  return { text: kept.slice(0, start), json };
}

/** What is said of values and macros that are others than before; null where none is. */
export function valuesChanged(
  before: {
    readonly values: Readonly<Record<string, string>>;
    readonly macros: readonly string[];
  },
  {
    variables,
    macros,
  }: {
    readonly variables: ReadonlyMap<string, string>;
    readonly macros: readonly Pick<Macro, "name" | "text">[];
  },
): string | null {
  const values = [...variables].flatMap(([name, sql]) => {
    const was = before.values[name];
    return was === undefined || was === sql ? [] : [`$${name} is ${sql} and was ${was}`];
  });
  const others = macros.filter(
    ({ text }) => before.macros.length > 0 && !before.macros.includes(text),
  );
  const changed = [...values, ...others.map(({ name }) => `the macro ${name} changed`)];
  return changed.length === 0 ? null : changed.join(", ");
}

/** Begin the lines that a kept text ends in. */
const VALUES = "-- variables: ";
const MACROS = "-- macros: ";

function unbound(name: string, variables: Variables): { message: string; hint: string } {
  if (/^\d/.test(name)) {
    const message = `a model has no parameters by number: $${name}`;
    return { message, hint: "name a variable of tarn.yaml: $region" };
  }
  if (variables.has(name)) {
    const hint = `give it one: value: in tarn.yaml, environments:, or --var ${name}=…`;
    return { message: `the variable $${name} has no value`, hint };
  }
  const names = [...variables.keys()];
  const near = nearestWord(name, names);
  const known = names.length === 0 ? `vars: { ${name}: … }` : suggestion(name, names, "variables");
  const hint = near === null ? `declare it in tarn.yaml; ${known}` : `did you mean "$${near}"?`;
  return { message: `there is no variable $${name}`, hint };
}
