/** Servers in Java for tests: what Maven fetches, once, and how one is started, waited for and ended. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";

/** Group, name and version. */
export type Artifact = readonly [string, string, string];

const READY_MS = 120_000;

/**
 * The folder with the jars of these and of all that they need, fetched into `folder` when they are not there; null,
 * with a line that says how to get them, where that cannot be.
 */
export function fetchJars(
  what: string,
  folder: string,
  artifacts: readonly Artifact[],
): string | null {
  const lib = path.join(folder, "lib");
  return fetchOnce(what, folder, () => {
    fs.writeFileSync(path.join(folder, "pom.xml"), pomOf(artifacts));
    return ["dependency:copy-dependencies", `-DoutputDirectory=${lib}`];
  })
    ? lib
    : null;
}

/** The same of one packed file alone, such as `group:name:version:tar.gz:all`; the folder that it is in. */
export function fetchFile(what: string, folder: string, artifact: string): string | null {
  const plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy";
  const words = [plugin, `-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`];
  return fetchOnce(what, folder, () => words) ? folder : null;
}

/** Starts a program and waits until its port answers; what it prints goes to `out.log` in its folder. */
export async function startServer(
  program: string,
  args: readonly string[],
  {
    folder,
    port,
    environment = {},
    workFolder = folder,
  }: {
    readonly folder: string;
    readonly port: number;
    readonly environment?: Readonly<Record<string, string>>;
    readonly workFolder?: string;
  },
): Promise<ChildProcess> {
  const log = fs.openSync(path.join(folder, "out.log"), "a");
  const child = spawn(program, [...args], {
    stdio: ["ignore", log, log],
    cwd: workFolder,
    env: { ...process.env, ...environment },
  });
  for (const endMs = Date.now() + READY_MS; Date.now() < endMs; ) {
    if (child.exitCode !== null) break;
    if (await answers(port)) return child;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  child.kill("SIGKILL");
  throw new Error(`${program} does not start: see ${folder}`);
}

export async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await ended;
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" ? (address?.port ?? 0) : 0));
    });
  });
}

/** Says what is missing; an error under `TARN_TEST_REQUIRE=all`. */
export function skip(line: string): false {
  if (process.env.TARN_TEST_REQUIRE === "all") throw new Error(line);
  console.log(`skip: ${line}`);
  return false;
}

function fetchOnce(what: string, folder: string, wordsOf: () => readonly string[]): boolean {
  const mark = path.join(folder, "whole");
  if (isThere("java", ["-version"]) && fs.existsSync(mark)) return true;
  const missing = [
    ["java", ["-version"], "apt-get install openjdk-17-jre-headless"],
    ["mvn", ["-version"], "apt-get install maven"],
  ] as const;
  for (const [program, args, how] of missing) {
    if (!isThere(program, args)) return skip(`${what}: no ${program}: ${how}`);
  }
  fs.mkdirSync(folder, { recursive: true });
  const words = ["-q", "-B", ...wordsOf()];
  const done = spawnSync("mvn", words, { cwd: folder, encoding: "utf8" });
  if (done.status !== 0) return skip(`${what}: in ${folder}: mvn ${words.join(" ")}`);
  fs.writeFileSync(mark, "");
  return true;
}

function pomOf(artifacts: readonly Artifact[]): string {
  return `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>lake</groupId><artifactId>servers</artifactId><version>1</version><dependencies>
${artifacts.map(dependency).join("\n")}
</dependencies></project>
`;
}

function dependency([group, artifact, version]: Artifact): string {
  const inner = `<groupId>${group}</groupId><artifactId>${artifact}</artifactId>`;
  return `<dependency>${inner}<version>${version}</version></dependency>`;
}

function isThere(program: string, args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: "ignore" }).status === 0;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    const settle = (isOpen: boolean) => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
  });
}
