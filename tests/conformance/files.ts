/** Files of many writers, landed, and each value of them compared with what its writer meant. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { askSql, mustRun, programPath } from "../crash/program.ts";

/** Pinned, so that a failure is ours. */
export const WRITER_PACKAGES = [
  "pyarrow==26.0.1",
  "polars==2.1.0",
  "pandas==3.1.1",
  "fastparquet==2026.9.0",
  "openpyxl==3.1.5",
  "xlsxwriter==3.3.1",
] as const;

const BUILD_MS_MAX = 600_000;
const SCRIPT = join(import.meta.dirname, "typed_files.py");

/** What is wrong, a line each, and how many values were right or wrong. */
export async function checkFiles(
  base: string,
  python: string,
): Promise<{ readonly checked: number; readonly wrong: readonly string[] }> {
  const project = join(base, "project");
  const drops = join(project, "drops");
  await mustRun([programPath(), "init", project, "--template", "empty"]);
  mkdirSync(drops, { recursive: true });
  await mustRun([python, SCRIPT, "write", drops]);
  await mustRun([programPath(), "-C", project, "build"], { timeoutMs: BUILD_MS_MAX });
  const set = await askSql(project, "select source, position from lake.quarantine");
  const aside = join(base, "aside.jsonl");
  writeFileSync(aside, set.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const words = [python, SCRIPT, "judge", drops, join(project, "warehouse"), aside];
  const { stdout } = await mustRun(words, { timeoutMs: BUILD_MS_MAX });
  return JSON.parse(stdout);
}
