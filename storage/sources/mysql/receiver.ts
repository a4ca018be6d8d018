/** Transactions out of the events of a binary log. */

import { EVENT_HEAD_BYTES, hasRows, TABLE_NUMBER_BYTES } from "../../../core/ingest/binlog-rows.ts";
import type { Random } from "../../../core/ports.ts";
import type { Disk } from "../../disk/disk.ts";
import { tableName } from "../segment-file.ts";
import { gapError, refusal } from "../source-failure.ts";
import { Spool } from "../spool.ts";
import {
  damaged,
  EVENT,
  EventHead,
  type GroupHead,
  HEAD_FLAG,
  type QueryEvent,
  readExecuteLoad,
  readFormat,
  readGtidList,
  readMariaGtid,
  readMysqlGtid,
  readQuery,
  readXid,
} from "./binlog-event.ts";
import type { Cascade } from "./catalog.ts";
import type { Effect, Group } from "./effect.ts";
import { READ_ANEW } from "./failure.ts";
import type { Flavor } from "./gtid.ts";
import { Fields } from "./packets.ts";
import type { LogPlace } from "./place.ts";
import { inflated, isAlone, KeyReader, tableOf } from "./rows-event.ts";
import type { LoggedTable, ShapeBook } from "./shapes.ts";
import { type NamedTable, readStatement, type Statement } from "./statement.ts";
import { readTableMap } from "./table-map.ts";

export interface ReceiverWorld {
  readonly disk: Disk;
  readonly random: Random;
  /** Absolute, for what is large. */
  readonly folder: string;
  readonly flavor: Flavor;
  /** What comes before the first description of a format has check sums. */
  readonly hasChecksums: boolean;
  readonly shapes: ShapeBook;
  readonly isWanted: (schema: string, table: string) => boolean;
  /** Foreign keys by which rows of wanted tables change. */
  readonly cascades: () => readonly Cascade[];
  readonly notice: (text: string) => void;
  /** What was read before the first event must hold these. */
  readonly begins: (gtids: readonly string[]) => void;
  /** Everything up to a place was sent, and nothing of it is left. */
  readonly sent: (place: LogPlace) => void;
  /** A group is whole; the spool is used again once this resolves, or at once for null. */
  readonly onCommit: (spool: Spool, group: Group, end: LogPlace) => Promise<void> | null;
  /** Rows are prepared: they are not committed before somebody says so. */
  readonly onPrepare: (spool: Spool, xid: string, group: Group, end: LogPlace) => Promise<void>;
  readonly onDecided: (
    xid: string,
    isCommit: boolean,
    group: Group,
    end: LogPlace,
  ) => Promise<void>;
}

/** A table that rows come of. */
interface MappedTable {
  readonly name: string;
  readonly logged: LoggedTable | null;
  readonly isWanted: boolean;
}

/** A transaction in memory, above which it goes to disk: there is one at a time, and most large ones are smaller. */
const SPOOL_BYTES_MAX = 64 * 1024 * 1024;
/** What a segment has of a statement that empties a table. */
const TRUNCATED = 0x54;
/** Descriptions of tables that are remembered. */
const MAPPED_MAX = 10_000;
/** Where an event's end is beyond 32 bits, it begins anew. */
const WRAP = 2 ** 32;
const FILE_BEGIN = 4;

export class Receiver {
  readonly #world: ReceiverWorld;
  readonly #head = new EventHead();
  readonly #keys = new KeyReader();
  readonly #spool: Spool;
  readonly #tables = new Map<number, MappedTable>();
  /** By what the log says of them. */
  readonly #mapped = new Map<string, MappedTable>();
  #cascades: readonly Cascade[] = [];
  #hasChecksum: boolean;
  #file = "";
  #byte = FILE_BEGIN;
  #isBegun = false;
  #group: GroupHead | null = null;
  /** The group goes on until something ends it. */
  #isOpen = false;
  #effects: Effect[] = [];
  /** Changes up to here are under this number, so that those behind a savepoint can be forgotten. */
  #mark = 0;
  #savepoints: { readonly name: string; readonly mark: number }[] = [];

  constructor(world: ReceiverWorld) {
    this.#world = world;
    this.#hasChecksum = world.hasChecksums;
    const path = `${world.folder}/spool-${world.random.uuid()}`;
    this.#spool = new Spool(world.disk, path, 0, { memoryBytesMax: SPOOL_BYTES_MAX });
  }

