/**
 * Branches: a name under which several tables have another head than `main`. A table that nothing was done to on a
 * branch has none of that name, and is read there as it is on `main`.
 */

import { LakeError } from "../base/errors.ts";
import { isRelativeMoment } from "../base/moment.ts";
import { MAIN } from "../limits.ts";
import type { Snapshot, Table } from "./types.ts";

/** Of a snapshot that has the rows of another: which it is; `none` where there was none. */
export const RESTORED_SNAPSHOT = "tarn.restored-snapshot-id";
/** Of a snapshot that takes another one over: which. Iceberg spec, "Optional Snapshot Summary Fields". */
export const SOURCE_SNAPSHOT = "source-snapshot-id";

/** Of a snapshot that a build made on a branch: which; it has columns of its own. */
export const BUILT_ON = "tarn.built-on-branch";

/** Where a branch of a table stands against `main`. */
export interface BranchState {
  readonly head: Snapshot;
  /** The newest snapshot that both have; null where none is kept or there was none. */
  readonly fork: Snapshot | null;
  /** Snapshots of the branch since then, and of `main`. */
  readonly ahead: readonly Snapshot[];
  readonly behind: readonly Snapshot[];
  /** `main` can be moved onto it: nothing came there since. */
  readonly isForward: boolean;
}

/** The snapshot that a branch of a table has; that of `main` where it has no such branch. */
export function headOn(table: Table, branch: string | null): Snapshot | null {
  const ref = branch === null ? undefined : table.refs.get(branch);
  if (ref?.kind !== "branch") return table.current;
  return table.snapshots.find(({ snapshotId }) => snapshotId === ref.snapshotId) ?? table.current;
}

/** A table as it is on a branch: with the columns that a build gave it there. */
export function tableOn(table: Table, branch: string): Table {
  const head = table.refs.get(branch)?.kind === "branch" ? headOn(table, branch) : null;
  if (head === null) return table;
  const own = head.summary[BUILT_ON] === undefined ? null : head.schemaId;
  const schema = table.schemas.find(({ schemaId }) => schemaId === own) ?? table.schema;
  return { ...table, current: head, schema };
}

/** A branch of the table besides `main`; null where it has none. */
export function branchOn({ refs }: Pick<Table, "refs">): string | null {
  for (const [name, { kind }] of refs) if (kind === "branch" && name !== MAIN) return name;
  return null;
}

/** Null where the table has no such branch. */
export function branchState(table: Table, branch: string): BranchState | null {
  const ref = table.refs.get(branch);
  if (ref?.kind !== "branch" || branch === MAIN) return null;
  const head = table.snapshots.find(({ snapshotId }) => snapshotId === ref.snapshotId);
  if (head === undefined) return null;
  const line = lineOf(table, head);
  const main = lineOf(table, table.current);
  const known = new Set(main.map(({ snapshotId }) => snapshotId));
  const at = line.findIndex(({ snapshotId }) => known.has(snapshotId));
  const fork = at < 0 ? null : (line[at] ?? null);
  const ahead = at < 0 ? line : line.slice(0, at);
  const forkId = fork?.snapshotId ?? null;
  const behind =
    forkId === null
      ? main
      : main.slice(
          0,
          main.findIndex((one) => one.snapshotId === forkId),
        );
  const isForward = table.current === null || behind.length === 0;
  return { head, fork, ahead, behind, isForward };
}

/**
 * Snapshots of branches that `main` has taken over since the fork, newest first in `behind`. What a restore took out
 * again is not among them.
 */
export function takenOver(behind: readonly Snapshot[]): ReadonlySet<string> {
  const taken = new Set<string>();
  let isAt: string | null = null;
  for (const { snapshotId, summary } of behind) {
    if (isAt !== null && isAt !== `${snapshotId}`) continue;
    isAt = summary[RESTORED_SNAPSHOT] ?? null;
    const source = summary[SOURCE_SNAPSHOT];
    if (source !== undefined) taken.add(source);
  }
  return taken;
}

/** Throws `usage` for what cannot name a branch, or would be read as something else. */
export function checkBranchName(name: string): void {
  if (/^[\p{L}_][\p{L}\p{N}_.-]{0,99}$/u.test(name) && name !== MAIN && !isRelativeMoment(name)) {
    return;
  }
  throw new LakeError("usage", `"${name}" cannot be a branch`, {
    hint: "letters, digits, _ . and -, beginning with a letter; main is there already",
  });
}

/** From a snapshot along its parents, as far as they are kept. */
function lineOf(table: Table, head: Snapshot | null): readonly Snapshot[] {
  const byId = new Map(table.snapshots.map((one) => [one.snapshotId, one]));
  const line: Snapshot[] = [];
  let at: Snapshot | undefined = head ?? undefined;
  while (at !== undefined && line.length <= byId.size) {
    line.push(at);
    at = at.parentId === null ? undefined : byId.get(at.parentId);
  }
  return line;
}
