/** Files that a run wrote and no table has yet. */

import type { StagedFile } from "../engine.ts";
import type { ScanFile } from "../table/types.ts";
import type { RunPorts } from "./model-table.ts";

/** A staged file as a scan lists it, before it belongs to a table. */
export function stagedFile(staged: StagedFile): ScanFile {
  const { path, rows, sizeBytes, partition } = staged;
  return {
    localPath: path,
    file: {
      content: "data",
      path: `file://${path}`,
      format: "PARQUET",
      specId: 0,
      partition,
      recordCount: rows,
      sizeBytes,
      metrics: new Map(),
      splitOffsets: null,
      sortOrderId: null,
      equalityIds: null,
      referencedDataFile: null,
      dataSequenceNumber: null,
      fileSequenceNumber: null,
      snapshotId: null,
    },
  };
}

/** Removes staged files that nothing will adopt. */
export async function removeStaged(
  ports: Pick<RunPorts, "io">,
  staged: readonly StagedFile[],
): Promise<void> {
  const below = ports.io.root.length + 1;
  await ports.io.removeAll(staged.map((file) => file.path.slice(below)));
}
