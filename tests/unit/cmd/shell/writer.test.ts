/** Statements beside other writers: worked out again, put on top, or refused with both states. */

import { expect, test } from "bun:test";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lakeLookup } from "../../../../cmd/lake/table-lookup.ts";
import { openSession, type Session } from "../../../../cmd/open.ts";
import { LakeChanges, runHere } from "../../../../cmd/shell/writer.ts";
import { LakeError } from "../../../../core/base/errors.ts";
import type { Json } from "../../../../core/base/json.ts";
import { QuerySession } from "../../../../sql/query/query.ts";
import { tempFolder } from "../../../support/temp-folder.ts";
import { openTestDuckDB } from "../../../support/test-lake.ts";

test("a statement that another one came before is worked out again on what is there then", async () => {
  await using lake = await openLake();
  await lake.run("create table gold.t as select 1 as id, 10 as n");
  lake.before = () => lake.other("update gold.t set n = n + 5");
  await lake.run("update gold.t set n = n * 2");
  expect(await lake.rows("select n from gold.t")).toEqual(["30"]);
});

test("rows that are put in without a look go on top of whatever came", async () => {
  await using lake = await openLake();
  await lake.run("create table gold.t as select 1 as id");
  lake.before = () => lake.other("insert into gold.t values (2)");
  await lake.run("insert into gold.t values (3)");
  expect(await lake.rows("select id from gold.t order by id")).toEqual(["1", "2", "3"]);
});

test("a transaction over a table that moved names both states, and changes none of its tables", async () => {
  await using lake = await openLake();
  await lake.run("create table gold.a as select 1 as id; create table gold.b as select 1 as id");
  await lake.run("begin; update gold.a set id = 2; insert into gold.b values (2)");
  await lake.other("insert into gold.a values (9)");
  expect(await messageOf(lake.run("commit"))).toBe(
    "conflict: gold.a was changed by another writer: it was @1, and is @2",
  );
  expect(await lake.rows("select count(*) from gold.b")).toEqual(["1"]);
});

test("a transaction reads one moment, whatever others do meanwhile", async () => {
  await using lake = await openLake();
  await lake.run("create table gold.a as select 1 as id; create table gold.b as select 1 as id");
  await lake.run("begin; insert into gold.b values (2)");
  await lake.other("insert into gold.a values (9)");
  const within = await lake.rows("select count(*) from gold.a");
  await lake.run("commit");
  expect([within, await lake.rows("select count(*) from gold.a")]).toEqual([["1"], ["2"]]);
});

test("a table that changed since BEGIN is not changed on its state of now", async () => {
  await using lake = await openLake();
  await lake.run("create table gold.a as select 1 as id; begin");
  await lake.other("insert into gold.a values (9)");
  expect(await messageOf(lake.run("delete from gold.a"))).toBe(
    "conflict: gold.a was @1 at BEGIN, and is @2 by now",
  );
});

test("what a process that died has staged goes, and what one that lives has stays", async () => {
  await using folder = await tempFolder();
  writeFileSync(join(folder.path, "tarn.yaml"), "project: p\n");
  const staging = join(folder.path, "warehouse", ".staging");
  const names = ["sql-999999999-x", `sql-${process.pid}-y`];
  for (const name of names) mkdirSync(join(staging, name), { recursive: true });
  const flags = { folder: folder.path, args: { threads: "1" } };
  await using _session = await openSession(flags, { engine: "test" });
  expect(names.map((name) => existsSync(join(staging, name)))).toEqual([false, true]);
});

class Lake implements AsyncDisposable {
  /** Is run before the next commit of `run`, once. */
  before: (() => Promise<void>) | null = null;
  readonly #folder: AsyncDisposable;
  readonly #session: Session;
  readonly #writers: readonly LakeChanges[];
  readonly #queries: readonly QuerySession[];

  constructor(folder: AsyncDisposable, session: Session) {
    this.#folder = folder;
    this.#session = session;
    const own = writerOn(session, async () => {
      const { before } = this;
      this.before = null;
      await before?.();
    });
    this.#writers = [own, writerOn(session, async () => undefined)];
    this.#queries = this.#writers.map((writer) => queryOn(session, writer));
  }

  async run(sql: string): Promise<void> {
    await this.rows(sql);
  }

  /** As another shell on the same lake. */
  async other(sql: string): Promise<void> {
    await rowsOf(this.#queries[1], sql);
  }

  rows(sql: string): Promise<string[]> {
    return rowsOf(this.#queries[0], sql);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const query of this.#queries) await query.close();
    for (const writer of this.#writers) writer[Symbol.dispose]();
    await this.#session[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

async function openLake(): Promise<Lake> {
  const folder = await tempFolder();
  writeFileSync(join(folder.path, "tarn.yaml"), "project: p\n");
  const flags = { folder: folder.path, args: { threads: "1" } };
  return new Lake(folder, await openSession(flags, { engine: "test" }));
}

async function messageOf(work: Promise<void>): Promise<string> {
  try {
    await work;
    return "it went well";
  } catch (thrown) {
    return thrown instanceof LakeError ? `${thrown.code}: ${thrown.message}` : String(thrown);
  }
}

function writerOn(session: Session, before: () => Promise<void>): LakeChanges {
  return new LakeChanges(
    async () => session,
    async (command, args) => {
      await before();
      const found: Json[] = [];
      await runHere(session, command, args, found, new AbortController().signal);
      return found;
    },
  );
}

function queryOn(session: Session, writer: LakeChanges): QuerySession {
  return new QuerySession({
    open: openTestDuckDB,
    lookup: lakeLookup(session),
    timezone: "UTC",
    writablePath: (path) => path,
    writer,
  });
}

async function rowsOf(query: QuerySession | undefined, sql: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { result } of query?.run(sql) ?? []) {
    if (result === null) continue;
    for await (const chunk of result.chunks()) found.push(...(chunk.columns[0] ?? []).map(String));
  }
  return found;
}
