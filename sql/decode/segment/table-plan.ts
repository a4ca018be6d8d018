/** What a segment says of one of its tables: its columns over all of its shapes, and which rows are its own. */

import { parseTypeText } from "../../../core/config/type-text.ts";
import type { ObservedColumn } from "../../../core/engine.ts";
import { widen } from "../../../core/ingest/contract-rules.ts";
import { feedColumns, feedName } from "../../../core/ingest/feed.ts";
import {
  FRAME,
  frameJson,
  readEnd,
  readHeader,
  readShape,
  readTransaction,
  type SegmentEnd,
  type SegmentShape,
  type SegmentTransaction,
  shapeNumber,
} from "../../../core/ingest/segment.ts";
import { STRING } from "../../../core/table/type-text.ts";
import type { Column, Type } from "../../../core/table/types.ts";
import { columnNames } from "../prepared.ts";
import { Unreadable } from "../unreadable.ts";
import type { FeedDialect } from "./dialect.ts";
import { dialectOf } from "./dialects.ts";
import { type Frame, framesOf } from "./frames.ts";

export interface TablePlan {
  /** How its rows are read. */
  readonly dialect: FeedDialect;
  /** `schema.table`. */
  readonly table: string;
  /** The columns of its feed: names are those of the rows, types hold what its shapes say. */
  readonly columns: readonly Column[];
  /** How many of them are the table's own: the first ones. */
  readonly ownCount: number;
  /** By number: where each column of a shape stands among the own ones; null: a shape of another table. */
  readonly shapes: ReadonlyMap<number, TableShape | null>;
  /** Shapes of other tables whose events are to be counted: changes of this one stand behind them. */
  readonly others: ReadonlyMap<number, SegmentShape>;
  /** Frames that say of no table that they are its own are set aside with this one's. */
  readonly takesOrphans: boolean;
  /** Rows that the segment says it holds of the table, with an event as one. */
  readonly rowCount: number;
  /** What all of its changes belong to, where the segment says so behind them; null: it says so before they come. */
  readonly late: LateTransaction | null;
}

/** A transaction whose changes came before it was committed. */
export interface LateTransaction {
  /** Its frames in segments before this one. */
  readonly firstPlace: number;
  /** Null: it is not committed, and the segment has no end. */
  readonly transaction: SegmentTransaction | null;
}

export interface TableShape {
  readonly shape: SegmentShape;
  readonly places: readonly number[];
}

/**
 * Throws Unreadable for a segment that is not whole, or where nobody says which of its tables is meant. `coming` are
 * the rows by table of one whose end is not written.
 */
export function planTable(
  path: string,
  wanted: string | null,
  coming: SegmentEnd["rows"] | null = null,
): TablePlan {
  const { shapes, end, kind, mixed, late } = readShapes(path, coming);
  const tables = new Set([...shapes.map(tableOf), ...Object.keys(end.rows)]);
  const table = wanted ?? onlyTable(tables);
  const own = ownColumns(shapes.filter((shape) => tableOf(shape) === table));
  const names = columnNames(own.map(({ name }) => feedName(name)));
  const placeByName = new Map(own.map(({ name }, place) => [name, place]));
  const columns = own.map(({ type }, place) => ({ name: names[place] ?? "", type }));
  const before = own.flatMap(({ isBefore }, place) => (isBefore ? (columns[place] ?? []) : []));
  return {
    dialect: dialectOf(kind),
    table,
    columns: feedColumns(columns, before),
    ownCount: own.length,
    shapes: new Map(
      shapes.map((shape) => [
        shape.shape,
        tableOf(shape) === table
          ? { shape, places: shape.columns.map(({ name }) => placeByName.get(name) ?? -1) }
          : null,
      ]),
    ),
    others: new Map(
      mixed.has(table)
        ? shapes.flatMap((shape) => (tableOf(shape) === table ? [] : [[shape.shape, shape]]))
        : [],
    ),
    takesOrphans: Object.keys(end.rows)[0] === table,
    rowCount: end.rows[table] ?? 0,
    late,
  };
}

/** The columns as the shapes have them: a segment says its types itself. */
export function observed({ columns }: TablePlan): readonly ObservedColumn[] {
  return columns.map(({ name, type }) => ({ name, type, unseen: false }));
}

