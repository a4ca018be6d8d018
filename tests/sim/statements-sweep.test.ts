/** Statements on tables of format v2 and v3. */

import { STATEMENTS } from "./statements-scenario.ts";
import { sweepTests } from "./sweep-tests.ts";

sweepTests("statements", STATEMENTS, {
  cuts: 8,
  cutsToTheEnd: 3,
  doubleCuts: 2,
  failures: 6,
  commitFaults: 6,
});
