/** How often a file killed whoever read it. */

import { int } from "./database.ts";
import type { LakeStore } from "./lake-store.ts";

/** Adds to the count, which is never below 0; the new one. */
export async function countStrikes(
  store: LakeStore,
  sha256: string,
  delta: number,
): Promise<number> {
  const { db } = store;
  const select = "SELECT count FROM lake_strikes WHERE sha256 = ?";
  const upsert = `INSERT INTO lake_strikes (sha256, count) VALUES (?1, max(0, ?2))
    ON CONFLICT (sha256) DO UPDATE SET count = max(0, count + ?2)`;
  return await store.write(() => {
    db.run(upsert, sha256, Math.trunc(delta));
    db.run("DELETE FROM lake_strikes WHERE sha256 = ? AND count = 0", sha256);
    const row = db.get(select, sha256);
    return row === null ? 0 : int(row, "count");
  });
}
