/**
 * The law of models that go on by keys: whatever came to their inputs and left them, in whatever order and batches,
 * a table holds what its query says over what its inputs hold.
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
import { MERGED, SHAPES, type Shape } from "./keyed-shapes.ts";
import { type Compaction, LawLake, ORDERS, RATES } from "./law-lake.ts";

const STORIES = 8 * Number(process.env.TARN_PROPERTY_RUNS ?? "1");
const TIMEOUT_MS = 60_000 + STORIES * 60_000;

/** Models of one story, before those that they read. */
const SHAPES_MAX = 8;

const counts = { stories: 0, batches: 0, full: 0, rows: 0, keys: 0, retreats: 0 };
const fullByReason = new Map<string, number>();

type Row = readonly [number | null, string | null, number | null, number | null];
type Step =
  | { readonly kind: "orders"; readonly rows: readonly Row[] }
  | {
      readonly kind: "rates";
      readonly rows: readonly (readonly [string, number])[];
      readonly overwrite: boolean;
    }
  | { readonly kind: "restore"; readonly share: number }
  | { readonly kind: "forget"; readonly share: number }
  | { readonly kind: "delete"; readonly id: number }
  | { readonly kind: "compact"; readonly table: TableName; readonly how: Compaction };

/** Models whose tables are compacted beside their runs. */
const COMPACTED = ["gold.sums", "gold.latest", "gold.newest", "gold.firsts"] as const;
const VALUES = ["a", "b", "c", "it's", ""] as const;
const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { freq: 7 });
const row = fc.tuple(
  maybe(fc.integer({ min: 0, max: 6 })),
  maybe(fc.constantFrom(...VALUES)),
  maybe(fc.integer({ min: 0, max: 4 })),
  maybe(fc.integer({ min: -3, max: 3 })),
);
const orders = fc.record({
  kind: fc.constant("orders" as const),
  rows: fc.array(row, { minLength: 1, maxLength: 8 }),
});
const share = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: orders },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("rates" as const),
      rows: fc.array(fc.tuple(fc.constantFrom(...VALUES), fc.integer({ min: 1, max: 4 })), {
        minLength: 1,
        maxLength: 3,
      }),
      overwrite: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restore" as const), share }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("forget" as const), share }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("delete" as const),
      id: fc.integer({ min: 0, max: 6 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("compact" as const),
      table: fc.constantFrom<TableName>(ORDERS, RATES, MERGED, ...COMPACTED),
      how: fc.constantFrom<Compaction>("own", "part"),
    }),
  },
);

test(
  "a table is what its query says over what its inputs hold",
  async () => {
    const story = fc.tuple(
      orders,
      // Rows are marked where they leave a file, as they are in large ones, which have indexes; or its rest is written
      // again.
      fc.constantFrom([null, false] as const, [0, false] as const, [0, true] as const),
      fc.array(fc.tuple(step, fc.boolean()), { minLength: 4, maxLength: 12 }),
      fc.subarray([...SHAPES], { minLength: 4, maxLength: SHAPES_MAX }),
    );
    await fc.assert(
      fc.asyncProperty(story, async ([first, [rewrittenRowsMax, isIndexed], steps, some]) => {
        counts.stories += 1;
        const shapes = withRead(some);
        const lake = await LawLake.open(() => models(shapes));
        lake.engine.rewrittenRowsMax = rewrittenRowsMax;
        lake.engine.isIndexed = isIndexed;
        await using told = new Story(lake, shapes);
        await told.take({ kind: "rates", rows: [["a", 2]], overwrite: false });
        await told.take(first);
        await told.build();
        for (const [one, isBuilt] of steps) {
          await told.take(one);
          if (isBuilt) await told.build();
        }
        await told.build();
      }),
      { numRuns: STORIES, endOnFailure: true },
    );
  },
  TIMEOUT_MS,
);

test("most runs went on by keys: else little of what can go wrong was tried", () => {
  expect(counts.keys).toBeGreaterThanOrEqual(counts.full);
});

afterAll(() => {
  const said = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
  console.log(`counted: ${said.join(", ")}; seed ${process.env.TARN_SEED}`);
  if (process.env.TARN_TELL === "1") console.log([...fullByReason].sort(([, a], [, b]) => b - a));
});

/** With the shapes that they read, in their order. */
function withRead(some: readonly Shape[]): readonly Shape[] {
  const taken = new Set<Shape>();
  for (const shape of SHAPES.toReversed()) {
    const isRead = [...taken].some(({ sql }) => sql.includes(shape.name));
    if (isRead || some.includes(shape)) taken.add(shape);
  }
  return SHAPES.filter((shape) => taken.has(shape));
}

