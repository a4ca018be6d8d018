/** Tags of the lake: a name for one commit, and an Iceberg tag on every table's snapshot of then. */

import { LakeError } from "../../core/base/errors.ts";
import { untilFirst } from "../../core/table/publish.ts";
import type { TableName } from "../../core/table/types.ts";
import type { TableVersion } from "../iceberg/metadata.ts";
import type { Update } from "../iceberg/table-commit.ts";
import { stageCommit } from "../iceberg/transaction.ts";
import { branchFact } from "./branches.ts";
import { currentVersion, discardFiles, writeFiles } from "./commit.ts";
import type { CatalogContext } from "./context.ts";
import { CommitDoubt } from "./database.ts";
import { readCommit, readMomentOf, readPointers } from "./history.ts";
import { type Move, publishMetadata } from "./publish.ts";

/**
 * Sets, moves or (null) removes a tag, in one transaction with the tables' own refs, so that retention keeps what it
 * names. Throws `not-found` when the commit or a snapshot of it is not kept, `conflict` when a branch has the name.
 */
export async function setTag(
  context: CatalogContext,
  name: string,
  commitNumber: bigint | null,
): Promise<void> {
  checkName(name);
  context.store.checkWritable();
  if (commitNumber !== null) await checkCommit(context, commitNumber);
  if ((await untilFirst(() => tryTag(context, name, commitNumber), context)) !== null) return;
  throw new LakeError("conflict", `the tables kept moving while the tag ${name} was set`, {
    hint: "try again when fewer commits are under way",
  });
}

/** Null when a table moved meanwhile. */
async function tryTag(
  context: CatalogContext,
  name: string,
  commitNumber: bigint | null,
): Promise<"done" | null> {
  const { store, clock, random } = context;
  const nowMs = clock.nowMs();
  if (commitNumber !== null) await checkNoBranch(context, name);
  const moves: Move[] = [];
  for (const table of await store.read(() => readPointers(store).map((one) => one.name))) {
    const base = await currentVersion(context, table);
    if (base === null) return null;
    const update = await tagUpdate(context, table, base, name, commitNumber);
    if (update === null) continue;
    const { uuid } = base.metadata;
    const requirements = [{ kind: "assert-table-uuid", uuid }] as const;
    const input = { metadataUuid: random.uuid(), nowMs };
    const staged = stageCommit(base, { requirements, updates: [update] }, input, table);
    moves.push({ name: table, base, staged });
  }
  const files = moves.flatMap((move) => move.staged.files);
  try {
    await writeFiles(context, files);
    const outcome = await publishMetadata(store, moves, nowMs, () => {
      store.db.run("DELETE FROM lake_tags WHERE name = ?", name);
      if (commitNumber === null) return;
      const sql = "INSERT INTO lake_tags (name, commit_number, created_ms) VALUES (?, ?, ?)";
      store.db.run(sql, name, commitNumber, nowMs);
    });
    if (outcome.kind === "done") return "done";
  } catch (thrown) {
    // Not after a failed COMMIT: then it may have happened.
    if (!(thrown instanceof CommitDoubt)) await discardFiles(context, files);
    throw thrown;
  }
  await discardFiles(context, files);
  return null;
}

/** What brings the tag to where it belongs in a table; null when it is there. */
async function tagUpdate(
  context: CatalogContext,
  table: TableName,
  base: TableVersion,
  name: string,
  commitNumber: bigint | null,
): Promise<Update | null> {
  const { metadata } = base;
  const { store } = context;
  const moment =
    commitNumber === null
      ? null
      : await store.read(() => readMomentOf(store, metadata.uuid, commitNumber));
  const snapshotId = moment?.snapshotId ?? null;
  const before = metadata.refs.get(name);
  if (before?.kind === "branch") {
    throw new LakeError("conflict", `${table} has a branch ${name}`, { hint: "take another name" });
  }
  if ((before?.snapshotId ?? null) === snapshotId) return null;
  if (snapshotId === null) return { kind: "remove-snapshot-ref", name };
  if (!metadata.snapshots.some((snapshot) => snapshot.snapshotId === snapshotId)) {
    throw new LakeError("not-found", `${table} keeps no snapshot of commit ${commitNumber}`, {
      hint: `it was thinned out; see what is kept: tarn log ${table}`,
    });
  }
  return { kind: "set-snapshot-ref", name, ref: { kind: "tag", snapshotId } };
}

/** Of a branch that no table has yet, too. */
async function checkNoBranch({ store }: CatalogContext, name: string): Promise<void> {
  const sql = "SELECT 1 FROM lake_facts WHERE kind = 'setting' AND name = ?";
  if ((await store.read(() => store.db.get(sql, branchFact(name)))) === null) return;
  throw new LakeError("conflict", `there is a branch ${name}`, { hint: "take another name" });
}

async function checkCommit(context: CatalogContext, number: bigint): Promise<void> {
  const { store } = context;
  const found = await store.read(() => readCommit(store, number));
  if (found !== null) return;
  throw new LakeError("not-found", `there is no commit ${number}`, { hint: "see: tarn log" });
}

function checkName(name: string): void {
  if (/^[\p{L}_][\p{L}\p{N}_.-]{0,127}$/u.test(name) && name !== "main") return;
  throw new LakeError("usage", `"${name}" cannot be the name of a tag`, {
    hint: "start with a letter; letters, digits, '_', '-' and '.' may follow; main is taken",
  });
}
