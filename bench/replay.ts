/**
 * Replaying a model from bronze against the same SELECT as one COPY by DuckDB over the same files, whole processes: as
 * it is, where nothing is published, and edited, where each row is another one.
 * Usage: replay.ts [MEGABYTES] [FORMAT] (400, ndjson; `360 parquet` is 20M rows). TARN_BENCH_ROUNDS (5).
 */

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { envNumber } from "../tests/crash/seeded.ts";
import { walkLake } from "../tests/crash/walk.ts";
import { benchFolder, FORMATS, input } from "./data.ts";
import { heading, interleave, milliseconds, table } from "./measure.ts";
import { dropInput, makeProject, mustRun, programPath, SILVER_SQL } from "./project.ts";

const megabytes = Number(process.argv[2] ?? 400);
const format = FORMATS.find((one) => one === process.argv[3]) ?? "ndjson";
const rounds = envNumber("TARN_BENCH_ROUNDS", 5);
const project = join(benchFolder("replay"), "project");
const output = join(benchFolder("replay"), "bare.parquet");
const list = join(benchFolder("replay"), "files.json");
const file = await input(format, megabytes);
makeProject(project, { declared: true, models: true });
dropInput(project, file);
await mustRun([programPath(), "build"], { cwd: project, timeoutMs: 600_000 });
const walked = await walkLake(join(project, "warehouse"));
const bronze = walked.tables.find((one) => one.name === "bronze.events");
const files = [...(bronze?.live ?? [])].filter((path) => path.endsWith(".parquet"));
writeFileSync(list, JSON.stringify(files));
const sql = SILVER_SQL.replace("bronze.events", "events");
const model = join(project, "models", "silver", "events.sql");
const text = readFileSync(model, "utf8");
let edits = 0;
const [mine, edited, bare] = await interleave(
  [
    {
      name: "tarn replay silver.events",
      cwd: project,
      command: () => [programPath(), "replay", "silver.events"],
    },
    {
      name: "tarn replay silver.events, edited",
      cwd: project,
      prepare: () => {
        edits += 1;
        writeFileSync(model, text.replace("amount * 100", `amount * 100 + ${edits}`));
      },
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
if (mine === undefined || edited === undefined || bare === undefined)
  throw new Error("nothing was measured");
heading(`Replay of ${file.rows} rows`);
const perSecond = (ms: number) => `${((file.rows / ms) * 1e-3).toFixed(2)} M`;
console.log(
  table(
    ["", "ms (min-max)", "rows/s"],
    [mine, edited, bare].map((one) => [one.name, milliseconds(one.ms), perSecond(one.ms.median)]),
  ),
);
const share = (ms: number) => (bare.ms.median / ms).toFixed(2);
const [same, other] = [share(mine.ms.median), share(edited.ms.median)];
console.log(`\nreplay / one COPY: ${same} of its speed, edited ${other}`);
rmSync(project, { recursive: true, force: true });
