/** Recipes of the guide that need another engine, run as their readers run them. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buildIfStale } from "../../examples/shop/binary.ts";
import { needsOf, runRecipe } from "../support/recipe.ts";
import { REPOSITORY } from "../support/source-tree.ts";
import { pythonWith, READER_PACKAGES, sparkJars } from "./peers.ts";

/** Pinned, so that a failure is ours. */
const RECIPE_PACKAGES = [
  "pyiceberg[pyarrow,sql-sqlite,pyiceberg-core]==0.12.0",
  "pandas==3.1.1",
  "duckdb==2.0.1",
] as const;

const FOLDER = join(REPOSITORY, "docs/guide/recipes");

/** Runs each; `check` hears what is not as the page says. */
export async function checkRecipes(
  check: (name: string, wrong: readonly string[]) => void,
): Promise<void> {
  if ((await buildIfStale()) !== 0) return check("recipes: dist/tarn", ["it could not be built"]);
  for (const file of readdirSync(FOLDER).sort()) {
    const text = readFileSync(join(FOLDER, file), "utf8");
    const needs = needsOf(text);
    if (needs.length === 0) continue;
    const asksSpark = needs.includes("pyspark");
    const python = await (asksSpark
      ? pythonWith("venv", READER_PACKAGES)
      : pythonWith("recipes", RECIPE_PACKAGES));
    const jars = asksSpark ? await sparkJars() : "";
    if (python === null || jars === null) continue;
    const folder = mkdtempSync(join(tmpdir(), "lake-recipe-"));
    const options = { path: [dirname(python.python)], env: { JARS: jars } };
    const wrong = await runRecipe(text, folder, options);
    check(`recipe ${file}`, wrong);
    if (wrong.length === 0) rmSync(folder, { recursive: true, force: true });
  }
}
