/** Rows that are there already: read as of one point of the log, by several connections, range by range. */

import { LakeError } from "../../../core/base/errors.ts";
import type { SegmentShape } from "../../../core/ingest/segment.ts";
import type { WireType } from "../../../core/ingest/wire-type.ts";
import type { Random } from "../../../core/ports.ts";
import type { Durable } from "../../disk/durable.ts";
import { SegmentFile, tableName, type WrittenSegment } from "../segment-file.ts";
import { Connection, quoteName, quoteText, type Target } from "./connection.ts";
import { CopySocket, MESSAGE } from "./copy-socket.ts";
import { sortableLsn } from "./lsn.ts";
import type { PublishedTable } from "./publication.ts";
import type { NewSlot } from "./slot.ts";
import { isBinary, TypeCatalog, typeTextOf } from "./wire-types.ts";

export interface SnapshotWorld {
  readonly target: Target;
  readonly durable: Durable;
  readonly random: Random;
  readonly nowMs: () => number;
  /** Absolute, on the lake's disk. */
  readonly folder: string;
  readonly source: string;
  readonly server: SegmentHeaderServer;
  /** Unique numbers of shapes. */
  readonly nextShape: () => number;
}

type SegmentHeaderServer = Readonly<Record<string, string>>;

export interface ReadTable extends PublishedTable {
  /** The rows stand in for all that was read of it before. */
  readonly replaces: boolean;
}

/** One table as it is read: told when all of its ranges are. */
interface TableRead {
  readonly table: ReadTable;
  readonly shape: SegmentShape;
  /** What is selected, column by column. */
  readonly selects: string;
  rowCount: number;
  rangesLeft: number;
}

/** A part of a table: pages from..until of one of its relations. */
interface Range {
  readonly read: TableRead;
  readonly relation: string;
  readonly fromPage: number;
  /** Null for the last: pages that came meanwhile are in it. */
  readonly untilPage: number | null;
  readonly bytes: number;
}

/** What one connection reads into one segment: a range of a large table, or several small tables. */
type Task = readonly Range[];

/** Thrown when a table changed between the snapshot and its first read: its rows are to be read as of a later point. */
export class SnapshotOutdated extends Error {}

const RANGE_BYTES = 64 * 1024 * 1024;
const PAGE_BYTES = 8_192;
const CHUNK_BYTES = 256 * 1024;
const HEADER_BYTES = 19;
/** Types whose binary form is their text. */
const TEXTS: ReadonlySet<number> = new Set([19, 25, 114, 1042, 1043]);

/**
 * Reads all rows of tables as of a slot's beginning, whose connection must stay as it is meanwhile. `onTables` is told
 * of tables when their last range is on disk, with the segments that became whole with them.
 */
export class Snapshot {
  readonly #world: SnapshotWorld;
  readonly #slot: NewSlot;
  readonly #stop: AbortSignal;
  /** Segments that are whole, but hold rows of a table that is not. */
  readonly #waiting = new Map<WrittenSegment, ReadonlySet<TableRead>>();

  constructor(world: SnapshotWorld, slot: NewSlot, stop: AbortSignal) {
    this.#world = world;
    this.#slot = slot;
    this.#stop = stop;
  }