interface OwnColumn {
  readonly name: string;
  readonly type: Type;
  /** It is sent of old rows. */
  readonly isBefore: boolean;
}

function tableOf({ schema, table }: SegmentShape): string {
  return `${schema}.${table}`;
}

function onlyTable(tables: ReadonlySet<string>): string {
  const [only, ...others] = tables;
  if (only !== undefined && others.length === 0) return only;
  const found = tables.size === 0 ? "no table" : [...tables].join(", ");
  throw new Unreadable("unreadable", `a segment of a stream, which holds ${found}`);
}

/** True where `_before` holds all of an old row, and not only what it is found by. */
export function isWholeBefore({
  columns,
  identity,
}: Pick<SegmentShape, "columns" | "identity">): boolean {
  return identity === "full" || !columns.some(({ key }) => key);
}

/** Columns of all shapes, in the order in which they came. */
function ownColumns(shapes: readonly SegmentShape[]): readonly OwnColumn[] {
  const byName = new Map<string, OwnColumn>();
  for (const { columns, identity } of shapes) {
    const isAll = isWholeBefore({ columns, identity });
    for (const { name, type: text, key } of columns) {
      const parsed = parseTypeText(text);
      const type = parsed.kind === "type" ? parsed.type : STRING;
      const known = byName.get(name);
      byName.set(name, {
        name,
        type: known === undefined ? type : widen(known.type, type),
        isBefore: isAll || key || known?.isBefore === true,
      });
    }
  }
  return [...byName.values()];
}

/** Frames that rows are in, which are looked at by whoever reads them. */
const ROWS: ReadonlySet<number> = new Set([
  FRAME.transaction,
  FRAME.message,
  FRAME.event,
  FRAME.rows,
]);

interface Shapes {
  readonly shapes: readonly SegmentShape[];
  readonly end: SegmentEnd;
  readonly kind: string;
  /** Tables that changed together with others. */
  readonly mixed: ReadonlySet<string>;
  readonly late: LateTransaction | null;
}

/** The shapes and the end; a shape that is damaged is not there, and its rows are set aside. */
function readShapes(path: string, coming: SegmentEnd["rows"] | null): Shapes {
  const shapes: SegmentShape[] = [];
  const tables = new Map<number, string>();
  const mixed = new Set<string>();
  let end: SegmentEnd | null = null;
  let kind = "";
  let firstPlace: number | null = null;
  let transaction: SegmentTransaction | null = null;
  /** The shape of the first change of the transaction. */
  let first: number | null = null;
  const passed = new Set(ROWS);
  for (const frame of framesOf(path, passed)) {
    end = null;
    if (frame.kind === FRAME.transaction) {
      first = null;
      const isMeant = firstPlace !== null && !frame.isDamaged;
      if (isMeant) transaction = readTransaction(jsonOf(frame));
    } else if (frame.kind === FRAME.event || frame.kind === FRAME.message) {
      const number = shapeNumber(frame.bytes, frame.start);
      first ??= number;
      if (number !== first) {
        const [one = "", other = ""] = [tables.get(first), tables.get(number)];
        if (one !== other) mixed.add(one).add(other);
      }
    } else if (frame.isDamaged) continue;
    else if (frame.kind === FRAME.header) {
      const header = readHeader(jsonOf(frame));
      kind = header.kind;
      firstPlace = header.late?.firstPlace ?? null;
      // All of it hangs on that one.
      if (firstPlace !== null) passed.delete(FRAME.transaction);
    } else if (frame.kind === FRAME.shape) {
      const shape = readShape(jsonOf(frame));
      shapes.push(shape);
      tables.set(shape.shape, tableOf(shape));
    } else if (frame.kind === FRAME.end) end = readEnd(jsonOf(frame));
  }
  if (end === null && coming !== null) end = { to: "", frames: 0, rows: coming };
  if (end === null) throw new Unreadable("unreadable", "the segment does not end as one does");
  if (firstPlace === null) return { shapes, end, kind, mixed, late: null };
  if (transaction === null && coming === null) {
    throw new Unreadable("unreadable", "the segment does not say what its changes belong to");
  }
  return { shapes, end, kind, mixed, late: { firstPlace, transaction } };
}

function jsonOf({ bytes, start, end }: Frame) {
  return frameJson(bytes.subarray(start, end));
}
