/** How a run is to go: not at all, from what changed in its inputs, or from all that they hold. */

import type { InputChange, TableRef } from "../engine.ts";
import type { Delta } from "../ports.ts";
import type { Correction } from "../table/correction.ts";
import type { Scan, TableName, Transform } from "../table/types.ts";
import type { Place } from "./cursor.ts";

export type RunPlan =
  | { readonly kind: "skip"; readonly reason: string }
  | { readonly kind: "wait"; readonly reason: string }
  | {
      readonly kind: "incremental";
      readonly reason: string;
      /** Whose provenance the rows carry; null when they carry none. */
      readonly driver: TableRef | null;
      readonly from: RowsFrom | KeysFrom | AnswersFrom;
    }
  | {
      readonly kind: "full";
      readonly reason: string;
      /** From what its table holds, by its increment. */
      readonly isOnto?: true;
      /** Whose provenance the rows carry; null when the query's shape does not allow it. */
      readonly driver: TableRef | null;
    };

/** New rows of one input make the new rows. */
export interface RowsFrom {
  readonly kind: "rows";
  readonly table: TableName;
  readonly delta: Scan;
}

/** Rows of the keys that changes of inputs touch are made again. */
export interface KeysFrom {
  readonly kind: "keys";
  /** Columns of the model's table; none where it is one row that the new rows are added to. */
  readonly key: readonly string[];
  /** What is looked at of each of them, as partitions have it; empty: the values themselves. */
  readonly transforms: readonly Transform[];
  readonly changes: readonly InputChange[];
  /** Results of the new rows alone are added to those that are stored. */
  readonly combines: boolean;
}

/** Keys are asked for, and their answers added. */
export interface AnswersFrom {
  readonly kind: "answers";
  /** The rows that alone may have keys to ask for; null: all may. */
  readonly delta: RowsFrom | null;
  /** Keys that were asked before this are asked again, whatever their answer; null: none is. */
  readonly sinceMs: number | null;
}

/** What is known where it is decided how a run goes on from what changed. */
export interface Change {
  readonly name: TableName;
  readonly delta: Delta;
  readonly before: Place | null;
  /** Why its columns make rows of before others than they were; null: they do not. */
  readonly columns: string | null;
  /** What it was read through, where that is other corrections by now; null where that is not known any more. */
  readonly correctedBy?: readonly Correction[] | null;
  /** What differs, where that is not what its snapshots say: rows of a range, or those of a replay beside it. */
  readonly differs?: {
    readonly removed: Scan;
    readonly added: Scan;
    /** Its files are no measure of how many rows those are. */
    readonly isPart: boolean;
  };
}
