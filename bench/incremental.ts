/**
 * Models that go on from 1,000 new rows beside the same models computed from all rows, in one running engine: groups
 * (few, and a million), groups over a join, the latest row of a key, the top rows of a key. Usage: incremental.ts
 * [ROWS…] (20000000). TARN_BENCH_ROUNDS (5).
 */

import { Database } from "bun:sqlite";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openDuckDB } from "../sql/duckdb/duckdb.ts";
import { quoteTargetPath } from "../sql/syntax/quote.ts";
import { envNumber } from "../tests/crash/seeded.ts";
import { benchFolder } from "./data.ts";
import { heading, table } from "./measure.ts";
import { CatalogView, dropText, mustRun, programPath } from "./project.ts";
import { RunningUp } from "./up.ts";

const CHANGES = 1_000;
const BUILD_MS_MAX = 30 * 60_000;
const MEMORY_BYTES = 4 * 1024 ** 3;
const GROUPS = 24_000;
const KEYS = 1_000_000;
/** By keys, between two that are computed whole. */
const RUNS = 3;
const rounds = envNumber("TARN_BENCH_ROUNDS", 5);
const sizes = process.argv.slice(2).map(Number);
const MODELS = {
  few_groups:
    "select grp, count(*) as n, sum(amount) as total, max(ts) as last from bronze.facts group by grp",
  many_groups:
    "select key, count(*) as n, sum(amount) as total, max(ts) as last from bronze.facts group by key",
  joined: `select d.city, count(*) as n, sum(f.amount) as total from bronze.facts f join bronze.dims d on d.key = f.key
    group by d.city`,
  means:
    "select grp, avg(amount) as mean, count(distinct key) as keys from bronze.facts group by grp",
  latest:
    "select key, grp, amount, ts from bronze.facts qualify row_number() over (partition by key order by ts desc) = 1",
  top: `select key, grp, amount, ts from bronze.facts
    qualify row_number() over (partition by key order by amount desc, ts) <= 3`,
} as const;
const NAMES = Object.keys(MODELS);

heading("1,000 new rows into models, and all rows");
const results: string[][] = [];
for (const rows of sizes.length > 0 ? sizes : [20_000_000]) results.push(...(await measure(rows)));
console.log(table(["rows", "model", "by keys ms", "all ms", "all / by keys"], results));

async function measure(rows: number): Promise<string[][]> {
  const project = join(benchFolder("incremental"), String(rows));
  await makeLake(project, rows);
  const up = await RunningUp.start(project);
  try {
    using catalog = new CatalogView(project);
    for (let round = 0; round < rounds; round++) {
      // What was computed whole has no indexes of keys yet: the second run by keys makes them.
      for (let part = 0; part < RUNS; part++) {
        const before = catalog.metadata("gold", "top");
        const nth = round * RUNS + part;
        dropText(project, `${nth}.ndjson`, newRows(rows, nth), "facts");
        await up.untilChanged(catalog, ["gold", "top"], before, BUILD_MS_MAX);
      }
      const all = NAMES.map((name) => `gold.${name}`);
      await mustRun([programPath(), "build", "--full", ...all], {
        cwd: project,
        timeoutMs: BUILD_MS_MAX,
      });
    }
  } finally {
    await up.end();
  }
  const median = (values: readonly number[]) =>
    values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
  const lines = NAMES.map((name) => {
    const keyed = median(
      runsOf(project, name, "incremental").filter((_, index) => index % RUNS === 0),
    );
    const full = median(runsOf(project, name, "full").slice(0, rounds));
    const ratio = (full / keyed).toFixed(1);
    return [rows.toLocaleString("en"), name, keyed.toFixed(0), full.toFixed(0), ratio];
  });
  rmSync(project, { recursive: true, force: true });
  return lines;
}

async function makeLake(project: string, rows: number): Promise<void> {
  rmSync(project, { recursive: true, force: true });
  for (const folder of ["drops/facts", "drops/dims", "models/gold"]) {
    mkdirSync(join(project, folder), { recursive: true });
  }
  const types = "id: bigint, key: bigint, grp: bigint, amount: 'decimal(18,2)', ts: timestamp";
  const sources = `sources:\n  facts:\n    settle: 0s\n    columns: {${types}}\n  dims:\n    settle: 0s\n`;
  writeFileSync(join(project, "tarn.yaml"), sources);
  for (const [name, sql] of Object.entries(MODELS)) {
    writeFileSync(join(project, "models", "gold", `${name}.sql`), `${sql}\n`);
  }
  await using db = await openDuckDB({
    threads: 2,
    memoryBytes: MEMORY_BYTES,
    tempFolder: null,
    allowedPaths: [],
    allowedFolders: [project],
    lockdown: false,
  });
  const facts =
    `SELECT i AS id, (i * 7919) % ${KEYS} AS key, (i * 31) % ${GROUPS} AS grp, ` +
    "((i * 131) % 100000 / 100)::DECIMAL(18, 2) AS amount, TIMESTAMP '2026-01-01' + to_seconds(i) AS ts " +
    `FROM range(${rows}) t(i)`;
  const dims = `SELECT i AS key, 'city ' || (i % 997) AS city FROM range(${KEYS}) t(i)`;
  for (const [name, sql] of [
    ["facts", facts],
    ["dims", dims],
  ]) {
    const path = join(project, "drops", String(name), "all.parquet");
    await db.run(`COPY (${sql}) TO ${quoteTargetPath(path)} (FORMAT parquet, COMPRESSION zstd)`);
  }
  await mustRun([programPath(), "build"], { cwd: project, timeoutMs: BUILD_MS_MAX });
}

/** Of random keys, later than all that was there. */
function newRows(rows: number, round: number): string {
  const lines: string[] = [];
  let random = round + 1;
  for (let index = 0; index < CHANGES; index++) {
    random = (random * 48_271) % 2_147_483_647;
    const id = rows + round * CHANGES + index;
    const ts = new Date(Date.UTC(2027, 0, 1) + id * 1000).toISOString().slice(0, 19);
    const row = {
      id,
      key: random % KEYS,
      grp: random % GROUPS,
      amount: (random % 10_000) / 100,
      ts,
    };
    lines.push(`${JSON.stringify(row)}\n`);
  }
  return lines.join("");
}

/** Milliseconds of the model's runs of one mode, the last first. */
function runsOf(project: string, model: string, mode: string): number[] {
  using catalog = new Database(join(project, "warehouse", "catalog.db"), { readonly: true });
  const sql =
    "SELECT ended_ms - started_ms AS ms FROM lake_runs WHERE model = ? AND record ->> 'mode' = ? " +
    "ORDER BY started_ms DESC";
  return catalog
    .query<{ ms: number }, [string, string]>(sql)
    .all(`gold.${model}`, mode)
    .map(({ ms }) => ms);
}
