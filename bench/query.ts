/**
 * Queries on a table against DuckDB alone on the same files, whole processes. Usage: query.ts [MEGABYTES] (400).
 * TARN_BENCH_ROUNDS (7).
 */

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { envNumber } from "../tests/crash/seeded.ts";
import { walkLake } from "../tests/crash/walk.ts";
import { benchFolder, input } from "./data.ts";
import { heading, interleave, milliseconds, table } from "./measure.ts";
import { dropInput, makeProject, mustRun, programPath } from "./project.ts";

/** `events` is the table; every answer is small. */
const QUERIES: Readonly<Record<string, string>> = {
  "group by":
    "select country, kind, count(*) n, sum(amount) a from events group by all order by all",
  filter: "select count(*) n, sum(amount) a from events where id between 1000 and 200000",
  "count distinct": "select count(distinct user_id) n from events",
  "wide scan": "select max(url) u, max(session) s, min(ts) t, sum(user_id) i from events",
  top: "select user_id, sum(amount) a from events group by 1 order by a desc, 1 limit 10",
};

const megabytes = Number(process.argv[2] ?? 400);
const rounds = envNumber("TARN_BENCH_ROUNDS", 7);
const project = join(benchFolder("query"), "project");
const list = join(benchFolder("query"), "files.json");
const file = await input("ndjson", megabytes);
makeProject(project, { declared: true });
dropInput(project, file);
await mustRun([programPath(), "build"], { cwd: project, timeoutMs: 600_000 });
const { live } = await walkLake(join(project, "warehouse"));
const files = [...live].filter((path) => path.endsWith(".parquet"));
writeFileSync(list, JSON.stringify(files));
heading(`Queries over ${file.rows} rows in ${files.length} files`);
const rows: string[][] = [];
for (const [name, sql] of Object.entries(QUERIES)) rows.push(await compare(name, sql));
console.log(table(["", "tarn ms", "DuckDB ms", "ratio"], rows));
rmSync(project, { recursive: true, force: true });

async function compare(name: string, sql: string): Promise<string[]> {
  const ours = sql.replace("from events", "from bronze.events");
  const script = join(import.meta.dirname, "bare-query.ts");
  const command = [programPath(), "sql", "--format", "jsonl", "-c", ours];
  const [mine, bare] = await interleave(
    [
      { name: `tarn: ${name}`, cwd: project, command: () => command },
      { name: `DuckDB: ${name}`, command: () => [process.execPath, script, list, sql] },
    ],
    rounds,
  );
  if (mine === undefined || bare === undefined) throw new Error("nothing was measured");
  const ratio = (mine.ms.median / bare.ms.median).toFixed(2);
  return [name, milliseconds(mine.ms), milliseconds(bare.ms), ratio];
}
