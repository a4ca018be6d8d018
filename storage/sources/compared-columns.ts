/** Which columns of a table can be compared with what landed of them: those of its key, and others. */

import { digestForm } from "../../core/ingest/digest-form.ts";
import { feedName } from "../../core/ingest/feed.ts";
import type {
  ComparedColumn,
  CountAsk,
  CountedTable,
  CursorBound,
} from "../../core/ingest/reconcile.ts";

/** A column as its server has it. */
export interface ThereColumn {
  readonly name: string;
  /** The type that it lands as, in the words of `columns:`; null for one whose text cannot be asked for. */
  readonly natural: string | null;
  /** Its place in the primary key; null: it is not in it. */
  readonly keyPlace: number | null;
}

/** How a table is counted that is not read change by change. */
export interface CountedBy {
  /** Columns that name a row; empty: its primary key does. */
  readonly key: readonly string[];
  /** The column by which what is new is asked for; null: all rows are read. */
  readonly cursor: string | null;
}

const BY_KEY: CountedBy = { key: [], cursor: null };

/** Or why the table cannot be compared. Columns that have not landed do not count. */
export function comparedColumns(
  { columns: landed }: CountAsk,
  columns: readonly ThereColumn[],
  { key: given }: CountedBy = BY_KEY,
): Pick<CountedTable, "key" | "values" | "uncompared"> | string {
  const landedByName = new Map(landed.map((column) => [column.name, column]));
  const key: (readonly [place: number, column: ComparedColumn])[] = [];
  const values: ComparedColumn[] = [];
  const uncompared: string[] = [];
  for (const { name, natural, ...column } of columns) {
    const place = given.indexOf(name);
    const keyPlace = given.length === 0 ? column.keyPlace : place < 0 ? null : place;
    const here = landedByName.get(name) ?? landedByName.get(feedName(name));
    if (here === undefined && keyPlace !== null) return `${name} of its key has not landed`;
    if (here === undefined) continue;
    const form = natural === null ? null : digestForm(natural, here.type);
    if (form === null && keyPlace !== null) {
      return `values of its key ${name} have no text that is the same on both sides`;
    }
    if (form === null) uncompared.push(name);
    else if (keyPlace === null) values.push({ name, here: here.here, form });
    else key.push([keyPlace, { name, here: here.here, form }]);
  }
  if (key.length === 0) return "it has no primary key";
  const ordered = key.toSorted(([a], [b]) => a - b).map(([, column]) => column);
  return { key: ordered, values, uncompared };
}

/** Values that both sides order alike. */
const ORDERED: ReadonlySet<string> = new Set(["whole", "decimal", "days", "micros"]);

/**
 * The rows that count of a table that is asked by a cursor, whose greatest value `greatest` asks for; null where it is
 * asked by none, a text where its rows cannot be told apart by it.
 */
export async function boundOf(
  { key, values }: Pick<CountedTable, "key" | "values">,
  { cursor }: CountedBy,
  greatest: (name: string) => Promise<string | null>,
  ordered: ReadonlySet<string> = ORDERED,
): Promise<CursorBound | string | null> {
  if (cursor === null) return null;
  const column = [...key, ...values].find(({ name }) => name === cursor);
  if (column === undefined || !ordered.has(column.form.kind)) {
    return `values of its cursor ${cursor} are not ordered alike on both sides`;
  }
  const until = await greatest(cursor);
  return until !== null && /infinity$/.test(until)
    ? `its cursor ${cursor} has no greatest value`
    : { column, until };
}
