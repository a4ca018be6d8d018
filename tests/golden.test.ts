/** Every golden file, each in a fresh lake. GOLDEN=update writes what was found into the files. */

import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { Glob } from "bun";
import { runGolden } from "./support/golden.ts";

const FOLDER = `${import.meta.dir}/golden`;
const TIMEOUT_MS = 120_000;
const files = [...new Glob("**/*.test").scanSync(FOLDER)].sort();

for (const file of files) {
  test(
    `golden ${file}`,
    async () => {
      const path = `${FOLDER}/${file}`;
      const { failures, updated } = await runGolden(path);
      if (process.env.GOLDEN === "update") writeFileSync(path, updated);
      else expect(failures.join("\n\n")).toBe("");
    },
    TIMEOUT_MS,
  );
}
