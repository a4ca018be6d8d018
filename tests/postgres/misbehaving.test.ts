/** Servers that misbehave as no real one can be made to: a real one, and between it and the reader one that meddles. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { parseLsn } from "../../storage/sources/postgres/lsn.ts";
import { type PostgresServer, postgresVersions, startPostgres } from "../support/postgres.ts";
import {
  keepalive,
  notice,
  type PostgresProxy,
  pluginLetter,
  postgresProxy,
} from "../support/postgres-proxy.ts";
import { StreamLake } from "./stream-lake.ts";

const LIMITS = { bytes: 1e9, lingerMs: 0 };

describe.each(postgresVersions())("PostgreSQL %d", (version) => {
  let server: PostgresServer;
  let proxy: PostgresProxy;
  beforeAll(async () => {
    server = await startPostgres(version, { wal_sender_timeout: "2s" });
    proxy = await postgresProxy(server.port);
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  /** A database with a table, and a lake that has read what is in it; nothing is open. */
  async function begin(database: string) {
    const run = (sql: string) => server.run(database, sql);
    await run("create table marks (m bigint primary key)");
    await run("create table t (id int primary key)");
    const lake = await StreamLake.make(server, { database });
    await lake.open();
    await lake.untilNow();
    await lake.stream?.close();
    proxy.meddle(null);
    return { run, lake };
  }

  const ids = (lake: StreamLake): readonly (string | null | undefined)[] =>
    lake.rows.filter(({ table }) => table === "public.t").map(({ values }) => values[0]);

  /** Reads until it fails; what that said. */
  async function failure(lake: StreamLake): Promise<string> {
    try {
      for (;;) await lake.step();
    } catch (thrown) {
      return String(thrown);
    }
  }

  /** Without anybody between: nothing was lost, and nothing comes twice. */
  async function expectAll(lake: StreamLake, wanted: readonly string[]): Promise<void> {
    await lake.open();
    await lake.untilNow();
    expect(ids(lake)).toEqual([...wanted]);
  }

  test("D3: a keepalive that is ahead of what was sent moves nothing while a transaction is open", async () => {
    const { lake, run } = await begin("ahead");
    await using _ = lake;
    await run("insert into t values (1)");
    await run("insert into t values (2)");
    const [end] = await run("select pg_current_wal_lsn()");
    const ahead = parseLsn(String(end?.[0]));
    let isOver = false;
    proxy.meddle((message) => {
      if (isOver) return [];
      const letter = pluginLetter(message);
      isOver = letter === "C";
      return letter === "I" ? [message, keepalive(ahead)] : null;
    });
    await lake.open({ port: proxy.port });
    await lake.until((rows) =>
      rows.some(({ values, table }) => table.endsWith("t") && values[0] === "1"),
    );
    proxy.cut();
    await lake.stream?.close();
    await expectAll(lake, ["1", "2"]);
  });

  test("a keepalive that asks for no answer gets none: the server would send the next one at once", async () => {
    const { lake, run } = await begin("asked");
    await using _ = lake;
    await run("insert into t values (1)");
    await run("insert into t values (2)");
    proxy.meddle((message) => {
      if (pluginLetter(message) !== "I") return null;
      return [...Array.from({ length: 100 }, () => keepalive(1n)), message];
    });
    const stream = await lake.open({ port: proxy.port });
    const before = proxy.statusCount;
    // Nothing of it is acknowledged.
    for (let rows = 0; rows < 2; ) rows += (await stream.next(LIMITS))?.rows["public.t"] ?? 0;
    expect(proxy.statusCount - before).toBeLessThan(100);
    await stream.close();
    await expectAll(lake, ["1", "2"]);
  });

  test.each([
    ["four gigabytes", 0xffff_ffff],
    ["more than any message has", 0x7fff_ffff],
    ["less than its own length", 2],
  ])("S29: a message that says to have %s ends the connection at once", async (name, length) => {
    const { lake, run } = await begin(`garbage_${name.replaceAll(" ", "_").slice(0, 20)}`);
    await using _ = lake;
    await run("insert into t values (1)");
    const garbage = Buffer.from([0x64, 0, 0, 0, 0, 0x77]);
    garbage.writeUInt32BE(length, 1);
    proxy.meddle((message) => (pluginLetter(message) === "C" ? [garbage] : null));
    await lake.open({ port: proxy.port });
    expect(await failure(lake)).toContain(`says to have ${length} bytes`);
    proxy.meddle(null);
    await expectAll(lake, ["1"]);
  });

  test("D2: a message that is cut in its middle is not read as what came of it", async () => {
    const { lake, run } = await begin("halves");
    await using _ = lake;
    await run("insert into t values (1)");
    await run("insert into t values (2)");
    let inserts = 0;
    proxy.meddle((message) => {
      if (pluginLetter(message) !== "I" || ++inserts !== 2) return null;
      proxy.meddle(null);
      setImmediate(() => proxy.cut());
      return [message.subarray(0, message.length - 3)];
    });
    await lake.open({ port: proxy.port });
    await failure(lake);
    await expectAll(lake, ["1", "2"]);
  });

  test("25: a warning within the stream is told, and the stream goes on", async () => {
    const { lake, run } = await begin("warned");
    await using _ = lake;
    const text = 'replication slot "gone" specified in parameter does not exist';
    let isTold = false;
    proxy.meddle((message) => {
      if (isTold || pluginLetter(message) !== "B") return null;
      isTold = true;
      return [notice(text), message];
    });
    await run("insert into t values (1)");
    await lake.open({ port: proxy.port });
    await lake.until(() => ids(lake).includes("1"));
    expect(lake.notices).toContain(text);
  });

  test("6: changes that were skipped for want of the publication are a gap, on any server", async () => {
    const { lake, run } = await begin("skipped");
    await using _ = lake;
    proxy.meddle((message) =>
      pluginLetter(message) === "B"
        ? [notice('skipped loading publication "tarn_shop"'), message]
        : null,
    );
    await run("insert into t values (1)");
    await lake.open({ port: proxy.port });
    expect(await failure(lake)).toMatch(/publication tarn_shop was not there for some changes/);
  });

  test("D15: a connection that has fallen silent is given up, and nothing is lost", async () => {
    const { lake, run } = await begin("silent");
    await using _ = lake;
    await lake.open({ port: proxy.port });
    await lake.untilNow();
    proxy.fallSilent();
    await run("insert into t values (1)");
    expect(await failure(lake)).toContain("read the slot");
    await expectAll(lake, ["1"]);
  });

  test("D15: who commits for longer than the server waits keeps its connection", async () => {
    const { lake, run } = await begin("busy");
    await using _ = lake;
    const stream = await lake.open();
    await lake.untilNow();
    const walsender = () =>
      run("select active_pid from pg_replication_slots where database = 'busy'");
    const before = await walsender();
    await run("insert into t values (1)");
    const segment = await stream.next(LIMITS);
    // The server would have ended it by now: nothing was acknowledged, and nothing asked for.
    const until = performance.now() + 5_000;
    while (performance.now() < until) await run("select pg_sleep(0.5)");
    expect(await walsender()).toEqual(before);
    stream.acknowledge(segment?.to ?? "");
  });

  test("D7: another server under the same address is not read from", async () => {
    const { lake, run } = await begin("moved");
    await using _ = lake;
    await run("insert into t values (1)");
    const [system] = await run("select system_identifier from pg_control_system()");
    const id = String(system?.[0]);
    const other = `${id.slice(0, -1)}${(Number(id.at(-1)) + 1) % 10}`;
    proxy.meddle((message) =>
      message[0] === 0x44
        ? [Buffer.from(message.toString("latin1").replace(id, other), "latin1")]
        : null,
    );
    await expect(lake.open({ port: proxy.port })).rejects.toThrow(/another server|system/);
    await expectAll(lake, ["1"]);
  });
});
