/**
 * The half of a database's stream that knows no database: transactions into segments, tables that are read and those
 * that wait for it, and positions, in the order of a log whose places are numbers.
 */

import type { Lag } from "../../core/ingest/lag.ts";
import type { SegmentHeader, SegmentShape, SegmentTransaction } from "../../core/ingest/segment.ts";
import type { ComingFile } from "../../core/ingest/source.ts";
import type { Clock, Random } from "../../core/ports.ts";
import type { Durable } from "../disk/durable.ts";
import { LagClock } from "./lag-clock.ts";
import { Pieces } from "./pieces.ts";
import { SegmentFile, tableName, type WrittenSegment } from "./segment-file.ts";
import { type QueuedPosition, type SealedSegment, SegmentQueue } from "./segment-queue.ts";
import type { Spool, SpoolTarget } from "./spool.ts";
import {
  type KnownTable,
  type ReadableTable,
  type TablePlan,
  TableStates,
} from "./table-states.ts";

export interface StreamWorld {
  /** The source's name in the configuration. */
  readonly source: string;
  readonly lakeId: string;
  readonly projectRoot: string;
  readonly durable: Durable;
  /**
   * Absolute; the stream's own, on the lake's disk, and not emptied by anybody else: segments in it may be named by the
   * position alone.
   */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Told what a person should know that stops nothing. */
  readonly notice: (text: string) => void;
  /** Told of pieces of a transaction that is not committed: segments of which the ends alone are missing. */
  readonly coming?: (piece: ComingFile) => void;
  /** Nothing will come of these. */
  readonly dropped?: (paths: readonly string[]) => void;
  /** Bytes of segments that nobody took yet, above which nothing more is read. Default: 256 MiB. */
  readonly waitingBytesMax?: number;
}

export interface StreamLimits {
  /** Bytes after which a segment is sealed, whatever else. It ends with a transaction. */
  readonly bytes: number;
  /** How long its first transaction waits for others, once somebody asks for it. */
  readonly lingerMs: number;
}

/** What the position of any such source holds. */
export interface StreamPosition extends QueuedPosition {
  /** The end of the last transaction. */
  readonly lsn: bigint;
  /** By `schema.table`. */
  readonly tables: Readonly<Record<string, KnownTable>>;
}

/** Tables all of whose rows are on disk. */
export interface ReadTables<T extends ReadableTable = ReadableTable> {
  readonly tables: readonly T[];
  /** What their rows are as of. */
  readonly at: bigint;
  readonly segments: readonly WrittenSegment[];
}

/** The connection that the log comes by. */
export interface LogReader {
  /** True when it was closed because nothing was taken for long: it may be opened again. */
  readonly isStalled: boolean;
  /** Takes what has come; false when nothing has. Throws what the server or the network says. */
  receive(): Promise<boolean>;
  /** Resolves when there is more, or the connection is over. */
  more(): Promise<void>;
  close(): void;
}

/** What a kind of database adds. */
export interface StreamKind<P extends StreamPosition, T extends ReadableTable> {
  /** In the header of its segments. */
  readonly word: string;
  /** What the server said of itself. */
  readonly server: Readonly<Record<string, string>>;
  readonly snapshot: "true" | "false" | "only";
  readonly heartbeatMs: number;
  /** Log that the position moves over without waiting for a heartbeat. */
  readonly movedBytes: bigint;
  /** As text that sorts as the log is ordered. */
  place(lsn: bigint): string;
  positionText(position: P): string;
  /** What of its own a position behind all that was read holds. */
  readonly position: () => Partial<P>;
  /** True between the first and the last message of a transaction. */
  readonly isInside: () => boolean;
  connect(from: bigint): Promise<LogReader>;
  /** Reads rows that are there; those of the beginning when `isFirst`. Tells `readAt` and `tablesRead`. */
  readRows(
    tables: readonly (T & { readonly replaces: boolean })[],
    isFirst: boolean,
  ): Promise<void>;
  /** Looks at the tables: changes came of one that is not known. */
  look(): Promise<void>;
  /** What is said of a table that is to be read again where nothing is read. */
  missed(table: string, since: bigint): Error;
  /** What stopped the stream, in other words where the server says more. */
  explained(thrown: unknown): Promise<unknown>;
  /** True when tables count as read once the log was read up to what their rows are as of. */
  readonly settlesBehind?: boolean;
  /** Files of its own in the stream's folder, which the position names. */
  kept?(): readonly string[];
  /** Ends what the kind has opened. */
  end(): Promise<void>;
}

