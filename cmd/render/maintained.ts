/** What was done to a table that nobody wrote to: as a line, and as data. */

import { counted, thousands } from "../../core/base/quantity.ts";
import type { Compaction } from "../../core/table/compact.ts";
import { bytesText } from "../format/numbers.ts";

/** Sizes below are not worth a word. */
const TOLD_BYTES_MIN = 1024 * 1024;

/** Null where there is nothing to say. */
export function compactionLine(one: Compaction, dryRun: boolean): string | null {
  const { table, files, filesAdded, deletes, commit, refused } = one;
  if (refused !== null) return `${table}  stays as it is: ${refused}`;
  if (files === 0 && deletes === 0) return null;
  const parts = [
    ...(files === 0 ? [] : [`${counted(files, "file")}${sizeOf(one.bytes)}`]),
    ...(deletes === 0 ? [] : [counted(deletes, "delete file")]),
  ];
  const become = dryRun ? "would become" : "became";
  const end = dryRun ? "" : `${sizeOf(one.bytesAdded ?? 0)}, commit ${commit}`;
  return `${table}  ${parts.join(" and ")} ${become} ${thousands(filesAdded)}${end}`;
}

export function compactionObject(one: Compaction) {
  return {
    table: one.table,
    files: one.files,
    bytes: one.bytes,
    files_added: one.filesAdded,
    bytes_added: one.bytesAdded,
    delete_files: one.deletes,
    rows_left_out: one.rowsLeftOut === null ? null : Number(one.rowsLeftOut),
    commit: one.commit,
    refused: one.refused,
  };
}

function sizeOf(bytes: number): string {
  return bytes < TOLD_BYTES_MIN ? "" : ` (${bytesText(bytes)})`;
}
