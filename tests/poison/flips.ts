/**
 * `npm run test:flips`: files of every format, each with one byte changed at random, many of them in one lake. No build
 * ends because of one, every file has an outcome, the ledger balances, and the good files beside them land whole.
 * TARN_FLIPS says how many (2,000). TARN_SEED says which: each lake has the next seed, so that one can be made again
 * alone, and a run that was cut off counts as far as it came. TARN_KEEP keeps the first lake that failed.
 */

import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorText } from "../../core/base/errors.ts";
import { BINARY, buildIfStale } from "../../examples/shop/binary.ts";
import { rows, tarn } from "../support/binary.ts";
import { generator } from "./files.ts";
import { type Sample, samples } from "./samples.ts";

const FLIPS = Number(process.env.TARN_FLIPS ?? 2_000);
const SEED = Number(process.env.TARN_SEED ?? 20_261_128);
/** Changed files of one format in one lake. */
const FILES_PER_SOURCE_MAX = 250;
/** Of so many lakes one is landed by `tarn up`. */
const UP_EVERY = 8;
const UP_MS_MAX = 1_800_000;
const ASK_MS = 1_000;
/** First of its source: what it teaches holds for the others. */
const GOOD_FILE = "0-good";

process.exit(await main());

/** Flipped files of one format by what became of them, and why. */
interface Outcome {
  readonly source: string;
  readonly outcome: string;
  readonly reason: string;
  readonly files: number;
}

interface Lake {
  readonly project: string;
  readonly seed: number;
  readonly isUp: boolean;
  readonly filesPerSource: number;
}

