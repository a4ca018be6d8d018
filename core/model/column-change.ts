/** Whether columns that an input got since a model ran change what its query says of rows that were there before. */

import type { ColumnUse } from "../engine.ts";
import { ROW_COLUMN } from "../table/system-columns.ts";
import { sameType } from "../table/type-text.ts";
import type { Field, Schema, TableName } from "../table/types.ts";

export interface ColumnChange {
  readonly table: TableName;
  /** As the model read it; null where that is not known any more. */
  readonly before: Schema | null;
  readonly after: Schema;
  /** Of the query, its tests and the views that it reads. */
  readonly uses: readonly ColumnUse[];
  /** Of its other inputs. */
  readonly others: readonly Schema[];
}

/**
 * Why a delta would not be exact; null when it is. A new column that nothing names gives older rows a NULL more at
 * most; one that is named, or taken otherwise than by a plain `*`, may be what a name did not mean before.
 */
export function columnsChanged(change: ColumnChange): string | null {
  const { table, before, after, uses, others } = change;
  if (before === null) return `the columns of ${table} are not known as they were`;
  if (before === after) return null;
  const fieldById = new Map(before.fields.map((field) => [field.id, field]));
  const old = after.fields.flatMap((field) => fieldById.get(field.id) ?? []).filter(isTold);
  const kept = after.fields.filter((field) => fieldById.has(field.id)).filter(isTold);
  const other = before.fields.filter(isTold).find((field) => !old.includes(field));
  if (other !== undefined) {
    const isThere = after.fields.some((field) => field.name === other.name);
    return isThere
      ? `the column ${other.name} of ${table} changed`
      : `${table} has no column ${other.name} any more`;
  }
  const differs = kept.find((field) => !isSame(field, fieldById.get(field.id)));
  if (differs !== undefined) return `the column ${differs.name} of ${table} changed`;
  const added = after.fields.filter((field) => !fieldById.has(field.id)).filter(isTold);
  const taken = new Set([
    ...uses.flatMap((use) => use.words),
    ...others.flatMap((schema) => schema.fields.map((field) => field.name.toLowerCase())),
  ]);
  const isUnnamed = uses.some((use) => use.unnamed);
  const seen = added.find((field) => isUnnamed || taken.has(field.name.toLowerCase()));
  return seen === undefined ? null : `${table} has a new column ${seen.name}, which is read`;
}

/** `_row` is made real by a compaction: it was there before. */
function isTold(field: Field): boolean {
  return field.name !== ROW_COLUMN.name;
}

function isSame(field: Field, before: Field | undefined): boolean {
  return before !== undefined && field.name === before.name && sameType(field.type, before.type);
}
