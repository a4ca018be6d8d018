/** A moment as people write it where no table is named: a tag, a snapshot id, a time. */

import { LakeError } from "../../core/base/errors.ts";
import { parseMoment } from "../../core/base/moment.ts";
import { nearestWord } from "../../core/base/suggest.ts";
import type { Session } from "../open.ts";

/** What a moment is read from. */
interface MomentSource {
  readonly catalog: Pick<Session["catalog"], "tags" | "commits">;
  readonly config: Pick<Session["config"], "timezone">;
  readonly ports: Pick<Session["ports"], "clock">;
}

/** `--at` of a replay: a tag's commit, the commit that made a snapshot, or a time. */
export async function momentOf(session: MomentSource, text: string): Promise<number> {
  const tags = await session.catalog.tags();
  const tag = tags.get(text);
  if (tag !== undefined) return tag.timeMs;
  if (SNAPSHOT_ID.test(text)) return timeOfSnapshot(session, BigInt(text));
  try {
    return parseMoment(text, {
      timezone: session.config.timezone,
      nowMs: session.ports.clock.nowMs(),
    });
  } catch (thrown) {
    const near = nearestWord(text, tags.keys());
    const how =
      "write 2026-11-20 09:00, -2h, the name of a tag (tarn tag) or a snapshot id (tarn log)";
    throw new LakeError("usage", `"${text}" is neither a tag, a snapshot id nor a time`, {
      hint: near === null ? how : `did you mean "${near}"? ${how}`,
      cause: thrown,
    });
  }
}

/** Ids are drawn from 63 bits: shorter numbers are something else. */
const SNAPSHOT_ID = /^\d{15,19}$/;

async function timeOfSnapshot({ catalog }: MomentSource, id: bigint): Promise<number> {
  const [commit] = await catalog.commits({ snapshotId: id, limit: 1 });
  if (commit !== undefined) return commit.timeMs;
  throw new LakeError("not-found", `no commit of this lake made a snapshot ${id}`, {
    hint: "ids are in: tarn log --json, and in lake.snapshots",
  });
}