function models(shapes: readonly Shape[]): Model[] {
  return shapes.map(({ name, front, sql }) => {
    const file = `models/${name.replace(".", "/")}.sql`;
    const { model, errors } = parsed(file, `/* tarn\n${front}\n*/\n${sql}\n`);
    return must(model, errors.map((error) => error.message).join("; "));
  });
}

class Story implements AsyncDisposable {
  readonly #lake: LawLake;
  readonly #shapes: readonly Shape[];
  readonly #startMs: number;
  readonly #states: bigint[] = [];
  readonly #ordersBatches: number[] = [];
  #batch = 0;

  constructor(lake: LawLake, shapes: readonly Shape[]) {
    this.#lake = lake;
    this.#shapes = shapes;
    this.#startMs = lake.clock.nowMs();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lake[Symbol.asyncDispose]();
  }

  async take(one: Step): Promise<void> {
    const lake = this.#lake;
    switch (one.kind) {
      case "orders": {
        this.#batch += 1;
        counts.batches += 1;
        const rows = one.rows.map(([id, v, day, n]) => {
          const ts = text(day === null ? null : `2026-01-0${day + 1}`);
          return `(${id ?? "null"}, ${text(v)}, ${ts}, ${n ?? "null"})`;
        });
        const from = `(values ${rows.join(", ")}) t(id, v, ts, n)`;
        await lake.land(
          ORDERS,
          `select id, v, ts::timestamp as ts, n, 'orders' as _source, ${this.#places()} from ${from}`,
        );
        this.#ordersBatches.push(this.#batch);
        return this.#remember();
      }
      case "rates": {
        this.#batch += 1;
        counts.batches += 1;
        const rows = one.rows.map(([v, f]) => `(${text(v)}, ${f})`);
        const sql = `select v, f, 'rates' as _source, ${this.#places()} from (values ${rows.join(", ")}) t(v, f)`;
        return lake.land(RATES, sql, one.overwrite);
      }
      case "restore": {
        const state = this.#states[Math.floor(one.share * this.#states.length)];
        if (state !== undefined) await lake.restore(ORDERS, state);
        return this.#remember();
      }
      case "forget": {
        const batch = this.#ordersBatches[Math.floor(one.share * this.#ordersBatches.length)];
        if (batch !== undefined) await lake.forget(ORDERS, `b${batch}`, `drop-${batch}.csv`);
        return this.#remember();
      }
      case "delete":
        return lake.deleteEqual(ORDERS, "id", `select ${one.id}::bigint as id`);
      case "compact":
        await lake.compact(one.table, one.how);
    }
  }

  async build(): Promise<void> {
    for (const outcome of await this.#lake.build(1, null)) {
      if (outcome.kind !== "built" || outcome.reason.startsWith("first run")) continue;
      if (outcome.mode === "full") {
        counts.full += 1;
        const why = `${outcome.model}: ${outcome.reason}`;
        fullByReason.set(why, (fullByReason.get(why) ?? 0) + 1);
      } else if (/, by|changes of/.test(outcome.reason)) counts.keys += 1;
      else counts.rows += 1;
      if (outcome.reason.includes(";") && outcome.mode === "full") counts.retreats += 1;
    }
    const names = [ORDERS, RATES, ...this.#shapes.map(({ name }) => name)];
    for (const { name, sql, law, columns = "[^_].*" } of this.#shapes) {
      const asked = (await rewriteSpellings(law ?? sql)).sql;
      const read = names.filter((one) => asked.includes(one));
      const select = `select columns('^(${columns})$')::varchar from t`;
      const expected = await this.#lake.ask(asked, read, select);
      expect(await this.#lake.rows(name, select), name).toEqual(expected);
    }
  }

  async #remember(): Promise<void> {
    const snapshotId = await this.#lake.head(ORDERS);
    if (snapshotId !== null) this.#states.push(snapshotId);
  }

  #places(): string {
    const at = this.#startMs + this.#batch * 60_000;
    const place = `'drop-${this.#batch}.csv' as _source_file, 'b${this.#batch}' as _batch`;
    return `${place}, make_timestamptz(${at}000) as _ingested_at`;
  }
}

function text(value: string | null): string {
  return value === null ? "null" : `'${value.replaceAll("'", "''")}'`;
}
