/** Snapshots leave a table that no commit comes to, by the retention that thins them with every commit. */

import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import type { Expired } from "../../core/ports.ts";
import { keptByRefs } from "../../core/table/kept-refs.ts";
import type { TableName } from "../../core/table/types.ts";
import { commitChange, currentVersion, snapshotsToThin } from "./commit.ts";
import type { CatalogContext } from "./context.ts";

/** One commit without a snapshot of its own; none where nothing leaves. Throws `not-found` and `conflict`. */
export async function expireSnapshots(
  context: CatalogContext,
  name: TableName,
  { dryRun }: { readonly dryRun: boolean },
): Promise<Expired> {
  const version = await currentVersion(context, name);
  if (version === null) throw new LakeError("not-found", `there is no table ${name}`);
  const { length: snapshots } = await snapshotsToThin(context, version, []);
  const { agedRefs } = keptByRefs(version.metadata, context.clock.nowMs());
  if (dryRun || snapshots + agedRefs.length === 0) return { snapshots, commit: null };
  const { uuid, currentSnapshotId: base } = version.metadata;
  const nothing = { create: null, schema: null, operation: null, added: [], removed: [] } as const;
  const result = await commitChange(context, {
    kind: "maintain",
    tables: [{ table: name, uuid, base, ...nothing, summary: {} }],
    facts: [],
    batches: [],
    withdrawn: [],
    runs: [],
    message: `${name}: ${counted(snapshots, "snapshot")} expired${agedRefsText(agedRefs)}`,
  });
  if (result.kind === "committed") return { snapshots, commit: result.number };
  throw new LakeError("conflict", `${name} keeps being changed by another writer`, {
    hint: "nothing was changed; its commits let go of the same snapshots",
  });
}

function agedRefsText(names: readonly string[]): string {
  return names.length === 0 ? "" : `, and ${names.join(", ")} given up for their age`;
}
