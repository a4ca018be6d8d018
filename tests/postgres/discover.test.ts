/** A database is looked into before it is declared: its tables, what they need, and lines that read them. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { discoverOf } from "../../cmd/lake/discover.ts";
import { loadProject } from "../../cmd/project/project.ts";
import { type PostgresServer, postgresVersions, startPostgres } from "../support/postgres.ts";
import { tempFolder } from "../support/temp-folder.ts";

setDefaultTimeout(180_000);

describe.each(postgresVersions())("PostgreSQL %d", (version) => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres(version);
    const run = (sql: string) => server.run("found", sql);
    await run("create table orders (id int, line int, note text, primary key (line, id))");
    await run("insert into orders select g, 1, repeat('x', 100) from generate_series(1, 1000) g");
    await run("create table events (at timestamptz)");
    await run('create schema "Odd Name"');
    await run('create table "Odd Name"."t 1" (id int primary key)');
    await run("create table parts (id int primary key) partition by range (id)");
    await run("create table parts_1 partition of parts for values from (0) to (100)");
    await run("insert into parts select generate_series(1, 50)");
    await run("create unlogged table scratch (id int primary key)");
    await run("analyze");
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  test("tables with about their rows, size, key, and what stands in the way", async () => {
    const address = `postgres://postgres:pw%40@127.0.0.1:${server.port}/found`;
    const { found, lines, secrets, at } = await discoverOf("/", address);
    expect(at).toContain(`127.0.0.1:${server.port}/found, PostgreSQL ${version}`);
    expect(found.map(({ name, rows, key }) => [name, rows, key])).toEqual([
      ["Odd Name.t 1", 0, "id"],
      ["public.events", 0, null],
      ["public.orders", 1000, "line, id"],
      ["public.parts", 50, "id"],
    ]);
    expect(found[2]?.bytes).toBeGreaterThan(100_000);
    expect(found[1]?.note).toContain("no primary key");
    expect(lines).toEqual([
      "sources:",
      "  found:",
      "    kind: postgres",
      `    url: "postgres://postgres:\${secret:found_password}@127.0.0.1:${server.port}/found"`,
      "    tables: [Odd Name.t 1, orders, parts]",
    ]);
    expect(secrets).toEqual(["found_password"]);
  });

  test("a declared source, and an address that a variable holds", async () => {
    await using folder = await tempFolder();
    const url = `postgres://postgres@127.0.0.1:${server.port}/found`;
    writeFileSync(`${folder.path}/.env`, `PG=${url}\n`);
    const asked = await discoverOf(folder.path, "postgres://127.0.0.1:1/x").catch((e) => e.code);
    expect(asked).toBe("io");
    writeFileSync(
      `${folder.path}/tarn.yaml`,
      `sources: { shop: { kind: postgres, url: "\${PG}" } }`,
    );
    const declared = await discoverOf(folder.path, "shop");
    expect(declared.lines.slice(0, 3)).toEqual(["sources:", "  shop:", "    kind: postgres"]);
    const { lines } = await discoverOf(folder.path, `\${PG}`);
    expect(lines).toContain(`    url: "\${PG}"`);
    writeFileSync(`${folder.path}/tarn.yaml`, lines.join("\n"));
    expect((await loadProject(folder.path, {})).errors).toEqual([]);
  });
});
