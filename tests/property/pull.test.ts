/** A table that changes while it is pulled, by readers that die: what is landed is what it has, and nothing twice. */

import { Database } from "bun:sqlite";
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync } from "node:fs";
import fc from "fast-check";
import { must } from "../../core/base/assert.ts";
import type { Clock } from "../../core/ports.ts";
import { PullReader } from "../../storage/sources/pull/read.ts";
import { PULL_SETTINGS } from "../../storage/sources/pull/settings.ts";
import { rowsOf } from "../postgres/segment-rows.ts";
import { SimRandom } from "../sim/world.ts";
import { tempFolder } from "../support/temp-folder.ts";

setDefaultTimeout(120_000);

const START = Date.UTC(2026, 10, 1);
const EVERY_MS = 60_000;
/** Clocks of databases are coarse here: many changes have one time. */
const COARSE_MS = 20_000;
/** A transaction takes at most so long from its clock to its commit. */
const LATE_MS = 40_000;

class PassingClock implements Clock {
  #nowMs = START;
  nowMs(): number {
    return this.#nowMs;
  }
  async sleep(ms: number): Promise<void> {
    this.#nowMs += ms;
  }
}

type Kind = "time" | "number" | "milliseconds" | "no overlap";
interface Story {
  readonly kind: Kind;
  readonly seed: number;
  readonly page: number;
  readonly steps: readonly ("change" | "late" | "clear" | "read" | "die" | "wait")[];
}

const step = (weight: number, name: Story["steps"][number]) => ({
  weight,
  arbitrary: fc.constant(name),
});
const STORY: fc.Arbitrary<Story> = fc.record({
  kind: fc.constantFrom<Kind>("time", "number", "milliseconds", "no overlap"),
  seed: fc.integer({ min: 1, max: 1_000_000 }),
  page: fc.integer({ min: 1, max: 5 }),
  steps: fc.array(
    fc.oneof(
      ...[step(5, "change"), step(1, "late"), step(1, "clear")],
      ...[step(6, "read"), step(1, "die"), step(2, "wait")],
    ),
    { maxLength: 60 },
  ),
});

/** A table whose rows say when they changed last, or not; keys of any type. */
class Crm {
  readonly database: Database;
  readonly #clock: Clock;
  readonly #kind: Kind;
  #version = 0;

  constructor(path: string, kind: Kind, clock: Clock) {
    this.database = new Database(path, { create: true });
    this.database.run("PRAGMA journal_mode = wal");
    const type = kind === "time" ? "datetime" : "integer";
    this.database.run(`CREATE TABLE t (a, b TEXT, v INTEGER, changed ${type}, PRIMARY KEY (a, b))`);
    this.#clock = clock;
    this.#kind = kind;
  }

  change(id: number, byMs: number | null): void {
    this.#version += 1;
    const nowMs = this.#clock.nowMs() - (byMs ?? 0);
    const coarse = Math.floor(nowMs / COARSE_MS) * COARSE_MS;
    const text = new Date(coarse).toISOString().slice(0, 19).replace("T", " ");
    const changed = this.#kind === "time" ? text : this.#kind === "number" ? this.#version : coarse;
    const key = id % 3 === 0 ? `k${id}` : id % 3 === 1 ? id : id / 2;
    const given = byMs === null ? null : changed;
    this.database.run("INSERT OR REPLACE INTO t VALUES (?, ?, ?, ?)", [
      key,
      "x",
      this.#version,
      given,
    ]);
  }

  get rows(): ReadonlyMap<string, string> {
    const rows = this.database.query<{ a: unknown; v: number }, []>("SELECT a, v FROM t").all();
    return new Map(rows.map(({ a, v }) => [String(a), String(v)]));
  }
}

async function tell(root: string, { kind, seed, page, steps }: Story) {
  const clock = new PassingClock();
  const random = new SimRandom(seed);
  const crm = new Crm(`${root}/crm.db`, kind, clock);
  for (let id = 1; id <= 8; id++) crm.change(id, 0);
  const lakeRoot = `${root}/lake`;
  mkdirSync(lakeRoot);
  // What is committed in its order needs no overlap.
  const isInOrder = kind === "number" || kind === "no overlap";
  const overlap = isInOrder ? {} : { overlap: `${LATE_MS + COARSE_MS}ms` };
  const given = {
    ...{ url: "sqlite:crm.db", every: `${EVERY_MS}ms`, page },
    tables: { t: { cursor: "changed", ...overlap } },
  };
  const settings = must(PULL_SETTINGS.read(given, { path: [], issues: [] }), "they are right");
  const landed: { readonly key: string; readonly version: string; readonly at: string }[] = [];
  let position: string | null = null;
  let reader: PullReader | null = null;
  const request = () => ({
    ...{ stream: "crm", kind: "pull", settings, lakeId: "lake", lakeRoot },
    ...{ folder: `${lakeRoot}/streams/crm`, projectRoot: root, from: position },
  });
  const read = async (): Promise<boolean> => {
    reader ??= await PullReader.open(request(), settings, { clock, random, notice: () => {} });
    const stretch = await reader.next(
      { bytes: 1_000, lingerMs: 10, ms: 10 },
      new AbortController().signal,
    );
    if (stretch === null) return false;
    for (const { path } of stretch.files) {
      for (const { values, position: at } of await rowsOf(path)) {
        landed.push({ key: `${values[0]}`, version: `${values[2]}`, at });
      }
    }
    position = stretch.to;
    return true;
  };
  const any = (): number => 1 + Math.floor(random.fraction() * 12);
  for (const name of steps) {
    if (name === "change") crm.change(any(), 0);
    else if (name === "late") crm.change(any(), isInOrder ? 0 : random.fraction() * LATE_MS);
    else if (name === "clear") crm.change(any(), null);
    else if (name === "read") await read();
    else if (name === "die") reader = null;
    else await clock.sleep(EVERY_MS / 2);
  }
  for (let run = 0; run < 2; run++) {
    await clock.sleep(EVERY_MS);
    while (await read());
  }
  return { wanted: crm.rows, landed };
}

test("what a table has is landed once, whatever changes and whoever dies", async () => {
  await fc.assert(
    fc.asyncProperty(STORY, async (story) => {
      await using folder = await tempFolder();
      const { wanted, landed } = await tell(folder.path, story);
      const latest = new Map<string, string>();
      for (const { key, version } of landed.toSorted((a, b) => (a.at < b.at ? -1 : 1))) {
        latest.set(key, version);
      }
      expect(new Map([...latest].sort())).toEqual(new Map([...wanted].sort()));
      const once = new Set(landed.map(({ key, version }) => `${key}/${version}`));
      expect(landed.length).toBe(once.size);
    }),
    { numRuns: 60 },
  );
});
