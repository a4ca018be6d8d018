/** Keys, questions, answers and a replay. */

import { LOOKUPS } from "./lookups-scenario.ts";
import { sweepTests } from "./sweep-tests.ts";

sweepTests("answers from outside", LOOKUPS, {
  cuts: 12,
  cutsToTheEnd: 4,
  doubleCuts: 2,
  failures: 6,
  commitFaults: 6,
});
