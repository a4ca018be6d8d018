/** How far sources are behind, in SQLite: the last measure of each. */

import type { LagStore, MeasuredLag } from "../../core/ingest/lag.ts";
import { int, intOrNull, text } from "./database.ts";
import type { LakeStore } from "./lake-store.ts";

export class SqliteLagStore implements LagStore {
  readonly #store: LakeStore;

  constructor(store: LakeStore) {
    this.#store = store;
  }

  async record(lags: readonly MeasuredLag[]): Promise<void> {
    await this.#store.write(() => {
      for (const { source, measuredMs, bytes, rows, ms } of lags) {
        this.#store.db.run(
          `INSERT OR REPLACE INTO lake_lags (source, measured_ms, bytes, rows, lag_ms)
            VALUES (?, ?, ?, ?, ?)`,
          source,
          measuredMs,
          bytes,
          rows,
          ms,
        );
      }
    });
  }

  async all(): Promise<readonly MeasuredLag[]> {
    const sql = "SELECT * FROM lake_lags ORDER BY source";
    const rows = await this.#store.read(() => this.#store.db.all(sql));
    return rows.map((row) => ({
      source: text(row, "source"),
      measuredMs: int(row, "measured_ms"),
      bytes: intOrNull(row, "bytes"),
      rows: intOrNull(row, "rows"),
      ms: intOrNull(row, "lag_ms"),
    }));
  }
}
