/** Commits: what they write, what survives a moved base, and what readers see afterwards. */

import { describe, expect, test } from "bun:test";
import type { DataFile, Snapshot } from "../../../../core/table/types.ts";
import { readAvro } from "../../../../storage/avro/container.ts";
import type { ManifestFile } from "../../../../storage/iceberg/manifest.ts";
import { parseMetadata } from "../../../../storage/iceberg/metadata.ts";
import { liveEntries } from "../../../../storage/iceberg/plan.ts";
import { canStage, prepare, type Staged, stage } from "../../../../storage/iceberg/transaction.ts";
import {
  BY_DAY,
  change,
  creation,
  dataFile,
  LOCATION,
  MemoryLake,
  SCHEMA,
  UNPARTITIONED,
} from "./memory-files.ts";

async function livePaths(lake: MemoryLake, staged: Staged, snapshot?: Snapshot): Promise<string[]> {
  const input = { metadata: staged.metadata, manifests: lake.manifests() };
  const entries = await liveEntries(input, snapshot ?? staged.snapshot);
  return entries
    .map((entry) => entry.file.path.split("/").at(-1)?.replace(".parquet", "") ?? "")
    .sort();
}

async function manifestsOf(lake: MemoryLake, staged: Staged): Promise<readonly ManifestFile[]> {
  return await lake.manifests().list(staged.snapshot);
}

describe("create and append", () => {
  test("a new table with its first files", async () => {
    const lake = new MemoryLake();
    const staged = await lake.commit(
      null,
      creation(BY_DAY, [dataFile("a", [1]), dataFile("b", [2]), dataFile("c", [null])]),
    );
    expect(staged.metadataLocation).toBe(`${LOCATION}/metadata/00000-metadata-1.metadata.json`);
    expect(staged.snapshot?.summary).toEqual({
      "manifests-created": "1",
      "manifests-kept": "0",
      "manifests-replaced": "0",
      "added-data-files": "3",
      "added-records": "30",
      "added-files-size": "300",
      "changed-partition-count": "3",
      "total-records": "30",
      "total-files-size": "300",
      "total-data-files": "3",
      "total-delete-files": "0",
      "total-position-deletes": "0",
      "total-equality-deletes": "0",
      "engine-name": "test",
    });
    const [manifest] = await manifestsOf(lake, staged);
    expect(manifest).toMatchObject({
      addedFiles: 3,
      existingFiles: 0,
      deletedFiles: 0,
      addedRows: 30n,
      sequenceNumber: 1n,
      minSequenceNumber: 1n,
    });
    expect(manifest?.partitions).toEqual([
      {
        containsNull: true,
        containsNan: false,
        lower: Uint8Array.of(1, 0, 0, 0),
        upper: Uint8Array.of(2, 0, 0, 0),
      },
    ]);
    const entries = await liveEntries(
      { metadata: staged.metadata, manifests: lake.manifests() },
      staged.snapshot,
    );
    expect(entries[0]?.file).toMatchObject({
      partition: [1],
      dataSequenceNumber: 1n,
      fileSequenceNumber: 1n,
      snapshotId: 1001n,
      format: "parquet",
    });
  });

  test("the second commit continues the first", async () => {
    const lake = new MemoryLake();
    const first = await lake.commit(null, creation(UNPARTITIONED, [dataFile("a")]));
    const second = await lake.commit(first, change({ base: 1001n, added: [dataFile("b")] }), {
      nowMs: 1,
    });
    expect(second.metadataLocation).toEndWith("/metadata/00001-metadata-2.metadata.json");
    expect(second.snapshot).toMatchObject({
      parentId: 1001n,
      sequenceNumber: 2n,
      timestampMs: 1_000_001,
    });
    expect(second.snapshot?.summary).toMatchObject({
      "total-records": "20",
      "manifests-kept": "1",
      "changed-partition-count": "1",
    });
    expect(second.metadata.lastUpdatedMs).toBe(1_000_001);
    expect(second.metadata.refs.get("main")?.snapshotId).toBe(1002n);
    expect(second.metadata.snapshotLog.map((entry) => entry.snapshotId)).toEqual([1001n, 1002n]);
    expect(second.metadata.metadataLog).toEqual([
      { timestampMs: 1_000_001, metadataFile: first.metadataLocation },
    ]);
    expect(await livePaths(lake, second)).toEqual(["a", "b"]);
    const written = second.files.find((file) => file.location === second.metadataLocation);
    expect(parseMetadata(written?.bytes ?? "", "x")).toEqual(second.metadata);
  });

  test("manifests bear Java's names and the spec's ids", async () => {
    const lake = new MemoryLake();
    const staged = await lake.commit(null, creation(BY_DAY, [dataFile("a", [1])]));
    const [manifest] = await manifestsOf(lake, staged);
    const path = manifest?.path.replace("file:///lake/", "") ?? "";
    expect(path).toBe("bronze/orders-0a1b2c3d/metadata/commit-1-m0.avro");
    const file = readAvro(lake.filesByPath.get(path) ?? new Uint8Array(), path);
    const text = JSON.stringify(file.schema);
    for (const name of ["manifest_entry", "r2", "r102", "k117_v118", "k129_v130"])
      expect(text).toContain(`"name":"${name}"`);
    expect(text).toContain(
      '{"name":"day","type":["null",{"type":"int","logicalType":"date"}],"default":null,"field-id":1000}',
    );
    expect(file.metadata.get("partition-spec")).toBe(
      '[{"name":"day","transform":"identity","source-id":3,"field-id":1000}]',
    );
    expect(file.metadata.get("content")).toBe("data");
    expect(JSON.parse(file.metadata.get("schema") ?? "")).toMatchObject({
      "schema-id": 0,
      type: "struct",
    });
    expect(file.records[0]).toMatchObject({ status: 1, snapshot_id: 1001n, sequence_number: null });
    expect(staged.snapshot?.manifestList).toEndWith("/metadata/snap-1001-1-commit-1.avro");
  });
});

