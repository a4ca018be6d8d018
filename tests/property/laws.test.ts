/**
 * The laws of a lake's models: whatever comes in whatever order, in whatever batches, built when it pleases, replayed
 * and compacted in between, every table holds what plain SQL says it must.
 *
 * TARN_PROPERTY_RUNS multiplies the number of stories.
 */

import { afterAll, expect, test } from "bun:test";
import fc from "fast-check";
import type { RangeScope } from "../../core/engine.ts";
import type { TableName } from "../../core/table/types.ts";
import { type Compaction, LawLake, ORDERS, RATES } from "./law-lake.ts";
import { COLUMNS, type Code, LATEST, type LawTable, LOG, TABLES } from "./law-models.ts";
import { LawOracle } from "./law-oracle.ts";

const STORIES = 5 * Number(process.env.TARN_PROPERTY_RUNS ?? "1");
const TIMEOUT_MS = 60_000 + STORIES * 60_000;
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const counts = {
  stories: 0,
  batches: 0,
  compactions: 0,
  restores: 0,
  forgotten: 0,
  incremental: 0,
  full: 0,
  replays: 0,
  empty: 0,
};

interface Order {
  readonly id: number | null;
  readonly v: string | null;
  readonly day: number | null;
  readonly n: number | null;
}

interface Range {
  readonly column: "_ingested_at" | "ts";
  readonly from: number;
  readonly span: number | null;
}

type Step =
  | { readonly kind: "orders"; readonly rows: readonly Order[] }
  | {
      readonly kind: "rates";
      readonly rows: readonly (readonly [string, number])[];
      readonly overwrite: boolean;
    }
  /** Batches that come one after the other, each built. */
  | { readonly kind: "stream"; readonly batches: readonly (readonly Order[])[] }
  /** The orders as they were after one of the earlier batches: the share of them that is kept. */
  | { readonly kind: "restore"; readonly share: number }
  /** The share of the batches of orders before the one that is forgotten. */
  | { readonly kind: "forget"; readonly share: number }
  | { readonly kind: "zone"; readonly zone: string }
  | { readonly kind: "build"; readonly only: readonly LawTable[] | null }
  | { readonly kind: "compact"; readonly table: TableName; readonly how: Compaction }
  | { readonly kind: "code"; readonly code: Code }
  | Replay
  | { readonly kind: "edit"; readonly code: Code; readonly replay: Replay };

interface Replay {
  readonly kind: "replay";
  readonly select: readonly LawTable[];
  readonly range: Range | null;
}

const VALUES = ["a", "b", "c", "it's", ""] as const;
const order: fc.Arbitrary<Order> = fc.record({
  id: fc.option(fc.integer({ min: 0, max: 6 }), { freq: 12 }),
  v: fc.option(fc.constantFrom(...VALUES), { freq: 6 }),
  day: fc.option(fc.integer({ min: 0, max: 4 }), { freq: 6 }),
  n: fc.option(fc.integer({ min: -3, max: 3 }), { freq: 6 }),
});
const orders = fc.record({
  kind: fc.constant("orders" as const),
  rows: fc.array(order, { minLength: 1, maxLength: 10 }),
});
const rate = fc.tuple(fc.constantFrom(...VALUES), fc.integer({ min: 1, max: 9 }));
const tables = fc.subarray([...TABLES], { minLength: 1 });
const rows = fc.array(order, { minLength: 1, maxLength: 4 });
const ZONES = ["UTC", "Asia/Tokyo", "America/New_York"] as const;
const replayed = fc.record({
  kind: fc.constant("replay" as const),
  select: tables,
  range: fc.option(
    fc.record({
      column: fc.constantFrom("_ingested_at" as const, "ts" as const),
      from: fc.integer({ min: 0, max: 4 }),
      span: fc.option(fc.integer({ min: 1, max: 3 })),
    }),
    { freq: 4 },
  ),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: orders },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("stream" as const),
      batches: fc.array(rows, { minLength: 3, maxLength: 6 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("restore" as const),
      share: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("forget" as const),
      share: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("zone" as const), zone: fc.constantFrom(...ZONES) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("rates" as const),
      rows: fc.array(rate, { minLength: 1, maxLength: 3 }),
      overwrite: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("build" as const), only: fc.option(tables) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("compact" as const),
      table: fc.constantFrom<TableName>(ORDERS, RATES, LOG, LATEST, "gold.chain"),
      how: fc.constantFrom<Compaction>("each", "whole", "own", "own", "part"),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("code" as const), code: fc.constantFrom<Code>(1, 2) }),
  },
  { weight: 4, arbitrary: replayed },
  // Code that is edited and replayed, before it is built: the replay must find what it changes.
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("edit" as const),
      code: fc.constantFrom<Code>(1, 2),
      replay: replayed,
    }),
  },
);

