/** What differs between two snapshots: files that only one has, and those of which other rows are deleted. */

import type { Changes } from "../../core/ports.ts";
import { fileKey } from "../../core/table/live.ts";
import type { DataFile, Scan, ScanFile, Snapshot } from "../../core/table/types.ts";
import { hasLiveFiles, type ManifestFile } from "./manifest.ts";
import { applicableDeletes, type PlanInput, scanOf, schemaAt } from "./plan.ts";

/** Live files of a snapshot, as far as they are not those of manifests that both have. */
interface Side {
  readonly files: ReadonlyMap<string, ScanFile>;
  readonly deletes: readonly DataFile[];
}

/** Both sides are read under the columns of `after`. A manifest that both snapshots list is not opened. */
export async function planChanges(
  input: PlanInput,
  before: Snapshot | null,
  after: Snapshot | null,
): Promise<Changes> {
  const lists = [await listed(input, before), await listed(input, after)] as const;
  const shared = sharedData(lists[0], lists[1]);
  const old = await sideOf(input, lists[0], shared);
  const now = await sideOf(input, lists[1], shared);
  const onlyIn = (one: Side, other: Side): ScanFile[] =>
    [...one.files].filter(([path]) => !other.files.has(path)).map(([, file]) => file);
  const schema = schemaAt(input.metadata, after);
  const { specs } = input.metadata;
  const withDeletes = (files: readonly ScanFile[], side: Side, at: Snapshot | null): Scan => {
    const own = files.map(({ file }) => file);
    return scanOf(input, at, schema, files, applicableDeletes(own, side.deletes, specs));
  };
  const both = [...now.files].filter(([path]) => old.files.has(path)).map(([, file]) => file);
  const marked = { before: withDeletes(both, old, before), after: withDeletes(both, now, after) };
  const isMarked = pathsOf(marked.before) !== pathsOf(marked.after);
  // Which rows an equality delete takes out is known by reading them: all of them are on both sides.
  const isByValue = isMarked && [marked.before, marked.after].some(deletesByValue);
  const whole = isByValue ? both : [];
  return {
    removed: withDeletes([...onlyIn(old, now), ...whole], old, before),
    added: withDeletes([...onlyIn(now, old), ...whole], now, after),
    marked: isMarked && !isByValue ? marked : null,
  };
}

function pathsOf({ deletes }: Scan): string {
  return deletes.map(fileKey).sort().join("\n");
}

function deletesByValue({ deletes }: Scan): boolean {
  return deletes.some(({ content }) => content !== "position-deletes");
}

async function listed(input: PlanInput, snapshot: Snapshot | null): Promise<ManifestFile[]> {
  return (await input.manifests.list(snapshot)).filter(hasLiveFiles);
}

/** Paths of data manifests that need no look: where the deletes are the same, what both list has not changed. */
function sharedData(
  before: readonly ManifestFile[],
  after: readonly ManifestFile[],
): ReadonlySet<string> {
  const paths = (manifests: readonly ManifestFile[], isData: boolean): Set<string> =>
    new Set(manifests.filter((one) => (one.content === "data") === isData).map(({ path }) => path));
  if (paths(before, false).symmetricDifference(paths(after, false)).size > 0) return new Set();
  return paths(before, true).intersection(paths(after, true));
}

async function sideOf(
  input: PlanInput,
  manifests: readonly ManifestFile[],
  shared: ReadonlySet<string>,
): Promise<Side> {
  const files = new Map<string, ScanFile>();
  const deletes: DataFile[] = [];
  for (const manifest of manifests) {
    if (shared.has(manifest.path)) continue;
    for (const { status, file } of await input.manifests.entries(manifest, input.metadata)) {
      if (status === "deleted") continue;
      if (file.content !== "data") deletes.push(file);
      else files.set(file.path, { localPath: input.manifests.localPath(file.path), file });
    }
  }
  return { files, deletes };
}
