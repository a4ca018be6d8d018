/** Proofs that what was parsed of a JSON line is exactly what the line says, as SQL over the line and its values. */

import type { Type } from "../../../core/table/types.ts";
import { duckDBType } from "../../duckdb/types.ts";
import { quoteIdentifier, quoteLiteral } from "../../syntax/quote.ts";
import type { SourceColumn } from "../target-columns.ts";

/** How the lines of a file are written, from a look at the first ones. */
export interface JsonStyle {
  /** Keys in the order of the first line, as spelled there. */
  readonly keys: readonly string[];
  /** A space after colons and commas, as Python writes them. */
  readonly spaced: boolean;
  /** Keys without a value are left out instead of being null. */
  readonly omitsNulls: boolean;
}

/**
 * What DuckDB reads otherwise than it stands: numbers of 16 characters and more, exponents, minus zero; NaN, infinity
 * and trailing commas, which are no JSON. Numbers stand behind a colon, a comma, a bracket or a space; the same
 * characters in a text only cost a closer look.
 */
const SUSPICIOUS = [
  "[:,\\[\\s]-?(?:[0-9.]{16}|[0-9.]+[eE])",
  "[:,\\[\\s]-0(?:[,}\\]\\s]|$)",
  "[:,\\[]\\s*-?(?:[nN][aA][nN]|[iI][nN][fF])",
  ",\\s*[}\\]]",
].join("|");
/**
 * Fields above which a struct is parsed, cast and printed as one value. DuckDB holds a vector of the whole struct for
 * every field that is taken out of it, so that field by field a value of 400 fields needs gigabytes.
 */
const FIELDS_APART_MAX = 24;

/** What json_transform parses a value into; texts are cast once more, with checks. */
export function structureOf(type: Type, inList: boolean): unknown {
  switch (type.kind) {
    case "struct":
      return Object.fromEntries(
        type.fields.map((field) => [
          field.name,
          structureOf(field.type, inList || isParsedWhole(type)),
        ]),
      );
    case "list":
      return [structureOf(type.element, true)];
    case "map":
      return `MAP(VARCHAR, ${mapValue(type.value)})`;
    case "primitive":
      if (type.name === "boolean") return "BOOLEAN";
      if (type.name === "long") return "BIGINT";
      return type.name === "double" && inList ? "DOUBLE" : "VARCHAR";
    default:
      return "VARCHAR";
  }
}

/** The line as its values print to, in the order and spacing of the first line: equal to the line or not. */
export function templates(
  columns: readonly SourceColumn[],
  keys: readonly string[],
  style: JsonStyle,
): string[] {
  const known = style.keys.every((key) => keys.includes(key));
  if (!known || style.keys.length === 0) return [];
  if (columns.some((column) => column.decode.expression !== null)) return [];
  const pieces: { key: string; type: Type; sql: string }[] = [];
  for (const key of style.keys) {
    const column = columns[keys.indexOf(key)];
    if (column === undefined || !isPrintable(column.field.type)) return [];
    pieces.push({ key, type: column.field.type, sql: `s.${quoteIdentifier(key)}` });
  }
  const printer = new Printer(style);
  // Without a NULL this is the cheapest; with one it cannot be equal.
  const plain = printer.object(pieces, false);
  const full = printer.object(pieces, true);
  return [`(${plain} = json)`, `(${full} = json)`];
}

/** Prints values as a writer of the given style would. */
class Printer {
  #colon: string;
  #comma: string;
  #omitsNulls: boolean;

  constructor(style: JsonStyle) {
    this.#colon = style.spaced ? ": " : ":";
    this.#comma = style.spaced ? ", " : ",";
    this.#omitsNulls = style.omitsNulls;
  }

