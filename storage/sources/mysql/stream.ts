/** A MySQL or MariaDB database as a stream of segments: rows that are there, then each committed transaction. */

import { LakeError } from "../../../core/base/errors.ts";
import type { Lag } from "../../../core/ingest/lag.ts";
import type { SegmentTransaction } from "../../../core/ingest/segment.ts";
import { once } from "../once.ts";
import type { SealedSegment } from "../segment-queue.ts";
import { gapError } from "../source-failure.ts";
import type { Spool } from "../spool.ts";
import {
  type LogReader,
  type StreamKind,
  type StreamLimits,
  type StreamWorld,
  TableStream,
} from "../table-stream.ts";
import { type Cascade, type CatalogTable, cascadesOf, tableChoice } from "./catalog.ts";
import { databaseOf } from "./connection.ts";
import { DumpReader } from "./dump.ts";
import type { Effect, Group } from "./effect.ts";
import { READ_ANEW } from "./failure.ts";
import { type GtidSet, parseGtids } from "./gtid.ts";
import { bytesBetween, epochOf, fileNumber, type LogPlace, Places, placeText } from "./place.ts";
import { type Position, parsePosition, positionText } from "./position.ts";
import { PreparedTransactions } from "./prepared.ts";
import { Receiver } from "./receiver.ts";
import { stateOf } from "./server.ts";
import type { MysqlSettings } from "./settings.ts";
import { readableTables, type Setup, setUp } from "./setup.ts";
import { ShapeBook } from "./shapes.ts";
import { readRows, type TableToRead } from "./snapshot.ts";

/** Log that the position moves over without waiting for a heartbeat. */
const MOVED_BYTES = 16n * 1024n * 1024n;
const LOOK_MS = 5_000;
/** ER_MASTER_FATAL_ERROR_READING_BINLOG. */
const LOG_ERROR = 1236;
const DROPPED = "it was dropped";

export class MysqlStream implements StreamKind<Position, CatalogTable> {
  readonly word = "mysql";
  readonly movedBytes = MOVED_BYTES;
  readonly settlesBehind = true;
  readonly server: Readonly<Record<string, string>>;
  readonly snapshot: MysqlSettings["snapshot"];
  readonly heartbeatMs: number;
  readonly #settings: MysqlSettings;
  readonly #setup: Setup;
  readonly #world: StreamWorld;
  readonly #shapes: ShapeBook;
  readonly #receiver: Receiver;
  readonly #stream: TableStream<Position, CatalogTable>;
  readonly #gtids: GtidSet;
  #epoch: bigint;
  #places: Places;
  /** What the lake has committed; 0 before the first. */
  #confirmed: bigint;
  #cascades: readonly Cascade[];
  readonly #prepared: PreparedTransactions;
  readonly #foreign: ReadonlySet<string>;
  #dump: DumpReader | null = null;

