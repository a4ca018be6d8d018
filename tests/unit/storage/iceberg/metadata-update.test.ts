/** Changes to metadata: schemas, properties, retention. */

import { describe, expect, test } from "bun:test";
import type { Snapshot } from "../../../../core/table/types.ts";
import type { TableVersion } from "../../../../storage/iceberg/metadata.ts";
import { liveEntries } from "../../../../storage/iceberg/plan.ts";
import { type Staged, stageCommit } from "../../../../storage/iceberg/transaction.ts";
import {
  change,
  creation,
  dataFile,
  MemoryLake,
  primitive,
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

describe("metadata changes", () => {
  test("schemas are added once, and taken up again by their id", async () => {
    const lake = new MemoryLake();
    const first = await lake.commit(null, creation(UNPARTITIONED, []));
    const wider = {
      schemaId: 0,
      fields: [
        ...SCHEMA.fields,
        { id: 4, name: "note", required: false, type: primitive("string") },
      ],
    };
    const second = await lake.commit(
      first,
      change({ base: 1001n, operation: null, schema: wider }),
    );
    expect(second.metadata).toMatchObject({ currentSchemaId: 1, lastColumnId: 4 });
    expect(second.snapshot).toBeNull();
    const third = await lake.commit(
      second,
      change({ base: 1001n, operation: null, schema: { ...SCHEMA, schemaId: 1 } }),
    );
    expect(third.metadata).toMatchObject({ currentSchemaId: 0, lastColumnId: 4 });
    expect(third.metadata.schemas).toHaveLength(2);
  });

  test("properties are set and removed; reserved ones refused", async () => {
    const lake = new MemoryLake();
    const first = await lake.commit(null, creation(UNPARTITIONED, []));
    const second = await lake.commit(
      first,
      change({ operation: null, properties: { a: "1", b: "2" } }),
    );
    const third = await lake.commit(second, change({ operation: null, properties: { a: null } }));
    expect(third.metadata.properties).toEqual({ b: "2" });
    await expect(
      lake.commit(third, change({ operation: null, properties: { uuid: "x" } })),
    ).rejects.toThrow("uuid cannot be set");
  });

  test("tables of format v1 are not written", async () => {
    const lake = new MemoryLake();
    const first = await lake.commit(null, creation(UNPARTITIONED, []));
    const foreign: TableVersion = { ...first, metadata: { ...first.metadata, formatVersion: 1 } };
    await expect(
      lake.commit(foreign, change({ base: 1001n, added: [dataFile("a")] })),
    ).rejects.toMatchObject({ code: "unsupported" });
  });
});

describe("retention", () => {
  test("the snapshot log loses what lies before a gap; lists and old metadata are given back", async () => {
    const lake = new MemoryLake();
    let head = await lake.commit(null, creation(UNPARTITIONED, [dataFile("f1")]));
    for (let number = 2; number <= 4; number++) {
      head = await lake.commit(
        head,
        change({ base: head.metadata.currentSnapshotId, added: [dataFile(`f${number}`)] }),
      );
    }
    const dropped = await lake.commit(head, change({ base: 1004n, added: [dataFile("f5")] }), {
      drop: [1002n, 1004n],
    });
    expect(dropped.metadata.snapshots.map((snapshot) => snapshot.snapshotId)).toEqual([
      1001n,
      1003n,
      1005n,
    ]);
    expect(dropped.metadata.snapshotLog.map((entry) => entry.snapshotId)).toEqual([1005n]);
    expect(dropped.obsolete.manifestLists.map((list) => list.split("/").at(-1))).toEqual([
      "snap-1002-1-commit-2.avro",
      "snap-1004-1-commit-4.avro",
    ]);
    expect(await livePaths(lake, dropped)).toEqual(["f1", "f2", "f3", "f4", "f5"]);
    const input = { metadataUuid: "tag", nowMs: 9_000_000 };
    const remove = { kind: "remove-snapshots", snapshotIds: [1001n] } as const;
    const keep = {
      kind: "set-snapshot-ref",
      name: "keep",
      ref: { kind: "tag", snapshotId: 1001n },
    } as const;
    const both = { requirements: [], updates: [keep, remove] };
    expect(() => stageCommit(dropped, both, input, "t")).toThrow(
      "snapshot 1001 is what tag keep names",
    );
    const next = stageCommit(dropped, { requirements: [], updates: [remove] }, input, "t");
    expect(next.metadata.lastUpdatedMs).toBe(9_000_000);
    expect(next.obsolete.manifestLists).toHaveLength(1);
  });

  test("the metadata log is capped", async () => {
    const lake = new MemoryLake();
    let head = await lake.commit(null, creation(UNPARTITIONED, []));
    head = await lake.commit(
      head,
      change({ operation: null, properties: { "write.metadata.previous-versions-max": "2" } }),
    );
    const [first, second] = [head.metadata.metadataLog[0]?.metadataFile, head.metadataLocation];
    head = await lake.commit(head, change({ operation: null, properties: { x: "1" } }));
    head = await lake.commit(head, change({ operation: null, properties: { x: "2" } }));
    expect(head.obsolete.metadataFiles).toEqual(first === undefined ? [] : [first]);
    expect(head.metadata.metadataLog[0]?.metadataFile).toBe(second);
  });
});