  object(fields: readonly { key: string; type: Type; sql: string }[], nulls: boolean): string {
    const parts: string[] = [];
    for (const [index, field] of fields.entries()) {
      const name = `${JSON.stringify(field.key)}${this.#colon}`;
      const lead = index === 0 ? "" : this.#comma;
      const value = this.#value(field.type, field.sql, nulls);
      if (!nulls) parts.push(quoteLiteral(lead + name), ...value);
      else if (this.#omitsNulls && index > 0) {
        const present = `concat(${[quoteLiteral(lead + name), ...value].join(", ")})`;
        parts.push(`CASE WHEN ${field.sql} IS NULL THEN '' ELSE ${present} END`);
      } else {
        const printed = `concat(${value.join(", ")})`;
        parts.push(quoteLiteral(lead + name));
        parts.push(`CASE WHEN ${field.sql} IS NULL THEN 'null' ELSE ${printed} END`);
      }
    }
    return `concat('{', ${parts.join(", ")}, '}')`;
  }

  #value(type: Type, sql: string, nulls: boolean): string[] {
    if (type.kind === "struct" && !isParsedWhole(type)) {
      const fields = type.fields.map((field) => ({
        key: field.name,
        type: field.type,
        sql: `${sql}.${quoteIdentifier(field.name)}`,
      }));
      return [this.object(fields, nulls)];
    }
    if (type.kind === "list" || type.kind === "struct") return [`to_json(${sql})::VARCHAR`];
    if (!isQuoted(type)) return [sql];
    return nulls ? [`to_json(${sql})::VARCHAR`] : [`'"'`, sql, `'"'`];
  }
}

function isQuoted(type: Type): boolean {
  const bare = ["boolean", "int", "long", "float", "double"];
  return type.kind === "primitive" && !bare.includes(type.name);
}

/** Lists print as DuckDB prints them, so only elements that it prints as they stand. */
function isPrintable(type: Type): boolean {
  switch (type.kind) {
    case "struct":
      return type.fields.every((field) => isPrintable(field.type));
    case "list":
      return isListPrintable(type.element);
    case "map":
    case "fixed":
      return false;
    default:
      return true;
  }
}

/** A struct of so many fields that it is not taken apart; only where DuckDB prints every field as it stands. */
export function isParsedWhole(type: Type): boolean {
  return type.kind === "struct" && leaves(type) > FIELDS_APART_MAX && isListPrintable(type);
}

function leaves(type: Type): number {
  if (type.kind === "list") return leaves(type.element);
  if (type.kind !== "struct") return 1;
  return type.fields.reduce((sum, field) => sum + leaves(field.type), 0);
}

function isListPrintable(type: Type): boolean {
  if (type.kind === "list") return isListPrintable(type.element);
  if (type.kind === "struct") return type.fields.every((field) => isListPrintable(field.type));
  return isPlain(type) || (type.kind === "primitive" && type.name === "double");
}

/**
 * A CASE that finds every fault: keys and types must be as they are known, and no number may be written in a way that
 * could be lost. CASE and not AND, because only CASE is sure to stop at the first fault. `FALSE` when it cannot tell.
 */
export function general(columns: readonly SourceColumn[], keys: readonly string[]): string {
  const paths: string[] = [];
  const allowed: (readonly string[])[] = [];
  const objects: KnownObject[] = [{ path: "$", keys }];
  const checks: string[] = [];
  for (const [index, { field, decode }] of columns.entries()) {
    const path = `$.${pathKey(keys[index] ?? "")}`;
    if (path.includes("\\")) return "FALSE";
    if (decode.expression !== null) {
      paths.push(path);
      allowed.push(["VARCHAR", "BIGINT", "UBIGINT", "BOOLEAN"]);
    } else if (!collectTypes(field.type, path, { paths, allowed, objects, checks })) {
      return "FALSE";
    }
  }
  if (paths.length === 0) return "FALSE";
  const types = paths.map((_, index) => {
    const names = ["NULL", ...(allowed[index] ?? [])].map((name) => quoteLiteral(name));
    return `coalesce(t[${index + 1}] IN (${names.join(", ")}), TRUE)`;
  });
  const list = `json_type(json, [${paths.map((path) => quoteLiteral(path)).join(", ")}])`;
  const last = `list_transform([${list}], lambda t: ${types.join(" AND ")})[1]`;
  const faults = [
    "json_type(json) IS DISTINCT FROM 'OBJECT'",
    `regexp_matches(json, ${quoteLiteral(SUSPICIOUS)})`,
    `NOT ${objectsAreKnown(objects)}`,
    ...checks.map((check) => `NOT ${check}`),
  ];
  return `CASE ${faults.map((fault) => `WHEN ${fault} THEN FALSE`).join(" ")} ELSE ${last} END`;
}

