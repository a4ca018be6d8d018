/** From a snapshot to the files that a query must read. */

import type { Delta, ScanFilter } from "../../core/ports.ts";
import type { Scan, Snapshot, TableName } from "../../core/table/types.ts";
import type { ManifestStore } from "./manifest-store.ts";
import type { TableMetadata } from "./metadata.ts";

export interface PlanInput {
  readonly table: TableName;
  readonly metadata: TableMetadata;
  readonly manifests: ManifestStore;
}

/** The scan of a table at a snapshot; null = no rows. Files that cannot match `filter` may be left out. */
export async function planScan(
  _input: PlanInput,
  _snapshot: Snapshot | null,
  _filter?: ScanFilter,
): Promise<Scan> {
  throw new Error("not yet");
}

/** Files of the append snapshots in (after, to], or why there is no exact delta. */
export async function planDelta(
  _input: PlanInput,
  _after: bigint | null,
  _to: Snapshot | null,
): Promise<Delta> {
  throw new Error("not yet");
}
