/**
 * PyIceberg, DuckDB and Spark work on a lake through the REST catalog of `tarn up`: each makes tables of its own, reads
 * those of the others, changes one after them, and is refused what is not its own. tarn reads the same rows, its models
 * follow, and its history is whole.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringifyJson } from "../../core/base/json.ts";
import { askSql, mustRun, programPath } from "../crash/program.ts";
import { pythonWith, READER_PACKAGES, sparkJars } from "./peers.ts";
import { type Served, serve } from "./served.ts";

/** Pinned, so that a failure is ours; the extensions fit this one version. */
const DUCKDB_PACKAGES = [
  "duckdb==1.5.5",
  "duckdb-extension-iceberg==1.5.5",
  "duckdb-extension-avro==1.5.5",
  "duckdb-extension-httpfs==1.5.5",
  "pytz==2025.2",
] as const;
const PROJECT = {
  "tarn.yaml": 'serve: { http: "127.0.0.1:0" }\n',
  "drops/orders/a.csv": "id,amount\n1,10\n2,20\n",
  "models/gold/big.sql": "select id, amount from bronze.orders where amount > 5\n",
};
const SPARK_MS_MAX = 5 * 60_000;

/** What a script printed: rows by table, and what was answered to what is refused. */
interface Told {
  readonly rows?: Readonly<Record<string, readonly Record<string, unknown>[]>>;
  readonly refused?: Readonly<Record<string, string>>;
}

type Check = (text: string, problems: readonly string[]) => void;

export async function checkRest(check: Check): Promise<void> {
  const python = await pythonWith("venv", READER_PACKAGES);
  const duckdb = await pythonWith("duckdb", DUCKDB_PACKAGES);
  const jars = python === null ? null : await sparkJars();
  if (python === null || duckdb === null || jars === null) return;
  const project = mkdtempSync(join(tmpdir(), "lake-rest-"));
  const { drops, ...before } = splitDrops(PROJECT);
  await serveOnce(project, { ...before, ...drops });
  const served = await serve(project);
  const problems: string[] = [];
  const told: Check = (text, wrong) => {
    problems.push(...wrong);
    check(`rest: ${text}`, wrong);
  };
  try {
    await checkEngines(
      project,
      served,
      { python: python.python, duckdb: duckdb.python, jars },
      told,
    );
  } catch (thrown) {
    told("all engines work", [thrown instanceof Error ? thrown.message : String(thrown)]);
  } finally {
    await served.end("SIGTERM");
  }
  if (problems.length === 0) rmSync(project, { recursive: true, force: true });
  else console.log(`  the lake is kept in ${project}`);
}

/** Lands and builds, so that there is a table of a source and one of a model. */
async function serveOnce(project: string, files: Readonly<Record<string, string>>): Promise<void> {
  const first = await serve(project, files);
  await first.end("SIGTERM");
  await mustRun([programPath(), "build"], { cwd: project });
}

function splitDrops(files: Readonly<Record<string, string>>) {
  const entries = Object.entries(files);
  const isDrop = ([name]: readonly [string, string]): boolean => name.startsWith("drops/");
  const of = (kept: boolean) => Object.fromEntries(entries.filter((one) => isDrop(one) === kept));
  return { drops: of(true), ...of(false) };
}

interface Peers {
  readonly python: string;
  readonly duckdb: string;
  readonly jars: string;
}

