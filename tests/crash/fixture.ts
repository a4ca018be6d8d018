/** A small program with the engine's write protocol and switchable bugs: shows that this suite would see them. */

import { Database } from "bun:sqlite";
import * as fs from "node:fs/promises";
import { dirname, join } from "node:path";

/** What the fixture does wrong when asked; each must be seen by the order proof or by the check after a kill. */
export const FIXTURE_BUGS = [
  "skip-data-sync",
  "skip-folder-sync",
  "skip-new-folder-sync",
  "sync-after-commit",
  "write-after-sync",
  "offset-outside",
] as const;

export type FixtureBug = (typeof FIXTURE_BUGS)[number];

/** Lands files `0..count-1` that are not landed yet into the lake at `root`, one commit each. */
export async function runFixture(root: string, count: number, bug: FixtureBug | null) {
  await fs.mkdir(root, { recursive: true });
  using catalog = new Database(join(root, "catalog.db"));
  catalog.run("pragma journal_mode = wal");
  catalog.run("pragma synchronous = full");
  catalog.run("create table if not exists landed(path text primary key, rows integer)");
  catalog.run("create table if not exists offsets(name text primary key, position integer)");
  const row = catalog.query("select position from offsets where name = 'drops'").get();
  // parse: the one column selected above
  const done = row === null ? 0 : (row as { position: number }).position;
  for (let at = done; at < count; at += 1) await landOne(root, catalog, at, bug);
}

async function landOne(root: string, catalog: Database, at: number, bug: FixtureBug | null) {
  const staged = join(root, ".staging", `${crypto.randomUUID()}.part`);
  const final = join(root, "bronze", `t-${at}`, "data", `${crypto.randomUUID()}.parquet`);
  await fs.mkdir(dirname(staged), { recursive: true });
  await makeFolders(root, dirname(final), bug !== "skip-new-folder-sync");
  const file = await fs.open(staged, "wx");
  await file.write(Buffer.alloc(8192, at + 1), 0, 8192, 0);
  if (bug !== "skip-data-sync" && bug !== "sync-after-commit") await file.datasync();
  if (bug === "write-after-sync") await file.write(Buffer.alloc(16, 255), 0, 16, 8192);
  await fs.rename(staged, final);
  if (bug !== "skip-folder-sync") await syncFolder(dirname(final));
  const publish = () => {
    catalog.run("insert into landed values (?, ?)", [final, at]);
    if (bug !== "offset-outside") moveOffset(catalog, at);
  };
  catalog.transaction(publish).immediate();
  if (bug === "offset-outside") moveOffset(catalog, at);
  if (bug === "sync-after-commit") await file.datasync();
  await file.close();
}

function moveOffset(catalog: Database, at: number) {
  catalog.run("insert or replace into offsets values ('drops', ?)", [at + 1]);
}

async function makeFolders(root: string, folder: string, synced: boolean) {
  const parts = folder.slice(root.length + 1).split("/");
  let path = root;
  for (const part of parts) {
    const parent = path;
    path = join(path, part);
    await fs.mkdir(path).catch((thrown) => {
      if (thrown.code !== "EEXIST") throw thrown;
    });
    if (synced) await syncFolder(parent);
  }
}

async function syncFolder(path: string) {
  const handle = await fs.open(path, "r");
  await handle.sync();
  await handle.close();
}

if (import.meta.main) {
  const [root, count, bug] = process.argv.slice(2);
  if (root === undefined || count === undefined)
    throw new Error("usage: fixture.ts ROOT COUNT [BUG]");
  const known = FIXTURE_BUGS.find((one) => one === bug) ?? null;
  await runFixture(root, Number(count), known);
}
