/** Binding by the syntax tree: names, moments, hidden columns, the run time, errors in place. */

import { expect, test } from "bun:test";
import type { Binding } from "../../../../core/engine.ts";
import { bindSelect, tablesIn } from "../../../../sql/bind/bind.ts";
import { Bench, plain, scanBinding, scanOf, schemaOf } from "../../../support/lake-scan.ts";

const SCHEMA = schemaOf({ id: "long", name: "string", _source_file: "string", _batch: "string" });

async function orders(bench: Bench): Promise<Binding> {
  const file = await bench.file(
    SCHEMA,
    `SELECT * FROM (VALUES (1, 'a', 'x.csv', 'b1'), (2, 'b', 'x.csv', 'b1'), (3, 'c', 'y.csv', 'b1'))
       t(id, name, _source_file, _batch)`,
    { rowOrder: "0" },
  );
  return scanBinding("bronze.orders", scanOf("bronze.orders", SCHEMA, [file]));
}

async function ask(bench: Bench, sql: string, bindings: readonly Binding[], runTimeMs = 0) {
  const bound = await bindSelect(bench.db, sql, bindings, { runTimeMs });
  return plain(await bench.db.rows(bound.sql));
}

test("a query reads the files of its binding, and hidden columns stay out of the star", async () => {
  await using bench = await Bench.open();
  const binding = await orders(bench);
  expect(await ask(bench, "SELECT * FROM bronze.orders ORDER BY id LIMIT 1", [binding])).toEqual([
    { id: 1, name: "a" },
  ]);
  const sql = "SELECT *, _source_file, o._row FROM bronze.orders o WHERE _batch = 'b1' ORDER BY id";
  expect(await ask(bench, sql, [binding])).toEqual([
    { id: 1, name: "a", _source_file: "x.csv", _row: 1 },
    { id: 2, name: "b", _source_file: "x.csv", _row: 2 },
    { id: 3, name: "c", _source_file: "y.csv", _row: 1 },
  ]);
  const excluded =
    "SELECT * EXCLUDE (_source_file, name) FROM bronze.orders WHERE _row = 1 ORDER BY id";
  expect(await ask(bench, excluded, [binding])).toEqual([{ id: 1 }, { id: 3 }]);
});

test("_file is another name of _source_file, unless the table has a column of that name", async () => {
  await using bench = await Bench.open();
  const ours = await orders(bench);
  const sql = "SELECT *, o._file FROM bronze.orders o WHERE _file = 'y.csv'";
  expect(await ask(bench, sql, [ours])).toEqual([{ id: 3, name: "c", _file: "y.csv" }]);
  const schema = schemaOf({ id: "long", _file: "string" });
  const path = await bench.file(schema, "SELECT 1 AS id, 'its own' AS _file");
  const theirs = scanBinding("other.t", scanOf("other.t", schema, [path]));
  const star = "SELECT * FROM other.t WHERE _file = 'its own'";
  expect(await ask(bench, star, [theirs])).toEqual([{ id: 1, _file: "its own" }]);
});

test("columns may be qualified by schema and table, and CTE names shadow tables", async () => {
  await using bench = await Bench.open();
  const binding = await orders(bench);
  const qualified = "SELECT bronze.orders.id FROM bronze.orders WHERE orders.name = 'b'";
  expect(await ask(bench, qualified, [binding])).toEqual([{ id: 2 }]);
  const plainRef = scanBinding("orders", binding.kind === "scan" ? binding.scan : never());
  const shadowed = "WITH orders AS (SELECT 42 AS id) SELECT * FROM orders";
  expect(await ask(bench, shadowed, [plainRef])).toEqual([{ id: 42 }]);
  const selfNamed = "WITH orders AS (SELECT max(id) AS id FROM orders) SELECT id FROM orders";
  expect(await ask(bench, selfNamed, [plainRef])).toEqual([{ id: 3 }]);
});

