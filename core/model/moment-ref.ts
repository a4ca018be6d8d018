/** The moment that a model reads an input as of: the one it names in its SQL, or the run's. */

import { LakeError } from "../base/errors.ts";
import type { MomentContext } from "../base/moment.ts";
import { parseMoment } from "../base/moment.ts";
import type { TableRef } from "../engine.ts";
import type { Catalog } from "../ports.ts";
import type { VersionRef } from "../table/commit.ts";

/** A moment, and whether it means the same for every table, so that it travels through views. */
export interface FixedMoment {
  readonly ref: VersionRef;
  readonly travels: boolean;
}

/** True when the reference names a moment of its own: `orders@12`, `orders AT (…)`. */
export function namesMoment(ref: TableRef): boolean {
  return ref.at !== null || ref.name.includes("@");
}

/** The moment that a reference names; null when it names none. Throws `usage` for what is no time. */
export async function momentOf(
  catalog: Pick<Catalog, "tags">,
  ref: TableRef,
  context: MomentContext,
): Promise<FixedMoment | null> {
  if (!namesMoment(ref)) return null;
  const suffix = ref.name.slice(ref.name.indexOf("@") + 1);
  const { unit, value } = ref.at ?? { unit: "version" as const, value: suffix };
  if (unit === "timestamp") {
    const timeMs = parseMoment(value, context);
    return { ref: { kind: "time", timeMs, nearest: false }, travels: true };
  }
  const name = value.replace(/^tag:/, "");
  const isTag = unit === "tag" || (await catalog.tags()).has(name);
  if (isTag) return { ref: { kind: "tag", name }, travels: true };
  const steps = /^-(\d+)$/.exec(value)?.[1];
  if (steps !== undefined) {
    return { ref: { kind: "back", steps: Number(steps) }, travels: false };
  }
  return { ref: { kind: "version", value }, travels: false };
}

/** A version names a snapshot of one table, and a view has none. */
export function refuseVersionOfView(name: string, moment: FixedMoment | null): void {
  if (moment === null || moment.travels) return;
  throw new LakeError("sql", `${name} is a view and has no versions`, {
    hint: "use AT (TIMESTAMP => …) or a tag, which apply to its tables",
  });
}
