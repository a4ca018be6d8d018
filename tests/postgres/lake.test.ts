/** A database through a whole lake: landed, made into tables, a slot that is lost, and what is read again. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { pauseStream, readAgain, resumeStream, writeModels } from "../../cmd/lake/streams.ts";
import { openSession } from "../../cmd/open.ts";
import { build, rows } from "../support/built-lake.ts";
import { type PostgresServer, postgresVersions, startPostgres } from "../support/postgres.ts";
import { tempFolder } from "../support/temp-folder.ts";

setDefaultTimeout(180_000);

describe.each(postgresVersions())("PostgreSQL %d", (version) => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres(version);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  function project(root: string, database: string, tables: readonly string[]): void {
    const url = `postgres://postgres@127.0.0.1:${server.port}/${database}`;
    mkdirSync(`${root}/models/silver`, { recursive: true });
    const source = JSON.stringify({ kind: "postgres", url, tables });
    writeFileSync(`${root}/tarn.yaml`, `sources: { s: ${source} }\n`);
  }

  test("tables are as in the database, whatever happened to rows, keys and large values", async () => {
    await using folder = await tempFolder();
    const root = folder.path;
    const db = await server.client("whole");
    await db.query("create table t(id int primary key, name text, note text)");
    await db.query("alter table t alter column note set storage external");
    await db.query("create table empty(id int primary key, v text)");
    const made = "select i, 'n' || i, repeat('x', 5000) || i from generate_series(1, 50) i";
    await db.query(`insert into t ${made}`);
    project(root, "whole", ["t", "empty"]);
    expect(await build(root)).toEqual([]);
    await using session = await openSession({ folder: root, args: {} }, { engine: null });
    const models = await writeModels(session, "s");
    expect(models.map(({ path }) => path).sort()).toEqual([
      "models/silver/empty.sql",
      "models/silver/t.sql",
    ]);
    expect(readFileSync(`${root}/models/silver/t.sql`, "utf8")).toContain('keys: ["id"]');
    await db.query("update t set name = 'changed' where id <= 3");
    await db.query("delete from t where id = 4");
    await db.query("update t set id = 1000, note = 'moved' where id = 5");
    await db.query("begin; delete from t; rollback");
    expect(await build(root)).toEqual([]);
    const wanted = await server.run("whole", "select id, name, right(note, 3) from t order by id");
    const found = await rows(
      root,
      'select id::varchar, name, "right"(note, 3) from silver.t order by id',
    );
    expect(found).toEqual(wanted);
    expect(await rows(root, "select count(*)::int from silver.empty")).toEqual([[0]]);
    await db.query("truncate t");
    await db.query("insert into t values (7, 'after', null)");
    expect(await build(root)).toEqual([]);
    expect(await rows(root, "select id, name, note from silver.t")).toEqual([[7, "after", null]]);
  });

  test("a slot that is gone is a gap; read again, the tables are what the database has", async () => {
    await using folder = await tempFolder();
    const root = folder.path;
    const db = await server.client("again");
    for (const table of ["a", "b"]) {
      await db.query(`create table ${table}(id int primary key, v text)`);
      await db.query(`insert into ${table} select i, 'x' from generate_series(1, 20) i`);
    }
    project(root, "again", ["a", "b"]);
    expect(await build(root)).toEqual([]);
    {
      await using session = await openSession({ folder: root, args: {} }, { engine: "t" });
      await writeModels(session, "s");
    }
    const dropped = `select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = 'again'`;
    await server.run("again", dropped);
    await db.query("delete from a where id <= 5");
    await db.query("update b set v = 'y' where id = 1");
    expect(await build(root)).toEqual([expect.stringContaining("is gone; changes from")]);
    const again = async (table: string | null): Promise<void> => {
      await using session = await openSession({ folder: root, args: {} }, { engine: "t" });
      await readAgain(session, "s", table);
    };
    await again(null);
    expect(await build(root)).toEqual([]);
    const counts = `select (select count(*)::int from silver.a), (select count(*)::int from silver.b where v = 'y')`;
    expect(await rows(root, counts)).toEqual([[15, 1]]);
    // A default that rewrites the table sends no row.
    await db.query("alter table b drop column v");
    await db.query("alter table b add column v text default 'y'");
    await again("public.b");
    expect(await build(root)).toEqual([]);
    expect(await rows(root, counts)).toEqual([[15, 20]]);
    await expect(again("public.c")).rejects.toThrow("no table that was read");
  });

  test("two tables whose names come to one here are refused, not mixed", async () => {
    await using folder = await tempFolder();
    const db = await server.client("clash");
    await db.query("create schema sales");
    for (const table of ["public.sales_orders", "sales.orders"]) {
      await db.query(`create table ${table}(id int primary key)`);
      await db.query(`insert into ${table} values (1)`);
    }
    project(folder.path, "clash", ["public.sales_orders", "sales.orders"]);
    const failures = await build(folder.path);
    expect(failures.join()).toContain("would both land in bronze.s_sales_orders");
    const isMixed = "select count(distinct source) > 1 from lake.batches";
    expect(await rows(folder.path, isMixed)).toEqual([[false]]);
  });

  test("a source by another name goes on with its slot, and nothing lands twice", async () => {
    await using folder = await tempFolder();
    const root = folder.path;
    const db = await server.client("renamed");
    await db.query("create table t(id int primary key, v text)");
    await db.query("insert into t values (1, 'a')");
    project(root, "renamed", ["t"]);
    expect(await build(root)).toEqual([]);
    const slots = "select slot_name from pg_replication_slots where database = 'renamed'";
    const before = await server.run("renamed", slots);
    await db.query("insert into t values (2, 'b')");
    const text = readFileSync(`${root}/tarn.yaml`, "utf8");
    const named = (name: string) => text.replace("{ s: {", `{ ${name}: {`);
    writeFileSync(`${root}/tarn.yaml`, named("shop"));
    expect(await build(root)).toEqual([expect.stringContaining("s was read before")]);
    writeFileSync(
      `${root}/tarn.yaml`,
      named("shop").replace("{ shop: {", "{ shop: {moved_from: s, "),
    );
    expect(await build(root)).toEqual([]);
    await db.query("update t set v = 'c' where id = 1");
    writeFileSync(`${root}/tarn.yaml`, named("shop"));
    expect(await build(root)).toEqual([]);
    expect(await server.run("renamed", slots)).toEqual(before);
    const landed = "select string_agg(_op || id || v, ' ' order by _position) from bronze.s_t";
    expect(await rows(root, landed)).toEqual([["r1a c2b u1c"]]);
    expect(await rows(root, "select distinct source from lake.batches")).toEqual([
      ["shop.public.t"],
    ]);
  });

  test("what is paused waits at the server", async () => {
    await using folder = await tempFolder();
    const root = folder.path;
    const db = await server.client("paused");
    await db.query("create table t(id int primary key)");
    project(root, "paused", ["t"]);
    expect(await build(root)).toEqual([]);
    const said = async (act: typeof pauseStream): Promise<string> => {
      await using session = await openSession({ folder: root, args: {} }, { engine: "t" });
      return (await act(session, "s")).state;
    };
    expect(await said(pauseStream)).toBe("paused");
    await db.query("insert into t values (1)");
    expect(await build(root)).toEqual([]);
    const count = "select count(*)::int from bronze.s_t";
    expect(await rows(root, count)).toEqual([[0]]);
    expect(await said(resumeStream)).toBe("read");
    expect(await build(root)).toEqual([]);
    expect(await rows(root, count)).toEqual([[1]]);
  });
});
