/**
 * A simulated log of a database whose transactions may be prepared long before they are committed, and its reader: what
 * of a real one writes to disk (spools, held tables, prepared rows, segments), over a log that is a list.
 */

import { must } from "../../core/base/assert.ts";
import type { SegmentShape } from "../../core/ingest/segment.ts";
import type { Random } from "../../core/ports.ts";
import { Durable } from "../../storage/disk/durable.ts";
import { placeText } from "../../storage/sources/mysql/place.ts";
import {
  type Position,
  parsePosition,
  positionText,
} from "../../storage/sources/mysql/position.ts";
import { PreparedTransactions } from "../../storage/sources/mysql/prepared.ts";
import { SegmentFile } from "../../storage/sources/segment-file.ts";
import { Spool } from "../../storage/sources/spool.ts";
import type { ReadableTable } from "../../storage/sources/table-states.ts";
import {
  type LogReader,
  type StreamKind,
  TableStream,
} from "../../storage/sources/table-stream.ts";
import { ID_COLUMN, inserted, NAME_COLUMN, type NamedRow } from "../support/binlog-events.ts";
import type { SimDisk } from "./disk.ts";
import { SimClock } from "./world.ts";

export type HeldTable = "orders" | "lines";
/** Rows that come together, in events of one table each. */
export type HeldRows = readonly (readonly [HeldTable, readonly NamedRow[]])[];

export type HeldGroup =
  | { readonly kind: "commit"; readonly at: bigint; readonly rows: HeldRows }
  | {
      readonly kind: "prepare";
      readonly at: bigint;
      readonly xid: string;
      readonly rows: HeldRows;
    }
  | {
      readonly kind: "decide";
      readonly at: bigint;
      readonly xid: string;
      readonly isCommit: boolean;
    };

export interface HeldServer {
  /** Rows from before the log. */
  readonly there: Readonly<Record<HeldTable, readonly NamedRow[]>>;
  readonly log: readonly HeldGroup[];
  /** Where the log is when rows that are there are read first. */
  readonly readAt: bigint;
}

/** The rows of a table once all up to a place is committed. */
export function rowsAt({ there, log }: HeldServer, table: HeldTable, at: bigint) {
  const groups = log.filter((group) => group.at <= at);
  const committed = groups.flatMap((group) => {
    if (group.kind === "prepare" || (group.kind === "decide" && !group.isCommit)) return [];
    if (group.kind === "commit") return group.rows;
    return groups.flatMap((one) =>
      one.kind === "prepare" && one.xid === group.xid ? one.rows : [],
    );
  });
  return [...there[table], ...committed.flatMap(([name, rows]) => (name === table ? rows : []))];
}

export const HELD_TABLES: readonly HeldTable[] = ["orders", "lines"];
/** Everything but the smallest transactions goes to disk. */
const SPOOL_BYTES_MAX = 150;
/** Small enough for the largest to be in segments of their own: some of whose events have a row each. */
const PIECE_BYTES_MIN = 900;
const NOTHING: Position = {
  ...{ flavor: "mariadb", server: "sim", gtids: "", lsn: 0n, isAnew: false },
  ...{ tables: {}, pending: [], prepared: [] },
};

export class HeldLog implements StreamKind<Position, ReadableTable> {
  readonly word = "mysql";
  readonly server = {};
  readonly snapshot = "true";
  readonly heartbeatMs = 1_000;
  readonly movedBytes = 1n << 40n;
  readonly settlesBehind = true;
  readonly place = placeText;
  readonly positionText = positionText;
  readonly stream: TableStream<Position, ReadableTable>;
  readonly #server: HeldServer;
  readonly #durable: Durable;
  readonly #folder: string;
  readonly #random: Random;
  readonly #prepared: PreparedTransactions;
  readonly #spool: Spool;
  #shapes = HELD_TABLES.length;

