/**
 * Replaying a model from bronze against the same SELECT as one COPY by DuckDB over the same files, whole processes.
 * Usage: replay.ts [MEGABYTES] (400). TARN_BENCH_ROUNDS (5).
 */

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { envNumber } from "../tests/crash/seeded.ts";
import { walkLake } from "../tests/crash/walk.ts";
import { benchFolder, input } from "./data.ts";
import { heading, interleave, milliseconds, table } from "./measure.ts";
import { dropInput, makeProject, mustRun, programPath, SILVER_SQL } from "./project.ts";

const megabytes = Number(process.argv[2] ?? 400);
const rounds = envNumber("TARN_BENCH_ROUNDS", 5);
const project = join(benchFolder("replay"), "project");
const output = join(benchFolder("replay"), "bare.parquet");
const list = join(benchFolder("replay"), "files.json");
const file = await input("ndjson", megabytes);
makeProject(project, { declared: true, models: true });
dropInput(project, file);
await mustRun([programPath(), "build"], { cwd: project, timeoutMs: 600_000 });
const walked = await walkLake(join(project, "warehouse"));
const bronze = walked.tables.find((one) => one.name === "bronze.events");
const files = [...(bronze?.live ?? [])].filter((path) => path.endsWith(".parquet"));
writeFileSync(list, JSON.stringify(files));
const sql = SILVER_SQL.replace("bronze.events", "events");
const [mine, bare] = await interleave(
  [
    {
      name: "tarn replay silver.events",
      cwd: project,
      command: () => [programPath(), "replay", "silver.events"],
    },
    {
      name: "one COPY",
      prepare: () => rmSync(output, { force: true }),
      command: () => [
        process.execPath,
        join(import.meta.dirname, "bare-copy.ts"),
        list,
        sql,
        output,
      ],
    },
  ],
  rounds,
);
if (mine === undefined || bare === undefined) throw new Error("nothing was measured");
heading(`Replay of ${file.rows} rows`);
const perSecond = (ms: number) => `${((file.rows / ms) * 1e-3).toFixed(2)} M`;
console.log(
  table(
    ["", "ms (min-max)", "rows/s"],
    [mine, bare].map((one) => [one.name, milliseconds(one.ms), perSecond(one.ms.median)]),
  ),
);
console.log(`\nreplay / one COPY: ${(bare.ms.median / mine.ms.median).toFixed(2)} of its speed`);
rmSync(project, { recursive: true, force: true });
