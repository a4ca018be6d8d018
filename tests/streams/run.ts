/**
 * The stream suites (`npm run test:streams`): what reads and takes streams is killed again and again, and every row is
 * in the lake once. Name some as arguments to run only those. TARN_STREAM_KILLS says how often.
 */

import { spawnSync } from "node:child_process";
import { join } from "node:path";

const SUITES = ["log", "push", "api", "pull", "kafka", "postgres", "mysql", "large"] as const;

const asked = SUITES.filter((name) => process.argv.slice(2).includes(name));
const failed: string[] = [];
for (const suite of asked.length > 0 ? asked : SUITES) {
  console.log(`── ${suite}`);
  const file = join(import.meta.dir, `${suite}.ts`);
  const { status } = spawnSync(process.execPath, ["run", file], { stdio: "inherit" });
  if (status !== 0) failed.push(suite);
}
console.log(failed.length === 0 ? "streams: passed" : `streams: FAILED ${failed.join(", ")}`);
process.exit(failed.length === 0 ? 0 : 1);
