/** A project to measure: one source, and models when asked; and questions to its lake without the program. */

import { Database } from "bun:sqlite";
import {
  existsSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { localPath } from "../tests/crash/walk.ts";
import { COLUMNS, type Input } from "./data.ts";

export { askSql, mustRun, programPath } from "../tests/crash/program.ts";

export interface ProjectOptions {
  /** Declared columns, or learned from the files. */
  readonly declared: boolean;
  /** silver (append) and gold (full) over bronze. */
  readonly models?: boolean;
  /** More of tarn.yaml. */
  readonly settings?: string;
}

export const SILVER_SQL =
  "select id, ts, user_id, kind, amount * 100 as cents, upper(country) as country from bronze.events";
const SILVER = `/* tarn
   kind: append
*/
${SILVER_SQL}
`;
const GOLD = `/* tarn
   kind: full
*/
select country, kind, count(*) as n, sum(cents) as cents from silver.events group by all
`;
/** How long a look waits for a writer. */
const BUSY_MS = 1_000;
/** Older than any settle time. */
const SETTLED_AGE_MS = 60_000;

/** A fresh project with an empty `drops/events`. */
export function makeProject(folder: string, options: ProjectOptions) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "drops", "events"), { recursive: true });
  const types = Object.entries(COLUMNS).map(
    ([name, type]) => `      ${name}: ${type.toLowerCase()}`,
  );
  const columns = options.declared ? `    columns:\n${types.join("\n")}\n` : "";
  const yaml = `project: bench\nsources:\n  events:\n    settle: 0s\n${columns}`;
  writeFileSync(join(folder, "tarn.yaml"), yaml + (options.settings ?? ""));
  if (options.models !== true) return;
  for (const [layer, name, sql] of [
    ["silver", "events", SILVER],
    ["gold", "totals", GOLD],
  ] as const) {
    mkdirSync(join(folder, "models", layer), { recursive: true });
    writeFileSync(join(folder, "models", layer, `${name}.sql`), sql);
  }
}

/** The input as a drop, without copying it: another name for the same file. */
export function dropInput(folder: string, input: Input) {
  linkSync(input.path, join(folder, "drops", "events", basename(input.path)));
}

/** A small file as a drop, complete and settled at the moment of the rename. */
export function dropText(folder: string, name: string, text: string, source = "events") {
  const hidden = join(folder, "drops", source, `.${name}.part`);
  writeFileSync(hidden, text);
  const then = new Date(Date.now() - SETTLED_AGE_MS);
  utimesSync(hidden, then, then);
  renameSync(hidden, join(folder, "drops", source, name));
}

/** Rows from `from` as NDJSON: 1,000 of them are a small batch. */
export function smallBatch(from: number, rows: number): string {
  const lines: string[] = [];
  for (let id = from; id < from + rows; id += 1) {
    lines.push(
      JSON.stringify({
        id,
        ts: new Date(1_767_225_600_000 + id * 137).toISOString().slice(0, 23).replace("T", " "),
        user_id: (id * 7919) % 1_000_000,
        kind: ["view", "click", "cart", "pay"][id % 4],
        amount: (id % 10_000) / 100,
        url: `https://shop.example/p/${id % 50_000}`,
        country: ["NO", "SE", "DE", "FR"][id % 4],
        session: String((id * 104_729) % 1_000_003),
      }),
    );
  }
  return `${lines.join("\n")}\n`;
}

/** Where the tables' metadata is now, straight from the catalog: one read costs microseconds. */
export class CatalogView {
  readonly #database: Database;
  readonly #query;

  /** Whether the catalog is there with its tables. */
  static isReady(project: string): boolean {
    if (!existsSync(join(project, "warehouse", "catalog.db"))) return false;
    try {
      using view = new CatalogView(project);
      view.metadata("bronze", "events");
      return true;
    } catch {
      // Locked or without tables: it is being made.
      return false;
    }
  }

  constructor(project: string) {
    this.#database = new Database(join(project, "warehouse", "catalog.db"), { readonly: true });
    this.#database.run(`pragma busy_timeout = ${BUSY_MS}`);
    this.#query = this.#database.query<{ location: string }, [string, string]>(
      "select metadata_location as location from iceberg_tables where table_namespace = ? and table_name = ?",
    );
  }

  /** Path of a table's current metadata; null before it exists. */
  metadata(namespace: string, table: string): string | null {
    const row = this.#query.get(namespace, table);
    return row === null ? null : localPath(row.location);
  }

  [Symbol.dispose]() {
    this.#database.close();
  }
}
