/** What a person is told of how far event time has come in a model's inputs. */

import type { JsonObject } from "../../core/base/json.ts";
import { microsText } from "../../core/base/moment-text.ts";
import { counted, formatDuration } from "../../core/base/quantity.ts";
import type { InputStanding } from "../../core/model/watermark.ts";
import { agoText } from "../format/numbers.ts";
import type { WatermarkOf } from "../lake/watermark.ts";

/** One model: its watermark, its inputs with the one that holds it back, what is late. */
export function watermarkLines(
  { model, state, inputs, late }: WatermarkOf,
  nowMs: number,
): string[] {
  if (state === null) return [`${model}  no watermark yet: it was not built`];
  const before =
    state.beforeUs === null ? "" : ` (before its last batch ${microsText(state.beforeUs)})`;
  const lines = [`${model}  watermark ${timeText(state.us)}${before}`];
  for (const input of inputs) lines.push(...inputLines(input, nowMs));
  if (late.rows > 0n) {
    lines.push(
      `  ${counted(late.rows, "row")} in ${late.table}, late or without a time: tarn repair ${model}`,
    );
  }
  return lines;
}

/** The same for a program: instants as ISO text, durations in milliseconds. */
export function watermarkDocument({ model, state, inputs, late }: WatermarkOf): JsonObject {
  return {
    model,
    watermark: textOf(state?.us ?? null),
    watermark_before: textOf(state?.beforeUs ?? null),
    late_table: late.table,
    late_rows: Number(late.rows),
    inputs: inputs.map((input) => ({
      input: input.table,
      column: input.column,
      delay_ms: input.delayMs,
      seen: textOf(input.seenUs),
      watermark: textOf(input.us),
      holds_back: input.holdsBack,
      is_idle: input.isIdle,
      idle_timeout_ms: input.idleTimeoutMs,
      future_rows: Number(input.futureRows),
      furthest_future: textOf(input.furthestUs),
    })),
  };
}

function textOf(us: bigint | null): string | null {
  return us === null ? null : microsText(us);
}

function inputLines(input: InputStanding, nowMs: number): string[] {
  const { table, column, seenUs, delayMs, cameMs, isIdle, holdsBack, futureRows } = input;
  const delay = delayMs === 0 ? "" : `, less ${formatDuration(delayMs)}`;
  const seen =
    seenUs === null ? "no time seen" : `${column} seen up to ${microsText(seenUs)}${delay}`;
  const came = cameMs === null ? "" : `, rows came ${agoText(nowMs - cameMs)}`;
  const role = holdsBack ? "holds it back" : isIdle ? "idle, not waited for" : "is ahead";
  const lines = [`  ${table}  ${timeText(input.us)}  ${role}: ${seen}${came}`];
  if (futureRows > 0n && input.furthestUs !== null) {
    const rows = futureRows === 1n ? "1 row" : `${futureRows} rows`;
    lines.push(`    ${rows} from the future moved nothing: up to ${microsText(input.furthestUs)}`);
  }
  return lines;
}

function timeText(us: bigint | null): string {
  return us === null ? "none" : microsText(us);
}
