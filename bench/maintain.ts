/**
 * Compaction of many small files against one COPY of the same rows, whole processes, and queries on the table before
 * and after against DuckDB alone on the same files. Usage: maintain.ts [FILES] [ROWS] (1000 1000).
 * TARN_BENCH_ROUNDS (5).
 */

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { envNumber } from "../tests/crash/seeded.ts";
import { benchFolder } from "./data.ts";
import { type Contender, heading, interleave, milliseconds, progress, table } from "./measure.ts";
import { askSql, dropText, makeProject, mustRun, programPath, smallBatch } from "./project.ts";

const ROWS = Number(process.argv[3] ?? 1_000);
const QUERIES: Readonly<Record<string, string>> = {
  "group by":
    "select country, kind, count(*) n, sum(amount) a from events group by all order by all",
  filter: "select count(*) n, sum(amount) a from events where id between 1000 and 20000",
  count: "select count(*) n from events",
};

const files = Number(process.argv[2] ?? 1_000);
const rounds = envNumber("TARN_BENCH_ROUNDS", 5);
const folder = benchFolder("maintain");
const project = join(folder, "project");
const list = join(folder, "files.json");
const output = join(folder, "one.parquet");
const script = (name: string): string => join(import.meta.dirname, name);

// Each drop is a batch, and so a data file.
makeProject(project, {
  declared: true,
  settings: "batch: {bytes: 1}\nmaintenance: {when: never}\n",
});
for (let file = 0; file < files; file += 1) {
  dropText(project, `${String(file).padStart(5, "0")}.jsonl`, smallBatch(file * ROWS, ROWS));
}
progress(`landing ${files} files`);
await mustRun([programPath(), "build"], { cwd: project, timeoutMs: 3_600_000 });
const small = await liveFiles();
if (small.length !== files) throw new Error(`${small.length} data files, not ${files}`);
const sums = await sumsOf();
const before = await queries("before");
const [ours, copy] = await compactions();
await mustRun([programPath(), "maintain", "compact", "bronze.events"], { cwd: project });
const [large] = await liveFiles();
if (JSON.stringify(await sumsOf()) !== JSON.stringify(sums)) throw new Error("rows changed");
writeFileSync(list, JSON.stringify(await liveFiles()));
const after = await queries("after");

heading(`${files} files of ${ROWS} rows made one`);
if (ours === undefined || copy === undefined) throw new Error("nothing was measured");
const ratio = (ours.ms.median / copy.ms.median).toFixed(2);
console.log(
  table(
    ["", "ms", "ratio"],
    [
      ["tarn maintain compact", milliseconds(ours.ms), ratio],
      ["one COPY, durable", milliseconds(copy.ms), "1"],
    ],
  ),
);
console.log(`\nmade ${large}\n`);
const head = [
  "",
  "tarn ms",
  "DuckDB ms",
  "ratio",
  "tarn, files made one",
  "DuckDB, the same",
  "ratio",
];
console.log(
  table(
    head,
    Object.keys(QUERIES).map((name, at) => [name, ...(before[at] ?? []), ...(after[at] ?? [])]),
  ),
);
rmSync(folder, { recursive: true, force: true });

async function compactions() {
  const undo = async () => {
    if ((await liveFiles()).length === files) return;
    const to = ["restore", "bronze.events", "--to", `@${files}`];
    await mustRun([programPath(), ...to], { cwd: project });
  };
  const mine: Contender = {
    name: "tarn maintain compact",
    cwd: project,
    prepare: undo,
    command: () => [programPath(), "maintain", "compact", "bronze.events"],
    check: async () => {
      const { length } = await liveFiles();
      if (length !== 1) throw new Error(`${length} files are left`);
    },
  };
  writeFileSync(list, JSON.stringify(small));
  const bare: Contender = {
    name: "one COPY",
    prepare: () => rmSync(output, { force: true }),
    command: () => [process.execPath, script("bare-copy.ts"), list, "select * from events", output],
  };
  return await interleave([mine, bare], rounds);
}

async function queries(when: string): Promise<string[][]> {
  writeFileSync(list, JSON.stringify(await liveFiles()));
  const rows: string[][] = [];
  for (const [name, sql] of Object.entries(QUERIES)) {
    const asked = sql.replace("from events", "from bronze.events");
    const [mine, bare] = await interleave(
      [
        {
          name: `tarn, ${when}: ${name}`,
          cwd: project,
          command: () => [programPath(), "sql", "--format", "jsonl", "-c", asked],
        },
        {
          name: `DuckDB, ${when}: ${name}`,
          command: () => [process.execPath, script("bare-query.ts"), list, sql],
        },
      ],
      rounds,
    );
    if (mine === undefined || bare === undefined) throw new Error("nothing was measured");
    const ratio = (mine.ms.median / bare.ms.median).toFixed(2);
    rows.push([milliseconds(mine.ms), milliseconds(bare.ms), ratio]);
  }
  return rows;
}

/** Data files of the table as it is now. */
async function liveFiles(): Promise<string[]> {
  const rows = await askSql(project, 'select file_path from bronze."events$files"');
  return rows.map((row) => String(row.file_path).replace(/^file:\/\//, "")).sort();
}

async function sumsOf() {
  const places = "sum(hash(_batch, _source_file, _row)::hugeint)::varchar p";
  const sql = `select count(*)::double n, sum(id)::double i, ${places} from bronze.events`;
  return await askSql(project, sql);
}
