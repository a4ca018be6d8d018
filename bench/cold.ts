/** Cold starts of whole processes, page cache warm: `status`, `sql -c "select 42"`, and others to compare with. */

import { join } from "node:path";
import { envNumber } from "../tests/crash/seeded.ts";
import { benchFolder } from "./data.ts";
import { type Contender, heading, interleave, resultTable } from "./measure.ts";
import { dropText, makeProject, mustRun, programPath, smallBatch } from "./project.ts";

const rounds = envNumber("TARN_BENCH_ROUNDS", 21);
const project = join(benchFolder("cold"), "project");
makeProject(project, { declared: true, models: true });
dropText(project, "a.jsonl", smallBatch(0, 1_000));
await mustRun([programPath(), "build"], { cwd: project });
const node = Bun.which("node");
const bare = [
  'import { DuckDBInstance } from "@duckdb/node-api";',
  'const c = await (await DuckDBInstance.create(":memory:")).connect();',
  'console.log((await c.runAndReadAll("select 42")).getRows());',
].join("\n");
const tarn = (name: string, ...args: string[]): Contender => ({
  name,
  cwd: project,
  command: () => [programPath(), ...args],
});
const contenders: Contender[] = [
  tarn("tarn status", "status"),
  tarn("tarn --version", "--version"),
  tarn('tarn sql -c "select 42"', "sql", "-c", "select 42"),
  tarn("tarn sql -c, one table", "sql", "-c", "select count(*), sum(n) from gold.totals"),
  {
    name: "bun and DuckDB, select 42",
    cwd: join(import.meta.dirname, ".."),
    command: () => [process.execPath, "-e", bare],
  },
  { name: "bun -e 0", command: () => [process.execPath, "-e", "0"] },
  ...(node === null ? [] : [{ name: "node -e 0", command: () => [node, "-e", "0"] }]),
];
heading("Cold starts");
console.log(resultTable(await interleave(contenders, rounds), "bun and DuckDB, select 42"));