const WAITING_BYTES_MAX = 256 * 1024 * 1024;
const FIRST_LIMITS: StreamLimits = { bytes: 64 * 1024 * 1024, lingerMs: 0 };

export class TableStream<P extends StreamPosition, T extends ReadableTable> {
  readonly #kind: StreamKind<P, T>;
  readonly #world: StreamWorld;
  readonly tables: TableStates;
  readonly #queue: SegmentQueue<P>;
  readonly #stop = new AbortController();
  readonly #read: ReadTables[] = [];
  readonly #reading = new Set<string>();
  readonly #tasks = new Set<Promise<void>>();
  #limits = FIRST_LIMITS;
  /** Somebody asked for a segment and got none. */
  #isWanted = false;
  /** The end of the last transaction, sealed or not. */
  #reached: bigint;
  /** What the server is known to have sent. */
  #received = 0n;
  /** Where the server was when the stream was opened. */
  readonly #goal: bigint;
  #open: SegmentFile | null = null;
  /** One that is not open any more, and not to be had yet. */
  #isSealing = false;
  #openedMs = 0;
  #movedMs: number;
  #reader: LogReader | null = null;
  #isLooking = false;
  readonly #lagClock: LagClock<bigint>;
  #failure: unknown = null;
  #wake: (() => void) | null = null;
  #onReady: () => void = () => {};

