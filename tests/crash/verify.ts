/** What must hold of a lake after any crash: each row once, a balanced ledger, gold as recomputed, no file missing. */

import { join } from "node:path";
import { askSql } from "./program.ts";
import { BAD_ROWS_PER_DROP, BRONZE, type Drop, GOLD_FROM_BRONZE } from "./project.ts";
import type { Recovered } from "./subject.ts";
import { filesBelow, offsets, walkLake } from "./walk.ts";

/** One statement, one process: name and value of everything that is compared here. */
const QUESTIONS: Readonly<Record<string, string>> = {
  bronze_rows: `select count(*) from ${BRONZE}`,
  bronze_ids: `select count(distinct id) from ${BRONZE}`,
  bronze_sum: `select sum(id) from ${BRONZE}`,
  quarantined: "select count(*) from bronze_quarantine.events",
  quarantine_ids: "select count(distinct id) from bronze_quarantine.events",
  set_aside: "select count(*) from bronze_quarantine.events where position = 'file'",
  ledger_in: "select sum(rows_in) from lake.ledger",
  ledger_landed: "select sum(rows_landed) from lake.ledger",
  ledger_quarantined: "select sum(rows_quarantined) from lake.ledger",
  ledger_duplicate: "select sum(rows_duplicate) from lake.ledger",
  ledger_files: "select count(*) from lake.ledger where outcome = 'landed'",
  trail_differs: `
    select count(*) from (
      (select id, amount from ${BRONZE} except all select id, amount from silver.trail)
      union all
      (select id, amount from silver.trail except all select id, amount from ${BRONZE}))`,
  silver_rows: "select count(*) from silver.events",
  silver_differs: `
    select count(*) from (
      (select id, customer, amount, ts from ${BRONZE} except select id, customer, amount, ts from silver.events)
      union all
      (select id, customer, amount, ts from silver.events except select id, customer, amount, ts from ${BRONZE}))`,
  gold_differs: `
    select count(*) from (
      (select day, events, amount from gold.daily except (${GOLD_FROM_BRONZE}))
      union all
      ((${GOLD_FROM_BRONZE}) except select day, events, amount from gold.daily))`,
};

/** Checks a recovered lake against the drops it was given. */
export async function verifyLake(project: string, drops: readonly Drop[]): Promise<Recovered> {
  const found = await answers(project);
  const value = (name: string) => found.get(name) ?? 0;
  const problems: string[] = [];
  const expect = (what: string, actual: number, wanted: number) => {
    if (actual !== wanted) problems.push(`${what}: ${actual}, not ${wanted}`);
  };
  const setAside = value("set_aside");
  const rows = drops.reduce((sum, drop) => sum + drop.rows, 0);
  const ids = drops.reduce(
    (sum, drop) => sum + ((2 * drop.from + drop.rows - 1) * drop.rows) / 2,
    0,
  );
  if (setAside === 0) {
    expect("rows in bronze", value("bronze_rows"), rows);
    expect("sum of ids in bronze", value("bronze_sum"), ids);
    expect("rows in quarantine", value("quarantined"), drops.length * BAD_ROWS_PER_DROP);
  }
  expect("distinct ids in bronze", value("bronze_ids"), value("bronze_rows"));
  expect("distinct ids in quarantine", value("quarantine_ids"), value("quarantined"));
  expect("files landed or set aside", value("ledger_files") + setAside, drops.length);
  const out = value("ledger_landed") + value("ledger_quarantined") + value("ledger_duplicate");
  expect("ledger: landed + quarantined + duplicate", out, value("ledger_in"));
  expect("ledger: landed", value("ledger_landed"), value("bronze_rows"));
  expect("rows in silver", value("silver_rows"), value("bronze_rows"));
  expect("rows of silver that differ from bronze", value("silver_differs"), 0);
  expect("rows of the append model that differ", value("trail_differs"), 0);
  expect("rows of gold that differ from its recomputation", value("gold_differs"), 0);
  expect("rows counted as duplicates", value("ledger_duplicate"), 0);
  const warehouse = join(project, "warehouse");
  for (const { source, stored, newest } of offsets(warehouse)) {
    if (stored !== newest) problems.push(`the offset of ${source} is ${stored}, not ${newest}`);
  }
  const walked = await walkLake(warehouse);
  problems.push(...walked.problems, ...leftovers(project));
  return { problems, orphans: walked.unreached.length, setAside };
}

async function answers(project: string): Promise<Map<string, number>> {
  const parts = Object.entries(QUESTIONS).map(
    ([name, sql]) => `select '${name}' as name, (${sql})::double as value`,
  );
  const rows = await askSql(project, parts.join("\nunion all\n"));
  return new Map(rows.map((row) => [String(row.name), Number(row.value)]));
}

/** Staged output that survived a recovery; emptied folders are swept by the next run. */
function leftovers(project: string): string[] {
  const staging = join(project, "warehouse", ".staging");
  return filesBelow(staging).map((path) => `left in staging: ${path}`);
}
