/** Statements of a user on the simulated disk: the session's own engine, and commits of the process's catalog. */

import { fromWire, toWire } from "../../cmd/lake/write-wire.ts";
import { must } from "../../core/base/assert.ts";
import type { LandingPorts } from "../../core/ingest/landing.ts";
import { KEY_INDEX_FOLDER, KEY_LOOKUP_ROWS } from "../../core/limits.ts";
import { commitWrites } from "../../core/table/write.ts";
import type { LakeWriter } from "../../sql/dml/lake-writer.ts";
import { QuerySession, type TableLookup } from "../../sql/query/query.ts";
import { openTestDuckDB } from "../support/test-lake.ts";

/** Runs statements one after the other, and what they say together in a transaction. */
export async function runStatements(ports: LandingPorts, sql: string): Promise<void> {
  const query = new QuerySession({
    open: openTestDuckDB,
    lookup: lookupOn(ports),
    timezone: "UTC",
    writablePath: (path) => path,
    writer: writerOn(ports),
  });
  try {
    for await (const _ of query.run(sql));
  } finally {
    await query.close();
  }
}

/** Tables by their full names, as they are now. */
function lookupOn({ catalog }: LandingPorts): TableLookup {
  return {
    async find(refs) {
      const bindings = await Promise.all(
        refs.map(async (ref) => {
          const table = await catalog.load(ref.name);
          if (table === null) return [];
          const scan = await catalog.scan(table, table.current);
          return [{ kind: "scan" as const, ref, scan }];
        }),
      );
      return { bindings: bindings.flat(), notes: [] };
    },
    tableNames: async () => (await catalog.tables()).map(({ name }) => name),
    columnNames: async () => [],
    checkBranch: async () => undefined,
    systemTable: async () => null,
  };
}

function writerOn({ io, catalog, random }: LandingPorts): LakeWriter {
  return {
    branch: null,
    async open(name) {
      const table = await catalog.load(name);
      return table === null ? null : { table, scan: await catalog.scan(table, table.current) };
    },
    nameOf: async (parts) => parts.join("."),
    stagingFolder: () => io.stagingFolder(random.uuid()),
    uuid: () => random.uuid(),
    async keyIndexes(uuid) {
      return { folder: `${io.root}/${KEY_INDEX_FOLDER}/${uuid}`, lookupRows: KEY_LOOKUP_ROWS };
    },
    // As it goes to whoever has the lake.
    commit: (request) => commitWrites(catalog, fromWire(toWire(request))),
    rename: async () => must<bigint>(null, "no story renames tables by statements"),
    drop: async () => must<bigint>(null, "no story drops tables by statements"),
    moment: async () => null,
  };
}
