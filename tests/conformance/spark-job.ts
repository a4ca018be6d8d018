/**
 * The job of `tarn export spark`, run on Spark over the tables that `tarn up` serves: what it makes equals what tarn
 * made, a query that says something else is told, and what is not in the job is named with its place.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mustRun, programPath, runCommand } from "../crash/program.ts";
import { pythonWith, READER_PACKAGES, sparkJars } from "./peers.ts";
import { type Served, serve } from "./served.ts";

const SPARK_MS_MAX = 8 * 60_000;
const ROWS = 500;

/** Each construct that a job takes over stands in one of these; what they come to is compared row by row. */
const MODELS: Readonly<Record<string, string>> = {
  "silver/orders": `/* tarn
kind: merge
key: id
latest_by: placed
deleted_when: status = 'void'
partition: month(placed)
tests: [{ expect: amount is not null, name: priced, on_fail: drop }]
*/
select id, customer, upper(status) as shouted, status, amount, placed, note from bronze.orders`,
  "silver/named": `/* tarn
kind: view
*/
select o.id, o.customer, c.name, coalesce(c.country, 'none') as country
from silver.orders as o left join bronze.customers as c on c.customer = o.customer`,
  "gold/daily": `select placed::date as day, status, count(*) as n, count(distinct customer) as customers,
  sum(amount) as total,
  avg(amount) as mean, min(note) as least_note, max(placed) as last, count(*) filter (where amount > 50) as large
from silver.orders group by all`,
  "gold/latest": `select id, customer, amount, placed from silver.orders
qualify row_number() over (partition by customer order by placed desc, id) = 1`,
  "gold/first":
    "select distinct on (customer) customer, id, placed from silver.orders order by customer, placed, id",
  "gold/running": `select id, customer, sum(amount) over (partition by customer order by placed, id
    rows between 2 preceding and current row) as recent, lag(amount, 1) over w as before, rank() over w as place,
  first_value(note) over w as first_note
from silver.orders window w as (partition by customer order by placed, id)`,
  "gold/dates": `select id, year(placed) as y, month(placed) as m, day(placed) as d, hour(placed) as h,
  quarter(placed) as q, date_trunc('week', placed)::date as week, date_trunc('month', placed) as month_start,
  strftime(placed, '%Y-%m-%d %H:%M') as text, date_diff('day', date '2026-01-01', placed) as since,
  placed + interval 1 month as later, extract(year from placed) as ey
from silver.orders`,
  "gold/texts": `select id, lower(status) || '-' || customer as code, length(note) as n, substring(note, 2, 3) as mid,
  replace(note, 'a', 'b') as r, trim('  ' || note || ' ') as t, left(note, 2) as l, right(note, 2) as rr,
  lpad(note, 8, '*') as p, reverse(note) as rev, note like 'a%' as is_a, note ilike 'B%' as is_b,
  split_part(note, 'a', 1) as s, note in ('aab', 'bba') as known, contains(note, 'ab') as has, 'it''s \\n' as quoted
from silver.orders`,
  "gold/numbers": `select id, amount / 3 as third, amount * 2 as twice, -amount as minus, abs(amount - 50) as off,
  round(amount, 1) as tenth, floor(amount) as down, ceil(amount) as up, id % 7 as rest, sqrt(amount) as root,
  greatest(amount, 10, null) as top, least(id, 5) as low, case when amount > 50 then 'large' else 'small' end as size,
  cast(round(amount) as integer) as whole, nullif(id, 3) as not_three, amount is distinct from 10 as odd
from silver.orders`,
  "gold/sets": `with big as (select customer from silver.orders where amount > 90),
  small as materialized (select customer from silver.orders where amount < 10)
select customer, 'big' as what from big union all select customer, 'small' from small
except select 'c1', 'big'`,
  "gold/joined": `select n.country, count(*) as n, sum(case when o.amount between 10 and 60 then 1 else 0 end) as middle
from silver.named as n join silver.orders as o using (id)
where exists (select 1 from bronze.customers as c where c.customer = n.customer)
  and o.id not in (select id from gold.latest where amount > 95)
group by n.country having count(*) > 1 order by n.country`,
  "gold/anti": `select o.id, o.customer from silver.orders as o anti join bronze.customers as c
on c.customer = o.customer`,
  // What is not taken over.
  "gold/lists": "select customer, list(id order by id) as ids from silver.orders group by customer",
  "gold/whole": "select id, amount::int as whole, dayofweek(placed) as w from silver.orders",
  "gold/after": "select customer, customer || '!' as loud from gold.lists",
};
const REFUSED = ["gold.lists", "gold.whole"];

