/** What a call of `tarn quarantine` may say. */

import type { Invocation } from "../command.ts";

/** Rows shown unless told otherwise. */
const LIST_ROWS = 20;

/** Its flags. */
export const QUARANTINE_ARGS = {
  id: {
    type: "string",
    valueHint: "ID",
    description: "rows by the starts of their ids, with commas",
  },
  reason: { type: "string", valueHint: "WORD", description: "only rows with this reason" },
  where: {
    type: "string",
    valueHint: "SQL",
    description: "only rows that this holds for: raw like '%,%', file, line, message, …",
  },
  set: {
    type: "string",
    valueHint: "COL = SQL",
    description: "set fields before retrying, by SQL over the fields of each row",
  },
  raw: { type: "string", valueHint: "TEXT", description: "the whole corrected row, with --id" },
  "dry-run": { type: "boolean", description: "say what would land, and land nothing" },
  out: { type: "string", alias: "o", valueHint: "FILE", description: "the file to export into" },
  limit: {
    type: "string",
    default: String(LIST_ROWS),
    valueHint: "N",
    description: "rows to show",
  },
  all: { type: "boolean", description: "also rows that are fixed, dropped or superseded" },
} as const;

/** A call of the command. */
export type QuarantineCall = Invocation<typeof QUARANTINE_ARGS>;
