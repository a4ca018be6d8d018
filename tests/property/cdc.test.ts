/**
 * A change feed against brute force: whatever changes come in whatever order and batches, the table is what applying
 * every change one by one gives. TARN_HISTORIES says of how many keys (10,000 take some minutes).
 */

import { expect, test } from "bun:test";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { FeedBench } from "./cdc-bench.ts";
import { type Change, isSound, tableOf, type Version } from "./cdc-oracle.ts";

const HISTORIES = Number(process.env.TARN_HISTORIES ?? 400);
const KEYS = 40;
const RUNS = Math.ceil(HISTORIES / KEYS);

const change = fc.record({
  id: fc.option(fc.integer({ min: 1, max: KEYS }), { freq: 40 }),
  op: fc.oneof(
    {
      weight: 30,
      arbitrary: fc.constantFrom("u" as const, "u" as const, "u" as const, "d" as const),
    },
    { weight: 1, arbitrary: fc.constantFrom("t" as const, null) },
  ),
  s1: fc.option(fc.integer({ min: 0, max: 12 }), { freq: 40 }),
  s2: fc.option(fc.integer({ min: 0, max: 2 }), { freq: 40 }),
  v: fc.option(fc.constantFrom("a", "b", "it's"), { freq: 4 }),
  w: fc.option(fc.integer({ min: 0, max: 1 }), { freq: 4 }),
});

const rule = fc
  .record({
    scd: fc.constantFrom(1 as const, 2 as const),
    ignoreNullUpdates: fc.boolean(),
    empties: fc.boolean(),
    parts: fc.constantFrom(1 as const, 2 as const),
    tracked: fc.constantFrom(["v", "w"] as const, ["v"] as const, ["w"] as const),
    /** Files of more rows get position deletes. */
    rewrittenRowsMax: fc.constantFrom(0, 0, 8, 100_000),
    indexed: fc.boolean(),
    /** Too many to be read again by one thread, or not. */
    saidRows: fc.constantFrom(0n, 600_000n),
    /** Mostly in order, as feeds are, or in any order. */
    isSorted: fc.boolean(),
  })
  .map(({ empties, ...rest }) => {
    const truncateWhen = empties && rest.scd === 1 ? "op = 't'" : null;
    return { ...rest, truncateWhen };
  });

const story = fc.record({
  rule,
  batches: fc.array(fc.array(change, { minLength: 1, maxLength: 90 }), {
    minLength: 1,
    maxLength: 5,
  }),
  /** What a batch is followed by: no run, a run, or a run over everything. */
  runs: fc.array(fc.constantFrom("none", "delta", "delta", "delta", "full"), {
    minLength: 5,
    maxLength: 5,
  }),
  /** Batches that come again, and batches whose rows take the place of an earlier one. */
  again: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
  retried: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
  /** How many files are made one after a run. */
  compacted: fc.array(fc.constantFrom(0, 1, 2, 3, 100), { minLength: 5, maxLength: 5 }),
});

test(
  `a feed of any changes in any batches equals them one by one (${RUNS * KEYS} histories)`,
  async () => {
    let deltas = 0;
    let marks = 0;
    await fc.assert(
      fc.asyncProperty(story, async ({ rule, batches, runs, again, retried, compacted }) => {
        await using bench = await FeedBench.open(rule);
        const all: Change[] = [];
        const land = async (rows: readonly Omit<Change, "place">[], isRetried: boolean) => {
          const placed = await bench.land(rows, isRetried);
          all.push(...placed);
        };
        for (const [index, rows] of batches.entries()) {
          const shifted = rule.isSorted
            ? rows.map((row) => ({ ...row, s1: row.s1 === null ? null : row.s1 + index * 11 }))
            : rows;
          await land(shifted, index > 0 && retried[index] === true);
          if (again[index] === true) await land(shifted.slice(0, 20), false);
          const run = index === batches.length - 1 ? "delta" : runs[index];
          if (run === "none") continue;
          if (run === "delta") deltas++;
          await bench.run(run === "full");
          expect(bench.listedRows).toBe((await bench.rows()).length);
          await bench.compact(compacted[index] ?? 0);
          expect(await bench.versions()).toEqual(expected(all, rule));
          expect(bench.listedRows).toBe((await bench.rows()).length);
          expect(bench.accounts).toEqual({
            rowsIn: BigInt(bench.due.length),
            aside: BigInt(bench.due.filter((row) => !isSound(row, rule)).length),
          });
        }
        marks += bench.marks;
        const live = await bench.rows();
        await bench.run(true);
        expect(live).toEqual(await bench.rows());
      }),
      { numRuns: RUNS },
    );
    expect(deltas).toBeGreaterThanOrEqual(RUNS);
    // Few stories may have none: whether a table is large enough for them is drawn too.
    if (RUNS >= 100) expect(marks).toBeGreaterThan(0);
  },
  HISTORIES * 500 + 60_000,
);

