/**
 * A log that is written as fast as it goes, rotated by renaming and by copying, and followed by a program that is
 * killed: each line lands once. Run by hand: `node cmd/bun.mjs run tests/streams/log.ts`.
 *
 * TARN_STREAM_KILLS (50), TARN_STREAM_SEED, TARN_BIN.
 */

import { appendFileSync, copyFileSync, mkdtempSync, renameSync, truncateSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { programPath } from "../crash/program.ts";
import { envNumber, seeded } from "../crash/seeded.ts";

const KILLS = envNumber("TARN_STREAM_KILLS", 50);
const seed = envNumber("TARN_STREAM_SEED", Date.now() % 1_000_000);
const random = seeded(seed);
const WRITE_MS = 3;
/** The longest that the program is let live. */
const LIFE_MS = 1_500;

const folder = mkdtempSync(join(tmpdir(), "stream-log-"));
const path = join(folder, "app.log");
let written = 0;
let rotations = 0;

/** Some lines, sometimes half of one: all that a program does to its log, but for rotating it. */
function write(): void {
  const lines = Array.from({ length: 1 + Math.floor(random() * 40) }, () => `{"n":${written++}}\n`);
  const text = lines.join("");
  const cut = Math.floor(random() * text.length);
  appendFileSync(path, text.slice(0, cut));
  appendFileSync(path, text.slice(cut));
}

/** Once in a while: by renaming, or by copying. */
function rotate(): void {
  const dice = random();
  if (dice < 0.01) renameSync(path, `${path}.${rotations++}`);
  else if (dice < 0.02) {
    // Nothing is written between the two, as nothing may be that is not to be lost.
    copyFileSync(path, `${path}.${rotations++}`);
    truncateSync(path);
  }
  appendFileSync(path, "");
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

async function run(words: readonly string[]): Promise<string> {
  const child = Bun.spawn([programPath(), ...words], {
    cwd: folder,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`tarn ${words.join(" ")} ended with ${code}: ${errors}`);
  return out;
}

console.log(`seed ${seed} (repeat with TARN_STREAM_SEED=${seed})`);
await writeFile(join(folder, "tarn.yaml"), `sources:\n  app: { kind: log, path: ${path} }\n`);
// What was rotated before anybody followed is not asked for: the first lines stay where they are.
write();
await run(["build"]);
let isWriting = true;
const writer = (async () => {
  while (isWriting) {
    write();
    rotate();
    await pause(WRITE_MS);
  }
})();
let lived = 0;
for (let kill = 0; kill < KILLS; kill++) {
  const up = Bun.spawn([programPath(), "up"], { cwd: folder, stdout: "ignore", stderr: "pipe" });
  await pause(200 + random() * LIFE_MS);
  if (up.exitCode === null) lived++;
  up.kill("SIGKILL");
  await up.exited;
}
isWriting = false;
await writer;
// A file that was rotated away is over when it has been quiet for a while: each takes its turn.
await run(["build"]);
const sql =
  "select count(*) as rows, count(distinct n) as different, max(n) as last from bronze.app";
const [counts] = JSON.parse(await run(["sql", "--format", "json", "-c", sql]));
const batches = JSON.parse(
  await run(["sql", "--format", "json", "-c", "select count(*) as n from lake.batches"]),
);
const isWhole =
  counts.rows === written && counts.different === written && counts.last === written - 1;
console.log(
  `${KILLS} kills (${lived} of a living program), ${rotations} rotations, ${written} lines, ` +
    `${batches[0].n} batches: ${counts.rows} rows, ${counts.different} different`,
);
if (isWhole) await rm(folder, { recursive: true });
else console.log(`FAILED: see ${folder}`);
process.exit(isWhole ? 0 : 1);
