/** Which table is read how far: changes that come while its rows are read wait until they are. */

import { crc32 } from "node:zlib";
import { LakeError } from "../../core/base/errors.ts";
import {
  type Json,
  type JsonObject,
  numberField,
  objectField,
  stringField,
} from "../../core/base/json.ts";
import {
  FrameBuffer,
  type SegmentShape,
  type SegmentTransaction,
} from "../../core/ingest/segment.ts";
import type { Random } from "../../core/ports.ts";
import type { Disk } from "../disk/disk.ts";
import { tableName } from "./segment-file.ts";
import { Spool, type SpoolTarget } from "./spool.ts";

/** A table whose rows that were there are read, or are not wanted. */
export interface KnownTable {
  /** Another one means that the table was made anew. */
  readonly oid: number;
  /** What made it part of what is read: another one means that it was out of it meanwhile. */
  readonly member: string;
  /** Changes up to here are in the rows that were read. */
  readonly at: bigint;
  /** Why nothing more of it is taken until it is read again. */
  readonly stopped?: string;
}

/** A table as the database has it now. */
export interface ReadableTable {
  readonly schema: string;
  readonly table: string;
  readonly oid: number;
  readonly member: string;
}

/** Changes of a table whose rows are not read yet. */
interface Held {
  /** Null until it is known as of when its rows are read. */
  at: bigint | null;
  readonly changes: Spool;
  /** The last transaction that waits. */
  lastLsn: bigint;
  /** Why changes after this place are not all that there were. */
  stopped: { readonly why: string; readonly lsn: bigint } | null;
}

/** Of no membership: the table is read again, in place of what was read before. */
const NO_MEMBER = "";

/** What has to be done that the tables are as the publication says. */
export interface TablePlan<T extends ReadableTable> {
  /** Rows that are there are to be read; `replaces`: in place of all that was read before. */
  readonly read: readonly (T & { readonly replaces: boolean })[];
  /** No longer in it. */
  readonly gone: readonly string[];
}

/** Where committed changes go. */
export class TableStates {
  readonly #disk: Disk;
  readonly #random: Random;
  readonly #folder: string;
  readonly #held = new Map<string, Held>();
  /** Tables that left the publication, and where the log was when that was seen. */
  readonly #leaving = new Map<string, bigint>();
  readonly #ignored = new Set<string>();
  /** As `#since` has it of shapes that changes came of; forgotten whenever any of this changes. */
  #liveSince = new WeakMap<SegmentShape, bigint | null>();
  #known: Readonly<Record<string, KnownTable>>;

  constructor(
    known: Readonly<Record<string, KnownTable>>,
    world: { readonly disk: Disk; readonly random: Random; readonly folder: string },
  ) {
    this.#known = known;
    this.#disk = world.disk;
    this.#random = world.random;
    this.#folder = world.folder;
  }

  get known(): Readonly<Record<string, KnownTable>> {
    return this.#known;
  }