describe("a moved base", () => {
  test("an append keeps its manifests and takes new numbers", async () => {
    const lake = new MemoryLake();
    const first = await lake.commit(null, creation(UNPARTITIONED, [dataFile("a")]));
    const prepared = await prepare({
      base: first,
      change: change({ base: 1001n, added: [dataFile("c")] }),
      location: LOCATION,
      snapshotId: 77n,
      commitUuid: "slow",
      manifests: lake.manifests(),
    });
    lake.put(prepared.files);
    const second = await lake.commit(first, change({ base: 1001n, added: [dataFile("b")] }));
    expect(canStage(prepared.input.change, first, second)).toBe(true);
    const staged = await stage(prepared, {
      base: second,
      attempt: 2,
      metadataUuid: "again",
      nowMs: 2_000_000,
      engine: {},
      dropSnapshots: [],
    });
    lake.put(staged.files);
    expect(staged.files.map((file) => file.location.split("/").at(-1))).toEqual([
      "snap-77-2-slow.avro",
      "00002-again.metadata.json",
    ]);
    expect(staged.snapshot).toMatchObject({ parentId: 1002n, sequenceNumber: 3n });
    expect(await livePaths(lake, staged)).toEqual(["a", "b", "c"]);
    const numbers = (
      await liveEntries({ metadata: staged.metadata, manifests: lake.manifests() }, staged.snapshot)
    ).map((entry) => entry.file.dataSequenceNumber);
    expect(numbers).toEqual([3n, 2n, 1n]);
  });

  test("anything else is a conflict", async () => {
    const lake = new MemoryLake();
    const first = await lake.commit(null, creation(UNPARTITIONED, [dataFile("a")]));
    const second = await lake.commit(first, change({ base: 1001n, added: [dataFile("b")] }));
    const overwrite = change({
      base: 1001n,
      operation: "overwrite",
      removed: [dataFile("a").path],
    });
    expect(canStage(overwrite, first, second)).toBe(false);
    expect(canStage(overwrite, first, first)).toBe(true);
    expect(canStage(change({ schema: SCHEMA }), first, second)).toBe(true);
    expect(canStage(change({}), first, null)).toBe(false);
    const whole = change({ base: 1001n, added: [dataFile("c")], onMoved: "conflict" });
    expect(canStage(whole, first, first)).toBe(true);
    expect(canStage(whole, first, second)).toBe(false);
    await expect(lake.commit(second, overwrite)).rejects.toMatchObject({ code: "conflict" });
    const gone = change({ base: 1002n, operation: "delete", removed: [dataFile("nix").path] });
    await expect(lake.commit(second, gone)).rejects.toThrow("nix.parquet is not a live file");
  });
});

