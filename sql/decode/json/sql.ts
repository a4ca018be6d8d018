/**
 * The statements that read JSON lines. DuckDB prints numbers anew and casts leniently, so a row lands only when it is
 * proven: the line equals what its values print to, or its types, keys and numbers leave no doubt. All others are
 * suspects, decided one by one in json-rows.ts.
 */

import type { DecodeColumn, DecodeRequest } from "../../../core/engine.ts";
import { awaited, EMPTY_OBJECT_TEXT } from "../../../core/table/type-text.ts";
import type { Type } from "../../../core/table/types.ts";
import { duckDBType } from "../../duckdb/types.ts";
import { quoteFileList, quoteIdentifier, quoteLiteral } from "../../syntax/quote.ts";
import type { Drops } from "../folders.ts";
import type { Work } from "../group.ts";
import { textFit } from "../lossless/text-fit.ts";
import { type SourceColumn, sourceColumns } from "../target-columns.ts";
import { dropsOf, targetList } from "../target-list.ts";
import {
  all,
  general,
  isParsedWhole,
  isPlain,
  type JsonStyle,
  structureOf,
  templates,
} from "./proof.ts";

export interface JsonPlan {
  readonly columns: readonly SourceColumn[];
  /** Key in the lines of each column: as the file spells it. */
  readonly keys: readonly string[];
  /** Structure for json_transform. */
  readonly structure: string;
  readonly valueByName: ReadonlyMap<string, string>;
  /** Every value can be cast: holds for trusted rows too. */
  readonly casts: string;
  /** The values are what the line says. */
  readonly line: string;
  /** That, and every value fits its column. */
  readonly proof: string;
}

/** Longest line that is read; a buffer of this size is held by every thread. */
export const OBJECT_BYTES_DEFAULT = 16 * 1024 * 1024;

/** Stands for the key without a character, in lines that were decided one by one. */
const EMPTY_KEY = "\u0001empty";

/** Key of the JSON of unknown fields, in lines that were decided one by one. */
export const RESCUED_KEY = "\u0001rescued";

export function planJson(request: DecodeRequest, style: JsonStyle): JsonPlan {
  const columns = sourceColumns(request);
  const keys = columns.map((column) => spelling(style.keys, column.decode.source));
  const structure = JSON.stringify({
    ...Object.fromEntries(
      columns.map(({ field, decode }, index) => [
        keys[index] ?? decode.source,
        decode.expression === null ? structureOf(field.type, false) : "VARCHAR",
      ]),
    ),
    [RESCUED_KEY]: "VARCHAR",
  });
  const parts = columns.map((column, index) => columnSql(column, keys[index] ?? "", null));
  const valueByName = new Map(
    columns.map(({ field }, index) => [field.name, parts[index]?.value ?? "NULL"]),
  );
  const line = lineProof(columns, keys, style);
  const proof = proofOf(columns, parts, line);
  const casts = all(parts.flatMap((part) => part.casts));
  return { columns, keys, structure, valueByName, casts, line, proof };
}

function proofOf(
  columns: readonly SourceColumn[],
  parts: readonly ColumnSql[],
  line: string,
): string {
  const absent = columns.flatMap(({ decode }, index) => {
    const text = parts[index]?.text ?? "NULL";
    return [
      ...(decode.required ? [`(${text} IS NOT NULL)`] : []),
      ...(decode.awaits === undefined ? [] : [holdsNothing(decode, text)]),
    ];
  });
  return all([...parts.flatMap((part) => part.fits), ...absent, line]);
}

/** No value stands at a place that awaits one. */
function holdsNothing({ awaits, expression }: DecodeColumn, text: string): string {
  if (awaits === undefined || expression !== null) return `(${text} IS NULL)`;
  return nothingSql(awaits, text, 0) ?? "TRUE";
}

/** Null where the type awaits nothing. */
function nothingSql(type: Type, text: string, depth: number): string | null {
  switch (type.kind) {
    case "struct": {
      const parts = type.fields.flatMap((field) => {
        const part = nothingSql(field.type, `${text}.${quoteIdentifier(field.name)}`, depth);
        return part === null ? [] : [part];
      });
      return parts.length === 0 ? null : all(parts);
    }
    case "list":
    case "map": {
      const item = `x${depth}`;
      const values = type.kind === "list" ? text : `map_values(${text})`;
      const inner = nothingSql(type.kind === "list" ? type.element : type.value, item, depth + 1);
      if (inner === null) return null;
      return `coalesce(list_bool_and(list_transform(${values}, lambda ${item}: ${inner})), TRUE)`;
    }
    default: {
      const expected = awaited(type);
      if (expected === null) return null;
      if (expected === "value") return `(${text} IS NULL)`;
      return `coalesce(${text} = ${quoteLiteral(EMPTY_OBJECT_TEXT)}, TRUE)`;
    }
  }
}

