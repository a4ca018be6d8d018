/** What the engine is asked of a model whose windows close, beside its query, and what it answers. */

import { LakeError } from "../base/errors.ts";
import type { Column, PrimitiveName, Scan, Schema, TableName } from "../table/types.ts";
import type { Model } from "./model.ts";
import type { Advancing, SeenInput } from "./watermark.ts";

/** Columns of `<table>_late`, in order; fresh ids 1..n. */
export const LATE_COLUMNS: readonly Column[] = (
  [
    /** The table that the row is in. */
    ["source", "string"],
    /** The row as JSON; NULL where it has no place of its own any more. */
    ["row", "string"],
    /** `closed`: its window was; `no-time`: it is in no window. */
    ["reason", "string"],
    ["window_start", "timestamptz"],
    ["window_end", "timestamptz"],
    /** Of the model before the batch that the row came with. */
    ["watermark", "timestamptz"],
    ["_batch", "string"],
    ["_source_file", "string"],
    ["_row", "long"],
    ["_ingested_at", "timestamptz"],
  ] as const satisfies readonly (readonly [string, PrimitiveName])[]
).map(([name, type]) => ({ name, type: { kind: "primitive", name: type } }));

export interface ClosingInput extends SeenInput, Advancing {
  /** The reference to it, as the query has it. */
  readonly name: string;
  readonly column: string;
  readonly maxFutureUs: bigint;
  /** Its rows that were not seen yet. */
  readonly fresh: Scan;
}

export interface ClosingRequest {
  readonly inputs: readonly ClosingInput[];
  /** Of a run that goes on: the watermark from before it, and up to where windows are final; null: all is computed. */
  readonly since: { readonly us: bigint | null; readonly finalUs: bigint | null } | null;
  /** A watermark to go by, whatever there is to be seen; null: none is recorded. */
  readonly recorded: { readonly us: bigint | null } | null;
  /** Windows of late rows, those of before included, are computed again. */
  readonly repairs: boolean;
  readonly lateSchema: Schema;
  /** What was late before; null: nothing. */
  readonly lateTarget: Scan | null;
}

export interface Closed {
  readonly us: bigint | null;
  readonly inputs: readonly SeenInput[];
  /** Rows of the batch that were too late for a window, for each of them. */
  readonly lateRows: bigint;
  /** What was late before is said anew, or is not late any more. */
  readonly lateReplaced: boolean;
}

/** The table of a model's late rows. */
export function lateTable(model: TableName): TableName {
  return `${model}_late`;
}

/** What may not be done with a table of late rows: they would be nowhere else. Null for any other. */
export function heldLate(
  models: readonly Pick<Model, "name" | "closing">[],
  name: TableName,
  what: string,
): LakeError | null {
  const closes = models.find((one) => one.closing !== null && lateTable(one.name) === name);
  if (closes === undefined) return null;
  return new LakeError("unsupported", `${what}: it is what comes too late for ${closes.name}`, {
    hint: `compute its windows again with these rows: tarn repair ${closes.name}`,
  });
}
