/** What each column of the table is made of: a field of the file, a constant of the batch, or nothing. */

import type { DecodeColumn, DecodeRequest } from "../../core/engine.ts";
import { BRONZE_COLUMNS, RESCUED_COLUMN } from "../../core/table/system-columns.ts";
import type { Field } from "../../core/table/types.ts";
import { duckDBType } from "../duckdb/types.ts";
import { quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";

const KNOWN_TEXTS: ReadonlySet<string> = new Set(["_source", "_source_file", "_batch"]);
const GUARD_MESSAGE = "lake: a row to be looked at";

export interface SourceColumn {
  readonly field: Field;
  readonly decode: DecodeColumn;
}

/** Columns that files fill, in the order of the schema. */
export function sourceColumns(request: DecodeRequest): SourceColumn[] {
  const decodeByName = new Map(request.columns.map((column) => [column.name, column]));
  const system = new Set([...BRONZE_COLUMNS, RESCUED_COLUMN].map((column) => column.name));
  return request.schema.fields.flatMap((field) => {
    const decode = decodeByName.get(field.name);
    return decode === undefined || system.has(field.name) ? [] : [{ field, decode }];
  });
}

/** The place of a name among those of a file: exactly, then ignoring case; -1 when it is not there. */
export function findName(names: readonly string[], wanted: string): number {
  const exact = names.indexOf(wanted);
  if (exact >= 0) return exact;
  const folded = wanted.toLowerCase();
  return names.findIndex((name) => name.toLowerCase() === folded);
}

/** Names of a file that no column claims. */
export function unknownNames(names: readonly string[], columns: readonly SourceColumn[]): string[] {
  const claimed = new Set(columns.map((column) => findName(names, column.decode.source)));
  return names.filter((_, index) => !claimed.has(index));
}

/**
 * The SELECT list of the table's columns. `valueByName` holds SQL for columns that the file fills; `fileSql` is the
 * drop's name, `rescuedSql` the JSON of unknown fields. Where `guard` does not hold the statement fails: see
 * isGuardFailure. Columns of few known texts are ENUMs: DuckDB writes them as strings by their dictionary, for nothing,
 * where it hashes every text of a VARCHAR (11 million rows: three columns cost 0.5 of 4.1 seconds).
 */
export function targetList(
  request: DecodeRequest,
  valueByName: ReadonlyMap<string, string>,
  fileSql: string,
  rescuedSql: string,
  guard: string | null = null,
): string {
  const micros = BigInt(request.ingestedAtMs) * 1000n;
  const system = new Map([
    ["_source", knownText(request.source)],
    ["_source_file", fileSql],
    ["_batch", knownText(request.batch)],
    ["_ingested_at", quoteLiteral({ kind: "timestamptz", micros })],
    [RESCUED_COLUMN.name, rescuedSql],
  ]);
  return request.schema.fields
    .map((field, index) => {
      const plain = system.get(field.name) ?? valueByName.get(field.name) ?? "NULL";
      const value = guard === null || index > 0 ? plain : guarded(guard, plain);
      const typed = KNOWN_TEXTS.has(field.name)
        ? value
        : `CAST(${value} AS ${duckDBType(field.type)})`;
      return `${typed} AS ${quoteIdentifier(field.name)}`;
    })
    .join(", ");
}

/** True for the failure of a statement that met a row which must not land as it is. */
export function isGuardFailure(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.message.includes(GUARD_MESSAGE);
}

/** The drop's name by `file_index` of the reader; a constant where there is one file. An ENUM. */
export function fileNameSql(names: readonly string[]): string {
  const [only, ...others] = names;
  if (only !== undefined && others.length === 0) return knownText(only);
  const list = names.map((name) => quoteLiteral(name)).join(", ");
  return `list_extract([${list}]::${enumType(names)}[], file_index::BIGINT + 1)`;
}

function knownText(text: string): string {
  return `${quoteLiteral(text)}::${enumType([text])}`;
}

function enumType(texts: readonly string[]): string {
  return `ENUM(${[...new Set(texts)].map((text) => quoteLiteral(text)).join(", ")})`;
}

/** `"x" is not a long`: the message of a value that does not fit. */
export function valueMessage(value: string, type: string): string {
  const shown = value.length > 100 ? `${value.slice(0, 100)}…` : value;
  return `"${shown}" is not exactly a ${type}`;
}

/** The message of a value where none was seen before, and no type can be learned any more. */
export function firstMessage(value: string): string {
  const shown = value.length > 100 ? `${value.slice(0, 100)}…` : value;
  return `"${shown}" is not expected where no value was seen before: declare the column's type`;
}

function guarded(guard: string, value: string): string {
  return `CASE WHEN ${guard} THEN ${value} ELSE error(${quoteLiteral(GUARD_MESSAGE)}) END`;
}
