/** Merging of manifests over many commits. */

import { describe, expect, test } from "bun:test";
import type { ManifestFile } from "../../../../storage/iceberg/manifest.ts";
import { groupManifests } from "../../../../storage/iceberg/manifest-merge.ts";
import type { TableMetadata, TableVersion } from "../../../../storage/iceberg/metadata.ts";
import { liveEntries } from "../../../../storage/iceberg/plan.ts";
import type { Staged } from "../../../../storage/iceberg/transaction.ts";
import { change, creation, dataFile, MemoryLake, UNPARTITIONED } from "./memory-files.ts";

async function manifestsOf(lake: MemoryLake, staged: Staged): Promise<readonly ManifestFile[]> {
  return await lake.manifests().list(staged.snapshot);
}

describe("merging", () => {
  const properties = { "commit.manifest.min-count-to-merge": "3" };

  test("waits for enough manifests, then makes one with explicit numbers", async () => {
    const lake = new MemoryLake();
    let head = await lake.commit(null, creation(UNPARTITIONED, [dataFile("f1")]));
    head = await lake.commit(head, change({ base: 1001n, added: [dataFile("f2")], properties }));
    expect(await manifestsOf(lake, head)).toHaveLength(2);
    head = await lake.commit(head, change({ base: 1002n, added: [dataFile("f3")] }));
    const [merged, ...others] = await manifestsOf(lake, head);
    expect(others).toEqual([]);
    expect(merged).toMatchObject({
      addedFiles: 1,
      existingFiles: 2,
      minSequenceNumber: 1n,
      sequenceNumber: 3n,
      addedSnapshotId: 1003n,
    });
    const entries =
      merged === undefined ? [] : await lake.manifests().entries(merged, head.metadata);
    expect(
      entries.map((entry) => [entry.status, entry.snapshotId, entry.file.dataSequenceNumber]),
    ).toEqual([
      ["added", 1003n, 3n],
      ["existing", 1002n, 2n],
      ["existing", 1001n, 1n],
    ]);
    expect(head.snapshot?.summary).toMatchObject({
      "manifests-created": "1",
      "manifests-kept": "0",
      "manifests-replaced": "2",
    });
  });

  test("keeps the number of manifests bounded over many commits", async () => {
    const lake = new MemoryLake();
    let head: TableVersion & { metadata: TableMetadata } = await lake.commit(null, {
      ...creation(UNPARTITIONED, []),
      properties,
    });
    for (let number = 1; number <= 30; number++) {
      const staged = await lake.commit(
        head,
        change({ base: head.metadata.currentSnapshotId, added: [dataFile(`f${number}`)] }),
      );
      expect((await manifestsOf(lake, staged)).length).toBeLessThan(3);
      head = staged;
    }
    const snapshot = head.metadata.snapshots.at(-1) ?? null;
    const live = await liveEntries(
      { metadata: head.metadata, manifests: lake.manifests() },
      snapshot,
    );
    expect(new Set(live.map((entry) => entry.file.path)).size).toBe(30);
  });
});

test("an entry is written again a few times, however many commits follow", () => {
  const rule = { isEnabled: true, countMin: 100, bytesTarget: 8 * 1024 * 1024 };
  const commits = 10_000;
  let manifests: ManifestFile[] = [];
  let entriesWritten = 0;
  let mostManifests = 0;
  for (let commit = 0; commit < commits; commit++) {
    const groups = groupManifests([manifestOf(1), ...manifests], rule);
    manifests = groups.map((group) => {
      const count = group.reduce((sum, manifest) => sum + (manifest.existingFiles ?? 0), 0);
      if (group.length > 1) entriesWritten += count;
      return manifestOf(count);
    });
    mostManifests = Math.max(mostManifests, manifests.length);
  }
  expect(manifests.reduce((sum, manifest) => sum + (manifest.existingFiles ?? 0), 0)).toBe(commits);
  expect(mostManifests).toBeLessThanOrEqual(rule.countMin);
  // Merging everything each time would write an entry 50 times.
  expect(entriesWritten / commits).toBeLessThan(12);
});

function manifestOf(entries: number): ManifestFile {
  return {
    path: "",
    lengthBytes: BigInt(7_000 + 150 * entries),
    specId: 0,
    content: "data",
    sequenceNumber: 1n,
    minSequenceNumber: 1n,
    addedSnapshotId: 1n,
    addedFiles: 0,
    existingFiles: entries,
    deletedFiles: 0,
    addedRows: null,
    existingRows: null,
    deletedRows: null,
    partitions: null,
  };
}
