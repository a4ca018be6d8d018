/** Moments of an open lake, and versions of its tables, as they are asked for. */

import type { MomentContext } from "../../core/base/moment.ts";
import type { VersionRef } from "../../core/table/commit.ts";
import type { Table } from "../../core/table/types.ts";
import { lakeMoment, parseVersion, type VersionUnit } from "../../core/table/version-ref.ts";
import type { Session } from "../open.ts";

type Asked = Pick<Session, "config"> & { readonly ports: Pick<Session["ports"], "clock"> };

/** How moments are read here and now. */
export function momentsOf({ config, ports }: Asked): MomentContext {
  return { timezone: config.timezone, nowMs: ports.clock.nowMs() };
}

/** What `text` names of a table; null stands for a view, which has no branches of its own. */
export async function versionRef(
  session: Asked & { readonly catalog: Pick<Session["catalog"], "tags"> },
  table: Pick<Table, "refs"> | null,
  text: string,
  unit: VersionUnit = "any",
): Promise<VersionRef> {
  const tags = await session.catalog.tags();
  const refs = table?.refs ?? new Map();
  return parseVersion(text, unit, { tags, refs, moments: momentsOf(session) });
}

/** A moment as the lookup takes it (fixed now, when it is relative) and as a prompt shows it. */
export async function shownMoment(
  session: Session,
  text: string,
): Promise<{ readonly asOf: string; readonly label: string }> {
  const tag = text.replace(/^tag:/, "");
  if ((await session.catalog.tags()).has(tag)) return { asOf: `tag:${tag}`, label: tag };
  const moments = momentsOf(session);
  const timeMs = await lakeMoment(session.catalog, text, moments);
  const { timezone } = moments;
  const local = Temporal.Instant.fromEpochMilliseconds(timeMs).toZonedDateTimeISO(timezone);
  const label = local.toPlainDateTime().toString({ smallestUnit: "minute" }).replace("T", " ");
  return { asOf: new Date(timeMs).toISOString(), label };
}

export { momentIn, refuseVersionOfView } from "../../core/table/version-ref.ts";
