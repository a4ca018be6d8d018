/** A query session over a lake that is a few Parquet files in a temporary folder. */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LakeError } from "../../../../core/base/errors.ts";
import { isCancelled } from "../../../../sql/query/error.ts";
import { QuerySession } from "../../../../sql/query/query.ts";
import { openTestDuckDB, TestLake } from "../../../support/test-lake.ts";

let folder: string;
let lake: TestLake;
let session: QuerySession;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "lake-query-"));
  lake = await TestLake.create(folder);
  session = new QuerySession({
    open: openTestDuckDB,
    lookup: lake,
    timezone: "UTC",
    writablePath: (path) => join(folder, path),
  });
});
afterAll(async () => {
  await session.close();
  rmSync(folder, { recursive: true });
});

async function rows(text: string) {
  const all: unknown[][] = [];
  let tables: readonly string[] = [];
  let notes: readonly string[] = [];
  let columns: string[] = [];
  for await (const answer of session.run(text)) {
    tables = answer.tables;
    notes = answer.notes;
    if (answer.result === null) continue;
    columns = answer.result.columns.map((column) => column.name);
    for await (const chunk of answer.result.chunks()) {
      for (let row = 0; row < chunk.rowCount; row++) {
        all.push(chunk.columns.map((cells) => cells[row]));
      }
    }
  }
  return { all, tables, notes, columns };
}

async function failure(text: string): Promise<LakeError> {
  try {
    await rows(text);
  } catch (thrown) {
    if (thrown instanceof LakeError) return thrown;
    throw thrown;
  }
  throw new Error(`no error from ${text}`);
}

test("a table of the lake is read at its snapshot, and the footer names it", async () => {
  const { all, tables } = await rows(
    "select status, sum(amount) from silver.orders group by 1 order by 1",
  );
  expect(all).toEqual([
    ["new", 500n],
    ["paid", 1250n],
  ]);
  expect(tables).toEqual(["silver.orders@2"]);
});

test("statements without tables need no lake, several run in order", async () => {
  expect((await rows("select 42; -- done;\n select 'a;b' || $$;$$;;")).all).toEqual([
    [42],
    ["a;b;"],
  ]);
});

test("a version in the statement or the session reads an older snapshot", async () => {
  expect((await rows("select count(*) from silver.orders at (version => 1)")).all).toEqual([[1n]]);
  expect((await rows("select count(*) from orders for version as of 1")).tables).toEqual([
    "silver.orders@1",
  ]);
  session.asOf = "tag:first";
  expect((await rows("select count(*) from silver.orders")).all).toEqual([[1n]]);
  session.asOf = null;
});

test("describe, summarize, explain, show and from-first", async () => {
  expect((await rows("describe silver.orders")).all.map((row) => row[0])).toEqual([
    "id",
    "status",
    "amount",
  ]);
  expect((await rows("describe select id from orders")).all).toHaveLength(1);
  expect((await rows("summarize silver.orders")).all).toHaveLength(3);
  expect((await rows("from silver.orders limit 1")).all).toHaveLength(1);
  expect((await rows("explain select * from orders")).all.length).toBeGreaterThan(0);
  expect((await rows("explain analyze select * from orders")).all.length).toBeGreaterThan(0);
  expect((await rows("show tables")).all.flat()).toContain("silver.orders");
  expect((await rows("table silver.orders")).all).toHaveLength(3);
});

test("pivot, whose values are only known at run time", async () => {
  const { all, tables } = await rows("pivot silver.orders on status using sum(amount) group by id");
  expect(all).toHaveLength(3);
  expect(tables).toEqual(["silver.orders@2"]);
});

test("temporary tables can be made from lake tables, changed, read and dropped", async () => {
  await rows("create temp table t as select * from silver.orders where amount > 300");
  await rows("insert into t select * from silver.orders where id = 1");
  expect((await rows("from t")).all).toHaveLength(3);
  await rows("update t set status = 'x'; delete from t where id = 1");
  expect((await rows("select distinct status from t")).all).toEqual([["x"]]);
  expect((await rows("show tables")).all.flat()).toContain("t");
  await rows("drop table t");
});

