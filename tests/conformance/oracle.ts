/**
 * The same requests to `tarn up` and to the reference server of Iceberg's Java: the same status and type of error, and
 * where both answer, JSON with the same keys. What differs on purpose is listed here; a difference that is not, fails,
 * and so does one that is gone. peers.md 3; sources.md 65.
 */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isJsonObject, type Json, parseJson, stringifyJson } from "../../core/base/json.ts";
import type { Served } from "./served.ts";

interface Asked {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly body?: Json;
}

/** Names of requests that are answered otherwise, and why. */
const DIFFERENT: Readonly<Record<string, string>> = {
  "malformed JSON": "a page of HTML with 500 there",
  "an unknown update": "a page of HTML with 500 there",
  "an unknown requirement": "a page of HTML with 500 there",
  "an empty transaction": "a page of HTML with 500 there",
  "empty metrics": "a page of HTML with 500 there",
  "format-version as a property": "is stored there, and changes nothing",
  "an update that does not apply": "the same refusal by another name there",
  "a downgrade": "the same refusal by another name there",
  "a table of nothing": "makes the namespace there",
  "a page without a token": "pages whoever gives a size there; the protocol has a token begin them",
  "a namespace with a dot": "is made there, and is two levels from then on",
  config: "overrides the separator and offers planning there",
};

const SCHEMA = {
  type: "struct",
  "schema-id": 0,
  fields: [{ id: 1, name: "id", required: true, type: "long" }],
};
const TABLE = "namespaces/ns/tables/t";
const uuid = { type: "assert-table-uuid", uuid: "00000000-0000-0000-0000-000000000000" };
const rename = (from: string, to: string, namespace = "ns"): Json => ({
  source: { namespace: ["ns"], name: from },
  destination: { namespace: [namespace], name: to },
});
const get = (name: string, path: string): Asked => ({ name, method: "GET", path });
const post = (name: string, path: string, body: Json): Asked => {
  return { name, method: "POST", path, body };
};
const updating = (name: string, ...updates: readonly Json[]): Asked => {
  return post(name, TABLE, { requirements: [], updates });
};

const REQUESTS: readonly Asked[] = [
  get("config", "config?warehouse=x"),
  get("no such path", "nothing"),
  get("no namespaces", "namespaces"),
  post("a namespace", "namespaces", { namespace: ["ns"], properties: { owner: "me" } }),
  post("a namespace again", "namespaces", { namespace: ["ns"], properties: {} }),
  post("a namespace with a dot", "namespaces", { namespace: ["a.b"], properties: {} }),
  get("one namespace", "namespaces/ns"),
  get("no such namespace", "namespaces/none"),
  get("no such parent", "namespaces?parent=none"),
  { name: "a namespace is there", method: "HEAD", path: "namespaces/ns" },
  { name: "a namespace is not there", method: "HEAD", path: "namespaces/none" },
  post("properties", "namespaces/ns/properties", { updates: { k: "v" }, removals: ["owner"] }),
  post("properties twice", "namespaces/ns/properties", { updates: { k: "v" }, removals: ["k"] }),
  post("properties of nothing", "namespaces/none/properties", { updates: {}, removals: [] }),
  post("malformed JSON", "namespaces", null),
  get("no tables", "namespaces/ns/tables"),
  get("no tables of nothing", "namespaces/none/tables"),
  post("a table", "namespaces/ns/tables", { name: "t", schema: SCHEMA }),
  post("a table again", "namespaces/ns/tables", { name: "t", schema: SCHEMA }),
  post("a staged table", "namespaces/ns/tables", {
    name: "s",
    schema: SCHEMA,
    "stage-create": true,
  }),
  post("a table of nothing", "namespaces/absent/tables", { name: "t", schema: SCHEMA }),
  get("one table", TABLE),
  get("its references", `${TABLE}?snapshots=refs`),
  get("its moon", `${TABLE}?snapshots=moon`),
  get("no such table", "namespaces/ns/tables/none"),
  { name: "a table is there", method: "HEAD", path: TABLE },
  { name: "a table is not there", method: "HEAD", path: "namespaces/ns/tables/none" },
  get("tables", "namespaces/ns/tables"),
  get("a page", "namespaces/ns/tables?pageToken=&pageSize=1"),
  get("a page without a token", "namespaces?pageSize=1"),
  updating("nothing to do"),
  updating("a property", { action: "set-properties", updates: { k: "v" } }),
  updating("format-version as a property", {
    action: "set-properties",
    updates: { "format-version": "3" },
  }),
  updating("an unknown update", { action: "set-colour" }),
  updating("an update that does not apply", { action: "set-current-schema", "schema-id": 9 }),
  updating("a downgrade", { action: "upgrade-format-version", "format-version": 1 }),
  updating("a reference to nothing", {
    action: "set-snapshot-ref",
    "ref-name": "main",
    type: "branch",
    "snapshot-id": 5,
  }),
  post("another uuid", TABLE, { requirements: [uuid], updates: [] }),
  post("an unknown requirement", TABLE, { requirements: [{ type: "assert-moon" }], updates: [] }),
  post("a commit to nothing", "namespaces/ns/tables/none", { requirements: [], updates: [] }),
  post("an empty transaction", "transactions/commit", { "table-changes": [] }),
  post("empty metrics", `${TABLE}/metrics`, {}),
  { name: "a namespace with a table", method: "DELETE", path: "namespaces/ns" },
  post("renamed onto itself", "tables/rename", rename("t", "t")),
  post("renamed away", "tables/rename", rename("t", "u")),
  post("renamed from nothing", "tables/rename", rename("t", "v")),
  post("renamed to nowhere", "tables/rename", rename("u", "v", "none")),
  get("no views", "namespaces/ns/views"),
  get("no such view", "namespaces/ns/views/none"),
  { name: "no such view to drop", method: "DELETE", path: "namespaces/ns/views/none" },
  { name: "a table dropped", method: "DELETE", path: "namespaces/ns/tables/u" },
  { name: "a table dropped again", method: "DELETE", path: "namespaces/ns/tables/u" },
  { name: "a namespace dropped", method: "DELETE", path: "namespaces/ns" },
  { name: "a namespace dropped again", method: "DELETE", path: "namespaces/ns" },
];

