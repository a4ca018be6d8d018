/** The rows of one table in a segment, written as columns without looking at each: where all of them are usual. */

import type { DecodeRequest } from "../../../core/engine.ts";
import { FEED, type FeedOp } from "../../../core/ingest/feed.ts";
import {
  FRAME,
  frameJson,
  frameTransaction,
  readSnapshot,
  type SegmentTransaction,
  shapeNumber,
} from "../../../core/ingest/segment.ts";
import type { AheadFile, LateValues } from "../made/ahead-file.ts";
import type { PartColumn } from "../made/column-part.ts";
import type { GroupTarget } from "../made/group-target.ts";
import { PART_BYTES, PART_ROWS } from "../made/row-table.ts";
import type { RunColumn } from "../made/run-column.ts";
import type { WholeFile, WholeTarget } from "../made/whole-file.ts";
import { CELL, type CellPlaces, type CellWriters } from "./cell.ts";
import type { CopiedRows, FeedChange, FeedEvent, FeedMessage } from "./dialect.ts";
import { FeedColumns } from "./feed-columns.ts";
import { type Frame, framesOf } from "./frames.ts";
import { RowPlaces } from "./row-places.ts";
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
  const writer = new FeedParts(plan, columns, target, null);
  try {
    const isWhole = (await writer.takeAll(path)) && writer.end();
    if (isWhole) return await target.finish();
  } catch (thrown) {
    target.discard();
    throw thrown;
  }
  target.discard();
  return null;
}

/**
 * All rows of the plan's table in a segment of which the end is missing, but for what it will say; null, and nothing is
 * left, where one of them is to be looked at.
 */
export async function writeAhead(
  path: string,
  plan: TablePlan,
  columns: FeedColumns,
  target: AheadFile,
): Promise<AheadRows | null> {
  const places = new RowPlaces();
  const writer = new FeedParts(plan, columns, target, places);
  try {
    const isWhole = (await writer.takeAll(path)) && writer.end();
    if (isWhole && !places.isTooMany) {
      await target.rest();
      return { file: target, places };
    }
  } catch (thrown) {
    target.discard();
    throw thrown;
  }
  target.discard();
  return null;
}

/** Such rows, and where each stands in its transaction. */
export interface AheadRows {
  readonly file: AheadFile;
  readonly places: RowPlaces;
}

/** Columns that are said of such rows later, by the names of the table's. */
export function lateLeaves(columns: FeedColumns): LateValues["leaves"] {
  return columns.leavesOf([FEED.position, FEED.transaction, FEED.committedAt]);
}

/** Gives such rows what they belong to. */
export function lateValues(
  columns: FeedColumns,
  places: RowPlaces,
  { position, xid, committedAt }: SegmentTransaction,
): LateValues {
  const prefix = Buffer.from(position);
  const positions = columns.leaf(FEED.position);
  const transaction = columns.runs(FEED.transaction);
  const time = columns.runs(FEED.committedAt);
  const micros = Number(committedAt) || null;
  return {
    leaves: lateLeaves(columns),
    fill: (group, rows) => {
      if (positions !== null) {
        places.each(group, (place) => {
          writePlace(positions, prefix, place);
          positions.endPage();
        });
      }
      if (xid === "0") transaction?.missing(rows);
      else transaction?.add(xid, rows);
      if (micros === null) time?.missing(rows);
      else time?.add(micros, rows);
    },
  };
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
  readonly #target: GroupTarget;
  /** What rows belong to is said later: where they stand is kept; null: it is written. */
  readonly #places: RowPlaces | null;
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

  constructor(
    plan: TablePlan,
    columns: FeedColumns,
    target: GroupTarget,
    places: RowPlaces | null,
  ) {
    this.#plan = plan;
    this.#places = places;
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
    if (plan.late === null) return;
    const { transaction, firstPlace } = plan.late;
    this.#at = firstPlace;
    if (transaction !== null) this.#belong(transaction, firstPlace);
  }

  /** False where something is to be looked at. */
  async takeAll(path: string): Promise<boolean> {
    for (const frame of framesOf(path)) {
      if (!this.take(frame)) return false;
      if (this.#target.isPending) await this.#target.settle();
    }
    return true;
  }

  /** False where something is to be looked at. */
  take(frame: Frame): boolean {
    const { kind, bytes, start, end, isDamaged } = frame;
    if (isDamaged) return false;
    switch (kind) {
      case FRAME.transaction: {
        if (this.#plan.late !== null) return true;
        this.#belong(frameTransaction(bytes.subarray(start, end)), 0);
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

  /** False where the segment does not hold what it says. */
  end(): boolean {
    if (this.#received !== this.#plan.rowCount) return false;
    this.#flush();
    return true;
  }

  #belong({ position, xid, committedAt }: SegmentTransaction, place: number): void {
    this.#begin(position, xid === "0" ? null : xid, Number(committedAt) || null, place);
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
    if (this.#places !== null) this.#places.add(at);
    else this.#belongs(at);
    this.#rows++;
    const isLooked = this.#rows % LOOK_ROWS === 0;
    if (this.#rows >= PART_ROWS || (isLooked && this.#columns.endPages() >= PART_BYTES)) {
      this.#flush();
    }
  }

  #belongs(place: number): void {
    const prefix = this.#positionBytes;
    if (prefix === null) this.#position?.missing(0);
    else if (this.#position !== null) writePlace(this.#position, prefix, place);
    if (this.#xid === null) this.#transaction?.missing();
    else this.#transaction?.add(this.#xid);
    if (this.#micros === null) this.#committedAt?.missing();
    else this.#committedAt?.add(this.#micros);
  }

  #flush(): void {
    if (this.#rows === 0) return;
    this.#settleBefore();
    for (const leaf of this.#columns.unfilled) leaf.missing(0, this.#rows);
    this.#target.group(this.#columns.filled, this.#rows);
    this.#places?.group();
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

/** Where a row stands: in the log, and in its transaction. */
function writePlace(column: PartColumn, prefix: Buffer, place: number): void {
  column.present();
  let at = column.room(prefix.length + 1 + PLACE_DIGITS);
  const { bytes } = column;
  for (let index = 0; index < prefix.length; index++) bytes[at++] = prefix[index] ?? 0;
  bytes[at++] = DASH;
  for (let digit = PLACE_DIGITS - 1; digit >= 0; digit--) {
    bytes[at++] = HEX[(place >>> (digit * 4)) & 15] ?? 0;
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
