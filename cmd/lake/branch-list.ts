/** Which branches there are, and where their tables stand against `main`. */

import { LakeError } from "../../core/base/errors.ts";
import { nearestWord, suggestion } from "../../core/base/suggest.ts";
import { BRANCH_PREFIX } from "../../core/limits.ts";
import { type BranchState, branchState } from "../../core/table/branch.ts";
import type { TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";

export interface BranchTable extends BranchState {
  readonly table: TableName;
}

export interface Branch {
  readonly name: string;
  /** Null for one that another engine began. */
  readonly createdMs: number | null;
  readonly tables: readonly BranchTable[];
}

/** Names of all branches, sorted. */
export async function branchesOf({
  catalog,
}: Pick<Session, "catalog">): Promise<readonly string[]> {
  const names = (await catalog.branchHeads()).map(({ branch }) => branch);
  return [...new Set([...names, ...(await begun(catalog)).keys()])].sort();
}

/** Every branch with its tables and where they stand against `main`. */
export async function branchList({
  catalog,
}: Pick<Session, "catalog">): Promise<readonly Branch[]> {
  const created = await begun(catalog);
  const tables = new Map<string, BranchTable[]>([...created.keys()].map((name) => [name, []]));
  for (const { branch, table: name } of await catalog.branchHeads()) {
    const table = await catalog.load(name);
    const state = table === null ? null : branchState(table, branch);
    const known = tables.get(branch) ?? [];
    if (state !== null) known.push({ table: name, ...state });
    tables.set(branch, known);
  }
  return [...tables]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, list]) => ({ name, createdMs: created.get(name) ?? null, tables: list }));
}

/** One branch. Throws `not-found` with the nearest name. */
export async function branchOf(session: Pick<Session, "catalog">, name: string): Promise<Branch> {
  const all = await branchList(session);
  const found = all.find((one) => one.name === name);
  if (found !== undefined) return found;
  const near = nearestWord(
    name,
    all.map((one) => one.name),
  );
  throw new LakeError("not-found", `there is no branch "${name}"`, {
    hint: near === null ? `to begin it: tarn branch create ${name}` : `did you mean "${near}"?`,
  });
}

/** Throws `not-found` for a branch that nobody has begun. */
export async function requireBranch(
  session: Pick<Session, "catalog">,
  branch: string,
): Promise<void> {
  const names = await branchesOf(session);
  if (names.includes(branch)) return;
  throw new LakeError("not-found", `there is no branch "${branch}"`, {
    hint: `${suggestion(branch, names, "branches")}; to begin it: tarn branch create ${branch}`,
  });
}

async function begun(catalog: Session["catalog"]): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  for (const [fact, value] of await catalog.facts("setting")) {
    if (fact.startsWith(BRANCH_PREFIX)) found.set(fact.slice(BRANCH_PREFIX.length), Number(value));
  }
  return found;
}
