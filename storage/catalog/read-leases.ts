/** Read leases: long statements whose pinned files may not be unlinked while their process lives. */

import { readFileSync } from "node:fs";
import type { LakeStore } from "./lake-store.ts";
import { int, text } from "./row.ts";

export interface ReadLease {
  readonly id: string;
  readonly pid: number;
  /** When the process started, as the system tells it; a reused pid has another. */
  readonly processStart: string;
  /** When the statement pinned its tables. */
  readonly sinceMs: number;
}

/** Tells when a process started; null when it does not run. */
export type ProcessStart = (pid: number) => string | null;

export async function addReadLease(store: LakeStore, lease: ReadLease): Promise<void> {
  const sql = `INSERT OR REPLACE INTO lake_read_leases (id, pid, process_start, since_ms)
    VALUES (?, ?, ?, ?)`;
  await store.write(() =>
    store.db.run(sql, lease.id, lease.pid, lease.processStart, lease.sinceMs),
  );
}

export async function dropReadLease(store: LakeStore, id: string): Promise<void> {
  await store.write(() => store.db.run("DELETE FROM lake_read_leases WHERE id = ?", id));
}

/** Leases of living processes; those of dead ones are removed. */
export async function livingLeases(
  store: LakeStore,
  processStart: ProcessStart,
): Promise<ReadLease[]> {
  const rows = await store.read(() => store.db.all("SELECT * FROM lake_read_leases"));
  const leases = rows.map(
    (row): ReadLease => ({
      id: text(row, "id"),
      pid: int(row, "pid"),
      processStart: text(row, "process_start"),
      sinceMs: int(row, "since_ms"),
    }),
  );
  const isDead = (lease: ReadLease): boolean => processStart(lease.pid) !== lease.processStart;
  const dead = leases.filter(isDead);
  for (const lease of dead) await dropReadLease(store, lease.id);
  return leases.filter((lease) => !dead.includes(lease));
}

/** Field 22 of /proc/<pid>/stat: ticks since boot. man proc(5). */
const START_FIELD_AFTER_NAME = 19;

/** The system's own answer; where there is no /proc, that a process of that number runs. */
export const systemProcessStart: ProcessStart = (pid) => {
  try {
    // The name in parentheses may hold anything, also spaces and parentheses.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[START_FIELD_AFTER_NAME] ?? null;
  } catch {
    return process.platform === "linux" ? null : runs(pid);
  }
};

function runs(pid: number): string | null {
  try {
    process.kill(pid, 0);
    return "running";
  } catch {
    return null;
  }
}
