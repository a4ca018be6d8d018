/**
 * SQLite's COMMIT as two moments of the simulation: right before it, and right after it took effect and before anyone
 * is told. The real library underneath keeps its transactions atomic; here only the power can go, or the answer fail.
 */

import { Database } from "bun:sqlite";

export interface CommitMoments {
  /** Before a statement: throws when the process is dead. */
  alive(): void;
  /** What it throws is what COMMIT throws, without having taken effect. */
  before(): void;
  /** What it throws is what COMMIT throws, having taken effect. */
  after(): void;
}

/** An error as SQLite throws it. */
export function sqliteError(code: "SQLITE_FULL" | "SQLITE_IOERR"): Error {
  return Object.assign(new Error(`simulated ${code}`), { code });
}

/** Every writing connection to one file goes through `moments` until this is disposed. */
export function watchCommits(path: string, moments: () => CommitMoments | null): Disposable {
  const real = Database.prototype.run;
  const watched: typeof real = function (this: Database, sql, ...values) {
    const now = this.filename === path ? moments() : null;
    // A dead process's open transaction is taken back by the next one: the same as its own ROLLBACK.
    if (now === null || sql === "ROLLBACK") return real.call(this, sql, ...values);
    now.alive();
    if (sql !== "COMMIT") return real.call(this, sql, ...values);
    now.before();
    const changes = real.call(this, sql, ...values);
    now.after();
    return changes;
  };
  Database.prototype.run = watched;
  return {
    [Symbol.dispose]() {
      Database.prototype.run = real;
    },
  };
}
