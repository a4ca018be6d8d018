/**
 * MariaDB and MySQL servers for tests: those that are installed, started on a port and in a folder of their own, with a
 * binary log that can be read; stopped, killed and started again as a test asks. And one that is given and goes on.
 */

import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { systemClock } from "../../cmd/clock.ts";
import { Connection, type Row, type Target } from "../../storage/sources/mysql/connection.ts";
import { freePort, skip } from "./java.ts";
import { mariaDbIn, mysqlIn, type ServerPrograms, type Settings } from "./mysql-programs.ts";

export interface MysqlServer extends AsyncDisposable {
  readonly version: string;
  readonly isMariaDb: boolean;
  /** Where it is, and how one logs in as somebody who may do everything. */
  readonly target: Target;
  /** Runs statements in a database, which is made where it is not there. Answers the rows of the last. */
  run(database: string, ...sql: readonly string[]): Promise<readonly Row[]>;
  /** A session of its own in a database. */
  client(database: string): Promise<Connection>;
  restart(signal: "SIGTERM" | "SIGKILL", settings?: Settings): Promise<void>;
}

/** A server to test with, by what it is called. */
export interface MysqlChoice {
  readonly name: string;
  readonly isMariaDb: boolean;
  /** It is started for the test: its log may be reset, and itself be killed. */
  readonly isOwn: boolean;
  start(settings?: Settings): Promise<MysqlServer>;
}

const READY_MS = 20;

/**
 * The servers to test with: the MariaDB that is installed, those in the folders of TARN_TEST_MARIADB, with colons
 * between, and what TARN_TEST_MYSQL names: the url of a MySQL that is there for tests alone, or a folder with one.
 * Where there is no MariaDB a line says how to get one; under TARN_TEST_REQUIRE=all that is an error.
 */
export function mysqlServers(): readonly MysqlChoice[] {
  const bases = (process.env.TARN_TEST_MARIADB ?? "").split(":").filter((base) => base !== "");
  const found = ["/usr", ...bases].map(mariaDbIn).filter((one) => one !== null);
  if (found.length === 0) {
    skip("MariaDB: apt-get install --no-install-recommends mariadb-server");
  }
  const mysql = process.env.TARN_TEST_MYSQL ?? "";
  const own = mysql === "" || mysql.includes("://") ? null : mysqlIn(mysql);
  return [
    ...[...found, ...(own === null ? [] : [own])].map(choiceOf),
    ...(mysql.includes("://") ? [givenChoice(new URL(mysql))] : []),
  ];
}

function choiceOf(programs: ServerPrograms): MysqlChoice {
  const { name, isMariaDb } = programs;
  const start = async (settings: Settings = {}): Promise<MysqlServer> => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "mysql-"));
    const who = owner();
    if (who.uid !== undefined) fs.chownSync(folder, who.uid, who.gid ?? who.uid);
    const [program = "", ...words] = programs.install(`${folder}/data`);
    const made = spawnSync(program, words, { ...who, cwd: folder, encoding: "utf8" });
    if (made.status !== 0) {
      throw new Error(`${program}: ${made.error ?? made.stderr + made.stdout}`);
    }
    const server = new OwnServer(programs, folder, await freePort(), settings);
    await server.launch({});
    return server;
  };
  return { name, isMariaDb, isOwn: true, start };
}

function givenChoice(url: URL): MysqlChoice {
  const target = {
    ...targetAt(url.hostname, Number(url.port === "" ? 3306 : url.port)),
    user: decodeURIComponent(url.username) || "root",
    password: decodeURIComponent(url.password),
  };
  return {
    name: `the server at ${url.host}`,
    isMariaDb: url.protocol === "mariadb:",
    isOwn: false,
    start: async (settings = {}) => {
      const server = new Sessions(target, url.protocol === "mariadb:");
      await server.greet();
      for (const [name, value] of Object.entries(settings)) {
        await server.run("tarn_tests", `set global ${name.replaceAll("-", "_")} = '${value}'`);
      }
      return server;
    },
  };
}

