/** Laws of models: however rows come in batches, the table is what one query over all of them gives. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import type { ScanFile } from "../../core/table/types.ts";
import { ModelBench, SILVER } from "../support/model-bench.ts";

const RUNS = 12;
const DAY_MS = 86_400_000;

interface Item {
  readonly id: number | null;
  readonly v: string | null;
  readonly day: number | null;
  readonly n: number | null;
}

const item: fc.Arbitrary<Item> = fc.record({
  id: fc.option(fc.integer({ min: 0, max: 6 }), { freq: 12 }),
  v: fc.option(fc.constantFrom("a", "b", "c", "it's", ""), { freq: 6 }),
  day: fc.option(fc.integer({ min: 0, max: 4 }), { freq: 6 }),
  n: fc.option(fc.integer({ min: -3, max: 3 }), { freq: 6 }),
});
const batches = fc.array(fc.array(item, { minLength: 1, maxLength: 12 }), {
  minLength: 1,
  maxLength: 5,
});

function values(rows: readonly Item[]): string {
  const text = (value: string | null) =>
    value === null ? "NULL" : `'${value.replaceAll("'", "''")}'`;
  const row = ({ id, v, day, n }: Item) =>
    `(${id ?? "NULL"}, ${text(v)}, ${day === null ? "NULL" : `'2026-01-0${day + 1}'`}, ${n ?? "NULL"})`;
  return rows.map(row).join(", ");
}

/** Ends of the runs: after which batches a run takes all that landed since the last one. */
function splits(count: number, cuts: readonly boolean[]): [number, number][] {
  const parts: [number, number][] = [];
  let from = 0;
  for (let to = 1; to <= count; to++) {
    if (to < count && cuts[to] !== true) continue;
    parts.push([from, to]);
    from = to;
  }
  return parts;
}

const EXPECTATIONS = [
  { name: "n", sql: "n > -3", action: "drop", onNull: "pass" },
  { name: "v", sql: "v <> ''", action: "quarantine", onNull: "pass" },
] as const;
const KEPT = "(n > -3 OR n IS NULL) AND (v <> '' OR v IS NULL)";
const PLACES = "_batch, _source_file, _row, _ingested_at";

test("append: any split of any batches equals one query", async () => {
  await fc.assert(
    fc.asyncProperty(batches, fc.array(fc.boolean(), { maxLength: 6 }), async (all, cuts) => {
      await using model = await ModelBench.open();
      for (const rows of all) await model.land(values(rows));
      const sql = "SELECT id, upper(v) AS v, ts, n FROM bronze.orders WHERE n IS DISTINCT FROM 2";
      let accounted = 0n;
      for (const [from, to] of splits(all.length, cuts)) {
        const delta = model.bronze.slice(from, to);
        const result = await model.run({
          delta,
          append: true,
          request: { sql, expectations: EXPECTATIONS },
        });
        expect(result.rowsIn).toBe(
          result.rowsInserted + result.rowsDropped + result.rowsQuarantined,
        );
        accounted += result.rowsIn;
      }
      const expected = await model.oneShot(
        `SELECT * FROM (SELECT id, upper(v) AS v, ts, n, ${PLACES} FROM t WHERE n IS DISTINCT FROM 2) WHERE ${KEPT}`,
      );
      expect(await model.rows()).toEqual(expected);
      const [count] = await model.oneShot("SELECT count(*) AS c FROM t WHERE n IS DISTINCT FROM 2");
      expect(accounted).toBe(BigInt(String(count?.c)));
    }),
    { endOnFailure: true, numRuns: RUNS },
  );
}, 120_000);

const WINNERS = `SELECT id, v, ts, n, ${PLACES} FROM t WHERE id IS NOT NULL AND ${KEPT} QUALIFY row_number() OVER
  (PARTITION BY id ORDER BY ts DESC NULLS LAST, _batch DESC, _source_file DESC, _row DESC) = 1`;

test("merge: any split of any batches equals the latest row of each key", async () => {
  await fc.assert(
    fc.asyncProperty(batches, fc.array(fc.boolean(), { maxLength: 6 }), async (all, cuts) => {
      await using model = await ModelBench.open();
      for (const rows of all) await model.land(values(rows));
      for (const [from, to] of splits(all.length, cuts)) {
        await model.run({
          delta: model.bronze.slice(from, to),
          mode: (target) => ({ kind: "merge", key: ["id"], latestBy: ["ts"], target }),
          request: { expectations: EXPECTATIONS },
        });
        if (cuts[from] === true) await model.compact(to);
      }
      expect(await model.rows()).toEqual(await model.oneShot(WINNERS));
    }),
    { endOnFailure: true, numRuns: RUNS },
  );
}, 120_000);

const range = fc.record({
  column: fc.constantFrom("_ingested_at", "ts"),
  from: fc.option(fc.integer({ min: 0, max: 5 })),
  days: fc.option(fc.integer({ min: 1, max: 3 })),
});

