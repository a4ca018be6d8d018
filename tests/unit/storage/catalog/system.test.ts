/** Every system table has its columns, and rows that fit them. */

import { expect, test } from "bun:test";
import { cursorToText } from "../../../../core/model/cursor.ts";
import type { Fact } from "../../../../core/table/commit.ts";
import { SYSTEM_TABLE_NAMES } from "../../../../storage/catalog/system.ts";
import { changeOf, TestCatalog } from "../../../sim/lake.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const NAME = "bronze.orders";

test("all tables of the schema lake answer, each row as wide as its columns", async () => {
  await using folder = await tempFolder();
  const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
  const counts = { rowsIn: 2, rowsLanded: 2, rowsQuarantined: 0, rowsDuplicate: 0 };
  const times = { startedMs: 1_000, commit: null, withdrawnBy: null };
  const batch = { batch: "b1", source: "orders", table: NAME, ...times, ...counts };
  const file = { batch: "b1", source: "orders", file: "drops/o.csv", version: 1, sha256: "ab" };
  const form = { sizeBytes: 9, modifiedMs: 5, inode: "1:2", original: null, fromByte: 0 };
  const how = { landsAs: "b1", reading: null };
  const fate = { outcome: "landed" as const, reason: null, contractVersion: 1, ...how };
  const type = { kind: "primitive", name: "long" } as const;
  const seen = { declared: false, unseen: false, required: false };
  const column = { name: "id", source: "id", type, ...seen };
  await lake.catalog.ledger.prepare({
    batch,
    files: [{ ...file, ...form, ...fate, ...counts }],
    replaces: [],
    contract: { source: "orders", version: 1, columns: [column], read: null },
    drift: [
      { column: "id", change: "added", from: null, to: "long", file: "drops/o.csv", message: "m" },
    ],
  });
  await lake.catalog.ledger.addQuarantineEvents([
    { id: "q", status: "open", timeMs: 1, batch: "b1", note: null },
  ]);
  await lake.catalog.runs.record({
    run: "r1",
    model: "silver.o",
    modelHash: "h",
    mode: "full",
    reason: "asked",
    inputs: [{ table: NAME, uuid: "u", from: null, to: 5n }],
    runTimeMs: 1,
    timezone: "UTC",
    engine: "e",
    startedMs: 1,
    endedMs: 2,
    status: "failed",
    error: "no",
    rowsIn: 1n,
    rowsWritten: 0n,
    rowsQuarantined: 0n,
    rowsDropped: 0n,
    tests: [{ name: "t", status: "fail", rows: 3n, action: "fail" }],
    tick: { dueMs: 1, missedMs: [] },
  });
  const compared = { source: "orders", table: NAME, atMs: 1, position: "@1" };
  const nothing = { rowsThere: 2, rowsHere: 2, differing: 0, uncompared: [], windows: [] };
  await lake.catalog.reconciliations.record([{ ...compared, against: "ledger", ...nothing }]);
  const change = await lake.appendChange(NAME, [1, 2]);
  await lake.catalog.commit(changeOf([change], { batches: ["b1"], facts: FACTS }));
  for (const name of SYSTEM_TABLE_NAMES) {
    const table = await lake.catalog.systemTable(`lake.${name}`);
    expect([name, table?.rows.length]).toEqual([name, 1]);
    for (const row of table?.rows ?? []) expect(row.length).toBe(table?.columns.length ?? 0);
  }
  const files = await lake.catalog.systemTable("orders$files");
  const recordCount = files?.columns.findIndex((one) => one.name === "record_count") ?? -1;
  expect(files?.rows[0]?.[recordCount]).toBe(2n);
  expect(await lake.catalog.systemTable("lake.nothing")).toBeNull();
  expect(await lake.catalog.systemTable("absent$files")).toBeNull();
  const known = await lake.catalog.ledger.known("orders", ["drops/o.csv"]);
  expect(known.get("drops/o.csv")?.sha256).toBe("ab");
  expect(await lake.catalog.ledger.holders("orders", "ab")).toMatchObject([{ replaced: false }]);
  expect((await lake.catalog.ledger.contract("orders"))?.columns).toEqual([column]);
  const [run] = await lake.catalog.runs.list({ limit: 1 });
  expect(run?.inputs[0]?.to).toBe(5n);
  expect((await lake.catalog.runs.latest()).get("silver.o")?.tests[0]?.rows).toBe(3n);
  await lake.catalog.close();
});

/** Of a model that has one input. */
const WATERMARK = watermarkFact("silver.o");
const CORRECTION: Fact = {
  ...{ kind: "setting", name: "correction:yen", was: null },
  becomes: JSON.stringify({ table: NAME, hash: "h", statement: "SET v = 1", since: 1 }),
};
const FACTS = [WATERMARK, CORRECTION];

function watermarkFact(name: string): Fact {
  const input = { table: NAME, column: "at", delayMs: 1, idleTimeoutMs: 5, cameMs: 1 };
  const seen = { seenUs: 9n, futureRows: 1n, furthestUs: 99n };
  const watermark = { us: -1n, beforeUs: null, lateRows: 2n, inputs: [{ ...input, ...seen }] };
  const nowhere = { inputs: new Map(), moments: new Map(), restored: null, sequence: null };
  const becomes = cursorToText({ hash: "h", timezone: "UTC", ...nowhere, watermark });
  return { kind: "cursor", name, was: null, becomes };
}

test("of a model that is due each second the last times are kept, and the last one is known", async () => {
  await using folder = await tempFolder();
  const { catalog } = await TestCatalog.open({ root: `${folder.path}/lake` });
  const { runs } = catalog;
  const missedMs = Array.from({ length: 20_000 }, (_, nth) => nth * 1_000);
  await runs.recordTick("silver.o", { dueMs: 20_000_000, missedMs }, 1);
  for (let nth = 1; nth < 100; nth += 1) {
    await runs.recordTick("silver.o", { dueMs: 20_000_000 + nth * 1_000, missedMs: [] }, 1);
  }
  expect([...(await runs.lastTicks())]).toEqual([["silver.o", 20_099_000]]);
  expect((await catalog.systemTable("lake.intervals"))?.rows.length).toBe(10_000);
});
