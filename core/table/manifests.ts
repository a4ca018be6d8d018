/** Manifests of a table written again as fewer: what a plan reads, and no file changes. */

import { LakeError } from "../base/errors.ts";
import { counted } from "../base/quantity.ts";
import type { Catalog } from "../ports.ts";
import { branchOn } from "./branch.ts";
import { commitOnce, publish } from "./publish.ts";
import type { TableName } from "./types.ts";

export interface MergedManifests {
  readonly table: TableName;
  /** Manifests that are written again, or would be. */
  readonly manifests: number;
  /** Null where nothing was done. */
  readonly commit: bigint | null;
}

/** One `replace` commit without files. Throws `conflict` when others keep winning. */
export async function mergeTableManifests(
  catalog: Catalog,
  name: TableName,
  { dryRun }: { readonly dryRun: boolean },
): Promise<MergedManifests> {
  const attempt = async (): Promise<MergedManifests | null> => {
    const table = await catalog.load(name);
    if (table === null) throw new LakeError("not-found", `there is no table ${name}`);
    const isFree = table.formatVersion !== 1 && branchOn(table) === null;
    const manifests = isFree ? await catalog.manifestsToMerge(table) : 0;
    if (manifests === 0 || dryRun) return { table: name, manifests, commit: null };
    const { uuid } = table;
    const base = table.current?.snapshotId ?? null;
    const nothing = { create: null, schema: null, added: [], removed: [], summary: {} };
    const committed = await commitOnce(
      catalog,
      {
        kind: "maintain",
        tables: [{ table: name, uuid, base, operation: "replace", ...nothing }],
        facts: [],
        batches: [],
        withdrawn: [],
        runs: [],
        message: `${name}: ${counted(manifests, "manifest")} written again`,
      },
      name,
    );
    return committed === null ? null : { table: name, manifests, commit: committed.number };
  };
  const hint = "nothing was changed; run it again when the other writer is done";
  return await publish({ what: name, hint, attempt });
}