function scopeOf({
  column,
  from,
  days,
}: {
  column: string;
  from: number | null;
  days: number | null;
}) {
  const start = column === "ts" ? Date.UTC(2026, 0, 1) : DAY_MS;
  const fromMs = from === null ? null : start + from * DAY_MS;
  return { column, fromMs, toMs: days === null || fromMs === null ? null : fromMs + days * DAY_MS };
}

test("replay of any range with unchanged code leaves the table and its files as they are", async () => {
  await fc.assert(
    fc.asyncProperty(batches, range, fc.boolean(), async (all, span, isKeyed) => {
      await using model = await ModelBench.open();
      const key = isKeyed ? ["id"] : [];
      const request = { expectations: EXPECTATIONS };
      for (const rows of all) {
        await model.land(values(rows));
        const delta = model.bronze.slice(-1);
        if (!isKeyed) await model.run({ delta, append: true, request });
        else
          await model.run({
            delta,
            mode: (target) => ({ kind: "merge", key, latestBy: ["ts"], target }),
            request,
          });
      }
      await model.compact(all.length % 3);
      const before: readonly ScanFile[] = model.silver;
      const result = await model.run({
        mode: (target) => ({
          kind: "replace",
          key,
          latestBy: ["ts"],
          target,
          scope: scopeOf(span),
        }),
        request,
      });
      expect(result.replaced).toEqual([]);
      expect(result.data.files).toEqual([]);
      expect(model.silver).toEqual(before);
    }),
    { endOnFailure: true, numRuns: RUNS },
  );
}, 120_000);

test("replay with new code equals a recompute where it touches, and keeps the rest", async () => {
  await fc.assert(
    fc.asyncProperty(batches, range, fc.boolean(), async (all, span, isKeyed) => {
      await using model = await ModelBench.open();
      const key = isKeyed ? ["id"] : [];
      for (const rows of all) await model.land(values(rows));
      await model.run(
        isKeyed ? { mode: (target) => ({ kind: "merge", key, latestBy: ["ts"], target }) } : {},
      );
      const before = await model.rows();
      const scope = scopeOf(span);
      const sql =
        "SELECT id + CASE WHEN n = 1 THEN 10 ELSE 0 END AS id, v || '!' AS v, ts, n FROM bronze.orders WHERE n <> 0";
      await model.run({
        mode: (target) => ({ kind: "replace", key, latestBy: ["ts"], target, scope }),
        request: { sql },
      });
      const after = await model.rows();
      const clock = scope.column === "ts" ? "ts AT TIME ZONE 'UTC'" : "_ingested_at";
      const micros = (ms: number) => `make_timestamptz(${BigInt(ms) * 1000n})`;
      const inRange = [
        `${clock} IS NOT NULL OR ${scope.fromMs === null && scope.toMs === null}`,
        scope.fromMs === null ? "true" : `${clock} >= ${micros(scope.fromMs)}`,
        scope.toMs === null ? "true" : `${clock} < ${micros(scope.toMs)}`,
      ].map((condition) => `(${condition})`);
      const scoped = `SELECT * FROM t WHERE ${inRange.join(" AND ")}`;
      const fresh = sql
        .replace("id +", "_batch, _source_file, _row, _ingested_at, id +")
        .replace("bronze.orders", "t");
      if (!isKeyed) {
        const places = new Set((await model.oneShot(scoped)).map(placeOf));
        const recomputed = await model.oneShot(`SELECT id, v, ts, n, ${PLACES} FROM (${fresh})`);
        const expected = [
          ...before.filter((row) => !places.has(placeOf(row))),
          ...recomputed.filter((row) => places.has(placeOf(row))),
        ];
        expect(sorted(after)).toEqual(sorted(expected));
        return;
      }
      const places = new Set((await model.oneShot(scoped)).map(placeOf));
      const all_ = await model.oneShot(
        `SELECT id, v, ts, n, ${PLACES} FROM (${fresh}) WHERE id IS NOT NULL`,
      );
      const touched = new Set(
        [...all_, ...before].filter((row) => places.has(placeOf(row))).map((row) => String(row.id)),
      );
      const winners = await model.oneShot(
        `SELECT id, v, ts, n, ${PLACES} FROM (${fresh}) WHERE id IS NOT NULL QUALIFY row_number() OVER
         (PARTITION BY id ORDER BY ts DESC NULLS LAST, _batch DESC, _source_file DESC, _row DESC) = 1`,
      );
      const expected = [
        ...before.filter((row) => !touched.has(String(row.id))),
        ...winners.filter((row) => touched.has(String(row.id))),
      ];
      expect(sorted(after)).toEqual(sorted(expected));
    }),
    { endOnFailure: true, numRuns: RUNS },
  );
}, 120_000);

type AnyRow = Readonly<Record<string, unknown>>;

function placeOf(row: AnyRow): string {
  return [row._batch, row._source_file, row._row].join("|");
}

function sorted(rows: readonly AnyRow[]): string[] {
  const names = SILVER.fields.map((field) => field.name);
  return rows.map((row) => names.map((name) => String(row[name])).join("|")).sort();
}
