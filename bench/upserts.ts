/**
 * 1,000 changed keys into a large table: runs of change feeds (scd 1 and 2) beside what they would cost otherwise,
 * which is the files that the keys stand in, written again by a bare COPY. Usage: upserts.ts [ROWS…] (2000000).
 * TARN_BENCH_ROUNDS (7).
 */

import { Database } from "bun:sqlite";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openDuckDB } from "../sql/duckdb/duckdb.ts";
import { quoteFileList, quoteTargetPath } from "../sql/syntax/quote.ts";
import { envNumber } from "../tests/crash/seeded.ts";
import { benchFolder } from "./data.ts";
import { heading, table } from "./measure.ts";
import { CatalogView, dropText, mustRun, programPath } from "./project.ts";
import { RunningUp } from "./up.ts";

const CHANGES = 1_000;
/** A first run over tens of millions of rows takes its time. */
const BUILD_MS_MAX = 30 * 60_000;
const MEMORY_BYTES = 4 * 1024 ** 3;
const rounds = envNumber("TARN_BENCH_ROUNDS", 7);
const sizes = process.argv.slice(2).map(Number);
const MODELS = { current: 1, versions: 2 } as const;

heading("1,000 changed keys");
const results: string[][] = [];
for (const rows of sizes.length > 0 ? sizes : [2_000_000]) results.push(await measure(rows));
console.log(
  table(
    [
      "rows",
      "scd 1 ms",
      "scd 2 ms",
      "COPY of the files ms",
      "COPY / scd 1",
      "late, scd 1 ms",
      "CPU ms a round",
      "first run s",
    ],
    results,
  ),
);

/**
 * Medians: runs of a running engine as their records have them, without the landing before; the COPY in between, in
 * this process. A round before those that count makes the indexes of keys; one behind them is a change that comes late.
 */
async function measure(rows: number): Promise<string[]> {
  const project = join(benchFolder("upserts"), String(rows));
  await makeLake(project, rows);
  const [first = 0] = runsOf(project, "current");
  const copies: number[] = [];
  const cpuMs: number[] = [];
  const up = await RunningUp.start(project);
  try {
    using catalog = new CatalogView(project);
    const apply = async (round: number, text: string) => {
      const before = catalog.metadata("silver", "versions");
      dropText(project, `${round}.ndjson`, text, "feed");
      await up.untilChanged(catalog, ["silver", "versions"], before, BUILD_MS_MAX);
    };
    await apply(0, changes(rows, 0));
    for (let round = 1; round <= rounds; round++) {
      const startedMs = up.cpuMs();
      await apply(round, changes(rows, round));
      cpuMs.push(up.cpuMs() - startedMs);
      copies.push(await copyMs(project));
    }
    // Its key is new, so that it changes both tables.
    await apply(rounds + 1, change({ op: "c", id: rows + 1, lsn: 5, amount: 1 }));
  } finally {
    await up.end();
  }
  const median = (values: readonly number[]) =>
    values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
  const [late = Number.NaN, ...runs] = runsOf(project, "current");
  const current = median(runs.slice(0, rounds));
  const versions = median(runsOf(project, "versions").slice(1, rounds + 1));
  const copy = median(copies);
  rmSync(project, { recursive: true, force: true });
  return [
    rows.toLocaleString("en"),
    ...[current, versions, copy].map((value) => value.toFixed(0)),
    (copy / current).toFixed(1),
    late.toFixed(0),
    median(cpuMs).toFixed(0),
    (first / 1000).toFixed(1),
  ];
}

async function makeLake(project: string, rows: number): Promise<void> {
  rmSync(project, { recursive: true, force: true });
  mkdirSync(join(project, "drops", "feed"), { recursive: true });
  mkdirSync(join(project, "models", "silver"), { recursive: true });
  const types =
    "op: varchar, id: bigint, lsn: bigint, name: varchar, amount: bigint, city: varchar";
  writeFileSync(
    join(project, "tarn.yaml"),
    `sources:\n  feed:\n    settle: 0s\n    columns: {${types}}\n`,
  );
  for (const [name, scd] of Object.entries(MODELS)) {
    const front = `kind: cdc\nkeys: id\nsequence_by: lsn\napply_as_delete: op = 'd'\nexcept: [op, lsn]\nscd: ${scd}`;
    const sql = `/* tarn\n${front}\n*/\nselect op, id, lsn, name, amount, city from bronze.feed\n`;
    writeFileSync(join(project, "models", "silver", `${name}.sql`), sql);
  }
  await using db = await bare();
  const sql =
    `SELECT 'c' AS op, (i * 7919) % ${rows} AS id, i AS lsn, 'name ' || (i % 10007) AS name, ` +
    `(i * 31) % 100000 AS amount, 'city ' || (i % 97) AS city FROM range(${rows}) t(i)`;
  const path = join(project, "drops", "feed", "all.parquet");
  await db.run(`COPY (${sql}) TO ${quoteTargetPath(path)} (FORMAT parquet, COMPRESSION zstd)`);
  await mustRun([programPath(), "build"], { cwd: project, timeoutMs: BUILD_MS_MAX });
}

/** Random keys, one of twenty a delete, later than all that was there. */
function changes(rows: number, round: number): string {
  const lines: string[] = [];
  let random = round + 1;
  for (let index = 0; index < CHANGES; index++) {
    random = (random * 48_271) % 2_147_483_647;
    const op = index % 20 === 0 ? "d" : "u";
    const lsn = rows + round * CHANGES + index;
    lines.push(change({ op, id: random % rows, lsn, amount: index }));
  }
  return lines.join("");
}

function change(values: Readonly<Record<"op" | "id" | "lsn" | "amount", string | number>>): string {
  return `${JSON.stringify({ ...values, name: "n", city: "x" })}\n`;
}

/** Milliseconds of the model's runs, the last first. */
function runsOf(project: string, model: string): number[] {
  using catalog = new Database(join(project, "warehouse", "catalog.db"), { readonly: true });
  const sql =
    "SELECT ended_ms - started_ms AS ms FROM lake_runs WHERE model = ? ORDER BY started_ms DESC";
  return catalog
    .query<{ ms: number }, [string]>(sql)
    .all(`silver.${model}`)
    .map(({ ms }) => ms);
}

/** The files of the current rows, written again as they are. */
async function copyMs(project: string): Promise<number> {
  const glob = new Bun.Glob("warehouse/silver/current-*/data/*.parquet");
  const files = [...glob.scanSync({ cwd: project, absolute: true })].filter(
    (path) => Bun.file(path).size > 1e6,
  );
  await using db = await bare();
  const to = join(project, "copy.parquet");
  const started = performance.now();
  await db.run(
    `COPY (SELECT * FROM read_parquet(${quoteFileList(files)})) TO ${quoteTargetPath(to)}
     (FORMAT parquet, COMPRESSION zstd)`,
  );
  const ms = performance.now() - started;
  rmSync(to);
  return ms;
}

function bare() {
  return openDuckDB({
    threads: 2,
    memoryBytes: MEMORY_BYTES,
    tempFolder: null,
    allowedPaths: [],
    allowedFolders: [benchFolder("upserts")],
    lockdown: false,
  });
}
