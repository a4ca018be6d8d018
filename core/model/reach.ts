/** How far a replay reaches in one model. */

import type { RangeScope } from "../engine.ts";
import type { Catalog } from "../ports.ts";
import type { Scan, TableName } from "../table/types.ts";
import type { Cursor } from "./cursor.ts";
import type { ModelNode } from "./node.ts";
import type { Names, Pins } from "./pins.ts";
import type { KeysFrom } from "./run-plan.ts";

/** What is computed again, why, from which states of the inputs, and where the model then stands. */
export interface Reach {
  readonly scope: RangeScope | null;
  /** Rows of the keys that these changes touch, and no others; absent: by `scope`. */
  readonly keys?: KeysFrom;
  readonly reason: string;
  readonly pins: Pins;
  readonly next: Cursor;
}

export interface ReachJob {
  readonly catalog: Catalog;
  readonly names: Names;
  readonly pins: Pins;
  readonly node: ModelNode;
  readonly options: { readonly scope: RangeScope | null; readonly atMs: number | null };
  /** Tables that the same replay changes. */
  readonly overrides: ReadonlyMap<TableName, Scan>;
  /** What those held before. */
  readonly replaced?: ReadonlyMap<TableName, Scan>;
}
