/**
 * Statements on a large table: 1,000 keys merged into it with rows marked, and with every file of theirs written again;
 * and a query over it with 1 % and 10 % of its rows deleted, by cost and with rows marked whatever it costs. Times are
 * those that the shell tells of each statement, in one process a contender. Usage: dml.ts [ROWS] (2000000).
 * TARN_BENCH_ROUNDS (5).
 */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../core/base/assert.ts";
import { envNumber } from "../tests/crash/seeded.ts";
import { benchFolder } from "./data.ts";
import { heading, table } from "./measure.ts";
import { mustRun, programPath } from "./project.ts";

const KEYS = 1_000;
const RUN_MS_MAX = 30 * 60_000;
const rounds = envNumber("TARN_BENCH_ROUNDS", 5);
const rows = Number(process.argv[2] ?? 2_000_000);
const project = join(benchFolder("dml"), String(rows));
const MODES = ["merge-on-read", "copy-on-write"] as const;

heading(`statements on ${rows.toLocaleString("en")} rows`);
rmSync(project, { recursive: true, force: true });
mkdirSync(project, { recursive: true });
writeFileSync(join(project, "tarn.yaml"), "project: bench\n");
await timesOf([
  `create table gold.t as select i as id, (hash(i) % 1000)::int as k, 'name-' || i as name, i * 1.5::double as x,
   date '2020-01-01' + (i % 1000)::int as d from range(${rows}) r(i)`,
]);
const upserts: string[][] = [];
for (const mode of MODES) {
  // The first makes what the later ones use: marks, and an index of keys.
  const warm = mode === "merge-on-read" ? 2 : 0;
  // Keys that no merge before has moved into a small file.
  const first = 3 + upserts.length * 100;
  const asked = Array.from({ length: rounds + warm }, (_, nth) => mergeSql(first + nth));
  const set = `alter table gold.t set ('write.merge.mode' = '${mode}')`;
  const times = (await timesOf([set, ...asked])).slice(1 + warm);
  upserts.push([mode, median(times).toFixed(0), `${Math.min(...times)}-${Math.max(...times)}`]);
}
console.log(table([`${KEYS} keys`, "median ms", "range"], upserts));
const [marked, written] = upserts.map((row) => Number(row[1]));
console.log(`copy-on-write / merge-on-read: ${((written ?? 0) / (marked ?? 1)).toFixed(0)}`);

const scans: string[][] = [];
let clean = 0;
for (const [share, how] of [
  [0, ""],
  [100, ""],
  [10, ""],
  [10, ", marked"],
] as const) {
  const name = `gold.s${scans.length}`;
  const made = [`create table ${name} as from gold.t`];
  const set = `alter table ${name} set ('write.delete.mode' = 'merge-on-read')`;
  const gone = `delete from ${name} where hash(id) % ${share} = 0`;
  await timesOf(share === 0 ? made : [...made, ...(how === "" ? [] : [set]), gone]);
  const ask = `select sum(k), max(x), count(distinct d), max(name) from ${name}`;
  const times = (await timesOf(Array.from({ length: rounds + 1 }, () => ask))).slice(1);
  const ms = median(times);
  if (share === 0) clean = ms;
  const what = share === 0 ? "none" : `${100 / share} %${how}`;
  scans.push([what, ms.toFixed(1), (ms / clean).toFixed(2)]);
}
console.log(table(["deleted", "query ms", "to clean"], scans));

function mergeSql(nth: number): string {
  const id = `(hash(i * ${nth}) % ${rows})::bigint`;
  return (
    `merge into gold.t using (select ${id} as id, 1 as k, 'new-${nth}' as name, ` +
    `1.0::double as x, date '2026-01-01' as d from range(${KEYS}) r(i)) as s on t.id = s.id ` +
    "when matched then update set * when not matched then insert *"
  );
}

/** What each statement took, as the footers say, in milliseconds. */
async function timesOf(statements: readonly string[]): Promise<number[]> {
  writeFileSync(join(project, "all.sql"), `${statements.join(";\n")};\n`);
  const command = [programPath(), "sql", "-f", "all.sql"];
  const { stderr } = await mustRun(command, { cwd: project, timeoutMs: RUN_MS_MAX });
  const found = [...stderr.matchAll(/^ (?:[\d,]+ rows?|done) · (?:(\d+) m )?([\d.]+) (ms|s)\b/gm)];
  if (found.length !== statements.length) throw new Error(`${found.length} footers in\n${stderr}`);
  return found.map(([, minutes = "0", amount = "0", unit]) => {
    return Number(minutes) * 60_000 + Number(amount) * (unit === "s" ? 1_000 : 1);
  });
}

function median(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  return must(sorted[Math.floor(sorted.length / 2)], "there are rounds");
}
