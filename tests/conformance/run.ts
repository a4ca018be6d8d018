/**
 * The conformance suite (`npm run test:conformance`): PyIceberg and Spark read what tarn wrote, at the same snapshots
 * with the same values, tarn reads what PyIceberg wrote, a copy of a lake is a lake of its own, and Parquet and XLSX
 * files of many writers land with the values that they meant. Recipes of the guide that need another engine are run.
 *
 * Tools are kept in TARN_PEERS_DIR (~/.cache/tarn-conformance). What is missing is skipped with a line, or fails with
 * TARN_TEST_REQUIRE=all. TARN_CONFORMANCE_LAKES=types,feed,maintained,statements,shop,files,recipes,branches,
 * foreign,v3,job,rest chooses.
 */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { askSql, mustRun, programPath } from "../crash/program.ts";
import { localPath, walkLake } from "../crash/walk.ts";
import { checkBranches } from "./branches.ts";
import { checkCommitters } from "./committers.ts";
import {
  differences,
  type Orphans,
  readWithPyIceberg,
  readWithShell,
  readWithSpark,
  type Seen,
  unreadableInSpark,
} from "./compare.ts";
import { checkCopy } from "./copy.ts";
import { checkFiles, WRITER_PACKAGES } from "./files.ts";
import { checkForeign } from "./foreign.ts";
import { makeFeedLake, makeMaintainedLake, makeShopLake, makeTypesLake } from "./lakes.ts";
import { pythonWith, READER_PACKAGES, sparkJars } from "./peers.ts";
import { checkRecipes } from "./recipes.ts";
import { checkRest } from "./rest.ts";
import { checkSparkJob } from "./spark-job.ts";
import { makeStatementsLake, makeV3Lake } from "./statements.ts";
import { checkV3 } from "./v3.ts";

const LAKES = {
  types: makeTypesLake,
  feed: makeFeedLake,
  maintained: makeMaintainedLake,
  statements: makeStatementsLake,
  shop: makeShopLake,
  v3: makeV3Lake,
} as const;
const APPENDED_ROWS = 3;
const counts = { passed: 0, failed: 0 };