const STARTS_MS = 60_000;
const LOOK_MS = 200;

/** What is answered otherwise than it is listed, one line each. `served` is empty. */
export async function differencesFromOracle(
  served: Served,
  jars: string,
): Promise<{ readonly asked: number; readonly wrong: readonly string[] }> {
  const folder = mkdtempSync(join(tmpdir(), "lake-oracle-"));
  const port = await freePort();
  const child = spawn("java", ["-Xmx512m", "-cp", join(jars, "*"), SERVER], {
    env: {
      ...process.env,
      CATALOG_URI: `jdbc:sqlite:${folder}/catalog.db`,
      CATALOG_WAREHOUSE: `file://${folder}/warehouse`,
      CATALOG_CATALOG_NAME: "tarn",
      CATALOG_REST_PORT: String(port),
    },
    stdio: "ignore",
  });
  const gone = new Promise((resolve) => child.once("close", resolve));
  const oracle = `http://127.0.0.1:${port}/v1`;
  try {
    await untilAnswered(`${oracle}/config`);
    const wrong: string[] = [];
    for (const asked of REQUESTS) {
      const theirs = await answered(asked, oracle, "");
      const ours = await answered(asked, `${served.uri}/v1`, served.token);
      const why = DIFFERENT[asked.name];
      if (theirs === ours && why !== undefined)
        wrong.push(`${asked.name}: does not differ any more`);
      if (theirs !== ours && why === undefined) {
        wrong.push(`${asked.name}: the reference answers ${theirs}, tarn ${ours}`);
      }
    }
    return { asked: REQUESTS.length, wrong };
  } finally {
    child.kill("SIGKILL");
    await gone;
    rmSync(folder, { recursive: true, force: true });
  }
}

const SERVER = "org.apache.iceberg.rest.RESTCatalogServer";

/** Status, type of error, and the keys of JSON. */
async function answered(asked: Asked, url: string, token: string): Promise<string> {
  const { method, path, body } = asked;
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const text = body === null ? "{" : body === undefined ? undefined : stringifyJson(body);
  const answer = await fetch(`${url}/${path}`, {
    method,
    headers,
    ...(text === undefined ? {} : { body: text }),
  });
  const said = await answer.text();
  const json = said.startsWith("{") ? parseJson(said) : null;
  if (isJsonObject(json) && isJsonObject(json.error)) {
    return `${answer.status} ${String(json.error.type)}`;
  }
  // What a client may ask for is each server's own to say.
  const keys = keysOf(json).filter((key) => key !== "config" && key !== "storage-credentials");
  return `${answer.status} ${keys.join(", ")}`;
}

/** Of an object and of the objects in it; what holds null is as if it were not there. */
function keysOf(json: Json): readonly string[] {
  if (!isJsonObject(json)) return [];
  const filled = Object.entries(json).filter(([, value]) => value !== null);
  const own = filled.flatMap(([key, value]) => {
    const isMap = key === "properties" || key === "refs" || key === "config";
    return [key, ...(isMap ? [] : keysOf(value).map((inner) => `${key}.${inner}`))];
  });
  return own.sort();
}

async function untilAnswered(url: string): Promise<void> {
  const endMs = Date.now() + STARTS_MS;
  while (Date.now() < endMs) {
    const isThere = await fetch(url).then(
      (answer) => answer.ok,
      () => false,
    );
    if (isThere) return;
    await Bun.sleep(LOOK_MS);
  }
  throw new Error(`${url} does not answer`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}
