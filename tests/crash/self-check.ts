/** Does the harness bite: the specimen passes, and each of its bugs is seen. */

import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { FIXTURE_BUGS } from "./fixture.ts";
import { proveOrder, traceCommand } from "./order.ts";
import { killPoints } from "./points.ts";
import { fixtureSubject, type Subject } from "./subject.ts";

/** The one bug of the specimen that only a kill shows; all others are a matter of order. */
const SHOWN_BY_KILL = "offset-outside";
const KILL_STRIDE = 3;
const KILL_BUDGET_MS = 60_000;

/** What is wrong with the harness itself; empty when it can be believed. */
export async function checkHarness(lanes: number): Promise<string[]> {
  const problems: string[] = [];
  for (const bug of [null, ...FIXTURE_BUGS]) {
    const subject = fixtureSubject(bug);
    const seen = await orderProblems(subject);
    const expected = bug !== null && bug !== SHOWN_BY_KILL;
    if (seen.length > 0 !== expected) {
      problems.push(`order proof of ${subject.name}: ${seen[0] ?? "nothing seen"}`);
    }
  }
  const options = { lanes, budgetMs: KILL_BUDGET_MS, stopAtFirst: true };
  const right = await killPoints(fixtureSubject(null), { ...options, stride: KILL_STRIDE });
  problems.push(...right.problems);
  const wrong = await killPoints(fixtureSubject(SHOWN_BY_KILL), { ...options, stride: 1 });
  if (wrong.problems.length === 0) problems.push(`no kill shows ${SHOWN_BY_KILL}`);
  return problems;
}

async function orderProblems(subject: Subject): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), "lake-order-"));
  try {
    await subject.prepare(folder);
    const calls = await traceCommand(subject.command(folder), folder, join(folder, "strace.log"));
    using catalog = new Database(join(subject.lake(folder), "catalog.db"), { readonly: true });
    // parse: the one column of the statement
    const rows = catalog.query("select path from landed").all() as { path: string }[];
    const namings = rows.map(({ path }) => ({ key: basename(path), files: [path] }));
    return proveOrder(calls, subject.lake(folder), namings).problems;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