  /** True between the first and the last event of a group. */
  get isInside(): boolean {
    return this.#group !== null;
  }

  /** Takes one event. A promise where the next one has to wait. Throws LakeError. */
  take(bytes: Buffer, start: number, end: number): Promise<void> | null {
    const head = this.#head;
    const type = bytes[start + 4] ?? 0;
    if (type === EVENT.format) {
      this.#hasChecksum = readFormat(bytes, start + EVENT_HEAD_BYTES, end);
    }
    head.read(bytes, start, end, this.#hasChecksum);
    const isInFile = (head.flags & HEAD_FLAG.artificial) === 0 && head.logEnd > 0;
    if (isInFile && type !== EVENT.heartbeat) this.#step(head.logEnd);
    try {
      return this.#event(type);
    } catch (thrown) {
      if (!(thrown instanceof RangeError)) throw thrown;
      throw damaged(`an event of type ${type}: ${thrown.message}`);
    }
  }

  /** Forgets what is not whole: the log is read from elsewhere. */
  async clear(): Promise<void> {
    this.#tables.clear();
    this.#hasChecksum = this.#world.hasChecksums;
    this.#isBegun = false;
    this.#group = null;
    this.#isOpen = false;
    await this.#spool.clear();
  }

  get #place(): LogPlace {
    return { file: this.#file, byte: this.#byte };
  }

  #step(logEnd: number): void {
    let byte = logEnd + Math.floor(this.#byte / WRAP) * WRAP;
    if (byte < this.#byte) byte += WRAP;
    this.#byte = byte;
  }

  #event(type: number): Promise<void> | null {
    if (hasRows(type)) return this.#rows();
    switch (type) {
      case EVENT.tableMap:
        return this.#tableMap();
      case EVENT.mariaGtid:
        return this.#begin(readMariaGtid(this.#head));
      case EVENT.gtid:
        return this.#begin(readMysqlGtid(this.#head));
      case EVENT.xid:
        return this.#end(true);
      case EVENT.query:
      case EVENT.mariaQueryCompressed:
        return this.#query(readQuery(this.#head, inflated));
      case EVENT.executeLoad:
        return this.#query(readExecuteLoad(this.#head));
      case EVENT.xaPrepare:
        return this.#prepared();
      case EVENT.rotate:
        this.#rotate();
        return null;
      case EVENT.heartbeat:
        this.#heartbeat();
        return null;
      case EVENT.mariaGtidList:
        if (!this.#isBegun) this.#world.begins(readGtidList(this.#head));
        this.#isBegun = true;
        return this.#between();
      default:
        return this.#other(type);
    }
  }

  #other(type: number): null {
    switch (type) {
      case EVENT.incident:
        throw gapError(
          "the server lost events, and says so in its log",
          { from: this.#group?.gtid ?? `${this.#file}:${this.#byte}`, to: null },
          READ_ANEW,
        );
      case EVENT.anonymousGtid:
        throw refusal(
          "config",
          "a transaction in the log has no GTID",
          "SET GLOBAL gtid_mode = ON; (step by step, as the server says) and read its tables anew",
        );
      case EVENT.partialUpdate:
        throw refusal(
          "config",
          "the log holds parts of JSON values",
          `SET GLOBAL binlog_row_value_options = ''; and ${READ_ANEW}`,
        );
      case EVENT.transactionPayload:
        throw refusal(
          "unsupported",
          "the log holds transactions that are compressed as a whole",
          `SET GLOBAL binlog_transaction_compression = OFF; and ${READ_ANEW}`,
        );
      case EVENT.taggedGtid:
        throw refusal(
          "unsupported",
          "the log holds GTIDs with tags",
          "let transactions have no tag: SET gtid_next = 'AUTOMATIC'",
        );
      case EVENT.mariaEncryption:
        return this.#between();
      default:
        return this.#between();
    }
  }

  /** Nothing is left of what was sent, unless a group is under way. */
  #between(): null {
    if (this.#group === null) this.#world.sent(this.#place);
    return null;
  }

  #rotate(): void {
    const fields = this.#head.fields;
    this.#byte = Number(fields.u64());
    this.#file = new TextDecoder().decode(fields.rest());
    this.#between();
  }

  #heartbeat(): void {
    const { logEnd } = this.#head;
    this.#file = new TextDecoder().decode(this.#head.fields.rest());
    if (logEnd > this.#byte % WRAP) this.#step(logEnd);
    this.#between();
  }

  #begin(group: GroupHead): null {
    if (this.#group !== null) throw damaged("a transaction begins inside of another one");
    this.#group = group;
    this.#isOpen = this.#world.flavor === "mariadb" && !group.isStandalone;
    this.#effects = [];
    this.#mark = 0;
    this.#savepoints = [];
    return null;
  }

  #end(isCommit: boolean): Promise<void> | null {
    const group = this.#whole();
    if (isCommit) return this.#world.onCommit(this.#spool, group, this.#place);
    this.#spool.forget(() => true);
    return this.#world.onCommit(this.#spool, { ...group, effects: [] }, this.#place);
  }

