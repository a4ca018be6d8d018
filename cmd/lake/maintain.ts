/** Maintenance by hand: which tables are looked after, and what became of each. */

import type { Expired } from "../../core/ports.ts";
import { type Compaction, compactTable } from "../../core/table/compact.ts";
import { type MergedManifests, mergeTableManifests } from "../../core/table/manifests.ts";
import type { TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";

/** In the order in which `all` makes them. */
export const STEPS = ["compact", "manifests", "expire", "orphans"] as const;
export type Step = (typeof STEPS)[number];

export interface MaintainRequest {
  readonly steps: readonly Step[];
  /** Null: every table. */
  readonly table: string | null;
  readonly dryRun: boolean;
}

/** What one step did to one table, or to all of them. */
export type Maintained =
  | ({ readonly step: "compact" } & Compaction)
  | ({ readonly step: "manifests" } & MergedManifests)
  | ({ readonly step: "expire"; readonly table: TableName } & Expired)
  | {
      readonly step: "orphans";
      /** Null: of the whole lake. */
      readonly table: TableName | null;
      readonly found: number;
      readonly removed: number;
    };

/** Answers as each is done. Throws `not-found` for a table that is not there. */
export async function* maintainOf(
  session: Session,
  { steps, table, dryRun }: MaintainRequest,
): AsyncGenerator<Maintained> {
  const { catalog } = session;
  const asked = table === null ? null : await session.tableName(table);
  const tables = asked === null ? (await catalog.tables()).map(({ name }) => name) : [asked];
  for (const step of steps) {
    if (step === "orphans") {
      yield { step, table: asked, ...(await session.orphans(asked, { dryRun })) };
      continue;
    }
    for (const name of tables) {
      if (step === "compact") yield { step, ...(await compacted(session, name, dryRun)) };
      if (step === "manifests")
        yield { step, ...(await mergeTableManifests(catalog, name, { dryRun })) };
      if (step === "expire")
        yield { step, table: name, ...(await catalog.expire(name, { dryRun })) };
    }
  }
}

async function compacted(
  { ports, settings, config }: Session,
  table: TableName,
  dryRun: boolean,
): Promise<Compaction> {
  const rules = {
    targetBytes: config.maintenance.targetBytes,
    effort: "all",
    nowMs: ports.clock.nowMs(),
  } as const;
  return await compactTable(ports, table, rules, settings, {
    dryRun,
    bytesMax: null,
    filesMax: null,
  });
}
