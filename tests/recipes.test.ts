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

test("the commands of the workflow for pull requests are those that the page runs", () => {
  const text = readFileSync(join(FOLDER, "pull-requests.md"), "utf8");
  const runs = [...text.matchAll(/^ *- run: (.+)$/gm)].map(([, line = ""]) => line);
  const shell = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)]
    .map(([, lines = ""]) => lines)
    .join("");
  expect(runs.length).toBe(5);
  expect(runs.filter((line) => !shell.includes(`${line}\n`))).toEqual([]);
});

test("the page of what a project is made of", async () => {
  const text = readFileSync(join(REPOSITORY, "docs/guide/project.md"), "utf8");
  await using folder = await tempFolder();
  expect(await runRecipe(text, folder.path)).toEqual([]);
});

test("the page of dbt projects", async () => {
  const text = readFileSync(join(REPOSITORY, "docs/guide/dbt.md"), "utf8");
  await using folder = await tempFolder();
  expect(await runRecipe(text, folder.path)).toEqual([]);
});

test("the page of event time", async () => {
  const text = readFileSync(join(REPOSITORY, "docs/guide/event-time.md"), "utf8");
  await using folder = await tempFolder();
  expect(await runRecipe(text, folder.path)).toEqual([]);
});

test("the first commands of the README, and those of its first minutes, but for what runs for ever", async () => {
  const readme = readFileSync(join(REPOSITORY, "README.md"), "utf8");
  const blocks = [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, text = ""]) => text);
  const first = blocks.find((text) => text.startsWith("tarn init shop")) ?? "";
  const minutes = blocks.find((text) => text.includes("tarn init --template empty lake")) ?? "";
  for (const text of [first, minutes]) {
    const runs = text.replace(/^tarn up\b.*$/m, "tarn build");
    await using folder = await tempFolder();
    const downloads =
      "mkdir -p ~/Downloads\nprintf 'ordered_on,amount\\n2026-01-01,2.50\\n' > ~/Downloads/orders.csv\n";
    const page = `\`\`\`sh\n${downloads}${runs}\`\`\`\n`;
    expect(await runRecipe(page, folder.path)).toEqual([]);
  }
});

test("every recipe is listed, and says in one sentence what it is for", () => {
  const list = readFileSync(join(FOLDER, "README.md"), "utf8");
  const missing = PAGES.filter((file) => !new RegExp(`\\]\\(${file}\\): .{10,}`).test(list));
  expect(missing).toEqual([]);
});
