/** Every page that an error names exists. */

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Glob } from "bun";
import { EXPLAIN_PAGES } from "../../../../cmd/commands/explain-pages.ts";
import { REPOSITORY } from "../../../support/source-tree.ts";

test("page ids in the code have a page, and pages have what a page needs", () => {
  const known = new Set(EXPLAIN_PAGES.map((page) => page.id));
  const missing: string[] = [];
  for (const path of new Glob("{cmd,core,sql,storage}/**/*.ts").scanSync(REPOSITORY)) {
    const text = readFileSync(`${REPOSITORY}/${path}`, "utf8");
    for (const [id] of text.matchAll(/\bT0\d{3}\b/g))
      if (!known.has(id)) missing.push(`${id} in ${path}`);
  }
  expect(missing).toEqual([]);
  for (const page of EXPLAIN_PAGES) {
    expect(page.title).not.toBe("");
    expect(page.means.endsWith(".")).toBe(true);
    expect(page.todo.length).toBeGreaterThan(0);
  }
});
