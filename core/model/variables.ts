/** Variables of a project in SQL: `$name` stands for a typed value, and never for text. */

import type { Place } from "../base/errors.ts";
import { isJsonObject, parseJson, stringifyJson } from "../base/json.ts";
import { nearestWord, suggestion } from "../base/suggest.ts";

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
  readonly problems: readonly (Pick<Parameter, "offset" | "length"> & {
    readonly message: string;
    readonly hint: string;
  })[];
}

/** A text with its parameters bound: the same for the engine as if their values were written there. */
export function bindVariables(
  sql: string,
  parameters: readonly Parameter[],
  variables: Variables,
): Bound {
  const used = new Map<string, string>();
  const puts: Put[] = [];
  const problems: Bound["problems"][number][] = [];
  let bound = "";
  let at = 0;
  for (const { name, offset, length, followsString } of parameters) {
    const literal = variables.get(name)?.sql ?? null;
    if (literal === null) {
      problems.push({ offset, length, ...unbound(name, variables) });
      continue;
    }
    const value = followsString ? `(${literal})` : literal;
    bound += sql.slice(at, offset);
    const line = bound.split("\n").length;
    const column = bound.length - bound.lastIndexOf("\n");
    puts.push({ line, column, length: value.length, written: length });
    bound += value;
    at = offset + length;
    used.set(name, literal);
  }
  return { sql: bound + sql.slice(at), puts, used, problems };
}

/** A query of a file, with its variables bound. */
export interface BoundQuery {
  readonly file: string;
  /** Line of the file where the query starts, from 1. */
  readonly sqlLine: number;
  readonly puts: readonly Put[];
}

/** A place of a query in its file, where values of variables stand as their names. */
export function inFile(
  { file, sqlLine, puts }: BoundQuery,
  { line, column, length }: Pick<Place, "line" | "column" | "length">,
): Place {
  const written = writtenColumn(puts, line, column);
  const place = { file, line: line + sqlLine - 1, column: written };
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

/** What a model's text is kept with, so that it is read again with the values that it had. */
export function withValues(text: string, used: ReadonlyMap<string, string>): string {
  if (used.size === 0) return text;
  return `${text}\n${VALUES}${stringifyJson(Object.fromEntries([...used].sort()))}\n`;
}

/** The inverse of `withValues`. */
export function valuesOf(kept: string): { readonly text: string; readonly values: Variables } {
  const start = kept.lastIndexOf(`\n${VALUES}`);
  const json = start < 0 ? null : parseJson(kept.slice(start + 1 + VALUES.length).trim());
  if (!isJsonObject(json)) return { text: kept, values: NO_VARIABLES };
  const values = Object.entries(json).map(
    ([name, sql]) => [name, { type: "text", sql: String(sql) }] as const,
  );
  return { text: kept.slice(0, start), values: new Map(values) };
}

/** What is said of values that are others than before; null where none is. */
export function valuesChanged(before: Variables, used: ReadonlyMap<string, string>): string | null {
  const changed = [...used].flatMap(([name, sql]) => {
    const was = before.get(name)?.sql ?? null;
    return was === null || was === sql ? [] : [`$${name} is ${sql} and was ${was}`];
  });
  return changed.length === 0 ? null : changed.join(", ");
}

/** Begins the line that a kept text ends in. */
const VALUES = "-- variables: ";

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
