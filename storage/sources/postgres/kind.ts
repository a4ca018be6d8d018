/** `kind: postgres`: the tables of a database, as they are and as they change. */

import type { SourceConfig } from "../../../core/ingest/contract.ts";
import type { ReaderWorld, SourceFinding } from "../../../core/ingest/source-kind.ts";
import { type ReaderRequest, type StreamReader, streamTable } from "../../../core/ingest/stream.ts";
import { namePartFrom } from "../../../core/table/name.ts";
import { Durable, realDisk } from "../../disk/durable.ts";
import { DatabaseReader } from "../database-reader.ts";
import { sourceKind } from "../source-kind.ts";
import { checkSource } from "./check.ts";
import { discoverTables, postgresEntry } from "./discover.ts";
import { parsePosition, positionText, readAgain } from "./position.ts";
import { namedTables } from "./publication.ts";
import { countTables } from "./reconcile.ts";
import { POSTGRES_SETTINGS, type PostgresSettings } from "./settings.ts";
import { PostgresStream } from "./stream.ts";

const PUBLIC = "public.";

async function read(
  request: ReaderRequest,
  settings: PostgresSettings,
  world: ReaderWorld,
): Promise<StreamReader> {
  const { stream, from, folder, lakeRoot, lakeId, projectRoot } = request;
  const opened = await PostgresStream.open(settings, from, {
    source: stream,
    lakeId,
    projectRoot,
    folder,
    durable: new Durable(realDisk, lakeRoot),
    ...world,
  });
  return new DatabaseReader(opened, world);
}

/** Tables of the schema public go without its name. */
function tableConfig(name: string, table: string): SourceConfig {
  const short = table.startsWith(PUBLIC) ? table.slice(PUBLIC.length) : table;
  const into = `bronze.${namePartFrom(`${name}_${short}`)}`;
  return streamTable(name, table, { into, read: { format: "segment", table } });
}

export const POSTGRES = sourceKind({
  word: "postgres",
  settings: POSTGRES_SETTINGS,
  secrets: ["password", "url"],
  check: async (name, settings, { lakeId, projectRoot }) => {
    const lines = await checkSource(settings, { source: name, lakeId, projectRoot });
    return lines.map(
      ({ what, ok, detail, sql }): SourceFinding => ({
        what,
        // A publication that is not there is made when reading begins.
        state: ok ? "ok" : what === "publication" && sql !== null ? "warn" : "bad",
        text: detail,
        ...(sql === null ? {} : { todo: sql }),
      }),
    );
  },
  count: countTables,
  discover: {
    schemes: ["postgres", "postgresql"],
    entryOf: postgresEntry,
    find: discoverTables,
  },
  read,
  readAgain: (position, table) => positionText(readAgain(parsePosition(position), table)),
  goesOnFrom: parsePosition,
  tables: (settings) => namedTables(settings.tables),
  table: (name, _settings, table) => tableConfig(name, table),
});