test("a column without a name is called as it was written, not after files", async () => {
  await using bench = await Bench.open();
  const binding = await orders(bench);
  const written = ["(SELECT count_star() FROM bronze.orders)", "EXISTS(SELECT 1 FROM orders)"];
  const sql = `SELECT ${written.join(", ")}, max(orders.id) FROM bronze.orders`;
  const [row] = await ask(bench, sql, [
    binding,
    { ...binding, ref: { ...binding.ref, name: "orders" } },
  ]);
  expect(Object.keys(row ?? {})).toEqual([...written, "max(orders.id)"]);
});

test("two tables of one last name in one FROM keep apart", async () => {
  await using bench = await Bench.open();
  const bronze = await orders(bench);
  const silver = { ...bronze, ref: { ...bronze.ref, name: "silver.orders" } };
  const sql =
    "SELECT count(*) AS n FROM bronze.orders JOIN silver.orders ON bronze.orders.id = silver.orders.id";
  expect(await ask(bench, sql, [bronze, silver])).toEqual([{ n: 3 }]);
});

test("every spelling of time travel reaches its binding", async () => {
  await using bench = await Bench.open();
  const at = (value: string, unit: "version" | "timestamp" | "tag" = "version") => ({
    unit,
    value,
  });
  const spellings: [string, string, ReturnType<typeof at> | null][] = [
    ["SELECT id FROM orders AT (VERSION => 12)", "orders", at("12")],
    ["SELECT o.id FROM orders o AT (VERSION => 12)", "orders", at("12")],
    ["SELECT o.id FROM orders AT (VERSION => 12) AS o", "orders", at("12")],
    [
      "SELECT id FROM orders FOR VERSION AS OF 9223372036854775807",
      "orders",
      at("9223372036854775807"),
    ],
    ["SELECT o.id FROM orders FOR VERSION AS OF 'main' o WHERE true", "orders", at("main")],
    ["SELECT id FROM orders VERSION AS OF 3 ORDER BY id", "orders", at("3")],
    [
      "SELECT id FROM orders FOR SYSTEM_TIME AS OF TIMESTAMP '2026-01-01 00:00:00' WHERE id > 0",
      "orders",
      at("2026-01-01 00:00:00", "timestamp"),
    ],
    ["SELECT id FROM orders TIMESTAMP AS OF '2026-01-01'", "orders", at("2026-01-01", "timestamp")],
    [
      "SELECT id FROM orders AT (TIMESTAMP => now() - INTERVAL 1 DAY)",
      "orders",
      at("1969-12-31 00:00:00+00", "timestamp"),
    ],
    ["SELECT id FROM orders AT (TAG => 'eod')", "orders", at("eod", "tag")],
    ["SELECT orders.id FROM orders@12", "orders@12", null],
    ["SELECT o.id FROM bronze.orders@-1 o", "bronze.orders@-1", null],
  ];
  const base = await orders(bench);
  for (const [sql, name, moment] of spellings) {
    const [ref] = await tablesIn(bench.db, sql, 0);
    expect([sql, ref?.name, ref?.at]).toEqual([sql, name, moment]);
    expect(sql.slice(ref?.offset ?? 0)).toStartWith(name.split("@")[0] ?? "");
    const binding = { ...base, ref: { name, at: moment, offset: null } };
    expect(await ask(bench, `SELECT count(*) AS n FROM (${sql})`, [binding])).toEqual([{ n: 3 }]);
  }
});

test("strings, comments and dollar quotes are not touched", async () => {
  await using bench = await Bench.open();
  const binding = await orders(bench);
  const sql = `SELECT 'orders@12 FOR VERSION AS OF 1' AS a, $$t AT (TAG => 1) x$$ AS b /* orders@1 */
     FROM bronze.orders -- x@2
     LIMIT 1`;
  expect(await ask(bench, sql, [binding])).toEqual([
    { a: "orders@12 FOR VERSION AS OF 1", b: "t AT (TAG => 1) x" },
  ]);
});

