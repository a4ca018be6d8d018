/**
 * The law of corrections: whatever is added, edited and removed, before and after rows come, in whatever batches and
 * whenever built, restored or replayed, tables hold what plain SQL says over rows that were updated and deleted so.
 *
 * TARN_PROPERTY_RUNS multiplies the number of stories.
 */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { MODEL_TOOLS } from "../../cmd/project/model-tools.ts";
import { parseYaml } from "../../cmd/project/yaml.ts";
import { must } from "../../core/base/assert.ts";
import { type CorrectionFile, parseCorrection } from "../../core/model/correction-file.ts";
import { NO_MACROS } from "../../core/model/macros.ts";
import { NO_VARIABLES } from "../../core/model/variables.ts";
import { correctionText } from "../../sql/syntax/correction.ts";
import { model } from "../support/models.ts";
import { LawLake, ORDERS, RATES } from "./law-lake.ts";

const STORIES = 6 * Number(process.env.TARN_PROPERTY_RUNS ?? "1");
const TIMEOUT_MS = 60_000 + STORIES * 60_000;

const MODELS = {
  "silver.log": ["kind: append", "select id, v, n from bronze.orders where n <> 1"],
  "silver.all_of": ["kind: full", "select id, v, n, ts from bronze.orders"],
  "silver.joined": [
    "kind: append",
    "select o.id, o.n, r.f from bronze.orders o join bronze.rates r on o.v = r.v",
  ],
  "silver.latest": [
    "kind: merge\nkey: id\nlatest_by: n",
    "select id, n, max(v) as v from bronze.orders group by id, n",
  ],
  "gold.sums": [
    "kind: full",
    "select v, sum(n)::bigint as n, count(*) as c from bronze.orders group by v",
  ],
  "gold.total": ["kind: full", "select count(*) as c, sum(n)::bigint as n from silver.log"],
} as const;
/** What they are in one query over all rows. */
const MEANING: Readonly<Record<string, string>> = {
  "silver.log": MODELS["silver.log"][1],
  "silver.all_of": MODELS["silver.all_of"][1],
  "silver.joined": MODELS["silver.joined"][1],
  "silver.latest": `select id, n, max(v) as v from bronze.orders where id is not null group by id, n
     qualify row_number() over (partition by id order by n desc nulls last) = 1`,
  "gold.sums": MODELS["gold.sums"][1],
  "gold.total": "select count(*) as c, sum(n)::bigint as n from bronze.orders where n <> 1",
};

/** A statement, and a range in the words of the front and as a condition. */
const STATEMENTS = [
  ["SET n = n + 1", "UPDATE rows SET n = n + 1 WHERE TRUE"],
  ["SET v = 'x', n = n * 2 WHERE v = 'a'", "UPDATE rows SET v = 'x', n = n * 2 WHERE (v = 'a')"],
  ["SET id = 9 WHERE n > 2", "UPDATE rows SET id = 9 WHERE (n > 2)"],
  [
    "SET v = NULL WHERE id IS NULL OR v = 'x'",
    "UPDATE rows SET v = NULL WHERE (id IS NULL OR v = 'x')",
  ],
  ["DELETE WHERE n = 3", "DELETE FROM rows WHERE (n = 3)"],
  [
    "SET n = 1 WHERE _source_file LIKE '%2%'",
    "UPDATE rows SET n = 1 WHERE (_source_file LIKE '%2%')",
  ],
] as const;
const RANGES = [
  ["", "TRUE"],
  ["batch: b1", "_batch = 'b1'"],
  ["file: 'drops/*2*'", "_source_file LIKE 'drops/%2%'"],
  ["by: ts\nfrom: 2026-01-02\nto: 2026-01-04", "ts >= '2026-01-02' AND ts < '2026-01-04'"],
  ["from: 2020-01-01", "TRUE"],
] as const;

const correction = fc.record({
  name: fc.constantFrom("a", "b", "c"),
  statement: fc.nat({ max: STATEMENTS.length - 1 }),
  range: fc.nat({ max: RANGES.length - 1 }),
});
type Asked = typeof correction extends fc.Arbitrary<infer T> ? T : never;

const row = fc.record({
  id: fc.option(fc.nat({ max: 4 }), { freq: 8 }),
  v: fc.option(fc.constantFrom("a", "b", "x"), { freq: 8 }),
  n: fc.option(fc.integer({ min: -1, max: 4 }), { freq: 8 }),
  day: fc.integer({ min: 1, max: 5 }),
});
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .array(row, { minLength: 1, maxLength: 8 })
      .map((rows) => ({ kind: "land", rows }) as const),
  },
  { weight: 3, arbitrary: correction.map((asked) => ({ kind: "correct", asked }) as const) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("a", "b", "c").map((name) => ({ kind: "remove", name }) as const),
  },
  { weight: 3, arbitrary: fc.constant({ kind: "build" } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: "replay" } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: "compact" } as const) },
);

