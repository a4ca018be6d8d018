/** The ledger's account against the rows of its table: what is gone behind the lake's back is named. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { keepReconciliations, reconcileOf } from "../../../../cmd/lake/reconcile.ts";
import { isTroubled, statusOf } from "../../../../cmd/lake/status.ts";
import { openSession } from "../../../../cmd/open.ts";
import { must } from "../../../../core/base/assert.ts";
import { drop } from "../../../support/binary.ts";
import { build } from "../../../support/built-lake.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(60_000);

const NEVER = new AbortController().signal;
const flagsOf = (folder: string) => ({ folder, args: { threads: "1" } });

/** What another engine does to a table: the last row of a file leaves it. */
async function removeLastRow(root: string, name: string, file: string): Promise<void> {
  await using session = await openSession(flagsOf(root), { engine: "t" });
  const { catalog, engine, io } = session.ports;
  const table = must(await catalog.load(name), "it has landed");
  const [landed] = await catalog.ledger.files({ source: "orders", file });
  const scan = await catalog.scan(table, table.current);
  const written = await engine.rewrite({
    scan,
    paths: scan.files.map((one) => one.file.path),
    schema: table.schema,
    casts: {},
    without: [{ batch: landed?.landsAs ?? "", file, lastRows: 1 }],
    fileColumn: "_source_file",
    spec: table.spec,
    staging: await io.stagingFolder("t"),
    memoryBytes: session.settings.memoryBytes,
    threads: 1,
  });
  const added = await catalog.adopt({ ...table, name }, written.files);
  const result = await catalog.commit({
    kind: "maintain",
    tables: [
      {
        table: name,
        uuid: table.uuid,
        create: null,
        base: table.current?.snapshotId ?? null,
        schema: null,
        operation: "overwrite",
        added,
        removed: written.replaced,
        summary: {},
      },
    ],
    ...{ facts: [], batches: [], withdrawn: [], runs: [], message: "a row leaves" },
  });
  expect(result.kind).toBe("committed");
}

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

  await removeLastRow(root, "bronze.orders", "drops/orders/a.csv");
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
