/** Transactions out of the messages of a slot: those in progress apart, those that are committed in order. */

import type { SegmentShape, SegmentTransaction } from "../../../core/ingest/segment.ts";
import type { Random } from "../../../core/ports.ts";
import type { Disk } from "../../disk/disk.ts";
import type { Pieces } from "../pieces.ts";
import { Spool } from "../spool.ts";
import { fromServerUs, sortableLsn } from "./lsn.ts";
import {
  type Commit,
  MessageFields,
  numberAt,
  PGOUTPUT,
  readBegin,
  readCommit,
  readLogicalMessage,
  readRelation,
  readTruncate,
  unknown,
} from "./pgoutput.ts";
import type { ShapeBook } from "./shapes.ts";

export interface ReceiverWorld {
  readonly disk: Disk;
  readonly random: Random;
  /** Absolute, for what is large. */
  readonly folder: string;
  readonly shapes: ShapeBook;
  readonly isWanted: (schema: string, table: string) => boolean;
  readonly notice: (text: string) => void;
  /** For what is large; absent: it is copied once it is committed. */
  readonly pieces?: () => Pieces;
  /** A transaction is whole; the spool is used again once this resolves, or at once for null. */
  readonly onCommit: (
    spool: Spool,
    transaction: SegmentTransaction,
    endLsn: bigint,
  ) => Promise<void> | null;
}

/** The table that logical messages land in, as if it were one of the server's. */
const MESSAGES: Omit<SegmentShape, "shape"> = {
  schema: "pg_catalog",
  table: "logical_messages",
  identity: "nothing",
  columns: [
    {
      name: "prefix",
      type: "varchar",
      wire: { oid: 25, typmod: -1, name: "text", kind: "base" },
      key: false,
    },
    {
      name: "content",
      type: "blob",
      wire: { oid: 17, typmod: -1, name: "bytea", kind: "base" },
      key: false,
    },
  ],
};

export class Receiver {
  readonly #world: ReceiverWorld;
  readonly #relations = new Map<number, SegmentShape | null>();
  /** Transactions that are sent before they are committed, by number. */
  readonly #streamed = new Map<number, Spool>();
  /** Reused by transactions that are sent when they are committed. */
  readonly #small: Spool;
  readonly #messages: SegmentShape;
  /** The one whose messages come now. */
  #current: Spool | null = null;
  /** Messages carry the number of a subtransaction then. */
  #isStreaming = false;
  #begin: { readonly serverUs: bigint; readonly xid: number } | null = null;

  constructor(world: ReceiverWorld) {
    this.#world = world;
    this.#small = this.#newSpool(0);
    this.#messages = { shape: world.shapes.nextNumber(), ...MESSAGES };
  }

  /** True between the first and the last message of a transaction, or of a part of one. */
  get isInside(): boolean {
    return this.#current !== null;
  }

  /** Takes one message. A promise where the next one has to wait. Throws LakeError. */
  take(bytes: Uint8Array, start: number, end: number): Promise<void> | null {
    const type = bytes[start] ?? 0;
    switch (type) {
      case PGOUTPUT.insert:
      case PGOUTPUT.update:
      case PGOUTPUT.delete:
        return this.#row(type, bytes, start + 1, end);
      case PGOUTPUT.begin:
        this.#begin = readBegin(new MessageFields(bytes, start + 1, end));
        this.#small.xid = this.#begin.xid;
        this.#current = this.#small;
        return null;
      case PGOUTPUT.commit:
        return this.#commit(readCommit(new MessageFields(bytes, start + 1, end)));
      case PGOUTPUT.type:
        return null;
      default:
        return this.#rare(type, new MessageFields(bytes, start + 1, end), bytes, start, end);
    }
  }

  /** Forgets transactions that are not committed. */
  async clear(): Promise<void> {
    this.#current = null;
    this.#isStreaming = false;
    for (const spool of this.#streamed.values()) await spool.clear();
    this.#streamed.clear();
    this.#relations.clear();
    await this.#small.clear();
  }

  #row(type: number, bytes: Uint8Array, start: number, end: number): Promise<void> | null {
    const spool = this.#inside();
    const at = this.#isStreaming ? start + 4 : start;
    const oid = numberAt(bytes, at);
    const shape = this.#shape(spool, oid);
    if (shape === null) return null;
    const xid = this.#isStreaming ? numberAt(bytes, start) : spool.xid;
    spool.add(xid, shape, type, bytes.subarray(at, end));
    return spool.isLarge ? spool.spill() : null;
  }

