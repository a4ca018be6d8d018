/** Rows that are there already: read as of one point of the log, over one connection, table by table. */

import { errorText, LakeError } from "../../../core/base/errors.ts";
import type { SegmentShape } from "../../../core/ingest/segment.ts";
import type { Clock, Random } from "../../../core/ports.ts";
import type { Durable } from "../../disk/durable.ts";
import { SegmentFile, tableName, type WrittenSegment } from "../segment-file.ts";
import type { ReadTables } from "../table-stream.ts";
import type { CatalogTable } from "./catalog.ts";
import { Connection, quoteName, quoteTable, type RawRow, type Target } from "./connection.ts";
import { isMissing } from "./failure.ts";
import { type LogPlace, placeText } from "./place.ts";
import { preparedOf, stateOf } from "./server.ts";
import type { ShapeBook } from "./shapes.ts";

export interface SnapshotWorld {
  readonly target: Target;
  readonly durable: Durable;
  readonly random: Random;
  readonly clock: Clock;
  /** Absolute, on the lake's disk. */
  readonly folder: string;
  readonly source: string;
  readonly server: Readonly<Record<string, string>>;
  readonly shapes: ShapeBook;
  readonly stop: AbortSignal;
  readonly notice: (text: string) => void;
  /** Prepared before anything was read: rows of these come neither by the log nor as rows that are there. */
  readonly foreign: ReadonlySet<string>;
  readonly lsnOf: (place: LogPlace) => bigint;
  /** It is known as of when tables are read, by their names. */
  readonly onPoint: (names: readonly string[], at: bigint) => void;
  readonly onTables: (read: ReadTables<CatalogTable>) => void;
}

export type TableToRead = CatalogTable & { readonly replaces: boolean };

const SEGMENT_BYTES = 64 * 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;
const ATTEMPTS = 5;
const WAIT_MS = 1_000;
export const TRANSACTIONAL: ReadonlySet<string> = new Set([
  "InnoDB",
  "ROCKSDB",
  "TokuDB",
  "partition",
]);
/** ER_TABLE_DEF_CHANGED. MySQL, "Server Error Message Reference". */
const CHANGED = 1412;
const DOING = "read the rows that are there already";

/** Reads all rows of tables. What was changed before it could be read is read as of a later point. */
export async function readRows(
  tables: readonly TableToRead[],
  world: SnapshotWorld,
): Promise<void> {
  const isSafe = ({ engine }: CatalogTable) => TRANSACTIONAL.has(engine);
  const groups = [tables.filter(isSafe), tables.filter((table) => !isSafe(table))];
  for (const [index, group] of groups.entries()) {
    if (group.length > 0) await readGroup(group, index === 0, world);
  }
}

async function readGroup(
  tables: readonly TableToRead[],
  isTransactional: boolean,
  world: SnapshotWorld,
): Promise<void> {
  let left = tables;
  for (let attempt = 1; left.length > 0 && !world.stop.aborted; attempt++) {
    const connection = await Connection.open(world.target, () => world.clock.nowMs());
    const stopped = (): void => connection.destroy();
    world.stop.addEventListener("abort", stopped);
    try {
      const place = isTransactional
        ? await beginAt(connection, left, world)
        : await lockAt(connection, left);
      if (place === null) continue;
      const at = world.lsnOf(place);
      world.onPoint(left.map(tableName), at);
      const snapshot = new Snapshot(connection, at, world);
      await snapshot.read(left, (read) => {
        left = left.filter((table) => !read.tables.includes(table));
        world.onTables(read);
      });
    } catch (thrown) {
      if (isMissing(thrown)) throw gone(thrown);
      if (!isOutdated(thrown) || attempt >= ATTEMPTS) throw thrown;
    } finally {
      world.stop.removeEventListener("abort", stopped);
      connection.destroy();
    }
  }
}

/** Begins a transaction that sees all of the log up to a place and nothing after. Null: it is to be tried again. */
export async function beginAt(
  connection: Connection,
  tables: readonly CatalogTable[],
  { foreign, clock, stop, notice }: Pick<SnapshotWorld, "foreign" | "clock" | "stop" | "notice">,
): Promise<LogPlace | null> {
  await connection.rows("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", DOING);
  let place: LogPlace;
  if (connection.isMariaDb) {
    await connection.rows("START TRANSACTION WITH CONSISTENT SNAPSHOT", DOING);
    const rows = await connection.rows("SHOW STATUS LIKE 'binlog_snapshot_%'", DOING);
    const byName = new Map(rows.map(([name, value]) => [`${name}`.toLowerCase(), `${value}`]));
    const file = byName.get("binlog_snapshot_file") ?? "";
    place = { file, byte: Number(byName.get("binlog_snapshot_position")) };
  } else {
    await connection.rows("FLUSH TABLES WITH READ LOCK", DOING);
    await connection.rows("START TRANSACTION WITH CONSISTENT SNAPSHOT", DOING);
    ({ place } = await stateOf(connection));
    await connection.rows("UNLOCK TABLES", DOING);
  }
  if (foreign.size > 0) {
    const waiting = (await preparedOf(connection)).filter((xid) => foreign.has(xid));
    if (waiting.length > 0) {
      notice(`rows are read once these are committed or rolled back: XA ${waiting.join("; ")}`);
      await clock.sleep(WAIT_MS, stop);
      return null;
    }
  }
  // Once it was looked at, a table stays as it is.
  for (const table of tables) {
    await connection.rows(`SELECT 1 FROM ${quoteTable(table)} LIMIT 0`, DOING);
  }
  return place;
}

