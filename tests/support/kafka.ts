/** A Kafka broker for tests: a real one, of the jars that Maven fetches, with a folder of its own. */

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { endProcess, fetchJars, freePort, startServer } from "./java.ts";

export interface KafkaBroker extends AsyncDisposable {
  readonly port: number;
  /** By the names of the listeners that were asked for. */
  readonly portOf: (listener: string) => number;
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
const ARTIFACTS = [
  ["org.apache.kafka", "kafka_2.13", VERSION],
  ["org.apache.kafka", "kafka-tools", VERSION],
  ["org.slf4j", "slf4j-simple", "1.7.36"],
] as const;

/** The jars, fetched when they are not there; null, with a line that says how to get them, where that cannot be. */
export function kafkaJars(): string | null {
  return fetchJars("kafka", JARS, ARTIFACTS);
}

/** What a broker has beyond what every broker here has. */
export interface BrokerOptions {
  readonly settings?: Readonly<Record<string, string>>;
  /** More listeners, with the protocols that they speak. */
  readonly listeners?: Readonly<Record<string, "SSL" | "SASL_PLAINTEXT" | "SASL_SSL">>;
  /** Users of SCRAM: `SCRAM-SHA-256=[name=reader,password=secret]`. */
  readonly scram?: readonly string[];
}

export async function startKafka(
  lib: string,
  { settings = {}, listeners = {}, scram = [] }: BrokerOptions = {},
): Promise<KafkaBroker> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "kafka-"));
  const port = await freePort();
  const file = path.join(folder, "server.properties");
  const ports = new Map<string, number>();
  for (const name of Object.keys(listeners)) ports.set(name, await freePort());
  const own = brokerSettings(folder, port, await freePort());
  const all = { ...withListeners(own, listeners, ports), ...settings };
  fs.writeFileSync(
    file,
    Object.entries(all)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(""),
  );
  const java = javaArguments(lib, folder);
  const id = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("base64url");
  const format = ["kafka.tools.StorageTool", "format", "-t", id, "-c", file];
  for (const user of scram) format.push("--add-scram", user);
  const formatted = spawnSync("java", [...java, ...format], { encoding: "utf8" });
  if (formatted.status !== 0) throw new Error(formatted.stdout + formatted.stderr);
  const start = () => startServer("java", [...java, "kafka.Kafka", file], { folder, port });
  let child = await start();
  return {
    port,
    portOf: (listener) => ports.get(listener) ?? 0,
    folder,
    restart: async (signal) => {
      await endProcess(child, signal);
      child = await start();
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
      await endProcess(child, "SIGKILL");
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
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

/** With the listeners beside those that are there. */
function withListeners(
  settings: Readonly<Record<string, string>>,
  listeners: NonNullable<BrokerOptions["listeners"]>,
  ports: ReadonlyMap<string, number>,
): Record<string, string> {
  const names = Object.keys(listeners);
  const places = names.map((name) => `${name}://127.0.0.1:${ports.get(name)}`);
  const protocols = names.map((name) => `${name}:${listeners[name]}`);
  const joined = (key: string, more: readonly string[]) => [settings[key], ...more].join(",");
  return {
    ...settings,
    listeners: joined("listeners", places),
    "advertised.listeners": joined("advertised.listeners", places),
    "listener.security.protocol.map": joined("listener.security.protocol.map", protocols),
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