test(
  "every table holds what plain SQL says, at every moment of any story",
  async () => {
    const story = fc.tuple(orders, fc.array(step, { minLength: 4, maxLength: 12 }));
    await fc.assert(
      fc.asyncProperty(story, async ([first, steps]) => {
        counts.stories += 1;
        await using told = await Story.begin();
        await told.take({ kind: "rates", rows: [["a", 2]], overwrite: false });
        await told.take(first);
        for (const one of steps) await told.take(one);
        await told.end();
      }),
      { numRuns: STORIES, endOnFailure: true },
    );
  },
  TIMEOUT_MS,
);

test("at least half of the runs were from a delta: else little of what can go wrong was tried", () => {
  expect(counts.incremental).toBeGreaterThanOrEqual(counts.full);
});

afterAll(() => {
  const said = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
  console.log(`counted: ${said.join(", ")}; seed ${process.env.TARN_SEED}`);
});

/** A lake and what it must hold, side by side. */
class Story implements AsyncDisposable {
  readonly #lake: LawLake;
  readonly #oracle: LawOracle;
  readonly #startMs: number;
  /** Snapshots of the orders, and what the oracle held then. */
  readonly #states: { readonly step: number; readonly snapshotId: bigint }[] = [];
  #batch = 0;
  readonly #ordersBatches: number[] = [];
  #code: Code = 1;

  private constructor(lake: LawLake, oracle: LawOracle) {
    this.#lake = lake;
    this.#oracle = oracle;
    this.#startMs = lake.clock.nowMs();
  }

  static async begin(): Promise<Story> {
    return new Story(await LawLake.open(), await LawOracle.open());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lake[Symbol.asyncDispose]();
    await this.#oracle[Symbol.asyncDispose]();
  }

  async take(one: Step): Promise<void> {
    switch (one.kind) {
      case "orders":
        return this.#land(one.rows);
      case "rates":
        return this.#rate(one.rows, one.overwrite);
      case "stream":
        for (const batch of one.batches) {
          await this.#land(batch);
          await this.#build(null);
        }
        return;
      case "restore":
        return this.#restore(one.share);
      case "forget":
        return this.#forget(one.share);
      case "zone":
        this.#lake.zone = one.zone;
        this.#oracle.zone = one.zone;
        return;
      case "build":
        return this.#build(one.only);
      case "compact":
        return this.#compact(one.table, one.how);
      case "code":
        this.#code = one.code;
        return;
      case "edit":
        this.#code = one.code;
        return this.#replay(one.replay.select, one.replay.range);
      case "replay":
        return this.#replay(one.select, one.range);
    }
  }

