/** Columns of a table as they are made here, and where groups of their rows go. */

import type { Field } from "../../../core/table/types.ts";
import type { Leaf, PageForm } from "./pages.ts";

/** A column of the table that a file fills. */
export interface FilledColumn {
  readonly field: Field;
  /** As in PartField. */
  readonly isRequired?: boolean;
  readonly leaves: readonly Leaf[];
}

/** Where groups of rows go. */
export interface GroupTarget {
  readonly form: PageForm;
  /** Groups wait until their pages are packed, and are held in memory: `settle` writes them. */
  readonly isPending: boolean;
  /** Takes what is in the columns, which all have so many rows. */
  group(columns: readonly FilledColumn[], rows: number): void;
  settle(): Promise<void>;
  /** Leaves nothing behind. */
  discard(): void;
}
