/** `npm run test:poison`: every poison file dropped at once; good rows land, each bad file is explained. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildIfStale } from "../../examples/shop/binary.ts";
import { rows, tarn } from "../support/binary.ts";
import { writePoison } from "./files.ts";

const MUTANTS = Number(process.env.TARN_POISON_MUTANTS ?? 100);

process.exit(await main());

async function main(): Promise<number> {
  const code = await buildIfStale();
  if (code !== 0) return code;
  const project = await mkdtemp(join(tmpdir(), "lake-poison-"));
  try {
    const poison = await writePoison(project, MUTANTS);
    console.log(`${poison.length} files (${MUTANTS} mutants)`);
    const startedMs = performance.now();
    const built = await tarn(project, ["build", "--memory", "2GiB"]);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    const again = await tarn(project, ["build", "--memory", "2GiB"]);
    const failures = [...(await check(project)), ...secondRun(again.err)];
    await report(project);
    if (built.code > 1) failures.push(`build ended with ${built.code}:\n${built.err}`);
    console.log(`build ${seconds} s, exit ${built.code}; ${failures.length} failed`);
    for (const failure of failures) console.error(failure);
    return failures.length === 0 ? 0 : 1;
  } finally {
    if (process.env.TARN_KEEP === undefined) await rm(project, { recursive: true, force: true });
    else console.log(project);
  }
}

/** Every file has an outcome and a reason, the good ones are whole, and the equation holds. */
async function check(project: string): Promise<string[]> {
  const failures: string[] = [];
  const good = await rows(
    project,
    `select file from lake.ledger where file like '%good%' and
      (outcome <> 'landed' or rows_quarantined > 0 or rows_landed = 0)`,
  );
  for (const file of good) failures.push(`${file} is good and did not land whole`);
  const goodCount = await rows(
    project,
    "select count(*) from lake.ledger where file like '%good%'",
  );
  if (goodCount[0] !== "5") failures.push(`${goodCount[0]} of 5 good files are in the ledger`);
  const unbalanced = await rows(
    project,
    "select file from lake.ledger where rows_in <> rows_landed + rows_quarantined + rows_duplicate",
  );
  for (const file of unbalanced) failures.push(`${file} does not add up`);
  const mute = await rows(
    project,
    "select file from lake.ledger where outcome = 'quarantined' and coalesce(reason, '') = ''",
  );
  for (const file of mute) failures.push(`${file} is set aside without a reason`);
  return failures;
}

function secondRun(printed: string): string[] {
  return / [1-9][0-9,]* rows /.test(printed)
    ? [`a second build landed something:\n${printed}`]
    : [];
}

async function report(project: string): Promise<void> {
  const counts = await rows(
    project,
    `select outcome, split_part(coalesce(reason, 'landed'), ':', 1) as reason, count(*) as files,
      sum(rows_landed) as landed, sum(rows_quarantined) as quarantined
     from lake.ledger group by all order by all`,
  );
  console.log("outcome,reason,files,rows_landed,rows_quarantined");
  for (const line of counts) console.log(line);
}
