/** Tables of a branch against `main`: rows by key, and columns. */

import type { Diff } from "../../core/engine.ts";
import { branchCatalog } from "../../core/model/branch-catalog.ts";
import { isHidden } from "../../core/table/system-columns.ts";
import type { Scan, Schema, TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";
import { branchOf } from "./branch-list.ts";

export interface BranchDiffRequest {
  readonly branch: string;
  /** Of these; none: of all that are on it. */
  readonly tables: readonly string[];
  /** Columns that name a row; null: the key of each table's model. */
  readonly key: readonly string[] | null;
  /** Rows of each that are shown. */
  readonly limit: number;
}

export interface BranchDiff {
  readonly table: TableName;
  /** From `main` to the branch, over the columns that both have. */
  readonly diff: Diff;
  /** Columns that only the branch has, and only `main`. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** By table. Throws `not-found` for a branch that nobody has begun. */
export async function branchDiffOf(
  session: Session,
  { branch, tables, key, limit }: BranchDiffRequest,
): Promise<readonly BranchDiff[]> {
  const { catalog } = session;
  const there = branchCatalog(catalog, branch);
  const wanted = await Promise.all(tables.map((text) => session.tableName(text)));
  const found: BranchDiff[] = [];
  for (const { table: name } of (await branchOf(session, branch)).tables) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const [main, built] = [await catalog.load(name), await there.load(name)];
    if (main === null || built === null) continue;
    const model = session.project.models.find((one) => one.name === name);
    const [old, now] = [namesOf(main.schema), namesOf(built.schema)];
    // A table that is new on the branch has none of main's columns to compare.
    const isNew = main.current === null;
    const shared = isNew ? now : now.filter((column) => old.includes(column));
    const before = only(await catalog.scan(main, main.current), shared);
    const after = only(await there.scan(built, built.current), shared);
    const keyed = (key ?? model?.key ?? []).filter((column) => shared.includes(column));
    const diff = await session.ports.engine.diff({ before, after, key: keyed, limit });
    const added = isNew ? [] : now.filter((column) => !old.includes(column));
    const removed = old.filter((column) => !now.includes(column));
    found.push({ table: name, diff, added, removed });
  }
  return found;
}

function namesOf({ fields }: Schema): readonly string[] {
  return fields.flatMap(({ name }) => (isHidden(name) ? [] : [name]));
}

/** The scan with these columns alone: others would make each row another one. */
function only(scan: Scan, names: readonly string[]): Scan {
  const fields = scan.schema.fields.filter(({ name }) => names.includes(name));
  return { ...scan, schema: { ...scan.schema, fields } };
}
