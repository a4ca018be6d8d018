/** The settings of models that are computed by windows of event time: `kind: microbatch`. Words are dbt's. */

import {
  below,
  type Cursor,
  integer,
  nullable,
  oneOf,
  optional,
  report,
  text,
} from "../config/shape.ts";
import { LOOKBACK_MAX } from "../limits.ts";

export const WINDOW_SIZES = ["hour", "day", "month", "year"] as const;
export type WindowSize = (typeof WINDOW_SIZES)[number];

/** Windows of event time, half-open and aligned, on the wall of the project's zone. */
export interface Windows {
  /** The column of the model, and of each input that has it. */
  readonly column: string;
  readonly size: WindowSize;
  /** Where the first window of the model begins, on the wall; null: where its rows do. */
  readonly begin: string | null;
  /** How many windows before one that changed are computed again with it. */
  readonly lookback: number;
  /** The inputs that are read window by window, as the query names them; without: each that has the column. */
  readonly inputs?: readonly string[];
}

/** Whether an input is read window by window, where it has the column. */
export function isTimed({ inputs }: Windows, name: string): boolean {
  return inputs === undefined || inputs.some((one) => one.toLowerCase() === name.toLowerCase());
}

const BEGIN = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?$/;
const NO_TEXT: string | null = null;
const NO_SIZE: WindowSize | null = null;
const NO_NUMBER: number | null = null;

/** Settings of `kind: microbatch`. */
export const WINDOW_KEYS = {
  event_time: optional(
    nullable(text({})),
    NO_TEXT,
    "microbatch: the column that says when; each input that has it is read window by window.",
  ),
  batch_size: optional(nullable(oneOf(WINDOW_SIZES)), NO_SIZE, "microbatch: how long a window is."),
  begin: optional(
    nullable(text({ check: (value) => (beginOf(value) === null ? NO_BEGIN : null) })),
    NO_TEXT,
    "microbatch: rows of windows before this date or time are left out, and counted. Default: none is.",
  ),
  lookback: optional(
    nullable(integer({ min: 0, max: LOOKBACK_MAX })),
    NO_NUMBER,
    "microbatch: windows before one that changed that are computed again with it. Default: 0.",
  ),
} as const;

const NO_BEGIN = "it is no date or time, such as 2026-01-01 or 2026-01-01 06:00";

export interface WindowValues {
  readonly event_time: string | null;
  readonly batch_size: WindowSize | null;
  readonly begin: string | null;
  readonly lookback: number | null;
}

/** The settings together; reports what is missing, or what another kind does not know. */
export function windowsFrom(kind: string, values: WindowValues, cursor: Cursor): Windows | null {
  if (kind !== "microbatch") {
    for (const name of ["event_time", "batch_size", "begin", "lookback"] as const) {
      if (values[name] === null) continue;
      const message = `${name} means nothing for kind ${kind}`;
      report(below(cursor, name), message, "write kind: microbatch, or leave it out", "key");
    }
    return null;
  }
  const { event_time: column, batch_size: size } = values;
  if (column === null) {
    const hint = "add a line such as: event_time: ordered_at";
    report(below(cursor, "kind"), "a microbatch needs an event_time", hint);
  }
  if (size === null) {
    const hint = "add a line such as: batch_size: day";
    report(below(cursor, "kind"), "a microbatch needs a batch_size", hint);
  }
  if (column === null || size === null) return null;
  const begin = values.begin === null ? null : beginOf(values.begin);
  return {
    column,
    size,
    begin: begin === null ? null : windowOf(begin, size),
    lookback: values.lookback ?? 0,
  };
}

/** Where the window of a wall time begins. */
function windowOf(begin: string, size: WindowSize): string {
  const kept = begin.slice(0, { hour: 13, day: 10, month: 7, year: 4 }[size]);
  return kept + "0000-01-01 00:00:00".slice(kept.length);
}

/** As `2026-01-01 06:00:00`; null for what is none. */
function beginOf(value: string): string | null {
  const written = value.trim();
  if (!BEGIN.test(written)) return null;
  const [date = "", time = "00:00:00"] = written.split(/[T ]/);
  const full = time.length === 5 ? `${time}:00` : time;
  const ms = Date.parse(`${date}T${full}Z`);
  // A day that a month does not have is taken for one of the next.
  const isReal = !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(`${date}T${full}`);
  return isReal ? `${date} ${full}` : null;
}