function fileOf({ name, statement, range }: Asked): CorrectionFile {
  const front = `/* tarn\ninput: bronze.orders\n${RANGES[range]?.[0] ?? ""}\n*/\n`;
  const given = { onFailOf: () => null, variables: NO_VARIABLES, macros: NO_MACROS };
  const context = {
    parseYaml,
    ...MODEL_TOOLS,
    ...given,
    cut: correctionText,
    timezone: "UTC",
    nowMs: 0,
  };
  const text = `${front}${STATEMENTS[statement]?.[0] ?? ""}`;
  const read = parseCorrection(`corrections/${name}.sql`, text, context);
  return must(read.correction, read.errors.map((error) => error.message).join("; "));
}

test(
  "models over corrected rows hold what plain SQL gives over rows that were updated and deleted so",
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
        await using lake = await LawLake.open(() =>
          Object.entries(MODELS).map(([name, [front, sql]]) => model(name, sql, front)),
        );
        await lake.land(RATES, ratesSql());
        const held = new Map<string, Asked>();
        let batch = 0;
        const all = [...steps, { kind: "land", rows: [{ id: 1, v: "a", n: 3, day: 2 }] }] as const;
        for (const one of all) {
          if (one.kind === "land") await lake.land(ORDERS, ordersSql(one.rows, ++batch));
          else if (one.kind === "correct") held.set(one.asked.name, one.asked);
          else if (one.kind === "remove") held.delete(one.name);
          lake.corrections = [...held]
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([, asked]) => fileOf(asked));
          if (batch === 0) continue;
          if (one.kind === "compact") await lake.compact(ORDERS, "whole");
          if (one.kind === "replay") {
            await lake.build(1, null);
            const { tables } = await lake.replay(1, new Set(Object.keys(MODELS)), null);
            for (const { model: name, diff } of tables)
              expect([name, diff.added + diff.removed + diff.changed]).toEqual([name, 0n]);
          }
          if (one.kind === "build") await equal(lake, [...held.values()]);
        }
        await equal(lake, [...held.values()]);
      }),
      { numRuns: STORIES },
    );
  },
  TIMEOUT_MS,
);

async function equal(lake: LawLake, held: readonly Asked[]): Promise<void> {
  await lake.build(1, null);
  const { db } = lake.engine;
  const received = await lake.ask("SELECT * FROM bronze.orders", [ORDERS], "SELECT * FROM t");
  await db.run("CREATE OR REPLACE TEMP TABLE rows AS " + asTable(received));
  for (const { statement, range } of [...held].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const condition = RANGES[range]?.[1] ?? "";
    await db.run(`${STATEMENTS[statement]?.[1] ?? ""} AND (${condition})`);
  }
  await db.run(`CREATE OR REPLACE TEMP TABLE rates AS ${ratesSql()}`);
  for (const [name, sql] of Object.entries(MEANING)) {
    const told = sql.replaceAll("bronze.orders", "rows").replaceAll("bronze.rates", "rates");
    const columns = (await db.rows(`DESCRIBE ${told}`)).map((one) => String(one.column_name));
    const oracle = await db.rows(`SELECT ${columns.join(", ")} FROM (${told}) ORDER BY ALL`);
    const found = await lake.rows(name, `SELECT ${columns.join(", ")} FROM t`);
    expect([name, found]).toEqual([name, oracle]);
  }
}

function asTable(rows: readonly Record<string, unknown>[]): string {
  const values = rows.map(({ id, v, n, ts, _batch, _source_file }) => {
    const places = [ts, _batch, _source_file].map(quoted);
    return `(${[id ?? "NULL", quoted(v), n ?? "NULL", ...places].join(", ")})`;
  });
  return `SELECT id::BIGINT AS id, v::VARCHAR AS v, n::INT AS n, ts::TIMESTAMP AS ts, _batch, _source_file
    FROM (VALUES ${values.join(", ")}) AS t(id, v, n, ts, _batch, _source_file)`;
}

function quoted(value: unknown): string {
  return value === null || value === undefined ? "NULL" : `'${String(value)}'`;
}

interface Landed {
  readonly id: number | null;
  readonly v: string | null;
  readonly n: number | null;
  readonly day: number;
}

function ordersSql(rows: readonly Landed[], batch: number): string {
  const values = rows.map(
    ({ id, v, n, day }) =>
      `(${id ?? "NULL"}::BIGINT, ${quoted(v)}, TIMESTAMP '2026-01-0${day}', ${n ?? "NULL"}::INT)`,
  );
  return `SELECT *, 'orders' AS _source, 'drops/${batch}.csv' AS _source_file, 'b${batch}' AS _batch,
      TIMESTAMPTZ '2026-01-0${(batch % 9) + 1} 00:00:00+00' AS _ingested_at
    FROM (VALUES ${values.join(", ")}) AS t(id, v, ts, n)`;
}

function ratesSql(): string {
  return `SELECT v, f::INT AS f, 'rates' AS _source, 'drops/rates.csv' AS _source_file, 'r1' AS _batch,
      TIMESTAMPTZ '2026-01-01 00:00:00+00' AS _ingested_at
    FROM (VALUES ('a', 1), ('x', 2), ('x', 3)) AS t(v, f)`;
}
