/** The real program as a subject: a fresh project, `build` under faults, then `build` again and every check. */

import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { askSql, mustRun, programPath, runCommand } from "./program.ts";
import { BRONZE, type Drop, SOURCE, writeDrop, writeProject } from "./project.ts";
import type { Recovered, Subject } from "./subject.ts";
import { verifyLake } from "./verify.ts";
import { filesBelow } from "./walk.ts";

/** Small, so that every change of it can be a crash point. */
export const SMALL_DROPS: readonly Drop[] = [
  { name: "a.csv", from: 1, rows: 40 },
  { name: "b.csv", from: 41, rows: 30 },
];

/** `build` of the small project. */
export function lakeSubject(): Subject {
  return {
    name: "build",
    async prepare(folder) {
      writeProject(folder, SMALL_DROPS);
    },
    command: () => [programPath(), "build"],
    lake: (folder) => join(folder, "warehouse"),
    recover: (folder) => recoverLake(folder, SMALL_DROPS),
  };
}

/** No crash at all: one drop, a build, another drop, another build; what holds after crashes holds here. */
export async function checkCalmRun(folder: string): Promise<readonly string[]> {
  writeProject(folder, []);
  const problems: string[] = [];
  for (const [index, drop] of SMALL_DROPS.entries()) {
    writeDrop(folder, drop, true);
    const recovered = await recoverLake(folder, SMALL_DROPS.slice(0, index + 1));
    problems.push(...recovered.problems);
    if (recovered.setAside > 0) problems.push(`${recovered.setAside} files set aside`);
  }
  return problems;
}

/**
 * Restores bronze to before its last batch: the batch is withdrawn, its file does not land again by itself, its bytes
 * do when they are dropped under another name.
 */
export async function checkWithdrawal(folder: string): Promise<readonly string[]> {
  const [kept, withdrawn] = SMALL_DROPS;
  if (kept === undefined || withdrawn === undefined) throw new Error("two drops are needed");
  writeProject(folder, []);
  for (const drop of [kept, withdrawn]) {
    writeDrop(folder, drop, true);
    await mustRun([programPath(), "build"], { cwd: folder });
  }
  const problems: string[] = [];
  const expectRows = async (when: string, wanted: number) => {
    const [row] = await askSql(folder, `select count(*)::double as n from ${BRONZE}`);
    if (row?.n !== wanted) problems.push(`${when}: ${row?.n} rows in bronze, not ${wanted}`);
  };
  await mustRun([programPath(), "restore", BRONZE, "--to", "@-1"], { cwd: folder });
  await expectRows("after the restore", kept.rows);
  await mustRun([programPath(), "build"], { cwd: folder });
  await expectRows("after the next build", kept.rows);
  const drops = join(folder, "drops", SOURCE);
  copyFileSync(join(drops, withdrawn.name), join(drops, `again-${withdrawn.name}`));
  await mustRun([programPath(), "build"], { cwd: folder });
  await expectRows("after the same bytes came again", kept.rows + withdrawn.rows);
  return problems;
}

/** Builds again without faults; a second build must then find nothing to do. */
export async function recoverLake(folder: string, drops: readonly Drop[]): Promise<Recovered> {
  const problems: string[] = [];
  const again = await runCommand([programPath(), "build"], { cwd: folder });
  if (again.code !== 0) {
    problems.push(`the next build ended with ${again.code}: ${again.stderr.slice(-800)}`);
  }
  if (!existsSync(join(folder, "warehouse", "catalog.db"))) {
    return { problems: [...problems, "no catalog after the next build"], orphans: 0, setAside: 0 };
  }
  const before = tableFiles(folder);
  await runCommand([programPath(), "build"], { cwd: folder });
  const made = tableFiles(folder).filter((file) => !before.includes(file));
  if (made.length > 0) problems.push(`a build with nothing to do made ${made.join(", ")}`);
  try {
    const verified = await verifyLake(folder, drops);
    return { ...verified, problems: [...problems, ...verified.problems] };
  } catch (thrown) {
    problems.push(String(thrown));
    return { problems, orphans: 0, setAside: 0 };
  }
}

function tableFiles(folder: string): string[] {
  return filesBelow(join(folder, "warehouse")).filter((file) => /\/(data|metadata)\//.test(file));
}
