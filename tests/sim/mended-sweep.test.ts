/** Rows mended together, files forgotten with their originals and dropped again. */

import { MENDED } from "./mended-scenario.ts";
import { sweepTests } from "./sweep-tests.ts";

sweepTests("mended and forgotten rows", MENDED, {
  cuts: 16,
  cutsToTheEnd: 4,
  doubleCuts: 2,
  failures: 8,
  commitFaults: 6,
});
