/** Rows that differ between two moments of a table, or between two tables. */

import { LakeError } from "../../core/base/errors.ts";
import type { Diff } from "../../core/engine.ts";
import type { Scan, TableName } from "../../core/table/types.ts";
import { splitVersion } from "../../core/table/version-ref.ts";
import type { Session } from "../open.ts";
import { versionRef } from "./moments.ts";

export interface DiffRequest {
  /** `silver.orders@-1`: the version before the last where none is named and nothing else is. */
  readonly before: string;
  /** `@12` is of the same table; null is that table at present. */
  readonly after: string | null;
  /** Columns that name a row; null is the key of the table's model. */
  readonly key: readonly string[] | null;
  /** Rows of the sample. */
  readonly limit: number;
}

export async function diffOf(session: Session, request: DiffRequest): Promise<Diff> {
  const { limit } = request;
  const left = splitVersion(request.before);
  const name = await session.tableName(left.name);
  const before = await scanAt(
    session,
    name,
    left.version ?? (request.after === null ? "-1" : null),
  );
  const right = request.after === null ? { name: "", version: null } : splitVersion(request.after);
  const other = right.name === "" ? name : await session.tableName(right.name);
  const after = await scanAt(session, other, right.version);
  const model = session.project.models.find((candidate) => candidate.name === name);
  const key = request.key ?? model?.key ?? [];
  return session.ports.engine.diff({ before, after, key, limit });
}

/** True where no row differs. */
export function isSame(diff: Pick<Diff, "added" | "removed" | "changed">): boolean {
  return diff.added === 0n && diff.removed === 0n && diff.changed === 0n;
}

async function scanAt(session: Session, name: TableName, version: string | null): Promise<Scan> {
  const table = await session.catalog.load(name);
  if (table === null) throw new LakeError("not-found", `${name} has no data yet`);
  const ref =
    version === null ? ({ kind: "current" } as const) : await versionRef(session, table, version);
  return session.catalog.scan(table, await session.catalog.snapshotAt(table, ref));
}
