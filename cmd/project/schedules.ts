/** Times that cron expressions name, by croner; and what is wrong with one, said where it stands. */

import { Cron } from "croner";
import { errorText, LakeError } from "../../core/base/errors.ts";
import type { Model } from "../../core/model/model.ts";

const SETTING = /^[ \t]*schedule[ \t]*:[ \t]*/m;

/**
 * The first time after `afterMs`; null where none comes. Where the clock jumps over a time it is the end of the jump;
 * one that comes twice that night counts once, unless every hour is named. Throws for what is no expression.
 */
export function nextTick(expression: string, timezone: string, afterMs: number): number | null {
  const cron = new Cron(expression, { timezone, paused: true });
  return cron.nextRun(new Date(afterMs))?.getTime() ?? null;
}

/** Why a model has no times to run at; null when it has, or needs none. */
export function scheduleError(model: Model, zone: string, nowMs: number): LakeError | null {
  const { cadence, file, text } = model;
  if (cadence?.kind !== "cron") return null;
  const timezone = cadence.timezone ?? zone;
  const problem = problemOf(cadence.expression, timezone, nowMs);
  if (problem === null) return null;
  const at = SETTING.exec(text);
  const before = text.slice(0, (at?.index ?? 0) + (at?.[0].length ?? 0)).split("\n");
  const place = { file, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
  return new LakeError("config", `schedule: "${cadence.expression}" ${problem}`, {
    hint: "write minute hour day month weekday, such as 0 7 * * 1-5, or @daily",
    place,
    page: "T0110",
  });
}

function problemOf(expression: string, timezone: string, nowMs: number): string | null {
  try {
    new Intl.DateTimeFormat("en", { timeZone: timezone });
  } catch {
    return `is in a zone that is not known: ${timezone}`;
  }
  try {
    return nextTick(expression, timezone, nowMs) === null ? "names no time that ever comes" : null;
  } catch (thrown) {
    return `is no time of cron: ${errorText(thrown).replace(/^CronPattern: /, "")}`;
  }
}
