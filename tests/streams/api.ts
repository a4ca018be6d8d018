/**
 * An API that changes while it is read, is busy, fails, cuts answers short and ends tokens, asked in four styles of
 * pages by a program that is killed: what has landed is what it has. After an outage one run brings both periods.
 * Run by hand: `node cmd/bun.mjs run tests/streams/api.ts`.
 *
 * TARN_STREAM_KILLS (50), TARN_STREAM_SEED, TARN_BIN.
 */

import { mkdtempSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mustRun, programPath, runCommand } from "../crash/program.ts";
import { envNumber, seeded } from "../crash/seeded.ts";
import { ApiServer, endpointsOf, PAGES, type Style } from "../support/api-server.ts";

const KILLS = envNumber("TARN_STREAM_KILLS", 50);
const seed = envNumber("TARN_STREAM_SEED", Date.now() % 1_000_000);
const random = seeded(seed);
const STYLES = Object.keys(PAGES) as Style[]; // parse: its own keys
const IDS = 40;
/** The longest that the program is let live. */
const LIFE_MS = 2_000;
/** A run that was under way at the last change may have gone by it. */
const LAST_RUNS = 3;
/** A server that is busy is waited for. */
const BUILD_MS_MAX = 600_000;
const BUILDS_MAX = 3;
const GIVEN_UP = /does not answer|answers (?:401|429|503)/;

const folder = mkdtempSync(join(tmpdir(), "stream-api-"));
const api = new ApiServer({ nowMs: () => Date.now() }, random, { coarseMs: 5_000, busyMs: 0 });
let isDown = false;
let asked = 0;
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: (request) => {
    asked++;
    if (isDown) return new Response("down", { status: 500 });
    return api.answer(request.url, { headers: request.headers });
  },
});
const url = `http://127.0.0.1:${server.port}`;
const sources = Object.fromEntries(
  STYLES.map((style) => {
    const auth = { token_url: `${url}/token`, client_id: "c", client_secret: "s" };
    const { items, parts } = endpointsOf(style);
    // Each item is a question more.
    const endpoints = style === "cursor" ? { items, parts } : { items };
    return [style, { kind: "api", url, auth, every: "1s", endpoints }];
  }),
);

function changeAny(): void {
  api.change(1 + Math.floor(random() * IDS));
}

/** A question that fails eight times in a row ends its run, which begins again: one in some thousands here. */
async function build(): Promise<void> {
  const command = [programPath(), "build"];
  const options = { cwd: folder, timeoutMs: BUILD_MS_MAX };
  for (let attempt = 1; attempt < BUILDS_MAX; attempt++) {
    const { code, stdout, stderr } = await runCommand(command, options);
    if (code === 0) return;
    const said = /✖ .*/.exec(`${stderr}${stdout}`)?.[0] ?? "";
    if (!GIVEN_UP.test(said)) break;
    console.log(`built again: ${said}`);
  }
  await mustRun(command, options);
}

async function versions(style: Style): Promise<string> {
  const sql = `select id, max(version) as version from bronze.${style}_items group by id order by id`;
  const words = [programPath(), "sql", "--format", "json", "-c", sql];
  return JSON.stringify(JSON.parse((await mustRun(words, { cwd: folder })).stdout));
}

function truth(): string {
  const rows = [...api.items.values()].map(({ id, version }) => ({ id, version }));
  return JSON.stringify(rows.toSorted((a, b) => a.id - b.id));
}

async function isEqual(when: string): Promise<boolean> {
  const wanted = truth();
  let isWhole = true;
  for (const style of STYLES) {
    const found = await versions(style);
    if (found !== wanted) isWhole = false;
    console.log(
      `${when}, ${style}: ${found === wanted ? "equal" : `${found} where it has ${wanted}`}`,
    );
  }
  return isWhole;
}

console.log(`seed ${seed} (repeat with TARN_STREAM_SEED=${seed})`);
await writeFile(join(folder, "tarn.yaml"), JSON.stringify({ sources }));
for (let id = 1; id <= IDS; id++) api.change(id);
const changing = setInterval(changeAny, 50);
let lived = 0;
for (let kill = 0; kill < KILLS; kill++) {
  const up = Bun.spawn([programPath(), "up"], { cwd: folder, stdout: "ignore", stderr: "ignore" });
  await new Promise((resolve) => setTimeout(resolve, 200 + random() * LIFE_MS));
  if (up.exitCode === null) lived++;
  up.kill("SIGKILL");
  await up.exited;
}
clearInterval(changing);
api.isOver = true;
for (let run = 0; run < LAST_RUNS; run++) await build();
const isWhole = await isEqual("after the kills");

// What changed before an outage, and in it, while a reader asks in vain and dies.
changeAny();
isDown = true;
const vain = Bun.spawn([programPath(), "up"], { cwd: folder, stdout: "ignore", stderr: "ignore" });
await new Promise((resolve) => setTimeout(resolve, LIFE_MS));
changeAny();
vain.kill("SIGKILL");
await vain.exited;
isDown = false;
await build();
const isBoth = await isEqual("after an outage");
server.stop(true);
console.log(`${KILLS} kills (${lived} of a living program), ${asked} questions asked`);
if (isWhole && isBoth) await rm(folder, { recursive: true });
else console.log(`FAILED: see ${folder}`);
process.exit(isWhole && isBoth ? 0 : 1);
