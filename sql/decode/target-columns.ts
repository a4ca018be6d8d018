/** Which columns of the table files fill, by the names that they have there. */

import type { DecodeColumn, DecodeRequest } from "../../core/engine.ts";
import { BRONZE_COLUMNS, RESCUED_COLUMN } from "../../core/table/system-columns.ts";
import type { Field } from "../../core/table/types.ts";

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
