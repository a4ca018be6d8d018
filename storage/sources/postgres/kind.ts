/** `kind: postgres`: the tables of a database, as they are and as they change. */

import type { SourceConfig } from "../../../core/ingest/contract.ts";
import type { Lag } from "../../../core/ingest/lag.ts";
import type { ReaderWorld, SourceFinding } from "../../../core/ingest/source-kind.ts";
import {
  type ReaderLimits,
  type ReaderRequest,
  type SealedStretch,
  type StreamReader,
  streamTable,
} from "../../../core/ingest/stream.ts";
import { namePartFrom } from "../../../core/table/name.ts";
import { Durable, realDisk } from "../../disk/durable.ts";
import { sourceKind } from "../source-kind.ts";
import { checkSource } from "./check.ts";
import { parsePosition, positionText, readAgain } from "./position.ts";
import { namedTables } from "./publication.ts";
import { POSTGRES_SETTINGS, type PostgresSettings } from "./settings.ts";
import { PostgresStream } from "./stream.ts";

/** A stream that has nothing says so this often. */
const QUIET_MS = 500;
const PUBLIC = "public.";

/** The stream as a process of its own hands it on. */
class PostgresReader implements StreamReader {
  readonly #stream: PostgresStream;
  readonly #world: ReaderWorld;

  constructor(stream: PostgresStream, world: ReaderWorld) {
    this.#stream = stream;
    this.#world = world;
  }

  get isCaughtUp(): boolean {
    return this.#stream.isCaughtUp;
  }

  async next(limits: ReaderLimits, signal: AbortSignal): Promise<SealedStretch | null> {
    const over = new AbortController();
    const waiting = AbortSignal.any([signal, over.signal]);
    const waited = this.#world.clock.sleep(QUIET_MS, waiting).then(() => over.abort());
    try {
      const ask = { bytes: limits.bytes, lingerMs: limits.ms };
      const segment = await this.#stream.next(ask, waiting);
      if (segment === null) return null;
      const tables = Object.keys(segment.rows);
      const { to, file } = segment;
      return { to, files: file === null ? [] : [{ ...file, newlines: 0, tables }] };
    } finally {
      over.abort();
      await waited;
    }
  }

  async lag(): Promise<Lag | null> {
    return await this.#stream.lag();
  }

  async acknowledge(position: string): Promise<void> {
    this.#stream.acknowledge(position);
  }

  async close(): Promise<void> {
    await this.#stream.close();
  }
}

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
  return new PostgresReader(opened, world);
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
  read,
  readAgain: (position, table) => positionText(readAgain(parsePosition(position), table)),
  tables: (settings) => namedTables(settings.tables),
  table: (name, _settings, table) => tableConfig(name, table),
});