test("writing to the lake is refused with what to do instead", async () => {
  for (const text of [
    "insert into silver.orders values (1)",
    "delete from orders",
    "update silver.orders set id = 1",
    "drop table silver.orders",
    "create table x as select 1",
    "attach 'x.db'",
    "begin",
    "install httpfs",
  ]) {
    const error = await failure(text);
    expect(error.code).toBe("unsupported");
    expect(error.hint).not.toBe(null);
  }
});

test("harmless settings only; the time zone is followed", async () => {
  await rows("set timezone = 'Asia/Tokyo'");
  expect(session.timezone).toBe("Asia/Tokyo");
  await rows("set time zone 'UTC'");
  expect(session.timezone).toBe("UTC");
  await rows("set variable x = 7");
  expect((await rows("select getvariable('x')")).all).toEqual([[7]]);
  expect((await failure("set errors_as_json = false")).code).toBe("unsupported");
});

test("errors stand at their place in the whole text", async () => {
  const error = await failure("select 1;\n\nselect id,\n  amout\nfrom silver.orders;");
  expect(error.code).toBe("sql");
  expect(error.place).toMatchObject({ line: 4, column: 3, length: 5 });
  expect(error.hint).toContain("amount");
  expect((await failure("select 1; selec 2")).place).toMatchObject({ line: 1, column: 11 });
  expect((await failure("explain select nope")).place).toMatchObject({ line: 1, column: 16 });
});

test("a table that is not there is named with those that are near", async () => {
  const error = await failure("select * from silver.ordrs");
  expect(error.code).toBe("not-found");
  expect(error.message).toBe('there is no table "silver.ordrs"');
  expect(error.hint).toBe('did you mean "silver.orders"?');
  expect(error.place).toMatchObject({ line: 1, column: 22 });
});

test("system tables are made only when named", async () => {
  expect((await rows("select run, rows from lake.runs order by rows desc")).all).toEqual([
    ["b", 9007199254740993n],
    ["a", 1n],
  ]);
  expect((await rows('select count(*) from "orders$snapshots"')).all).toEqual([[2n]]);
  expect(lake.systemTablesAsked).toEqual(["lake.runs", "orders$snapshots"]);
});

test("files can be read by path, added as tables, and written", async () => {
  const path = join(folder, "small file.csv");
  writeFileSync(path, "a,b\n1,x\n2,y\n");
  expect((await rows(`select sum(a) from '${path}'`)).all).toEqual([[3n]]);
  expect(await session.addFile(path)).toBe("small_file");
  expect((await rows("from small_file join silver.orders on id = a")).all).toHaveLength(2);
  await rows("copy (select * from silver.orders) to 'out.csv' (header)");
  expect((await rows(`select count(*) from '${folder}/out.csv'`)).all).toEqual([[3n]]);
  const written = await session.writeParquet("from silver.orders", "out.parquet");
  expect(written.rowsChanged).toBe(3);
  expect(() => session.addFile("x.xlsx")).toThrow("cannot be queried");
});

test("what is stale is noted", async () => {
  expect((await rows("from gold.daily")).notes).toEqual([
    "gold.daily is stale: its last run failed",
  ]);
});

test("a cancelled query says so, and the session goes on", async () => {
  const running = rows("select count(*) from range(1000000000) a, range(1000000) b");
  await session.run("").next();
  const settled = running.then(
    () => "done",
    (thrown) => (isCancelled(thrown) ? "cancelled" : thrown),
  );
  await until(() => session.isRunning);
  session.interrupt();
  expect(await settled).toBe("cancelled");
  expect((await rows("select 1")).all).toEqual([[1]]);
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
