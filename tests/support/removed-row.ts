/** What another engine does to a table: a row leaves it, and no account says so. */

import { openSession } from "../../cmd/open.ts";
import { must } from "../../core/base/assert.ts";

/** The last row of a file leaves its table. */
export async function removeLastRow(
  root: string,
  name: string,
  { source, file }: { readonly source: string; readonly file: string },
): Promise<void> {
  await using session = await openSession(
    { folder: root, args: { threads: "1" } },
    { engine: "t" },
  );
  const { catalog, engine, io } = session.ports;
  const table = must(await catalog.load(name), "it has landed");
  const [landed] = await catalog.ledger.files({ source, file });
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
  if (result.kind !== "committed") throw new Error(`the row stays: ${result.kind}`);
}
