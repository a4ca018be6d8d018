/** How many of our own files one drop, `status` and one query open, run from the sources: how far an idea is spread. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";

const REPOSITORY = dirname(import.meta.dir);
const ORDERS = "id,amount,placed_on\n1,10.50,2026-11-01\n2,20.25,2026-11-02\n3,7.00,2026-11-03\n";
const GOALS = { drop: 150, status: 60, query: 90 } as const;

const folder = mkdtempSync(join(tmpdir(), "opened-"));
try {
  const lake = join(folder, "lake");
  await mkdir(join(lake, "drops/orders"), { recursive: true });
  writeFileSync(join(lake, "drops/orders/a.csv"), ORDERS);
  const opened = {
    drop: openedBy(lake, ["build"]),
    status: openedBy(lake, ["status"]),
    query: openedBy(lake, ["sql", "-c", "select sum(amount) as total from bronze.orders"]),
  };
  for (const [what, goal] of Object.entries(GOALS)) {
    const files = opened[what as keyof typeof GOALS];
    console.log(`${what.padEnd(8)} ${String(files.length).padStart(4)} files, goal ${goal}`);
    if (process.argv.includes("--list")) for (const file of files) console.log(`  ${file}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Our TypeScript files that a command and its workers opened, sorted. */
function openedBy(lake: string, command: readonly string[]): string[] {
  const trace = join(folder, "trace");
  const program = [process.execPath, "run", join(REPOSITORY, "cmd/main.ts"), "-C", lake];
  const strace = ["-f", "-qq", "-e", "trace=open,openat", "-e", "signal=none", "-o", trace];
  const ran = spawnSync("strace", [...strace, ...program, ...command], { encoding: "utf8" });
  if (ran.status !== 0) {
    throw new Error(`${command[0]} ended with ${ran.status}: ${ran.error ?? ran.stderr}`);
  }
  const paths = new Set<string>();
  for (const line of readFileSync(trace, "utf8").split("\n")) {
    // A call that another thread's interrupts ends on a line of its own, without the path.
    const path = / = -1 /.test(line) ? null : /open(?:at)?\([^"]*"([^"]+\.ts)"/.exec(line)?.[1];
    if (path?.startsWith(`${REPOSITORY}/`) === true && !path.includes("/node_modules/")) {
      paths.add(relative(REPOSITORY, path));
    }
  }
  return [...paths].sort();
}
