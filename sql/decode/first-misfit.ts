/** The first value that did not fit a column, and where it stands: said with what is learned from it. */

import type { DecodeRequest, ObservedColumn } from "../../core/engine.ts";
import type { Type } from "../../core/table/types.ts";
import { csvShape } from "./csv/prepare.ts";
import { scanCsv, splitRecord } from "./csv/scan.ts";
import { textFits } from "./lossless/text-fit.ts";
import type { Prepared } from "./prepared.ts";
import { positionOf } from "./rejects.ts";
import { findName, sourceColumns } from "./target-columns.ts";

/** Names of a file whose values do not fit, or that nobody knows, each with its first one; null: not known. */
export type Misfits = ReadonlyMap<string, string | null>;

const VALUE_CHARS_MAX = 40;

export const NO_MISFITS: Misfits = new Map();

/** `"12.50" at line 4711`; without a value only its place. */
export function firstMisfit(
  value: string | null,
  place: { readonly line: number | null; readonly row: number },
): string {
  const at = `at ${positionOf(place)}`;
  if (value === null) return at;
  const isLong = value.length > VALUE_CHARS_MAX;
  const shown = isLong ? `${value.slice(0, VALUE_CHARS_MAX).toWellFormed()}…` : value;
  return `${JSON.stringify(shown)} ${at}`;
}

/**
 * The columns with the first value of each that is known: `found` has them by their name in lower case. None where
 * values are taken out: what does not fit is what an expression made of it.
 */
export function withFirst(
  request: DecodeRequest,
  prepared: Prepared,
  columns: readonly ObservedColumn[],
  found: Misfits,
): ObservedColumn[] {
  if (request.redacted) return [...columns];
  const unknown = columns.filter(
    (column) => (found.get(column.name.toLowerCase()) ?? null) === null,
  );
  const isCsv = prepared.dialect.format === "csv";
  const firsts = isCsv ? new Map([...found, ...firstsOfCsv(request, prepared, unknown)]) : found;
  return columns.map((column) => {
    const first = firsts.get(column.name.toLowerCase()) ?? null;
    return first === null ? column : { ...column, first };
  });
}

/** Read once more, as far as the last column's first value. */
function firstsOfCsv(
  request: DecodeRequest,
  prepared: Prepared,
  columns: readonly ObservedColumn[],
): Misfits {
  const { names, linesBefore } = prepared;
  const wanted = wantedTypes(request, names, columns);
  const firsts = new Map<string, string>();
  const shape = csvShape(prepared);
  let row = 0;
  if (wanted.size === 0) return firsts;
  scanCsv(prepared.path, shape, (record) => {
    if (record.blank || record.isHeader || record.fault !== null) return;
    row++;
    const text = Buffer.from(record.bytes.subarray(record.start, record.end)).toString();
    const fields = splitRecord(text, shape, request.read.nulls);
    for (const [at, type] of wanted) {
      const value = fields[at] ?? null;
      if (value === null || textFits(type, value)) continue;
      firsts.set(
        (names[at] ?? "").toLowerCase(),
        firstMisfit(value, { line: record.line + linesBefore, row }),
      );
      wanted.delete(at);
    }
    return wanted.size > 0;
  });
  return firsts;
}

/** Types of the contract by the place of their column in the file; any value is a text. */
function wantedTypes(
  request: DecodeRequest,
  names: readonly string[],
  columns: readonly ObservedColumn[],
): Map<number, Type> {
  const reported = new Set(columns.map((column) => column.name));
  const wanted = new Map<number, Type>();
  for (const { field, decode } of sourceColumns(request)) {
    const at = findName(names, decode.source);
    const isText = field.type.kind === "primitive" && field.type.name === "string";
    if (at >= 0 && !isText && reported.has(names[at] ?? "")) wanted.set(at, field.type);
  }
  return wanted;
}
