/** PostgreSQL servers of several versions for tests: real ones, from npm, each with a data folder of its own. */

import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import pg from "pg";
import { freePort } from "./java.ts";

export interface PostgresServer extends AsyncDisposable {
  readonly version: number;
  readonly port: number;
  readonly folder: string;
  readonly data: string;
  /** A client of a database that is made first when it is not there. It ends with the server. */
  client(database?: string): Promise<pg.Client>;
  /** One statement, rows as text. */
  run(database: string, sql: string): Promise<readonly (readonly (string | null)[])[]>;
  /** Ends the server (SIGINT: at once but in order; SIGKILL: as a crash) and starts it on the same port. */
  restart(signal: "SIGINT" | "SIGKILL", settings?: Settings): Promise<void>;
  /** Does something to its files while it is stopped. */
  pauseFor(action: () => void): Promise<void>;
}

export type Settings = Readonly<Record<string, string | number>>;

/** Majors that have a package. */
const MAJORS = [14, 15, 16, 17, 18] as const;
const REPOSITORY = path.resolve(import.meta.dirname, "..", "..");
const PACKAGES = [
  path.join(REPOSITORY, "package.json"),
  path.join(REPOSITORY, "tests", "postgres", "servers", "package.json"),
];
const READY_MS = 10;
const SETTINGS: Settings = {
  listen_addresses: "127.0.0.1",
  wal_level: "logical",
  // Of a copy that recovers: there is nothing but what lies in it.
  restore_command: "false",
  max_wal_senders: 20,
  max_replication_slots: 80,
  max_connections: 100,
  max_prepared_transactions: 5,
  fsync: "off",
};

/**
 * The majors to test: those that `TARN_TEST_POSTGRES` names, or the newest. One that is not installed is left out, with
 * a line that says how to get it; under `TARN_TEST_REQUIRE=all` that is an error.
 */
export function postgresVersions(): readonly number[] {
  const asked = process.env.TARN_TEST_POSTGRES ?? "18";
  const majors = asked === "all" ? [...MAJORS] : asked.split(",").map(Number);
  return majors.filter((major) => {
    if (nativeFolder(major) !== null) return true;
    const how = major === 18 ? "npm ci" : "npm install --no-save --prefix tests/postgres/servers";
    const line = `PostgreSQL ${major}: ${how} (there is none for Windows and for musl)`;
    if (process.env.TARN_TEST_REQUIRE === "all") throw new Error(line);
    console.log(`skip: ${line}`);
    return false;
  });
}

/** Starts a server with an empty cluster: user `postgres`, trusted on the loopback. */
export async function startPostgres(
  major: number,
  settings: Settings = {},
): Promise<PostgresServer> {
  const native = nativeFolder(major);
  if (native === null) throw new Error(`PostgreSQL ${major} is not installed`);
  hydrate(native);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `postgres-${major}-`));
  const owner = ownerOf(folder);
  const binaries = readableFor(owner, native, folder);
  const environment = { PATH: "/usr/bin:/bin", LC_ALL: "C", LD_LIBRARY_PATH: `${binaries}/lib` };
  const options = { ...owner, env: environment, cwd: folder };
  const data = path.join(folder, "data");
  const made = spawnSync(
    `${binaries}/bin/initdb`,
    ["-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"],
    { ...options, encoding: "utf8" },
  );
  if (made.status !== 0) throw new Error(`initdb: ${made.error ?? made.stderr + made.stdout}`);
  const port = await freePort();
  const launch = (more: Settings) =>
    launchServer({ binaries, data, folder, options, settings: { ...settings, port, ...more } });
  return new Server(major, port, folder, data, launch, await launch({}));
}

type Owner = { readonly uid?: number; readonly gid?: number };

interface Launch {
  readonly binaries: string;
  readonly data: string;
  readonly folder: string;
  readonly options: Owner & { readonly env: Record<string, string>; readonly cwd: string };
  readonly settings: Settings;
}

class Server implements PostgresServer {
  readonly version: number;
  readonly port: number;
  readonly folder: string;
  readonly data: string;
  readonly #launch: (more: Settings) => Promise<ChildProcess>;
  readonly #clients: pg.Client[] = [];
  readonly #shared = new Map<string, pg.Client>();
  #process: ChildProcess;

  constructor(
    version: number,
    port: number,
    folder: string,
    data: string,
    launch: (more: Settings) => Promise<ChildProcess>,
    process: ChildProcess,
  ) {
    this.version = version;
    this.port = port;
    this.folder = folder;
    this.data = data;
    this.#launch = launch;
    this.#process = process;
  }

  async client(database = "postgres"): Promise<pg.Client> {
    if (database !== "postgres") await this.#ensureDatabase(database);
    return this.#connect(database);
  }

  async run(database: string, sql: string): Promise<readonly (readonly (string | null)[])[]> {
    let client = this.#shared.get(database);
    if (client === undefined) {
      client = await this.client(database);
      this.#shared.set(database, client);
    }
    const { rows } = await client.query({ text: sql, rowMode: "array" });
    return rows.map((row: unknown[]) => row.map((value) => (value === null ? null : `${value}`)));
  }

