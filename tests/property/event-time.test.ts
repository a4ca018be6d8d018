/**
 * The laws of windows that close: whatever order rows come in and however they are batched, a table has the windows
 * that end by its watermark and no others; a row that came when its window was final is among the late ones, and
 * nowhere else; after a repair the table is what its query says over all rows, and so it is after a replay.
 *
 * TARN_PROPERTY_RUNS multiplies the number of stories.
 */

import { afterAll, expect, test } from "bun:test";
import fc from "fast-check";
import { must } from "../../core/base/assert.ts";
import type { Model } from "../../core/model/model.ts";
import type { TableName } from "../../core/table/types.ts";
import { rewriteSpellings } from "../../sql/syntax/time-travel.ts";
import { parsed } from "../support/models.ts";
import { type Compaction, LawLake, ORDERS } from "./law-lake.ts";

const STORIES = 6 * Number(process.env.TARN_PROPERTY_RUNS ?? "1");
const TIMEOUT_MS = 60_000 + STORIES * 30_000;
const MINUTE = 60_000_000n;
const MINUTE_MS = 60_000;
const FAR_MS = 5 * MINUTE_MS;

interface Shape {
  readonly name: TableName;
  readonly front: string;
  readonly call: string;
  readonly keys: string;
  readonly delay: bigint;
  readonly lateness: bigint;
  readonly repairs: boolean;
  /** Ends of the windows of a time, in minutes. */
  windows(minute: bigint): bigint[];
}

function floor(minute: bigint, each: bigint): bigint {
  return minute - (((minute % each) + each) % each);
}

const SHAPES: readonly Shape[] = [
  {
    name: "gold.tumbled",
    front: "watermark: { column: ts, delay: 10m }",
    call: "tumble(table bronze.orders, descriptor(ts), interval '1 hour')",
    keys: "window_start, window_end, v",
    delay: 10n,
    lateness: 0n,
    repairs: false,
    windows: (at) => [floor(at, 60n) + 60n],
  },
  {
    name: "gold.hopped",
    front: "watermark: { bronze.orders: { column: ts } }\nallowed_lateness: 30m",
    call: "hop(table bronze.orders, descriptor(ts), interval '20 minutes', interval '50 minutes')",
    keys: "window_end",
    delay: 0n,
    lateness: 30n,
    repairs: false,
    windows: (at) =>
      [0n, 1n, 2n].map((n) => floor(at, 20n) - n * 20n + 50n).filter((end) => end > at),
  },
  {
    name: "gold.cumulated",
    front: "watermark: { column: ts, delay: 5m }\nlate: repair",
    call: "cumulate(table bronze.orders, descriptor(ts), interval '1 hour', interval '3 hours')",
    keys: "window_start, window_end",
    delay: 5n,
    lateness: 0n,
    repairs: true,
    windows: (at) => [1n, 2n, 3n].map((n) => floor(at, 180n) + n * 60n).filter((end) => end > at),
  },
];

const AGGREGATES = "count(*) as c, sum(n)::bigint as n, count(distinct id) as ids";

function sqlOf({ call, keys }: Shape): string {
  return `select ${keys}, ${AGGREGATES} from ${call} group by ${keys}`;
}

type Given = readonly [id: number, v: string | null, minute: number | null, n: number | null];
type Step =
  | { readonly kind: "rows"; readonly rows: readonly Given[] }
  | { readonly kind: "repair" }
  | { readonly kind: "replay" }
  | { readonly kind: "restore"; readonly share: number }
  | { readonly kind: "compact"; readonly table: TableName; readonly how: Compaction };

/** Days ahead of when it lands. */
const FUTURE = 10_000;
const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { freq: 6 });
const row: fc.Arbitrary<Given> = fc.tuple(
  fc.integer({ min: 0, max: 5 }),
  maybe(fc.constantFrom("a", "b")),
  fc.oneof(
    { weight: 12, arbitrary: fc.integer({ min: 0, max: 400 }) },
    { weight: 1, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constant(FUTURE) },
  ),
  maybe(fc.integer({ min: -3, max: 3 })),
);
const rows = fc.record({
  kind: fc.constant("rows" as const),
  rows: fc.array(row, { minLength: 1, maxLength: 6 }),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 9, arbitrary: rows },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("repair" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("replay" as const) }) },
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
      kind: fc.constant("compact" as const),
      table: fc.constantFrom<TableName>(ORDERS, "gold.tumbled", "gold.hopped"),
      how: fc.constantFrom<Compaction>("own", "part", "whole"),
    }),
  },
);

const counts = { stories: 0, incremental: 0, full: 0, late: 0, repaired: 0 };

