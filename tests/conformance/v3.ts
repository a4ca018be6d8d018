/** Tables of format v3 that Spark and tarn change in turn: rows and their ids are the same in both at each snapshot. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { askSql, mustRun, programPath } from "../crash/program.ts";

const RUN_MS_MAX = 900_000;
const TABLES = ["silver.ours", "silver.by_spark", "silver.upgraded_by_spark"];
const MADE = `create table silver.ours with ('format-version' = '3', 'write.delete.mode' = 'merge-on-read') as
  select i::bigint as id, 'v' || i as v, i % 10 as g from range(200000) r(i);
delete from silver.ours where id % 50 = 7;
`;
const CHANGES = `delete from silver.by_spark where id % 500 = 3;
update silver.by_spark set v = 'by tarn' where id % 999 = 4;
merge into silver.by_spark as t using (select 89000 + i * 50 as id, 'mm' as v, 2 as g from range(60) r(i)) as s
  using (id)
  when matched then update set v = s.v when not matched then insert *;
delete from silver.upgraded_by_spark where id % 70 = 1;
delete from silver.ours where id % 333 = 1;
`;

interface Line {
  readonly table: string;
  readonly snapshot: string;
  readonly found?: string;
  readonly error?: string;
}

/** What differs; empty when nothing does. */
export async function checkV3(
  project: string,
  peer: { readonly python: string; readonly jars: string },
): Promise<string[]> {
  mkdirSync(project, { recursive: true });
  writeFileSync(join(project, "tarn.yaml"), "project: peers\n");
  await run(project, MADE);
  const made = await differing(project, await spark(project, peer, ["make", "silver.ours"]));
  await run(project, CHANGES);
  await mustRun([programPath(), "maintain", "compact"], { cwd: project, timeoutMs: RUN_MS_MAX });
  const changed = await differing(project, await spark(project, peer, ["read", ...TABLES]));
  return [...made, ...changed];
}

async function run(project: string, sql: string): Promise<void> {
  writeFileSync(join(project, "all.sql"), sql);
  const command = [programPath(), "sql", "-f", "all.sql"];
  await mustRun(command, { cwd: project, timeoutMs: RUN_MS_MAX });
}

async function spark(
  project: string,
  { python, jars }: { readonly python: string; readonly jars: string },
  words: readonly string[],
): Promise<Line[]> {
  const script = join(import.meta.dirname, "v3_spark.py");
  const env = { TZ: "UTC", SPARK_LOCAL_IP: "127.0.0.1" };
  const command = [python, script, join(project, "warehouse"), jars, ...words];
  const { stdout } = await mustRun(command, { env, timeoutMs: RUN_MS_MAX });
  const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line));
}

async function differing(project: string, lines: readonly Line[]): Promise<string[]> {
  const wrong = lines.length === 0 ? ["Spark said nothing"] : [];
  for (const { table, snapshot, found, error } of lines) {
    const sums = ["id", "_row_id", "_row_id * (id % 1009)"].map((sql) => `sum(${sql})`);
    const items = [
      "count(*)",
      ...sums,
      "count(distinct _row_id)",
      "sum(_last_updated_sequence_number)",
    ];
    const select = items.map((sql) => `coalesce((${sql})::varchar, 'None')`).join(" || ', ' || ");
    const at = `${table} at (version => ${snapshot})`;
    const [row] = await askSql(project, `select '[' || ${select} || ']' as found from ${at}`);
    if (error !== undefined || row?.found !== found) {
      wrong.push(`${table}, snapshot ${snapshot}: ${row?.found}, Spark ${error ?? found}`);
    }
  }
  return wrong;
}