test("binding twice is binding once", async () => {
  await using bench = await Bench.open();
  const binding = await orders(bench);
  const sql = "SELECT o.id, 'é' AS e FROM bronze.orders o WHERE o.name <> 'lake_scan_0' ORDER BY 1";
  const once = await bindSelect(bench.db, sql, [binding], { runTimeMs: 0 });
  const twice = await bindSelect(bench.db, once.sql, [binding], { runTimeMs: 0 });
  expect(plain(await bench.db.rows(twice.sql))).toEqual(plain(await bench.db.rows(once.sql)));
  expect(await tablesIn(bench.db, once.sql)).toEqual([]);
});

test("views are put in place with their own bindings", async () => {
  await using bench = await Bench.open();
  const inner = await orders(bench);
  const view: Binding = {
    kind: "view",
    ref: { name: "silver.big", at: null, offset: null },
    sql: "SELECT id, name FROM bronze.orders WHERE id > 1",
    bindings: [inner],
  };
  expect(await ask(bench, "SELECT big.* FROM silver.big ORDER BY id", [view])).toEqual([
    { id: 2, name: "b" },
    { id: 3, name: "c" },
  ]);
});

test("now() and its kin are the run time, in the project's zone", async () => {
  await using bench = await Bench.open("Europe/Berlin");
  const runTimeMs = Date.UTC(2026, 10, 20, 23, 30);
  const sql = `SELECT now() AS a, current_date AS d, today() AS t, date_trunc('hour', now())::VARCHAR AS h,
       current_timestamp = now() AS same`;
  expect(await ask(bench, sql, [], runTimeMs)).toEqual([
    {
      a: "2026-11-20 23:30:00+00",
      d: "2026-11-21",
      t: "2026-11-21",
      h: "2026-11-21 00:00:00+01",
      same: true,
    },
  ]);
  const unnamed = await bindSelect(bench.db, "SELECT now()::DATE, current_date", [], { runTimeMs });
  const described = await bench.db.rows(`DESCRIBE ${unnamed.sql}`);
  expect(described.map((row) => row.column_name)).toEqual(["CAST(now() AS DATE)", "current_date"]);
});

test("errors point into the statement as it was written", async () => {
  await using bench = await Bench.open();
  const binding = await orders(bench);
  const syntax = bindSelect(bench.db, "SELECT id\nFROM bronze.orders WHEREE id = 1 1", [binding], {
    runTimeMs: 0,
  });
  expect(syntax).rejects.toMatchObject({ code: "sql", place: { line: 2 } });
  const sql = "SELECT id,\n  nmae FROM bronze.orders";
  const bound = await bindSelect(bench.db, sql, [binding], { runTimeMs: 0 });
  const failed = await bench.db.rows(bound.sql).catch((thrown: unknown) => bound.locate(thrown));
  expect(failed).toMatchObject({ code: "sql", place: { line: 2, column: 3, length: 4 } });
  const dml = bindSelect(bench.db, "DELETE FROM orders", [], { runTimeMs: 0 });
  expect(dml).rejects.toMatchObject({ code: "unsupported", message: "DELETE cannot be bound" });
  const lost = bindSelect(bench.db, "SELECT * FROM nowhere AT (VERSION => 1)", [], {
    runTimeMs: 0,
  });
  expect(lost).rejects.toMatchObject({ code: "not-found" });
});

test("3,000 files bind and count quickly enough to be one call", async () => {
  await using bench = await Bench.open();
  const binding = await orders(bench);
  if (binding.kind !== "scan") return;
  const [file] = binding.scan.files;
  if (file === undefined) return;
  const many = {
    ...binding,
    scan: { ...binding.scan, files: Array.from({ length: 3000 }, () => file) },
  };
  expect(await ask(bench, "SELECT count(*) AS n, sum(id) AS s FROM bronze.orders", [many])).toEqual(
    [{ n: 9000, s: 18000 }],
  );
});

function never(): never {
  throw new Error("not reached");
}