test(
  "a table has the windows that end by its watermark, and late rows are beside it until they are repaired",
  async () => {
    const story = fc.array(fc.tuple(step, fc.boolean()), { minLength: 4, maxLength: 14 });
    await fc.assert(
      fc.asyncProperty(rows, story, async (first, steps) => {
        counts.stories += 1;
        await using told = new Story(await LawLake.open(models));
        await told.take(first);
        await told.build(false);
        for (const [one, isBuilt] of steps) {
          await told.take(one);
          if (isBuilt) await told.build(false);
        }
        await told.build(true);
        await told.isWhole();
        await told.build(true);
        await told.replay();
        await told.isWhole();
      }),
      { numRuns: STORIES, endOnFailure: true },
    );
  },
  TIMEOUT_MS,
);

test("rows came late and were repaired: else little of what can go wrong was tried", () => {
  expect(Math.min(counts.late, counts.repaired)).toBeGreaterThan(0);
  expect(counts.incremental).toBeGreaterThan(counts.full);
});

afterAll(() => {
  const said = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
  console.log(`counted: ${said.join(", ")}; seed ${process.env.TARN_SEED}`);
});

function models(): Model[] {
  return SHAPES.map((shape) => {
    const { name, front } = shape;
    const file = `models/${name.replace(".", "/")}.sql`;
    const text = `/* tarn\nemit: on_window_close\n${front}\n*/\n${sqlOf(shape)}\n`;
    const { model, errors } = parsed(file, text);
    return must(model, errors.map((error) => error.message).join("; "));
  });
}

/** What a model is to be: its windows by their ends, each with the numbers of the rows that it was made of. */
class Expected {
  watermark: bigint | null = null;
  final: bigint | null = null;
  readonly windows = new Map<bigint, readonly number[]>();
  /** Rows that are late, with the ends of their windows. */
  late: (readonly [number, bigint | null])[] = [];
}

interface Row {
  readonly nth: number;
  readonly given: Given;
}

class Story implements AsyncDisposable {
  readonly #lake: LawLake;
  readonly #baseMs: number;
  readonly #startMs: number;
  readonly #expected = new Map(SHAPES.map((shape) => [shape.name, new Expected()]));
  readonly #states: { readonly head: bigint; readonly rows: readonly Row[] }[] = [];
  #rows: readonly Row[] = [];
  /** Rows that the models have read. */
  #read: readonly Row[] = [];
  #count = 0;
  #batch = 0;

  constructor(lake: LawLake) {
    this.#lake = lake;
    this.#startMs = lake.clock.nowMs();
    const day = 24 * 60 * MINUTE_MS;
    this.#baseMs = Math.floor(this.#startMs / day) * day - day;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lake[Symbol.asyncDispose]();
  }

  async take(one: Step): Promise<void> {
    const lake = this.#lake;
    switch (one.kind) {
      case "rows":
        return this.#land(one.rows);
      case "repair":
        return this.build(true);
      case "replay":
        return this.replay();
      case "restore": {
        const state = this.#states[Math.floor(one.share * this.#states.length)];
        if (state === undefined) return;
        await lake.restore(ORDERS, state.head);
        this.#rows = state.rows;
        return this.#remember();
      }
      case "compact":
        await lake.compact(one.table, one.how);
        return;
    }
  }

