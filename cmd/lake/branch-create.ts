/** Branches that are begun. */

import { LakeError } from "../../core/base/errors.ts";
import { checkBranchName } from "../../core/table/branch.ts";
import type { Snapshot, TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";
import { type Branch, branchesOf, branchOf } from "./branch-list.ts";
import { versionRef } from "./moments.ts";

/**
 * Begins a branch. Tables that are named are on it from the beginning, at `at` or as they are; others join it when they
 * are changed on it. Throws `conflict` for a name that is taken by a branch or a tag.
 */
export async function createBranchOf(
  session: Session,
  name: string,
  { tables, at }: { readonly tables: readonly string[]; readonly at: string | null },
): Promise<Branch> {
  checkBranchName(name);
  const { catalog } = session;
  if ((await branchesOf(session)).includes(name)) {
    throw new LakeError("conflict", `there is a branch ${name} already`, {
      hint: `take another name, or drop it: tarn branch drop ${name}`,
    });
  }
  if ((await catalog.tags()).has(name)) {
    throw new LakeError("conflict", `there is a tag ${name}`, { hint: "take another name" });
  }
  if (at !== null && tables.length === 0) {
    throw new LakeError("usage", "--at needs the tables that begin there", {
      hint: `tarn branch create ${name} gold.prices --at ${at}`,
    });
  }
  const heads = new Map<TableName, bigint>();
  for (const text of tables) {
    const table = await session.tableName(text);
    const head = await headAt(session, table, at);
    if (head === null) {
      throw new LakeError("usage", `${table} has no rows ${at === null ? "yet" : "then"}`, {
        hint: "it joins the branch when it is changed on it",
      });
    }
    heads.set(table, head.snapshotId);
  }
  await catalog.createBranch(name, heads);
  return await branchOf(session, name);
}

async function headAt(
  { catalog, config, ports }: Session,
  name: TableName,
  at: string | null,
): Promise<Snapshot | null> {
  const table = await catalog.load(name);
  if (table === null) throw new LakeError("not-found", `there is no table ${name}`);
  if (at === null) return table.current;
  return await catalog.snapshotAt(table, await versionRef({ catalog, config, ports }, table, at));
}
