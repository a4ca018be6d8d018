/**
 * Many small files dropped at once: all landed once, wall time, peak memory, files a commit; against one COPY of the
 * same files plus a durable copy of each. Usage: small-files.ts [FILES] (100000).
 */

import { mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { benchFolder } from "./data.ts";
import { heading, MIB, measure, progress, table } from "./measure.ts";
import { askSql, makeProject, programPath, smallBatch } from "./project.ts";

const ROWS = 5;
const SETTLED_AGE_MS = 60_000;

const files = Number(process.argv[2] ?? 100_000);
const project = join(benchFolder("small-files"), "project");
const output = join(benchFolder("small-files"), "bare");
makeProject(project, { declared: true });
progress(`writing ${files} files`);
const drops = join(project, "drops", "events");
const then = new Date(Date.now() - SETTLED_AGE_MS);
for (let file = 0; file < files; file += 1) {
  const path = join(drops, `${String(file).padStart(7, "0")}.jsonl`);
  writeFileSync(path, smallBatch(file * ROWS, ROWS));
  utimesSync(path, then, then);
}
await measure(["sync"]);
const mine = await measure([programPath(), "build"], { cwd: project });
progress(`tarn: ${mine.ms.toFixed(0)} ms`);
await measure(["sync"]);
rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });
const script = join(import.meta.dirname, "bare-small-files.ts");
const bare = await measure([process.execPath, script, drops, output]);
const [counted] = await askSql(
  project,
  "select count(*)::double as n, count(distinct id)::double as ids from bronze.events",
);
const [commits] = await askSql(
  project,
  "select count(distinct commit_number)::double as n from lake.commits where kind = 'land'",
);
if (counted?.n !== files * ROWS || counted.ids !== files * ROWS) {
  throw new Error(`${counted?.n} rows with ${counted?.ids} ids, not ${files * ROWS}`);
}
heading(`${files} files of ${ROWS} rows at once`);
const rows = [
  ["tarn build", mine],
  ["one COPY + durable copies", bare],
] as const;
const cells = rows.map(([name, one]) => [
  name,
  (one.ms / 1e3).toFixed(1),
  (one.ms / bare.ms).toFixed(2),
  (one.peakRssBytes / MIB).toFixed(0),
]);
console.log(table(["", "s", "ratio", "peak RSS MiB"], cells));
const landed = Number(commits?.n);
console.log(`\n${landed} commits, ${(files / landed).toFixed(0)} files a commit, each row once`);
rmSync(project, { recursive: true, force: true });
