/** Quarantine rows of files that are set aside as a whole, refused drops included. */

import { RAW_TEXT_CHARS_MAX } from "../limits.ts";
import type { Row } from "../ports.ts";
import type { DecodedGroup } from "./decode-group.ts";
import { rowId, WHOLE_FILE } from "./quarantine.ts";

export interface WholeFileBatch {
  readonly source: string;
  readonly batch: string;
  /** The batch's instant. */
  readonly atMs: number;
}

/** One row per file, in the quarantine schema. */
export function wholeFileRows(
  batch: WholeFileBatch,
  group: Pick<DecodedGroup, "setAside">,
  refused: readonly { readonly file: string; readonly reason: string }[],
): Row[] {
  const row = (file: string, sha256: string | null, reason: string, message: string): Row => ({
    id: rowId(batch.batch, file, WHOLE_FILE),
    source: batch.source,
    file,
    position: WHOLE_FILE,
    line: null,
    column_name: null,
    reason,
    message: message.slice(0, RAW_TEXT_CHARS_MAX),
    raw: null,
    file_sha256: sha256,
    _batch: batch.batch,
    _ingested_at: BigInt(batch.atMs) * 1000n,
  });
  return [
    ...group.setAside.map(({ file, reason, message }) =>
      row(file.name, file.sha256, reason, message),
    ),
    ...refused.map((refusal) => row(refusal.file, null, "unreadable", refusal.reason)),
  ];
}
