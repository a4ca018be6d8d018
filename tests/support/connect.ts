/** Kafka Connect with Debezium's connectors for tests: real ones, of the jars that Maven fetches, in one worker. */

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { askJson } from "./http-json.ts";
import { endProcess, fetchJars, freePort, startServer } from "./java.ts";

export interface ConnectWorker extends AsyncDisposable {
  readonly folder: string;
  /** What each connector's tasks are, with the trace of those that failed. */
  states(): Promise<readonly { readonly name: string; readonly state: string }[]>;
}

/** Settings by name, as a file of properties has them. */
export type Properties = Readonly<Record<string, string | number | boolean>>;

const CONNECT = "4.1.1";
const READY_MS = 60_000;
/** Versions of the connectors move separately: one that all of them have. */
export const DEBEZIUM = "3.5.0.Final";
/** Where the jars lie; `TARN_TEST_CONNECT_JARS` names another folder. */
const JARS =
  process.env.TARN_TEST_CONNECT_JARS ??
  path.join(os.homedir(), ".cache", `lake-connect-${CONNECT}`);
const ARTIFACTS = [
  ["org.apache.kafka", "connect-runtime", CONNECT],
  ["org.apache.kafka", "connect-json", CONNECT],
  ["io.debezium", "debezium-connector-postgres", DEBEZIUM],
  ["io.debezium", "debezium-connector-mariadb", DEBEZIUM],
  ["io.apicurio", "apicurio-registry-utils-converter", "2.6.13.Final"],
  ["org.slf4j", "slf4j-simple", "1.7.36"],
] as const;

/** The jars, fetched when they are not there; null, with a line that says how to get them, where that cannot be. */
export function connectJars(): string | null {
  return fetchJars("kafka connect", JARS, ARTIFACTS);
}

/** A standalone worker with these connectors, by name; each says its own converters. */
export async function startConnect(
  lib: string,
  brokerPort: number,
  connectors: Readonly<Record<string, Properties>>,
): Promise<ConnectWorker> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "connect-"));
  const port = await freePort();
  const worker = write(folder, "worker", {
    "bootstrap.servers": `127.0.0.1:${brokerPort}`,
    "key.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "offset.storage.file.filename": path.join(folder, "offsets"),
    "offset.flush.interval.ms": 1000,
    "plugin.discovery": "hybrid_warn",
    listeners: `http://127.0.0.1:${port}`,
  });
  const files = Object.entries(connectors).map(([name, settings]) =>
    write(folder, name, { name, "tasks.max": 1, ...settings }),
  );
  const log = "-Dorg.slf4j.simpleLogger";
  const java = [
    ...["-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
    `${log}.defaultLogLevel=warn`,
    `${log}.logFile=${path.join(folder, "connect.log")}`,
    ...["-cp", path.join(lib, "*"), "org.apache.kafka.connect.cli.ConnectStandalone"],
  ];
  const child = await startServer("java", [...java, worker, ...files], { folder, port });
  const states = async () => {
    const { json } = await askJson("GET", `http://127.0.0.1:${port}/connectors?expand=status`);
    const said = json as Record<string, ConnectorStatus>; // parse: as Connect's REST API says
    return Object.entries(said).flatMap(([name, { status }]) =>
      status.tasks.map(({ state, trace }) => ({ name, state: `${state} ${trace ?? ""}`.trim() })),
    );
  };
  // It listens before it can answer, and answers before it has begun.
  for (const endMs = Date.now() + READY_MS; Date.now() < endMs && child.exitCode === null; ) {
    const found = await states().catch(() => []);
    if (found.length === files.length) break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return {
    folder,
    states,
    [Symbol.asyncDispose]: async () => {
      await endProcess(child, "SIGKILL");
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

interface ConnectorStatus {
  readonly status: {
    readonly tasks: readonly { readonly state: string; readonly trace?: string }[];
  };
}

function write(folder: string, name: string, settings: Properties): string {
  const file = path.join(folder, `${name}.properties`);
  const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}\n`);
  fs.writeFileSync(file, lines.join(""));
  return file;
}