function filesOf(): Record<string, string> {
  const orders = ["id,customer,status,amount,placed,note"];
  for (let n = 0; n < ROWS; n++) {
    const id = n % 340;
    const day = String(1 + ((n * 7) % 28)).padStart(2, "0");
    const month = String(1 + (n % 11)).padStart(2, "0");
    const clock = [n % 24, (n * 13) % 60, n % 60].map((part) => String(part).padStart(2, "0"));
    const time = `${clock.join(":")}.${String(n % 1000).padStart(3, "0")}`;
    const status = ["open", "paid", "void", "sent"][(n * 5) % 4];
    const amount = n % 29 === 0 ? "" : ((n * 37) % 10_000) / 100;
    const note = n % 31 === 0 ? "" : ["aab", "bba", "Bab", "cabbage", "x"][n % 5];
    orders.push(`${id},c${n % 23},${status},${amount},2026-${month}-${day} ${time},${note}`);
  }
  const customers = ["customer,name,country"];
  for (let n = 0; n < 19; n++) customers.push(`c${n},Name ${n},${n % 4 === 0 ? "" : `L${n % 3}`}`);
  const models = Object.entries(MODELS).map(([name, sql]) => [`models/${name}.sql`, `${sql}\n`]);
  return {
    "tarn.yaml": [
      'serve: { http: "127.0.0.1:0" }',
      "sources:",
      "  orders:",
      "    path: drops/orders",
      "    into: bronze.orders",
      "    columns: { id: bigint, customer: varchar, status: varchar,",
      "      amount: 'decimal(10,2)', placed: timestamp, note: varchar }",
      "",
    ].join("\n"),
    "drops/orders/a.csv": `${orders.join("\n")}\n`,
    "drops/customers/a.csv": `${customers.join("\n")}\n`,
    ...Object.fromEntries(models),
  };
}

/** `check` counts what holds. */
export async function checkSparkJob(
  check: (text: string, problems: readonly string[]) => void,
): Promise<void> {
  const python = await pythonWith("venv", READER_PACKAGES);
  const jars = python === null ? null : await sparkJars();
  if (python === null || jars === null) return;
  const project = mkdtempSync(join(tmpdir(), "lake-spark-"));
  const first = await serve(project, filesOf());
  await first.end("SIGTERM");
  await mustRun([programPath(), "build"], { cwd: project });
  const exported = await mustRun([programPath(), "export", "spark", "--to", "job", "--json"], {
    cwd: project,
  });
  const { models, refused } = JSON.parse(exported.stdout) as {
    models: string[];
    refused: { table: string; file: string; line: number }[];
  };
  const out = [...new Set(refused.map(({ table }) => table))].sort();
  check(
    `spark job: ${models.length} models, ${out.length} named that are none`,
    out.join() === REFUSED.join() && models.length === Object.keys(MODELS).length - out.length
      ? []
      : [exported.stdout],
  );
  const served = await serve(project);
  const problems: string[] = [];
  try {
    const equal = await run(project, served, python.python, jars);
    problems.push(...(equal.code === 0 ? [] : [equal.text]));
    const tables = equal.text.split("\n").filter((line) => / rows, 0 only here, 0 only/.test(line));
    check(`spark job: ${tables.length} tables equal tarn's`, problems);
    if (problems.length > 0) return;
    const file = join(project, "job/models/gold.first.sql");
    writeFileSync(file, readFileSync(file, "utf8").replace("= 1", "= 2"));
    const other = await run(project, served, python.python, jars);
    const isTold = other.code === 1 && /gold\.first: .* [1-9]\d* only here/.test(other.text);
    problems.push(...(isTold ? [] : [other.text]));
    check("spark job: a query that says something else is told", isTold ? [] : [other.text]);
  } finally {
    await served.end("SIGTERM");
    if (problems.length === 0) rmSync(project, { recursive: true, force: true });
    else console.log(`  the lake is kept in ${project}`);
  }
}

async function run(project: string, served: Served, python: string, jars: string) {
  const archives = [...new Bun.Glob("*.jar").scanSync({ cwd: jars, absolute: true })].join(",");
  const { uri, warehouse } = served;
  const at = ["--uri", uri, "--token-file", join(warehouse, "http.token"), "--jars", archives];
  const quiet = [
    "spark.ui.enabled=false",
    "spark.driver.host=127.0.0.1",
    "spark.sql.shuffle.partitions=2",
  ];
  const settings = ["spark.driver.bindAddress=127.0.0.1", "spark.master=local[2]", ...quiet];
  const conf = settings.flatMap((setting) => ["--conf", setting]);
  const { code, stdout, stderr } = await runCommand(
    [python, join(project, "job/job.py"), ...at, "--compare", ...conf],
    { cwd: project, timeoutMs: SPARK_MS_MAX },
  );
  return { code, text: `${stdout}\n${code === 0 ? "" : stderr.slice(-3000)}` };
}
