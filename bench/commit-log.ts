/** The commits of a lake as somebody beside its engine sees them, with the time when each was first seen. */

import { Database } from "bun:sqlite";
import { join } from "node:path";
import { type LandingSteps, landingSteps } from "./landing-steps.ts";

/** A look at a counter in shared memory: microseconds, and as often in every contender's time. */
const LOOK_MS = 1;
const BUSY_MS = 1_000;
const BRONZE = "bronze.shop_events";
const SILVER = "silver.events";

/** Milliseconds of `performance.now`, by what was asked. */
export interface Seen {
  readonly bronzeMs: readonly number[];
  readonly silverMs: readonly number[];
}

export class CommitLog {
  readonly #database: Database;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #seenMsByNumber = new Map<number, number>();
  #version = -1;
  #last = 0;
  /** Commits of the table of the source, and of the model's. */
  landings = 0;
  runs = 0;

  /** The lake is there already. */
  constructor(project: string) {
    this.#database = new Database(join(project, "warehouse", "catalog.db"), { readonly: true });
    this.#database.run(`pragma busy_timeout = ${BUSY_MS}`);
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** So many rows are in bronze, and the model has read them. */
  isSettled(rows: number, hasModel: boolean): boolean {
    const bronze = this.#database
      .query<{ rows: number; snapshot: string }, [string]>(
        `select total_records as rows, cast(snapshot_id as text) as snapshot from lake_commit_tables
         where table_name = ? order by commit_number desc limit 1`,
      )
      .get(BRONZE);
    if (bronze === null || bronze.rows < rows) return false;
    return !hasModel || this.#reads().at(-1)?.snapshot === bronze.snapshot;
  }

  /** When what these batches landed was first seen, in bronze and behind the model. */
  seen(batches: readonly string[]): Seen {
    this.#look();
    const commits = this.#commits();
    const numbers = batches.map((batch) => commits.get(batch) ?? Number.NaN);
    const reads = this.#reads();
    const runOf = (number: number) => reads.find(({ read }) => read >= number)?.number;
    const timeOf = (number = Number.NaN) => this.#seenMsByNumber.get(number) ?? Number.NaN;
    return {
      bronzeMs: numbers.map(timeOf),
      silverMs: numbers.map((number) => timeOf(runOf(number))),
    };
  }

  /** How far the landing of each of these batches was when; undefined for one that left other files. */
  steps(project: string, batches: readonly string[]): (LandingSteps | undefined)[] {
    const commits = this.#commits();
    const numbers = batches.map((batch) => commits.get(batch) ?? Number.NaN);
    const first = Math.min(...numbers);
    const steps = landingSteps(this.#database, project, BRONZE, first - 1);
    const stepsByNumber = new Map(steps.map((one) => [one.commit, one]));
    return numbers.map((number) => stepsByNumber.get(number));
  }

  #commits(): ReadonlyMap<string, number> {
    const commits = this.#database
      .query<{ batch: string; number: number }, []>(
        "select batch, commit_number as number from lake_batches where commit_number is not null",
      )
      .all();
    return new Map(commits.map(({ batch, number }) => [batch, number]));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#database.close();
  }

  /** Commits of the model, each with that of the rows that it read up to. */
  #reads(): { number: number; read: number; snapshot: string }[] {
    return this.#database
      .query<{ number: number; read: number; snapshot: string }, [string, string]>(
        `select r.commit_number as number, t.commit_number as read,
           cast(t.snapshot_id as text) as snapshot
         from lake_runs r, json_each(r.record, '$.inputs') i
         join lake_commit_tables t
           on t.table_name = ? and t.snapshot_id = cast(i.value ->> '$.to' as integer)
         where r.model = ? and r.commit_number is not null order by r.commit_number`,
      )
      .all(BRONZE, SILVER);
  }

  #look(): void {
    const version = this.#database.query<{ data_version: number }, []>("pragma data_version").get();
    if (version === null || version.data_version === this.#version) return;
    this.#version = version.data_version;
    const nowMs = performance.now();
    const commits = this.#database
      .query<{ number: number; name: string }, [number]>(
        `select commit_number as number, table_name as name from lake_commit_tables
         where commit_number > ? order by commit_number`,
      )
      .all(this.#last);
    for (const { number, name } of commits) {
      this.#seenMsByNumber.set(number, nowMs);
      this.#last = number;
      if (name === BRONZE) this.landings += 1;
      if (name === SILVER) this.runs += 1;
    }
  }
}