/** The keys that an object at a path may have. */
interface KnownObject {
  readonly path: string;
  readonly keys: readonly string[];
}

interface Collected {
  readonly paths: string[];
  readonly allowed: (readonly string[])[];
  readonly objects: KnownObject[];
  readonly checks: string[];
}

/** Adds the paths below a column; false when a type cannot be told this way. */
function collectTypes(type: Type, path: string, into: Collected): boolean {
  const { paths, allowed, objects, checks } = into;
  if (type.kind === "map") return false;
  paths.push(path);
  if (type.kind === "struct") {
    allowed.push(["OBJECT"]);
    objects.push({ path, keys: type.fields.map((field) => field.name) });
    return type.fields.every((field) => {
      const inner = `${path}.${pathKey(field.name)}`;
      return !inner.includes("\\") && collectTypes(field.type, inner, into);
    });
  }
  if (type.kind === "list") {
    allowed.push(["ARRAY"]);
    const names = isListPrintable(type.element) ? scalarTypes(type.element) : null;
    if (names === null) return false;
    const elements = `json_type(json, ${quoteLiteral(`${path}[*]`)})`;
    const list = ["NULL", ...names].map((name) => quoteLiteral(name)).join(", ");
    checks.push(`coalesce(list_has_all([${list}], ${elements}), TRUE)`);
    return true;
  }
  allowed.push(scalarTypes(type) ?? []);
  return true;
}

/** What json_type may say of a value whose parsed form is exact. */
function scalarTypes(type: Type): readonly string[] | null {
  if (type.kind === "decimal") return ["BIGINT", "UBIGINT", "DOUBLE"];
  if (type.kind !== "primitive") return null;
  switch (type.name) {
    case "string":
      return ["VARCHAR", "BIGINT", "UBIGINT", "BOOLEAN"];
    case "boolean":
      return ["BOOLEAN"];
    case "int":
    case "long":
      return ["BIGINT", "UBIGINT"];
    case "float":
    case "double":
      return ["BIGINT", "UBIGINT", "DOUBLE"];
    default:
      return ["VARCHAR"];
  }
}

/** All of them in one call: each call parses the line again, and holds what it parsed of two thousand lines. */
function objectsAreKnown(objects: readonly KnownObject[]): string {
  const [root] = objects;
  if (objects.length === 1 && root !== undefined) {
    return keysAreKnown("json_keys(json)", root.keys);
  }
  const paths = objects.map((object) => quoteLiteral(object.path)).join(", ");
  const known = objects.map(
    (object, index) => `coalesce(${keysAreKnown(`k[${index + 1}]`, object.keys)}, TRUE)`,
  );
  return `list_transform([json_keys(json, [${paths}])], lambda k: ${known.join(" AND ")})[1]`;
}

function keysAreKnown(found: string, known: readonly string[]): string {
  const list = `[${known.map((key) => quoteLiteral(key)).join(", ")}]::VARCHAR[]`;
  const unique = `len(${found}) = len(list_distinct(${found}))`;
  const some = `(list_has_all(${list}, ${found}) AND ${unique})`;
  return `CASE WHEN ${found} = ${list} THEN TRUE ELSE ${some} END`;
}

/** Values that json_transform parses into their own type. */
export function isPlain(type: Type): boolean {
  return type.kind === "primitive" && ["string", "boolean", "long"].includes(type.name);
}

function pathKey(key: string): string {
  return /["\\*]/.test(key) ? "\\" : `"${key}"`;
}

function mapValue(type: Type): string {
  return isPlain(type) ? duckDBType(type) : "VARCHAR";
}

/** All of the conditions. */
export function all(parts: readonly string[]): string {
  const kept = parts.filter((part) => part !== "TRUE");
  return kept.length === 0 ? "TRUE" : kept.map((part) => `(${part})`).join(" AND ");
}
