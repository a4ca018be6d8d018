/**
 * Does a commit stay as fast as the table's history grows: commit #10 against #2,000, with every snapshot kept and with
 * the default retention. Usage: commits.ts [COMMITS] (2000).
 */

import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { benchFolder } from "./data.ts";
import { heading, progress, spread, table } from "./measure.ts";
import { askSql, CatalogView, dropText, makeProject, smallBatch } from "./project.ts";
import { RunningUp } from "./up.ts";

const ROWS = 10;
const WINDOW = 10;
const COMMIT_MS_MAX = 60_000;
/** So that thinning never has a reason to drop a snapshot. */
const KEEP_ALL = "keep:\n  snapshots: 36500d\n";
const TABLE = ["bronze", "events"] as const;

const commits = Number(process.argv[2] ?? 2_000);
const rows = [
  await history("default retention", ""),
  await history("every snapshot kept", KEEP_ALL),
];
heading(`Commits of ${ROWS} rows: early against late`);
const late = `#${commits - WINDOW + 1}-${commits} p50 ms`;
const head = [
  "",
  `#${WINDOW - 4}-${2 * WINDOW - 5} p50 ms`,
  late,
  "ratio",
  "snapshots",
  "metadata kB",
];
console.log(table(head, rows));

async function history(name: string, settings: string): Promise<string[]> {
  const project = join(benchFolder("commits"), "project");
  makeProject(project, { declared: true, settings });
  const up = await RunningUp.start(project);
  const samples: number[] = [];
  let metadata: string | null = null;
  try {
    using catalog = new CatalogView(project);
    for (let commit = 0; commit < commits; commit += 1) {
      const before = catalog.metadata(...TABLE);
      dropText(
        project,
        `${String(commit).padStart(6, "0")}.jsonl`,
        smallBatch(commit * ROWS, ROWS),
      );
      samples.push(await up.untilChanged(catalog, TABLE, before, COMMIT_MS_MAX));
      if (commit % 200 === 0) progress(`${name}: commit ${commit}`);
    }
    metadata = catalog.metadata(...TABLE);
  } finally {
    await up.end();
  }
  const sql =
    "select count(*)::double as n from lake.snapshots " +
    "where table_schema = 'bronze' and table_name = 'events'";
  const [row] = await askSql(project, sql);
  const [total] = await askSql(project, "select count(*)::double as n from bronze.events");
  if (total?.n !== commits * ROWS) throw new Error(`${total?.n} rows, not ${commits * ROWS}`);
  const early = spread(samples.slice(WINDOW - 5, 2 * WINDOW - 5)).median;
  const lateMs = spread(samples.slice(-WINDOW)).median;
  const bytes = metadata === null ? 0 : statSync(metadata).size;
  rmSync(project, { recursive: true, force: true });
  const figures = [early.toFixed(1), lateMs.toFixed(1), (lateMs / early).toFixed(2)];
  return [name, ...figures, String(row?.n), (bytes / 1e3).toFixed(0)];
}
