/** Replays of tables whose rows other writers deleted. */

import { expect, test } from "bun:test";
import { LawLake, ORDERS, RATES } from "../../../property/law-lake.ts";
import { LATEST } from "../../../property/law-models.ts";

const SELECTED = new Set([LATEST, "gold.sum"]);

test("a replay of everything brings back rows that another writer deleted by their values", async () => {
  await using lake = await builtLake();
  await lake.deleteEqual(LATEST, "id", "select 2::bigint as id");
  expect(await ids(lake)).toEqual([1, 3]);
  const replayed = await lake.replay(1, SELECTED, null);
  expect(replayed.tables.map(({ diff }) => [diff.added, diff.changed, diff.removed])).toEqual([
    [1n, 0n, 0n],
    [0n, 0n, 0n],
  ]);
  expect(replayed.commit).not.toBeNull();
  expect(await ids(lake)).toEqual([1, 2, 3]);
});

test("a replay of a range does so too, beside rows that it leaves alone", async () => {
  await using lake = await builtLake();
  await lake.land(ORDERS, ordersOf("(4, 'a'), (5, 'b')", "b2", "2026-01-02"));
  await lake.build(1, null);
  await lake.deleteEqual(LATEST, "id", "select unnest([2::bigint, 5]) as id");
  expect(await ids(lake)).toEqual([1, 3, 4]);
  const scope = { column: "_ingested_at", fromMs: Date.UTC(2026, 0, 2), toMs: null };
  const replayed = await lake.replay(1, SELECTED, scope);
  expect(replayed.tables.map(({ diff }) => [diff.added, diff.changed, diff.removed])).toEqual([
    [1n, 0n, 0n],
    [0n, 0n, 1n],
  ]);
  expect(await ids(lake)).toEqual([1, 3, 4, 5]);
});

test("tables below read what the replay will publish, not what old deletes would leave of it", async () => {
  await using lake = await builtLake();
  await lake.deleteEqual(LATEST, "id", "select 2::bigint as id");
  await lake.replay(2, SELECTED, null);
  expect(await lake.rows("gold.sum", "select v, c::int as c from t")).toEqual([
    { v: "a!", c: 1 },
    { v: "c!", c: 1 },
  ]);
});

/** Three orders of other values each, built with the first code. */
async function builtLake(): Promise<LawLake> {
  const lake = await LawLake.open();
  await lake.land(ORDERS, ordersOf("(1, 'a'), (2, 'c'), (3, 'b')", "b1", "2026-01-01"));
  await lake.land(RATES, `select 'a' as v, 1::int as f, ${placeOf("b1", "2026-01-01")}`);
  await lake.build(1, null);
  return lake;
}

function ordersOf(values: string, batch: string, day: string): string {
  return `select id::bigint as id, v, timestamp '2026-01-01' as ts, 2::int as n, ${placeOf(batch, day)}
    from (values ${values}) t(id, v)`;
}

function placeOf(batch: string, day: string): string {
  return `'orders' as _source, '${batch}.csv' as _source_file, '${batch}' as _batch,
    timestamptz '${day} 00:00:00Z' as _ingested_at`;
}

async function ids(lake: LawLake): Promise<number[]> {
  return (await lake.rows(LATEST, "select id::int as id from t")).map((row) => Number(row.id));
}
