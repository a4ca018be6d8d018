/** Seeded bugs are edits of the sources as they are: one that no longer applies would prove nothing. */

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MUTANTS } from "../../crash/mutant-list.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");

test.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))("%s applies", (_, mutant) => {
  const text = readFileSync(join(ROOT, mutant.file), "utf8");
  expect(text.split(mutant.search).length - 1).toBe(1);
});
