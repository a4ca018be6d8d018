/** `npm test`: everything that needs nothing but node and npm. Names of steps may follow: `npm test -- unit cli`. */

import { buildIfStale } from "../examples/shop/binary.ts";
import { CHECKS, runSteps, type Step, suite } from "./support/steps.ts";

const SEED = "the seed is printed; run it again with TARN_SEED";
const AT_A_TIME = 2;
/** The longest first: two go at a time, for each waits for its workers, servers and disk about half of it. */
const STEPS: readonly Step[] = [
  ...CHECKS,
  suite("golden", ["tests/golden.test.ts"], "GOLDEN=update rewrites what is meant to change"),
  suite("unit", ["tests/unit"], "one file: node cmd/bun.mjs test tests/unit/…"),
  suite("property", ["tests/property"], SEED),
  suite("sim", ["tests/sim"], SEED),
  suite("postgres", ["tests/postgres"], "one version; npm run test:postgres is all of them"),
  suite(
    "cli",
    ["tests/cli.test.ts", "tests/permissions.test.ts", "tests/up.test.ts"],
    "runs dist/tarn; npm run build makes it",
  ),
  suite("recipes", ["tests/recipes.test.ts"], "pages of docs/guide/recipes, run by dist/tarn"),
];

const chosen = process.argv.slice(2);
const needsBinary =
  chosen.length === 0 || ["golden", "cli", "recipes"].some((name) => chosen.includes(name));
if (needsBinary) {
  const code = await buildIfStale();
  if (code !== 0) process.exit(code);
}
process.exit(await runSteps(STEPS, chosen, AT_A_TIME));