test("a run of few rows is begun again with all threads where it has to read many", async () => {
  const rule = { scd: 1, ignoreNullUpdates: false, truncateWhen: null, parts: 1 } as const;
  const more = { tracked: [], rewrittenRowsMax: 0, saidRows: 600_000n } as const;
  await using bench = await FeedBench.open({ ...rule, ...more });
  const all: Change[] = [];
  const run = async (s1: number, v: string) => {
    all.push(...(await bench.land([{ id: 1, op: "u", s1, s2: 0, v, w: 0 }], false)));
    await bench.run(false);
    expect(await bench.versions()).toEqual(expected(all, { ...rule, ...more }));
    return bench.openings;
  };
  expect(await run(5, "a")).toEqual(["many"]);
  expect(await run(6, "b")).toEqual(["few"]);
  expect(await run(4, "late")).toEqual(["few", "many"]);
});

test("indexes of keys that are missing, of another file, half written or damaged change nothing", async () => {
  const tampered = fc.record({
    scd: fc.constantFrom(1 as const, 2 as const),
    batches: fc.array(fc.array(change, { minLength: 10, maxLength: 60 }), {
      minLength: 5,
      maxLength: 8,
    }),
    what: fc.array(fc.constantFrom("nothing", "gone", "cut", "flipped", "swapped", "dead run"), {
      minLength: 8,
      maxLength: 8,
    }),
    byte: fc.nat(),
  });
  let used = 0;
  await fc.assert(
    fc.asyncProperty(tampered, async ({ scd, batches, what, byte }) => {
      const rule = { scd, ignoreNullUpdates: false, truncateWhen: null, parts: 1 } as const;
      const more = { tracked: ["v", "w"], rewrittenRowsMax: 0, indexed: true } as const;
      await using bench = await FeedBench.open({ ...rule, ...more });
      const all: Change[] = [];
      for (const [index, rows] of batches.entries()) {
        const later = rows.map((row) => ({
          ...row,
          s1: row.s1 === null ? null : row.s1 + index * 8,
        }));
        all.push(...(await bench.land(later, false)));
        await bench.run(false);
        expect(await bench.versions()).toEqual(expected(all, { ...rule, ...more }));
        used += await tamper(bench.indexes, what[index] ?? "nothing", byte);
      }
    }),
    { numRuns: Math.ceil(RUNS / 2) },
  );
  expect(used).toBeGreaterThan(RUNS / 2);
}, 300_000);

/** Does that to every index; answers how many there were. */
async function tamper(folder: string, what: string, byte: number): Promise<number> {
  if (!existsSync(folder)) return 0;
  const paths = readdirSync(folder).map((name) => join(folder, name));
  const contents = await Promise.all(paths.map((path) => Bun.file(path).bytes()));
  for (const [index, path] of paths.entries()) {
    const bytes = Uint8Array.from(contents[index] ?? []);
    const at = byte % Math.max(1, bytes.length);
    if (what === "gone") rmSync(path);
    if (what === "cut") await Bun.write(path, bytes.subarray(0, at));
    if (what === "swapped") await Bun.write(path, contents[(index + 1) % paths.length] ?? bytes);
    if (what === "dead run") await Bun.write(`${path}-${index}`, bytes.subarray(0, at));
    if (what === "flipped") {
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      await Bun.write(path, bytes);
    }
  }
  return paths.length;
}

/** Files of more rows are marked and never small; or all are small, as in most tables. */
test.each([0, 100_000])(
  "many small runs: marks are folded, small files become one, files half gone are written again (%d)",
  async (rewrittenRowsMax) => {
    const rule = {
      scd: 2,
      ignoreNullUpdates: false,
      truncateWhen: null,
      parts: 1,
      tracked: ["v", "w"],
      rewrittenRowsMax,
      indexed: true,
    } as const;
    const changes = fc.array(fc.array(change, { minLength: 1, maxLength: 6 }), {
      minLength: 40,
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(changes, async (batches) => {
        await using bench = await FeedBench.open(rule);
        const all: Change[] = [];
        for (const [index, rows] of batches.entries()) {
          const later = rows.map((row) => ({
            ...row,
            s1: row.s1 === null ? null : row.s1 + index * 8,
          }));
          all.push(...(await bench.land(later, false)));
          await bench.run(false);
          expect(bench.listedRows).toBe((await bench.rows()).length);
          if (index % 5 !== 4) continue;
          await bench.compact(2);
          expect(await bench.versions()).toEqual(expected(all, rule));
        }
        expect(await bench.versions()).toEqual(expected(all, rule));
        expect(bench.files.marks).toBeLessThanOrEqual(17);
      }),
      { numRuns: 2, endOnFailure: true },
    );
  },
  120_000,
);

function expected(all: readonly Change[], rule: Parameters<typeof tableOf>[1]): Version[] {
  return tableOf(
    [...all].sort((a, b) => a.place - b.place),
    rule,
  );
}
