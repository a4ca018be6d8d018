/** What a query session needs of the lake, and how it names what was read. */

import type { Binding, TableRef } from "../../core/engine.ts";
import { isFileName } from "../../core/model/table-names.ts";
import type { SystemTable } from "./session-table.ts";

/** What a session needs of the lake; the composition root implements it on the catalog. */
export interface TableLookup {
  /**
   * What each reference means, in one read of the catalog, which is closed before this resolves. A name that is no
   * table of the lake gets no binding (it may be a temporary table or a file). `asOf` is the session's moment, for
   * references without one of their own: a time, `-2h`, or `tag:x`. `tablesIn` parses the query of a view.
   */
  find(
    refs: readonly TableRef[],
    asOf: string | null,
    tablesIn: (sql: string) => Promise<readonly TableRef[]>,
  ): Promise<FoundTables>;
  /** Qualified names of every table and view, sorted. */
  tableNames(): Promise<readonly string[]>;
  columnNames(table: string): Promise<readonly string[]>;
  /** Throws `not-found` for a branch that there is none of. */
  checkBranch(name: string): Promise<void>;
  /** `lake.runs`, `orders$snapshots`; null when there is no such table. */
  systemTable(ref: TableRef): Promise<SystemTable | null>;
}

export interface FoundTables {
  readonly bindings: readonly Binding[];
  /** For the footer: what is stale and why, which nearest moment was taken. */
  readonly notes: readonly string[];
}

/** A call of `lake.changes`: it is about a table, and read from its files. */
export function isChangesName(name: string): boolean {
  return name.startsWith("lake.changes:");
}

/** `lake.runs` and the like, and Trino's `orders$snapshots`. */
export function isSystemName({ name, isOneWord }: TableRef): boolean {
  if (isOneWord === true && isFileName(name)) return false;
  if (isChangesName(name)) return false;
  return /^(lake|information_schema)\./i.test(name) || name.includes("$");
}

/** `silver.orders@5` for every table that is read, also below views, each once. */
export function bindingLabels(bindings: readonly Binding[]): string[] {
  const found = new Set<string>();
  const visit = (binding: Binding) => {
    if (binding.kind === "view") for (const inner of binding.bindings) visit(inner);
    else found.add(`${binding.scan.table}@${binding.scan.sequenceNumber}`);
  };
  for (const binding of bindings) visit(binding);
  return [...found];
}