  constructor(
    kind: StreamKind<P, T>,
    world: StreamWorld,
    start: { readonly position: P; readonly from: string | null; readonly goal: bigint },
  ) {
    this.#kind = kind;
    this.#world = world;
    this.#reached = start.position.lsn;
    this.#goal = start.goal;
    this.#movedMs = world.clock.nowMs();
    this.#lagClock = new LagClock(world.clock);
    const { durable, random, folder } = world;
    const positionText = (position: P) => kind.positionText(position);
    this.#queue = new SegmentQueue({ durable, folder, positionText }, start.position, start.from);
    const { disk } = durable;
    this.tables = new TableStates(start.position.tables, { disk, random, folder });
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Behind all that was sealed. */
  get position(): P {
    return this.#queue.position;
  }

  get reached(): bigint {
    return this.#reached;
  }

  get reader(): LogReader | null {
    return this.#reader;
  }

  /** Called whenever a segment is ready, or the stream has failed. */
  onReady(ready: () => void): void {
    this.#onReady = ready;
  }

  /** What is ready; null when nothing is. Throws what stopped the stream once nothing is left. */
  take(limits: StreamLimits): SealedSegment | null {
    this.#limits = limits;
    const segment = this.#queue.shift();
    this.#isWanted = segment === undefined;
    this.awaken();
    if (segment !== undefined) return segment;
    if (this.#failure !== null) throw this.#failure;
    return null;
  }

  /** Waits for what `take` gives; null when the signal aborts. */
  async next(limits: StreamLimits, signal?: AbortSignal): Promise<SealedSegment | null> {
    const before = this.#onReady;
    let wake = (): void => {};
    this.#onReady = () => wake();
    const aborted = () => wake();
    signal?.addEventListener("abort", aborted);
    try {
      for (;;) {
        const waiting = new Promise<void>((resolve) => {
          wake = resolve;
        });
        const segment = this.take(limits);
        const isOver = signal?.aborted === true || this.#stop.signal.aborted;
        if (segment !== null || isOver) return segment;
        await waiting;
      }
    } finally {
      signal?.removeEventListener("abort", aborted);
      this.#onReady = before;
    }
  }

  /** True when all that was there when it was opened has been handed over. */
  get isCaughtUp(): boolean {
    const isRead = this.#reading.size === 0 && this.#read.length === 0 && this.#queue.isEmpty;
    const isSent = this.#kind.snapshot === "only" || this.#received >= this.#goal;
    return isRead && isSent && this.#open === null && !this.#isSealing;
  }

  /**
   * How far what the lake has committed is behind the end of the log: any of its bytes may be ours, but for those that
   * came and had nothing for us. `between` counts them.
   */
  lag(
    confirmed: bigint,
    end: bigint,
    between = (from: bigint, to: bigint): number => Number(to - from),
  ): Lag | null {
    const isIdle = this.isCaughtUp && this.#queue.position.lsn <= confirmed;
    const landed = isIdle && this.#received > confirmed ? this.#received : confirmed;
    if (landed === 0n) return null;
    const bytes = end > landed ? between(landed, end) : 0;
    return { bytes, rows: null, ms: this.#lagClock.ageMs(landed, end) };
  }

  /** Begins: `published` are the tables as they are; `isFirst` when rows as of the beginning can be read. */
  async begin(published: readonly T[], isFirst: boolean, isNew: boolean): Promise<void> {
    const { pending } = this.#queue.position;
    await this.#clearFolder(
      new Set([...pending.map(({ sha256 }) => sha256), ...(this.#kind.kept?.() ?? [])]),
    );
    await this.#queue.pushLeft();
    // The first position is kept at once: what was set up is known by it from then on.
    if (isNew) this.#queue.move(this.#queue.position);
    this.#follow(
      this.tables.plan(published, () => false),
      this.#goal,
      isFirst,
    );
    this.run(this.#pump());
  }

  /** Ends reading. What is sealed and not taken is read again. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#reader?.close();
    this.awaken();
    await Promise.allSettled(this.#tasks);
    await this.#kind.end();
    await this.tables.close();
    await this.#open?.discard().catch(() => {});
    this.#onReady();
  }

  /** A part of the stream, whose failure stops it. */
  run(task: Promise<void>): void {
    const guarded = task
      .catch(async (thrown: unknown) => this.#fail(await this.#explained(thrown)))
      .finally(() => this.#tasks.delete(guarded));
    this.#tasks.add(guarded);
  }

  awaken(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  /** All below the server's place was sent: where nothing of ours is in between, it is a place to go on from. */
  sent(lsn: bigint): void {
    if (lsn > this.#received) this.#received = lsn;
    const isIdle = !this.#kind.isInside() && this.#open === null;
    if (isIdle && lsn > this.#reached) this.#reached = lsn;
  }

  /** For one transaction after the other that may be large; `bytesMin` as PiecesWorld has it. */
  pieces(bytesMin?: number): Pieces {
    const { durable, coming, dropped } = this.#world;
    return new Pieces({
      disk: durable.disk,
      open: (firstPlace) => this.#newSegment(this.#reached, { late: { firstPlace } }),
      onPiece: (piece) => coming?.(piece),
      onDropped: (paths) => dropped?.(paths),
      ...(bytesMin === undefined ? {} : { bytesMin }),
    });
  }

  /** Hands a transaction on: at once where it is small and all of its tables are read, as most are. */
  commit(spool: Spool, transaction: SegmentTransaction, endLsn: bigint): Promise<void> | null {
    this.#lagClock.timed(endLsn, Number(transaction.committedAt) / 1_000);
    const isPlain = spool.isSmallOf((shape) => this.tables.isLive(shape, endLsn));
    if (!isPlain) return this.#sort(spool, transaction, endLsn);
    if (!spool.isEmpty) {
      const segment = this.#opened();
      segment.transaction(transaction);
      spool.drainAtOnce(segment);
    }
    return this.#committed(endLsn);
  }

  /** It is known as of when tables are read, by their names. */
  readAt(names: readonly string[], at: bigint): void {
    this.tables.readAt(names, at);
  }

  /** All rows of tables are on disk. */
  tablesRead(read: ReadTables): void {
    this.#read.push(read);
    this.awaken();
  }

  /** Makes the tables be as the server has them: `ask` says how, and where its log was when it said so. */
  async look(
    ask: () => Promise<{ readonly published: readonly T[]; readonly lsn: bigint }>,
    left: (name: string) => string,
  ): Promise<void> {
    this.#isLooking = true;
    const before = this.tables.heldNames;
    const { published, lsn } = await ask();
    this.#isLooking = false;
    const plan = this.tables.plan(published, (name) => this.#reading.has(name));
    this.#follow(plan, lsn, false);
    for (const name of before.filter((held) => !this.#reading.has(held))) {
      await this.tables.ignore(name);
      this.#world.notice(left(name));
    }
  }

  #fail(thrown: unknown): void {
    if (this.#failure !== null || this.#stop.signal.aborted) return;
    this.#failure = thrown;
    this.#stop.abort();
    this.#reader?.close();
    this.awaken();
    this.#onReady();
  }

  async #explained(thrown: unknown): Promise<unknown> {
    return this.#stop.signal.aborted ? thrown : await this.#kind.explained(thrown);
  }

  /** What is left of earlier readers goes, but for segments that the position names. */
  async #clearFolder(kept: ReadonlySet<string>): Promise<void> {
    const { durable, folder } = this.#world;
    const entries = await durable.disk.entries(folder);
    const left = entries.filter(({ name }) => !kept.has(name));
    await durable.discard(left.map(({ name }) => `${folder}/${name}`));
  }

  // Reading.

  async #pump(): Promise<void> {
    const { signal } = this.#stop;
    const isStreamed = this.#kind.snapshot !== "only";
    while (!signal.aborted) {
      if (!this.#kind.isInside()) await this.#between();
      if (this.isFull || !isStreamed) {
        await this.#wait(null, null);
        continue;
      }
      if (this.#reader?.isStalled === true) this.#reader = null;
      const reader = this.#reader ?? (await this.#connect());
      if (await reader.receive()) continue;
      await this.#wait(this.#kind.isInside() ? null : this.#dueMs(), reader);
    }
  }

  async #connect(): Promise<LogReader> {
    this.#reader = await this.#kind.connect(this.#reached);
    if (this.#stop.signal.aborted) this.#reader.close();
    return this.#reader;
  }

  /** Nothing more is taken for now. */
  get isFull(): boolean {
    const { waitingBytesMax = WAITING_BYTES_MAX } = this.#world;
    const bytes = this.#queue.streamedBytes + (this.#open?.sizeBytes ?? 0);
    return bytes >= waitingBytesMax && !this.#kind.isInside();
  }

  /** Work for moments between transactions. */
  async #between(): Promise<void> {
    for (let read = this.#settled(); read !== undefined; read = this.#settled()) {
      await this.#settle(read);
    }
    const dueMs = this.#dueMs();
    if (dueMs === null || dueMs > 0) return;
    if (this.#open !== null) return this.#seal();
    this.#movedMs = this.#world.clock.nowMs();
    this.#queue.move(this.#next());
    this.#onReady();
  }

  /** Tables whose rows are read, and that need not wait. */
  #settled(): ReadTables | undefined {
    const [first] = this.#read;
    const isEarly = this.#kind.settlesBehind === true && (first?.at ?? 0n) > this.#reached;
    return isEarly ? undefined : this.#read.shift();
  }

  /** When the open segment is to be sealed, or the position to move on by itself; null: not for any time. */
  #dueMs(): number | null {
    const nowMs = this.#world.clock.nowMs();
    if (!this.#queue.isEmpty) return null;
    if (this.#open !== null) {
      return this.#isWanted ? this.#openedMs + this.#limits.lingerMs - nowMs : null;
    }
    const moved = this.#reached - this.#queue.position.lsn;
    if (moved <= 0n) return null;
    return moved > this.#kind.movedBytes ? 0 : this.#movedMs + this.#kind.heartbeatMs - nowMs;
  }

  async #wait(ms: number | null, reader: LogReader | null): Promise<void> {
    const isSettled = this.#read.some(({ at }) => !this.#kind.settlesBehind || at <= this.#reached);
    // Whoever closes it wakes those alone that wait already.
    if (this.#stop.signal.aborted || (isSettled && !this.#kind.isInside())) return;
    const waits = [
      new Promise<void>((resolve) => {
        this.#wake = resolve;
      }),
    ];
    if (reader !== null) waits.push(reader.more());
    // A stream that is behind waits for nothing but the server, for every few rows.
    const done = ms === null ? null : new AbortController();
    if (done !== null) waits.push(this.#world.clock.sleep(Math.max(0, ms ?? 0), done.signal));
    await Promise.race(waits);
    done?.abort();
    this.#wake = null;
  }

  async #sort(spool: Spool, transaction: SegmentTransaction, endLsn: bigint): Promise<void> {
    const isLive = (shape: SegmentShape): boolean => this.tables.isLive(shape, endLsn);
    const pieces = await spool.wholePieces(isLive);
    if (pieces !== null) {
      await this.#sealPieces(pieces, transaction, endLsn);
      return await spool.clear();
    }
    let isBegun = false;
    const live = (): SpoolTarget => {
      const segment = this.#opened();
      if (!isBegun) segment.transaction(transaction);
      isBegun = true;
      return segment;
    };
    await spool.drain((shape) => this.tables.targetOf(shape, transaction, endLsn, live));
    this.#readUnknown();
    await this.#committed(endLsn);
  }

  #committed(endLsn: bigint): Promise<void> | null {
    if (endLsn > this.#received) this.#received = endLsn;
    if (endLsn > this.#reached) this.#reached = endLsn;
    const segment = this.#open;
    if (segment === null) return null;
    if (segment.sizeBytes >= this.#limits.bytes) return this.#seal();
    return segment.isFull ? segment.flush() : null;
  }

  #opened(): SegmentFile {
    if (this.#open === null) {
      this.#open = this.#newSegment(this.#queue.position.lsn);
      this.#openedMs = this.#world.clock.nowMs();
    }
    return this.#open;
  }

  #newSegment(from: bigint, more: Pick<SegmentHeader, "late"> = {}): SegmentFile {
    const { durable, folder, random, source } = this.#world;
    const { word: kind, server } = this.#kind;
    const path = `${folder}/${random.uuid()}`;
    const header = { kind, source, from: this.#kind.place(from), server, ...more };
    return new SegmentFile(durable, path, header);
  }

  // Sealing.

  async #seal(): Promise<void> {
    const segment = this.#open;
    if (segment === null) return;
    this.#open = null;
    this.#isSealing = true;
    const to = this.#kind.place(this.#reached);
    const written = await segment.seal(to);
    this.#movedMs = this.#world.clock.nowMs();
    const from = this.#kind.place(this.#queue.position.lsn);
    this.#queue.push(this.#next(), `${from}-${to}`, written);
    this.#isSealing = false;
    this.#onReady();
  }

  /** A transaction that is in segments of its own already; what was committed before it comes first. */
  async #sealPieces(
    pieces: Pieces,
    transaction: SegmentTransaction,
    endLsn: bigint,
  ): Promise<void> {
    await this.#seal();
    this.#isSealing = true;
    const [from, to] = [this.#kind.place(this.#reached), this.#kind.place(endLsn)];
    const written = await pieces.seal(transaction, to);
    await this.#committed(endLsn);
    this.#movedMs = this.#world.clock.nowMs();
    this.#queue.push(this.#next(), `${from}-${to}`, ...written);
    this.#isSealing = false;
    this.#onReady();
  }

  /** The position behind all that was read. */
  #next(): P {
    const { tables } = this;
    const own = this.#kind.position();
    return { ...this.#queue.position, ...own, lsn: this.#reached, tables: tables.known };
  }

  /** Tables whose rows are on disk: they are known from now on, with their segments to be landed one by one. */
  async #settle({ tables, at, segments }: ReadTables): Promise<void> {
    // What waited goes up to here: the position does so too, with all that came of other tables before it.
    await this.#seal();
    const all = [...segments];
    for (const table of tables) {
      const changes = this.tables.take(table, at);
      if (changes === null) continue;
      all.push(await this.#sealHeld(changes, at));
    }
    await this.#queue.pushTogether(this.#next(), this.#kind.place(at), all);
    for (const table of tables) this.#reading.delete(tableName(table));
    this.#onReady();
  }

  /** Changes that waited, from a place on, as a segment of their own. */
  async #sealHeld(changes: Spool, at: bigint): Promise<WrittenSegment> {
    const held = this.#newSegment(at);
    try {
      await changes.drain(() => held);
      return await held.seal(this.#kind.place(this.#reached));
    } catch (thrown) {
      await held.discard();
      await changes.clear().catch(() => {});
      throw thrown;
    }
  }

  // Tables.

  /** Makes the tables be as the server says: `lsn` is where its log was when it said so. */
  #follow(plan: TablePlan<T>, lsn: bigint, isFirst: boolean): void {
    this.tables.leave(plan.gone, lsn, this.#reached);
    if (plan.read.length === 0) return;
    if (this.#kind.snapshot === "false") {
      for (const table of plan.read) {
        if (table.replaces) throw this.#kind.missed(tableName(table), this.#queue.position.lsn);
        this.tables.take(table, 0n);
      }
      return;
    }
    for (const table of plan.read) {
      this.#reading.add(tableName(table));
      this.tables.hold(tableName(table));
    }
    this.run(this.#kind.readRows(plan.read, isFirst));
  }

  /** Changes came of a table that is not known: it is looked for at once. */
  #readUnknown(): void {
    const isUnknown = this.tables.heldNames.some((name) => !this.#reading.has(name));
    if (isUnknown && !this.#isLooking) this.run(this.#kind.look());
  }
}