  /** What the group was, which is over. */
  #whole(): Group {
    const head = this.#group;
    if (head === null) throw damaged("a transaction ends that did not begin");
    this.#group = null;
    this.#isOpen = false;
    const committedUs = head.committedUs ?? this.#head.seconds * 1_000_000;
    return { gtid: head.gtid, committedUs, effects: this.#effects };
  }

  #prepared(): Promise<void> | null {
    const fields = this.#head.fields;
    const isOnePhase = fields.uint(1) === 1;
    if (isOnePhase) return this.#end(true);
    const xid = readXid(fields, 4);
    return this.#world.onPrepare(this.#spool, xid, this.#whole(), this.#place);
  }

  // Statements.

  #query({ database, sql }: QueryEvent): Promise<void> | null {
    const group = this.#group;
    // Before the first group there may be what stands for events that were left out.
    if (group === null) return this.#between();
    const isAlterOnly = group.isAlterBegun || group.isAlterTakenBack;
    const statement = readStatement(sql, database);
    if (!isAlterOnly) this.#apply(statement);
    switch (statement.kind) {
      case "begin":
        this.#isOpen = true;
        return null;
      case "commit":
        return this.#end(true);
      case "rollback":
        return this.#end(false);
      case "savepoint":
        this.#mark += 1;
        this.#savepoints.push({ name: statement.name, mark: this.#mark });
        return null;
      case "rollback to":
        return this.#rollbackTo(statement.name);
      case "xa commit":
      case "xa rollback": {
        const isCommit = statement.kind === "xa commit";
        const xid = group.completes ?? statement.xid;
        return this.#world.onDecided(xid, isCommit, this.#whole(), this.#place);
      }
      default:
        if (/^\s*XA\s+START/i.test(sql) || /START\s+TRANSACTION\s*$/i.test(sql)) {
          this.#isOpen = true;
        }
        return this.#isOpen ? null : this.#end(true);
    }
  }

  #rollbackTo(name: string): null {
    const at = this.#savepoints.findLastIndex((one) => one.name === name);
    const mark = this.#savepoints[at]?.mark ?? 0;
    this.#savepoints = this.#savepoints.slice(0, at + 1);
    this.#spool.forget((key) => Number(key) >= mark);
    return null;
  }

  #apply(statement: Statement): void {
    switch (statement.kind) {
      case "truncate":
        for (const { schema, table } of this.#wanted(statement.tables)) {
          this.#truncate(schema, table);
        }
        return;
      case "drop":
        for (const table of this.#wanted(statement.tables)) {
          this.#effect({ kind: "dropped", name: tableName(table) });
        }
        return;
      case "drop database":
        this.#effect({ kind: "dropped", name: `${statement.schema}.*` });
        return;
      case "create":
        this.#create(statement);
        return;
      case "rename":
        for (const { from, to } of statement.pairs) this.#rename(from, to);
        return;
      case "alter":
        for (const table of this.#wanted([statement.table])) {
          this.#forget(table);
          this.#effect({ kind: "altered", name: tableName(table) });
        }
        return;
      case "unlogged":
      case "rows":
        this.#lost(statement.tables, statement.what);
        return;
      default:
        return;
    }
  }

  #create({ table, ifNotExists, isFilled }: Extract<Statement, { kind: "create" }>): void {
    for (const one of this.#wanted([table])) {
      this.#forget(one);
      const name = tableName(one);
      if (isFilled) this.#effect({ kind: "renamed", name, to: name });
      else if (ifNotExists) this.#effect({ kind: "altered", name });
      else {
        this.#truncate(one.schema, one.table);
        this.#effect({ kind: "made", name });
      }
    }
  }

  #rename(from: NamedTable, to: NamedTable): void {
    this.#forget(from);
    this.#forget(to);
    if (this.#wanted([from, to]).length === 0) return;
    this.#effect({ kind: "renamed", name: tableName(from), to: tableName(to) });
  }

  #lost(tables: readonly NamedTable[], what: string): void {
    const names = new Set(this.#wanted(tables).map(tableName));
    const why = `${what} of ${this.#group?.gtid ?? ""} changed rows that are not in the log`;
    for (const name of names) this.#effect({ kind: "lost", name, why });
  }

  #truncate(schema: string, table: string): void {
    const shape = this.#world.shapes.lastOf(schema, table);
    this.#spool.add(this.#mark, shape, TRUNCATED, new Uint8Array());
  }

  #wanted(tables: readonly NamedTable[]): readonly NamedTable[] {
    return tables.filter(({ schema, table }) => this.#world.isWanted(schema, table));
  }

  #effect(effect: Effect): void {
    this.#effects.push(effect);
  }

  // Rows.

  /** Most describe a table in the words in which it was described before. */
  #tableMap(): Promise<void> | null {
    const { bytes, start, end } = this.#head;
    const id = tableOf(this.#head);
    const text = bytes.toString("latin1", start + TABLE_NUMBER_BYTES + 2, end);
    const cascades = this.#world.cascades();
    if (cascades !== this.#cascades) this.#mapped.clear();
    this.#cascades = cascades;
    const known = this.#mapped.get(text);
    if (known === undefined) return this.#map(id, text);
    this.#tables.set(id, known);
    return null;
  }

  #map(id: number, text: string): Promise<void> | null {
    const bytes = Buffer.from(text, "latin1");
    const fields = new Fields(bytes, 0, bytes.length);
    const decoder = new TextDecoder();
    const schema = decoder.decode(fields.take(fields.uint(1)));
    fields.skip(1);
    const table = decoder.decode(fields.take(fields.uint(1)));
    const name = `${schema}.${table}`;
    const isWanted = this.#world.isWanted(schema, table);
    const isParent = this.#cascades.some(({ parent }) => parent === name);
    const isOfUse = isWanted || isParent;
    const logged = isOfUse ? this.#world.shapes.known(text) : null;
    const put = (found: LoggedTable | null): void => {
      const mapped = { name, logged: found, isWanted };
      if (this.#mapped.size === MAPPED_MAX) this.#mapped.clear();
      this.#mapped.set(text, mapped);
      this.#tables.set(id, mapped);
    };
    if (logged === undefined) return this.#describe(text, bytes).then(put);
    put(logged);
    return null;
  }

  #describe(text: string, bytes: Uint8Array): Promise<LoggedTable | null> {
    const isMariaDb = this.#world.flavor === "mariadb";
    const map = readTableMap(bytes, 0, bytes.length, isMariaDb);
    return this.#world.shapes.describe(text, map);
  }

  /** Whoever changed a table may have changed what its description stands for. */
  #forget({ schema, table }: NamedTable): void {
    this.#world.shapes.forget(schema, table);
    this.#mapped.clear();
  }

  #rows(): Promise<void> | null {
    const head = this.#head;
    const mapped = this.#tables.get(tableOf(head));
    if (mapped === undefined) throw damaged("rows of a table that was not described");
    const { logged, isWanted, name } = mapped;
    if (logged === null) return null;
    const spool = this.#spool;
    if (isWanted) spool.event(this.#mark, logged.shape, head.whole, head.sum);
    const cascades = isAlone(head) ? [] : this.#world.cascades();
    if (cascades.length > 0) {
      const ofTable = cascades.filter(({ parent }) => parent === name);
      for (const cascade of this.#keys.hit(head, logged, ofTable)) this.#cascaded(cascade);
    }
    return spool.isLarge ? spool.spill() : null;
  }

  #cascaded({ parent, child }: Cascade): void {
    if (this.#effects.some((effect) => effect.kind === "lost" && effect.name === child)) return;
    const gtid = this.#group?.gtid ?? "";
    const why = `${gtid} changed rows of ${parent}, and by a foreign key its rows, which are not in the log`;
    this.#effect({ kind: "lost", name: child, why });
  }
}
