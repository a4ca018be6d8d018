/**
 * Iceberg's compatibility kit for REST catalogs (`npm run conformance:rck`) against `tarn up` on an empty lake: every
 * test passes but those that the kit itself skips, which are named here; then the same requests to the reference server
 * and to tarn, whose answers are compared. The archives are kept in TARN_PEERS_DIR.
 *
 * The kit puts tables into `/tmp`, wherever a catalog would: so it runs under `places: anywhere`, and what it leaves
 * there is removed if it was not there before. peers.md 2.
 */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mustRun, runCommand } from "../crash/program.ts";
import { differencesFromOracle } from "./oracle.ts";
import { peersFolder, skip } from "./peers.ts";
import { serve } from "./served.ts";

const PASSED = 145;
/** By the kit: they ask for what the protocol leaves to a catalog. */
const SKIPPED = [
  "createAndDropEmptyNamespace",
  "createTableInUniqueLocation",
  "listNamespacesWithEmptyNamespace",
  "listTablesInEmptyNamespace",
  "listViewsInEmptyNamespace",
  "namespacePropertiesOnEmptyNamespace",
  "testDropNamespaceWithNestedNamespace",
  "testListNestedNamespaces",
  "testNamespaceWithDot",
  "testNamespaceWithSlash",
  "testTableNameWithDot",
  "testTableNameWithSlash",
];
const KIT = [
  "org.apache.iceberg.rest.RESTCompatibilityKitCatalogTests",
  "org.apache.iceberg.rest.RESTCompatibilityKitViewCatalogTests",
];
const LEFT_IN_TMP = ["/tmp/newdb", "/tmp/ns"];
const FETCH_MS_MAX = 15 * 60_000;
const KIT_MS_MAX = 10 * 60_000;

const jars = await kitJars();
if (jars !== null) {
  const answers = [await runKit(jars), await askBoth(jars)];
  process.exit(answers.every((isRight) => isRight) ? 0 : 1);
}

/** The reference server beside it, as an oracle. */
async function askBoth(folder: string): Promise<boolean> {
  const project = mkdtempSync(join(tmpdir(), "lake-oracle-"));
  const served = await serve(project, { "tarn.yaml": 'serve: { http: "127.0.0.1:0" }\n' });
  const { asked, wrong } = await differencesFromOracle(served, folder);
  await served.end("SIGTERM");
  for (const line of wrong) console.log(`✖ ${line}`);
  console.log(
    `reference server: ${asked} requests, ${wrong.length} answered otherwise than listed`,
  );
  rmSync(project, { recursive: true, force: true });
  return wrong.length === 0;
}

/** The folder of the kit's archives. Null (after a line) when they cannot be had. */
async function kitJars(): Promise<string | null> {
  if (Bun.which("java") === null) return skip("Java", "install a JDK 17, such as openjdk-17-jdk");
  const pom = join(import.meta.dirname, "rck.pom.xml");
  const folder = join(peersFolder(), "rck-1.11.0");
  const marker = join(folder, "pom.xml");
  const wanted = readFileSync(pom, "utf8");
  if (existsSync(marker) && readFileSync(marker, "utf8") === wanted) return folder;
  const maven = Bun.which("mvn");
  if (maven === null) return skip("Maven", "apt-get install maven (it fetches Iceberg's archives)");
  console.log(`fetching the compatibility kit into ${folder}`);
  const copy = ["dependency:copy-dependencies", `-DoutputDirectory=${folder}`];
  await mustRun([maven, "-q", "-B", "-f", pom, ...copy], { timeoutMs: FETCH_MS_MAX });
  writeFileSync(marker, wanted);
  return folder;
}

async function runKit(folder: string): Promise<boolean> {
  const base = mkdtempSync(join(tmpdir(), "lake-rck-"));
  const mayRemove = LEFT_IN_TMP.filter((path) => !existsSync(path));
  const settings = 'serve: { http: "127.0.0.1:0", places: anywhere }\n';
  const served = await serve(join(base, "project"), { "tarn.yaml": settings });
  // Views are put where the kit makes temporary folders, and the catalog writes in the lake alone.
  const temporary = join(served.warehouse, "kit", "tmp");
  mkdirSync(temporary, { recursive: true });
  const reports = join(base, "reports");
  const properties = {
    "java.io.tmpdir": temporary,
    "org.slf4j.simpleLogger.defaultLogLevel": "error",
    "rck.local": "false",
    "rck.requires-namespace-create": "true",
    "rck.supports-serverside-retry": "true",
    "rck.purge-test-namespaces": "true",
    uri: served.uri,
    token: served.token,
    warehouse: "lake",
  };
  const { code, stdout, ms } = await runCommand(
    [
      "java",
      "-Xmx1g",
      ...Object.entries(properties).map(([key, value]) => `-D${key}=${value}`),
      ...["-cp", join(folder, "*"), "org.junit.platform.console.ConsoleLauncher", "execute"],
      ...KIT.flatMap((name) => ["--select-class", name]),
      ...["--config", "rck.local=false", "--details=none", "--disable-ansi-colors"],
      `--reports-dir=${reports}`,
    ],
    { timeoutMs: KIT_MS_MAX },
  );
  await served.end("SIGTERM");
  const found = existsSync(reports) ? testsIn(join(reports, "TEST-junit-jupiter.xml")) : null;
  if (found === null) {
    console.log(`the kit did not run (exit code ${code}):\n${stdout.slice(-3000)}`);
    return false;
  }
  const problems = problemsOf(found);
  for (const problem of problems) console.log(`✖ ${problem}`);
  const { passed, failed, skipped } = found;
  const counts = `${passed} passed, ${failed.length} failed, ${skipped.length} skipped`;
  console.log(`rck 1.11.0: ${counts}, ${(ms / 1000).toFixed(0)} s`);
  if (problems.length > 0) {
    console.log(`${stdout.slice(0, 20_000)}\n  the lake is kept in ${base}`);
    return false;
  }
  for (const path of [base, ...mayRemove]) rmSync(path, { recursive: true, force: true });
  return true;
}

interface Found {
  readonly passed: number;
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
}

function testsIn(report: string): Found {
  const cases = readFileSync(report, "utf8").split("<testcase ").slice(1);
  const nameOf = (text: string): string =>
    /name="([^"(]+)/.exec(text)?.[1] ?? "a test without name";
  const failed = cases.filter((text) => /<(failure|error)[ >]/.test(text)).map(nameOf);
  const skipped = cases.filter((text) => /<skipped[ />]/.test(text)).map(nameOf);
  return { passed: cases.length - failed.length - skipped.length, failed, skipped };
}

function problemsOf({ passed, failed, skipped }: Found): readonly string[] {
  const left = skipped.filter((name) => !SKIPPED.includes(name));
  const run = SKIPPED.filter((name) => !skipped.includes(name));
  return [
    ...failed.map((name) => `${name} failed`),
    ...left.map((name) => `${name} was skipped`),
    ...run.map((name) => `${name} is not skipped any more: say so in tests/conformance/rck.ts`),
    ...(passed === PASSED ? [] : [`${passed} tests passed, not ${PASSED}`]),
  ];
}
