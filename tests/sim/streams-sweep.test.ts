/** Streams: a database, a log, pushed bodies; models of changes, marks, rereading, a pause. */

import { expect, test } from "bun:test";
import { STREAMS } from "./streams-scenario.ts";
import { sweepTests } from "./sweep-tests.ts";

/** Of customers and their versions in two builds, and of orders in two. */
const MARKS = 5;

sweepTests(
  "streams",
  STREAMS,
  // Of about 2,700 places.
  { cuts: 8, cutsToTheEnd: 1, doubleCuts: 2, failures: 4, commitFaults: 3 },
  (stage) => {
    test("marks are written, and marks in the place of marks", () => {
      expect(stage.bench.engine.counts.marks).toBeGreaterThanOrEqual(MARKS);
    });
  },
);
