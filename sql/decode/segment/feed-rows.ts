/** The rows of one table in a segment, in the order of the stream: messages and copied rows as rows of its feed. */

import { FEED, placeIn } from "../../../core/ingest/feed.ts";
import {
  FRAME,
  frameJson,
  frameTransaction,
  readSnapshot,
  type SegmentShape,
  type SegmentTransaction,
  shapeNumber,
} from "../../../core/ingest/segment.ts";
import { STRING } from "../../../core/table/type-text.ts";
import type { Type } from "../../../core/table/types.ts";
import { Entries, type Exact, Instant } from "../lossless/exact-value.ts";
import { BATCH_ROWS, type RowBatch, type RowFault, type SourceRow } from "../made/row-source.ts";
import type { TargetOf } from "../made/targets.ts";
import { findName } from "../target-columns.ts";
import { Unreadable } from "../unreadable.ts";
import { CELL, type CellPlaces, type CellReader, UnreadableCell } from "./cell.ts";
import type { CopiedRows, FeedChange, FeedEvent, FeedMessage } from "./dialect.ts";
import { type Frame, framesOf } from "./frames.ts";
import { isWholeBefore, type TablePlan, type TableShape } from "./table-plan.ts";

/** All rows of the plan's table. Throws Unreadable where there are fewer or more than the segment says. */
export function* feedRows(path: string, plan: TablePlan, target: TargetOf): Generator<RowBatch> {
  const reader = new FeedReader(plan, target);
  let rows: SourceRow[] = [];
  let bytes = 0;
  for (const frame of framesOf(path)) {
    for (const row of reader.rows(frame)) {
      rows.push(row);
      if (rows.length < BATCH_ROWS) continue;
      yield { rows, bytes: bytes + frame.end - frame.start };
      rows = [];
      bytes = 0;
    }
    bytes += frame.end - frame.start;
  }
  if (rows.length > 0) yield { rows, bytes };
  if (reader.received === plan.rowCount) return;
  const found = `the segment holds ${reader.received} rows of ${plan.table}`;
  throw new Unreadable("unreadable", `${found} where it says ${plan.rowCount}`);
}

/** How the values of one column of a shape are read. */
interface ColumnReader {
  readonly name: string;
  /** In the rows. */
  readonly place: number;
  /** Old rows are found by it. */
  readonly isKey: boolean;
  readonly after: CellReader;
  readonly before: CellReader;
}

/** What the rows to come belong to. */
interface Moment {
  readonly position: string | null;
  readonly transaction: string | null;
  readonly committedAt: Exact;
}

const NOWHERE: Moment = { position: null, transaction: null, committedAt: null };
/** The number of a shape in front of what belongs to it. */
const NUMBER_BYTES = 4;
const OF_NO_TABLE = "the table that it is of is not known";

class FeedReader {
  /** Rows so far, those that are set aside among them. */
  #count = 0;
  readonly #plan: TablePlan;
  readonly #readers = new Map<number, readonly ColumnReader[]>();
  readonly #names: readonly string[];
  readonly #places: Readonly<Record<keyof typeof FEED, number>>;
  readonly #message: FeedMessage;
  readonly #event: FeedEvent | null;
  readonly #copied: CopiedRows;
  #moment = NOWHERE;
  /** The frame that said what the rows belong to is damaged. */
  #isLost = false;
  /** Rows that stand in the segment, with an event as one. */
  received = 0;
  /** Changes since the moment, of any table; of a snapshot, rows of its table. */
  #place = 0;

