/** Merging of small manifests, so that their number stays bounded. Java: ManifestMergeManager. */

import { MANIFEST_BYTES_TARGET, MANIFESTS_TO_MERGE_MIN } from "../../core/limits.ts";
import type { ManifestEntry, ManifestFile } from "./manifest.ts";

export interface MergeRule {
  readonly isEnabled: boolean;
  readonly countMin: number;
  readonly bytesTarget: number;
}

/** What merging takes from the commit that it is part of. */
export interface MergeContext {
  readonly snapshotId: bigint;
  readonly entries: (manifest: ManifestFile) => Promise<readonly ManifestEntry[]>;
  readonly write: (
    content: ManifestFile["content"],
    specId: number,
    entries: readonly ManifestEntry[],
  ) => ManifestFile;
}

/** The rule that a table's properties set. */
export function mergeRule(properties: Readonly<Record<string, string>>): MergeRule {
  const number = (key: string, fallback: number): number => {
    const text = properties[key];
    return text !== undefined && /^\d+$/.test(text) ? Number(text) : fallback;
  };
  return {
    isEnabled: properties["commit.manifest-merge.enabled"] !== "false",
    countMin: number("commit.manifest.min-count-to-merge", MANIFESTS_TO_MERGE_MIN),
    bytesTarget: number("commit.manifest.target-size-bytes", MANIFEST_BYTES_TARGET),
  };
}

/** The rule under which two are many. */
export function wholeRule(rule: MergeRule): MergeRule {
  return { ...rule, countMin: 2 };
}

/** How many manifests, data and delete manifests, would be written again as fewer. */
export function mergeableCount(manifests: readonly ManifestFile[], rule: MergeRule): number {
  const groups = (["data", "deletes"] as const).flatMap((content) =>
    groupManifests(
      manifests.filter((manifest) => manifest.content === content),
      rule,
    ),
  );
  return groups.reduce((sum, { length }) => sum + (length > 1 ? length : 0), 0);
}

/** The manifests of a snapshot, newest first, merged by the rule: data manifests, then delete manifests. */
export async function mergeManifests(
  manifests: readonly ManifestFile[],
  rule: MergeRule,
  context: MergeContext,
): Promise<readonly ManifestFile[]> {
  const merged: ManifestFile[] = [];
  for (const content of ["data", "deletes"] as const) {
    const ofContent = manifests.filter((manifest) => manifest.content === content);
    for (const group of groupManifests(ofContent, rule)) {
      const [first, ...others] = group;
      if (first === undefined) continue;
      if (others.length === 0) {
        merged.push(first);
        continue;
      }
      const entries: ManifestEntry[] = [];
      for (const manifest of group) {
        entries.push(...mergeEntries(await context.entries(manifest), context.snapshotId));
      }
      merged.push(context.write(content, first.specId, entries));
    }
  }
  return merged;
}

/**
 * Groups manifests of one content, newest first, into those to be merged (more than one) and those to be kept.
 * Never across specs. The group with the newest manifest waits until it has `countMin` members, and leaves out those
 * that are much larger than the rest.
 */
export function groupManifests(
  manifests: readonly ManifestFile[],
  rule: MergeRule,
): readonly (readonly ManifestFile[])[] {
  if (!rule.isEnabled) return manifests.map((manifest) => [manifest]);
  const newest = manifests[0];
  const groups: (readonly ManifestFile[])[] = [];
  for (const ofSpec of Map.groupBy(manifests, (manifest) => manifest.specId).values()) {
    for (const bin of packFromEnd(ofSpec, rule.bytesTarget)) {
      if (newest === undefined || !bin.includes(newest)) groups.push(bin);
      else if (bin.length < rule.countMin) groups.push(...bin.map((manifest) => [manifest]));
      else groups.push(...leaveLarge(bin));
    }
  }
  return groups;
}

/**
 * Entries of a merged manifest: files that this snapshot adds or deletes stay so, live files of earlier ones
 * become existing with explicit numbers, and what earlier ones deleted is gone.
 */
export function mergeEntries(
  entries: readonly ManifestEntry[],
  snapshotId: bigint,
): readonly ManifestEntry[] {
  const merged: ManifestEntry[] = [];
  for (const entry of entries) {
    const isOwn = entry.snapshotId === snapshotId;
    if (entry.status === "deleted") {
      if (isOwn) merged.push(entry);
    } else if (entry.status === "added" && !isOwn) {
      merged.push({ ...entry, status: "existing" });
    } else merged.push(entry);
  }
  return merged;
}

/** A manifest with more entries than this many times those of all newer ones is not written again with them. */
const LARGE_TIMES = 4;

/** The oldest of a bin stay as they are while they are large: an entry is written again a few times, not for ever. */
function leaveLarge(bin: readonly ManifestFile[]): readonly (readonly ManifestFile[])[] {
  let end = bin.length;
  let newer = bin.reduce((sum, manifest) => sum + entryCount(manifest), 0);
  for (; end > 1; end--) {
    const oldest = bin[end - 1];
    const count = oldest === undefined ? 0 : entryCount(oldest);
    newer -= count;
    if (count <= LARGE_TIMES * newer) break;
  }
  return [bin.slice(0, end), ...bin.slice(end).map((manifest) => [manifest])];
}

/** At least 1: writers of format v1 may leave the counts out. */
function entryCount({ addedFiles, existingFiles, deletedFiles }: ManifestFile): number {
  return Math.max(1, (addedFiles ?? 0) + (existingFiles ?? 0) + (deletedFiles ?? 0));
}

/** Bins of at most `target` bytes, filled from the oldest, so that the newest is the one not yet full. */
function packFromEnd(
  manifests: readonly ManifestFile[],
  target: number,
): readonly (readonly ManifestFile[])[] {
  const bins: ManifestFile[][] = [];
  let filled = Number.POSITIVE_INFINITY;
  for (const manifest of manifests.toReversed()) {
    const size = Number(manifest.lengthBytes);
    const last = bins.at(-1);
    if (last === undefined || filled + size > target) {
      bins.push([manifest]);
      filled = size;
    } else {
      last.push(manifest);
      filled += size;
    }
  }
  return bins.map((bin) => bin.toReversed()).toReversed();
}
