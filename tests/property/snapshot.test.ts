/** Versions of full loads against brute force: whatever the loads have and lack, in whatever batches they come. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import type { FullLoads } from "../../core/model/feed.ts";
import { FeedBench } from "./cdc-bench.ts";
import type { Change, Value } from "./cdc-oracle.ts";

const HISTORIES = Number(process.env.TARN_HISTORIES ?? 300);
const KEYS = 12;
const RUNS = Math.ceil(HISTORIES / KEYS);

const rule = fc.record({
  updatedAt: fc.constantFrom(null, "s2"),
  hardDeletes: fc.constantFrom("invalidate", "ignore", "new_record"),
  tracked: fc.constantFrom(["v", "w"] as const, ["v"] as const),
  rewrittenRowsMax: fc.constantFrom(0, 8, 100_000),
});
const row = fc.record({
  id: fc.option(fc.integer({ min: 1, max: KEYS }), { freq: 30 }),
  s2: fc.option(fc.integer({ min: 0, max: 9 }), { freq: 30 }),
  v: fc.option(fc.constantFrom("a", "b"), { freq: 5 }),
  w: fc.option(fc.integer({ min: 0, max: 1 }), { freq: 5 }),
});
const story = fc.record({
  rule,
  /** The number of a load, its rows, and whether a run follows. */
  loads: fc.array(
    fc.record({
      at: fc.integer({ min: 0, max: 9 }),
      rows: fc.array(row, { minLength: 1, maxLength: KEYS }),
      run: fc.boolean(),
    }),
    { minLength: 1, maxLength: 7 },
  ),
  isSorted: fc.boolean(),
});

test(
  `full loads in any batches equal them one by one (${RUNS * KEYS} histories)`,
  async () => {
    await fc.assert(
      fc.asyncProperty(story, async ({ rule, loads, isSorted }) => {
        const { updatedAt, hardDeletes, tracked, rewrittenRowsMax } = rule;
        const full = { updatedAt, hardDeletes };
        await using bench = await FeedBench.open({
          ...{ scd: 2, ignoreNullUpdates: false, truncateWhen: null, parts: 1 },
          ...{ tracked, rewrittenRowsMax, loads: full },
        });
        const all: Change[] = [];
        for (const [index, { at, rows, run }] of loads.entries()) {
          const s1 = isSorted ? index * 2 : at;
          const given = rows.map((one) => ({ ...one, op: null, s1 }));
          all.push(...(await bench.land(given, false)));
          if (!run && index < loads.length - 1) continue;
          await bench.run(false);
          expect(await versionsIn(bench, hardDeletes)).toEqual(versionsOf(all, full, tracked));
        }
        const live = await bench.rows();
        await bench.run(true);
        expect(live).toEqual(await bench.rows());
      }),
      { numRuns: RUNS },
    );
  },
  HISTORIES * 500 + 60_000,
);

interface Version {
  readonly id: number;
  readonly v: Value;
  readonly w: Value;
  readonly start: number;
  readonly end: number | null;
  readonly gone: boolean;
}

async function versionsIn(bench: FeedBench, hard: FullLoads["hardDeletes"]): Promise<Version[]> {
  const gone = hard === "new_record" ? "__IS_DELETED" : "FALSE";
  const rows = await bench.ask(
    `SELECT id, v, w, __START_AT AS s, __END_AT AS e, ${gone} AS g FROM t`,
  );
  const number = (value: unknown) => (value === null ? null : Number(value));
  return sorted(
    rows.map((one) => ({
      id: Number(one.id),
      v: one.v === null ? null : String(one.v),
      w: number(one.w),
      start: Number(one.s),
      end: number(one.e),
      gone: one.g === true,
    })),
  );
}

function sorted(versions: readonly Version[]): Version[] {
  return versions
    .map((one) => ({ one, text: JSON.stringify(one) }))
    .sort((a, b) => (a.text < b.text ? -1 : 1))
    .map(({ one }) => one);
}

/** Load after load, key by key. */
function versionsOf(
  all: readonly Change[],
  { updatedAt, hardDeletes }: FullLoads,
  tracked: readonly ("v" | "w")[],
): Version[] {
  const sound = all.filter(({ id, s2 }) => id !== null && (updatedAt === null || s2 !== null));
  const loads = [...Map.groupBy(sound, ({ s1 }) => Number(s1))].sort(([a], [b]) => a - b);
  const done: Version[] = [];
  const ids = new Set(sound.map(({ id }) => Number(id)));
  for (const id of ids) {
    let open: Version | null = null;
    let marker: Version | null = null;
    let goneAt: number | null = null;
    let latest = -1;
    for (const [at, rows] of loads) {
      const own = rows
        .filter((one) => one.id === id)
        .sort((a, b) => a.place - b.place)
        .at(-1);
      if (own === undefined) {
        if (open === null || hardDeletes === "ignore") continue;
        const end = Math.max(at, open.start);
        done.push({ ...open, end });
        if (hardDeletes === "new_record") marker = { ...open, start: end, gone: true };
        [open, goneAt] = [null, at];
        continue;
      }
      const { v, w } = own;
      const says = updatedAt === null ? at : Number(own.s2);
      if (open === null) {
        const start = updatedAt !== null && goneAt !== null && says <= goneAt ? at : says;
        if (marker !== null) done.push({ ...marker, end: start });
        marker = null;
        open = { id, v, w, start, end: null, gone: false };
        latest = Number(own.s2);
        continue;
      }
      const before: Version = open;
      const isOther =
        updatedAt === null
          ? tracked.some((name) => before[name] !== own[name])
          : Number(own.s2) > latest;
      if (isOther) {
        done.push({ ...open, end: says });
        open = { id, v, w, start: says, end: null, gone: false };
        latest = Number(own.s2);
      } else if (updatedAt === null) open = { ...open, v, w };
    }
    for (const last of [open, marker]) if (last !== null) done.push(last);
  }
  return sorted(done);
}