/** Tables of an engine without transactions are locked against writes while they are read. */
async function lockAt(connection: Connection, tables: readonly TableToRead[]): Promise<LogPlace> {
  const list = tables.map((table) => `${quoteTable(table)} READ`);
  await connection.rows(`LOCK TABLES ${list.join(", ")}`, DOING);
  return (await stateOf(connection)).place;
}

function isOutdated(thrown: unknown): boolean {
  return thrown instanceof LakeError && thrown.context.number === CHANGED;
}

/** A table was dropped or renamed since it was listed: a reader that begins anew lists it no more. */
function gone(thrown: unknown): LakeError {
  const hint = "it is tried again with the tables that are there then";
  return new LakeError("io", errorText(thrown), { hint, scope: "source", cause: thrown });
}

/** One table as it is read. */
interface Reading {
  readonly table: TableToRead;
  readonly shape: SegmentShape;
  rowCount: number;
}

/** Rows over one connection into segments of about the same size; a table counts once all of its rows are on disk. */
class Snapshot {
  readonly #connection: Connection;
  readonly #at: bigint;
  readonly #world: SnapshotWorld;
  readonly #position: string;
  #segment: SegmentFile | null = null;
  /** Segments that are whole, and tables that are, but of which the one or the other is waited for. */
  #segments: WrittenSegment[] = [];
  #done: TableToRead[] = [];

  constructor(connection: Connection, at: bigint, world: SnapshotWorld) {
    this.#connection = connection;
    this.#at = at;
    this.#world = world;
    // Behind what ends at the same place.
    this.#position = `${placeText(at)}~`;
  }

  async read(
    tables: readonly TableToRead[],
    onTables: (read: ReadTables<TableToRead>) => void,
  ): Promise<void> {
    const { shapes } = this.#world;
    const tell = (): void => {
      const read = { tables: this.#done, at: this.#at, segments: this.#segments };
      this.#done = [];
      this.#segments = [];
      if (read.tables.length > 0) onTables(read);
    };
    try {
      for (const table of tables) {
        await this.#table({ table, shape: shapes.ofCatalog(table), rowCount: 0 });
        this.#done.push(table);
        if (this.#segment !== null) continue;
        tell();
      }
      await this.#seal();
      tell();
    } finally {
      await this.#segment?.discard();
    }
  }

  async #table(reading: Reading): Promise<void> {
    const { table, shape } = reading;
    this.#opened().shape(shape);
    this.#opened().count(shape, 0);
    const rows = new RowChunk();
    const write = (): void => {
      if (rows.count === 0 && !(table.replaces && reading.rowCount === 0)) return;
      const segment = this.#opened();
      segment.shape(shape);
      segment.snapshot({
        position: this.#position,
        table: tableName(table),
        range: "all",
        firstRow: reading.rowCount,
        ...(table.replaces && reading.rowCount === 0 ? { replaces: true } : {}),
      });
      segment.rows(shape, rows.bytes, rows.count);
      reading.rowCount += rows.count;
      rows.clear();
    };
    await this.#connection.rows("SET character_set_results = NULL", DOING);
    await this.#connection.each(selectOf(table), `read the rows of ${tableName(table)}`, (row) => {
      rows.add(row);
      if (rows.sizeBytes < CHUNK_BYTES) return null;
      write();
      return this.#rolled();
    });
    await this.#connection.rows("SET character_set_results = utf8mb4", DOING);
    write();
    await this.#rolled();
  }

  #opened(): SegmentFile {
    if (this.#segment !== null) return this.#segment;
    const { durable, folder, random, source, server } = this.#world;
    const header = { kind: "mysql", source, from: this.#position, server };
    this.#segment = new SegmentFile(durable, `${folder}/${random.uuid()}`, header);
    return this.#segment;
  }

  /** Seals a segment that is large. */
  async #rolled(): Promise<void> {
    const segment = this.#segment;
    if (segment === null) return;
    if (segment.sizeBytes >= SEGMENT_BYTES) await this.#seal();
    else await segment.flush();
  }

  async #seal(): Promise<void> {
    const segment = this.#segment;
    if (segment === null) return;
    this.#segments.push(await segment.seal(this.#position));
    this.#segment = null;
  }
}

/** Rows one behind the other, as they are received. */
class RowChunk {
  #bytes = new Uint8Array(2 * CHUNK_BYTES);
  sizeBytes = 0;
  count = 0;

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.sizeBytes);
  }

  add({ bytes, start, end }: RawRow): void {
    const needed = this.sizeBytes + end - start;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(2 * needed);
      larger.set(this.bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes.subarray(start, end), this.sizeBytes);
    this.sizeBytes = needed;
    this.count += 1;
  }

  clear(): void {
    this.sizeBytes = 0;
    this.count = 0;
  }
}

function selectOf(table: CatalogTable): string {
  return `SELECT ${table.columns.map(selectedColumn).join(", ")} FROM ${quoteTable(table)}`;
}

/** Floats are asked for as doubles: as they are, they are written with six digits, or with those of their column. */
export function selectedColumn({ name, dataType }: CatalogTable["columns"][number]): string {
  const column = quoteName(name);
  return dataType === "float" || dataType === "double" ? `${column} + 0e0` : column;
}
