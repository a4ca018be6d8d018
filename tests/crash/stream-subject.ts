/**
 * The real program over a stream: a log of changes that was followed before, then grew and was rotated, is read on by
 * another process, committed and made into the rows that are and into versions; `build` under faults, then again.
 */

import { appendFileSync, existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { askSql, mustRun, programPath, runCommand } from "./program.ts";
import type { Recovered, Subject } from "./subject.ts";
import { filesBelow, offsets, walkLake } from "./walk.ts";

interface Event {
  readonly n: number;
  readonly op: "u" | "d";
  readonly id: number;
  readonly v: string;
}

/** Changes of seven things: the first part is there before, the second when the faults come. */
const EVENTS: readonly Event[] = Array.from({ length: 60 }, (_, n) => ({
  n,
  op: n % 11 === 10 ? "d" : "u",
  id: n % 7,
  v: `v${Math.floor(n / 3)}`,
}));
const BEFORE = 20;
/** Lines of the file that was rotated away. */
const ROTATED = 35;

const FEED = `keys: id
   sequence_by: n
   apply_as_delete: op = 'd'
   except: op`;
const CHANGES = "select n, op, id, v from bronze.changes\n";
const MODELS: Readonly<Record<string, string>> = {
  things: `/* tarn\n   kind: cdc\n   ${FEED}\n*/\n${CHANGES}`,
  versions: `/* tarn\n   kind: cdc\n   ${FEED}\n   scd: 2\n   track_history: v\n*/\n${CHANGES}`,
};

export function streamSubject(): Subject {
  return {
    name: "stream",
    async prepare(folder) {
      mkdirSync(join(folder, "models/silver"), { recursive: true });
      const source = "sources:\n  changes: { kind: log, path: app.log }\n";
      writeFileSync(join(folder, "tarn.yaml"), `project: crash\n${source}`);
      for (const [name, sql] of Object.entries(MODELS)) {
        writeFileSync(join(folder, `models/silver/${name}.sql`), sql);
      }
      const log = join(folder, "app.log");
      const text = lines(0, BEFORE + 1);
      // The last line is still being written.
      writeFileSync(log, text.slice(0, -4));
      await mustRun([programPath(), "build"], { cwd: folder });
      appendFileSync(log, `${text.slice(-4)}${lines(BEFORE + 1, ROTATED)}`);
      renameSync(log, `${log}.1`);
      writeFileSync(log, lines(ROTATED, EVENTS.length));
    },
    command: () => [programPath(), "build"],
    lake: (folder) => join(folder, "warehouse"),
    recover,
  };
}

async function recover(folder: string): Promise<Recovered> {
  const problems: string[] = [];
  const again = await runCommand([programPath(), "build"], { cwd: folder });
  if (again.code !== 0) {
    problems.push(`the next build ended with ${again.code}: ${again.stderr.slice(-800)}`);
  }
  const warehouse = join(folder, "warehouse");
  if (!existsSync(join(warehouse, "catalog.db"))) {
    return { problems: [...problems, "no catalog after the next build"], orphans: 0, setAside: 0 };
  }
  try {
    problems.push(...(await wrong(folder)));
  } catch (thrown) {
    problems.push(String(thrown));
  }
  for (const { source, stored, newest } of offsets(warehouse)) {
    if (stored !== newest) problems.push(`the offset of ${source} is ${stored}, not ${newest}`);
  }
  const left = [".staging", "streams"].flatMap((name) => filesBelow(join(warehouse, name)));
  problems.push(...left.map((path) => `left behind: ${path}`));
  const walked = await walkLake(warehouse);
  problems.push(...walked.problems);
  return { problems, orphans: walked.unreached.length, setAside: 0 };
}

/** Each line once, the ledger balanced, and the models what the changes come to. */
async function wrong(folder: string): Promise<string[]> {
  const problems: string[] = [];
  const expect = (what: string, found: unknown, wanted: unknown): void => {
    const [have, want] = [JSON.stringify(found), JSON.stringify(wanted)];
    if (have !== want) problems.push(`${what}: ${have}, not ${want}`);
  };
  const all = await askSql(folder, "select n, op, id, v from bronze.changes order by n");
  expect(
    "lines of the log",
    all,
    EVENTS.map(({ n, op, id, v }) => ({ n, op, id, v })),
  );
  const [sums] = await askSql(
    folder,
    `select sum(rows_in)::int as came, sum(rows_landed)::int as landed,
       sum(rows_quarantined + rows_duplicate)::int as others from lake.ledger`,
  );
  expect("the ledger", sums, { came: EVENTS.length, landed: EVENTS.length, others: 0 });
  const things = await askSql(folder, "select id, v from silver.things order by id");
  expect("what there is", things, thingsOf());
  const versions = await askSql(
    folder,
    "select id, v, __START_AT as s, __END_AT as e from silver.versions order by id, s",
  );
  expect("versions", versions, versionsOf());
  return problems;
}

function thingsOf() {
  const open = versionsOf().filter(({ e }) => e === null);
  return open.map(({ id, v }) => ({ id, v }));
}

/** By brute force, one change after the other. */
function versionsOf() {
  const versions: { id: number; v: string; s: number; e: number | null }[] = [];
  const open = new Map<number, (typeof versions)[number]>();
  for (const { n, op, id, v } of EVENTS) {
    const before = open.get(id);
    if (op === "u" && before?.v === v) continue;
    if (before !== undefined) before.e = n;
    open.delete(id);
    if (op === "d") continue;
    const version = { id, v, s: n, e: null };
    open.set(id, version);
    versions.push(version);
  }
  return versions.sort((a, b) => a.id - b.id || a.s - b.s);
}

function lines(from: number, to: number): string {
  return EVENTS.slice(from, to)
    .map((event) => `${JSON.stringify(event)}\n`)
    .join("");
}
