/** A PostgreSQL database as a stream of segments: rows that are there already, then each committed transaction. */

import { LakeError } from "../../../core/base/errors.ts";
import type { SegmentTransaction } from "../../../core/ingest/segment.ts";
import type { Clock, Random } from "../../../core/ports.ts";
import type { Durable } from "../../disk/durable.ts";
import { LagClock } from "../lag-clock.ts";
import { SegmentFile, tableName } from "../segment-file.ts";
import { gapError, missed } from "./failure.ts";
import { formatLsn, sortableLsn } from "./lsn.ts";
import { type Position, parsePosition } from "./position.ts";
import { tableChoice } from "./publication.ts";
import { Receiver } from "./receiver.ts";
import type { PostgresSettings } from "./settings.ts";
import { currentLsn, gapBehind, publishedOf, type Setup, setUp } from "./setup.ts";

export type { SealedSegment } from "./segment-queue.ts";

import { once } from "./once.ts";
import { type ReadTables, readRows } from "./rows.ts";
import { type SealedSegment, SegmentQueue } from "./segment-queue.ts";
import { ShapeBook } from "./shapes.ts";
import { slotState } from "./slot.ts";
import { SlotReader, statusEveryMs } from "./slot-reader.ts";
import type { Spool, SpoolTarget } from "./spool.ts";
import { type TablePlan, TableStates } from "./table-states.ts";
import { TypeCatalog } from "./wire-types.ts";

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
  /** Bytes of segments that nobody took yet, above which nothing more is read. Default: 256 MiB. */
  readonly waitingBytesMax?: number;
}

export interface StreamLimits {
  /** Bytes after which a segment is sealed, whatever else. It ends with a transaction. */
  readonly bytes: number;
  /** How long its first transaction waits for others, once somebody asks for it. */
  readonly lingerMs: number;
}

const WAITING_BYTES_MAX = 256 * 1024 * 1024;
/** Log that the position moves over without waiting for a heartbeat. */
const MOVED_BYTES = 16n * 1024n * 1024n;
/** How often the tables of the publication are looked at. */
const LOOK_MS = 10_000;
/** object_in_use. PostgreSQL, "Error Codes". */
const SLOT_IN_USE = "55006";
const CONNECT_ATTEMPTS = 20;
const CONNECT_WAIT_MS = 100;
const FIRST_LIMITS: StreamLimits = { bytes: 64 * 1024 * 1024, lingerMs: 0 };

export class PostgresStream {
  readonly #settings: PostgresSettings;
  readonly #setup: Setup;
  readonly #world: StreamWorld;
  readonly #shapes: ShapeBook;
  readonly #receiver: Receiver;
  readonly #tables: TableStates;
  readonly #queue: SegmentQueue;
  readonly #stop = new AbortController();
  readonly #read: ReadTables[] = [];
  readonly #reading = new Set<string>();
  readonly #tasks = new Set<Promise<void>>();
  #limits = FIRST_LIMITS;
  /** Somebody asked for a segment and got none. */
  #isWanted = false;
  /** The end of the last transaction, sealed or not. */
  #reached: bigint;
  /** What the lake has committed; 0 before the first. */
  #confirmed: bigint;
  /** What the server is known to have sent. */
  #received = 0n;
  #open: SegmentFile | null = null;
  #openedMs = 0;
  #movedMs: number;
  #reader: SlotReader | null = null;
  #isLooking = false;
  readonly #lagClock: LagClock<bigint>;
  #failure: unknown = null;
  #wake: (() => void) | null = null;
  #onReady: () => void = () => {};

