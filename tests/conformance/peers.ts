/** Other engines for comparison: a Python environment and Java archives in a cache folder outside the repository. */

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { mustRun, runCommand } from "../crash/program.ts";

/** Pinned, so that a failure is ours. */
export const READER_PACKAGES = [
  "pyiceberg[pyarrow,sql-sqlite,pyiceberg-core]==0.12.0",
  "pyspark==4.0.1",
] as const;
export const JARS = [
  "org.apache.iceberg:iceberg-spark-runtime-4.0_2.13:1.11.0",
  "org.xerial:sqlite-jdbc:3.53.0.0",
] as const;

export interface Python {
  /** The interpreter of an environment that has the packages. */
  readonly python: string;
}

const INSTALL_MS_MAX = 15 * 60_000;

/** Prints why something is left out; with TARN_TEST_REQUIRE=all that is a failure instead. */
export function skip(thing: string, remedy: string): null {
  const line = `${thing}: ${remedy}`;
  if (process.env.TARN_TEST_REQUIRE === "all") throw new Error(`missing ${line}`);
  console.log(`skip: ${line}`);
  return null;
}

/** The cache folder: TARN_PEERS_DIR, or ~/.cache/tarn-conformance. */
export function peersFolder(): string {
  return process.env.TARN_PEERS_DIR ?? join(homedir(), ".cache", "tarn-conformance");
}

/** A virtual environment with exactly these packages; made once. Null (after a line) when that is impossible. */
export async function pythonWith(
  name: string,
  packages: readonly string[],
): Promise<Python | null> {
  const python3 = Bun.which("python3");
  if (python3 === null) return skip("Python", "install python3 (3.10 or newer) with venv and pip");
  const folder = join(peersFolder(), name);
  const python = join(folder, "bin", "python");
  const marker = join(folder, "installed.json");
  const wanted = JSON.stringify(packages);
  if (existsSync(marker) && (await Bun.file(marker).text()) === wanted) return { python };
  console.log(`installing ${packages.join(" ")} into ${folder}`);
  mkdirSync(peersFolder(), { recursive: true });
  if (!existsSync(python)) {
    const made = await runCommand([python3, "-m", "venv", folder]);
    if (made.code !== 0) return skip("Python venv", `apt-get install python3-venv: ${made.stderr}`);
  }
  const pip = [python, "-m", "pip", "install", "--quiet", ...packages];
  const installed = await runCommand(pip, { timeoutMs: INSTALL_MS_MAX });
  if (installed.code !== 0) {
    return skip(packages.join(" "), `pip could not install it: ${installed.stderr.slice(-400)}`);
  }
  writeFileSync(marker, wanted);
  return { python };
}

/** The folder with Iceberg's Spark runtime and the SQLite driver. Null (after a line) when that is impossible. */
export async function sparkJars(): Promise<string | null> {
  if (Bun.which("java") === null) return skip("Java", "install a JDK 17, such as openjdk-17-jdk");
  const folder = join(peersFolder(), "jars");
  const missing = JARS.filter((artifact) => !existsSync(join(folder, jarName(artifact))));
  if (missing.length === 0) return folder;
  const maven = Bun.which("mvn");
  if (maven === null) return skip("Maven", "apt-get install maven (it fetches Iceberg's archives)");
  for (const artifact of missing) {
    console.log(`fetching ${artifact} into ${folder}`);
    const copy = [`-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`];
    await mustRun([maven, "-q", "-B", "dependency:copy", ...copy], { timeoutMs: INSTALL_MS_MAX });
  }
  return folder;
}

function jarName(artifact: string): string {
  const [, name, version] = artifact.split(":");
  return `${name}-${version}.jar`;
}
