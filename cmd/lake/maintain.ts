/** Maintenance by hand: which tables are looked after, and what became of each. */

import { COMPACT_TARGET_BYTES } from "../../core/limits.ts";
import { type Compaction, compactTable } from "../../core/table/compact.ts";
import type { TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";

export const STEPS = ["compact"] as const;
export type Step = (typeof STEPS)[number];

export interface MaintainRequest {
  readonly steps: readonly Step[];
  /** Null: every table. */
  readonly table: string | null;
  readonly dryRun: boolean;
}

export interface Maintained {
  readonly compactions: readonly Compaction[];
}

/** Throws `not-found` for a table that is not there; what cannot be done with one says why. */
export async function maintainOf(session: Session, request: MaintainRequest): Promise<Maintained> {
  const tables = await askedTables(session, request.table);
  const compactions: Compaction[] = [];
  if (request.steps.includes("compact")) {
    for (const table of tables) compactions.push(await compacted(session, table, request.dryRun));
  }
  return { compactions };
}

async function askedTables(session: Session, table: string | null): Promise<TableName[]> {
  if (table !== null) return [await session.tableName(table)];
  return (await session.catalog.tables()).map(({ name }) => name);
}

async function compacted(
  { ports, settings }: Session,
  table: TableName,
  dryRun: boolean,
): Promise<Compaction> {
  const rules = {
    targetBytes: COMPACT_TARGET_BYTES,
    effort: "all",
    nowMs: ports.clock.nowMs(),
  } as const;
  return await compactTable(ports, table, rules, settings, { dryRun, bytesMax: null });
}
