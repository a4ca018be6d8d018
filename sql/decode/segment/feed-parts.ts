/** The rows of one table in a segment, written as columns without looking at each: where all of them are usual. */

import type { DecodeRequest } from "../../../core/engine.ts";
import { FEED, type FeedOp } from "../../../core/ingest/feed.ts";
import {
  FRAME,
  frameJson,
  frameTransaction,
  readSnapshot,
  shapeNumber,
} from "../../../core/ingest/segment.ts";
import type { PartColumn } from "../made/column-part.ts";
import { PART_BYTES, PART_ROWS } from "../made/row-table.ts";
import type { RunColumn } from "../made/run-column.ts";
import type { WholeFile, WholeTarget } from "../made/whole-file.ts";
import { CELL, type CellPlaces, type CellWriters } from "./cell.ts";
import type { CopiedRows, FeedChange, FeedEvent, FeedMessage } from "./dialect.ts";
import { FeedColumns } from "./feed-columns.ts";
import { type Frame, framesOf } from "./frames.ts";
import { isWholeBefore, type TablePlan, type TableShape } from "./table-plan.ts";

/** All rows of the plan's table; null, and nothing is left, where one of them is to be looked at. */
export async function writeFeed(
  path: string,
  plan: TablePlan,
  request: DecodeRequest,
  target: WholeTarget,
): Promise<WholeFile | null> {
  const columns = FeedColumns.of(plan, request, target.form);
  if (columns === null) return null;
  const writer = new FeedParts(plan, columns, target);
  try {
    for (const frame of framesOf(path)) {
      if (!writer.take(frame)) return writer.discard();
      if (target.isPending) await target.settle();
    }
    return (await writer.finish()) ?? writer.discard();
  } catch (thrown) {
    writer.discard();
    throw thrown;
  }
}

/** How the values of one column of a shape are written. */
interface ShapeWriter {
  readonly name: string;
  readonly isKey: boolean;
  readonly to: PartColumn;
  readonly cells: CellWriters;
  /** In `_before`. */
  readonly before: PartColumn | null;
  readonly beforeCells: CellWriters | null;
}

interface ShapeWriters {
  /** `_before` holds all of an old row. */
  readonly isAll: boolean;
  readonly columns: readonly ShapeWriter[];
  /** Columns that rows of the shape have no value for. */
  readonly absent: readonly PartColumn[];
  readonly absentBefore: readonly PartColumn[];
}

const NUMBER_BYTES = 4;
const HEX = Buffer.from("0123456789abcdef");
const DASH = 45;
const PLACE_DIGITS = 8;
/** Rows between two looks at how much is held. */
const LOOK_ROWS = 1024;

class FeedParts {
  readonly #plan: TablePlan;
  readonly #columns: FeedColumns;
  readonly #target: WholeTarget;
  readonly #writers = new Map<number, ShapeWriters | null>();
  readonly #message: FeedMessage;
  readonly #event: FeedEvent | null;
  readonly #copied: CopiedRows;
  readonly #op: RunColumn | null;
  readonly #position: PartColumn | null;
  readonly #transaction: RunColumn | null;
  readonly #committedAt: RunColumn | null;
  readonly #unchanged: PartColumn | null;
  readonly #before: readonly PartColumn[];
  /** Rows without an old one since the last that had one. */
  #withoutBefore = 0;
  #positionBytes: Buffer | null = null;
  #xid: string | null = null;
  #micros: number | null = null;
  #at = 0;
  #rows = 0;
  /** Rows that stand in the segment, with an event as one. */
  #received = 0;

  constructor(plan: TablePlan, columns: FeedColumns, target: WholeTarget) {
    this.#plan = plan;
    this.#message = plan.dialect.message();
    this.#event = plan.dialect.event();
    this.#copied = plan.dialect.copied();
    this.#columns = columns;
    this.#target = target;
    this.#op = columns.runs(FEED.op);
    this.#position = columns.leaf(FEED.position);
    this.#transaction = columns.runs(FEED.transaction);
    this.#committedAt = columns.runs(FEED.committedAt);
    this.#unchanged = columns.leaf(FEED.unchanged);
    this.#before = [...columns.beforeByName.values()].map(({ leaf }) => leaf);
  }

