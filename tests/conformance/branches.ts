/** Branches that PyIceberg reads as we wrote them, and that become main as it wrote them. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mustRun, programPath } from "../crash/program.ts";

/** Answers what is wrong. */
export async function checkBranches(python: string): Promise<readonly string[]> {
  const project = mkdtempSync(join(tmpdir(), "lake-branches-"));
  const script = join(import.meta.dirname, "branches_pyiceberg.py");
  const tarn = async (...words: readonly string[]): Promise<string> =>
    (await mustRun([programPath(), ...words], { cwd: project })).stdout;
  const peer = async (word: string): Promise<string> => {
    const command = [python, script, join(project, "warehouse"), word];
    return (await mustRun(command, { cwd: project })).stdout.trim();
  };
  const wrong: string[] = [];
  const expect = (what: string, found: string, wanted: string): void => {
    if (found !== wanted) wrong.push(`${what}: ${found}, not ${wanted}`);
  };
  mkdirSync(join(project, "drops"));
  writeFileSync(join(project, "tarn.yaml"), "project: branches\n");
  await tarn("sql", "-c", "create table gold.prices (id int, price int)");
  await tarn("sql", "-c", "insert into gold.prices values (1, 100), (2, 200)");
  await tarn("branch", "create", "fix");
  await tarn("sql", "--branch", "fix", "-c", "delete from gold.prices where id = 1");
  await tarn("sql", "--branch", "fix", "-c", "insert into gold.prices values (3, 300)");
  expect("as read", await peer("read"), "[1, 2] [2, 3] ['fix', 'main']");
  await tarn("branch", "promote", "fix");
  expect("as written", await peer("write"), "[2, 3] [2, 3, 7, 8]");
  const listed = await tarn("branch");
  if (!listed.includes("theirs")) wrong.push(`tarn branch does not list theirs: ${listed}`);
  await tarn("branch", "promote", "theirs");
  expect("as promoted", await peer("after"), "[2, 3, 7, 8] ['main']");
  if (wrong.length === 0) rmSync(project, { recursive: true, force: true });
  return wrong;
}
