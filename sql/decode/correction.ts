/** Corrections of a quarantined row: single fields set, in the text the row was written in. */

import { isJsonObject, type Json, parseJson } from "../../core/base/json.ts";
import { counted } from "../../core/base/quantity.ts";
import { fieldStarts, splitRecord, writtenQuote } from "./csv/record-text.ts";
import type { CsvShape } from "./csv/shape.ts";

/** How the texts of rows of one file name their fields. */
export type RowForm =
  | { readonly kind: "json" }
  | { readonly kind: "csv"; readonly shape: CsvShape; readonly names: readonly string[] };

/** A value in both of the ways that texts have. */
export interface NewValue {
  readonly column: string;
  /** Null is no value. */
  readonly text: string | null;
  readonly json: string;
}

/** Why a field of a row cannot be set. */
export class Unset extends Error {}

/** Values of the fields of a row, as text, by name; what is no row of its form has those that can be told. */
export function valuesOf(
  raw: string,
  form: RowForm,
  nulls: readonly string[],
): ReadonlyMap<string, string | null> {
  if (form.kind === "csv") {
    const fields = splitRecord(raw, form.shape, nulls);
    return new Map(form.names.map((name, index) => [name, fields[index] ?? null]));
  }
  try {
    return new Map(jsonMembers(raw).map(({ key, value }) => [key, textOf(value)]));
  } catch (thrown) {
    if (thrown instanceof Unset) return new Map();
    throw thrown;
  }
}

/** The row with the fields set and every other character as it was. Throws Unset. */
export function correct(raw: string, form: RowForm, values: readonly NewValue[]): string {
  if (form.kind === "json") return values.reduce(correctJson, raw);
  return correctCsv(raw, form.shape, form.names, values);
}

/** Of JSON: a number keeps every digit. */
function textOf(json: string): string | null {
  if (json === "null") return null;
  return json.startsWith('"') ? String(parseJson(json)) : json;
}

function correctCsv(
  raw: string,
  shape: CsvShape,
  names: readonly string[],
  values: readonly NewValue[],
): string {
  const { delimiter, closing = 0 } = shape;
  const starts = fieldStarts(raw, shape);
  const fields = starts.map((start, index) => {
    const next = starts[index + 1];
    return raw.slice(start, next === undefined ? raw.length : next - delimiter.length);
  });
  const places = values.map((value) => ({ value, index: indexOf(names, value.column) }));
  for (const { index } of places) {
    // The last field takes what stands behind it; any other would be guessed.
    const isLast = index === names.length - 1;
    if (isLast && fields.length > names.length + closing) fields.length = names.length;
    if (index === fields.length) fields.push("");
  }
  if (fields.length !== names.length && fields.length !== names.length + closing) {
    const found = `the row has ${counted(fields.length, "field")}, its file ${names.length}`;
    throw new Unset(`${found}: give the whole of it with --raw`);
  }
  for (const { value, index } of places) fields[index] = writtenField(value.text, shape);
  return fields.join(delimiter);
}

/** As it is spelled, or else in any case. */
function indexOf(names: readonly string[], column: string): number {
  const exact = names.indexOf(column);
  if (exact >= 0) return exact;
  const lower = column.toLowerCase();
  const index = names.findIndex((name) => name.toLowerCase() === lower);
  if (index < 0) throw new Unset(`its file has no column "${column}"`);
  return index;
}

/** An empty text is not no value. */
function writtenField(text: string | null, shape: CsvShape): string {
  if (text === null) return "";
  const { delimiter, comment = null } = shape;
  const quote = writtenQuote(shape);
  const isPlain =
    text !== "" &&
    !text.includes(delimiter) &&
    !/^\s|\s$|["\r\n\\]/.test(text) &&
    (quote === null || !text.includes(quote)) &&
    (comment === null || !text.startsWith(comment));
  if (isPlain) return text;
  if (quote !== null) return quote + text.replaceAll(quote, quote + quote) + quote;
  if (text.includes(delimiter) || /[\r\n]/.test(text)) {
    throw new Unset("the value holds a mark that its file has no quotes for");
  }
  return text;
}

function correctJson(raw: string, { column, json }: NewValue): string {
  const members = jsonMembers(raw);
  const others = members.filter((member) => member.key !== column);
  const at = members.findIndex((member) => member.key === column);
  const set = { key: column, text: `${JSON.stringify(column)}:${json}`, value: json };
  const kept = at < 0 ? [...others, set] : others.toSpliced(at, 0, set);
  return `{${kept.map((member) => member.text).join(",")}}`;
}

interface Member {
  readonly key: string;
  /** Key and value as they stand in the text. */
  readonly text: string;
  readonly value: string;
}

/** The members of an object in their own words: parsing and printing again would bend numbers. */
function jsonMembers(raw: string): Member[] {
  let row: Json;
  try {
    row = parseJson(raw);
  } catch {
    throw new Unset("the row is not JSON: give the whole of it with --raw");
  }
  if (!isJsonObject(row)) throw new Unset("the row is no JSON object: give it with --raw");
  const body = raw.trim().slice(1, -1);
  return splitJson(body).map((text) => {
    const key = /^\s*("(?:[^"\\]|\\.)*")/.exec(text)?.[1] ?? '""';
    const value = text.slice(text.indexOf(":", text.indexOf(key) + key.length) + 1).trim();
    return { key: String(parseJson(key)), text: text.trim(), value };
  });
}

/** Parts of the inside of a valid JSON object, at its own commas. */
function splitJson(body: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < body.length; at++) {
    const character = body[at] ?? "";
    if (quoted) {
      if (character === "\\") at += 1;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if ("{[".includes(character)) depth += 1;
    else if ("}]".includes(character)) depth -= 1;
    else if (character === "," && depth === 0) {
      parts.push(body.slice(start, at));
      start = at + 1;
    }
  }
  const last = body.slice(start);
  return last.trim() === "" ? parts : [...parts, last];
}
