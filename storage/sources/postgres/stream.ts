/** A PostgreSQL database as a stream of segments: rows that are there already, then each committed transaction. */

import { LakeError } from "../../../core/base/errors.ts";
import type { Lag } from "../../../core/ingest/lag.ts";
import { once } from "../once.ts";
import type { SealedSegment } from "../segment-queue.ts";
import { gapError } from "../source-failure.ts";
import {
  type LogReader,
  type StreamKind,
  type StreamLimits,
  type StreamWorld,
  TableStream,
} from "../table-stream.ts";
import { missed } from "./failure.ts";
import { formatLsn, sortableLsn } from "./lsn.ts";
import { type Position, parsePosition, positionText } from "./position.ts";
import { type PublishedTable, tableChoice } from "./publication.ts";
import { Receiver } from "./receiver.ts";
import { readRows } from "./rows.ts";
import type { PostgresSettings } from "./settings.ts";
import { currentLsn, gapBehind, publishedOf, type Setup, setUp } from "./setup.ts";
import { ShapeBook } from "./shapes.ts";
import { slotState } from "./slot.ts";
import { SlotReader, statusEveryMs } from "./slot-reader.ts";
import type { ReadTable } from "./snapshot.ts";
import { TypeCatalog } from "./wire-types.ts";

/** Log that the position moves over without waiting for a heartbeat. */
const MOVED_BYTES = 16n * 1024n * 1024n;
/** How often the tables of the publication are looked at. */
const LOOK_MS = 10_000;
/** How long the server may take to answer what costs it nothing. */
const ANSWER_MS_MAX = 60_000;
/** object_in_use. PostgreSQL, "Error Codes". */
const SLOT_IN_USE = "55006";
const CONNECT_ATTEMPTS = 20;
const CONNECT_WAIT_MS = 100;

export class PostgresStream implements StreamKind<Position, PublishedTable> {
  readonly word = "postgres";
  readonly movedBytes = MOVED_BYTES;
  readonly server: Readonly<Record<string, string>>;
  readonly snapshot: PostgresSettings["snapshot"];
  readonly heartbeatMs: number;
  readonly #settings: PostgresSettings;
  readonly #setup: Setup;
  readonly #world: StreamWorld;
  readonly #shapes: ShapeBook;
  readonly #receiver: Receiver;
  readonly #stream: TableStream<Position, PublishedTable>;
  /** What the lake has committed; 0 before the first. */
  #confirmed: bigint;
  #reader: SlotReader | null = null;

  private constructor(settings: PostgresSettings, setup: Setup, world: StreamWorld) {
    this.#settings = settings;
    this.#setup = setup;
    this.#world = world;
    this.snapshot = settings.snapshot;
    this.heartbeatMs = settings.heartbeat;
    const { system, timeline, lsn } = setup.server;
    const { database } = setup.target;
    this.server = { version: setup.version, system, timeline: String(timeline), database };
    this.#confirmed = setup.from === null ? 0n : setup.position.lsn;
    this.#shapes = new ShapeBook(new TypeCatalog(setup.control));
    this.#stream = new TableStream(this, world, { ...setup, goal: lsn });
    const choice = tableChoice(settings.tables);
    const { random, folder } = world;
    this.#receiver = new Receiver({
      disk: world.durable.disk,
      random,
      folder,
      shapes: this.#shapes,
      notice: (text) => this.#world.notice(text),
      pieces: () => this.#stream.pieces(),
      isWanted: (schema, table) =>
        schema === "pg_catalog" ? settings.messages : choice(schema, table),
      onCommit: (spool, transaction, endLsn) => this.#stream.commit(spool, transaction, endLsn),
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

  /** As TableStream has it. */
  onReady(ready: () => void): void {
    this.#stream.onReady(ready);
  }

  /** As TableStream has it. */
  take(limits: StreamLimits): SealedSegment | null {
    return this.#stream.take(limits);
  }

  /** As TableStream has it. */
  next(limits: StreamLimits, signal?: AbortSignal): Promise<SealedSegment | null> {
    return this.#stream.next(limits, signal);
  }

  /** As TableStream has it. */
  get isCaughtUp(): boolean {
    return this.#stream.isCaughtUp;
  }

  /** Tells the server that the lake has committed all up to a position. May be called twice. */
  acknowledge(position: string): void {
    const { lsn } = parsePosition(position);
    if (lsn > this.#confirmed) this.#confirmed = lsn;
    this.#sendStatus();
  }

  /** Bytes of the server's log, any of which may be ours; but for those that it sent and that had nothing for us. */
  async lag(): Promise<Lag | null> {
    return this.#stream.lag(this.#confirmed, await currentLsn(this.#setup.control));
  }

  /** Ends reading. What is sealed and not taken is read again. */
  async close(): Promise<void> {
    await this.#stream.close();
  }

  async #begin(): Promise<void> {
    const { published, fresh, from } = this.#setup;
    await this.#stream.begin(published, fresh !== null, from === null);
    this.#stream.run(this.#keepAlive());
    this.#stream.run(this.#watch());
  }

  // What the stream asks.

  readonly position = (): Partial<Position> => ({});
  readonly isInside = (): boolean => this.#receiver.isInside;
  readonly place = sortableLsn;
  readonly positionText = positionText;
  readonly missed = missed;

  async connect(from: bigint): Promise<LogReader> {
    const { target, names, major } = this.#setup;
    await this.#receiver.clear();
    const options = {
      target,
      clock: this.#world.clock,
      major,
      slot: this.#stream.position.slot,
      publication: names.publication,
      messages: this.#settings.messages,
    };
    const reader = await this.#opened(options, from);
    this.#reader = reader;
    this.#sendStatus();
    return {
      get isStalled() {
        return reader.isStalled;
      },
      receive: () => this.#receive(reader),
      more: () => reader.more(),
      close: () => reader.close(),
    };
  }

  async readRows(tables: readonly ReadTable[], isFirst: boolean): Promise<void> {
    const { durable, random, folder, source, clock, notice } = this.#world;
    await readRows(tables, isFirst ? this.#setup.fresh : null, {
      setup: this.#setup,
      readers: this.#settings.snapshot_readers,
      stop: this.#stream.signal,
      clock,
      notice,
      files: {
        target: this.#setup.target,
        durable,
        random,
        folder,
        source,
        nowMs: () => clock.nowMs(),
        server: this.server,
        nextShape: () => this.#shapes.nextNumber(),
      },
      onPoint: (names, at) => this.#stream.readAt(names, at),
      onTables: (read) => this.#stream.tablesRead(read),
    });
  }