  constructor(plan: TablePlan, target: TargetOf) {
    this.#plan = plan;
    this.#message = plan.dialect.message();
    this.#event = plan.dialect.event();
    this.#copied = plan.dialect.copied();
    this.#names = plan.columns.map(({ name }) => name);
    const at = (name: string): number => this.#names.indexOf(name, plan.ownCount);
    this.#places = {
      op: at(FEED.op),
      position: at(FEED.position),
      transaction: at(FEED.transaction),
      committedAt: at(FEED.committedAt),
      before: at(FEED.before),
      unchanged: at(FEED.unchanged),
    };
    if (plan.late !== null) {
      const { transaction, firstPlace } = plan.late;
      this.#moment = transaction === null ? NOWHERE : momentOf(transaction);
      this.#place = firstPlace;
    }
    const before = target(FEED.before).type;
    for (const [number, shape] of plan.shapes) {
      if (shape !== null) this.#readers.set(number, this.#columnReaders(shape, target, before));
    }
  }

  *rows(frame: Frame): Generator<SourceRow> {
    switch (frame.kind) {
      case FRAME.transaction:
        if (this.#plan.late === null) this.#begin(frame);
        return;
      case FRAME.snapshot:
        yield* this.#beginSnapshot(frame);
        return;
      case FRAME.message: {
        const place = this.#place++;
        const shape = this.#shapeOf(frame);
        if (shape !== null) yield this.#change(frame, shape, place);
        return;
      }
      case FRAME.event:
        yield* this.#changes(frame);
        return;
      case FRAME.rows: {
        const shape = this.#shapeOf(frame);
        if (shape !== null) yield* this.#copies(frame, shape);
        return;
      }
    }
  }

  /** Null: the rows are another table's. Undefined: nobody knows whose they are, and they are set aside here. */
  #shapeOf({ bytes, start }: Frame): TableShape | undefined | null {
    const shape = this.#plan.shapes.get(shapeNumber(bytes, start));
    return shape === undefined && !this.#plan.takesOrphans ? null : shape;
  }

  #begin({ bytes, start, end, isDamaged }: Frame): void {
    this.#place = 0;
    this.#isLost = isDamaged;
    this.#moment = isDamaged ? NOWHERE : momentOf(frameTransaction(bytes.subarray(start, end)));
  }

  /** Rows that stand in for what was there before come behind the truncation that takes it away. */
  *#beginSnapshot({ bytes, start, end, isDamaged }: Frame): Generator<SourceRow> {
    this.#isLost = isDamaged;
    this.#moment = NOWHERE;
    if (isDamaged) return;
    const { position, table, firstRow, replaces } = readSnapshot(
      frameJson(bytes.subarray(start, end)),
    );
    this.#place = firstRow + 1;
    this.#moment = { ...NOWHERE, position };
    if (replaces !== true || table !== this.#plan.table) return;
    const values = this.#blank(0);
    values[this.#places.op] = "t";
    yield this.#row(values, null);
  }

  #change(frame: Frame, table: TableShape | undefined, place: number): SourceRow {
    this.received++;
    const values = this.#blank(place);
    const message = this.#message;
    try {
      message.read(frame.bytes, frame.start + NUMBER_BYTES, frame.end, table?.shape);
      values[this.#places.op] = message.op;
      if (table === undefined) throw new RangeError(OF_NO_TABLE);
      if (message.op !== "t") this.#fill(message, table.shape, values);
      return this.#row(values, this.#faultOf(frame));
    } catch (thrown) {
      return this.#row(values, this.#faultOf(frame) ?? changeFault(thrown));
    }
  }

  /** The rows of an event, up to what is none: that is set aside as one. */
  *#changes(frame: Frame): Generator<SourceRow> {
    const table = this.#shapeOf(frame);
    const event = this.#event;
    if (table === null || event === null) {
      this.#place += this.#countOther(frame);
      return;
    }
    this.received++;
    const fault = this.#faultOf(frame);
    try {
      if (table === undefined) throw new RangeError(OF_NO_TABLE);
      event.open(frame.bytes, frame.start + NUMBER_BYTES, frame.end, table.shape);
      while (event.next()) yield this.#changed(event, table.shape, fault);
    } catch (thrown) {
      yield this.#row(this.#blank(this.#place++), fault ?? changeFault(thrown));
    }
  }

  #changed(event: FeedEvent, shape: SegmentShape, fault: RowFault | null): SourceRow {
    const values = this.#blank(this.#place++);
    values[this.#places.op] = event.op;
    try {
      this.#fill(event, shape, values);
      return this.#row(values, fault);
    } catch (thrown) {
      return this.#row(values, fault ?? changeFault(thrown));
    }
  }

  /** Changes of another table. */
  #countOther({ bytes, start, end }: Frame): number {
    const shape = this.#plan.others.get(shapeNumber(bytes, start));
    if (shape === undefined || this.#event === null) return 1;
    return this.#event.count(bytes, start + NUMBER_BYTES, end, shape);
  }

  #fill(change: FeedChange, shape: SegmentShape, values: Exact[]): void {
    const readers = this.#readersOf(shape);
    const isAll = isWholeBefore(shape);
    const { op, bytes, after, before, hasBefore, isWhole } = change;
    if (hasBefore) checkWidth(before, readers);
    if (op !== "d") checkWidth(after, readers);
    const old: (readonly [string, Exact])[] = [];
    const unchanged: string[] = [];
    for (const [index, column] of readers.entries()) {
      const { name, place } = column;
      const isThere = before.kind(index) !== CELL.unchanged;
      const wasSent = hasBefore && isThere && (isWhole || column.isKey);
      if (wasSent && (isAll || column.isKey)) old.push([name, column.before(bytes, before, index)]);
      if (op === "d") {
        if (wasSent) values[place] = column.after(bytes, before, index);
        continue;
      }
      if (after.kind(index) !== CELL.unchanged) {
        values[place] = column.after(bytes, after, index);
      } else if (hasBefore && isWhole && isThere) {
        values[place] = column.after(bytes, before, index);
      } else unchanged.push(name);
    }
    if (hasBefore) values[this.#places.before] = new Entries(old);
    if (unchanged.length > 0) values[this.#places.unchanged] = unchanged;
  }

  /** The rows of a chunk; where nobody can say how many they are, the segment is unreadable. */
  *#copies(frame: Frame, table: TableShape | undefined): Generator<SourceRow> {
    for (let at = frame.start + NUMBER_BYTES; at < frame.end; ) {
      try {
        at = this.#copied.read(frame.bytes, at, frame.end, table?.shape);
      } catch (thrown) {
        const message = thrown instanceof Error ? thrown.message : String(thrown);
        throw new Unreadable("unreadable", `the rows at byte ${frame.at} are broken: ${message}`);
      }
      yield this.#copy(frame, table);
    }
  }

  #copy(frame: Frame, table: TableShape | undefined): SourceRow {
    this.received++;
    const values = this.#blank(this.#place++);
    values[this.#places.op] = "r";
    try {
      if (table === undefined) throw new RangeError(OF_NO_TABLE);
      const readers = this.#readersOf(table.shape);
      checkWidth(this.#copied.cells, readers);
      for (const [index, column] of readers.entries()) {
        values[column.place] = column.after(frame.bytes, this.#copied.cells, index);
      }
      return this.#row(values, this.#faultOf(frame));
    } catch (thrown) {
      return this.#row(values, this.#faultOf(frame) ?? changeFault(thrown));
    }
  }

  /** The feed's own columns of a row. */
  #blank(place: number): Exact[] {
    const values: Exact[] = this.#names.map(() => null);
    const { position, transaction, committedAt } = this.#moment;
    const at = this.#places;
    values[at.position] = position === null ? null : placeIn(position, place);
    values[at.transaction] = transaction;
    values[at.committedAt] = committedAt;
    return values;
  }

  #row(values: readonly Exact[], fault: RowFault | null): SourceRow {
    this.#count++;
    return { row: this.#count, values, fault };
  }

  #faultOf({ at, isDamaged }: Frame): RowFault | null {
    if (isDamaged) return parseFault(`the check sum of the frame at byte ${at} is wrong`);
    if (!this.#isLost) return null;
    return parseFault("what says which transaction it belongs to is damaged");
  }

  #readersOf({ shape }: SegmentShape): readonly ColumnReader[] {
    return this.#readers.get(shape) ?? [];
  }

  #columnReaders(
    { shape, places }: TableShape,
    target: TargetOf,
    before: Type,
  ): readonly ColumnReader[] {
    const fields = before.kind === "struct" ? before.fields : [];
    const fieldNames = fields.map((field) => field.name);
    const { dialect } = this.#plan;
    return shape.columns.map(({ wire, key }, index) => {
      const place = places[index] ?? -1;
      const name = this.#names[place] ?? "";
      const field = fields[findName(fieldNames, name)];
      const { type, isRedacted } = target(name);
      return {
        name,
        place,
        isKey: key,
        after: dialect.cellReader(name, wire, type),
        before: isRedacted ? () => null : dialect.cellReader(name, wire, field?.type ?? STRING),
      };
    });
  }
}

/** A message that is part of no transaction has none, and no time. */
function momentOf({ position, xid, committedAt }: SegmentTransaction): Moment {
  const micros = BigInt(committedAt);
  return {
    position,
    transaction: xid === "0" ? null : xid,
    committedAt: micros === 0n ? null : new Instant(micros, 0, true),
  };
}

function checkWidth(cells: CellPlaces, readers: readonly ColumnReader[]): void {
  if (cells.count === readers.length) return;
  throw new RangeError(`a row of ${cells.count} values where ${readers.length} belong`);
}

function changeFault(thrown: unknown): RowFault {
  if (thrown instanceof UnreadableCell) {
    return { reason: thrown.reason, column: thrown.column, message: thrown.message };
  }
  if (!(thrown instanceof RangeError)) throw thrown;
  return parseFault(thrown.message);
}

function parseFault(message: string): RowFault {
  return { reason: "parse", column: null, message };
}
