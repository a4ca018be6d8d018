/**
 * A copy is a lake of its own: it is relocated, changed and swept, while of the original not a byte moves, and
 * PyIceberg goes on reading both.
 */

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemClock, systemRandom } from "../../cmd/clock.ts";
import { LakeCatalog } from "../../storage/catalog/sqlite.ts";
import { LocalFiles } from "../../storage/disk/local.ts";
import { askSql, mustRun, programPath, runCommand } from "../crash/program.ts";
import { filesBelow, walkLake } from "../crash/walk.ts";
import { SimClock } from "../sim/world.ts";
import { differences, readWithPyIceberg, readWithShell, type Seen } from "./compare.ts";

export type Check = (text: string, problems: readonly string[]) => void;

const HOUR_MS = 3_600_000;
/** More than the longest delay of unlinking, each time. */
const SWEEPS_H = [2, 26, 26];

/** Copies the project beside itself, works on the copy, and looks at both. */
export async function checkCopy(name: string, project: string, python: string, check: Check) {
  const copy = `${project}-copy`;
  const warehouse = join(project, "warehouse");
  const before = await readWithPyIceberg(python, warehouse);
  const bytes = digestsBelow(project);
  try {
    cpSync(project, copy, { recursive: true, preserveTimestamps: true });
    const refused = await runCommand([programPath(), "build"], { cwd: copy });
    check(
      `${name}: a copy is not written to before it is relocated`,
      refused.code !== 0 && /relocate/.test(refused.stderr) ? [] : [refused.stderr.slice(-500)],
    );
    await mustRun([programPath(), "relocate"], { cwd: copy });
    await change(copy);
    const gone = await sweep(join(copy, "warehouse"));
    check(`${name}: the sweep of the copy took ${gone} files`, gone > 0 ? [] : ["nothing to take"]);
    const moved = changedFiles(bytes, digestsBelow(project));
    check(`${name}: the original's ${bytes.size} files are byte for byte what they were`, moved);
    await checkOriginal(name, warehouse, before, python, check);
    await checkCopied(name, copy, project, python, check);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** What users do: a drop that lands, a model rebuilt, a tag, a table restored, and what that makes due. */
async function change(copy: string): Promise<void> {
  const drop = join(copy, "drops/added/1.csv");
  mkdirSync(dirname(drop), { recursive: true });
  writeFileSync(drop, "id,name\n1,one\n2,two\n");
  const [first] = await askSql(
    copy,
    `select table_schema || '.' || table_name as name from lake.snapshots where table_schema <> 'gold'
     group by all having count(*) > 1 order by 1 limit 1`,
  );
  const commands = [
    ["build"],
    ["build", "--full"],
    ["tag", "copied"],
    ["restore", String(first?.name), "--to", "@-1"],
    ["build"],
  ];
  for (const words of commands) await mustRun([programPath(), ...words], { cwd: copy });
}

/** Retention and unlinking as they are days later; answers how many files went. */
async function sweep(warehouse: string): Promise<number> {
  const before = filesBelow(warehouse).length;
  const clock = new SimClock(systemClock.nowMs());
  const io = await LocalFiles.open({ root: warehouse, random: systemRandom });
  const catalog = await LakeCatalog.open({ io, clock, random: systemRandom });
  try {
    await catalog.takeEngine();
    for (const hours of SWEEPS_H) {
      clock.advance(hours * HOUR_MS);
      await catalog.maintain({ processStart: () => null });
    }
  } finally {
    await catalog.close();
  }
  return before - filesBelow(warehouse).length;
}

/** PyIceberg reads in the original what it read there before. */
async function checkOriginal(
  name: string,
  warehouse: string,
  before: readonly Seen[],
  python: string,
  check: Check,
) {
  const after = await readWithPyIceberg(python, warehouse);
  const changed = before.filter((one, index) => {
    const now = after[index];
    return now?.digest !== one.digest || now?.snapshot !== one.snapshot || one.error !== undefined;
  });
  check(
    `${name}: PyIceberg reads ${before.length} states of the original as before`,
    changed.map((one) => `${one.table} ${one.which} is another`),
  );
}

/** Every state of the copy reads the same in PyIceberg and in our shell, and no file of it lies in the original. */
async function checkCopied(
  name: string,
  copy: string,
  project: string,
  python: string,
  check: Check,
) {
  const warehouse = join(copy, "warehouse");
  const theirs = await readWithPyIceberg(python, warehouse);
  const problems: string[] = [];
  for (const one of theirs) {
    const ours = await readWithShell(python, copy, one);
    problems.push(...differences(ours, one, "PyIceberg", true));
  }
  check(`${name}: PyIceberg reads ${theirs.length} states of the copy as we do`, problems);
  const walked = await walkLake(warehouse);
  const outside = [...walked.live].filter((path) => path.startsWith(`${project}/`));
  check(`${name}: the copy's ${walked.live.size} live files are its own`, [
    ...walked.problems,
    ...outside.map((path) => `${path} is a file of the original`),
  ]);
}

function digestsBelow(folder: string): Map<string, string> {
  const digests = new Map<string, string>();
  for (const path of filesBelow(folder)) {
    digests.set(path, new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex"));
  }
  return digests;
}

function changedFiles(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>) {
  const paths = new Set([...before.keys(), ...after.keys()]);
  return [...paths]
    .filter((path) => before.get(path) !== after.get(path))
    .map((path) => `${path} ${after.has(path) ? "has changed" : "is gone"}`);
}
