/** Which columns of a table can be compared with what landed of them: those of its key, and others. */

import { digestForm } from "../../core/ingest/digest-form.ts";
import { feedName } from "../../core/ingest/feed.ts";
import type { ComparedColumn, CountAsk, CountedTable } from "../../core/ingest/reconcile.ts";

/** A column as its server has it. */
export interface ThereColumn {
  readonly name: string;
  /** The type that it lands as, in the words of `columns:`; null for one whose text cannot be asked for. */
  readonly natural: string | null;
  /** Its place in the primary key; null: it is not in it. */
  readonly keyPlace: number | null;
}

/** Or why the table cannot be compared. Columns that have not landed do not count. */
export function comparedColumns(
  { columns: landed }: CountAsk,
  columns: readonly ThereColumn[],
): Pick<CountedTable, "key" | "values" | "uncompared"> | string {
  const landedByName = new Map(landed.map((column) => [column.name, column]));
  const key: (readonly [place: number, column: ComparedColumn])[] = [];
  const values: ComparedColumn[] = [];
  const uncompared: string[] = [];
  for (const { name, natural, keyPlace } of columns) {
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