function targetAt(host: string, port: number): Target {
  const tls = "prefer" as const;
  return { host, port, database: "", user: "root", password: "", tls, authorities: null };
}

/** MariaDB does not like to run as root: then it is another user who does. */
function owner(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync("id", [flag, "nobody"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

/** What is asked of a server that is there. */
class Sessions implements MysqlServer {
  readonly target: Target;
  readonly isMariaDb: boolean;
  readonly #clients: Connection[] = [];
  readonly #shared = new Map<string, Connection>();
  readonly #made = new Set<string>();
  version = "";

  constructor(target: Target, isMariaDb: boolean) {
    this.target = target;
    this.isMariaDb = isMariaDb;
  }

  async greet(): Promise<void> {
    const client = await this.#connect();
    this.version = client.version;
    client.destroy();
  }

  /** The database is empty at first, whatever tests were run before. */
  async client(database: string): Promise<Connection> {
    const client = await this.#connect();
    this.#clients.push(client);
    if (!this.#made.has(database)) {
      await client.rows(`DROP DATABASE IF EXISTS \`${database}\``, "drop the database");
      await client.rows(`CREATE DATABASE \`${database}\``, "make the database");
      this.#made.add(database);
    }
    await client.rows(`USE \`${database}\``, "use the database");
    return client;
  }

  async run(database: string, ...statements: readonly string[]): Promise<readonly Row[]> {
    let client = this.#shared.get(database);
    if (client === undefined) {
      client = await this.client(database);
      this.#shared.set(database, client);
    }
    let rows: readonly Row[] = [];
    for (const sql of statements) rows = await client.rows(sql, `run ${sql.slice(0, 80)}`);
    return rows;
  }

  async restart(_signal: "SIGTERM" | "SIGKILL", _settings?: Settings): Promise<void> {
    throw new Error("a server that is given is not started again");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const database of this.#made) await this.run(database, `DROP DATABASE \`${database}\``);
    this.forget();
  }

  /** Ends all sessions. */
  forget(): void {
    this.#shared.clear();
    for (const client of this.#clients.splice(0)) client.destroy();
  }

  #connect(): Promise<Connection> {
    return Connection.open(this.target, () => systemClock.nowMs());
  }
}

class OwnServer extends Sessions {
  readonly #programs: ServerPrograms;
  readonly #folder: string;
  readonly #settings: Settings;
  #process: ChildProcess | null = null;

  constructor(programs: ServerPrograms, folder: string, port: number, settings: Settings) {
    super(targetAt("127.0.0.1", port), programs.isMariaDb);
    this.#programs = programs;
    this.#folder = folder;
    this.#settings = settings;
  }

  async launch(more: Settings): Promise<void> {
    const own = {
      datadir: `${this.#folder}/data`,
      socket: `${this.#folder}/s.sock`,
      "pid-file": `${this.#folder}/pid`,
      "log-error": `${this.#folder}/err.log`,
      "log-bin": `${this.#folder}/data/binlog`,
      port: `${this.target.port}`,
    };
    const settings = { ...own, ...this.#programs.settings, ...this.#settings, ...more };
    const flags = Object.entries(settings).map(([key, value]) =>
      value === "" ? `--${key}` : `--${key}=${value}`,
    );
    const options = { ...owner(), cwd: this.#folder, stdio: "ignore" as const };
    const [daemon = "", ...words] = this.#programs.daemon;
    const child = spawn(daemon, [...words, ...flags], options);
    this.#process = child;
    for (;;) {
      try {
        await this.greet();
        return;
      } catch (thrown) {
        const log = `${this.#folder}/err.log`;
        if (child.exitCode !== null) throw new Error(fs.readFileSync(log, "utf8"));
        if (!/ECONNREFUSED|closed/.test(String(thrown))) throw thrown;
        await Bun.sleep(READY_MS);
      }
    }
  }

  override async restart(signal: "SIGTERM" | "SIGKILL", settings: Settings = {}): Promise<void> {
    await this.#end(signal);
    await this.launch(settings);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.#end("SIGKILL");
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    this.forget();
    const child = this.#process;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await exited;
  }
}
