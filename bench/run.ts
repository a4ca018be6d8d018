/** Runs the benchmarks (`npm run bench [-- NAME…]`), each in a process of its own, and prints their tables. */

import { spawn } from "node:child_process";
import { join } from "node:path";

/** In the order of bench/README.md, with their usual arguments. */
const BENCHMARKS: Readonly<Record<string, readonly string[]>> = {
  cold: [],
  ingest: ["200", "2000"],
  batch: [],
  commits: [],
  query: [],
  replay: [],
  idle: [],
  drain: [],
  landed: [],
  binlog: [],
  kafka: [],
  latency: [],
  "small-files": [],
  maintain: [],
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in BENCHMARKS));
if (unknown.length > 0) {
  console.error(
    `no benchmark ${unknown.join(", ")}; there are: ${Object.keys(BENCHMARKS).join(" ")}`,
  );
  process.exit(2);
}
let failed = 0;
for (const [name, args] of Object.entries(BENCHMARKS)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  const script = join(import.meta.dirname, `${name}.ts`);
  const child = spawn(process.execPath, [script, ...args], { stdio: "inherit" });
  const code = await new Promise((resolve) => child.once("exit", resolve));
  if (code !== 0) {
    console.error(`✖ ${name} ended with ${code}`);
    failed += 1;
  }
}
process.exit(failed === 0 ? 0 : 1);
