/**
 * Versions and moments as people write them, the same wherever one is asked for: `12`, `@12`, `@-1`, the id of a
 * snapshot, a tag, a branch, a time. DESIGN, Settled.
 */

import { LakeError } from "../base/errors.ts";
import { isRelativeMoment, type MomentContext, momentMs, parseMoment } from "../base/moment.ts";
import { nearestWord } from "../base/suggest.ts";
import type { TableRef } from "../engine.ts";
import { BRANCH_PREFIX } from "../limits.ts";
import type { Catalog } from "../ports.ts";
import type { VersionRef } from "./commit.ts";

/** What `AT (…)` says before its value; `any` where nothing says it. */
export type VersionUnit = "any" | "version" | "timestamp" | "tag";

/** What a text may name besides numbers. */
export interface VersionNames {
  /** Of the lake. */
  readonly tags: Names;
  /** Branches and tags of the table itself. */
  readonly refs: Names;
  readonly moments: MomentContext;
}

interface Names {
  has(name: string): boolean;
}

const NO_NAMES: ReadonlySet<string> = new Set();
/** Ids are drawn from 63 bits: shorter numbers are sequence numbers. */
const SNAPSHOT_ID = /^\d{15,19}$/;
const NAME = /^[\p{L}_][\p{L}\p{N}_.-]*$/u;

/** What `text` names of a table. Throws `usage` for what is none of the spellings. */
export function parseVersion(text: string, unit: VersionUnit, names: VersionNames): VersionRef {
  const trimmed = text.trim();
  if (trimmed.startsWith(BRANCH_PREFIX) && unit !== "timestamp") {
    return { kind: "branch", name: trimmed.slice(BRANCH_PREFIX.length) };
  }
  const plain = unit === "timestamp" ? trimmed : trimmed.replace(/^@/, "");
  const name = plain.replace(/^tag:/, "");
  if (unit === "tag" || name !== plain) return { kind: "tag", name };
  if (unit !== "timestamp") {
    const steps = /^-(\d+)$/.exec(plain)?.[1];
    if (steps !== undefined) return { kind: "back", steps: Number(steps) };
    if (/^\d+$/.test(plain)) return { kind: "version", value: plain };
    if (names.refs.has(plain)) return { kind: "version", value: plain };
  }
  if (names.tags.has(plain)) return { kind: "tag", name: plain };
  const timeMs = momentMs(plain, names.moments);
  if (timeMs !== null) return { kind: "time", timeMs, nearest: false };
  // A name that nobody knows yet: the table says so, and which ones are near.
  if (unit === "version" || (unit === "any" && NAME.test(plain))) {
    return { kind: "version", value: plain };
  }
  return { kind: "time", timeMs: parseMoment(text, names.moments), nearest: false };
}

/** What a reference in a statement says of its moment: `orders@12`, `orders AT (…)`; null when it says nothing. */
export function momentIn(ref: TableRef): { unit: VersionUnit; value: string } | null {
  if (ref.at !== null) return ref.at;
  const { version } = splitVersion(ref.name);
  return version === null ? null : { unit: "version", value: version };
}

/** `silver.orders@12` as name and version; the version is null when there is none. */
export function splitVersion(text: string): { name: string; version: string | null } {
  const at = text.indexOf("@");
  return at < 0
    ? { name: text, version: null }
    : { name: text.slice(0, at), version: text.slice(at + 1) };
}

/** True when it means the same instant for every table, so that it travels through views. */
export function travels(ref: VersionRef): boolean {
  return ref.kind !== "version" && ref.kind !== "back";
}

/** A version names a snapshot of one table, and a view has none. */
export function refuseVersionOfView(view: string, ref: VersionRef): void {
  if (travels(ref)) return;
  throw new LakeError("sql", `${view} is a view and has no versions`, {
    hint: "use AT (TIMESTAMP => …) or a tag, which apply to its tables",
  });
}

/** Why a spelling names another state whenever it is read, whatever the lake holds; null when it is written out. */
export function movesByItself(text: string, unit: VersionUnit): string | null {
  const plain = text.trim().replace(/^@/, "");
  if (unit === "tag") return null;
  if (unit !== "timestamp" && /^-\d+$/.test(plain)) return "it counts from the newest snapshot";
  return isRelativeMoment(plain) ? "it counts from now" : null;
}

/**
 * What `text` names of the whole lake, as an instant: a tag's, that of the commit which made a snapshot, or a time.
 * Throws `usage` for a version of one table, `not-found` for a tag or a snapshot that the lake does not know.
 */
export async function lakeMoment(
  catalog: Pick<Catalog, "tags" | "commits">,
  text: string,
  moments: MomentContext,
): Promise<number> {
  const tags = await catalog.tags();
  const ref = parseVersion(text, "any", { tags, refs: NO_NAMES, moments });
  if (ref.kind === "time") return ref.timeMs;
  if (ref.kind === "tag") {
    const tag = tags.get(ref.name);
    if (tag !== undefined) return tag.timeMs;
    const near = nearestWord(ref.name, tags.keys());
    throw new LakeError("not-found", `there is no tag "${ref.name}"`, {
      hint: near === null ? "see: tarn tag" : `did you mean "${near}"?`,
    });
  }
  if (ref.kind === "version" && SNAPSHOT_ID.test(ref.value)) {
    const [commit] = await catalog.commits({ snapshotId: BigInt(ref.value), limit: 1 });
    if (commit !== undefined) return commit.timeMs;
    throw new LakeError("not-found", `no commit of this lake made a snapshot ${ref.value}`, {
      hint: "ids are in: tarn log --json, and in lake.snapshots",
    });
  }
  throw noMoment(text, ref, [...tags.keys()]);
}

function noMoment(text: string, ref: VersionRef, tags: readonly string[]): LakeError {
  const how =
    "write 2026-11-20 09:00, -2h, the name of a tag (tarn tag) or a snapshot id (tarn log)";
  if (ref.kind === "back" || (ref.kind === "version" && /^\d+$/.test(ref.value))) {
    const what = `"${text}" is a version of one table, and this is about the whole lake`;
    return new LakeError("usage", what, { hint: how });
  }
  const near = nearestWord(text, tags);
  return new LakeError("usage", `"${text}" is neither a tag, a snapshot id nor a time`, {
    hint: near === null ? how : `did you mean "${near}"? ${how}`,
  });
}