/** The cheapest proof first; the general one only for lines that none of the others proves. */
function lineProof(
  columns: readonly SourceColumn[],
  keys: readonly string[],
  style: JsonStyle,
): string {
  const equal = templates(columns, keys, style).map((template) => `WHEN ${template} THEN TRUE`);
  const rest = general(columns, keys);
  return equal.length === 0 ? rest : `CASE ${equal.join(" ")} ELSE ${rest} END`;
}

/**
 * The proven rows of the files, as the table's columns. Not a WHERE: DuckDB would move it below the parsing, and parse
 * the line again for every value that it names.
 */
export function selectJson(request: DecodeRequest, plan: JsonPlan, works: readonly Work[]): string {
  const list = targetList(request, plan.valueByName, drops(works), rescuedSql(request));
  const kept = `CASE WHEN ${proven(plan, works)} THEN [t] ELSE [] END`;
  return `SELECT ${list} FROM (SELECT r.* FROM (SELECT unnest(${kept}) AS r
    FROM (${parsed(plan, works)}) AS t))`;
}

/**
 * All rows of the files, as the table's columns; fails at the first that is not proven. Each cast is made once, where a
 * filter would make DuckDB repeat it, and the parsing with it, below and above.
 */
export function strictJson(request: DecodeRequest, plan: JsonPlan, works: readonly Work[]): string {
  const isHeld = plan.columns.map(({ field, decode }) => {
    const { kind } = field.type;
    const isLeaf = kind === "primitive" || kind === "decimal";
    return isLeaf && (decode.expression !== null || !isPlain(field.type));
  });
  const parts = plan.columns.map((column, index) =>
    columnSql(column, plan.keys[index] ?? "", isHeld[index] ? `v${index}` : null),
  );
  const values = new Map(
    plan.columns.map(({ field }, index) => {
      const value = isHeld[index] ? `v${index}` : (parts[index]?.value ?? "NULL");
      return [field.name, value];
    }),
  );
  const casts = parts.flatMap((part, index) =>
    isHeld[index] ? [`${part.value} AS v${index}`] : [],
  );
  const guard = proofOf(plan.columns, parts, plan.line);
  const list = targetList(request, values, drops(works), rescuedSql(request), guard);
  return `SELECT ${list} FROM (SELECT ${["*", ...casts].join(", ")} FROM (${parsed(plan, works)}))`;
}

function drops(works: readonly Work[]): Drops {
  return dropsOf(works.map((work) => work.prepared.file.name));
}

function rescuedSql(request: DecodeRequest): string {
  return request.onUnknown === "rescue" ? `s.${quoteIdentifier(RESCUED_KEY)}` : "NULL";
}

/**
 * Number of each row that is not proven, from 1, and its line; NULL where it is not JSON. Numbers keep the reader to
 * one thread, so they are 0 where nobody needs them.
 */
export function suspectsJson(plan: JsonPlan, work: Work, isNumbered: boolean): string {
  const number = isNumbered ? "row_number() OVER ()" : "0";
  const numbered = `SELECT ${number} AS lake_row, json FROM ${readLines([work])}`;
  const parsedRows = withExpressions(plan, `(${numbered})`, ["lake_row"]);
  const suspect = "[{ 'lake_row': lake_row, 'json': json }]";
  const kept = `CASE WHEN coalesce(${plan.proof}, FALSE) THEN [] ELSE ${suspect} END`;
  return `SELECT r.lake_row, r.json FROM (SELECT unnest(${kept}) AS r FROM (${parsedRows}))`;
}

interface ColumnSql {
  /** As parsed: for tests of presence. */
  readonly text: string;
  readonly value: string;
  readonly casts: readonly string[];
  readonly fits: readonly string[];
}

/** `held` is where the value was computed already, of a column that is a leaf. */
function columnSql({ field, decode }: SourceColumn, key: string, held: string | null): ColumnSql {
  const parsedText = `s.${quoteIdentifier(key)}`;
  if (decode.expression !== null) {
    const text = quoteIdentifier(expressionName(decode.source));
    const fit = textFit(field.type, text, held);
    const fits = fit === null ? "FALSE" : fit.fits;
    return { text: parsedText, value: fit?.value ?? "NULL", casts: [fits], fits: [fits] };
  }
  const casts: string[] = [];
  const fits: string[] = [];
  const value = typedValue(field.type, parsedText, held, casts, fits);
  return { text: parsedText, value, casts, fits };
}