  async restart(signal: "SIGINT" | "SIGKILL", settings: Settings = {}): Promise<void> {
    await this.#end(signal);
    // What a crash left of it would stop the next start for as long as the old process is not gone.
    if (signal === "SIGKILL") await orphansGone(this.data);
    this.#process = await this.#launch(settings);
  }

  async pauseFor(action: () => void): Promise<void> {
    await this.#end("SIGINT");
    action();
    const { uid, gid } = fs.statSync(this.folder);
    execFileSync("chown", ["-R", `${uid}:${gid}`, this.folder]);
    this.#process = await this.#launch({});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end("SIGINT");
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  async #end(signal: "SIGINT" | "SIGKILL"): Promise<void> {
    const process = this.#process;
    this.#shared.clear();
    await Promise.all(this.#clients.splice(0).map((client) => client.end().catch(() => {})));
    if (process.exitCode !== null || process.signalCode !== null) return;
    const exited = new Promise((resolve) => process.once("exit", resolve));
    process.kill(signal);
    await exited;
  }

  async #ensureDatabase(database: string): Promise<void> {
    const admin = await this.#connect("postgres");
    const { rowCount } = await admin.query("select 1 from pg_database where datname = $1", [
      database,
    ]);
    if (rowCount === 0) await admin.query(`create database "${database}" template template0`);
    await admin.end();
  }

  async #connect(database: string): Promise<pg.Client> {
    const client = new pg.Client({ ...AT_LOOPBACK, port: this.port, database, types: AS_TEXT });
    // A server that is ended ends its clients.
    client.on("error", () => {});
    await client.connect();
    this.#clients.push(client);
    return client;
  }
}

const AT_LOOPBACK = { host: "127.0.0.1", user: "postgres" };
const AS_TEXT = {
  getTypeParser: () => (value: unknown) => value,
} as unknown as pg.CustomTypesConfig;

function nativeFolder(major: number): string | null {
  const name = `postgres-${major}-${process.platform}-${process.arch}`;
  for (const from of PACKAGES) {
    try {
      const entry = createRequire(from).resolve(name);
      return path.resolve(path.dirname(entry), "..", "native");
    } catch {
      // The next place, or none.
    }
  }
  return null;
}

/** The packages make links of their libraries when they are installed; who installs without scripts has none. */
function hydrate(native: string): void {
  const list = path.join(native, "pg-symlinks.json");
  if (!fs.existsSync(list)) return;
  for (const { source, target } of JSON.parse(fs.readFileSync(list, "utf8"))) {
    const link = path.join(native, "..", target);
    if (fs.existsSync(link)) continue;
    try {
      fs.symlinkSync(path.basename(source), link);
    } catch (thrown) {
      if (!fs.existsSync(link)) throw thrown;
    }
  }
}

/** PostgreSQL does not run as root: then it is `nobody` who does. */
function ownerOf(folder: string): Owner {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync("id", [flag, "nobody"], { encoding: "utf8" }));
  const owner = { uid: id("-u"), gid: id("-g") };
  fs.chownSync(folder, owner.uid, owner.gid);
  return owner;
}

/** The binaries, copied where they lie in a folder that the owner may not enter. */
function readableFor(owner: Owner, native: string, folder: string): string {
  if (owner.uid === undefined) return native;
  const tried = spawnSync(`${native}/bin/postgres`, ["--version"], {
    ...owner,
    cwd: folder,
    env: { LD_LIBRARY_PATH: `${native}/lib` },
  });
  if (tried.status === 0) return native;
  const copy = path.join(folder, "native");
  fs.cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
  return copy;
}

async function launchServer(launch: Launch): Promise<ChildProcess> {
  const { binaries, data, folder, options } = launch;
  const settings = { ...SETTINGS, unix_socket_directories: folder, ...launch.settings };
  const flags = Object.entries(settings).flatMap(([key, value]) => ["-c", `${key}=${value}`]);
  fs.rmSync(path.join(data, "postmaster.pid"), { force: true });
  const log = fs.openSync(path.join(folder, "log"), "a");
  const server = spawn(`${binaries}/bin/postgres`, ["-D", data, ...flags], {
    ...options,
    stdio: ["ignore", log, log],
  });
  fs.closeSync(log);
  while (!isReady(data)) {
    if (server.exitCode !== null) throw new Error(fs.readFileSync(`${folder}/log`, "utf8"));
    await Bun.sleep(READY_MS);
  }
  return server;
}

/** The eighth line of postmaster.pid says so. */
function isReady(data: string): boolean {
  try {
    const lines = fs.readFileSync(path.join(data, "postmaster.pid"), "utf8").split("\n");
    return lines[7]?.trim() === "ready";
  } catch {
    return false;
  }
}

/** Waits until no process of a killed server is left: they hold its shared memory. */
async function orphansGone(data: string): Promise<void> {
  const folder = "/proc";
  if (!fs.existsSync(folder)) return;
  const isLeft = () =>
    fs.readdirSync(folder).some((entry) => {
      try {
        return /^\d+$/.test(entry) && fs.readlinkSync(`${folder}/${entry}/cwd`) === data;
      } catch {
        return false;
      }
    });
  while (isLeft()) await Bun.sleep(READY_MS);
}