  async read(
    tables: readonly ReadTable[],
    readers: number,
    onTables: (tables: readonly ReadTable[], segments: readonly WrittenSegment[]) => void,
  ): Promise<void> {
    const first = await this.#reader(tables);
    const connections = [first];
    try {
      const { tasks, empty } = await tasksOf(first, tables, this.#world);
      if (empty.length > 0) onTables(empty, []);
      while (connections.length < Math.min(readers, tasks.length)) {
        connections.push(await this.#reader(tables));
      }
      const left = [...tasks];
      const failures: unknown[] = [];
      await Promise.all(
        connections.map(async (connection) => {
          const socket = new CopySocket(connection, this.#world.nowMs);
          for (let task = left.shift(); task !== undefined; task = left.shift()) {
            if (failures.length > 0 || this.#stop.aborted) return;
            try {
              this.#written(task, await this.#readTask(socket, task), onTables);
            } catch (thrown) {
              failures.push(thrown);
            }
          }
        }),
      );
      if (failures.length > 0) throw failures[0];
    } finally {
      for (const connection of connections) connection.destroy();
    }
  }

  /** A connection that sees the database as of the slot's beginning, and keeps its tables as they are. */
  async #reader(tables: readonly ReadTable[]): Promise<Connection> {
    const connection = await Connection.open(this.#world.target, "plain");
    const doing = "read the rows that are there already";
    try {
      await connection.rows("BEGIN ISOLATION LEVEL REPEATABLE READ", doing);
      await connection.rows(`SET TRANSACTION SNAPSHOT ${quoteText(this.#slot.snapshot)}`, doing);
      const names = tables.map(({ schema, table }) => `${quoteName(schema)}.${quoteName(table)}`);
      await connection.rows(`LOCK TABLE ${names.join(", ")} IN ACCESS SHARE MODE`, doing);
      // A table that was rewritten or emptied since looks empty to an older snapshot.
      const oids = tables.map(({ oid }) => oid).join(", ");
      const same = await connection.rows(
        `SELECT count(*) FROM pg_class WHERE oid IN (${oids})
          AND (relkind = 'p' OR relfilenode = pg_relation_filenode(oid))`,
        doing,
      );
      if (Number(same[0]?.[0]) !== tables.length)
        throw new SnapshotOutdated("a table was rewritten");
      return connection;
    } catch (thrown) {
      connection.destroy();
      throw thrown;
    }
  }

  async #readTask(socket: CopySocket, task: Task): Promise<WrittenSegment> {
    const { durable, folder, random, source, server } = this.#world;
    const position = sortableLsn(this.#slot.at);
    const path = `${folder}/${random.uuid()}`;
    const segment = new SegmentFile(durable, path, {
      kind: "postgres",
      source,
      from: position,
      server,
    });
    try {
      for (const range of task) await this.#readRange(socket, segment, range, position);
      return await segment.seal(position);
    } catch (thrown) {
      await segment.discard();
      throw thrown;
    }
  }

  async #readRange(
    socket: CopySocket,
    segment: SegmentFile,
    range: Range,
    position: string,
  ): Promise<void> {
    const { read } = range;
    const doing = `read the rows of ${tableName(read.table)}`;
    segment.shape(read.shape);
    segment.count(read.shape, 0);
    const rows = new RowChunk();
    const write = () => {
      const bytes = rows.take();
      if (rows.count === 0 && !(read.rowCount === 0 && read.table.replaces)) return;
      segment.snapshot({
        position,
        table: tableName(read.table),
        range: `${range.relation} ${range.fromPage}-${range.untilPage ?? ""}`,
        firstRow: read.rowCount,
        ...(read.table.replaces && read.rowCount === 0 ? { replaces: true } : {}),
      });
      segment.rows(read.shape, bytes, rows.count);
      read.rowCount += rows.count;
    };
    socket.query(copySql(range));
    let isFirst = true;
    for (;;) {
      await socket.message(doing);
      if (this.#stop.aborted) throw new LakeError("io", `cannot ${doing}: it was stopped`);
      if (socket.type === MESSAGE.ready) break;
      if (socket.type !== MESSAGE.copyData) continue;
      const start = socket.start + (isFirst ? headerBytes(socket.bytes, socket.start) : 0);
      isFirst = false;
      if (!isTrailer(socket.bytes, start)) rows.add(socket.bytes.subarray(start, socket.end));
      if (rows.sizeBytes < CHUNK_BYTES) continue;
      write();
      await segment.flush();
    }
    write();
  }

  #written(
    task: Task,
    segment: WrittenSegment,
    onTables: (tables: readonly ReadTable[], segments: readonly WrittenSegment[]) => void,
  ): void {
    for (const { read } of task) read.rangesLeft -= 1;
    this.#waiting.set(segment, new Set(task.map(({ read }) => read)));
    const done = [...this.#waiting].filter(([, reads]) =>
      [...reads].every((read) => read.rangesLeft === 0),
    );
    if (done.length === 0) return;
    for (const [whole] of done) this.#waiting.delete(whole);
    const reads = new Set(done.flatMap(([, of]) => [...of]));
    onTables(
      [...reads].map(({ table }) => table),
      done.map(([whole]) => whole),
    );
  }
}

/** Rows one behind the other, as they are received. */
class RowChunk {
  #bytes = new Uint8Array(2 * CHUNK_BYTES);
  sizeBytes = 0;
  count = 0;
  #isTaken = false;

  add(row: Uint8Array): void {
    if (this.#isTaken) {
      this.sizeBytes = 0;
      this.count = 0;
      this.#isTaken = false;
    }
    const needed = this.sizeBytes + row.length;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(2 * needed);
      larger.set(this.#bytes.subarray(0, this.sizeBytes));
      this.#bytes = larger;
    }
    this.#bytes.set(row, this.sizeBytes);
    this.sizeBytes = needed;
    this.count += 1;
  }

  /** What there is; `count` says how many rows it is until the next is added. */
  take(): Uint8Array {
    if (this.#isTaken) {
      this.sizeBytes = 0;
      this.count = 0;
    }
    this.#isTaken = true;
    return this.#bytes.subarray(0, this.sizeBytes);
  }
}

/** Bytes of the header that stands before the first row. PostgreSQL, "COPY", "Binary Format". */
function headerBytes(bytes: Uint8Array, start: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return HEADER_BYTES + view.getUint32(start + HEADER_BYTES - 4);
}

function isTrailer(bytes: Uint8Array, start: number): boolean {
  return bytes[start] === 0xff && bytes[start + 1] === 0xff;
}

function copySql({ read, relation, fromPage, untilPage }: Range): string {
  const conditions = [
    ...(fromPage > 0 ? [`ctid >= ${tid(fromPage)}`] : []),
    ...(untilPage === null ? [] : [`ctid < ${tid(untilPage)}`]),
    ...(read.table.rowFilter === null ? [] : [`(${read.table.rowFilter})`]),
  ];
  const where = conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`;
  return `COPY (SELECT ${read.selects} FROM ONLY ${relation}${where}) TO STDOUT (FORMAT binary)`;
}

function tid(page: number): string {
  return `${quoteText(`(${page},0)`)}::tid`;
}

/** What is to be read: small tables several to a task, large ones in ranges; `empty` are those without partitions. */
async function tasksOf(
  connection: Connection,
  tables: readonly ReadTable[],
  world: SnapshotWorld,
): Promise<{ readonly tasks: readonly Task[]; readonly empty: readonly ReadTable[] }> {
  const types = new TypeCatalog(connection);
  const tasks: Task[] = [];
  const empty: ReadTable[] = [];
  let small: Range[] = [];
  let smallBytes = 0;
  for (const table of tables) {
    const read = await describe(connection, types, table, world.nextShape());
    const ranges = await rangesOf(connection, read);
    read.rangesLeft = ranges.length;
    if (ranges.length === 0) empty.push(table);
    const bytes = ranges.reduce((sum, range) => sum + range.bytes, 0);
    if (bytes >= RANGE_BYTES) {
      tasks.push(...ranges.map((range) => [range]));
      continue;
    }
    small.push(...ranges);
    smallBytes += bytes;
    if (smallBytes < RANGE_BYTES) continue;
    tasks.push(small);
    small = [];
    smallBytes = 0;
  }
  if (small.length > 0) tasks.push(small);
  return { tasks, empty };
}

/** The table as the snapshot sees it, and what is selected of it. */
async function describe(
  connection: Connection,
  types: TypeCatalog,
  table: ReadTable,
  number: number,
): Promise<TableRead> {
  const doing = "read the columns of a table";
  const [identity] = await connection.rows(
    `SELECT relreplident FROM pg_class WHERE oid = ${table.oid}`,
    doing,
  );
  const rows = await connection.rows(
    `SELECT a.attname, a.atttypid, a.atttypmod, coalesce(a.attnum = ANY (i.indkey), false)
      FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid
        AND CASE (SELECT relreplident FROM pg_class WHERE oid = a.attrelid)
          WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END
      WHERE a.attrelid = ${table.oid} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    doing,
  );
  const published = rows.filter(([name]) => table.columns.includes(`${name}`));
  const wires = await types.typesOf(
    published.map(([, typeOid, typmod]) => ({ typeOid: Number(typeOid), typmod: Number(typmod) })),
  );
  const outputs = await outputsOf(connection, wires);
  const isFull = identity?.[0] === "f";
  const columns = published.map(([name, , , key], index) => {
    const wire = wires[index] ?? UNKNOWN;
    return {
      name: `${name}`,
      type: typeTextOf(wire),
      wire,
      key: isFull || key === "t",
      ...(isBinary(wire) ? { binary: true as const } : {}),
    };
  });
  const selects = columns.map(({ name, wire }) => selectOf(name, wire, outputs)).join(", ");
  const { schema, table: tableText, oid } = table;
  const shape: SegmentShape = {
    shape: number,
    schema,
    table: tableText,
    oid,
    columns,
    identity: IDENTITIES[identity?.[0] ?? "d"] ?? "default",
  };
  return { table, shape, selects, rowCount: 0, rangesLeft: 0 };
}

const UNKNOWN: WireType = { oid: 0, typmod: -1, name: "unknown", kind: "base" };
const IDENTITIES: Readonly<Record<string, SegmentShape["identity"]>> = {
  d: "default",
  f: "full",
  i: "index",
  n: "nothing",
};

/** What a domain is over in the end. */
function innermost(wire: WireType): WireType {
  return wire.kind === "domain" && wire.base !== undefined ? innermost(wire.base) : wire;
}

/** The functions that write types as text, and the types' names, by oid. */
async function outputsOf(
  connection: Connection,
  wires: readonly WireType[],
): Promise<ReadonlyMap<number, { readonly output: string; readonly name: string }>> {
  const oids = [...new Set(wires.map((wire) => innermost(wire).oid))];
  if (oids.length === 0) return new Map();
  const rows = await connection.rows(
    `SELECT oid, typoutput::regproc, format_type(oid, NULL) FROM pg_type WHERE oid IN (${oids.join(", ")})`,
    "read how types are written",
  );
  return new Map(
    rows.map(([oid, output, name]) => [Number(oid), { output: `${output}`, name: `${name}` }]),
  );
}

/** A column in binary where that is read, else as the very text that the stream has: by its type's own function. */
function selectOf(
  name: string,
  wire: WireType,
  outputs: ReadonlyMap<number, { readonly output: string; readonly name: string }>,
): string {
  const base = innermost(wire);
  const column = quoteName(name);
  const how = outputs.get(base.oid);
  const isPlain = isBinary(wire) || TEXTS.has(base.oid) || base.kind === "enum";
  if (isPlain || how === undefined) return column;
  const value = wire.kind === "domain" ? `CAST(${column} AS ${how.name})` : column;
  return `pg_catalog.textin(${how.output}(${value}))`;
}

/** Ranges of pages of about the same size, toasted values counted, of a table or of its partitions. */
async function rangesOf(connection: Connection, read: TableRead): Promise<readonly Range[]> {
  const { oid, isPartitioned } = read.table;
  const relations = await connection.rows(
    `SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), pg_relation_size(c.oid), pg_table_size(c.oid)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'f') AND c.oid IN (${
        isPartitioned ? `SELECT relid FROM pg_partition_tree(${oid}) WHERE isleaf` : oid
      }) ORDER BY 1`,
    "measure a table",
  );
  return relations.flatMap(([relation, mainBytes, allBytes]) => {
    const pages = Math.ceil(Number(mainBytes) / PAGE_BYTES);
    const parts = Math.max(1, Math.min(pages, Math.ceil(Number(allBytes) / RANGE_BYTES)));
    const step = Math.ceil(pages / parts);
    return Array.from({ length: parts }, (_, index) => ({
      read,
      relation: `${relation}`,
      fromPage: index * step,
      untilPage: index === parts - 1 ? null : (index + 1) * step,
      bytes: Number(allBytes) / parts,
    }));
  });
}