/** The typed value of a parsed one; adds what has to hold of it. */
function typedValue(
  type: Type,
  parsedText: string,
  held: string | null,
  casts: string[],
  fits: string[],
): string {
  switch (type.kind) {
    case "struct": {
      if (isParsedWhole(type)) return `CAST(${parsedText} AS ${duckDBType(type)})`;
      const fields = type.fields.map((field) => {
        const inner = `${parsedText}.${quoteIdentifier(field.name)}`;
        const value = typedValue(field.type, inner, null, casts, fits);
        return `${quoteIdentifier(field.name)} := ${value}`;
      });
      return `CASE WHEN ${parsedText} IS NULL THEN NULL ELSE struct_pack(${fields.join(", ")}) END`;
    }
    case "list":
    case "map":
      // Proven lists hold texts, integers, doubles and booleans only; others come from decided rows.
      return `CAST(${parsedText} AS ${duckDBType(type)})`;
    default: {
      if (isPlain(type)) return parsedText;
      const fit = textFit(type, parsedText, held);
      if (fit === null) {
        casts.push(`(${parsedText} IS NULL)`);
        fits.push(`(${parsedText} IS NULL)`);
        return "NULL";
      }
      casts.push(`(${parsedText} IS NULL OR ${fit.value} IS NOT NULL)`);
      fits.push(fit.fits);
      return fit.value;
    }
  }
}

function proven(plan: JsonPlan, works: readonly Work[]): string {
  const trusted = works.flatMap((work, index) => (work.trusted ? [index] : []));
  if (trusted.length === 0) return plan.proof;
  if (trusted.length === works.length) return plan.casts;
  const isTrusted = `file_index IN (${trusted.join(", ")})`;
  return `CASE WHEN ${isTrusted} THEN ${plan.casts} ELSE ${plan.proof} END`;
}

function parsed(plan: JsonPlan, works: readonly Work[]): string {
  return withExpressions(plan, readLines(works), works.length > 1 ? ["file_index"] : []);
}

/** The lines with their values `s`, and each expression of before_landing made over them, by the names of keys. */
function withExpressions(plan: JsonPlan, lines: string, carried: readonly string[]): string {
  const base = `SELECT ${[...carried, "json"].join(", ")}, ${transform(plan)} AS s FROM ${lines}`;
  const made = plan.columns.flatMap(({ decode }) => {
    if (decode.expression === null) return [];
    const name = quoteIdentifier(expressionName(decode.source));
    return [`CAST((${decode.expression}) AS VARCHAR) AS ${name}`];
  });
  if (made.length === 0) return base;
  const named = plan.columns.map(({ decode }, index) => {
    const key = quoteIdentifier(plan.keys[index] ?? decode.source);
    return `s.${key} AS ${quoteIdentifier(decode.source)}`;
  });
  const inner = [...carried, "json AS lake_json", "s AS lake_s", ...named];
  const outer = [...carried, "lake_json AS json", "lake_s AS s", ...made];
  return `SELECT ${outer.join(", ")} FROM (SELECT ${inner.join(", ")} FROM (${base}))`;
}

function expressionName(source: string): string {
  return `lake made ${source}`;
}

function transform(plan: JsonPlan): string {
  return `json_transform(json, ${quoteLiteral(plan.structure)})`;
}

function readLines(works: readonly Work[]): string {
  const longest = Math.max(OBJECT_BYTES_DEFAULT, ...works.map((work) => work.longestBytes + 16));
  const index = works.length > 1 ? ", file_index" : "";
  const paths = quoteFileList(works.map((work) => work.path));
  // As VARCHAR: whatever is compared with JSON would be parsed as JSON first.
  return `(SELECT json::VARCHAR AS json${index} FROM read_ndjson_objects(${paths}, ignore_errors = true,
    maximum_object_size = ${longest}, compression = 'uncompressed', hive_partitioning = false))`;
}

/** The file's own spelling of a key; SQL has no names without a character. */
function spelling(keys: readonly string[], wanted: string): string {
  if (wanted === "") return EMPTY_KEY;
  if (keys.includes(wanted)) return wanted;
  return keys.find((key) => key.toLowerCase() === wanted.toLowerCase()) ?? wanted;
}