  /** Built, it is what everything computed at once is, up to rows of other code; replayed whole, it is just that. */
  async end(): Promise<void> {
    await this.#build(null);
    await this.#compact(ORDERS, "whole");
    await this.#build(null);
    await this.#replay(TABLES, null);
    for (const table of TABLES) {
      const rows = await this.#lake.rows(table, `select ${COLUMNS[table]} from t`);
      expect(rows, `${table} at once`).toEqual(await this.#oracle.oneShot(table, this.#code));
    }
    const again = await this.#lake.replay(this.#code, new Set(TABLES), null);
    expect(again.commit).toBeNull();
  }

  async #land(rows: readonly Order[]): Promise<void> {
    this.#batch += 1;
    const values = rows.map(({ id, v, day, n }, index) => {
      const ts = text(day === null ? null : `2026-01-0${day + 1}`);
      return `(${index + 1}, ${id ?? "null"}, ${text(v)}, ${ts}, ${n ?? "null"})`;
    });
    const sql =
      `select id, v, ts::timestamp as ts, n, ${this.#places()}, row::bigint as _row ` +
      `from (values ${values.join(", ")}) t(row, id, v, ts, n) order by row`;
    await this.#lake.land(
      ORDERS,
      `select id, v, ts, n, 'orders' as _source, _source_file, _batch, _ingested_at from (${sql})`,
    );
    await this.#oracle.landOrders(sql);
    this.#ordersBatches.push(this.#batch);
    await this.#remember();
    counts.batches += 1;
  }

  async #remember(): Promise<void> {
    const snapshotId = await this.#lake.head(ORDERS);
    if (snapshotId !== null) this.#states.push({ step: this.#oracle.step, snapshotId });
  }

  async #restore(share: number): Promise<void> {
    const state = this.#states[Math.floor(share * this.#states.length)];
    if (state === undefined) return;
    await this.#lake.restore(ORDERS, state.snapshotId);
    await this.#oracle.restoreOrders(state.step);
    await this.#remember();
    counts.restores += 1;
  }

  async #forget(share: number): Promise<void> {
    const batch = this.#ordersBatches[Math.floor(share * this.#ordersBatches.length)];
    if (batch === undefined) return;
    const name = batchName(batch);
    if (!(await this.#lake.forget(ORDERS, name, `drop-${batch}.csv`))) return;
    await this.#oracle.forgetOrders(name);
    await this.#remember();
    counts.forgotten += 1;
  }

  async #rate(rows: readonly (readonly [string, number])[], overwrite: boolean): Promise<void> {
    this.#batch += 1;
    const values = rows.map(([v, f]) => `(${text(v)}, ${f})`).join(", ");
    const sql = `select v, f from (values ${values}) t(v, f)`;
    const places = `'rates' as _source, ${this.#places()}`;
    await this.#lake.land(RATES, `select v, f, ${places} from (${sql})`, overwrite);
    await this.#oracle.landRates(sql, overwrite);
    counts.batches += 1;
  }

  async #build(only: readonly LawTable[] | null): Promise<void> {
    const outcomes = await this.#lake.build(this.#code, only === null ? null : new Set(only));
    for (const outcome of outcomes) {
      const table = TABLES.find((name) => name === outcome.model);
      if (table === undefined) continue;
      if (outcome.kind === "skipped" && (table === LOG || table === LATEST)) {
        expect(this.#oracle.isCurrent(table), `${table} has nothing to do`).toBe(true);
      }
      if (outcome.kind !== "built") continue;
      counts[outcome.mode] += 1;
      if (table === LOG || table === LATEST) {
        expect(outcome.mode, outcome.reason).toBe(this.#oracle.modeOf(table, this.#code));
      }
      await this.#oracle.built(table, this.#code, outcome.mode);
    }
    await this.#compare();
  }

  async #compact(table: TableName, how: Compaction): Promise<void> {
    if (!(await this.#lake.compact(table, how))) return;
    counts.compactions += 1;
    await this.#compare();
  }

  async #replay(select: readonly LawTable[], range: Range | null): Promise<void> {
    const there = [];
    for (const table of select) if (await this.#canRun(table)) there.push(table);
    if (there.length === 0) return;
    const scope = range === null ? null : this.#scopeOf(range);
    const { tables } = await this.#lake.replay(this.#code, new Set(there), scope);
    const changed = new Set<string>();
    for (const { model, mode, diff, asideChanged } of tables) {
      const table = TABLES.find((name) => name === model);
      if (table === undefined) throw new Error(`${model} is no table of the laws`);
      const before = [await this.#oracle.rows(table), await this.#oracle.asideRows(table)];
      // By keys a table behind one that differs is what all of its rows make it.
      const isBehind = changed.has(NEEDS[table] ?? "");
      if (mode === "full" || isBehind) await this.#oracle.built(table, this.#code, "full");
      else if (scope !== null) await this.#oracle.ranged(table, this.#code, scope);
      const after = [await this.#oracle.rows(table), await this.#oracle.asideRows(table)];
      const differs = diff.added + diff.removed + diff.changed > 0n;
      const visible = (rows: unknown) => JSON.stringify(rows, plainValue);
      if (differs) changed.add(table);
      expect(differs, `${table} differs`).toBe(visible(before[0]) !== visible(after[0]));
      if (visible(before[1]) !== visible(after[1]))
        expect(asideChanged, `${table} sets aside`).toBe(true);
      counts.replays += 1;
      if (!differs) counts.empty += 1;
    }
    await this.#compare();
  }

  /** A model without a table needs its inputs before it can be replayed. */
  async #canRun(table: LawTable): Promise<boolean> {
    const needs = NEEDS[table];
    return needs === undefined || (await this.#lake.rows(needs, "select 1")).length > 0;
  }

  async #compare(): Promise<void> {
    for (const table of TABLES) {
      const rows = await this.#lake.rows(table, `select ${COLUMNS[table]} from t`);
      expect(rows, table).toEqual(await this.#oracle.rows(table));
      if (table !== LOG && table !== LATEST) continue;
      const aside = await this.#lake.rows(
        table.replace(".", "_quarantine."),
        "select file, position, _batch, raw ->> 'n' as n, raw ->> 'f' as f from t",
      );
      expect(aside, `set aside by ${table}`).toEqual(await this.#oracle.asideRows(table));
    }
  }

  #places(): string {
    const micros = BigInt(this.#startMs + this.#batch * MINUTE_MS) * 1000n;
    const batch = batchName(this.#batch);
    const drop = `'drop-${this.#batch}.csv' as _source_file`;
    return `${drop}, '${batch}' as _batch, make_timestamptz(${micros}) as _ingested_at`;
  }

  #scopeOf({ column, from, span }: Range): RangeScope {
    const [start, unit] =
      column === "ts" ? [Date.UTC(2026, 0, 1), DAY_MS] : [this.#startMs, 2 * MINUTE_MS];
    const fromMs = start + from * unit;
    const bounds = { fromMs, toMs: span === null ? null : fromMs + span * unit };
    // Bounds over a column without a zone are what is written, whatever the zone.
    return { column, ...bounds, wall: bounds };
  }
}

/** What tables read that are made of others. */
const NEEDS: Readonly<Record<string, LawTable | undefined>> = {
  "gold.sum": LATEST,
  "gold.chain": LOG,
  "gold.last": LOG,
};

function batchName(batch: number): string {
  return `b${String(batch).padStart(4, "0")}`;
}

function text(value: string | null): string {
  return value === null ? "null" : `'${value.replaceAll("'", "''")}'`;
}

function plainValue(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}n` : value;
}
