/** Windows that close, late rows, repairs and a replay. */

import { sweepTests } from "./sweep-tests.ts";
import { WINDOWS } from "./windows-scenario.ts";

sweepTests("windows that close", WINDOWS, {
  cuts: 12,
  cutsToTheEnd: 4,
  doubleCuts: 2,
  failures: 6,
  commitFaults: 6,
});