  /** False where something is to be looked at. */
  take(frame: Frame): boolean {
    const { kind, bytes, start, end, isDamaged } = frame;
    if (isDamaged) return false;
    switch (kind) {
      case FRAME.transaction: {
        const { position, xid, committedAt } = frameTransaction(bytes.subarray(start, end));
        this.#begin(position, xid === "0" ? null : xid, Number(committedAt) || null, 0);
        return true;
      }
      case FRAME.snapshot: {
        const snapshot = readSnapshot(frameJson(bytes.subarray(start, end)));
        this.#begin(snapshot.position, null, null, 0);
        if (snapshot.replaces === true && snapshot.table === this.#plan.table) this.#truncate();
        this.#at = snapshot.firstRow + 1;
        return true;
      }
      case FRAME.message:
        return this.#one(frame);
      case FRAME.event:
        return this.#changes(frame);
      case FRAME.rows:
        return this.#copies(frame);
      default:
        return true;
    }
  }

  async finish(): Promise<WholeFile | null> {
    if (this.#received !== this.#plan.rowCount) return null;
    this.#flush();
    return await this.#target.finish();
  }

  discard(): null {
    this.#target.discard();
    return null;
  }

  #begin(position: string, xid: string | null, micros: number | null, at: number): void {
    this.#positionBytes = Buffer.from(position);
    this.#xid = xid;
    this.#micros = micros;
    this.#at = at;
  }

  /** Undefined: nobody knows whose it is. */
  #shapeOf({ bytes, start }: Frame): TableShape | null | undefined {
    return this.#plan.shapes.get(shapeNumber(bytes, start));
  }