  private constructor(server: HeldServer, from: string | null, disk: SimDisk, random: Random) {
    const position = from === null ? NOTHING : parsePosition(from);
    const durable = new Durable(disk, disk.root);
    const folder = folderOn(disk);
    const goal = server.log.at(-1)?.at ?? 0n;
    const named = { source: "held", lakeId: "sim", projectRoot: disk.root };
    const world = { ...named, durable, folder, random, clock: new SimClock(), notice: () => {} };
    this.#server = server;
    this.#durable = durable;
    this.#folder = folder;
    this.#random = random;
    this.stream = new TableStream(this, world, { position, from, goal });
    this.#prepared = new PreparedTransactions(position.prepared, {
      ...{ durable, random, folder },
      header: { kind: this.word, source: "held", server: {} },
      nextShape: () => ++this.#shapes,
    });
    this.#spool = new Spool(disk, `${folder}/spool-${random.uuid()}`, 0, {
      memoryBytesMax: SPOOL_BYTES_MAX,
      pieces: this.stream.pieces(PIECE_BYTES_MIN),
    });
  }

  static async open(
    server: HeldServer,
    from: string | null,
    disk: SimDisk,
    random: Random,
  ): Promise<HeldLog> {
    const log = new HeldLog(server, from, disk, random);
    await log.#durable.ensureFolders([log.#folder]);
    await log.stream.begin(HELD_TABLES.map(readable), false, from === null);
    return log;
  }

  /** All up to a position is in the lake. */
  acknowledge(position: string): void {
    this.stream.run(this.#prepared.settle(parsePosition(position).lsn));
  }

  readonly position = (): Partial<Position> => ({ prepared: this.#prepared.all });
  readonly isInside = (): boolean => false;

  kept(): readonly string[] {
    return this.#prepared.files;
  }

  async connect(from: bigint): Promise<LogReader> {
    const left = this.#server.log.filter(({ at }) => at > from);
    return {
      isStalled: false,
      receive: async () => {
        const group = left.shift();
        if (group !== undefined) await this.#take(group);
        return group !== undefined;
      },
      more: () => new Promise(() => {}),
      close: () => {},
    };
  }

  async readRows(tables: readonly (ReadableTable & { readonly replaces: boolean })[]) {
    // Never from before what is known already.
    let at = this.#server.readAt;
    if (this.stream.reached > at) at = this.stream.reached;
    this.stream.readAt(
      tables.map(({ schema, table }) => `${schema}.${table}`),
      at,
    );
    for (const table of tables) {
      const header = { kind: this.word, source: "held", from: placeText(at), server: {} };
      const path = `${this.#folder}/${this.#random.uuid()}`;
      const segment = new SegmentFile(this.#durable, path, header);
      // parse: the tables are those that `open` named
      const rows = rowsAt(this.#server, table.table as HeldTable, at); // parse: above
      const shape = shapeOf(table.table as HeldTable); // parse: above
      segment.shape(shape);
      const of = { table: `shop.${table.table}`, range: "all", firstRow: 0 };
      const more = table.replaces ? ({ replaces: true } as const) : {};
      segment.snapshot({ position: `${placeText(at)}~`, ...of, ...more });
      segment.rows(shape, Buffer.concat(rows.map(answer)), rows.length);
      const written = await segment.seal(`${placeText(at)}~`);
      this.stream.tablesRead({ tables: [table], at, segments: [written] });
    }
  }

  async look(): Promise<void> {}

  missed(table: string): Error {
    return new Error(`rows of ${table} are missing`);
  }

  async explained(thrown: unknown): Promise<unknown> {
    return thrown;
  }

  async end(): Promise<void> {
    await this.#spool.clear().catch(() => {});
  }

  /** As a reader of a binary log does. */
  async #take(group: HeldGroup): Promise<void> {
    const { at } = group;
    const said = { position: placeText(at), xid: `0-1-${at}`, committedAt: `${at}000000` };
    if (group.kind === "decide") {
      const spool = await this.#prepared.decide(group.xid, group.isCommit, at);
      if (spool === null) throw new Error(`nobody has seen ${group.xid} prepared`);
      try {
        await this.stream.commit(spool, said, at);
      } finally {
        await spool.clear();
      }
      return;
    }
    for (const [table, rows] of group.rows) {
      this.#spool.event(0, shapeOf(table), inserted(rows), null);
      if (this.#spool.isLarge) await this.#spool.spill();
    }
    if (group.kind === "prepare") await this.#prepared.hold(group.xid, this.#spool, said.position);
    await this.stream.commit(this.#spool, said, at);
  }
}

/** Where the stream has its files. */
export function folderOn(disk: SimDisk): string {
  return `${disk.root}/streams/held`;
}

function readable(table: HeldTable): ReadableTable {
  return { schema: "shop", table, oid: 1, member: "1" };
}

const SHAPES = new Map(HELD_TABLES.map((table, at) => [table, shape(table, at + 1)]));

function shapeOf(table: HeldTable): SegmentShape {
  return must(SHAPES.get(table), "each table has a shape");
}

function shape(table: HeldTable, number: number): SegmentShape {
  const columns = [ID_COLUMN, NAME_COLUMN];
  return { shape: number, schema: "shop", table, oid: 1, columns, identity: "default" };
}

/** A row of an answer: texts behind their lengths. */
function answer([id, name]: NamedRow): Buffer {
  const cells = [`${id}`, name ?? null].map((text) =>
    text === null ? Buffer.of(0xfb) : Buffer.concat([Buffer.of(text.length), Buffer.from(text)]),
  );
  return Buffer.concat(cells);
}
