/** From rows that were there to what happens since, while applications write and readers are killed. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import net from "node:net";
import type pg from "pg";
import { systemClock } from "../../cmd/clock.ts";
import { type PostgresServer, postgresVersions, startPostgres } from "../support/postgres.ts";
import { StreamLake } from "./stream-lake.ts";

// A reader is started for each moment that it is killed at: a minute alone, and more beside other suites.
setDefaultTimeout(300_000);

const MARKS = "create table marks (m bigint primary key)";

describe.each(postgresVersions())("PostgreSQL %d", (version) => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres(version, {
      logical_decoding_work_mem: "64kB",
      wal_sender_timeout: "2s",
    });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  /** Writes until it is told to stop: rows come, change, get another key, go, are rolled back. */
  function writer(client: pg.Client, start: number): { stop(): Promise<void> } {
    let isOver = false;
    const statements = [
      (n: number) => `insert into t values (${n}, 'new')`,
      (n: number) => `update t set note = note || '+' where id % 1000 = ${n % 1000}`,
      (n: number) => `delete from t where id = ${n - 3}`,
      (n: number) => `insert into log_ values (${n})`,
      (n: number) => `update t set id = id + 1000000 where id = ${n - 4}`,
      (n: number) =>
        `begin; insert into t values (${n}, 'x'); savepoint s; delete from t where id < ${n}; rollback to s; commit`,
      (n: number) => `begin; insert into log_ values (${n}); rollback`,
    ];
    const done = (async () => {
      for (let n = start; !isOver; n++) {
        await client.query(statements[n % statements.length]?.(n) ?? "");
      }
    })();
    return {
      stop: async () => {
        isOver = true;
        await done;
      },
    };
  }

  /** Rows that are other than in the database, and entries of a log that are missing or there twice; ten at most. */
  async function differences(lake: StreamLake, database: string): Promise<readonly string[]> {
    const rows = await server.run(database, "select id, note from t");
    const log = await server.run(database, "select id from log_");
    const [state, wanted] = [lake.current("public.t"), new Map(rows.map((row) => [row[0], row]))];
    const bent = [...wanted].filter(([id, row]) => state.get(`${id}`)?.join() !== row.join());
    const more = [...state.keys()].filter((id) => !wanted.has(id));
    const counts = new Map(log.map(([id]) => [id, 0]));
    for (const { table, values } of lake.rows) {
      const id = values[0] ?? null;
      if (table === "public.log_") counts.set(id, (counts.get(id) ?? -1_000) + 1);
    }
    return [
      ...bent.map(([id]) => `t ${id} differs`),
      ...more.map((id) => `t ${id} is too many`),
      ...[...counts].filter(([, n]) => n !== 1).map(([id, n]) => `log ${id} ${n} times`),
    ].slice(0, 10);
  }

  test("D1: readers are killed at any moment of the handover: nothing lost, nothing doubled", async () => {
    const run = (sql: string) => server.run("handover", sql);
    await run(MARKS);
    await run("create table t (id int primary key, note text)");
    await run("create table log_ (id int primary key)");
    await run("insert into t select g, repeat('n', 50) from generate_series(1, 20000) g");
    await run("insert into log_ select g from generate_series(1, 5000) g");
    const writers = [
      writer(await server.client("handover"), 200_000),
      writer(await server.client("handover"), 400_000),
    ];
    await using lake = await StreamLake.make(server, { database: "handover" });
    for (const steps of [0, 0, 1, 1, 2, 3, 5, 8]) {
      await lake.open();
      // A little further each time, and a segment that nobody commits.
      for (let step = 0; step < steps; step++) await lake.step();
      await lake.stream?.next({ bytes: 1e9, lingerMs: 0 }, AbortSignal.timeout(200));
    }
    await lake.open();
    await lake.untilNow();
    await Promise.all(writers.map((one) => one.stop()));
    await lake.untilNow();
    expect(await differences(lake, "handover")).toEqual([]);
  });

  test("D2: the connection is cut after any number of bytes: nothing lost, nothing doubled", async () => {
    const run = (sql: string) => server.run("cuts", sql);
    await run(MARKS);
    await run("create table t (id int primary key, note text)");
    await run("create table log_ (id int primary key)");
    await run("insert into t select g, 'n' from generate_series(1, 500) g");
    await using proxy = await cuttingProxy(server.port);
    await using lake = await StreamLake.make(server, { database: "cuts" });
    await lake.open();
    await lake.untilNow();
    for (let bytes = 500; bytes < 200_000; bytes = Math.ceil(bytes * 2.3)) {
      await run(`insert into log_ select g from generate_series(${bytes}, ${bytes} + 200) g`);
      await run(`update t set note = '${bytes}' where id % 7 = ${bytes % 7}`);
      await run(`insert into log_ values (${bytes + 201})`);
      proxy.cutAfter(bytes);
      try {
        await lake.open({ port: proxy.port });
        for (;;) await lake.step();
      } catch {
        proxy.cutAfter(null);
      }
    }
    await lake.open();
    await lake.untilNow();
    expect(await differences(lake, "cuts")).toEqual([]);
  });

  test("D15: a server that crashes while it is read: nothing lost, nothing doubled", async () => {
    const run = (sql: string) => server.run("crashes", sql);
    await run(MARKS);
    await run("create table t (id int primary key, note text)");
    await run("create table log_ (id int primary key)");
    await using lake = await StreamLake.make(server, { database: "crashes" });
    await lake.open();
    await lake.untilNow();
    for (let turn = 1; turn <= 3; turn++) {
      await run(`insert into t select g, 'x' from generate_series(${turn}000, ${turn}999) g`);
      await run(`insert into log_ select g from generate_series(${turn}000, ${turn}999) g`);
      await lake.step();
      const over = lake.until(() => false).catch(() => {});
      await server.restart("SIGKILL");
      await over;
      await lake.open();
    }
    await lake.untilNow();
    expect(await differences(lake, "crashes")).toEqual([]);
  });

  test("a table is read in ranges by several connections, each row once", async () => {
    const run = (sql: string) => server.run("ranges", sql);
    await run(MARKS);
    await run("create table wide (id int primary key, v text)");
    await run("alter table wide alter v set storage external");
    await run("insert into wide select g, repeat(g::text, 3000) from generate_series(1, 12000) g");
    await using lake = await StreamLake.make(server, {
      database: "ranges",
      settings: { snapshot_readers: 3 },
    });
    await lake.open();
    await run("delete from wide where id % 2 = 0");
    await lake.until(
      (rows) => rows.filter(({ table }) => table === "public.wide").length >= 12_000,
    );
    await lake.untilNow();
    const read = lake.rows.filter(({ op, table }) => op === "r" && table === "public.wide");
    const files = lake.segments.filter(({ rows }) => (rows["public.wide"] ?? 0) > 0).length;
    expect([
      read.length,
      new Set(read.map(({ values }) => values[0])).size,
      lake.current("public.wide").size,
      files > 2,
    ]).toEqual([12_000, 12_000, 6_000, true]);
  });

  test("D16: a table that was out of the publication for a while is read anew, in place of what was", async () => {
    const run = (sql: string) => server.run("again", sql);
    await run(MARKS);
    await run("create table t (id int primary key, note text)");
    await run("create table log_ (id int primary key)");
    await run("insert into t values (1, 'stays'), (2, 'goes')");
    await run("create publication chosen for table marks, t, log_");
    await using lake = await StreamLake.make(server, {
      database: "again",
      settings: { publication: "chosen" },
    });
    await lake.open();
    await lake.untilNow();
    await run("alter publication chosen drop table t");
    await run("delete from t where id = 2");
    await run("insert into t values (3, 'came')");
    await run("alter publication chosen add table t");
    await lake.until(
      (rows) => rows.filter(({ op, values }) => op === "r" && values[0] === "3").length > 0,
    );
    await lake.untilNow();
    expect(await differences(lake, "again")).toEqual([]);
  });

  test("26: a reader whose segments nobody takes closes its connection, and goes on later", async () => {
    const run = (sql: string) => server.run("slow", sql);
    await run(MARKS);
    await run("create table t (id int primary key, note text)");
    await using lake = await StreamLake.make(server, { database: "slow" });
    let aheadMs = 0;
    const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs };
    await lake.open({}, { clock, waitingBytesMax: 100_000 });
    await lake.untilNow();
    const active = () => run("select active_pid from pg_replication_slots where database = 'slow'");
    const [[pid] = []] = await active();
    await run("insert into t select g, repeat('x', 1000) from generate_series(1, 100) g");
    await run("insert into t select g, repeat('x', 1000) from generate_series(101, 40000) g");
    aheadMs = 60_000;
    for (let turn = 0; turn < 400 && (await active())[0]?.[0] === pid; turn++) await Bun.sleep(50);
    const [[later] = []] = await active();
    await lake.untilNow();
    expect([pid === later, lake.current("public.t").size]).toEqual([false, 40_000]);
  });
});

interface CuttingProxy extends AsyncDisposable {
  readonly port: number;
  /** Each connection from now on is cut after so many bytes of the server; null: none is. */
  cutAfter(bytes: number | null): void;
}

/** Passes bytes on, and cuts connections. */
async function cuttingProxy(to: number): Promise<CuttingProxy> {
  let limit: number | null = null;
  const open = new Set<net.Socket>();
  const listener = net.createServer((client) => {
    const upstream = net.connect(to, "127.0.0.1");
    let left = limit;
    const cut = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on("error", cut);
      socket.on("close", cut);
    }
    client.on("data", (bytes) => upstream.write(bytes));
    upstream.on("data", (bytes: Uint8Array) => {
      const passed = left === null ? bytes : bytes.subarray(0, left);
      if (left !== null) left -= passed.length;
      client.write(passed, () => {
        if (left === 0) cut();
      });
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const address = listener.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    cutAfter: (bytes) => {
      limit = bytes;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
