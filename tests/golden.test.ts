/**
 * Every golden file, each in a fresh lake: commands and queries here, workers and whole programs by dist/tarn, which is
 * built if need be. GOLDEN=update writes what was found into the files.
 */

import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { Glob } from "bun";
import { buildIfStale } from "../examples/shop/binary.ts";
import { binaryWorker } from "./support/binary.ts";
import { runGolden } from "./support/golden.ts";
import { Turns } from "./support/turns.ts";

const FOLDER = `${import.meta.dir}/golden`;
/** With the time that a file waits for its turn. */
const TIMEOUT_MS = 900_000;
/** Most of a golden file is waiting for its workers: a few at a time keep the cores busy. */
const turns = new Turns(Math.max(2, availableParallelism()));
const files = [...new Glob("**/*.test").scanSync(FOLDER)].sort();
if ((await buildIfStale()) !== 0) throw new Error("dist/tarn cannot be built");
const worker = await binaryWorker();

for (const file of files) {
  test.concurrent(
    `golden ${file}`,
    async () => {
      const path = `${FOLDER}/${file}`;
      using _turn = await turns.take();
      const { failures, updated } = await runGolden(path, worker);
      if (process.env.GOLDEN === "update") writeFileSync(path, updated);
      else expect(failures.join("\n\n")).toBe("");
    },
    TIMEOUT_MS,
  );
}