const peers = await pythonWith("venv", READER_PACKAGES);
const jars = peers === null ? null : await sparkJars();
if (peers !== null) {
  const script = join(import.meta.dirname, "check_canonical.py");
  const { stdout } = await mustRun([peers.python, script]);
  check(`equal values have equal texts, others do not: ${stdout.trim()}`, []);
  const asked = (process.env.TARN_CONFORMANCE_LAKES ?? Object.keys(LAKES).join(",")).split(",");
  if (asked.includes("types")) await checkLake("types", LAKES.types, peers.python);
  if (asked.includes("feed")) await checkLake("feed", LAKES.feed, peers.python);
  if (asked.includes("maintained")) await checkLake("maintained", LAKES.maintained, peers.python);
  if (asked.includes("statements")) await checkLake("statements", LAKES.statements, peers.python);
  if (asked.includes("v3")) {
    await checkLake("v3", LAKES.v3, peers.python);
    const base = mkdtempSync(join(tmpdir(), "lake-v3-turns-"));
    const project = join(base, "project");
    const wrong = jars === null ? [] : await checkV3(project, { python: peers.python, jars });
    check("v3: tables that Spark and tarn change in turn", wrong);
    if (wrong.length === 0) rmSync(base, { recursive: true, force: true });
  }
  if (asked.includes("shop")) await checkLake("shop", LAKES.shop, peers.python);
}
const asksFiles = (process.env.TARN_CONFORMANCE_LAKES ?? "files").split(",").includes("files");
const writers = asksFiles ? await pythonWith("writers", WRITER_PACKAGES) : null;
if (writers !== null) {
  const base = mkdtempSync(join(tmpdir(), "lake-files-"));
  const { checked, wrong } = await checkFiles(base, writers.python);
  check(`${checked} values of typed files landed as they were meant`, wrong);
  if (wrong.length === 0) rmSync(base, { recursive: true, force: true });
}
if ((process.env.TARN_CONFORMANCE_LAKES ?? "recipes").split(",").includes("recipes")) {
  await checkRecipes(check);
}
if (peers !== null && (process.env.TARN_CONFORMANCE_LAKES ?? "branches").includes("branches")) {
  check("PyIceberg reads our branches, and its own become main", await checkBranches(peers.python));
}
if (peers !== null && (process.env.TARN_CONFORMANCE_LAKES ?? "foreign").includes("foreign")) {
  check("tables of PyIceberg's own catalog are registered", await checkForeign(peers.python));
}
if ((process.env.TARN_CONFORMANCE_LAKES ?? "job").split(",").includes("job")) {
  await checkSparkJob(check);
}
if ((process.env.TARN_CONFORMANCE_LAKES ?? "rest").split(",").includes("rest")) {
  await checkRest(check);
  await checkCommitters(check);
}
console.log(`conformance: ${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed === 0 ? 0 : 1);

async function checkLake(
  name: string,
  make: (project: string) => Promise<string>,
  python: string,
): Promise<void> {
  const base = mkdtempSync(join(tmpdir(), `lake-${name}-`));
  const project = join(base, "project");
  const failedBefore = counts.failed;
  try {
    const warehouse = await make(project);
    await checkReaders(name, project, warehouse, python);
    await checkMetadata(name, warehouse, python);
    // PyIceberg 0.12 reads format v3, and does not write it.
    if (make !== LAKES.v3) {
      await checkForeignWrite(name, project, warehouse, python);
      await checkMetadata(`${name} after the foreign write`, warehouse, python);
    }
    await checkCopy(name, project, python, check);
  } catch (thrown) {
    check(`${name}`, [thrown instanceof Error ? thrown.message : String(thrown)]);
  } finally {
    if (counts.failed === failedBefore) rmSync(base, { recursive: true, force: true });
    else console.log(`  the lake is kept in ${project}`);
  }
}

/** Equal counts and digests in every reader, now and at older snapshots. */
async function checkReaders(name: string, project: string, warehouse: string, python: string) {
  const theirs = await readWithPyIceberg(python, warehouse);
  const known = await askSql(project, "select distinct table_schema, table_name from lake.tables");
  const listed = new Set(theirs.map((one) => one.table));
  const unlisted = known
    .map((row) => `${row.table_schema}.${row.table_name}`)
    .filter((table) => !table.startsWith("lake.") && !listed.has(table));
  check(
    `${name}: PyIceberg lists every table`,
    unlisted.map((table) => `${table} is missing`),
  );
  const ours: Seen[] = [];
  for (const one of theirs) {
    const mine = await readWithShell(python, project, one);
    ours.push(mine);
    check(
      `${name}: PyIceberg, ${one.table} ${one.which}: ${mine.rows} rows`,
      differences(mine, one, "PyIceberg", true),
    );
  }
  const aged = theirs.filter((one) => one.which === "oldest").length;
  check(`${name}: older snapshots were read`, aged > 0 ? [] : ["no table has two snapshots"]);
  if (jars !== null) await checkSpark(name, project, warehouse, { python, jars, ours });
}

/** The same with Spark; columns that it cannot select are a failure of their own, and the rest is compared. */
async function checkSpark(
  name: string,
  project: string,
  warehouse: string,
  peer: { readonly python: string; readonly jars: string; readonly ours: readonly Seen[] },
) {
  const wanted: Seen[] = [];
  const unreadable = new Map<string, string[]>();
  for (const one of peer.ours) {
    const without = unreadableInSpark(one);
    if (without.length > 0) unreadable.set(one.table, without);
    const columns = one.columns.filter((column) => !without.includes(column.name));
    wanted.push(
      without.length === 0 ? one : await readWithShell(peer.python, project, { ...one, columns }),
    );
  }
  check(
    `${name}: Spark can select every column`,
    [...unreadable].map(([table, columns]) => `not ${columns.join(", ")} of ${table}`),
  );
  const spark = await readWithSpark(peer.python, peer.jars, warehouse, wanted);
  for (const one of spark.seen) {
    const mine = wanted.find((our) => our.table === one.table && our.which === one.which);
    if (mine === undefined) continue;
    const text = `${name}: Spark, ${one.table} ${one.which}: ${one.rows} rows`;
    check(text, differences(mine, one, "Spark", false));
  }
  check(
    `${name}: Spark read all`,
    spark.seen.length === wanted.length ? [] : ["lines are missing"],
  );
  await checkOrphans(name, warehouse, spark.orphans);
}

/** Spark's dry run may list what retention has let go, never what is alive. */
async function checkOrphans(name: string, warehouse: string, found: readonly Orphans[]) {
  const { live, problems } = await walkLake(warehouse);
  check(`${name}: every live file exists`, problems);
  for (const { table, orphans = [], error } of found) {
    const wrong = orphans.map(localPath).filter((path) => live.has(path));
    const listed = wrong.map((path) => `${path} is alive`);
    const text = `${name}: Spark's orphans of ${table}: ${orphans.length}, none alive`;
    check(text, error === undefined ? listed : [error]);
  }
}