  async look(): Promise<void> {
    const { control, names, major } = this.#setup;
    const { lsn: since } = this.#stream.position;
    const ask = async () => {
      const lsn = await currentLsn(control);
      const published = await publishedOf(
        control,
        this.#settings,
        names.publication,
        since,
        major,
        (text) => this.#world.notice(text),
      );
      return { published, lsn };
    };
    await this.#stream.look(
      ask,
      (name) => `changes of ${name} are left out: it is not in the publication any more`,
    );
  }

  /** What the slot's state says of a failure: texts and codes differ from version to version. */
  async explained(thrown: unknown): Promise<unknown> {
    if (!(thrown instanceof LakeError) || thrown.code === "conflict") return thrown;
    const position = { ...this.#stream.position, lsn: this.#stream.reached };
    return (await gapBehind(this.#setup, this.#settings, position)) ?? thrown;
  }

  async end(): Promise<void> {
    this.#setup.fresh?.connection.destroy();
    await this.#setup.control.close();
    await this.#receiver.clear().catch(() => {});
  }

  // Reading.

  async #opened(options: Parameters<typeof SlotReader.open>[0], from: bigint): Promise<SlotReader> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await SlotReader.open(options, from);
      } catch (thrown) {
        // An earlier connection of ours may not have been seen to be gone.
        const isInUse = thrown instanceof LakeError && thrown.context.sqlstate === SLOT_IN_USE;
        if (!isInUse || attempt === CONNECT_ATTEMPTS) throw thrown;
        await this.#world.clock.sleep(CONNECT_WAIT_MS, this.#stream.signal);
      }
    }
  }

  /** Takes what has come; false when nothing has. */
  #receive(reader: SlotReader): Promise<boolean> {
    return reader.receive({
      message: (bytes, start, end) => this.#receiver.take(bytes, start, end),
      sent: (lsn, isAsked) => {
        this.#stream.sent(lsn);
        // While anything is not committed the server answers each status with the next keepalive.
        if (isAsked) this.#sendStatus();
      },
      notice: (text) => this.#noticed(text),
      isFull: () => this.#stream.isFull,
    });
  }

  #noticed(message: string): void {
    // Since PostgreSQL 18 changes are left out without an error while the publication is not there.
    if (/skipped loading publication/i.test(message)) {
      throw gapError(
        `publication ${this.#setup.names.publication} was not there for some changes`,
        { from: formatLsn(this.#stream.reached), to: null },
        "make it again for its tables, and read them anew: tarn source resnapshot NAME",
      );
    }
    this.#world.notice(message);
  }

  // Beside reading.

  /** Tells the server now and then that somebody is there, whatever is being done with what it sent. */
  async #keepAlive(): Promise<void> {
    const { signal } = this.#stream;
    const everyMs = await statusEveryMs(this.#setup.control);
    while (!signal.aborted) {
      await this.#world.clock.sleep(everyMs, signal);
      this.#sendStatus();
      this.#stream.awaken();
    }
  }

  /** Looks now and then which tables the publication has, and how much of its log the server keeps for us. */
  async #watch(): Promise<void> {
    const { clock } = this.#world;
    const { signal } = this.#stream;
    while (!signal.aborted) {
      await clock.sleep(Math.min(this.#settings.heartbeat, LOOK_MS), signal);
      if (signal.aborted) return;
      await this.#answered(this.look());
      await this.#answered(this.#lookAtSlot());
    }
  }

  /** A server that is gone without a word answers nothing, and the network takes long to find out. */
  async #answered(question: Promise<void>): Promise<void> {
    const over = new AbortController();
    const late = this.#world.clock.sleep(ANSWER_MS_MAX, over.signal).then(() => {
      if (over.signal.aborted || this.#stream.signal.aborted) return;
      this.#setup.control.destroy();
      throw new LakeError("io", "the server answers nothing any more", { scope: "source" });
    });
    try {
      await Promise.race([question, late]);
    } finally {
      over.abort();
    }
  }

  async #lookAtSlot(): Promise<void> {
    const { control, major } = this.#setup;
    const reader = this.#reader;
    const state = await slotState(control, this.#stream.position.slot, major);
    // Nobody reads the slot, the server says: nothing will come of a connection that still looks open.
    const isAlone = state !== null && state.activePid === null && reader === this.#reader;
    if (isAlone) reader?.close();
    if (state === null || state.retainedBytes <= this.#settings.max_retained_wal) return;
    const kept = `the server keeps ${state.retainedBytes} bytes of log for the slot`;
    this.#world.notice(`${kept}, more than max_retained_wal`);
  }

  /** Never more than the lake has committed: whatever is acknowledged is not sent again. */
  #sendStatus(): void {
    this.#reader?.status(this.#confirmed);
  }
}
