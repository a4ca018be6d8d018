/** Runs beside other writers of the model's own table. */

import { expect, test } from "bun:test";
import { foreignChange } from "../../../../core/model/foreign-change.ts";
import type { Catalog } from "../../../../core/ports.ts";
import type { CommitInfo, CommitKind } from "../../../../core/table/commit.ts";
import type { Operation } from "../../../../core/table/types.ts";
import { LawLake, ORDERS, RATES } from "../../../property/law-lake.ts";
import { LOG } from "../../../property/law-models.ts";
import { model } from "../../../support/models.ts";

const NAME = "gold.daily";
/** A row of the log model that no run of it has made. */
const OTHER_ROW = `select 9::bigint as id, 'z' as v, timestamp '2026-01-01' as ts, 1::int as n, 1::int as f,
  null::int[] as l, null::struct(a varchar) as s,
  'x' as _batch, 'x.csv' as _source_file, timestamptz '2026-01-01 00:00:00Z' as _ingested_at`;

test("a run begins anew when anything lands in its table meanwhile, an append as well", async () => {
  await using lake = await LawLake.open();
  await lake.land(ORDERS, ordersOf("(1, 'a'), (2, 'b')", "b1"));
  await lake.land(RATES, `select 'a' as v, 1::int as f, ${placeOf("b1")}`);
  await lake.build(1, null);
  await lake.land(ORDERS, ordersOf("(3, 'c')", "b2"));
  const { materialize } = lake.engine;
  const modes: string[] = [];
  lake.engine.materialize = async (request) => {
    const made = await materialize.call(lake.engine, request);
    if (request.model !== LOG) return made;
    modes.push(request.mode.kind);
    if (modes.length === 1) await lake.land(LOG, OTHER_ROW);
    return made;
  };
  await lake.build(1, new Set([LOG]));
  expect(modes).toEqual(["rows", "rows"]);
});

test("a change by another engine or a statement is found behind whatever was committed since", async () => {
  const found = async (...newestFirst: [CommitKind, Operation | null][]) =>
    (await foreignChange(catalogOf(newestFirst), NAME))?.number ?? null;
  expect(await found(["foreign", "append"], ["build", "append"])).toBe(2n);
  expect(await found(["maintain", "replace"], ["foreign", "append"], ["build", "append"])).toBe(2n);
  expect(await found(["restore", "overwrite"], ["write", "append"])).toBe(1n);
  const many = Array<[CommitKind, Operation | null]>(250).fill(["foreign", "replace"]);
  expect(await found(...many, ["foreign", "delete"], ["replay", "overwrite"])).toBe(2n);
});

test("compaction, settings, and what was rebuilt or restored since are no change", async () => {
  const found = (...newestFirst: [CommitKind, Operation | null][]) =>
    foreignChange(catalogOf(newestFirst), NAME);
  expect(await found()).toBeNull();
  expect(await found(["foreign", "replace"], ["foreign", null], ["build", "append"])).toBeNull();
  for (const kind of ["build", "replay", "restore"] as const) {
    expect(await found([kind, "overwrite"], ["foreign", "append"])).toBeNull();
  }
});

test("a model whose windows close takes what is new by its cadence, as any other", async () => {
  const name = "gold.hourly";
  const sql =
    "select window_end, count(*) as c from tumble(table bronze.orders, descriptor(ts), interval '1 hour') group by 1";
  const front = "every: 1h\nemit: on_window_close\nwatermark: { column: ts, idle_timeout: 1s }";
  await using lake = await LawLake.open(() => [model(name, sql, front)]);
  await lake.land(ORDERS, ordersOf("(1, 'a')", "b1"));
  await lake.build(1, null);
  await lake.land(ORDERS, ordersOf("(2, 'b')", "b2"));
  const waits = await lake.look(name, { kind: "waits", reason: "until 10:00" });
  expect(waits).toEqual({ kind: "skipped", model: name, reason: "until 10:00", waits: true });
  expect((await lake.look(name, { kind: "open", tick: null })).kind).toBe("built");
});

/** A catalog of commits to one table, numbered from 1. */
function catalogOf(
  newestFirst: readonly [CommitKind, Operation | null][],
): Pick<Catalog, "commits"> {
  const commits = newestFirst.map(([kind, operation], index): CommitInfo => {
    const number = BigInt(newestFirst.length - index);
    const counts = { addedRecords: 0n, deletedRecords: 0n, totalRecords: 0n };
    const ids = { uuid: "u", snapshotId: number, parentId: null, sequenceNumber: number };
    const tables = [{ name: NAME, operation, ...ids, ...counts }];
    return { number, timeMs: Number(number), kind, message: "", tables };
  });
  return {
    commits: async ({ limit, until }) =>
      commits.filter((one) => until === undefined || one.number <= until).slice(0, limit),
  };
}

function ordersOf(values: string, batch: string): string {
  return `select id::bigint as id, v, timestamp '2026-01-01' as ts, 1::int as n, ${placeOf(batch)}
    from (values ${values}) t(id, v)`;
}

function placeOf(batch: string): string {
  return `'orders' as _source, '${batch}.csv' as _source_file, '${batch}' as _batch,
    timestamptz '2026-01-01 00:00:00Z' as _ingested_at`;
}
