/** A whole story: three batches, a replay, retention. */

import { expect, test } from "bun:test";
import { FILES } from "./files-scenario.ts";
import { Sweep } from "./sweep.ts";
import { sweepTests, TIMEOUT_MS } from "./sweep-tests.ts";

/** With an engine that works everything out anew. */
const UNREMEMBERED = 2;
const OPENED = 5;

sweepTests(
  "files",
  FILES,
  // Of about a thousand places.
  { cuts: 30, cutsToTheEnd: 6, doubleCuts: 4, failures: 16, commitFaults: 9 },
  (stage) => {
    test(
      "power cuts with an engine that remembers nothing",
      async () => {
        const { bench, reference } = stage;
        bench.engine.remember = false;
        for (const point of stage.sample(Sweep.all(reference), UNREMEMBERED)) {
          expect(await bench.sweep.cut(reference, point, stage.options(false))).toEqual([]);
        }
        bench.engine.remember = true;
      },
      TIMEOUT_MS,
    );
    test(
      "no file is left open",
      async () => {
        const { bench, reference } = stage;
        const before = bench.openFiles;
        for (const point of stage.sample(Sweep.all(reference), OPENED)) {
          await bench.sweep.cut(reference, point, stage.options(false));
        }
        expect(bench.openFiles).toEqual(before);
      },
      TIMEOUT_MS,
    );
  },
);
