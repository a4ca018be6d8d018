/** How far event time has come in what models read, and which input holds it back. */

import { LakeError } from "../../core/base/errors.ts";
import { suggestion } from "../../core/base/suggest.ts";
import { lateTable } from "../../core/model/closing-request.ts";
import { cursorFromText } from "../../core/model/cursor.ts";
import { type InputStanding, standingOf, type WatermarkState } from "../../core/model/watermark.ts";
import { liveRows } from "../../core/table/live.ts";
import type { TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";

export interface WatermarkOf {
  readonly model: TableName;
  /** Null where it never ran. */
  readonly state: WatermarkState | null;
  readonly inputs: readonly InputStanding[];
  /** Its table of late rows, and how many it has. */
  readonly late: { readonly table: TableName; readonly rows: bigint };
}

/** Of models whose windows close, by name; of one where it is named. Throws `not-found` where that is none of them. */
export async function watermarksOf(
  session: Session,
  name: string | null,
): Promise<readonly WatermarkOf[]> {
  const closing = session.project.models.filter((model) => model.closing !== null);
  const chosen = closing.filter(
    (model) => name === null || model.name === name || model.name.split(".").at(-1) === name,
  );
  if (name !== null && chosen.length === 0) throw notClosing(name, session);
  const cursors = await session.catalog.facts("cursor");
  const nowMs = session.ports.clock.nowMs();
  const found: WatermarkOf[] = [];
  for (const model of chosen) {
    const state = cursorFromText(cursors.get(model.name) ?? null)?.watermark ?? null;
    const table = lateTable(model.name);
    const current = (await session.catalog.load(table))?.current ?? null;
    const rows = current === null ? 0n : (liveRows(current) ?? 0n);
    const inputs = state === null ? [] : standingOf(state, nowMs);
    found.push({ model: model.name, state, inputs, late: { table, rows } });
  }
  return found;
}

function notClosing(name: string, { project }: Session): LakeError {
  const closing = project.models.flatMap((model) => (model.closing === null ? [] : [model.name]));
  const known = project.models.some((model) => model.name === name);
  const message = known
    ? `${name} does not close its windows: what comes is in its table at once`
    : `there is no model ${name}`;
  const hint = known
    ? "write emit: on_window_close and a watermark at its front"
    : suggestion(name, closing, "models whose windows close");
  return new LakeError("not-found", message, { hint });
}
