/**
 * `npm run test:dbt`: public dbt projects, and one of our own, give the tables that dbt-duckdb gives; again after their
 * seeds changed. `TARN_TEST_DBT` is a folder with `bin/dbt` and `bin/python` that have dbt-duckdb (a virtual
 * environment), `TARN_TEST_DBT_PROJECTS` one with checkouts (`owner+name`); what is not there is cloned. Names of
 * projects may follow.
 */

import { cpSync, existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY, buildIfStale } from "../../examples/shop/binary.ts";
import { REPOSITORY } from "../support/source-tree.ts";
import { changeSeeds } from "./changed-seeds.ts";
import { differences, relationsOf } from "./compared.ts";
import { type DbtProjectUnderTest, PROJECTS } from "./projects.ts";

const ENVIRONMENT = process.env.TARN_TEST_DBT ?? join(REPOSITORY, ".venv-dbt");
const CHECKOUTS = process.env.TARN_TEST_DBT_PROJECTS ?? join(tmpdir(), "dbt-projects");

const NO_TESTS = ["test", "unit_test", "seed"].flatMap((kind) => ["--exclude-resource-type", kind]);

const code = await buildIfStale();
if (code !== 0) process.exit(code);
const dbt = join(ENVIRONMENT, "bin/dbt");
if (!existsSync(dbt)) {
  console.log(`skip: no dbt in ${ENVIRONMENT}: python -m venv it, and pip install dbt-duckdb`);
  process.exit(0);
}
const asked = process.argv.slice(2);
let failed = 0;
for (const project of PROJECTS) {
  if (asked.length > 0 && !asked.some((word) => project.name.includes(word))) continue;
  const said = compare(project);
  if (said === null) continue;
  for (const line of said.lines) console.log(`  ${line}`);
  const word = said.wrong === 0 ? "ok" : `${said.wrong} WRONG`;
  console.log(`${project.name}: ${word}, ${said.compared} comparisons`);
  failed += said.wrong;
}
process.exit(failed === 0 ? 0 : 1);

/** Null where it is not to be had here, which is said. */
function compare(
  project: DbtProjectUnderTest,
): { lines: string[]; wrong: number; compared: number } | null {
  const folder = mkdtempSync(join(tmpdir(), "dbt-compared-"));
  try {
    const at = join(folder, "project");
    const missing = laid(project, at);
    if (missing !== null) {
      console.log(`skip: ${project.name}: ${missing}`);
      return null;
    }
    const lines: string[] = [];
    let wrong = 0;
    let compared = 0;
    for (const round of ["first", "second"] as const) {
      if (round === "second") changeSeeds(project.seeds.map((seed) => join(at, seed)));
      const vars = Object.entries(project.vars);
      const given = vars.length === 0 ? [] : ["--vars", JSON.stringify(project.vars)];
      // Sources may be tables of seeds, of which dbt knows no order.
      run(dbt, ["seed", "--profiles-dir", ".", ...given], at);
      const theirs = run(dbt, ["build", "--profiles-dir", ".", ...given, ...NO_TESTS], at);
      const flags = vars.flatMap(([name, value]) => ["--var", `${name}=${String(value)}`]);
      const ours = run(BINARY, ["build", ...flags], at);
      lines.push(...ours.split("\n").filter((line) => /✖|is not|left out|asks/.test(line)));
      if (!/Completed/.test(theirs)) lines.push(...theirs.split("\n").slice(-12));
      for (const relation of relationsOf(at)) {
        const found = differences(join(ENVIRONMENT, "bin/python"), at, relation);
        compared += 1;
        if (found.length === 0) continue;
        wrong += 1;
        lines.push(`${round} ${relation.name}: ${found.join("; ")}`);
      }
    }
    return { lines, wrong, compared };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Puts the project and its packages where they are built; says what is missing. */
function laid(project: DbtProjectUnderTest, at: string): string | null {
  const own = project.repository === null ? join(import.meta.dir, project.folder) : null;
  const from = own ?? checkout(project.repository ?? "");
  if (from === null) return `${project.repository} cannot be cloned`;
  const source = own ?? join(from, project.folder);
  cpSync(source, at, { recursive: true, filter: (path) => !/\/(?:\.git|target)$/.test(path) });
  for (const [name, repository] of Object.entries(project.packages)) {
    const found = checkout(repository);
    if (found === null) return `${repository} cannot be cloned`;
    const filter = (path: string): boolean => !/\/(?:\.git|integration_tests)$/.test(path);
    cpSync(found, join(at, "dbt_packages", name), { recursive: true, filter });
  }
  project.prepare(at);
  return null;
}

function checkout(repository: string): string | null {
  const at = join(CHECKOUTS, repository.replace("/", "+"));
  if (existsSync(at)) return realpathSync(at);
  const git = ["git", "clone", "--depth", "1", `https://github.com/${repository}`, at];
  const cloned = Bun.spawnSync(git, { stdout: "ignore", stderr: "ignore" });
  return cloned.exitCode === 0 ? at : null;
}

function run(program: string, args: readonly string[], cwd: string): string {
  const ran = Bun.spawnSync([program, ...args], { cwd, stdout: "pipe", stderr: "pipe" });
  return `${ran.stdout.toString()}${ran.stderr.toString()}`;
}
