/** Branches of the lake: references of one name in its tables, begun, dropped and made `main` in one transaction. */

import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { branchCursors, branchMade } from "../../core/model/branch-catalog.ts";
import type { BranchHead, PromoteRequest } from "../../core/ports.ts";
import { branchState } from "../../core/table/branch.ts";
import { untilFirst } from "../../core/table/publish.ts";
import type { TableName } from "../../core/table/types.ts";
import { type TableVersion, toTable } from "../iceberg/metadata.ts";
import { MAIN } from "../iceberg/snapshot.ts";
import type { Requirement, Update } from "../iceberg/table-commit.ts";
import { stageCommit } from "../iceberg/transaction.ts";
import { currentVersion, discardFiles, writeFiles } from "./commit.ts";
import type { CatalogContext } from "./context.ts";
import { CommitDoubt } from "./database.ts";
import { commitForeign } from "./foreign-commit.ts";
import { readPointers } from "./history.ts";
import { type Move, publishMetadata } from "./publish.ts";

/** The fact that a branch is there, though no table may have it yet. */
export function branchFact(name: string): string {
  return `branch:${name}`;
}

/** Begins a branch: at the snapshots given, of tables of which one is; others join it when they are changed on it. */
export async function createBranch(
  context: CatalogContext,
  name: string,
  heads: ReadonlyMap<TableName, bigint>,
): Promise<void> {
  const { store, clock } = context;
  const nowMs = clock.nowMs();
  await change(
    context,
    name,
    (version, table) => {
      const snapshotId = heads.get(table);
      const before = version.metadata.refs.get(name);
      if (before !== undefined) {
        throw new LakeError("conflict", `${table} has a ${before.kind} ${name} already`, {
          hint: "take another name",
        });
      }
      if (snapshotId === undefined) return null;
      return { kind: "set-snapshot-ref", name, ref: { kind: "branch", snapshotId } };
    },
    () => {
      const sql = "INSERT OR REPLACE INTO lake_facts (kind, name, value) VALUES ('setting', ?, ?)";
      store.db.run(sql, branchFact(name), String(Math.trunc(nowMs)));
    },
  );
}

/** Takes it out of every table. Its snapshots age like others from then on. */
export async function dropBranch(context: CatalogContext, name: string): Promise<void> {
  await change(
    context,
    name,
    ({ metadata }) =>
      metadata.refs.get(name)?.kind === "branch" ? { kind: "remove-snapshot-ref", name } : null,
    () => forget(context, name),
  );
}

/**
 * Makes a branch `main` in all tables that have it, in one commit, and lets it go. Throws `conflict` with both
 * snapshots where `main` went on, and where the branch is not what was asked for any more.
 */
export async function promoteBranch(
  context: CatalogContext,
  { branch, heads, keep, message }: PromoteRequest,
): Promise<bigint> {
  const done = await untilFirst(
    () => tryPromote(context, { branch, heads, keep, message }),
    context,
  );
  if (done !== null) return done;
  throw new LakeError("conflict", `the tables of ${branch} keep being changed by others`, {
    hint: "nothing was changed: try again",
  });
}

async function tryPromote(
  context: CatalogContext,
  { branch, heads, keep, message }: PromoteRequest,
): Promise<bigint | null> {
  const { store } = context;
  const asked: { name: TableName; commit: { requirements: Requirement[]; updates: Update[] } }[] =
    [];
  for (const { table, snapshotId } of heads) {
    const version = await currentVersion(context, table);
    const state = version === null ? null : branchState(toTable(version, table), branch);
    if (version === null || state === null || state.head.snapshotId !== snapshotId) {
      throw new LakeError(
        "conflict",
        `${table} is not what it was on ${branch} when it was looked at`,
        {
          hint: `look at it again: tarn branch ${branch}`,
        },
      );
    }
    if (!state.isForward) throw movedOn(table, branch, version, state);
    const { metadata } = version;
    const main = metadata.refs.get(MAIN);
    asked.push({
      name: table,
      commit: {
        requirements: [
          { kind: "assert-table-uuid", uuid: metadata.uuid },
          { kind: "assert-ref-snapshot-id", ref: MAIN, snapshotId: metadata.currentSnapshotId },
          { kind: "assert-ref-snapshot-id", ref: branch, snapshotId },
        ],
        updates: [
          { kind: "set-snapshot-ref", name: MAIN, ref: { ...main, kind: "branch", snapshotId } },
          ...(keep ? [] : [{ kind: "remove-snapshot-ref" as const, name: branch }]),
        ],
      },
    });
  }
  let number: bigint | null = null;
  try {
    await commitForeign(context, asked, {
      message,
      kind: "write",
      places: "anywhere",
      guard: () => undefined,
      also: (commit) => {
        number = commit;
        if (!keep) forget(context, branch);
        const sql = "DELETE FROM lake_facts WHERE kind = 'cursor' AND name = ?";
        // Of a model that is gone: should it come back, it knows nothing of what was done since.
        for (const { table } of heads) store.db.run(sql, table);
      },
    });
  } catch (thrown) {
    // Looked at again: it says what moved.
    if (thrown instanceof LakeError && thrown.code === "conflict") return null;
    throw thrown;
  }
  return number;
}

