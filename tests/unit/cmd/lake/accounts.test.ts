/** Doctor counts the rows of a lake against its ledger, and finds what is accounted for nowhere. */

import { Database } from "bun:sqlite";
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { buildOf, hasFailed } from "../../../../cmd/lake/build.ts";
import { findingsOf } from "../../../../cmd/lake/doctor.ts";
import { lakeRows } from "../../../../cmd/lake/query.ts";
import { openSession } from "../../../../cmd/open.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(120_000);

const ALL = { select: [], exclude: [], full: false, models: true, sources: true };
const CONFIG = "sources: { orders: { same_name: replace, columns: { id: bigint } } }\n";

async function drop(root: string, name: string, text: string, day: number): Promise<void> {
  const path = join(root, "drops/orders", name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  const at = new Date(Date.UTC(2026, 0, day));
  await utimes(path, at, at);
}

async function build(root: string): Promise<void> {
  await using session = await openSession({ folder: root, args: {} }, { engine: "test" });
  const told = { signal: new AbortController().signal, onEvent: () => undefined };
  expect(hasFailed(await buildOf(session, ALL, told))).toBe(false);
}

/** What doctor --deep finds that is not well. */
async function troubles(root: string): Promise<readonly string[]> {
  await using session = await openSession({ folder: root, args: {} }, { engine: null });
  const findings = await findingsOf(session, true);
  return findings.flatMap(({ check, state, text }) =>
    state === "ok" ? [] : [`${state} ${check}: ${text.replace(/of batch \S+/, "of batch B")}`],
  );
}

async function quarantinedId(root: string): Promise<string> {
  await using session = await openSession({ folder: root, args: {} }, { engine: null });
  const [row] = await lakeRows(session, "select id from lake.quarantine");
  return String(row?.id);
}

/** Something that must not happen, done to the catalog by hand. */
function tamper(root: string, sql: string): void {
  using db = new Database(join(root, "warehouse/catalog.db"));
  db.run(sql);
}

async function lake(root: string): Promise<void> {
  await mkdir(root, { recursive: true });
  await writeFile(join(root, "tarn.yaml"), CONFIG);
  await drop(root, "a.csv", "id\n1\n2\ntwo\n", 1);
  await drop(root, "b.csv", "id\n3\n", 1);
  await build(root);
  // The row that was set aside goes with the version that stands in for its file.
  await drop(root, "a.csv", "id\n1\n2\n22\n", 2);
  await build(root);
}

test("a lake of replaced files and superseded rows is accounted for", async () => {
  await using folder = await tempFolder();
  await lake(folder.path);
  expect(await troubles(folder.path)).toEqual([]);
});

test("rows that the ledger does not know, and rows that it says landed and are not there", async () => {
  await using folder = await tempFolder();
  await lake(folder.path);
  tamper(folder.path, "UPDATE lake_files SET rows_landed = 7 WHERE file LIKE '%b.csv'");
  expect(await troubles(folder.path)).toEqual([
    "bad account of orders: bronze.orders has 1 of the 7 rows that the ledger says landed of " +
      "drops/orders/b.csv of batch B",
  ]);
});

test("superseded rows that nothing stands in for", async () => {
  await using folder = await tempFolder();
  await lake(folder.path);
  const id = await quarantinedId(folder.path);
  tamper(
    folder.path,
    "INSERT INTO lake_quarantine_events (id, status, time_ms, batch, note) " +
      `VALUES ('${id}', 'superseded', 0, '', NULL)`,
  );
  tamper(folder.path, "UPDATE lake_files SET file = 'drops/orders/other.csv', sha256 = 'x'");
  const found = await troubles(folder.path);
  expect(found).toContain(
    "bad quarantine: 1 row of drops/orders/a.csv are said to be superseded, by nothing that is there",
  );
});
