/** What there was against what was delivered: what is gone, or another, behind the lake's back is named. */

import { Database } from "bun:sqlite";
import { expect, setDefaultTimeout, test } from "bun:test";
import { utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { keepReconciliations, reconcileOf } from "../../../../cmd/lake/reconcile.ts";
import { isTroubled, statusOf } from "../../../../cmd/lake/status.ts";
import { openSession } from "../../../../cmd/open.ts";
import { drop } from "../../../support/binary.ts";
import { build } from "../../../support/built-lake.ts";
import { removeLastRow } from "../../../support/removed-row.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(120_000);

const NEVER = new AbortController().signal;
const flagsOf = (folder: string) => ({ folder, args: { threads: "1" } });

test("a row that is gone from a table is named by its file, and status says so until it is back", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  await writeFile(join(root, "tarn.yaml"), "reconcile: { threshold: 0% }\n");
  await drop(root, "drops/orders/a.csv", "id,n\n1,a\n2,b\n3,c\n");
  await drop(root, "drops/orders/b.csv", "id,n\n4,d\nx,e\n");
  expect(await build(root)).toEqual([]);
  const equal = await reconcileOf(flagsOf(root), [], NEVER);
  expect(equal.found.map((one) => [one.table, one.against, one.rowsThere, one.differing])).toEqual([
    ["bronze.orders", "ledger", 5, 0],
  ]);

  await removeLastRow(root, "bronze.orders", { source: "orders", file: "drops/orders/a.csv" });
  const { found } = await reconcileOf(flagsOf(root), ["orders"], NEVER);
  expect(found.map((one) => [one.rowsThere, one.rowsHere, one.differing])).toEqual([[5, 4, 1]]);
  expect(found[0]?.windows.map(({ window }) => window.split(" ")[0])).toEqual([
    "drops/orders/a.csv",
  ]);
  {
    await using session = await openSession(flagsOf(root), { engine: "t" });
    await keepReconciliations(session, equal.found);
    await keepReconciliations(session, found);
    const status = await statusOf(session, "new");
    expect(status.alarms.map((one) => [one.table, one.differing, one.verifiedMs])).toEqual([
      ["bronze.orders", 1, equal.found[0]?.atMs ?? null],
    ]);
    expect(isTroubled(status)).toBe(true);
    await keepReconciliations(session, equal.found);
    expect(isTroubled(await statusOf(session, "new"))).toBe(false);
  }
});

test("a dropped file with other bytes of the same length is named; one that grew waits to be landed", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  await writeFile(join(root, "tarn.yaml"), "{}\n");
  await drop(root, "drops/orders/a.csv", "id,n\n1,a\n");
  await drop(root, "drops/orders/b.csv", "id,n\n2,b\n");
  expect(await build(root)).toEqual([]);
  await writeFile(join(root, "drops/orders/a.csv"), "id,n\n9,a\n");
  await utimes(join(root, "drops/orders/a.csv"), new Date(), new Date());
  await drop(root, "drops/orders/b.csv", "id,n\n2,b\n3,c\n");
  const { found } = await reconcileOf(flagsOf(root), [], NEVER);
  expect(found.flatMap(({ windows }) => windows.map(({ window, note }) => [window, note]))).toEqual(
    [["drops/orders/a.csv", "the file holds other bytes than those that landed"]],
  );
});

test("a source that is not there is said", async () => {
  await using folder = await tempFolder();
  await writeFile(join(folder.path, "tarn.yaml"), "{}\n");
  await expect(reconcileOf(flagsOf(folder.path), ["nobody"], NEVER)).rejects.toThrow("no source");
});

