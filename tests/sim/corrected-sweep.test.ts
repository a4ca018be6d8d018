/** Corrections that come, change and go, and runs that are taken back. */

import { CORRECTED } from "./corrected-scenario.ts";
import { sweepTests } from "./sweep-tests.ts";

sweepTests("corrections and undone runs", CORRECTED, {
  cuts: 12,
  cutsToTheEnd: 4,
  doubleCuts: 2,
  failures: 6,
  commitFaults: 6,
});