  /** Tables that changes are held of. */
  get heldNames(): readonly string[] {
    return [...this.#held.keys()];
  }

  /** Compares what is known with what is published. Tables that are being read already are left out. */
  plan<T extends ReadableTable>(
    published: readonly T[],
    isReading: (name: string) => boolean,
  ): TablePlan<T> {
    const names = new Set(published.map(tableName));
    const read = published.flatMap((table) => {
      const known = this.#known[tableName(table)];
      const isSame = known?.oid === table.oid && known.member === table.member;
      const isStopped = known?.stopped !== undefined && known.member !== NO_MEMBER;
      if (isStopped || isSame || isReading(tableName(table))) return [];
      return [{ ...table, replaces: known !== undefined }];
    });
    return { read, gone: Object.keys(this.#known).filter((name) => !names.has(name)) };
  }

  /** Changes of a table wait from now on, until `take` hands them over. */
  hold(name: string): void {
    this.#ignored.delete(name);
    if (this.#held.has(name)) return;
    this.#liveSince = new WeakMap();
    const path = `${this.#folder}/held-${this.#random.uuid()}`;
    const changes = new Spool(this.#disk, path, 0);
    this.#held.set(name, { at: null, changes, lastLsn: 0n, stopped: null });
    const known = this.#known[name];
    // Whoever reads it after this reader has to know that rows of it have landed before.
    if (known !== undefined) this.#know({ ...this.#known, [name]: again(known) });
  }

  /** Rows are read as of this point: what waits from before it is in them. */
  readAt(names: readonly string[], at: bigint): void {
    for (const name of names) {
      const held = this.#held.get(name);
      if (held === undefined) continue;
      held.at = at;
      held.changes.forget((key) => BigInt(key) <= at);
    }
  }

  /** The rows of a table are read: what waits is handed over, and from now on goes the way of all. */
  take(table: ReadableTable, at: bigint): Spool | null {
    const name = tableName(table);
    const held = this.#held.get(name);
    this.#held.delete(name);
    const known = { oid: table.oid, member: table.member, at };
    const late = held?.stopped ?? null;
    const why = late !== null && late.lsn > at ? { stopped: late.why } : {};
    this.#know({ ...this.#known, [name]: { ...known, ...why } });
    return held === undefined || held.changes.isEmpty ? null : held.changes;
  }

  /** Tables that are not in the publication any more: forgotten once all that was changed before has come. */
  leave(gone: readonly string[], lsn: bigint, reached: bigint): void {
    for (const name of this.#leaving.keys()) if (!gone.includes(name)) this.#leaving.delete(name);
    for (const name of gone) {
      const since = this.#leaving.get(name) ?? lsn;
      this.#leaving.set(name, since);
      if (reached < since) continue;
      this.#leaving.delete(name);
      this.#know(without(this.#known, name));
    }
  }

  /**
   * Nothing more of a table is taken until it is read again, for changes at this place are not in the log. False where
   * that is so already, or the table is not known.
   */
  stop(name: string, why: string, lsn: bigint): boolean {
    const held = this.#held.get(name);
    if (held !== undefined) {
      const isNew = held.stopped === null && (held.at === null || lsn > held.at);
      // Rows are read as of a later place, or what comes after them is not whole.
      held.stopped ??= { why, lsn };
      return isNew && held.at !== null;
    }
    const known = this.#known[name];
    if (known === undefined || known.stopped !== undefined) return false;
    this.#know({ ...this.#known, [name]: { ...known, stopped: why } });
    return true;
  }

  /** Changes that wait of a table that is not published are of no use, nor are those that come. */
  async ignore(name: string): Promise<void> {
    const held = this.#held.get(name);
    this.#held.delete(name);
    this.#liveSince = new WeakMap();
    this.#ignored.add(name);
    await held?.changes.clear();
  }

  /** Nothing is held any more: whoever reads next holds it anew. */
  async close(): Promise<void> {
    for (const name of this.heldNames) await this.ignore(name).catch(() => {});
  }

  /** True when changes of a table go the way of all. */
  isLive(shape: SegmentShape, endLsn: bigint): boolean {
    let since = this.#liveSince.get(shape);
    if (since === undefined) {
      since = this.#since(shape);
      this.#liveSince.set(shape, since);
    }
    return since !== null && endLsn > since;
  }

  /** Behind which place they do so; null where they do not. */
  #since(shape: SegmentShape): bigint | null {
    if (shape.oid === undefined) return -1n;
    const name = tableName(shape);
    const known = this.#known[name];
    const isOther = this.#held.has(name) || known?.oid !== shape.oid;
    return isOther || known.stopped !== undefined ? null : known.at;
  }

  #know(known: Readonly<Record<string, KnownTable>>): void {
    this.#known = known;
    this.#liveSince = new WeakMap();
  }

  /** True where changes at a place that do not come are missing from a table: they are not in rows read as of later. */
  misses(endLsn: bigint): boolean {
    const isBehind = (at: bigint | null): boolean => at !== null && at < endLsn;
    const known = Object.entries(this.#known).filter(([name]) => !this.#held.has(name));
    return (
      [...this.#held.values()].some(({ at }) => isBehind(at)) ||
      known.some(([, { at, stopped }]) => stopped === undefined && isBehind(at))
    );
  }

  /** Where changes of a table go: null for those that are in the rows that were read. */
  targetOf(
    shape: SegmentShape,
    transaction: SegmentTransaction,
    endLsn: bigint,
    live: () => SpoolTarget,
  ): SpoolTarget | null {
    const name = tableName(shape);
    const known = this.#known[name];
    if (shape.oid === undefined) return live();
    const isHeld = this.#held.has(name);
    if (!isHeld && known?.stopped !== undefined) return null;
    if (!isHeld && known?.oid === shape.oid) return endLsn <= known.at ? null : live();
    if (this.#ignored.has(name)) return null;
    this.hold(name);
    const held = this.#held.get(name);
    if (held === undefined || (held.at !== null && endLsn <= held.at)) return null;
    if (held.lastLsn !== endLsn) {
      const head = new FrameBuffer(crc32);
      head.transaction(transaction);
      held.changes.append(endLsn, shape, 0, head.take(false), 1);
      held.lastLsn = endLsn;
    }
    return new HeldTarget(held.changes, shape, endLsn);
  }
}

/** Frames of one table in one transaction, on their way to those that wait. */
class HeldTarget implements SpoolTarget {
  readonly #changes: Spool;
  readonly #shape: SegmentShape;
  readonly #endLsn: bigint;
  #rows = 0;

  constructor(changes: Spool, shape: SegmentShape, endLsn: bigint) {
    this.#changes = changes;
    this.#shape = shape;
    this.#endLsn = endLsn;
  }

  shape(): void {}

  count(_shape: SegmentShape, rows: number): void {
    this.#rows += rows;
  }

  frames(bytes: Uint8Array, count: number): void {
    this.#changes.append(this.#endLsn, this.#shape, this.#rows, bytes, count);
    this.#rows = 0;
  }

  async flush(): Promise<void> {
    if (this.#changes.isLarge) await this.#changes.spill();
  }
}

/** Known, and to be read again. */
function again(known: KnownTable): KnownTable {
  return { ...known, member: NO_MEMBER };
}

function without(
  known: Readonly<Record<string, KnownTable>>,
  name: string,
): Readonly<Record<string, KnownTable>> {
  return Object.fromEntries(Object.entries(known).filter(([key]) => key !== name));
}

/** The tables marked to be read again: one, or all. Throws `not-found`. */
export function markedToRead(
  tables: Readonly<Record<string, KnownTable>>,
  table: string | null,
): Readonly<Record<string, KnownTable>> {
  if (table !== null && tables[table] === undefined) {
    throw new LakeError("not-found", `${table} is no table that was read`, {
      hint: `tables are ${Object.keys(tables).join(", ")}`,
    });
  }
  const marked = Object.entries(tables).map(([name, known]) => {
    const isMeant = table === null || name === table;
    return [name, isMeant ? again(known) : known] as const;
  });
  return Object.fromEntries(marked);
}

/** Tables as the text of a position has them. */
export function knownJson(
  tables: Readonly<Record<string, KnownTable>>,
  placeText: (at: bigint) => string,
): Json {
  const entries = Object.entries(tables).map(([name, { oid, member, at, stopped }]) => [
    name,
    { oid, member, at: placeText(at), ...(stopped === undefined ? {} : { stopped }) },
  ]);
  return Object.fromEntries(entries);
}

/** Reads what `knownJson` wrote. Throws `corrupt`. */
export function readKnown(
  position: JsonObject,
  placeOf: (text: string) => bigint,
): Readonly<Record<string, KnownTable>> {
  const tables = objectField(position, "tables");
  const entries = Object.keys(tables).map((name): [string, KnownTable] => {
    const table = objectField(tables, name);
    const known = {
      oid: numberField(table, "oid"),
      member: stringField(table, "member"),
      at: placeOf(stringField(table, "at")),
    };
    const { stopped } = table;
    return [name, typeof stopped === "string" ? { ...known, stopped } : known];
  });
  return Object.fromEntries(entries);
}