  private constructor(settings: PostgresSettings, setup: Setup, world: StreamWorld) {
    this.#settings = settings;
    this.#setup = setup;
    this.#world = world;
    this.#reached = setup.position.lsn;
    this.#confirmed = setup.from === null ? 0n : setup.position.lsn;
    this.#movedMs = world.clock.nowMs();
    this.#lagClock = new LagClock(world.clock);
    const { durable, random, folder } = world;
    const { disk } = durable;
    this.#queue = new SegmentQueue(durable, folder, setup.position, setup.from);
    this.#shapes = new ShapeBook(new TypeCatalog(setup.control));
    this.#tables = new TableStates(setup.position.tables, { disk, random, folder });
    const choice = tableChoice(settings.tables);
    this.#receiver = new Receiver({
      disk,
      random,
      folder,
      shapes: this.#shapes,
      notice: (text) => this.#world.notice(text),
      isWanted: (schema, table) =>
        schema === "pg_catalog" ? settings.messages : choice(schema, table),
      onCommit: (spool, transaction, endLsn) => this.#commit(spool, transaction, endLsn),
    });
  }

  /**
   * Connects, sets up what is missing, and begins to read behind a position; null is the beginning. Throws LakeError of
   * scope `source`: `io` for what may pass, anything else for what a person has to do.
   */
  static async open(
    settings: PostgresSettings,
    position: string | null,
    world: StreamWorld,
  ): Promise<PostgresStream> {
    await world.durable.ensureFolders([world.folder]);
    const told = { ...world, notice: once(world.notice) };
    const setup = await setUp(settings, position, told);
    const stream = new PostgresStream(settings, setup, told);
    try {
      await stream.#begin();
      return stream;
    } catch (thrown) {
      await stream.close();
      throw thrown;
    }
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
    this.#awaken();
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

  /** Tells the server that the lake has committed all up to a position. May be called twice. */
  acknowledge(position: string): void {
    const { lsn } = parsePosition(position);
    if (lsn > this.#confirmed) this.#confirmed = lsn;
    this.#sendStatus();
  }

  /** True when all that was there when it was opened has been handed over. */
  get isCaughtUp(): boolean {
    const isRead = this.#reading.size === 0 && this.#read.length === 0 && this.#queue.isEmpty;
    const isSent = this.#settings.snapshot === "only" || this.#received >= this.#setup.server.lsn;
    return isRead && isSent && this.#open === null;
  }

  /** Bytes of the server's log, any of which may be ours; but for those that it sent and that had nothing for us. */
  async lag() {
    const end = await currentLsn(this.#setup.control);
    const isIdle = this.isCaughtUp && this.#queue.position.lsn <= this.#confirmed;
    const landed = isIdle && this.#received > this.#confirmed ? this.#received : this.#confirmed;
    if (landed === 0n) return null;
    const bytes = Number(end > landed ? end - landed : 0n);
    return { bytes, rows: null, ms: this.#lagClock.ageMs(landed, end) };
  }

  /** Ends reading. What is sealed and not taken is read again. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#reader?.close();
    this.#awaken();
    await Promise.allSettled(this.#tasks);
    this.#setup.fresh?.connection.destroy();
    await this.#setup.control.close();
    await this.#receiver.clear().catch(() => {});
    await this.#open?.discard().catch(() => {});
    this.#onReady();
  }

  async #begin(): Promise<void> {
    const { published, fresh, from } = this.#setup;
    const { pending } = this.#queue.position;
    await this.#clearFolder(new Set(pending.map(({ sha256 }) => sha256)));
    await this.#queue.pushLeft();
    // The first position is kept at once: the slot is known by it from then on.
    if (from === null) this.#queue.move(this.#queue.position);
    this.#follow(
      this.#tables.plan(published, () => false),
      this.#setup.server.lsn,
      fresh,
    );
    this.#run(this.#pump());
    this.#run(this.#keepAlive());
    this.#run(this.#watch());
  }

  #run(task: Promise<void>): void {
    const guarded = task
      .catch(async (thrown: unknown) => this.#fail(await this.#explained(thrown)))
      .finally(() => this.#tasks.delete(guarded));
    this.#tasks.add(guarded);
  }

  #fail(thrown: unknown): void {
    if (this.#failure !== null || this.#stop.signal.aborted) return;
    this.#failure = thrown;
    this.#stop.abort();
    this.#reader?.close();
    this.#awaken();
    this.#onReady();
  }

  #awaken(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
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
    const isStreamed = this.#settings.snapshot !== "only";
    while (!signal.aborted) {
      if (!this.#receiver.isInside) await this.#between();
      if (this.#isFull() || !isStreamed) {
        await this.#wait(null, null);
        continue;
      }
      if (this.#reader?.isStalled === true) this.#reader = null;
      const reader = this.#reader ?? (await this.#connect());
      if (await this.#receive(reader)) continue;
      await this.#wait(this.#receiver.isInside ? null : this.#dueMs(), reader);
    }
  }

  #isFull(): boolean {
    const { waitingBytesMax = WAITING_BYTES_MAX } = this.#world;
    const bytes = this.#queue.streamedBytes + (this.#open?.sizeBytes ?? 0);
    return bytes >= waitingBytesMax && !this.#receiver.isInside;
  }

  /** Work for moments between transactions. */
  async #between(): Promise<void> {
    for (let read = this.#read.shift(); read !== undefined; read = this.#read.shift()) {
      await this.#settle(read);
    }
    const dueMs = this.#dueMs();
    if (dueMs === null || dueMs > 0) return;
    if (this.#open !== null) return this.#seal();
    this.#movedMs = this.#world.clock.nowMs();
    this.#queue.move(this.#next());
    this.#onReady();
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
    return moved > MOVED_BYTES ? 0 : this.#movedMs + this.#settings.heartbeat - nowMs;
  }

  async #wait(ms: number | null, reader: SlotReader | null): Promise<void> {
    if (this.#read.length > 0 && !this.#receiver.isInside) return;
    const done = new AbortController();
    const waits = [
      new Promise<void>((resolve) => {
        this.#wake = resolve;
      }),
    ];
    if (reader !== null) waits.push(reader.more());
    if (ms !== null) waits.push(this.#world.clock.sleep(Math.max(0, ms), done.signal));
    await Promise.race(waits);
    done.abort();
    this.#wake = null;
  }

  async #connect(): Promise<SlotReader> {
    const { target, names, major } = this.#setup;
    await this.#receiver.clear();
    const options = {
      target,
      clock: this.#world.clock,
      major,
      slot: this.#queue.position.slot,
      publication: names.publication,
      messages: this.#settings.messages,
    };
    for (let attempt = 1; this.#reader === null; attempt++) {
      try {
        this.#reader = await SlotReader.open(options, this.#reached);
      } catch (thrown) {
        // An earlier connection of ours may not have been seen to be gone.
        const isInUse = thrown instanceof LakeError && thrown.context.sqlstate === SLOT_IN_USE;
        if (!isInUse || attempt === CONNECT_ATTEMPTS) throw thrown;
        await this.#world.clock.sleep(CONNECT_WAIT_MS, this.#stop.signal);
      }
    }
    if (this.#stop.signal.aborted) this.#reader.close();
    this.#sendStatus();
    return this.#reader;
  }

  /** Takes what has come; false when nothing has. */
  #receive(reader: SlotReader): Promise<boolean> {
    return reader.receive({
      message: (bytes, start, end) => this.#receiver.take(bytes, start, end),
      sent: (lsn) => this.#sent(lsn),
      notice: (text) => this.#noticed(text),
      isFull: () => this.#isFull(),
    });
  }

  /** All below the server's place was sent: where nothing of ours is in between, it is a place to go on from. */
  #sent(lsn: bigint): void {
    if (lsn > this.#received) this.#received = lsn;
    const isIdle = !this.#receiver.isInside && this.#open === null;
    if (isIdle && lsn > this.#reached) this.#reached = lsn;
    this.#sendStatus();
  }

  #noticed(message: string): void {
    // Since PostgreSQL 18 changes are left out without an error while the publication is not there.
    if (/skipped loading publication/i.test(message)) {
      throw gapError(
        `publication ${this.#setup.names.publication} was not there for some changes`,
        { from: formatLsn(this.#reached), to: null },
        "make it again for its tables, and read them anew: tarn source resnapshot NAME",
      );
    }
    this.#world.notice(message);
  }

  /** Hands a transaction on: at once where it is small and all of its tables are read, as most are. */
  #commit(spool: Spool, transaction: SegmentTransaction, endLsn: bigint): Promise<void> | null {
    this.#lagClock.timed(endLsn, Number(transaction.committedAt) / 1_000);
    const shapes = spool.shapesInMemory;
    const isPlain = shapes !== null && [...shapes].every((one) => this.#tables.isLive(one, endLsn));
    if (!isPlain) return this.#sort(spool, transaction, endLsn);
    if (shapes.size > 0) {
      const segment = this.#opened();
      segment.transaction(transaction);
      spool.drainAtOnce(segment);
    }
    return this.#committed(endLsn);
  }

  async #sort(spool: Spool, transaction: SegmentTransaction, endLsn: bigint): Promise<void> {
    let isBegun = false;
    const live = (): SpoolTarget => {
      const segment = this.#opened();
      if (!isBegun) segment.transaction(transaction);
      isBegun = true;
      return segment;
    };
    await spool.drain((shape) => this.#tables.targetOf(shape, transaction, endLsn, live));
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

  #newSegment(from: bigint): SegmentFile {
    const { durable, folder, random, source } = this.#world;
    const path = `${folder}/${random.uuid()}`;
    const header = { kind: "postgres", source, from: sortableLsn(from), server: this.#server() };
    return new SegmentFile(durable, path, header);
  }

  #server(): Readonly<Record<string, string>> {
    const { version, server, target } = this.#setup;
    const { system, timeline } = server;
    return { version, system, timeline: String(timeline), database: target.database };
  }

  // Sealing.

  async #seal(): Promise<void> {
    const segment = this.#open;
    if (segment === null) return;
    this.#open = null;
    const to = sortableLsn(this.#reached);
    const written = await segment.seal(to);
    this.#movedMs = this.#world.clock.nowMs();
    this.#queue.push(this.#next(), `${sortableLsn(this.#queue.position.lsn)}-${to}`, written);
    this.#onReady();
  }

  /** The position behind all that was read. */
  #next(): Position {
    return { ...this.#queue.position, lsn: this.#reached, tables: this.#tables.known };
  }

  /** Tables whose rows are on disk: they are known from now on, with their segments to be landed one by one. */
  async #settle({ tables, at, segments }: ReadTables): Promise<void> {
    // What waited goes up to here: the position does so too, with all that came of other tables before it.
    await this.#seal();
    const all = [...segments];
    for (const table of tables) {
      const changes = this.#tables.take(table, at);
      if (changes === null) continue;
      const held = this.#newSegment(at);
      await changes.drain(() => held);
      all.push(await held.seal(sortableLsn(this.#reached)));
    }
    await this.#queue.pushTogether(this.#next(), sortableLsn(at), all);
    for (const table of tables) this.#reading.delete(tableName(table));
    this.#onReady();
  }

  // Tables.

  /** Makes the tables be as the publication says: `lsn` is where the server was when it said so. */
  #follow(plan: TablePlan, lsn: bigint, fresh: Setup["fresh"]): void {
    this.#tables.leave(plan.gone, lsn, this.#reached);
    if (plan.read.length === 0) return;
    if (this.#settings.snapshot === "false") {
      for (const table of plan.read) {
        if (table.replaces) throw missed(tableName(table), this.#queue.position.lsn);
        this.#tables.take(table, 0n);
      }
      return;
    }
    for (const table of plan.read) {
      this.#reading.add(tableName(table));
      this.#tables.hold(tableName(table));
    }
    this.#run(this.#snapshot(plan.read, fresh));
  }

  /** Changes came of a table that is not known: it is looked for at once. */
  #readUnknown(): void {
    const isUnknown = this.#tables.heldNames.some((name) => !this.#reading.has(name));
    if (isUnknown && !this.#isLooking) this.#run(this.#look());
  }

  async #look(): Promise<void> {
    const { control, names, major } = this.#setup;
    const { lsn: since } = this.#queue.position;
    this.#isLooking = true;
    const before = this.#tables.heldNames;
    const lsn = await currentLsn(control);
    const published = await publishedOf(
      control,
      this.#settings,
      names.publication,
      since,
      major,
      (text) => this.#world.notice(text),
    );
    this.#isLooking = false;
    const plan = this.#tables.plan(published, (name) => this.#reading.has(name));
    this.#follow(plan, lsn, null);
    for (const name of before.filter((held) => !this.#reading.has(held))) {
      await this.#tables.ignore(name);
      this.#world.notice(`changes of ${name} are left out: it is not in the publication any more`);
    }
  }

  async #snapshot(tables: TablePlan["read"], fresh: Setup["fresh"]): Promise<void> {
    const { durable, random, folder, source, clock, notice } = this.#world;
    await readRows(tables, fresh, {
      setup: this.#setup,
      readers: this.#settings.snapshot_readers,
      stop: this.#stop.signal,
      clock,
      notice,
      files: {
        target: this.#setup.target,
        durable,
        random,
        folder,
        source,
        nowMs: () => clock.nowMs(),
        server: this.#server(),
        nextShape: () => this.#shapes.nextNumber(),
      },
      onPoint: (names, at) => this.#tables.readAt(names, at),
      onTables: (read) => {
        this.#read.push(read);
        this.#awaken();
      },
    });
  }

  // Beside reading.

  /** Tells the server now and then that somebody is there, whatever is being done with what it sent. */
  async #keepAlive(): Promise<void> {
    const { signal } = this.#stop;
    const everyMs = await statusEveryMs(this.#setup.control);
    while (!signal.aborted) {
      await this.#world.clock.sleep(everyMs, signal);
      this.#sendStatus();
      this.#awaken();
    }
  }

  /** Looks now and then which tables the publication has, and how much of its log the server keeps for us. */
  async #watch(): Promise<void> {
    const { clock } = this.#world;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await clock.sleep(Math.min(this.#settings.heartbeat, LOOK_MS), signal);
      if (signal.aborted) return;
      await this.#look();
      await this.#warnOfRetained();
    }
  }

  async #warnOfRetained(): Promise<void> {
    const { control, major } = this.#setup;
    const state = await slotState(control, this.#queue.position.slot, major);
    if (state === null || state.retainedBytes <= this.#settings.max_retained_wal) return;
    const kept = `the server keeps ${state.retainedBytes} bytes of log for the slot`;
    this.#world.notice(`${kept}, more than max_retained_wal`);
  }

  /** Never more than the lake has committed: whatever is acknowledged is not sent again. */
  #sendStatus(): void {
    this.#reader?.status(this.#confirmed);
  }

  /** What the slot's state says of a failure: texts and codes differ from version to version. */
  async #explained(thrown: unknown): Promise<unknown> {
    const isPlain = thrown instanceof LakeError && thrown.code !== "conflict";
    if (!isPlain || this.#stop.signal.aborted) return thrown;
    const position = { ...this.#queue.position, lsn: this.#reached };
    return (await gapBehind(this.#setup, this.#settings, position)) ?? thrown;
  }
}
