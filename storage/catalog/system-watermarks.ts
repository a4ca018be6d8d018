/** `lake.watermarks`: how far event time has come in each input of models whose windows close. */

import type { Json } from "../../core/base/json.ts";
import { microsText } from "../../core/base/moment-text.ts";
import { cursorFromText } from "../../core/model/cursor.ts";
import { standingOf } from "../../core/model/watermark.ts";
import { text } from "./database.ts";
import { partsOf } from "./history.ts";
import { columns, iso, type SystemTableMaker } from "./system-column.ts";

export const WATERMARKS: SystemTableMaker = {
  columns: columns(
    "table_schema",
    "table_name",
    "watermark timestamptz",
    "watermark_before timestamptz",
    "late_rows long",
    "input",
    "column_name",
    "delay_ms long",
    "seen timestamptz",
    "input_watermark timestamptz",
    "holds_back boolean",
    "idle_timeout_ms long",
    "is_idle boolean",
    "came_at timestamptz",
    "future_rows long",
    "furthest_future timestamptz",
  ),
  read: async ({ store, clock }, only) => {
    const sql = "SELECT name, value FROM lake_facts WHERE kind = 'cursor' ORDER BY name";
    const facts = await store.read(() => store.db.all(sql));
    return facts
      .filter((fact) => only === null || fact.name === only)
      .flatMap((fact) => {
        const state = cursorFromText(text(fact, "value"))?.watermark ?? null;
        if (state === null) return [];
        const { namespace, table } = partsOf(text(fact, "name"));
        const of = [namespace, table, time(state.us), time(state.beforeUs), state.lateRows];
        return standingOf(state, clock.nowMs()).map((input): Json[] => [
          ...of,
          input.table,
          input.column,
          BigInt(input.delayMs),
          time(input.seenUs),
          time(input.us),
          input.holdsBack,
          input.idleTimeoutMs === null ? null : BigInt(input.idleTimeoutMs),
          input.isIdle,
          input.cameMs === null ? null : iso(input.cameMs),
          input.futureRows,
          time(input.furthestUs),
        ]);
      });
  },
};

function time(us: bigint | null): string | null {
  return us === null ? null : microsText(us);
}
