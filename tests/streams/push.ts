/**
 * Bodies pushed by several senders to a program that is killed: what was acknowledged has landed, and each once.
 * Run by hand: `node cmd/bun.mjs run tests/streams/push.ts`.
 *
 * TARN_STREAM_KILLS (100), TARN_STREAM_SEED, TARN_BIN.
 */

import { mkdtempSync, readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { programPath } from "../crash/program.ts";
import { envNumber, seeded } from "../crash/seeded.ts";

const KILLS = envNumber("TARN_STREAM_KILLS", 100);
const SENDERS = 4;
/** The longest that the program is let live. */
const LIFE_MS = 1_500;
const seed = envNumber("TARN_STREAM_SEED", Date.now() % 1_000_000);
const random = seeded(seed);

const folder = mkdtempSync(join(tmpdir(), "stream-push-"));
const port = await freePort();
const acknowledged = new Set<number>();
let sent = 0;
let retries = 0;
let again = 0;
let isSending = true;

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" ? (address?.port ?? 0) : 0));
    });
  });
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Says one thing until it is acknowledged, under one key. */
async function send(number: number): Promise<void> {
  for (;;) {
    try {
      const token = readFileSync(join(folder, "warehouse/http.token"), "utf8").trim();
      const response = await fetch(`http://127.0.0.1:${port}/v1/ingest/clicks`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "idempotency-key": `n${number}` },
        body: `{"n":${number}}\n`,
      });
      if (response.ok) {
        const answer = (await response.json()) as { again: boolean };
        if (answer.again) again++;
        acknowledged.add(number);
        return;
      }
      await response.text();
    } catch {
      // It is dead, or not there yet.
    }
    retries++;
    await pause(20);
  }
}

async function sender(): Promise<void> {
  while (isSending) await send(sent++);
}

async function rows(sql: string): Promise<Record<string, number>[]> {
  const child = Bun.spawn([programPath(), "sql", "--format", "json", "-c", sql], { cwd: folder });
  return JSON.parse(await new Response(child.stdout).text());
}

function up() {
  return Bun.spawn([programPath(), "up"], { cwd: folder, stdout: "ignore", stderr: "ignore" });
}

console.log(`seed ${seed} (repeat with TARN_STREAM_SEED=${seed})`);
const yaml = `sources:\n  clicks: { kind: push }\nserve: { http: 127.0.0.1:${port} }\n`;
await writeFile(join(folder, "tarn.yaml"), yaml);
const senders = Array.from({ length: SENDERS }, sender);
for (let kill = 0; kill < KILLS; kill++) {
  const program = up();
  await pause(300 + random() * LIFE_MS);
  program.kill("SIGKILL");
  await program.exited;
}
isSending = false;
const last = up();
await Promise.all(senders);
last.kill("SIGKILL");
await last.exited;
const [counts] = await rows(
  "select count(*) as rows, count(distinct n) as different from bronze.clicks",
);
const isWhole = counts?.rows === acknowledged.size && counts.different === acknowledged.size;
console.log(
  `${KILLS} kills, ${retries} retries, ${acknowledged.size} acknowledged (${again} that had landed before): ` +
    `${counts?.rows} rows, ${counts?.different} different`,
);
if (isWhole) await rm(folder, { recursive: true });
else console.log(`FAILED: see ${folder}`);
process.exit(isWhole ? 0 : 1);
