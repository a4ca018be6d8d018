/** What references of a table keep of its past, and which of them are older than they may be. */

import { MAIN } from "../limits.ts";
import type { Snapshot } from "./types.ts";

/** A reference with what it says of how long it, and what it stands on, is kept. */
interface KeptRef {
  readonly kind: "branch" | "tag";
  readonly snapshotId: bigint;
  readonly minSnapshotsToKeep?: number;
  readonly maxSnapshotAgeMs?: number;
  readonly maxRefAgeMs?: number;
}

interface Referred {
  readonly snapshots: readonly Pick<Snapshot, "snapshotId" | "parentId" | "timestampMs">[];
  readonly currentSnapshotId: bigint | null;
  readonly refs: ReadonlyMap<string, KeptRef>;
}

/**
 * References that are older than they may be, and the snapshots that the others keep: what they name, of a branch the
 * whole way from `main` (or as many and as young as it says), of `main` as many as it says. Iceberg spec,
 * "Snapshot Retention Policy".
 */
export function keptByRefs(
  { snapshots, currentSnapshotId, refs }: Referred,
  nowMs: number,
): { readonly kept: ReadonlySet<bigint>; readonly agedRefs: readonly string[] } {
  const byId = new Map(snapshots.map((one) => [one.snapshotId, one]));
  const line = (from: bigint | null): Referred["snapshots"] => {
    const found: Referred["snapshots"][number][] = [];
    let at = from === null ? undefined : byId.get(from);
    while (at !== undefined && found.length <= byId.size) {
      found.push(at);
      at = at.parentId === null ? undefined : byId.get(at.parentId);
    }
    return found;
  };
  const main = line(currentSnapshotId);
  const onMain = new Set(main.map(({ snapshotId }) => snapshotId));
  const kept = new Set<bigint>();
  const agedRefs: string[] = [];
  for (const [name, ref] of refs) {
    const { maxRefAgeMs, maxSnapshotAgeMs, minSnapshotsToKeep } = ref;
    const head = byId.get(ref.snapshotId);
    const isOld =
      maxRefAgeMs !== undefined && head !== undefined && head.timestampMs < nowMs - maxRefAgeMs;
    if (name !== MAIN && isOld) {
      agedRefs.push(name);
      continue;
    }
    kept.add(ref.snapshotId);
    if (name === MAIN) {
      for (const { snapshotId } of main.slice(0, minSnapshotsToKeep ?? 1)) kept.add(snapshotId);
    } else if (ref.kind === "branch") {
      const own = line(ref.snapshotId);
      const fork = own.findIndex(({ snapshotId }) => onMain.has(snapshotId));
      for (const [index, one] of own.slice(0, fork < 0 ? own.length : fork + 1).entries()) {
        const isFew = index < (minSnapshotsToKeep ?? 1);
        const isYoung = one.timestampMs >= nowMs - (maxSnapshotAgeMs ?? Number.POSITIVE_INFINITY);
        if (isFew || isYoung) kept.add(one.snapshotId);
      }
    }
  }
  return { kept, agedRefs };
}
