/** Materializing a model over real files: routing, merging, replaying, and what stops a run. */

import { expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import type { Expectation } from "../../../../core/model/model.ts";
import { plain, scanBinding, scanOf, schemaOf } from "../../../support/lake-scan.ts";
import { BRONZE, ModelBench, SILVER } from "../../../support/model-bench.ts";

const ROWS =
  "(1, 'a', '2026-01-01', 5), (2, 'b', '2026-01-02', -1), (3, NULL, '2026-01-03', 7), (4, 'd', '2026-01-04', NULL)";

function expectation(
  name: string,
  sql: string,
  action: Expectation["action"],
  onNull: Expectation["onNull"] = "pass",
): Expectation {
  return { name, sql, action, onNull };
}

test("a full run writes every row with exact field ids and provenance", async () => {
  await using model = await ModelBench.open();
  await model.land(ROWS);
  await model.land("(5, 'e', '2026-01-05', 1)");
  const result = await model.run({});
  expect(result).toMatchObject({
    stop: null,
    retreat: null,
    rowsIn: 5n,
    rowsInserted: 5n,
    rejects: null,
    replaced: [],
  });
  expect(plain(await model.rows(SILVER, "id, v, _batch, _source_file, _row"))).toEqual([
    { id: 1, v: "a", _batch: "b0001", _source_file: "drop-1.csv", _row: 1 },
    { id: 2, v: "b", _batch: "b0001", _source_file: "drop-1.csv", _row: 2 },
    { id: 3, v: null, _batch: "b0001", _source_file: "drop-1.csv", _row: 3 },
    { id: 4, v: "d", _batch: "b0001", _source_file: "drop-1.csv", _row: 4 },
    { id: 5, v: "e", _batch: "b0002", _source_file: "drop-2.csv", _row: 1 },
  ]);
  const path = result.data.files[0]?.path ?? "";
  const footer = await model.bench.db.rows(`SELECT name, field_id FROM parquet_schema('${path}')`);
  const ids = footer.slice(1).map((row) => Number(row.field_id));
  expect(ids).toEqual(SILVER.fields.map((field) => field.id));
  const pages = await model.bench.db.rows(
    `SELECT DISTINCT compression, encodings FROM parquet_metadata('${path}')`,
  );
  for (const row of pages) {
    expect(row.compression).toBe("ZSTD");
    expect(String(row.encodings)).not.toContain("DELTA");
  }
});

test("provenance is carried through CTEs, subqueries, joins, unnest and UNION ALL", async () => {
  const dims = schemaOf({ id: "long", label: "string" });
  const shapes: readonly (readonly [string, number])[] = [
    ["WITH p AS (SELECT * FROM bronze.orders WHERE n > 0) SELECT id, v, ts, n FROM p", 2],
    ["SELECT * FROM (SELECT * FROM (SELECT * FROM bronze.orders) WHERE id < 3) s", 2],
    [
      "SELECT o.* REPLACE (d.label AS v) FROM bronze.orders o LEFT JOIN silver.dims d USING (id)",
      4,
    ],
    [
      "SELECT d.id, label AS v, ts, n FROM silver.dims d RIGHT JOIN bronze.orders o ON o.id = d.id",
      4,
    ],
    ["SELECT id, unnest([v, 'z']) AS v, ts, n FROM bronze.orders", 8],
    [
      `SELECT id, v, ts, n FROM bronze.orders WHERE n > 0
       UNION ALL BY NAME SELECT n, ts, 'u' AS v, id FROM bronze.orders`,
      6,
    ],
  ];
  await using model = await ModelBench.open();
  await model.land(ROWS);
  const file = await model.bench.file(dims, "SELECT 1 AS id, 'one' AS label");
  const more = [scanBinding("silver.dims", scanOf("silver.dims", dims, [file]))];
  for (const [sql, count] of shapes) {
    const result = await model.run({ more, request: { sql } });
    expect([sql, result.rowsIn]).toEqual([sql, BigInt(count)]);
    const lost = await model.rows(SILVER, "count(*) FILTER (_row IS NULL OR _batch IS NULL) AS n");
    expect([sql, lost[0]?.n]).toEqual([sql, 0n]);
  }
  const refused = model.run({ request: { sql: "SELECT max(id) AS id FROM bronze.orders" } });
  expect(refused).rejects.toMatchObject({ code: "unsupported" });
});

test("each row takes one way: quarantine before drop before warn, NULL as the rule says", async () => {
  await using model = await ModelBench.open();
  await model.land(ROWS);
  const result = await model.run({
    request: {
      expectations: [
        expectation("n_positive", "n > 0", "drop"),
        expectation("has_v", "v IS NOT NULL", "quarantine"),
        expectation("n_known", "n < 100 -- comment", "warn", "violate"),
        expectation("n_odd", "n % 2 = 1", "quarantine"),
      ],
    },
  });
  expect(result).toMatchObject({
    stop: null,
    retreat: null,
    rowsIn: 4n,
    rowsInserted: 2n,
    rowsDropped: 0n,
    rowsQuarantined: 2n,
  });
  expect(result.tests).toEqual([
    { name: "n_positive", status: "warn", rows: 1n, action: "drop" },
    { name: "has_v", status: "warn", rows: 1n, action: "quarantine" },
    { name: "n_known", status: "warn", rows: 1n, action: "warn" },
    { name: "n_odd", status: "warn", rows: 1n, action: "quarantine" },
  ]);
  const rejects = await model.rejects(result);
  expect(rejects.map((row) => [row.position, row.reason, row.message, row.raw]).sort()).toEqual([
    [
      "row 2",
      "expectation",
      "n_positive, n_odd",
      '{"id":2,"v":"b","ts":"2026-01-02 00:00:00","n":-1}',
    ],
    ["row 3", "expectation", "has_v", '{"id":3,"v":null,"ts":"2026-01-03 00:00:00","n":7}'],
  ]);
  const again = await model.rejects(
    await model.run({
      request: { expectations: [expectation("x", "v IS NOT NULL AND n > 0", "quarantine")] },
    }),
  );
  expect(again.map((row) => row.id).sort()).toEqual(rejects.map((row) => row.id).sort());
});

test("rows dropped are counted, rows in = kept + dropped + quarantined", async () => {
  await using model = await ModelBench.open();
  await model.land(ROWS);
  const result = await model.run({
    request: { expectations: [expectation("n", "n > 0", "drop", "violate")] },
  });
  expect(result).toMatchObject({
    rowsIn: 4n,
    rowsInserted: 2n,
    rowsDropped: 2n,
    rowsQuarantined: 0n,
  });
  const names = await readdir(result.data.files[0]?.path.replace(/\/[^/]*$/, "") ?? "");
  expect(names.some((name) => name.startsWith("work-"))).toBe(false);
});

test("a fail expectation or a failed test stops the run", async () => {
  await using model = await ModelBench.open();
  await model.land(ROWS);
  const failing = await model.run({
    request: { expectations: [expectation("n", "n > 0", "fail")] },
  });
  expect(failing.stop).toBe("n (1 row) failed");
  const unique = { kind: "unique", columns: ["v"], severity: "fail" } as const;
  await model.land("(9, 'a', '2026-01-01', 5)");
  const doubled = await model.run({ request: { tests: [unique] } });
  expect(doubled.stop).toBe("unique(v) (1 row) failed");
  expect(model.silver).toEqual([]);
  const bad = model.run({ request: { expectations: [expectation("oops", "nn > 0", "warn")] } });
  expect(bad).rejects.toMatchObject({ code: "sql", message: expect.stringContaining("oops") });
  const routed = model.run({
    request: {
      expectations: [expectation("fine", "n > 0", "drop"), expectation("oops", "nn", "drop")],
    },
  });
  expect(routed).rejects.toMatchObject({ message: expect.stringContaining("(oops)") });
});

test("unique looks at the rows an append is added to, relationships at the other table", async () => {
  await using model = await ModelBench.open();
  await model.land(ROWS);
  await model.run({});
  await model.land("(4, 'x', '2026-01-01', 5), (9, 'y', '2026-01-01', 5)");
  const dims = schemaOf({ key: "long" });
  const file = await model.bench.file(dims, "SELECT range AS key FROM range(5)");
  const result = await model.run({
    delta: model.bronze.slice(1),
    append: true,
    request: {
      tests: [
        { kind: "unique", columns: ["id"], severity: "warn" },
        { kind: "relationships", column: "id", to: "silver.dims", field: "key", severity: "warn" },
      ],
      testBindings: [
        scanBinding("silver.orders", scanOf("silver.orders", SILVER, model.silver)),
        scanBinding("silver.dims", scanOf("silver.dims", dims, [file])),
      ],
    },
  });
  expect(result.tests).toEqual([
    { name: "unique(id)", status: "warn", rows: 1n, action: "warn" },
    { name: "relationships(id -> silver.dims.key)", status: "warn", rows: 1n, action: "warn" },
  ]);
  expect(await model.rows()).toHaveLength(6);
});

test("columns are matched ignoring case and never bent into a narrower type", async () => {
  await using model = await ModelBench.open();
  await model.land(ROWS);
  await model.run({ request: { sql: "SELECT id::INT AS ID, v AS V, ts, n FROM bronze.orders" } });
  expect(await model.rows()).toHaveLength(4);
  const bent = model.run({ request: { sql: "SELECT id / 2 AS id, v, ts, n FROM bronze.orders" } });
  expect(bent).rejects.toMatchObject({
    code: "schema",
    hint: expect.stringContaining('"id"::BIGINT'),
  });
  const missing = model.run({ request: { sql: "SELECT id, v, ts FROM bronze.orders" } });
  expect(missing).rejects.toMatchObject({ code: "schema", message: expect.stringContaining("n ") });
  const extra = model.run({ request: { sql: "SELECT *, 1 AS more FROM bronze.orders" } });
  expect(extra).rejects.toMatchObject({ code: "schema", message: expect.stringContaining("more") });
});

test("a partitioned target gets files per partition", async () => {
  await using model = await ModelBench.open();
  await model.land(ROWS);
  const spec = {
    specId: 0,
    fields: [
      { sourceId: SILVER.fields[2]?.id ?? 0, fieldId: 1000, name: "at_day", transform: "day" },
    ],
  };
  const result = await model.run({
    request: { spec, expectations: [expectation("v", "v IS NOT NULL", "drop")] },
  });
  expect(result.data.files.map((file) => file.partition[0]).sort()).toEqual([20454, 20455, 20457]);
  expect(await model.rows()).toHaveLength(3);
});

const KEYED = { key: ["id"], latestBy: ["ts"] } as const;

test("merge keeps the latest row of each key and rewrites only the files it touches", async () => {
  await using model = await ModelBench.open();
  const mode = (target: ReturnType<typeof scanOf>) =>
    ({ kind: "merge", ...KEYED, target }) as const;
  await model.land(
    "(1, 'a', '2026-01-01', 1), (2, 'b', '2026-01-05', 1), (NULL, 'k', '2026-01-05', 1)",
  );
  const first = await model.run({ delta: model.bronze.slice(0, 1), mode });
  expect(first).toMatchObject({ rowsIn: 3n, rowsInserted: 2n, rowsQuarantined: 1n });
  const [reject] = await model.rejects(first);
  expect([reject?.reason, reject?.column_name, reject?.message]).toEqual([
    "key",
    "id",
    "NULL in key id",
  ]);
  await model.land("(3, 'c', '2026-01-01', 1)");
  await model.run({ delta: model.bronze.slice(1, 2), mode });
  const before = model.silver.map((file) => file.file.path);
  await model.land("(1, 'a2', '2026-01-02', 1), (2, 'older', '2026-01-04', 1), (1, 'a1', NULL, 1)");
  const third = await model.run({ delta: model.bronze.slice(2), mode });
  expect(third).toMatchObject({ rowsInserted: 0n, rowsUpdated: 1n, rowsDeleted: 0n });
  expect(third.replaced).toEqual([before[0] ?? ""]);
  expect(plain(await model.rows(SILVER, "id, v, _batch"))).toEqual([
    { id: 1, v: "a2", _batch: "b0003" },
    { id: 2, v: "b", _batch: "b0001" },
    { id: 3, v: "c", _batch: "b0002" },
  ]);
  await model.land("(2, 'older still', '2026-01-01', 1)");
  const nothing = await model.run({ delta: model.bronze.slice(3), mode });
  expect(nothing).toMatchObject({ replaced: [], rowsInserted: 0n, rowsUpdated: 0n });
  expect(nothing.data.files).toEqual([]);
});

test("a key that the query does not give is named", async () => {
  await using model = await ModelBench.open();
  await model.land(ROWS);
  const keyless = model.run({
    mode: (target) => ({ kind: "merge", key: ["order_id"], latestBy: [], target }),
  });
  expect(keyless).rejects.toMatchObject({
    code: "sql",
    message: expect.stringContaining("order_id"),
  });
});

test("replaying a range with unchanged code changes nothing", async () => {
  await using model = await ModelBench.open();
  await model.land(
    "(1, 'a', '2026-01-01', 1), (1, 'a', '2026-01-01', 1), (2, 'b', '2026-01-02', 1)",
  );
  await model.land("(1, 'c', '2026-01-03', 1), (4, 'd', NULL, 1)");
  const scope = { column: "_ingested_at", fromMs: 86_400_000, toMs: 2 * 86_400_000 };
  const byTime = { column: "ts", fromMs: Date.UTC(2026, 0, 1), toMs: Date.UTC(2026, 0, 3) };
  for (const key of [[], ["id"]]) {
    model.silver = [];
    await model.run(
      key.length === 0
        ? {}
        : { mode: (target) => ({ kind: "merge", key, latestBy: ["ts"], target }) },
    );
    const before = await model.rows();
    for (const range of [scope, byTime]) {
      const result = await model.run({
        mode: (target) => ({ kind: "replace", key, latestBy: ["ts"], target, scope: range }),
      });
      expect(result).toMatchObject({
        replaced: [],
        rowsInserted: 0n,
        rowsUpdated: 0n,
        rowsDeleted: 0n,
      });
      expect(result.data.files).toEqual([]);
      expect(await model.rows()).toEqual(before);
    }
  }
});

test("replaying a range with new code changes its rows and no others", async () => {
  await using model = await ModelBench.open();
  await model.land("(1, 'a', '2026-01-01', 1), (2, 'b', '2026-01-02', 1)");
  await model.land("(1, 'c', '2026-01-03', 1), (4, 'd', '2026-01-04', 1)");
  const scope = { column: "_ingested_at", fromMs: null, toMs: 2 * 86_400_000 };
  await model.run({});
  const sql = "SELECT id, upper(v) AS v, ts, n FROM bronze.orders WHERE v <> 'b'";
  const appended = await model.run({
    mode: (target) => ({ kind: "replace", key: [], latestBy: [], target, scope }),
    request: { sql },
  });
  expect(appended).toMatchObject({ rowsInserted: 1n, rowsDeleted: 2n });
  expect(plain(await model.rows(SILVER, "id, v"))).toEqual([
    { id: 1, v: "A" },
    { id: 1, v: "c" },
    { id: 4, v: "d" },
  ]);
  model.silver = [];
  await model.run({ mode: (target) => ({ kind: "merge", ...KEYED, target }) });
  const merged = await model.run({
    mode: (target) => ({ kind: "replace", ...KEYED, target, scope }),
    request: { sql },
  });
  expect(merged).toMatchObject({ rowsInserted: 0n, rowsUpdated: 1n, rowsDeleted: 1n });
  expect(plain(await model.rows(SILVER, "id, v, _batch"))).toEqual([
    { id: 1, v: "C", _batch: "b0002" },
    { id: 4, v: "d", _batch: "b0002" },
  ]);
});

test("the time and the zone of the run reach the query", async () => {
  await using model = await ModelBench.open();
  await model.land("(1, 'a', '2026-01-01', 1)");
  const sql =
    "SELECT id, strftime(now(), '%Y-%m-%d %H:%M %z') AS v, current_date::TIMESTAMP AS ts, n FROM bronze.orders";
  await model.run({ request: { sql, timezone: "Asia/Tokyo" } });
  expect(plain(await model.rows(SILVER, "v, ts"))).toEqual([
    { v: "2026-11-20 09:00 +09", ts: "2026-11-20 00:00:00" },
  ]);
  expect(BRONZE.fields).toHaveLength(8);
});
