/** Originals of forgotten files: they wait as long as a restore could bring the rows back, and are removed. */

import type { CatalogContext } from "./context.ts";
import { int, text } from "./database.ts";
import { FORGOTTEN } from "./ledger.ts";

/** Removed in one pass. */
const PASS_MAX = 1_000;

/** Lets originals wait for their removal; one that waits already keeps its time. */
export async function queueOriginals(
  { store }: CatalogContext,
  paths: readonly string[],
  dueMs: number,
): Promise<void> {
  const sql = "INSERT OR IGNORE INTO lake_originals_leaving (path, due_ms) VALUES (?, ?)";
  await store.write(() => {
    for (const path of paths) store.db.run(sql, path, Math.trunc(dueMs));
  });
}

/**
 * Removes originals whose time is over and that no file names which is not forgotten, with the texts of rows that were
 * corrected in them. Nothing may land meanwhile: a drop of the same bytes takes the original that is there. What an
 * attempt that died wrote of a batch names nothing.
 */
export async function unlinkOriginals({ store, clock, io }: CatalogContext): Promise<number> {
  const due = await store.read(() =>
    store.db.all(
      `SELECT u.path, EXISTS (SELECT 1 FROM lake_files f JOIN lake_batches b USING (batch)
          WHERE f.original = u.path AND b.commit_number IS NOT NULL AND NOT ${FORGOTTEN}) AS named
        FROM lake_originals_leaving u WHERE u.due_ms <= ? ORDER BY u.due_ms LIMIT ?`,
      Math.trunc(clock.nowMs()),
      PASS_MAX,
    ),
  );
  if (due.length === 0) return 0;
  const gone = due.filter((row) => int(row, "named") === 0).map((row) => text(row, "path"));
  // What waits no more is looked for no more: a power cut must not bring it back.
  await io.removeAll(gone, true);
  await store.write(() => {
    // What a person wrote in place of its rows goes with it.
    const fixes = `DELETE FROM lake_fixes WHERE (lands_as, file) IN (
      SELECT coalesce(lands_as, batch), file FROM lake_files WHERE original = ?)`;
    for (const path of gone) store.db.run(fixes, path);
    for (const row of due) {
      store.db.run("DELETE FROM lake_originals_leaving WHERE path = ?", text(row, "path"));
    }
  });
  return gone.length;
}