async function main(): Promise<number> {
  const code = await buildIfStale();
  if (code !== 0) return code;
  const work = await mkdtemp(join(tmpdir(), "lake-flips-"));
  const made = await samples(work);
  const filesPerSource = Math.min(FILES_PER_SOURCE_MAX, Math.ceil(FLIPS / made.length));
  const outcomes: Outcome[] = [];
  let [flips, failed] = [0, 0];
  for (let round = 0; flips < FLIPS; round++) {
    const seed = SEED + round;
    const project = join(work, `lake-${seed}`);
    const isUp = round % UP_EVERY === UP_EVERY - 1;
    const startedMs = performance.now();
    const result = await oneLake({ project, seed, isUp, filesPerSource }, made);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
    outcomes.push(...result.outcomes);
    failed += result.failures.length;
    flips += made.length * filesPerSource;
    for (const failure of result.failures) console.error(`seed ${seed}: ${failure}`);
    console.log(
      `seed ${seed} by ${isUp ? "up" : "build"}, ${seconds} s: ${told(result.outcomes)}; ` +
        `in all ${flips} flips, ${failed} failed`,
    );
    if (result.failures.length > 0 && process.env.TARN_KEEP !== undefined) {
      console.log(project);
      break;
    }
    await rm(project, { recursive: true, force: true });
  }
  for (const { name } of made) {
    console.log(`${name}: ${told(outcomes.filter(({ source }) => source === name))}`);
  }
  for (const reason of new Set(outcomes.map((one) => one.reason))) {
    console.log(`${reason}: ${total(outcomes.filter((one) => one.reason === reason))}`);
  }
  if (process.env.TARN_KEEP === undefined) await rm(work, { recursive: true, force: true });
  console.log(`seeds from ${SEED}: ${flips} flips, ${told(outcomes)}, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

function told(outcomes: readonly Outcome[]): string {
  const of = (name: string): number => total(outcomes.filter(({ outcome }) => outcome === name));
  return `${of("landed")} landed, ${of("quarantined")} set aside, ${of("duplicate")} doubled`;
}

function total(outcomes: readonly Outcome[]): number {
  return outcomes.reduce((sum, { files }) => sum + files, 0);
}

async function oneLake(
  { project, seed, isUp, filesPerSource }: Lake,
  made: readonly Sample[],
): Promise<{ failures: string[]; outcomes: Outcome[] }> {
  const random = generator(seed);
  for (const sample of made) await writeSource(project, sample, random, filesPerSource);
  const files = made.length * (filesPerSource + 1);
  const failures = isUp ? await landByUp(project, files) : await landByBuild(project);
  try {
    failures.push(...(await check(project, made, files)));
    return { failures, outcomes: await outcomesOf(project) };
  } catch (thrown) {
    return { failures: [...failures, errorText(thrown)], outcomes: [] };
  }
}

async function outcomesOf(project: string): Promise<Outcome[]> {
  const lines = await rows(
    project,
    `select source, outcome, case outcome when 'duplicate' then 'same bytes as another'
       else split_part(coalesce(reason, '-'), ':', 1) end, count(*)
     from lake.ledger where file not like '%good%' group by all order by all`,
  );
  return lines.map((line): Outcome => {
    const [source = "", outcome = "", reason = "", count] = line.split(",");
    return { source, outcome, reason, files: Number(count) };
  });
}

async function writeSource(
  project: string,
  sample: Sample,
  random: () => number,
  files: number,
): Promise<void> {
  const folder = join(project, "drops", sample.name);
  await mkdir(folder, { recursive: true });
  const old = new Date(Date.now() - 60_000);
  const put = async (name: string, bytes: Uint8Array): Promise<void> => {
    const path = join(folder, `${name}${sample.ending}`);
    await writeFile(path, bytes);
    await utimes(path, old, old);
  };
  await put(GOOD_FILE, sample.bytes);
  for (let count = 0; count < files; count++) {
    const bytes = Uint8Array.from(sample.bytes);
    const at = Math.floor(random() * bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 + Math.floor(random() * 255));
    await put(`1-${String(count).padStart(3, "0")}`, bytes);
  }
}

async function landByBuild(project: string): Promise<string[]> {
  const built = await tarn(project, ["build", "--memory", "2GiB"]);
  return built.code === 0 ? [] : [`build ended with ${built.code}:\n${built.err}`];
}

async function landByUp(project: string, files: number): Promise<string[]> {
  const up = Bun.spawn([BINARY, "up", "--memory", "2GiB"], {
    cwd: project,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    env: { ...process.env, NO_COLOR: "1" },
  });
  const said = new Response(up.stderr).text();
  const startedMs = performance.now();
  const failures: string[] = [];
  while (up.exitCode === null && failures.length === 0) {
    const [count] = await rows(project, "select count(*) from lake.ledger").catch(() => ["0"]);
    if (Number(count) >= files) break;
    if (performance.now() - startedMs > UP_MS_MAX) failures.push(`up landed ${count} of ${files}`);
    await Bun.sleep(ASK_MS);
  }
  const lived = up.exitCode === null;
  up.kill("SIGINT");
  const code = await up.exited;
  const isRight = lived && (code === 0 || code === 130);
  if (!isRight || failures.length > 0) failures.push(`up ended with ${code}:\n${await said}`);
  return failures;
}

/** Every file has one outcome, its rows add up, and what was not changed is there as it was. */
async function check(project: string, made: readonly Sample[], files: number): Promise<string[]> {
  const failures: string[] = [];
  const [count] = await rows(project, "select count(*) from lake.ledger");
  if (Number(count) !== files) failures.push(`${count} of ${files} files are in the ledger`);
  const unbalanced = await rows(
    project,
    `select count(*) from lake.ledger where rows_in <> rows_landed + rows_quarantined + rows_duplicate
     or (outcome = 'quarantined' and coalesce(reason, '') = '')`,
  );
  if (unbalanced[0] !== "0") failures.push(`${unbalanced[0]} files do not add up`);
  const whole = await rows(
    project,
    "select source, rows_landed from lake.ledger where file like '%good%' and outcome = 'landed'",
  );
  const landed = new Map(whole.map((line) => line.split(",") as [string, string])); // parse: two columns
  for (const { name, rows: wanted } of made) {
    if (landed.get(name) === String(wanted)) continue;
    failures.push(`the good file of ${name} landed ${landed.get(name) ?? "no"} rows`);
  }
  const known = made.filter(({ name }) => landed.has(name));
  const tables = known.map(
    ({ name }) => `select '${name}' as source, count(*) as n from bronze."${name}"`,
  );
  const stored = await rows(
    project,
    `select l.source from (select source, sum(rows_landed) as n from lake.ledger group by 1) l
     join (${tables.join(" union all ")}) t using (source) where l.n <> t.n`,
  );
  for (const source of stored) failures.push(`the rows of ${source} are not those of the ledger`);
  return failures;
}
