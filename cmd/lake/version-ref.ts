/** Versions as people write them on the command line: `@12`, `@-1`, a snapshot id, a tag, a time. */

import { parseMoment } from "../../core/base/moment.ts";
import type { VersionRef } from "../../core/table/commit.ts";
import type { Session } from "../open.ts";

/** What `text` names. Numbers are versions, known tags are tags, everything else must be a time. */
export async function versionRef(
  session: Pick<Session, "catalog" | "config" | "ports">,
  text: string,
): Promise<VersionRef> {
  const plain = text.trim().replace(/^@/, "");
  if (/^-\d+$/.test(plain)) return { kind: "back", steps: Number(plain.slice(1)) };
  if (/^\d+$/.test(plain)) return { kind: "version", value: plain };
  const name = plain.replace(/^tag:/, "");
  if ((await session.catalog.tags()).has(name)) return { kind: "tag", name };
  const { timezone } = session.config;
  const nowMs = session.ports.clock.nowMs();
  try {
    return { kind: "time", timeMs: parseMoment(plain, { timezone, nowMs }), nearest: false };
  } catch (thrown) {
    // A branch of another writer is a version too; its name decides only when it is no time.
    if (/^[\p{L}_][\p{L}\p{N}_-]*$/u.test(name)) return { kind: "version", value: name };
    throw thrown;
  }
}

/** `silver.orders@12` as name and version; the version is null when there is none. */
export function splitVersion(text: string): { name: string; version: string | null } {
  const at = text.indexOf("@");
  return at < 0
    ? { name: text, version: null }
    : { name: text.slice(0, at), version: text.slice(at + 1) };
}
