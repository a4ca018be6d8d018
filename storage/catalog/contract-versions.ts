/** The versions of a contract, each with the batch that taught it. */

import type { ContractVersion } from "../../core/ingest/ledger.ts";
import { contractFromJson } from "./contract-json.ts";
import { int, long, longOrNull, text } from "./database.ts";
import type { LakeStore } from "./lake-store.ts";

/** The first first. */
export async function contractVersions(
  store: LakeStore,
  source: string,
): Promise<readonly ContractVersion[]> {
  const sql = `SELECT c.contract, c.batch, b.commit_number, b.table_name, b.withdrawn_by, k.time_ms
    FROM lake_contracts c JOIN lake_batches b USING (batch)
      JOIN lake_commits k ON k.number = b.commit_number
    WHERE c.source = ? ORDER BY c.version, b.commit_number`;
  const rows = await store.look(() => store.db.all(sql, source));
  return rows.map((row) => ({
    contract: contractFromJson(text(row, "contract")),
    table: text(row, "table_name"),
    batch: text(row, "batch"),
    commit: long(row, "commit_number"),
    timeMs: int(row, "time_ms"),
    withdrawnBy: longOrNull(row, "withdrawn_by"),
  }));
}
