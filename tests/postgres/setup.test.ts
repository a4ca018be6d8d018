/** What keeps a PostgreSQL source from being read, or from going on: each is said with what to do. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fs from "node:fs";
import net from "node:net";
import { LakeError } from "../../core/base/errors.ts";
import { checkSource } from "../../storage/sources/postgres/check.ts";
import { type PostgresServer, postgresVersions, startPostgres } from "../support/postgres.ts";
import { StreamLake } from "./stream-lake.ts";

const MARKS = "create table marks (m bigint primary key)";

describe.each(postgresVersions())("PostgreSQL %d", (version) => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres(version);
    const rules = `${server.data}/pg_hba.conf`;
    const scram = "host all secured 127.0.0.1/32 scram-sha-256\n";
    fs.writeFileSync(rules, scram + fs.readFileSync(rules, "utf8"));
    await server.run("postgres", "create role secured login replication password 'right'");
    await server.run("postgres", "create role reader login replication");
    await server.run("postgres", "create role nobody_special login");
    await server.run("postgres", "select pg_reload_conf()");
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  async function begin(database: string, statements: readonly string[], settings = {}) {
    const run = (sql: string) => server.run(database, sql);
    for (const sql of [MARKS, ...statements]) await run(sql);
    const lake = await StreamLake.make(server, { database, settings });
    return { run, lake };
  }

  /** Drops the slot of a database once the server has seen that nobody reads it. */
  async function dropSlot(database: string): Promise<string> {
    const where = `where database = '${database}' and not active`;
    for (;;) {
      const [[slot = ""] = []] = await server.run(
        database,
        `select slot_name, pg_drop_replication_slot(slot_name) from pg_replication_slots ${where}`,
      );
      if (slot !== "") return `${slot}`;
      await Bun.sleep(20);
    }
  }

  /** Code, message and hint of what opening or reading throws. */
  async function failureOf(action: Promise<unknown>): Promise<string> {
    try {
      await action;
    } catch (thrown) {
      if (!(thrown instanceof LakeError)) throw thrown;
      return `${thrown.code} ${thrown.scope}: ${thrown.message}; ${thrown.hint}`;
    }
    throw new Error("nothing was thrown");
  }

  const linesOf = async (lake: StreamLake, settings = {}) =>
    checkSource(lake.settings(settings), {
      source: "shop",
      lakeId: "0a1b2c3d",
      projectRoot: lake.folder,
    });

  test("SCRAM: the right password is let in", async () => {
    const { lake } = await begin("scram", []);
    await using _ = lake;
    const lines = await linesOf(lake, { user: "secured", password: "right" });
    expect(lines[0]).toMatchObject({ what: "reachable", ok: true });
  });

  test("a wrong password: the role is named, the password is not", async () => {
    const { lake } = await begin("wrong", []);
    await using _ = lake;
    const said = await failureOf(lake.open({ user: "secured", password: "hunter2" }));
    expect([
      /^config source: .*password.*the role is secured$/.test(said),
      /hunter2/.test(said),
    ]).toEqual([true, false]);
  });

  test("nobody listens: host and port are named", async () => {
    const { lake } = await begin("nobody", []);
    await using _ = lake;
    const closed = net.createServer().listen(0, "127.0.0.1");
    const address = closed.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await new Promise((resolve) => closed.close(resolve));
    expect(await failureOf(lake.open({ port }))).toMatch(
      new RegExp(`^io source: cannot connect at 127.0.0.1:${port}/nobody.*nothing listens`),
    );
  });

  test("TLS: the authority is checked, and whom the certificate is for", async () => {
    const openssl = Bun.which("openssl");
    if (openssl === null) return;
    await using secure = await startPostgres(version);
    const at = (name: string) => `${secure.folder}/${name}`;
    const certify = async (name: string) => {
      const keys = ["-newkey", "rsa:2048", "-nodes", "-keyout", at("key"), "-out", at("crt")];
      const subject = ["-days", "2", "-subj", "/CN=db", "-addext", `subjectAltName=${name}`];
      await secure.pauseFor(() => {
        Bun.spawnSync([openssl, "req", "-x509", ...keys, ...subject]);
      });
      const files = { ssl_cert_file: at("crt"), ssl_key_file: at("key") };
      await secure.restart("SIGINT", { ssl: "on", ...files });
    };
    await certify("DNS:db.test");
    await secure.run("tls", MARKS);
    await using lake = await StreamLake.make(secure, { database: "tls" });
    const said = async (tls: string, authority: boolean) => {
      const given = { tls, ...(authority ? { tls_ca: at("crt") } : {}) };
      const [first] = await linesOf(lake, given);
      return first?.ok === true ? "ok" : /authority|another host/.exec(first?.detail ?? "")?.[0];
    };
    expect([
      await said("require", false),
      await said("verify-ca", false),
      await said("verify-ca", true),
      await said("verify-full", true),
    ]).toEqual(["ok", "authority", "ok", "another host"]);
    await certify("IP:127.0.0.1");
    expect(await said("verify-full", true)).toBe("ok");
    await lake.open({ tls: "verify-full", tls_ca: at("crt") });
    expect((await lake.untilNow()).length).toBe(0);
  });

  test("a database that is not there", async () => {
    const { lake } = await begin("there", []);
    await using _ = lake;
    expect(await failureOf(lake.open({ database: "elsewhere" }))).toMatch(
      /^not-found source: .*elsewhere/,
    );
  });

  test("a role that may not replicate", async () => {
    const { lake } = await begin("role", []);
    await using _ = lake;
    expect(await failureOf(lake.open({ user: "nobody_special" }))).toMatch(
      /ALTER ROLE "nobody_special"/,
    );
  });

  test("tables that are not there: those that are, are listed", async () => {
    const { lake } = await begin("missing", []);
    await using _ = lake;
    expect(await failureOf(lake.open({ tables: "orders" }))).toBe(
      "not-found source: no table is called orders in database missing; there are: public.marks",
    );
  });

  test("a role that owns nothing reads what somebody else has published for it", async () => {
    const { lake, run } = await begin("borrowed", [
      "create table other (id int primary key)",
      "create publication tarn_shop for table marks",
      "grant select on marks to reader",
    ]);
    await using _ = lake;
    await lake.open({ user: "reader" });
    await run("insert into marks values (7)");
    await lake.until((rows) => rows.length > 0);
    expect(lake.notices).toEqual([
      expect.stringMatching(/^tables are left out: .*must be owner of/),
    ]);
  });

  test("D9, 15: a table without an identity is refused before it is published", async () => {
    const { lake, run } = await begin("bare", [
      "create table bare (v int)",
      "insert into bare values (1)",
    ]);
    await using _ = lake;
    const said = await failureOf(lake.open());
    await run("update bare set v = 2");
    expect(said).toMatch(
      /public.bare cannot be published as it is: no primary key.*REPLICA IDENTITY FULL/,
    );
  });

  test("D9, 14: FULL with a generated column is known before an UPDATE fails", async () => {
    if (version < 18) return;
    const { lake } = await begin("generated", [
      "create table g (id int primary key, twice int generated always as (id * 2) stored)",
      "alter table g replica identity full",
    ]);
    await using _ = lake;
    expect(await failureOf(lake.open())).toMatch(/identity FULL with generated columns \(twice\)/);
  });

  test("the check lists what is not right, with the SQL that mends it", async () => {
    const { lake } = await begin("listed", ["create table bare (v int)"]);
    await using _ = lake;
    const lines = await linesOf(lake, { user: "nobody_special" });
    expect(lines.filter(({ ok }) => !ok).map(({ what, sql }) => [what, sql])).toEqual([
      ["role", 'ALTER ROLE "nobody_special" REPLICATION;'],
      ["replication connection", null],
      [
        "publication",
        'CREATE PUBLICATION "tarn_shop" FOR TABLE "public"."bare", "public"."marks" ' +
          "WITH (publish_via_partition_root = true);",
      ],
      ["replica identity of public.bare", 'ALTER TABLE "public"."bare" REPLICA IDENTITY FULL;'],
      ["privileges", 'GRANT SELECT ON public.bare, public.marks TO "nobody_special";'],
    ]);
  });

  test("the check of a source that is being read is all right", async () => {
    const { lake } = await begin("right", []);
    await using _ = lake;
    await lake.open();
    await lake.untilNow();
    expect((await linesOf(lake)).filter(({ ok }) => !ok)).toEqual([]);
  });

  test("D5: a slot that was dropped is a gap with its beginning named", async () => {
    const { lake } = await begin("dropped", []);
    await using _ = lake;
    await lake.open();
    await lake.untilNow();
    await lake.stream?.close();
    await dropSlot("dropped");
    const said = await failureOf(lake.open());
    expect(said).toMatch(
      /^conflict source: slot tarn_shop_\w+ is gone; changes from [0-9A-F/]+ to [0-9A-F/]+ are missing/,
    );
  });

  test("D5, D6: a slot that was made again is not read as if nothing were missing", async () => {
    const { lake, run } = await begin("remade", []);
    await using _ = lake;
    await lake.open();
    await lake.untilNow();
    await lake.stream?.close();
    const slot = await dropSlot("remade");
    await run("insert into marks values (1)");
    await run(`select pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
    expect(await failureOf(lake.open())).toMatch(
      /^conflict source: slot .* was made again, or somebody else read it/,
    );
  });

  test("D5, 24: a slot that the server gave up is a gap, whatever the server calls it", async () => {
    await using small = await startPostgres(version, {
      max_slot_wal_keep_size: "1MB",
      min_wal_size: "32MB",
      max_wal_size: "32MB",
      wal_keep_size: 0,
    });
    await small.run("lost", MARKS);
    await using lake = await StreamLake.make(small, { database: "lost" });
    await lake.open();
    const mark = small.run("lost", "insert into marks values (1)");
    await lake.until((rows) => rows.length > 0);
    await mark;
    await lake.stream?.close();
    for (let turn = 0; turn < 4; turn++) {
      await small.run(
        "lost",
        "create table fill as select repeat('x', 1000) from generate_series(1, 10000)",
      );
      await small.run("lost", "drop table fill");
      await small.run("lost", "select pg_switch_wal()");
      await small.run("lost", "checkpoint");
    }
    expect(await failureOf(lake.open())).toMatch(
      /^conflict source: the server gave slot .* up .* are missing/,
    );
  });

  test("a server without wal_level logical says how to get it", async () => {
    await using plain = await startPostgres(version, { wal_level: "replica" });
    await plain.run("plain", MARKS);
    await using lake = await StreamLake.make(plain, { database: "plain" });
    expect(await failureOf(lake.open())).toMatch(
      /wal_level is replica.*ALTER SYSTEM SET wal_level = logical/,
    );
  });

  test("D7, 9: a database that was taken back to before what was read stops the source", async () => {
    await using original = await startPostgres(version);
    await original.run("back", MARKS);
    await using lake = await StreamLake.make(original, { database: "back" });
    await lake.open();
    await lake.untilNow();
    await lake.stream?.close();
    // A copy of its files, as a backup is; then more is written, and the copy takes its place.
    const copy = `${original.folder}/copy`;
    await original.restart("SIGINT");
    await original.run("back", "checkpoint");
    await original.pauseFor(() => fs.cpSync(original.data, copy, { recursive: true }));
    await lake.open();
    await lake.untilNow();
    await original.run("back", "insert into marks select g from generate_series(1, 10000) g");
    await lake.untilNow();
    await lake.stream?.close();
    await original.pauseFor(() => {
      fs.rmSync(original.data, { recursive: true });
      fs.renameSync(copy, original.data);
    });
    expect(await failureOf(lake.open())).toMatch(/^conflict source: the server was taken back/);
  });

  test("25, D7: a new timeline is gone on with by whom it left behind, and by nobody who is further", async () => {
    await using first = await startPostgres(version);
    await first.run("lines", MARKS);
    await using behind = await StreamLake.make(first, { database: "lines", source: "behind" });
    await using further = await StreamLake.make(first, { database: "lines", source: "further" });
    for (const lake of [behind, further]) {
      await lake.open();
      await lake.untilNow();
      await lake.stream?.close();
    }
    const copy = `${first.folder}/copy`;
    await first.pauseFor(() => fs.cpSync(first.data, copy, { recursive: true }));
    await first.run("lines", "insert into marks select -g from generate_series(1, 100) g");
    await further.open();
    await further.untilNow();
    await further.stream?.close();
    // The copy recovers to its end and begins a timeline of its own, as a standby does that takes over.
    await first.pauseFor(() => {
      fs.rmSync(first.data, { recursive: true });
      fs.renameSync(copy, first.data);
      fs.writeFileSync(`${first.data}/recovery.signal`, "");
    });
    const isRecovering = async () =>
      (await first.run("lines", "select pg_is_in_recovery()"))[0]?.[0];
    while ((await isRecovering()) === "t") await Bun.sleep(20);
    await first.run("lines", "insert into marks select g from generate_series(1, 1000) g");
    await behind.open();
    await behind.untilNow();
    const said = await failureOf(further.open());
    const there = await first.run("lines", "select m from marks");
    expect([
      /left timeline 1 at .* are missing/.test(said),
      behind.rows.length - there.length,
      behind.current("public.marks").size - there.length,
    ]).toEqual([true, 0, 0]);
  });

  test("a server that goes away and comes back: the source goes on where it was", async () => {
    await using shaky = await startPostgres(version);
    await shaky.run("shaky", MARKS);
    await using lake = await StreamLake.make(shaky, { database: "shaky" });
    await lake.open();
    await lake.untilNow();
    const failing = failureOf(lake.until(() => false));
    await shaky.restart("SIGINT");
    const said = await failing;
    await lake.open();
    await lake.untilNow();
    expect(said).toMatch(/^io source: /);
  });
});
