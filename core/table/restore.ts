/** Restore: an older snapshot's files become the table again, in a new snapshot; offsets stay where they are. */

import { LakeError } from "../base/errors.ts";
import { COMMIT_RETRIES_MAX } from "../limits.ts";
import type { Catalog } from "../ports.ts";
import type { Fact, VersionRef } from "./commit.ts";
import type { Scan, Snapshot, Table, TableName } from "./types.ts";

export interface Restored {
  readonly commit: bigint;
  readonly fromSequence: bigint;
  readonly toSequence: bigint;
  readonly rows: bigint;
  /** Ledger batches whose rows left the table. */
  readonly withdrawn: readonly string[];
}

/** Commits looked through for the batches of a table. */
const COMMITS_MAX = 100_000;

/**
 * Makes a new snapshot with the files of an older one. Batches committed after it become `withdrawn`; a model's
 * place is forgotten, so that its next build runs full. Throws `not-found`, `unsupported` (delete files), `conflict`.
 */
export async function restoreTable(
  ports: { readonly catalog: Catalog },
  name: TableName,
  ref: VersionRef,
): Promise<Restored> {
  const { catalog } = ports;
  for (let attempt = 0; attempt < COMMIT_RETRIES_MAX; attempt++) {
    const table = await catalog.load(name);
    if (table === null) throw new LakeError("not-found", `there is no table ${name}`);
    const target = await catalog.resolve(table, ref);
    if (target === null) throw new LakeError("not-found", `${name} held nothing then`);
    const restored = await restoreOnce(catalog, table, target);
    if (restored !== null) return restored;
  }
  throw new LakeError("conflict", `${name} keeps being changed by another writer`, {
    hint: "nothing was changed; run it again when the other writer is done",
  });
}

async function restoreOnce(
  catalog: Catalog,
  table: Table,
  target: Snapshot,
): Promise<Restored | null> {
  const live = await catalog.scan(table, table.current);
  const old = await catalog.scan(table, target);
  if (live.deletes.length > 0 || old.deletes.length > 0) {
    throw new LakeError("unsupported", `${table.name} has delete files of another writer`, {
      hint: "compact it there first, then restore",
    });
  }
  const withdrawn = await laterBatches(catalog, table, target);
  const cursor = await catalog.fact("cursor", table.name);
  const facts: Fact[] =
    cursor === null ? [] : [{ kind: "cursor", name: table.name, was: cursor, becomes: null }];
  const result = await catalog.commit({
    kind: "restore",
    tables: [
      {
        table: table.name,
        uuid: table.uuid,
        create: null,
        base: table.current?.snapshotId ?? null,
        schema: null,
        operation: "overwrite",
        added: missingFrom(old, live),
        removed: missingFrom(live, old).map((file) => file.path),
        summary: { "tarn.restored-snapshot-id": target.snapshotId.toString() },
      },
    ],
    facts,
    batches: [],
    withdrawn,
    runs: [],
    message: `${table.name} restored to @${target.sequenceNumber}`,
  });
  if (result.kind === "conflict" || result.kind === "stale") return null;
  if (result.kind === "unknown") {
    throw new LakeError("io", "the commit did not answer", {
      hint: `look at: tarn log ${table.name}`,
      cause: result.cause,
    });
  }
  const sequence = result.snapshots.get(table.name)?.sequenceNumber ?? 0n;
  const rows = old.files.reduce((sum, file) => sum + file.file.recordCount, 0n);
  return {
    commit: result.number,
    fromSequence: sequence,
    toSequence: target.sequenceNumber,
    rows,
    withdrawn,
  };
}

function missingFrom(scan: Scan, other: Scan) {
  const paths = new Set(other.files.map((file) => file.file.path));
  return scan.files.filter((file) => !paths.has(file.file.path)).map((file) => file.file);
}

async function laterBatches(
  catalog: Catalog,
  table: Table,
  target: Snapshot,
): Promise<readonly string[]> {
  const commits = await catalog.commits({ table: table.name, limit: COMMITS_MAX });
  const commit = commits.find((candidate) =>
    candidate.tables.some(
      (entry) => entry.name === table.name && entry.snapshotId === target.snapshotId,
    ),
  );
  if (commit === undefined) return [];
  const batches = await catalog.ledger.batches({ table: table.name });
  return batches
    .filter((batch) => batch.commit !== null && batch.commit > commit.number)
    .filter((batch) => batch.withdrawnBy === null)
    .map((batch) => batch.batch);
}
