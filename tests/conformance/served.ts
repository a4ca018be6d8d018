/** `tarn up` of the program under test, which serves a project's lake on a free port until it is stopped or killed. */

import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { isJsonObject, parseJson } from "../../core/base/json.ts";
import { programPath } from "../crash/program.ts";

export interface Served {
  /** What a client is given: `http://127.0.0.1:40001/iceberg`. */
  readonly uri: string;
  readonly token: string;
  readonly warehouse: string;
  /** Ends it, by a signal; resolves when it is gone. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
}

const STARTS_MS = 60_000;

/** Writes the files of a project, and starts it. Throws what it said when it ends before it listens. */
export async function serve(
  project: string,
  files: Readonly<Record<string, string>> = {},
): Promise<Served> {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(project, name)), { recursive: true });
    writeFileSync(join(project, name), text);
  }
  const child = spawn(programPath(), ["up", "--json"], { cwd: project, stdio: "pipe" });
  const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const address = await new Promise<string>((resolve, reject) => {
    let said = "";
    const timer = setTimeout(() => child.kill("SIGKILL"), STARTS_MS);
    child.stderr.on("data", (bytes) => {
      said += bytes;
    });
    child.stdout.on("data", (bytes) => {
      said += bytes;
      const http = addressIn(said);
      if (http === null) return;
      clearTimeout(timer);
      resolve(http);
    });
    child.once("close", () => reject(new Error(`tarn up ended: ${said.slice(-2000)}`)));
  });
  const warehouse = join(project, "warehouse");
  return {
    uri: `http://${address}/iceberg`,
    token: readFileSync(join(warehouse, "http.token"), "utf8").trim(),
    warehouse,
    end: async (signal) => {
      child.kill(signal);
      await gone;
    },
  };
}

function addressIn(said: string): string | null {
  for (const line of said.split("\n").slice(0, -1)) {
    const event = line.startsWith("{") ? parseJson(line) : null;
    if (isJsonObject(event) && typeof event.http === "string") return event.http;
  }
  return null;
}