async function checkEngines(
  project: string,
  served: Served,
  peers: Peers,
  check: Check,
): Promise<void> {
  const at = [served.uri, served.token];
  const py = await told([peers.python, script("rest_pyiceberg.py"), ...at, "work"]);
  checkRefused("PyIceberg", py, check);
  const duck = await told([peers.duckdb, script("rest_duckdb.py"), ...at]);
  checkRefused("DuckDB", duck, check);
  const spark = await told([peers.python, script("rest_spark.py"), ...at, peers.jars]);
  checkRefused("Spark", spark, check);
  const tables = ["py.t", "py.renamed", "dk.t", "dk.u", "sp.t", "sp.u", "shared.t"];
  const read = [peers.python, script("rest_pyiceberg.py"), ...at, "read", ...tables];
  const after = await told(read);
  for (const table of tables) {
    const ours = linesOf(await askSql(project, `from ${table}`));
    const engines: readonly (readonly [string, Told])[] =
      table === "shared.t"
        ? [
            ["Spark", spark],
            ["PyIceberg", after],
          ]
        : [
            ["DuckDB", duck],
            ["Spark", spark],
            ["PyIceberg", after],
          ];
    const wrong = engines.flatMap(([engine, { rows = {} }]) => {
      const theirs = rows[table] === undefined ? ours : linesOf(rows[table]);
      return theirs === ours ? [] : [`${engine} reads\n${theirs}\n    tarn reads\n${ours}`];
    });
    check(`${table} is the same to all: ${ours.split("\n").length} rows`, wrong);
  }
  await checkConnect(project, served, peers.python, check);
  await checkLake(project, spark, check);
}

/** What `tarn connect` prints is what PyIceberg takes. */
async function checkConnect(project: string, served: Served, python: string, check: Check) {
  writeFileSync(join(project, "tarn.yaml"), `serve: { http: "${new URL(served.uri).host}" }\n`);
  const { stdout: lines } = await mustRun([programPath(), "connect", "pyiceberg"], {
    cwd: project,
  });
  const { stdout } = await mustRun([python, "-c", lines]);
  check("tarn connect prints what PyIceberg takes", stdout.includes("('shared',)") ? [] : [stdout]);
}

/** What the lake says of it all. */
async function checkLake(project: string, spark: Told, check: Check): Promise<void> {
  await mustRun([programPath(), "build"], { cwd: project });
  const big = linesOf(await askSql(project, "from gold.big"));
  const wanted = linesOf(
    await askSql(project, "select id, amount from bronze.orders where amount > 5"),
  );
  check("a model follows rows that came through REST", expectSame(big, wanted));
  check("one of them is PyIceberg's", big.includes("77") ? [] : [big]);
  const views = linesOf(spark.rows?.["sp.v"] ?? []);
  check("Spark reads its view", expectSame(views, '{"id":50}\n{"id":9}'));
  const kinds = "select count(*)::double as n from lake.commits where kind = 'foreign'";
  const [row] = await askSql(project, kinds);
  check("the history has their commits", Number(row?.n) > 30 ? [] : [`${row?.n} commits`]);
  const doctor = await mustRun([programPath(), "doctor", "--deep"], { cwd: project });
  check("doctor finds every file and row", expectSame(String(doctor.code), "0"));
}

function checkRefused(engine: string, { refused = {} }: Told, check: Check): void {
  const free = Object.entries(refused).filter(([, text]) => text === "nothing was refused");
  const count = Object.keys(refused).length;
  check(
    `${engine} works, and is refused ${count} things that are not its own`,
    free.map(([what]) => `${what} was not refused`),
  );
}

function expectSame(found: string, wanted: string): readonly string[] {
  return found === wanted ? [] : [`${found}\n    is not\n${wanted}`];
}

/** Rows as sorted lines, without columns that hold nothing in any row. */
function linesOf(rows: readonly Record<string, unknown>[]): string {
  const lines = rows.map((row) => {
    const filled = Object.entries(row).filter(([, value]) => value !== null);
    const plain = filled.map(([key, value]) => [key, plainOf(value)] as const);
    return stringifyJson(Object.fromEntries(plain.sort(([a], [b]) => (a < b ? -1 : 1))));
  });
  return lines.sort().join("\n");
}

function plainOf(value: unknown): string | number {
  return typeof value === "number" ? value : String(value);
}

async function told(command: readonly string[]): Promise<Told> {
  const { stdout } = await mustRun(command, { timeoutMs: SPARK_MS_MAX });
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "{}");
}

function script(name: string): string {
  return join(import.meta.dirname, name);
}