  #one(frame: Frame): boolean {
    const at = this.#at++;
    const table = this.#shapeOf(frame);
    if (table === null) return true;
    const writers = table === undefined ? null : this.#writersOf(table);
    if (writers === null) return false;
    this.#received++;
    const message = this.#message;
    try {
      message.read(frame.bytes, frame.start + NUMBER_BYTES, frame.end, table?.shape);
    } catch (thrown) {
      if (thrown instanceof RangeError) return false;
      throw thrown;
    }
    if (message.op === "t") {
      this.#none();
      this.#own("t", at);
      return true;
    }
    return this.#change(message, writers, at);
  }

  #changes(frame: Frame): boolean {
    const event = this.#event;
    const table = this.#shapeOf(frame);
    if (table === undefined || event === null) return false;
    const { bytes, start, end } = frame;
    if (table === null) {
      const other = this.#plan.others.get(shapeNumber(bytes, start));
      if (other !== undefined) this.#at += event.count(bytes, start + NUMBER_BYTES, end, other);
      return true;
    }
    const writers = this.#writersOf(table);
    if (writers === null) return false;
    this.#received++;
    try {
      event.open(bytes, start + NUMBER_BYTES, end, table.shape);
      while (event.next()) if (!this.#change(event, writers, this.#at++)) return false;
      return true;
    } catch (thrown) {
      if (thrown instanceof RangeError) return false;
      throw thrown;
    }
  }

  #change(change: FeedChange, writers: ShapeWriters, at: number): boolean {
    const { op, after, before, hasBefore } = change;
    const width = writers.columns.length;
    const isShort = op !== "d" && after.count !== width;
    if (isShort || (hasBefore && before.count !== width)) return false;
    if (!this.#values(change, writers) || !this.#old(change, writers)) return false;
    this.#own(op, at);
    return true;
  }

  #values(change: FeedChange, { columns, absent }: ShapeWriters): boolean {
    const { op, bytes, after, before, hasBefore, isWhole } = change;
    const isDelete = op === "d";
    let unchanged = 0;
    for (let index = 0; index < columns.length; index++) {
      const column = columns[index];
      if (column === undefined) return false;
      let cells = after;
      if (isDelete) cells = before;
      else if (after.kind(index) === CELL.unchanged) {
        if (hasBefore && isWhole && before.kind(index) !== CELL.unchanged) cells = before;
        else this.#unchanged?.present(unchanged++ === 0 ? 0 : 1);
        if (cells === after) this.#unchanged?.text(column.name);
      }
      const isSent = !isDelete || isWhole || column.isKey;
      if (!writeCell(bytes, cells, isSent ? index : -1, column.to, column.cells)) return false;
    }
    for (const leaf of absent) leaf.missing(0);
    if (unchanged === 0) this.#unchanged?.missing(0);
    return true;
  }

  /** The old row, as far as it was sent. */
  #old(change: FeedChange, { columns, absentBefore, isAll }: ShapeWriters): boolean {
    const { bytes, before, hasBefore, isWhole } = change;
    if (!hasBefore) {
      this.#withoutBefore++;
      return true;
    }
    this.#settleBefore();
    for (let index = 0; index < columns.length; index++) {
      const column = columns[index];
      if (column === undefined) return false;
      const at = column.isKey || (isWhole && isAll) ? index : -1;
      if (column.before === null || column.beforeCells === null) {
        // A value that the column of old rows has no place for so far.
        if (at >= 0 && before.kind(at) !== CELL.null) return false;
        continue;
      }
      if (!writeCell(bytes, before, at, column.before, column.beforeCells, 1)) return false;
    }
    for (const leaf of absentBefore) leaf.missing(1);
    return true;
  }

  #settleBefore(): void {
    if (this.#withoutBefore === 0) return;
    for (const leaf of this.#before) leaf.missing(0, this.#withoutBefore);
    this.#withoutBefore = 0;
  }

  #copies(frame: Frame): boolean {
    const table = this.#shapeOf(frame);
    if (table === null) return true;
    const writers = table === undefined ? null : this.#writersOf(table);
    if (writers === null) return false;
    const { cells } = this.#copied;
    const width = writers.columns.length;
    for (let at = frame.start + NUMBER_BYTES; at < frame.end; ) {
      at = this.#copied.read(frame.bytes, at, frame.end, table?.shape);
      if (cells.count !== width) return false;
      for (let index = 0; index < width; index++) {
        const column = writers.columns[index];
        if (column === undefined) return false;
        if (!writeCell(frame.bytes, cells, index, column.to, column.cells)) return false;
      }
      for (const leaf of writers.absent) leaf.missing(0);
      this.#unchanged?.missing(0);
      this.#withoutBefore++;
      this.#received++;
      this.#own("r", this.#at++);
    }
    return true;
  }

  #truncate(): void {
    this.#none();
    this.#own("t", 0);
  }

  /** A row without values. */
  #none(): void {
    for (const { name } of this.#plan.columns.slice(0, this.#plan.ownCount)) {
      this.#columns.leaf(name)?.missing(0);
    }
    this.#unchanged?.missing(0);
    this.#withoutBefore++;
  }

  /** The feed's own columns, once a row has its values. */
  #own(op: FeedOp, at: number): void {
    this.#op?.add(op);
    this.#placed(at);
    if (this.#xid === null) this.#transaction?.missing();
    else this.#transaction?.add(this.#xid);
    if (this.#micros === null) this.#committedAt?.missing();
    else this.#committedAt?.add(this.#micros);
    this.#rows++;
    const isLooked = this.#rows % LOOK_ROWS === 0;
    if (this.#rows >= PART_ROWS || (isLooked && this.#columns.endPages() >= PART_BYTES)) {
      this.#flush();
    }
  }

  #placed(place: number): void {
    const column = this.#position;
    if (column === null) return;
    const prefix = this.#positionBytes;
    if (prefix === null) {
      column.missing(0);
      return;
    }
    column.present();
    let at = column.room(prefix.length + 1 + PLACE_DIGITS);
    const { bytes } = column;
    for (let index = 0; index < prefix.length; index++) bytes[at++] = prefix[index] ?? 0;
    bytes[at++] = DASH;
    for (let digit = PLACE_DIGITS - 1; digit >= 0; digit--) {
      bytes[at++] = HEX[(place >>> (digit * 4)) & 15] ?? 0;
    }
  }

  #flush(): void {
    if (this.#rows === 0) return;
    this.#settleBefore();
    for (const leaf of this.#columns.unfilled) leaf.missing(0, this.#rows);
    this.#target.group(this.#columns.filled, this.#rows);
    this.#rows = 0;
  }

  #writersOf({ shape, places }: TableShape): ShapeWriters | null {
    const known = this.#writers.get(shape.shape);
    if (known !== undefined) return known;
    const made = this.#makeWriters(shape, places);
    this.#writers.set(shape.shape, made);
    return made;
  }

  #makeWriters(shape: TableShape["shape"], places: readonly number[]): ShapeWriters | null {
    const names = this.#plan.columns.map(({ name }) => name);
    const columns: ShapeWriter[] = [];
    const { beforeByName } = this.#columns;
    const { dialect } = this.#plan;
    for (const [index, { wire, key }] of shape.columns.entries()) {
      const name = names[places[index] ?? -1] ?? "";
      const to = this.#columns.leaf(name);
      const cells = dialect.cellWriters(wire, this.#columns.type(name));
      const before = beforeByName.get(name);
      const beforeCells = before === undefined ? null : dialect.cellWriters(wire, before.type);
      const isOdd = to === null || cells === null || (before !== undefined && beforeCells === null);
      if (isOdd) return null;
      columns.push({
        name,
        isKey: key,
        to,
        cells,
        before: before?.leaf ?? null,
        beforeCells,
      });
    }
    const own = names.slice(0, this.#plan.ownCount);
    const has = new Set(columns.map(({ name }) => name));
    return {
      isAll: isWholeBefore(shape),
      columns,
      absent: own.flatMap((name) => (has.has(name) ? [] : (this.#columns.leaf(name) ?? []))),
      absentBefore: [...beforeByName].flatMap(([name, { leaf }]) => (has.has(name) ? [] : [leaf])),
    };
  }
}

/** `missing` is the level of a value that is not there; a negative index is a value that was not sent. */
function writeCell(
  bytes: Buffer,
  cells: CellPlaces,
  index: number,
  to: PartColumn,
  writers: CellWriters,
  missing = 0,
): boolean {
  const kind = index < 0 ? CELL.null : cells.kind(index);
  if (kind === CELL.null || kind === CELL.unchanged) {
    to.missing(missing);
    return true;
  }
  to.present();
  const write = kind === CELL.text ? writers.text : writers.binary;
  return write(bytes, cells.start(index), cells.end(index), to);
}