describe("a new default spec", () => {
  test("comes with the files that were written under it; earlier files stay under theirs", async () => {
    const lake = new MemoryLake();
    const first = await lake.commit(null, creation(UNPARTITIONED, [dataFile("a")]));
    const spec = { ...BY_DAY, specId: 1 };
    const file = dataFile("b", [3], { specId: 1 });
    const second = await lake.commit(first, change({ base: 1001n, spec, added: [file] }));
    expect(second.metadata).toMatchObject({ defaultSpecId: 1, lastPartitionId: 1000 });
    expect((await manifestsOf(lake, second)).map((one) => one.specId)).toEqual([1, 0]);
    expect(await livePaths(lake, second)).toEqual(["a", "b"]);
    const back = await lake.commit(
      second,
      change({ base: 1002n, operation: null, spec: UNPARTITIONED }),
    );
    expect(back.metadata).toMatchObject({ defaultSpecId: 0, snapshots: { length: 2 } });
  });

  test("of an id that another spec took is a conflict", async () => {
    const lake = new MemoryLake();
    const first = await lake.commit(null, creation(UNPARTITIONED, [dataFile("a")]));
    const byName = { sourceId: 2, fieldId: 1001, name: "name", transform: "identity" };
    const other = change({ operation: null, spec: { specId: 1, fields: [byName] } });
    const second = await lake.commit(first, other);
    const late = change({
      base: 1001n,
      spec: { ...BY_DAY, specId: 1 },
      added: [dataFile("b", [3], { specId: 1 })],
    });
    expect(canStage(late, first, second)).toBe(false);
    await expect(lake.commit(second, late)).rejects.toMatchObject({ code: "conflict" });
  });
});

describe("overwrite", () => {
  test("rewrites only the manifests that hold removed files", async () => {
    const lake = new MemoryLake();
    const metrics = new Map([
      [1, { sizeBytes: 9n, valueCount: 10n, lower: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0) }],
    ]);
    const first = await lake.commit(
      null,
      creation(UNPARTITIONED, [dataFile("a", [], { metrics }), dataFile("b", [], { metrics })]),
    );
    const second = await lake.commit(first, change({ base: 1001n, added: [dataFile("c")] }));
    const third = await lake.commit(
      second,
      change({
        base: 1002n,
        operation: "overwrite",
        removed: [dataFile("a").path],
        added: [dataFile("d")],
      }),
    );
    expect(await livePaths(lake, third)).toEqual(["b", "c", "d"]);
    expect(await livePaths(lake, third, second.snapshot ?? undefined)).toEqual(["a", "b", "c"]);
    expect(third.snapshot?.summary).toMatchObject({
      "deleted-data-files": "1",
      "deleted-records": "10",
      "removed-files-size": "100",
      "total-data-files": "3",
      "manifests-replaced": "1",
      "manifests-created": "2",
      "manifests-kept": "1",
    });
    const manifests = await manifestsOf(lake, third);
    const rewritten = manifests.find((file) => file.deletedFiles === 1);
    expect(rewritten).toMatchObject({
      existingFiles: 1,
      addedFiles: 0,
      existingRows: 10n,
      deletedRows: 10n,
      minSequenceNumber: 1n,
      sequenceNumber: 3n,
    });
    if (rewritten === undefined) throw new Error("one manifest was rewritten");
    const entries = await lake.manifests().entries(rewritten, third.metadata);
    expect(
      entries.map((entry) => [entry.status, entry.snapshotId, entry.file.dataSequenceNumber]),
    ).toEqual([
      ["deleted", 1003n, 1n],
      ["existing", 1001n, 1n],
    ]);
    expect(entries[1]?.file.metrics).toEqual(metrics);
  });

  test("a manifest of deleted files alone is kept once, then left out", async () => {
    const lake = new MemoryLake();
    const first = await lake.commit(null, creation(UNPARTITIONED, [dataFile("a")]));
    const second = await lake.commit(
      first,
      change({ base: 1001n, operation: "delete", removed: [dataFile("a").path] }),
    );
    expect((await manifestsOf(lake, second)).map((file) => file.deletedFiles)).toEqual([1]);
    const third = await lake.commit(second, change({ base: 1002n, added: [dataFile("b")] }));
    expect((await manifestsOf(lake, third)).map((file) => file.deletedFiles)).toEqual([0]);
    expect(third.snapshot?.summary).toMatchObject({ "total-records": "10" });
  });

  test("compaction may keep the age of its rows", async () => {
    const lake = new MemoryLake();
    const first = await lake.commit(null, creation(UNPARTITIONED, [dataFile("a")]));
    const compacted: DataFile = dataFile("z", [], { dataSequenceNumber: 1n });
    const second = await lake.commit(
      first,
      change({
        base: 1001n,
        operation: "replace",
        removed: [dataFile("a").path],
        added: [compacted],
      }),
    );
    const entries = await liveEntries(
      { metadata: second.metadata, manifests: lake.manifests() },
      second.snapshot,
    );
    expect(entries[0]?.file).toMatchObject({ dataSequenceNumber: 1n, fileSequenceNumber: 2n });
    expect((await manifestsOf(lake, second))[0]?.minSequenceNumber).toBe(1n);
  });
});