  async build(repair: boolean): Promise<void> {
    const known = new Set(this.#read.map(({ nth }) => nth));
    const fresh = this.#rows.filter(({ nth }) => !known.has(nth));
    this.#read = this.#rows;
    for (const outcome of await this.#lake.build(1, null, repair)) {
      const shape = SHAPES.find(({ name }) => name === outcome.model);
      if (shape === undefined || outcome.kind !== "built") continue;
      counts[outcome.mode] += 1;
      this.#advance(shape, outcome.mode === "full", fresh, repair || shape.repairs);
    }
    await this.#check();
  }

  async replay(): Promise<void> {
    await this.#lake.replay(1, new Set(SHAPES.map(({ name }) => name)), null);
    const isSame = this.#read === this.#rows;
    this.#read = this.#rows;
    for (const shape of SHAPES) {
      const expected = must(this.#expected.get(shape.name), shape.name);
      const { watermark } = expected;
      this.#advance(shape, true, [], true);
      // What read the same rows goes by the watermark that it had.
      if (isSame) this.#close(shape, expected, watermark, null);
    }
    await this.#check();
  }

  /** Every window that ends by the watermark, as one statement over all rows has it. */
  async isWhole(): Promise<void> {
    for (const shape of SHAPES) {
      const { watermark } = must(this.#expected.get(shape.name), shape.name);
      const { sql } = await rewriteSpellings(
        `select * from (${sqlOf(shape)}) where epoch_us(window_end) <= ${this.#micros(watermark) ?? "null"}`,
      );
      const columns = "select columns('^[^_].*$')::varchar from t";
      const all = await this.#lake.ask(sql, [ORDERS], columns);
      expect(await this.#lake.rows(shape.name, columns), shape.name).toEqual(all);
    }
  }

  #advance(shape: Shape, isFull: boolean, fresh: readonly Row[], repairs: boolean): void {
    const expected = must(this.#expected.get(shape.name), shape.name);
    const seen = this.#rows.flatMap(({ given: [, , minute] }) =>
      minute === null || minute === FUTURE ? [] : [BigInt(minute)],
    );
    const greatest = seen.reduce<bigint | null>((a, b) => (a === null || b > a ? b : a), null);
    const now = greatest === null ? null : greatest - shape.delay;
    const before = isFull ? null : expected.watermark;
    const next = now === null || (before !== null && before > now) ? before : now;
    const final = before === null ? null : before - shape.lateness;
    const looked = isFull ? this.#rows : fresh;
    const late = looked.flatMap(({ nth, given: [, , minute] }): [number, bigint | null][] => {
      if (minute === null) return [[nth, null]];
      const ends = shape.windows(BigInt(minute));
      return ends.filter((end) => final !== null && end <= final).map((end) => [nth, end]);
    });
    counts.late += late.filter(([, end]) => end !== null).length;
    const all = isFull ? late : [...expected.late, ...late];
    const repaired =
      repairs && !isFull ? all.flatMap(([, end]) => (end === null ? [] : [end])) : [];
    counts.repaired += repaired.length;
    expected.late = repairs || isFull ? all.filter(([, end]) => end === null) : all;
    if (isFull) expected.windows.clear();
    this.#close(shape, expected, next, final, new Set(repaired));
  }

  #close(
    shape: Shape,
    expected: Expected,
    watermark: bigint | null,
    final: bigint | null,
    repaired: ReadonlySet<bigint> = new Set(),
  ): void {
    expected.watermark = watermark;
    const isComputed = (end: bigint): boolean => final === null || end > final || repaired.has(end);
    for (const end of [...expected.windows.keys()]) {
      if (isComputed(end)) expected.windows.delete(end);
    }
    for (const { nth, given } of this.#rows) {
      const [, , minute] = given;
      if (minute === null) continue;
      for (const end of shape.windows(BigInt(minute))) {
        if (!isComputed(end) || watermark === null || end > watermark) continue;
        expected.windows.set(end, [...(expected.windows.get(end) ?? []), nth]);
      }
    }
  }

  async #check(): Promise<void> {
    for (const shape of SHAPES) {
      const expected = must(this.#expected.get(shape.name), shape.name);
      const found = await this.#lake.rows(
        shape.name,
        "select epoch_us(window_end)::varchar as e, sum(c)::varchar as c from t group by all",
      );
      const windows = [...expected.windows].map(([end, of]) => ({
        e: String(this.#micros(end)),
        c: String(of.length),
      }));
      expect(found, shape.name).toEqual(windows.sort((a, b) => (a.e < b.e ? -1 : 1)));
      const late = await this.#lake.rows(
        `${shape.name}_late`,
        "select (row::json->>'id') as id, epoch_us(window_end)::varchar as e from t",
      );
      const told = expected.late.map(([nth, end]) => [this.#idOf(nth), this.#micros(end)].join());
      expect(late.map(({ id, e }) => [id, e].join()).sort(), shape.name).toEqual(told.sort());
    }
  }

  #idOf(nth: number): string {
    const found = this.#all.get(nth);
    return String(must(found, "a row has a number")[0]);
  }

  readonly #all = new Map<number, Given>();

  #micros(minute: bigint | null): string | null {
    return minute === null ? null : String(BigInt(this.#baseMs) * 1000n + minute * MINUTE);
  }

  async #land(given: readonly Given[]): Promise<void> {
    this.#batch += 1;
    const landedMs = this.#startMs + this.#batch * MINUTE_MS;
    const values = given.map(([id, v, minute, n]) => {
      const us =
        minute === FUTURE
          ? `${BigInt(landedMs + FAR_MS + 1) * 1000n}`
          : this.#micros(minute === null ? null : BigInt(minute));
      const text = v === null ? "null" : `'${v}'`;
      return `(${id}, ${text}, ${us === null ? "null::timestamp" : `make_timestamp(${us})`}, ${n ?? "null"})`;
    });
    const place = `'drop-${this.#batch}.csv' as _source_file, 'b${String(this.#batch).padStart(3, "0")}' as _batch`;
    await this.#lake.land(
      ORDERS,
      `select id, v, ts, n, 'orders' as _source, ${place}, make_timestamptz(${landedMs}000) as _ingested_at
       from (values ${values.join(", ")}) t(id, v, ts, n)`,
    );
    const landed = given.map((one): Row => ({ nth: this.#count++, given: one }));
    for (const { nth, given: one } of landed) this.#all.set(nth, one);
    this.#rows = [...this.#rows, ...landed];
    await this.#remember();
  }

  async #remember(): Promise<void> {
    const head = await this.#lake.head(ORDERS);
    if (head !== null) this.#states.push({ head, rows: this.#rows });
  }
}
