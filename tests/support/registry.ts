/** A schema registry for tests: a real one, of the files that Maven fetches, in memory. */

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { askJson } from "./http-json.ts";
import { endProcess, fetchFile, freePort, startServer } from "./java.ts";

export interface TestRegistry extends AsyncDisposable {
  readonly port: number;
  /** As Confluent's registry answers. */
  readonly url: string;
  /** The number of a schema. */
  register(subject: string, schema: RegisteredSchema): Promise<number>;
  /** Deletes a version, which leaves its number. */
  remove(subject: string, version: number): Promise<void>;
  end(): Promise<void>;
}

export interface RegisteredSchema {
  readonly schema: string;
  readonly schemaType?: "AVRO" | "PROTOBUF" | "JSON";
  readonly references?: readonly {
    readonly name: string;
    readonly subject: string;
    readonly version: number;
  }[];
}

const VERSION = "2.6.13.Final";
/** Where the files lie; `TARN_TEST_REGISTRY` names another folder. */
const FILES =
  process.env.TARN_TEST_REGISTRY ?? path.join(os.homedir(), ".cache", `lake-registry-${VERSION}`);
const RUNNER = `apicurio-registry-app-${VERSION}-runner.jar`;

/** The folder of its program; null, with a line that says how to get it, where it cannot be fetched. */
export function registryFiles(): string | null {
  const artifact = `io.apicurio:apicurio-registry-app:${VERSION}:tar.gz:all`;
  const folder = fetchFile("schema registry", FILES, artifact);
  if (folder === null) return null;
  const app = path.join(folder, "app");
  if (!fs.existsSync(path.join(app, RUNNER))) {
    fs.mkdirSync(app, { recursive: true });
    const packed = path.join(folder, `apicurio-registry-app-${VERSION}-all.tar.gz`);
    const done = spawnSync("tar", ["xzf", packed, "-C", app], { encoding: "utf8" });
    if (done.status !== 0) throw new Error(done.stderr);
  }
  return app;
}

export async function startRegistry(app: string): Promise<TestRegistry> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "registry-"));
  const port = await freePort();
  const java = ["-Xmx400m", "-XX:TieredStopAtLevel=1", "-jar", path.join(app, RUNNER)];
  const environment = { QUARKUS_HTTP_HOST: "127.0.0.1", QUARKUS_HTTP_PORT: String(port) };
  const child = await startServer("java", java, { folder, port, environment, workFolder: app });
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`;
  const end = () => endProcess(child, "SIGKILL");
  return {
    port,
    url,
    register: async (subject, schema) => {
      const answer = await ask("POST", `${url}/subjects/${subject}/versions`, schema);
      return answer.id;
    },
    remove: async (subject, version) => {
      await ask("DELETE", `${url}/subjects/${subject}/versions/${version}`, null);
    },
    end,
    [Symbol.asyncDispose]: async () => {
      await end();
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function ask(method: string, url: string, body: unknown): Promise<{ readonly id: number }> {
  const { status, json } = await askJson(
    method,
    url,
    body,
    "application/vnd.schemaregistry.v1+json",
  );
  if (status !== 200) throw new Error(`${method} ${url}: ${status} ${JSON.stringify(json)}`);
  return json as { id: number }; // parse: as the registry's API says
}
