/** `kind: mysql`: the tables of a MySQL or MariaDB server, as they are and as they change. */

import type { SourceConfig } from "../../../core/ingest/contract.ts";
import type { ReaderWorld } from "../../../core/ingest/source-kind.ts";
import { type ReaderRequest, type StreamReader, streamTable } from "../../../core/ingest/stream.ts";
import { namePartFrom } from "../../../core/table/name.ts";
import { Durable, realDisk } from "../../disk/durable.ts";
import { DatabaseReader } from "../database-reader.ts";
import { sourceKind } from "../source-kind.ts";
import { namedTables } from "./catalog.ts";
import { checkSource } from "./check.ts";
import { databaseOf } from "./connection.ts";
import { parsePosition, positionText, readAgain } from "./position.ts";
import { countTables } from "./reconcile.ts";
import { MYSQL_SETTINGS, type MysqlSettings } from "./settings.ts";
import { MysqlStream } from "./stream.ts";

async function read(
  request: ReaderRequest,
  settings: MysqlSettings,
  world: ReaderWorld,
): Promise<StreamReader> {
  const { stream, from, folder, lakeRoot, lakeId, projectRoot } = request;
  const opened = await MysqlStream.open(settings, from, {
    source: stream,
    lakeId,
    projectRoot,
    folder,
    durable: new Durable(realDisk, lakeRoot),
    ...world,
  });
  return new DatabaseReader(opened, world);
}

/** Tables of the source's own database go without its name. */
function tableConfig(name: string, settings: MysqlSettings, table: string): SourceConfig {
  const own = `${databaseOf(settings)}.`;
  const short = table.startsWith(own) ? table.slice(own.length) : table;
  const into = `bronze.${namePartFrom(`${name}_${short}`)}`;
  return streamTable(name, table, { into, read: { format: "segment", table } });
}

export const MYSQL = sourceKind({
  word: "mysql",
  settings: MYSQL_SETTINGS,
  secrets: ["password", "url"],
  check: (name, settings, world) => checkSource(settings, { source: name, ...world }),
  count: countTables,
  read,
  readAgain: (position, table) => positionText(readAgain(parsePosition(position), table)),
  goesOnFrom: parsePosition,
  tables: (settings) => namedTables(settings.tables, databaseOf(settings)),
  table: tableConfig,
});
