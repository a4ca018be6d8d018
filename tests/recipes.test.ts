/** Every recipe of the guide does what it says, run by the binary; those that need other engines run in conformance. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { needsOf, runRecipe } from "./support/recipe.ts";
import { REPOSITORY } from "./support/source-tree.ts";
import { tempFolder } from "./support/temp-folder.ts";

setDefaultTimeout(180_000);

const FOLDER = join(REPOSITORY, "docs/guide/recipes");
const PAGES = readdirSync(FOLDER).filter((file) => file.endsWith(".md") && file !== "README.md");

for (const file of PAGES.sort()) {
  const text = readFileSync(join(FOLDER, file), "utf8");
  if (needsOf(text).length > 0) continue;
  test(`recipe ${file}`, async () => {
    await using folder = await tempFolder();
    expect(await runRecipe(text, folder.path)).toEqual([]);
  });
}

test("every recipe is listed, and says in one sentence what it is for", () => {
  const list = readFileSync(join(FOLDER, "README.md"), "utf8");
  const missing = PAGES.filter((file) => !new RegExp(`\\]\\(${file}\\): .{10,}`).test(list));
  expect(missing).toEqual([]);
});
