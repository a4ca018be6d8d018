/** `npm run test:poison`: every poison file dropped at once; good rows land, each bad file is explained. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY, buildIfStale } from "../../examples/shop/binary.ts";
import { drop, rows, tarn } from "../support/binary.ts";
import { writePoison } from "./files.ts";

const MUTANTS = Number(process.env.TARN_POISON_MUTANTS ?? 100);

const UP_MS_MAX = 180_000;
const ASK_MS = 500;

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
    const failures = [...(await check(project)), ...secondRun(again.err), ...(await staysUp())];
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
async function check(project: string, goodFiles = 5): Promise<string[]> {
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
  if (goodCount[0] !== String(goodFiles)) {
    failures.push(`${goodCount[0]} of ${goodFiles} good files are in the ledger`);
  }
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

/** Bad files first, then a good one while `up` runs: it lands, and the engine still answers and ends when asked to. */
async function staysUp(): Promise<string[]> {
  const project = await mkdtemp(join(tmpdir(), "lake-poison-up-"));
  try {
    await writePoison(project, 3);
    await rm(join(project, "drops", "pqbomb"), { recursive: true });
    const up = Bun.spawn([BINARY, "up", "--memory", "2GiB"], {
      cwd: project,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
      env: { ...process.env, NO_COLOR: "1" },
    });
    const said = new Response(up.stderr).text();
    await untilTrue("bad files", project, "count(*) > 12", "outcome = 'quarantined'", up);
    await drop(project, "drops/late/good-late.csv", "id\n1\n");
    await untilTrue("a good file", project, "count(*) = 1", "file like '%good-late%'", up);
    await untilTrue("the good files", project, "count(*) = 6", "file like '%good%'", up);
    const lived = up.exitCode === null;
    up.kill("SIGINT");
    const code = await up.exited;
    const failures = await check(project, 6);
    if (!lived) failures.push(`up ended by itself:\n${await said}`);
    if (code !== 0 && code !== 130) failures.push(`up ended with ${code}:\n${await said}`);
    return failures;
  } finally {
    await rm(project, { recursive: true, force: true });
  }
}

/** Asks the ledger until it says so, while the engine lives. */
async function untilTrue(
  what: string,
  project: string,
  wanted: string,
  where: string,
  up: { readonly exitCode: number | null },
): Promise<void> {
  const startedMs = performance.now();
  while (up.exitCode === null) {
    const found = await tarn(project, [
      "sql",
      "--format",
      "csv",
      "-c",
      `select ${wanted} from lake.ledger where ${where}`,
    ]);
    if (found.out.trimEnd().split("\n").at(-1) === "true") return;
    if (performance.now() - startedMs > UP_MS_MAX) throw new Error(`up: ${what} did not land`);
    await Bun.sleep(ASK_MS);
  }
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
