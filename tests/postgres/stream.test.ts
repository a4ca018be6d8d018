/** A PostgreSQL database read as a stream, by servers of several versions: nothing lost, nothing doubled. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type PostgresServer, postgresVersions, startPostgres } from "../support/postgres.ts";
import { StreamLake } from "./stream-lake.ts";

describe.each(postgresVersions())("PostgreSQL %d", (version) => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres(version);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  test("rows that were there come first, then what happened since", async () => {
    const run = (sql: string) => server.run("basic", sql);
    await run("create table marks (m bigint primary key)");
    await run("create table orders (id int primary key, note text, price numeric(10,2))");
    await run("insert into orders select g, 'note ' || g, g from generate_series(1, 1000) g");
    await using lake = await StreamLake.make(server, { database: "basic" });
    await lake.open();
    await run("update orders set note = 'changed' where id = 7");
    await run("delete from orders where id = 8");
    await run("insert into orders values (2000, 'new', 1.50)");
    const rows = await lake.untilNow();
    const ops = rows.map(({ op }) => op).join("");
    expect(ops).toBe(`${"r".repeat(1000)}udc`);
  });

  test("changes that waited for their table's rows do not come again after a restart", async () => {
    const run = (sql: string) => server.run("waited", sql);
    await run("create table marks (m bigint primary key)");
    await run("create table wide (id int primary key, v text)");
    await run("insert into wide select g, repeat('x', 2000) from generate_series(1, 5000) g");
    await using lake = await StreamLake.make(server, { database: "waited" });
    await lake.open();
    await run("insert into wide values (-1, 'came meanwhile')");
    await run("update wide set v = 'changed' where id = 1");
    await lake.until((rows) => rows.some(({ op, table }) => table === "public.wide" && op === "u"));
    await lake.open();
    await lake.untilNow();
    const changes = lake.rows.filter(({ op, table }) => table === "public.wide" && op !== "r");
    expect(changes.map(({ op }) => op).join("")).toBe("cu");
  });

  test("how far the lake is behind falls to nothing once all is acknowledged", async () => {
    const run = (sql: string) => server.run("lagging", sql);
    await run("create table marks (m bigint primary key)");
    await run("create table wide (id int primary key, v text)");
    await using lake = await StreamLake.make(server, { database: "lagging" });
    const stream = await lake.open();
    await lake.untilNow();
    await run("insert into wide select g, repeat(md5(g::text), 50) from generate_series(1, 500) g");
    const behind = await stream.lag();
    expect(behind?.bytes).toBeGreaterThan(500_000);
    expect(behind?.rows).toBeNull();
    // Before anything has landed that the server gave a time by itself, nobody knows.
    expect(behind?.ms ?? 0).toBeGreaterThanOrEqual(0);
    await lake.untilNow();
    expect((await stream.lag())?.bytes).toBeLessThan(500_000);
  });
});
