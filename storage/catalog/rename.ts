/** Sources that got another name: all that they did is under it from then on. */

import { text } from "./database.ts";
import type { LakeStore } from "./lake-store.ts";

/** The name of everything that a source has done becomes another one. */
export async function renameSource(store: LakeStore, from: string, to: string): Promise<void> {
  const { db } = store;
  await store.write(() => {
    for (const table of ["lake_batches", "lake_files", "lake_contracts", "lake_fixes"]) {
      db.run(`UPDATE ${table} SET source = ? WHERE source = ?`, to, from);
    }
    const offset = "UPDATE lake_facts SET name = ? WHERE kind = 'offset' AND name = ?";
    db.run(offset, `files:${to}`, `files:${from}`);
  });
}

/** The same of a stream, its tables and how far it is read; outside it is called as before. */
export async function renameStream(store: LakeStore, from: string, to: string): Promise<void> {
  const { knownName, pausedName, positionName } = await import("../../core/ingest/stream.ts");
  const { db } = store;
  const own = "source = ?2 OR substr(source, 1, length(?2) + 1) = ?2 || '.'";
  await store.write(() => {
    for (const table of ["lake_batches", "lake_files", "lake_contracts", "lake_fixes"]) {
      const name = "?1 || substr(source, length(?2) + 1)";
      db.run(`UPDATE ${table} SET source = ${name} WHERE ${own}`, to, from);
    }
    // What was measured of the old name says nothing of the new one.
    for (const table of ["lake_lags", "lake_reconciliations"]) {
      db.run(`DELETE FROM ${table} WHERE ${own.replaceAll("?2", "?1")}`, from);
    }
    const fact = "SELECT value FROM lake_facts WHERE kind = 'setting' AND name = ?";
    const known = db.get(fact, knownName(from));
    const move = "UPDATE lake_facts SET name = ? WHERE kind = ? AND name = ?";
    db.run(move, positionName(to), "offset", positionName(from));
    db.run(move, pausedName(to), "setting", pausedName(from));
    db.run("DELETE FROM lake_facts WHERE kind = 'setting' AND name = ?", knownName(from));
    const called = known === null ? from : text(known, "value");
    if (called === to) return;
    const add = "INSERT INTO lake_facts (kind, name, value) VALUES ('setting', ?, ?)";
    db.run(add, knownName(to), called);
  });
}
