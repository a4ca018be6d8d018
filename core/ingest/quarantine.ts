/** Quarantine tables: rows set aside with their reason, as Iceberg tables beside the layer they missed. */

import { sha256Hex } from "../base/sha256.ts";
import { splitName } from "../table/name.ts";
import type { Column, PrimitiveName, TableName, Type } from "../table/types.ts";

/** Where a row stands. */
export interface RowPlace {
  readonly sha256: string;
  /** `line 88` or `row 12`. */
  readonly position: string;
  /** The batch that its file's rows carry, and the file; null in lakes of before: any file with these bytes. */
  readonly of: { readonly batch: string; readonly file: string } | null;
}

/** The id that a row keeps however often its file is read: no other row of any file has it. */
export function rowId(batch: string, file: string, position: string): string {
  return sha256Hex(rowKey(batch, file, position));
}

/** What the id is the hash of. */
export function rowKey(batch: string, file: string, position: string): string {
  return `${batch}\n${file}\n${position}`;
}

/** The position of a file that is set aside as a whole. */
export const WHOLE_FILE = "file";

function primitive(name: PrimitiveName): Type {
  return { kind: "primitive", name };
}

/**
 * Columns of every `<layer>_quarantine.<table>`, in order; fresh ids 1..n. `id` is `rowId` for files and hex sha256 of
 * `<model>:<row as JSON>` for models, so the same row keeps its id.
 */
export const QUARANTINE_COLUMNS: readonly Column[] = [
  { name: "id", type: primitive("string") },
  { name: "source", type: primitive("string") },
  { name: "file", type: primitive("string") },
  /** `line 88` for text, `row 12` for others, `file` when the whole file is set aside. */
  { name: "position", type: primitive("string") },
  { name: "line", type: primitive("long") },
  { name: "column_name", type: primitive("string") },
  { name: "reason", type: primitive("string") },
  { name: "message", type: primitive("string") },
  /** The row as it stood in the file, cut at RAW_TEXT_CHARS_MAX; JSON of the row for models. */
  { name: "raw", type: primitive("string") },
  { name: "file_sha256", type: primitive("string") },
  { name: "_batch", type: primitive("string") },
  { name: "_ingested_at", type: primitive("timestamptz") },
];

/**
 * Closed list of reasons. `parse`: not a row of the format; `fields`: another number of fields than the header;
 * `encoding`: undecodable bytes; `type`: a value that does not fit its column exactly; `required`: NULL in a
 * required column; `unknown-field`: a field nobody declared (schema: quarantine); `key`: NULL in a key;
 * `sequence`: a change whose place in the order is NULL; `unchanged`: a row under a new key without all of its values;
 * `expectation`: a model's rule; `unreadable`: the whole file; `limit`: the file went over a limit;
 * `crash`: reading the file killed or stalled the worker twice; `duplicate-key`: a JSON key twice in one object;
 * `header`: the header of a CSV once more, among the rows; `units`: units of the columns, below it;
 * `folder`: a file that does not fit the folders it lies in; `stranger`: a file that shares no column with its table.
 */
export const QUARANTINE_REASONS = [
  "parse",
  "fields",
  "encoding",
  "type",
  "required",
  "unknown-field",
  "duplicate-key",
  "header",
  "units",
  "folder",
  "stranger",
  "key",
  "sequence",
  "unchanged",
  "expectation",
  "unreadable",
  "limit",
  "crash",
] as const;

export type QuarantineReason = (typeof QUARANTINE_REASONS)[number];

/** Lines for people: what of a source's settings reads rows right that were set aside for these reasons. */
export function hintsFor(source: string, reasons: ReadonlySet<string>): readonly string[] {
  const of = (setting: string): string => `${setting} for ${source} in tarn.yaml`;
  const retry = (reason: string): string => `tarn quarantine retry ${source} --reason ${reason}`;
  const hints: Readonly<Record<string, string>> = {
    encoding:
      `bytes that are not UTF-8: ${of("encoding: windows-1252 (or what they are)")}, ` +
      `then: ${retry("encoding")}`,
    fields:
      `another number of fields: where titles stand above the header, ${of("header_row: or skip:")}; ` +
      `where the marks differ, delimiter: or quote:; then: tarn reread ${source} --dry-run`,
    stranger:
      `a file that shares no column with its table: where titles stand above its header, ` +
      `${of("header_row: or skip:")}, then: ${retry("stranger")}; another table has a folder of its own`,
    header: `a header among the rows is none of them: tarn quarantine drop ${source} --reason header`,
    units: `a row of units is no data: where one is, ${of("units_row: read")}, then: tarn reread ${source} --dry-run`,
  };
  return Object.entries(hints).flatMap(([reason, hint]) => (reasons.has(reason) ? [hint] : []));
}

/** `bronze.orders` → `bronze_quarantine.orders`. */
export function quarantineTable(table: TableName): TableName {
  const parts = splitName(table);
  return `${parts.namespace}${ASIDE}.${parts.table}`;
}

/** True for the table of what another one sets aside: until there is something, it holds nothing. */
export function isQuarantineTable(name: TableName): boolean {
  return splitName(name).namespace.endsWith(ASIDE);
}

/** The table that sets rows aside into this one; null when it is no quarantine table. */
export function writerOfQuarantine(name: TableName): TableName | null {
  if (!isQuarantineTable(name)) return null;
  const { namespace, table } = splitName(name);
  return `${namespace.slice(0, -ASIDE.length)}.${table}`;
}

const ASIDE = "_quarantine";
