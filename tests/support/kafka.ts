/** A Kafka broker for tests: a real one, of the jars that Maven fetches, with a folder of its own. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";

export interface KafkaBroker extends AsyncDisposable {
  readonly port: number;
  readonly folder: string;
  /** Ends it (SIGTERM: in order; SIGKILL: as a crash) and starts it on the same port. */
  restart(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Runs one of the broker's own command-line tools, such as `kafka.admin.ConfigCommand`; what it prints. */
  tool(main: string, args: readonly string[], input?: string): string;
}

const VERSION = "4.1.0";
/** Where the jars lie; `TARN_TEST_KAFKA_JARS` names another folder. */
const JARS =
  process.env.TARN_TEST_KAFKA_JARS ?? path.join(os.homedir(), ".cache", `lake-kafka-${VERSION}`);
const READY_MS = 60_000;
const ARTIFACTS = [
  ["org.apache.kafka", "kafka_2.13", VERSION],
  ["org.apache.kafka", "kafka-tools", VERSION],
  ["org.slf4j", "slf4j-simple", "1.7.36"],
] as const;
const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>lake</groupId><artifactId>broker</artifactId><version>1</version><dependencies>
${ARTIFACTS.map(dependency).join("\n")}
</dependencies></project>
`;

/** The jars, fetched when they are not there; null, with a line that says how to get them, where that cannot be. */
export function kafkaJars(): string | null {
  const lib = path.join(JARS, "lib");
  if (isThere("java", ["-version"]) && fs.existsSync(path.join(JARS, "whole"))) return lib;
  const missing = [
    ["java", ["-version"], "apt-get install openjdk-17-jre-headless"],
    ["mvn", ["-version"], "apt-get install maven"],
  ] as const;
  for (const [program, args, how] of missing) {
    if (isThere(program, args)) continue;
    return skip(`kafka: no ${program}: ${how}`);
  }
  fs.mkdirSync(JARS, { recursive: true });
  fs.writeFileSync(path.join(JARS, "pom.xml"), POM);
  const copy = ["-q", "-B", "dependency:copy-dependencies", `-DoutputDirectory=${lib}`];
  const done = spawnSync("mvn", copy, { cwd: JARS, encoding: "utf8" });
  if (done.status !== 0) return skip(`kafka: in ${JARS}: mvn ${copy.join(" ")}`);
  fs.writeFileSync(path.join(JARS, "whole"), "");
  return lib;
}

/** `settings` go behind those that every broker here has. `listeners` take ports above the broker's. */
export async function startKafka(
  lib: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<KafkaBroker> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "kafka-"));
  const port = await freePort();
  const file = path.join(folder, "server.properties");
  const all = { ...brokerSettings(folder, port, await freePort()), ...settings };
  fs.writeFileSync(
    file,
    Object.entries(all)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(""),
  );
  const java = javaArguments(lib, folder);
  const id = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("base64url");
  const scram = settings["lake.scram"];
  const format = ["kafka.tools.StorageTool", "format", "-t", id, "-c", file];
  if (scram !== undefined) format.push("--add-scram", scram);
  const formatted = spawnSync("java", [...java, ...format], { encoding: "utf8" });
  if (formatted.status !== 0) throw new Error(formatted.stdout + formatted.stderr);
  let child = await run(java, file, folder, port);
  return {
    port,
    folder,
    restart: async (signal) => {
      await end(child, signal);
      child = await run(java, file, folder, port);
    },
    tool: (main, args, input) => {
      const ran = spawnSync("java", [...java, main, ...args], {
        encoding: "utf8",
        ...(input === undefined ? {} : { input }),
      });
      if (ran.status !== 0) throw new Error(`${main}: ${ran.stdout}${ran.stderr}`);
      return ran.stdout;
    },
    [Symbol.asyncDispose]: async () => {
      await end(child, "SIGKILL");
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" ? (address?.port ?? 0) : 0));
    });
  });
}

function brokerSettings(folder: string, port: number, control: number): Record<string, string> {
  return {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.voters": `1@127.0.0.1:${control}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${control}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${port}`,
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "log.dirs": path.join(folder, "data"),
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
  };
}

function javaArguments(lib: string, folder: string): string[] {
  const log = "-Dorg.slf4j.simpleLogger";
  return [
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    `${log}.defaultLogLevel=warn`,
    `${log}.logFile=${path.join(folder, "kafka.log")}`,
    "-cp",
    path.join(lib, "*"),
  ];
}

async function run(
  java: readonly string[],
  file: string,
  folder: string,
  port: number,
): Promise<ChildProcess> {
  const log = fs.openSync(path.join(folder, "out.log"), "a");
  const child = spawn("java", [...java, "kafka.Kafka", file], { stdio: ["ignore", log, log] });
  for (const endMs = Date.now() + READY_MS; Date.now() < endMs; ) {
    if (child.exitCode !== null) break;
    if (await answers(port)) return child;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  child.kill("SIGKILL");
  throw new Error(`the broker does not start: see ${folder}`);
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

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await ended;
}

function dependency([group, artifact, version]: (typeof ARTIFACTS)[number]): string {
  const inner = `<groupId>${group}</groupId><artifactId>${artifact}</artifactId>`;
  return `<dependency>${inner}<version>${version}</version></dependency>`;
}

function isThere(program: string, args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: "ignore" }).status === 0;
}

function skip(line: string): null {
  if (process.env.TARN_TEST_REQUIRE === "all") throw new Error(line);
  console.log(`skip: ${line}`);
  return null;
}
