/**
 * Sixteen processes commit through REST, half of them to two tables at once, while `tarn up` is killed and started
 * again, and one answer in twenty is lost: every acknowledged commit is in the past of its tables once, in one line,
 * and nothing else is.
 */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  isJsonObject,
  type JsonObject,
  longField,
  objectField,
  objectsField,
  parseJson,
  stringifyJson,
} from "../../core/base/json.ts";
import { askSql } from "../crash/program.ts";
import { type Served, serve } from "./served.ts";

const COMMITTERS = 16;
const COMMITS_EACH = 20;
/** The server is killed whenever so many more were acknowledged. */
const KILLED_EVERY = 60;

type Check = (text: string, problems: readonly string[]) => void;

export async function checkCommitters(check: Check): Promise<void> {
  const project = mkdtempSync(join(tmpdir(), "lake-committers-"));
  let served = await serve(project, { "tarn.yaml": 'serve: { http: "127.0.0.1:0" }\n' });
  await ask(served, "POST", "namespaces", { namespace: ["ns"] });
  const schema = { type: "struct", fields: [{ id: 1, name: "id", required: false, type: "long" }] };
  for (const name of ["t", "u"]) {
    await ask(served, "POST", "namespaces/ns/tables", { name, schema });
  }
  const { host } = new URL(served.uri);
  writeFileSync(join(project, "tarn.yaml"), `serve: { http: "${host}" }\n`);
  const acknowledged = { t: [] as bigint[], both: [] as bigint[] };
  let kills = 0;
  let killing = Promise.resolve();
  const countNow = (): number => acknowledged.t.length + acknowledged.both.length;
  const hear = (into: bigint[]) => (id: bigint) => {
    into.push(id);
    if (countNow() % KILLED_EVERY !== 0) return;
    kills += 1;
    killing = killing.then(async () => {
      await served.end("SIGKILL");
      served = await serve(project);
    });
  };
  const ends = Array.from({ length: COMMITTERS }, (_, index) =>
    index % 2 === 0
      ? committer(served, ["t"], hear(acknowledged.t))
      : committer(served, ["t", "u"], hear(acknowledged.both)),
  );
  const problems = (await Promise.all(ends)).flatMap((said) => (said === "" ? [] : [said]));
  await killing;
  const { t, both } = acknowledged;
  for (const [name, wanted] of Object.entries({ t: [...t, ...both], u: both })) {
    const loaded = await ask(served, "GET", `namespaces/ns/tables/${name}`);
    problems.push(...wrongIn(objectField(loaded, "metadata"), wanted));
  }
  await served.end("SIGTERM");
  const sql = "select count(distinct commit_number)::double as n from lake.commits";
  const [row] = await askSql(project, sql);
  // Two more made the tables.
  const told = Number(row?.n) - 2;
  if (told !== countNow()) problems.push(`lake.commits has ${told} of ${countNow()}`);
  const commits = `${countNow()} commits, ${both.length} of them to two tables`;
  const text = `rest: ${COMMITTERS} processes, ${commits}, ${kills} kills`;
  check(`${text}: each is there once`, problems);
  if (problems.length === 0) rmSync(project, { recursive: true, force: true });
}

/** What it said when it failed. */
function committer(
  { uri, token }: Served,
  tables: readonly string[],
  heard: (id: bigint) => void,
): Promise<string> {
  const script = join(import.meta.dirname, "committer.ts");
  const child = spawn(process.execPath, [script, uri, token, String(COMMITS_EACH), ...tables]);
  let rest = "";
  let said = "";
  child.stdout.on("data", (bytes) => {
    const lines = `${rest}${bytes}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) heard(BigInt(line));
  });
  child.stderr.on("data", (bytes) => {
    said += bytes;
  });
  return new Promise((resolve) => child.once("close", (code) => resolve(code === 0 ? "" : said)));
}

function wrongIn(metadata: JsonObject, acknowledged: readonly bigint[]): readonly string[] {
  const snapshots = objectsField(metadata, "snapshots");
  const ids = snapshots.map((one) => longField(one, "snapshot-id"));
  const known = new Set(ids);
  const lost = acknowledged.filter((id) => !known.has(id));
  const wanted = new Set(acknowledged);
  const unasked = ids.filter((id) => id !== null && !wanted.has(id));
  const torn = snapshots.filter((one, index) => {
    return longField(one, "parent-snapshot-id") !== (index === 0 ? null : ids[index - 1]);
  });
  const last = longField(metadata, "last-sequence-number");
  return [
    ...lost.map((id) => `acknowledged and lost: ${id}`),
    ...unasked.map((id) => `there and never acknowledged: ${id}`),
    ...torn.map((one) => `not on the one before it: ${String(one["snapshot-id"])}`),
    ...(last === BigInt(ids.length) ? [] : [`sequence number ${last} after ${ids.length}`]),
  ];
}

async function ask(
  { uri, token }: Served,
  method: string,
  path: string,
  body?: JsonObject,
): Promise<JsonObject> {
  const answer = await fetch(`${uri}/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: stringifyJson(body) }),
  });
  const json = parseJson(await answer.text());
  if (answer.ok && isJsonObject(json)) return json;
  throw new Error(`${method} ${path}: ${answer.status} ${stringifyJson(json)}`);
}
