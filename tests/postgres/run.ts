/** `npm run test:postgres`: PostgreSQL as a source, with servers of all versions, which are installed first. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { runSteps, suite } from "../support/steps.ts";

const SERVERS = join(import.meta.dirname, "servers");

if (!existsSync(join(SERVERS, "node_modules"))) {
  // `npm ci` of npm 11 does not find all aliases of one package in a lock file.
  const install = Bun.spawnSync(
    ["npm", "install", "--no-save", "--ignore-scripts", "--prefix", SERVERS],
    {
      stdio: ["ignore", "inherit", "inherit"],
    },
  );
  if (install.exitCode !== 0) process.exit(install.exitCode);
}
process.env.TARN_TEST_POSTGRES ??= "all";
process.env.TARN_TEST_KILLS ??= "50";
const steps = [
  "wire",
  "setup",
  "handover",
  "misbehaving",
  "values",
  "matrix",
  "lake",
  "lookup",
  "reconcile",
].map((name) =>
  suite(name, [`tests/postgres/${name}.test.ts`], "TARN_TEST_POSTGRES=17 runs one version"),
);
process.exit(await runSteps(steps, process.argv.slice(2)));