/** Orders that say when they changed, and countries that do not. */
async function crm(root: string): Promise<Database> {
  const tables = { orders: { cursor: "at" }, countries: {}, counters: {}, notes: { cursor: "at" } };
  const source = JSON.stringify({ kind: "pull", url: "sqlite:crm.db", tables });
  await writeFile(join(root, "tarn.yaml"), `sources: { crm: ${source} }\n`);
  const db = new Database(join(root, "crm.db"));
  db.run(`create table orders
    (id integer primary key, at text, amount decimal(10,2), rate real, raw blob, note text)`);
  db.run(`with recursive all_of(value) as (select 1 union all select value + 1 from all_of limit 600)
    insert into orders select value, iif(value % 50 = 0, null, '2026-11-01 10:' || printf('%03d', value)),
    value / 4.0, value / 3.0, x'00ff', iif(value % 3 = 0, null, 'ü' || value) from all_of`);
  db.run("create table countries (code text primary key, name text)");
  db.run("insert into countries values ('NO', 'Norway'), ('SE', 'Sweden')");
  db.run("create table counters (n int)");
  db.run("insert into counters values (1)");
  db.run("create table notes (id integer primary key, at real)");
  db.run("insert into notes values (1, 1.5)");
  return db;
}

/** Of the source: table, position, rows there, and each window that differs without its name. */
async function againstSource(root: string) {
  const { found, leftOut, failures } = await reconcileOf(flagsOf(root), ["crm"], NEVER);
  expect(failures).toEqual([]);
  const told = found
    .filter(({ against }) => against === "source")
    .map(({ table, position, rowsThere, windows }) => ({
      ...{ table, position, rowsThere },
      missing: windows.flatMap((window) => window.missing).toSorted(),
      extra: windows.flatMap((window) => window.extra).toSorted(),
      changed: windows.flatMap((window) => window.changed),
    }));
  return { told, leftOut: leftOut.map(({ table, why }) => [table, why]) };
}

test("tables that are pulled are compared up to their cursor, and loads with the last one", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  using db = await crm(root);
  expect(await build(root)).toEqual([]);
  const same = { missing: [], extra: [], changed: [] };
  const orders = { table: "bronze.crm_orders", position: "2026-11-01 10:599", rowsThere: 600 };
  const countries = { table: "bronze.crm_countries", position: "its last load", rowsThere: 2 };
  expect(await againstSource(root)).toEqual({
    told: [
      { ...orders, ...same },
      { ...countries, ...same },
    ].toSorted((a, b) => a.table.localeCompare(b.table)),
    leftOut: [
      ["counters", "it has no primary key"],
      ["notes", "values of its cursor at are not ordered alike on both sides"],
    ],
  });

  // What is new is landed before it is compared; what a pull cannot see is told.
  db.run("insert into orders values (700, '2026-11-02 10:00', 1.25, 0.5, null, 'new')");
  db.run("update orders set amount = 2, at = '2026-11-02 10:01' where id = 5");
  db.run("update orders set amount = 9, note = 'silent' where id = 8");
  db.run("delete from orders where id = 17");
  db.run("insert into orders values (701, '2026-10-01 10:00', 1.25, 0.5, null, 'late')");
  db.run("update countries set name = 'Sverige' where code = 'SE'");
  const told = await againstSource(root);
  expect(told.told.toSorted((a, b) => a.table.localeCompare(b.table))).toEqual([
    { ...countries, ...same },
    {
      ...{ ...orders, position: "2026-11-02 10:01", rowsThere: 601 },
      ...{ missing: ["701"], extra: ["17"] },
      changed: [{ key: "8", columns: ["amount", "note"] }],
    },
  ]);
});

test("a row that is gone from a table that is pulled is missing to its source and to the ledger", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  using _db = await crm(root);
  expect(await build(root)).toEqual([]);
  const [file] = await filesOf(root, "crm.orders");
  await removeLastRow(root, "bronze.crm_orders", { source: "crm.orders", file: file ?? "" });
  const { found } = await reconcileOf(flagsOf(root), ["crm"], NEVER);
  const of = found.filter(({ table }) => table === "bronze.crm_orders");
  expect(of.map(({ against, differing }) => [against, differing])).toEqual([
    ["source", 1],
    ["ledger", 1],
  ]);
});

async function filesOf(root: string, source: string): Promise<readonly string[]> {
  await using session = await openSession(flagsOf(root), { engine: null });
  return (await session.catalog.ledger.files({ source })).map(({ file }) => file);
}