  private constructor(settings: MysqlSettings, setup: Setup, world: StreamWorld) {
    this.#settings = settings;
    this.#setup = setup;
    this.#world = world;
    this.snapshot = settings.snapshot;
    this.heartbeatMs = settings.heartbeat;
    const { version, position } = setup;
    this.server = { version, identity: position.server };
    this.#gtids = parseGtids(setup.flavor, position.gtids);
    this.#epoch = epochOf(setup.goal);
    this.#places = new Places(this.#epoch);
    this.#confirmed = setup.from === null ? 0n : position.lsn;
    this.#cascades = setup.cascades;
    const foreign = position.prepared.filter(({ sha256 }) => sha256 === null);
    this.#foreign = new Set(foreign.map(({ xid }) => xid));
    this.#shapes = new ShapeBook(setup.control, setup.charsets, settings.before);
    this.#stream = new TableStream<Position, CatalogTable>(this, world, setup);
    const { random, folder, durable, source } = world;
    this.#prepared = new PreparedTransactions(position.prepared, {
      ...{ durable, random, folder },
      header: { kind: this.word, source, server: this.server },
      nextShape: () => this.#shapes.nextNumber(),
    });
    this.#receiver = new Receiver({
      disk: durable.disk,
      random,
      folder,
      flavor: setup.flavor,
      hasChecksums: setup.hasChecksums,
      shapes: this.#shapes,
      isWanted: tableChoice(settings.tables, databaseOf(settings)),
      cascades: () => this.#cascades,
      notice: (text) => this.#world.notice(text),
      begins: (gtids) => this.#begins(gtids),
      sent: (place) => this.#stream.sent(this.#lsn(place)),
      onCommit: (spool, group, end) => this.#commit(spool, group, end),
      onPrepare: (spool, xid, group, end) => this.#prepare(spool, xid, group, end),
      onDecided: (xid, isCommit, group, end) => this.#decided(xid, isCommit, group, end),
    });
  }

  /**
   * Connects, and begins to read behind a position; null is the beginning. Throws LakeError of scope `source`: `io` for
   * what may pass, anything else for what a person has to do.
   */
  static async open(
    settings: MysqlSettings,
    position: string | null,
    world: StreamWorld,
  ): Promise<MysqlStream> {
    await world.durable.ensureFolders([world.folder]);
    const told = { ...world, notice: once(world.notice) };
    const setup = await setUp(settings, position, told);
    const stream = new MysqlStream(settings, setup, told);
    try {
      await stream.#begin();
      return stream;
    } catch (thrown) {
      await stream.close();
      throw thrown;
    }
  }

  /** As TableStream has it. */
  next(limits: StreamLimits, signal?: AbortSignal): Promise<SealedSegment | null> {
    return this.#stream.next(limits, signal);
  }

  /** As TableStream has it. */
  get isCaughtUp(): boolean {
    return this.#stream.isCaughtUp;
  }

  /** Tells that the lake has committed all up to a position. May be called twice. */
  acknowledge(position: string): void {
    const { lsn } = parsePosition(position);
    if (lsn > this.#confirmed) this.#confirmed = lsn;
    this.#stream.run(this.#prepared.settle(lsn));
  }

  /** Bytes of the server's log, any of which may be ours; but for those that it sent and that had nothing for us. */
  async lag(): Promise<Lag | null> {
    const { control } = this.#setup;
    const { place } = await stateOf(control);
    const files = await control.rows("SHOW BINARY LOGS", "ask how large the log is");
    const sizes = new Map(files.map(([file, size]) => [fileNumber(`${file}`), Number(size)]));
    return this.#stream.lag(this.#confirmed, this.#lsn(place), (from, to) =>
      bytesBetween(from, to, sizes),
    );
  }

  /** Ends reading. What is sealed and not taken is read again. */
  async close(): Promise<void> {
    await this.#stream.close();
  }

  async #begin(): Promise<void> {
    const { published, from, position } = this.#setup;
    for (const [name, { stopped }] of Object.entries(position.tables)) {
      if (stopped !== undefined && stopped !== DROPPED) this.#sayStopped(name, stopped);
    }
    await this.#stream.begin(published, false, from === null);
    this.#stream.run(this.#keepAlive());
  }

  // What the stream asks.

  readonly position = (): Partial<Position> => ({
    gtids: this.#gtids.text,
    server: this.#setup.position.server,
    prepared: this.#prepared.all,
    isAnew: false,
  });
  readonly isInside = (): boolean => this.#receiver.isInside;
  readonly place = placeText;
  readonly positionText = positionText;

  kept(): readonly string[] {
    return this.#prepared.files;
  }

  missed(table: string): Error {
    return gapError(
      `rows of ${table} are not those that the log goes on from`,
      { from: this.#gtids.text, to: null },
      READ_ANEW,
    );
  }

  async connect(): Promise<LogReader> {
    const { target, flavor, serverId } = this.#setup;
    await this.#receiver.clear();
    const gtids = this.#gtids.text;
    const { clock } = this.#world;
    const dump = await DumpReader.open({ target, clock, flavor, serverId, gtids });
    this.#dump = dump;
    const listener = {
      event: (bytes: Buffer, start: number, end: number) => this.#receiver.take(bytes, start, end),
      isFull: () => this.#stream.isFull,
    };
    return {
      get isStalled() {
        return dump.isStalled;
      },
      receive: () => dump.receive(listener),
      more: () => dump.more(),
      close: () => dump.close(),
    };
  }

  async readRows(tables: readonly TableToRead[]): Promise<void> {
    const { durable, random, folder, source, clock, notice } = this.#world;
    await readRows(tables, {
      target: this.#setup.target,
      durable,
      random,
      clock,
      folder,
      source,
      server: this.server,
      shapes: this.#shapes,
      stop: this.#stream.signal,
      notice,
      foreign: this.#foreign,
      lsnOf: (place) => this.#lsn(place),
      onPoint: (names, at) => this.#stream.readAt(names, at),
      onTables: (read) => this.#stream.tablesRead(read),
    });
  }

  async look(): Promise<void> {
    const { control } = this.#setup;
    const ask = async () => {
      const { place } = await stateOf(control);
      const { notice } = this.#world;
      const published = await readableTables(control, this.#settings, notice);
      this.#cascades = await cascadesOf(control, published);
      return { published, lsn: this.#lsn(place) };
    };
    await this.#stream.look(
      ask,
      (name) => `changes of ${name} are left out: it is not there any more`,
    );
  }

  async explained(thrown: unknown): Promise<unknown> {
    if (!(thrown instanceof LakeError) || thrown.context.number !== LOG_ERROR) return thrown;
    if (/same server_(?:uu)?id|same id/i.test(thrown.message)) {
      return new LakeError("io", thrown.message, {
        hint: "somebody else reads with the same server_id: give the source another one",
        scope: "source",
      });
    }
    return gapError(
      thrown.message,
      { from: this.#gtids.text, to: null },
      `let the server keep its log longer, and ${READ_ANEW}`,
    );
  }

  async end(): Promise<void> {
    this.#setup.control.destroy();
    await this.#receiver.clear().catch(() => {});
  }

  // Reading.

  #lsn(place: LogPlace): bigint {
    return this.#places.at(place);
  }

  /** Where a group ends; a log that goes back has begun anew. */
  #endOf(place: LogPlace): bigint {
    const end = this.#lsn(place);
    if (end > this.#stream.reached) return end;
    this.#epoch += 1n;
    this.#places = new Places(this.#epoch);
    return this.#lsn(place);
  }

  /** The first file that is sent must not begin behind what was read. */
  #begins(gtids: readonly string[]): void {
    const missing = gtids.find((gtid) => !this.#gtids.has(gtid));
    if (missing === undefined) return;
    throw gapError(
      "the server has removed log that was not read",
      { from: this.#gtids.text || "the beginning", to: missing },
      `let it keep its log longer (binlog_expire_logs_seconds), and ${READ_ANEW}`,
    );
  }

  #commit(spool: Spool, group: Group, place: LogPlace): Promise<void> | null {
    const end = this.#endOf(place);
    this.#gtids.add(group.gtid);
    if (group.effects.length > 0) return this.#commitWith(spool, group, place, end);
    return this.#stream.commit(spool, this.#transaction(group, place), end);
  }

  async #commitWith(spool: Spool, group: Group, place: LogPlace, end: bigint): Promise<void> {
    for (const effect of group.effects) if (effect.kind === "made") this.#made(effect.name, end);
    await this.#stream.commit(spool, this.#transaction(group, place), end);
    let isOther = false;
    for (const effect of group.effects) isOther = this.#affected(effect, end) || isOther;
    if (isOther) this.#stream.run(this.look());
  }

  #transaction({ gtid, committedUs }: Group, place: LogPlace): SegmentTransaction {
    const position = this.#places.text(place);
    return { position, xid: gtid, committedAt: String(committedUs) };
  }

  /** A table that is new has all of its rows in the log. */
  #made(name: string, end: bigint): void {
    const { tables } = this.#stream;
    if (tables.heldNames.includes(name)) return;
    const dot = name.indexOf(".");
    const named = { schema: name.slice(0, dot), table: name.slice(dot + 1) };
    tables.take({ ...named, oid: 1, member: "1" }, end - 1n);
  }

  /** True where the tables are to be looked at. */
  #affected(effect: Effect, end: bigint): boolean {
    const { tables } = this.#stream;
    const { name } = effect;
    switch (effect.kind) {
      case "made":
        return true;
      case "dropped":
        for (const one of namesLike(name, Object.keys(tables.known)))
          tables.stop(one, DROPPED, end);
        return false;
      case "renamed":
        if (name !== effect.to) tables.stop(name, DROPPED, end);
        // Whatever was called so before is another table.
        if (tables.known[effect.to] !== undefined) tables.hold(effect.to);
        return true;
      case "lost":
        if (tables.stop(name, effect.why, end)) this.#sayStopped(name, effect.why);
        return false;
      case "altered":
        return tables.known[name] === undefined;
    }
  }

  #sayStopped(name: string, why: string): void {
    const { source } = this.#world;
    this.#world.notice(
      `${name} is not read any more: ${why}; read it anew: tarn source resnapshot ${source} ${name}`,
    );
  }

  // Transactions in two phases.

  async #prepare(spool: Spool, xid: string, group: Group, place: LogPlace): Promise<void> {
    const end = this.#endOf(place);
    this.#gtids.add(group.gtid);
    await this.#prepared.hold(xid, spool, placeText(end));
    await this.#stream.commit(spool, this.#transaction(group, place), end);
    // What the foreign keys did is not known to be taken back.
    for (const effect of group.effects) this.#affected(effect, end);
  }

  async #decided(xid: string, isCommit: boolean, group: Group, place: LogPlace): Promise<void> {
    const end = this.#endOf(place);
    this.#gtids.add(group.gtid);
    const isMissed = isCommit && !this.#prepared.has(xid) && this.#stream.tables.misses(end);
    if (isMissed) {
      throw gapError(
        `transaction ${xid} is committed, and the log has no rows that it was prepared with`,
        { from: group.gtid, to: group.gtid },
        READ_ANEW,
      );
    }
    const spool = await this.#prepared.decide(xid, isCommit, end);
    try {
      await this.#stream.commit(spool, this.#transaction(group, place), end);
    } finally {
      await spool.clear();
    }
  }

  // Beside reading.

  async #keepAlive(): Promise<void> {
    const { signal } = this.#stream;
    while (!signal.aborted) {
      await this.#world.clock.sleep(LOOK_MS, signal);
      this.#dump?.look(this.#stream.isFull);
      this.#stream.awaken();
    }
  }
}

/** Names of a database, for `shop.*`; else the name itself. */
function namesLike(name: string, known: readonly string[]): readonly string[] {
  return name.endsWith(".*") ? known.filter((one) => one.startsWith(name.slice(0, -1))) : [name];
}
