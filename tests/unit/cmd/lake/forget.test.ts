/** Originals of forgotten files leave the disk once no restore needs them, and only where nothing else names them. */

import { Database } from "bun:sqlite";
import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { buildOf } from "../../../../cmd/lake/build.ts";
import { forgetOf } from "../../../../cmd/lake/forget.ts";
import { retryQuarantined } from "../../../../cmd/lake/quarantine.ts";
import { lakeRows } from "../../../../cmd/lake/query.ts";
import { restoreOf } from "../../../../cmd/lake/restore.ts";
import { openSession, type Session } from "../../../../cmd/open.ts";
import { must } from "../../../../core/base/assert.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(120_000);

const EVERYTHING = { select: [], exclude: [], full: false, models: true, sources: true };
const CONFIG = `sources:
  x: { columns: { id: bigint, n: bigint } }
  y: { columns: { id: bigint, n: bigint } }
`;

async function put(root: string, file: string, text: string): Promise<void> {
  const path = join(root, file);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  const old = new Date("2026-01-01T00:00:00Z");
  await utimes(path, old, old);
}

async function build(session: Session): Promise<void> {
  await buildOf(session, EVERYTHING, { signal: new AbortController().signal, onEvent: () => {} });
}

async function originalOf(session: Session, file: string): Promise<string> {
  const files = await session.catalog.ledger.files({ file });
  const original = files.at(-1)?.original ?? null;
  return join(session.warehouse, must(original, "it is kept"));
}

/** As if the time had come. */
function hurry(session: Session): void {
  const db = new Database(join(session.warehouse, "catalog.db"));
  db.run("UPDATE lake_originals_leaving SET due_ms = 0");
  db.close();
}

function fixes(session: Session): unknown[] {
  const db = new Database(join(session.warehouse, "catalog.db"), { readonly: true });
  const rows = db.query("SELECT raw FROM lake_fixes").all();
  db.close();
  return rows;
}

async function opened(root: string): Promise<Session> {
  await put(root, "tarn.yaml", CONFIG);
  return await openSession({ folder: root, args: { threads: "1" } }, { engine: "test" });
}

test("originals go with the texts of corrected rows, those aside that another file has", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  await using session = await opened(root);
  await put(root, "drops/x/a.csv", "id,n\n1,one\n2,2\n");
  await put(root, "drops/x/b.csv", "id,n\n3,3\n");
  await put(root, "drops/y/same.csv", "id,n\n3,3\n");
  await build(session);
  const { signal } = new AbortController();
  const every = { source: "x", ids: [], reason: null, where: null, all: false };
  const how = { set: "n = 1", raw: null, texts: null, dryRun: false, signal };
  expect(await Array.fromAsync(retryQuarantined(session, every, how))).toMatchObject([
    { landed: 1 },
  ]);
  expect(fixes(session)).toEqual([{ raw: "1,1" }]);
  const [a, b] = [
    await originalOf(session, "drops/x/a.csv"),
    await originalOf(session, "drops/x/b.csv"),
  ];
  const done = await forgetOf(session, { what: "x", originals: true, dryRun: false });
  expect(done).toMatchObject([{ rows: 3, aside: 0, files: ["drops/x/a.csv", "drops/x/b.csv"] }]);
  await session.maintain();
  expect([existsSync(a), existsSync(b)]).toEqual([true, true]);
  hurry(session);
  await session.maintain();
  // The file of y holds the same bytes.
  expect([existsSync(a), existsSync(b)]).toEqual([false, true]);
  expect(fixes(session)).toEqual([]);
  expect(await lakeRows(session, "select id from bronze.y")).toEqual([{ id: 3 }]);
});

test("what was brought back keeps its original", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  await using session = await opened(root);
  await put(root, "drops/x/a.csv", "id,n\n1,1\n");
  await build(session);
  const original = await originalOf(session, "drops/x/a.csv");
  await forgetOf(session, { what: "drops/x/a.csv", originals: true, dryRun: false });
  expect(await lakeRows(session, "select id from bronze.x")).toEqual([]);
  await restoreOf(session, "bronze.x", "@1");
  hurry(session);
  await session.maintain();
  expect(existsSync(original)).toBe(true);
  expect(await lakeRows(session, "select id from bronze.x")).toEqual([{ id: 1 }]);
  // Asked once more, the wait begins anew.
  await forgetOf(session, { what: "x", originals: false, dryRun: false });
  await forgetOf(session, { what: "x", originals: true, dryRun: false });
  hurry(session);
  await session.maintain();
  expect(existsSync(original)).toBe(false);
  await put(root, "drops/x/a.csv", "id,n\n1,1\n");
  await build(session);
  expect(await lakeRows(session, "select id from bronze.x")).toEqual([{ id: 1 }]);
  expect(existsSync(original)).toBe(true);
});
