/** What a session needs of the lake to change its tables; the composition root implements it. */

import type { KeyIndexes } from "../../core/engine.ts";
import type { Scan, Table, TableName } from "../../core/table/types.ts";
import type { WriteRequest, Written } from "../../core/table/write.ts";

/** What is done to a table: not every table takes everything. */
export type ChangeKind = "rows" | "schema" | "comment" | "properties" | "drop";

export interface OpenedTable {
  readonly table: Table;
  /** What it holds now. */
  readonly scan: Scan;
}

export interface LakeWriter {
  /** The branch that statements are done on; null: main. */
  branch: string | null;
  /**
   * A table that is to be changed, as it is now; null when there is none of the name. Throws `unsupported` for what is
   * made otherwise: by a model, a source, a quarantine; `conflict` for one that is not as it was at `asOf`.
   */
  open(
    name: string,
    kind: ChangeKind,
    verb: string,
    asOf: string | null,
  ): Promise<OpenedTable | null>;
  /** The name of a table that is to be made, in full. Throws `usage` for one that cannot be. */
  nameOf(parts: readonly string[], verb: string): Promise<TableName>;
  /** A folder for what is worked out, that is gone when the session ends. Absolute. */
  stagingFolder(): Promise<string>;
  uuid(): string;
  /** Where indexes of the keys of a table's large files may be kept. */
  keyIndexes(tableUuid: string): Promise<KeyIndexes>;
  /** One commit, or none where another one was first. */
  commit(request: WriteRequest): Promise<Written>;
  /** Gives a table another name; the commit. */
  rename(from: TableName, to: TableName): Promise<bigint>;
  /** Takes a table out of the lake; the commit. */
  drop(table: TableName, isForced: boolean): Promise<bigint>;
  /** When the lake was as it is now, as a moment of the session; null for an empty lake. */
  moment(): Promise<string | null>;
}
