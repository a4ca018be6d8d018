/** Commits of other engines: every one is entered, however late it is seen, and none slips under one of ours. */

import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { must } from "../../../../core/base/assert.ts";
import type { CommitInfo } from "../../../../core/table/commit.ts";
import type { Operation } from "../../../../core/table/types.ts";
import {
  currentSnapshot,
  parseMetadata,
  serializeMetadata,
  type TableMetadata,
} from "../../../../storage/iceberg/metadata.ts";
import { applyUpdates } from "../../../../storage/iceberg/metadata-update.ts";
import type { Update } from "../../../../storage/iceberg/table-commit.ts";
import { changeOf, TestCatalog } from "../../../sim/lake.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const NAME = "gold.daily";

/** What another engine does: writes a metadata file and moves Iceberg's own pointer, and knows of nothing else. */
function commitAsOther(root: string, change: (metadata: TableMetadata) => readonly Update[]): void {
  const db = new Database(`${root}/catalog.db`);
  const sql = "SELECT metadata_location AS location FROM iceberg_tables";
  const { location } = must(db.query<{ location: string }, []>(sql).get(), "a table");
  const metadata = parseMetadata(readFileSync(fileURLToPath(location)), location);
  const next = applyUpdates(metadata, change(metadata), { nowMs: metadata.lastUpdatedMs + 1 });
  const moved = location.replace(/[^/]+$/, `${crypto.randomUUID()}.metadata.json`);
  writeFileSync(fileURLToPath(moved), serializeMetadata(next));
  db.run("UPDATE iceberg_tables SET metadata_location = ?", [moved]);
  db.close();
}

/** A snapshot of another engine on top of main, or of `parentId`. */
function snapshotOf(
  metadata: TableMetadata,
  operation: Operation,
  id: bigint,
  step = 1n,
): readonly Update[] {
  const head = must(currentSnapshot(metadata), "a snapshot");
  const summary = { "added-records": "2", "total-records": "9" };
  const snapshot = {
    ...head,
    snapshotId: id,
    parentId: step === 1n ? head.snapshotId : id - 1n,
    sequenceNumber: metadata.lastSequenceNumber + step,
    timestampMs: metadata.lastUpdatedMs + Number(step),
    operation,
    summary,
    extra: {},
  };
  const ref = { kind: "branch", snapshotId: id } as const;
  return [
    { kind: "add-snapshot", snapshot },
    { kind: "set-snapshot-ref", name: "main", ref },
  ];
}

function told(commits: readonly CommitInfo[]): string[] {
  return commits.map(
    ({ kind, tables: [table] }) => `${kind} ${table?.operation} ${table?.snapshotId}`,
  );
}

async function lakeOf(folder: { readonly path: string }) {
  const root = `${folder.path}/lake`;
  const lake = await TestCatalog.open({ root });
  await lake.append(NAME, [1]);
  return { root, lake };
}

describe("a commit of another engine", () => {
  test("is entered with all that came before it since the last one known", async () => {
    await using folder = await tempFolder();
    const { root, lake } = await lakeOf(folder);
    commitAsOther(root, (metadata) => [
      ...snapshotOf(metadata, "append", 71n),
      ...snapshotOf(metadata, "overwrite", 72n, 2n),
      ...snapshotOf(metadata, "replace", 73n, 3n),
    ]);
    const [head] = await lake.catalog.tables();
    expect(head).toMatchObject({ snapshotId: 73n, sequenceNumber: 4n });
    const commits = await lake.catalog.commits({ table: NAME, limit: 9 });
    expect(told(commits).slice(0, 3)).toEqual([
      "foreign replace 73",
      "foreign overwrite 72",
      "foreign append 71",
    ]);
    expect(commits.map((commit) => commit.number)).toEqual([4n, 3n, 2n, 1n]);
    expect(new Set(commits.map((commit) => commit.timeMs)).size).toBe(4);
    expect(await lake.catalog.tables()).toHaveLength(1);
    expect(await lake.catalog.commits({ limit: 9 })).toHaveLength(4);
    await lake.catalog.close();
  });

  test("between two of its snapshots is a moment too", async () => {
    await using folder = await tempFolder();
    const { root, lake } = await lakeOf(folder);
    commitAsOther(root, (metadata) => [
      ...snapshotOf(metadata, "append", 71n),
      ...snapshotOf(metadata, "append", 72n, 2n),
    ]);
    await lake.catalog.tables();
    const table = must(await lake.catalog.load(NAME), NAME);
    const [, between] = await lake.catalog.commits({ table: NAME, limit: 2 });
    const ref = { kind: "time", timeMs: between?.timeMs ?? 0, nearest: false } as const;
    expect((await lake.catalog.snapshotAt(table, ref))?.snapshotId).toBe(71n);
    await lake.catalog.close();
  });

  test("that goes back, or whose way from the last known one is gone, counts as an overwrite", async () => {
    await using folder = await tempFolder();
    const { root, lake } = await lakeOf(folder);
    const first = must((await lake.catalog.load(NAME))?.current, "a snapshot").snapshotId;
    await lake.append(NAME, [2]);
    const ref = { kind: "branch", snapshotId: first } as const;
    commitAsOther(root, () => [{ kind: "set-snapshot-ref", name: "main", ref }]);
    await lake.catalog.tables();
    commitAsOther(root, (metadata) => [
      ...snapshotOf(metadata, "append", 71n),
      ...snapshotOf(metadata, "replace", 72n, 2n),
      { kind: "remove-snapshots", snapshotIds: [71n] },
    ]);
    await lake.catalog.tables();
    commitAsOther(root, () => [{ kind: "remove-snapshot-ref", name: "main" }]);
    await lake.catalog.tables();
    const commits = await lake.catalog.commits({ table: NAME, limit: 3 });
    expect(told(commits)).toEqual([
      "foreign delete null",
      "foreign overwrite 72",
      `foreign overwrite ${first}`,
    ]);
    await lake.catalog.close();
  });

  test("that changes no rows makes no snapshot of ours", async () => {
    await using folder = await tempFolder();
    const { root, lake } = await lakeOf(folder);
    commitAsOther(root, () => [{ kind: "set-properties", properties: { owner: "someone" } }]);
    await lake.catalog.tables();
    const [commit] = await lake.catalog.commits({ table: NAME, limit: 1 });
    expect(commit).toMatchObject({ kind: "foreign", tables: [{ operation: null }] });
    await lake.catalog.close();
  });

  test("while an append of ours is under way is below it, or a conflict where it may not be", async () => {
    await using folder = await tempFolder();
    const { root, lake } = await lakeOf(folder);
    const run = { ...(await lake.appendChange(NAME, [2])), onMoved: "conflict" as const };
    const landing = await lake.appendChange(NAME, [3]);
    commitAsOther(root, (metadata) => snapshotOf(metadata, "append", 71n));
    const refused = await lake.catalog.commit(changeOf([run]));
    expect(refused).toEqual({ kind: "conflict", tables: [NAME] });
    expect((await lake.catalog.commit(changeOf([landing]))).kind).toBe("committed");
    const commits = await lake.catalog.commits({ table: NAME, limit: 2 });
    expect(told(commits)).toEqual([expect.stringMatching(/^land append /), "foreign append 71"]);
    await lake.catalog.close();
  });
});