function movedOn(
  table: TableName,
  branch: string,
  { metadata }: TableVersion,
  { head, fork, behind }: NonNullable<ReturnType<typeof branchState>>,
): LakeError {
  const main = metadata.currentSnapshotId;
  const at = fork === null ? "no kept snapshot" : `@${fork.sequenceNumber}`;
  return new LakeError(
    "conflict",
    `${table} went on since ${branch} began: main is ${main} (${counted(behind.length, "snapshot")} after ${at}), ` +
      `the branch is ${head.snapshotId} (@${head.sequenceNumber})`,
    {
      hint:
        `to see what differs: tarn diff ${table}@${branch} ${table}\n` +
        `to take over what it appends: tarn branch cherry-pick ${branch} ${table}\n` +
        `to begin anew: tarn branch drop ${branch}`,
      context: { table, main: main ?? 0n, branch: head.snapshotId },
    },
  );
}

/** Every table's heads of branches. */
export async function branchHeads(context: CatalogContext): Promise<readonly BranchHead[]> {
  const { store } = context;
  const found: BranchHead[] = [];
  for (const { name: table } of await store.read(() => readPointers(store))) {
    const version = await currentVersion(context, table).catch(ifBroken);
    for (const [branch, ref] of version?.metadata.refs ?? []) {
      if (ref.kind === "branch" && branch !== MAIN) {
        found.push({ branch, table, snapshotId: ref.snapshotId });
      }
    }
  }
  return found;
}

function ifBroken(thrown: unknown): null {
  if (thrown instanceof LakeError && thrown.code !== "io") return null;
  throw thrown;
}

function forget({ store }: CatalogContext, name: string): void {
  const sql = "DELETE FROM lake_facts WHERE kind = 'setting' AND name = ?";
  store.db.run(sql, branchFact(name));
  const all = "DELETE FROM lake_facts WHERE kind = 'setting' AND substr(name, 1, length(?)) = ?";
  for (const begin of [branchCursors(name), branchMade(name)]) store.db.run(all, begin, begin);
}

/** One step of every table that has one, in one transaction. Throws `conflict` when others keep winning. */
async function change(
  context: CatalogContext,
  name: string,
  updateOf: (version: TableVersion, table: TableName) => Update | null,
  also: () => void,
): Promise<void> {
  context.store.checkWritable();
  if ((await untilFirst(() => tryChange(context, updateOf, also), context)) !== null) return;
  throw new LakeError("conflict", `the tables kept moving while the branch ${name} was changed`, {
    hint: "try again when fewer commits are under way",
  });
}

async function tryChange(
  context: CatalogContext,
  updateOf: (version: TableVersion, table: TableName) => Update | null,
  also: () => void,
): Promise<"done" | null> {
  const { store, clock, random } = context;
  const nowMs = clock.nowMs();
  const moves: Move[] = [];
  for (const { name: table } of await store.read(() => readPointers(store))) {
    const base = await currentVersion(context, table).catch(ifBroken);
    const update = base === null ? null : updateOf(base, table);
    if (base === null || update === null) continue;
    const requirements = [{ kind: "assert-table-uuid", uuid: base.metadata.uuid }] as const;
    const input = { metadataUuid: random.uuid(), nowMs };
    const staged = stageCommit(base, { requirements, updates: [update] }, input, table);
    moves.push({ name: table, base, staged });
  }
  const files = moves.flatMap((move) => move.staged.files);
  try {
    await writeFiles(context, files);
    const outcome = await publishMetadata(store, moves, nowMs, also);
    if (outcome.kind === "done") return "done";
  } catch (thrown) {
    // Not after a failed COMMIT: then it may have happened.
    if (!(thrown instanceof CommitDoubt)) await discardFiles(context, files);
    throw thrown;
  }
  await discardFiles(context, files);
  return null;
}
