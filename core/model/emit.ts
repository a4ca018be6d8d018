/** Settings of a model that say when its windows come into the table, and what becomes of rows that come too late. */

import type { JsonObject } from "../base/json.ts";
import {
  below,
  type Cursor,
  duration,
  isRecord,
  mapOf,
  needed,
  nullable,
  object,
  oneOf,
  optional,
  report,
  type Shape,
  text,
} from "../config/shape.ts";

/** How far event time has come in an input. */
export interface Watermark {
  /** The time of a row. */
  readonly column: string;
  /** How much later than others a row may come. */
  readonly delayMs: number;
  /** An input without new rows for so long is not waited for; null: it is. */
  readonly idleTimeoutMs: number | null;
  /** How far ahead of its arrival the time of a row may be to be believed. */
  readonly maxFutureMs: number;
}

/** Of a model whose table holds windows that are closed, and no others. */
export interface Closing {
  /** By inputs as the settings name them; `EVERY_INPUT` stands for those that have the column. */
  readonly watermarks: ReadonlyMap<string, Watermark>;
  /** How long a window that is closed takes what comes for it. */
  readonly latenessMs: number;
  /** Windows that late rows belong to are computed again at once. */
  readonly repairs: boolean;
}

export const EVERY_INPUT = "*";
/** The column of a query that says when a window is closed. */
export const WINDOW_END = "window_end";

const MAX_FUTURE_MS = 5 * 60_000;

const WATERMARK = object(
  {
    column: needed(text({ examples: ["ts"] }), "The column that has the time of a row."),
    delay: optional(duration(), 0, "How much later than others a row may come."),
    idle_timeout: optional(
      nullable(duration()),
      null,
      "An input without new rows for so long is not waited for. Default: all are.",
    ),
    max_future: optional(
      duration(),
      MAX_FUTURE_MS,
      "How far ahead of its arrival the time of a row may be; one beyond moves nothing and is counted.",
    ),
  },
  { timestamp: 'did you mean "column"?', lag: 'did you mean "delay"?' },
);
type Given = NonNullable<ReturnType<typeof WATERMARK.read>>;
const OF_INPUTS = mapOf(WATERMARK);

/** One for all inputs that have the column, or one for each input that is named. */
const WATERMARKS: Shape<ReadonlyMap<string, Given>> = {
  get schema(): JsonObject {
    return { anyOf: [WATERMARK.schema, OF_INPUTS.schema] };
  },
  read: (value, cursor) => {
    const isEach = isRecord(value) && Object.values(value).some(isRecord);
    if (isEach) return OF_INPUTS.read(value, cursor);
    const one = WATERMARK.read(value, cursor);
    return one === undefined ? undefined : new Map([[EVERY_INPUT, one]]);
  },
  spell: () => ({}),
};

const NO_WATERMARKS: ReadonlyMap<string, Given> | null = null;
const NO_DURATION: number | null = null;
const NO_WORD: "keep" | "repair" | null = null;

export const EMIT_KEYS = {
  emit: optional(
    oneOf(["on_update", "on_window_close"], { update: "on_update", on_close: "on_window_close" }),
    "on_update",
    "When a window is in the table: from its first row on, or once the watermark is at its end.",
  ),
  watermark: optional(
    nullable(WATERMARKS),
    NO_WATERMARKS,
    "How far event time has come: column, delay, idle_timeout, max_future; of all inputs, or of each by its name.",
  ),
  allowed_lateness: optional(
    nullable(duration()),
    NO_DURATION,
    "How long a window that is closed takes rows that come for it. Default: 0s.",
  ),
  late: optional(
    nullable(oneOf(["keep", "repair"])),
    NO_WORD,
    "Rows later than that: kept in <table>_late for tarn repair, or their windows computed again at " +
      "once. Default: keep.",
  ),
};

export const EMIT_WORDS = {
  lateness: 'did you mean "allowed_lateness"?',
  watermarks: 'did you mean "watermark"?',
};

interface EmitValues {
  readonly kind: string;
  readonly emit: "on_update" | "on_window_close";
  readonly watermark: ReadonlyMap<string, Given> | null;
  readonly allowed_lateness: number | null;
  readonly late: "keep" | "repair" | null;
}

/** What the settings come to; null for a model whose windows are there from their first row on. */
export function closingFrom(values: EmitValues, cursor: Cursor): Closing | null {
  const { emit, watermark, allowed_lateness: lateness, late } = values;
  if (emit === "on_update") {
    for (const key of ["watermark", "allowed_lateness", "late"] as const) {
      if (values[key] === null) continue;
      const hint = "write emit: on_window_close, or take it out";
      report(
        below(cursor, key),
        `${key} means nothing where rows are emitted on_update`,
        hint,
        "key",
      );
    }
    return null;
  }
  if (values.kind !== "full") {
    const message = `emit: on_window_close is for kind full, and this is ${values.kind}`;
    report(below(cursor, "emit"), message, "take kind out: windows are added as they close");
  }
  if (watermark === null) {
    const hint = "write how far event time has come, such as watermark: { column: ts, delay: 5m }";
    report(below(cursor, "emit"), "emit: on_window_close needs a watermark", hint);
  }
  const given = [...(watermark ?? [])].map(([name, one]): [string, Watermark] => [
    name,
    {
      column: one.column,
      delayMs: one.delay,
      idleTimeoutMs: one.idle_timeout,
      maxFutureMs: one.max_future,
    },
  ]);
  return { watermarks: new Map(given), latenessMs: lateness ?? 0, repairs: late === "repair" };
}

/** What of them decides which rows the table has, as a part of a model's version. */
export function closingMeaning({ watermarks, latenessMs }: Closing): unknown {
  return { watermarks: [...watermarks], latenessMs };
}
