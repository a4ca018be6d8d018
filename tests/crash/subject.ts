/** What a crash suite is run against: how to start from nothing, what to run, and what must hold afterwards. */

import { Database } from "bun:sqlite";
import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type FixtureBug, runFixture } from "./fixture.ts";

export interface Subject {
  readonly name: string;
  /** Makes everything the command needs, in an empty folder. */
  prepare(folder: string): Promise<void>;
  command(folder: string): readonly string[];
  /** The folder whose changes are crash points. */
  lake(folder: string): string;
  /** Runs again without faults, then says what is wrong; empty when nothing is. */
  recover(folder: string): Promise<Recovered>;
}

export interface Recovered {
  readonly problems: readonly string[];
  /** Files the crash left that nothing names: allowed, counted. */
  readonly orphans: number;
  /** Files set aside as unreadable because their worker died twice: allowed, counted. */
  readonly setAside: number;
}

const FIXTURE_FILES = 2;
const FIXTURE_FILE_BYTES = 8192;

/** The suite's own specimen, right or with one bug. */
export function fixtureSubject(bug: FixtureBug | null): Subject {
  const lake = (folder: string) => join(folder, "lake");
  const program = join(import.meta.dirname, "fixture.ts");
  return {
    name: bug === null ? "fixture" : `fixture with ${bug}`,
    async prepare(folder) {
      mkdirSync(folder, { recursive: true });
    },
    command: (folder) => [
      process.execPath,
      program,
      lake(folder),
      String(FIXTURE_FILES),
      ...(bug === null ? [] : [bug]),
    ],
    lake,
    async recover(folder) {
      await runFixture(lake(folder), FIXTURE_FILES, bug).catch(() => {});
      return checkFixture(lake(folder));
    },
  };
}

function checkFixture(root: string): Recovered {
  const problems: string[] = [];
  using catalog = new Database(join(root, "catalog.db"), { readonly: true });
  // parse: both columns are named in the statement
  const rows = catalog.query("select path, rows from landed").all() as {
    path: string;
    rows: number;
  }[];
  const numbers = rows.map((row) => row.rows).sort();
  if (JSON.stringify(numbers) !== JSON.stringify([...Array(FIXTURE_FILES).keys()])) {
    problems.push(`landed ${JSON.stringify(numbers)}, not each of ${FIXTURE_FILES} once`);
  }
  for (const { path } of rows) {
    if (!existsSync(path)) problems.push(`${path} is named and missing`);
    else if (statSync(path).size < FIXTURE_FILE_BYTES) problems.push(`${path} is cut`);
  }
  const named = new Set(rows.map((row) => row.path));
  const bronze = join(root, "bronze");
  const all = existsSync(bronze) ? readdirSync(bronze, { recursive: true }) : [];
  const files = all.filter((name) => String(name).endsWith(".parquet"));
  const orphans = files.filter((name) => !named.has(join(bronze, String(name)))).length;
  return { problems, orphans, setAside: 0 };
}