/** Every metadata file on disk opens as PyIceberg's StaticTable. */
async function checkMetadata(name: string, warehouse: string, python: string) {
  const script = join(import.meta.dirname, "read_static.py");
  const { stdout } = await mustRun([python, script, warehouse]);
  const found: {
    files: number;
    files_planned: number;
    errors: { file: string; error: string }[];
  } = JSON.parse(stdout);
  check(
    `${name}: ${found.files} metadata files open, ${found.files_planned} data files planned`,
    found.errors.map(({ file, error }) => `${file}: ${error}`),
  );
}

/** What PyIceberg appends is read, entered as a foreign commit, and built upon. */
async function checkForeignWrite(name: string, project: string, warehouse: string, python: string) {
  const tables = await askSql(
    project,
    "select table_schema || '.' || table_name as name from lake.tables where table_schema <> 'gold' order by 1",
  );
  const table = String(tables[0]?.name);
  const script = join(import.meta.dirname, "write_pyiceberg.py");
  const { stdout } = await mustRun([python, script, warehouse, table, String(APPENDED_ROWS)]);
  const wrote: { total: number; snapshot: string; notes: number } = JSON.parse(stdout);
  const count = async (from: string) =>
    Number((await askSql(project, `select count(*)::double as n from ${from}`))[0]?.n);
  check(
    `${name}: rows that PyIceberg appended to ${table} are read`,
    expectEqual(await count(table), wrote.total),
  );
  check(
    `${name}: a table that PyIceberg made is read`,
    expectEqual(await count("foreign_ns.notes"), wrote.notes),
  );
  // Whoever only reads enters nothing.
  await mustRun([programPath(), "build"], { cwd: project });
  const foreign = await count("lake.commits where kind = 'foreign'");
  check(`${name}: foreign commits are entered`, foreign > 0 ? [] : ["lake.commits has none"]);
  check(
    `${name}: after the next build its rows are still there`,
    expectEqual(await count(table), wrote.total),
  );
  const catalog = join(warehouse, "catalog.db");
  check(`${name}: the catalog is there`, existsSync(catalog) ? [] : [`${catalog} is missing`]);
}

function expectEqual(actual: number, wanted: number): string[] {
  return actual === wanted ? [] : [`${actual}, not ${wanted}`];
}

function check(text: string, problems: readonly string[]) {
  counts[problems.length === 0 ? "passed" : "failed"] += 1;
  console.log(`${problems.length === 0 ? "✔" : "✖"} ${text}`);
  for (const problem of problems) console.log(`    ${problem}`);
}