  #rare(
    type: number,
    fields: MessageFields,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): Promise<void> | null {
    switch (type) {
      case PGOUTPUT.relation:
        return this.#relation(fields);
      case PGOUTPUT.truncate:
        return this.#truncate(fields, bytes, start, end);
      case PGOUTPUT.origin:
        fields.u64();
        this.#inside().origin = fields.text();
        return null;
      case PGOUTPUT.message:
        return this.#message(fields, bytes, start, end);
      case PGOUTPUT.streamStart:
        this.#current = this.#streamedSpool(fields.u32());
        this.#isStreaming = true;
        return null;
      case PGOUTPUT.streamStop:
        this.#current = null;
        this.#isStreaming = false;
        return null;
      case PGOUTPUT.streamCommit:
        return this.#streamCommit(fields.u32(), readCommit(fields));
      case PGOUTPUT.streamAbort:
        return this.#streamAbort(fields.u32(), fields.u32());
      default:
        throw unknown(`message ${String.fromCharCode(type)}`);
    }
  }

  async #relation(fields: MessageFields): Promise<void> {
    const { shapes, isWanted } = this.#world;
    const spool = this.#current;
    if (this.#isStreaming) fields.u32();
    const relation = readRelation(fields);
    const wanted = isWanted(relation.schema, relation.table);
    const shape = wanted ? await shapes.shapeOf(relation) : null;
    const before = this.#relations.get(relation.oid) ?? null;
    if (shape !== null && before !== null) this.#compare(before, shape);
    // What is described in a transaction that is not committed is so for that one alone.
    const relations = this.#isStreaming && spool !== null ? spool.relations : this.#relations;
    relations.set(relation.oid, shape);
  }

  /** A table whose column has another type was rewritten, and its rows are not sent again. */
  #compare(before: SegmentShape, shape: SegmentShape): void {
    const retyped = shape.columns.filter(({ name, wire }) =>
      before.columns.some((one) => one.name === name && one.wire.oid !== wire.oid),
    );
    if (retyped.length === 0) return;
    const names = retyped.map(({ name }) => name).join(", ");
    this.#world.notice(
      `${shape.schema}.${shape.table} has another type of ${names}: rows that came before keep their values`,
    );
  }

  #truncate(
    fields: MessageFields,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): Promise<void> | null {
    const spool = this.#inside();
    const xid = this.#isStreaming ? fields.u32() : spool.xid;
    const from = this.#isStreaming ? start + 5 : start + 1;
    for (const oid of readTruncate(fields)) {
      const shape = this.#shape(spool, oid);
      if (shape !== null) spool.add(xid, shape, PGOUTPUT.truncate, bytes.subarray(from, end));
    }
    return null;
  }

  /** One that belongs to no transaction is one by itself. */
  #message(
    fields: MessageFields,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): Promise<void> | null {
    const xid = this.#isStreaming ? fields.u32() : (this.#current?.xid ?? 0);
    const from = this.#isStreaming ? start + 5 : start + 1;
    const { transactional, lsn } = readLogicalMessage(fields);
    const { schema, table } = this.#messages;
    if (!this.#world.isWanted(schema, table)) return null;
    const rest = bytes.subarray(from, end);
    if (transactional) {
      this.#inside().add(xid, this.#messages, PGOUTPUT.message, rest);
      return null;
    }
    return this.#alone(rest, lsn);
  }

  async #alone(rest: Uint8Array, lsn: bigint): Promise<void> {
    const spool = this.#newSpool(0);
    spool.add(0, this.#messages, PGOUTPUT.message, rest);
    const transaction = { position: sortableLsn(lsn), xid: "0", committedAt: "0" };
    // One byte on, or the server would send it again: it leaves out what begins before the place to go on from.
    await this.#world.onCommit(spool, transaction, lsn + 1n);
  }

  #commit(commit: Commit): Promise<void> | null {
    const spool = this.#inside();
    this.#current = null;
    return this.#handOn(spool, commit);
  }

  async #streamCommit(xid: number, commit: Commit): Promise<void> {
    const spool = this.#streamed.get(xid);
    // Nothing of it was kept, or it was rolled back before.
    if (spool === undefined) return;
    this.#streamed.delete(xid);
    // From here on the server takes them for known.
    for (const [oid, shape] of spool.relations) this.#relations.set(oid, shape);
    await this.#handOn(spool, commit);
  }

  async #streamAbort(xid: number, subtransaction: number): Promise<void> {
    const spool = this.#streamed.get(xid);
    if (spool === undefined) return;
    if (xid !== subtransaction) {
      spool.forget((key) => key === subtransaction);
      return;
    }
    this.#streamed.delete(xid);
    await spool.clear();
  }

  #handOn(spool: Spool, { endLsn, serverUs }: Commit): Promise<void> | null {
    const transaction: SegmentTransaction = {
      position: sortableLsn(endLsn),
      xid: String(spool.xid),
      committedAt: String(fromServerUs(serverUs)),
      ...(spool.origin === undefined ? {} : { origin: spool.origin }),
    };
    spool.origin = undefined;
    return this.#world.onCommit(spool, transaction, endLsn);
  }

  /** Null for a table that is not wanted. */
  #shape(spool: Spool, oid: number): SegmentShape | null {
    const isOwn = this.#isStreaming && spool.relations.has(oid);
    const shape = (isOwn ? spool.relations : this.#relations).get(oid);
    if (shape === undefined) throw unknown(`a row of table ${oid}, which it did not describe`);
    return shape;
  }

  #inside(): Spool {
    if (this.#current === null) throw unknown("a change outside of any transaction");
    return this.#current;
  }

  #streamedSpool(xid: number): Spool {
    const known = this.#streamed.get(xid);
    if (known !== undefined) return known;
    const spool = this.#newSpool(xid);
    this.#streamed.set(xid, spool);
    return spool;
  }

  #newSpool(xid: number): Spool {
    const { disk, folder, random, pieces } = this.#world;
    const path = `${folder}/spool-${random.uuid()}`;
    return new Spool(disk, path, xid, { pieces: pieces?.() ?? null });
  }
}
