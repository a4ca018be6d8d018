/** Change feeds in bronze: the columns that say what happened to a row, beside the table's own. */

import { STRING } from "../table/type-text.ts";
import type { Column, Type } from "../table/types.ts";

/**
 * Columns of every feed, behind the table's own. `_op` is one of Debezium's letters; `_position` sorts as the feed is
 * ordered; `_transaction` names the transaction and `_committed_at` says when it was committed; `_before` holds what
 * was sent of the old row; `_unchanged` names columns whose value was not sent, for it did not change.
 */
export const FEED = {
  op: "_op",
  position: "_position",
  transaction: "_transaction",
  committedAt: "_committed_at",
  before: "_before",
  unchanged: "_unchanged",
} as const;

/** Debezium's: created, updated, deleted, read by a snapshot, truncated, a message that is about no row. */
export type FeedOp = "c" | "u" | "d" | "r" | "t" | "m";

const FEED_NAMES: ReadonlySet<string> = new Set(Object.values(FEED));
const TIMESTAMPTZ: Type = { kind: "primitive", name: "timestamptz" };
const NAMES: Type = { kind: "list", elementId: 0, elementRequired: false, element: STRING };

/** The columns of a feed: those of its table, then its own. `before` are those that are sent of old rows. */
export function feedColumns(own: readonly Column[], before: readonly Column[]): readonly Column[] {
  const fields = before.map(({ name, type }) => ({ id: 0, name, required: false, type }));
  return [
    ...own,
    { name: FEED.op, type: STRING },
    { name: FEED.position, type: STRING },
    { name: FEED.transaction, type: STRING },
    { name: FEED.committedAt, type: TIMESTAMPTZ },
    ...(fields.length === 0
      ? []
      : [{ name: FEED.before, type: { kind: "struct", fields } as const }]),
    { name: FEED.unchanged, type: NAMES },
  ];
}

/** What a column of the table is called in its feed: a column like one of the feed's own has another name. */
export function feedName(name: string): string {
  return FEED_NAMES.has(name.toLowerCase()) ? `source${name}` : name;
}

/** True for a column that says what happened, not what the row holds. */
export function isFeedColumn(name: string): boolean {
  return FEED_NAMES.has(name.toLowerCase());
}

/** Sorts rows of one transaction, or of one snapshot, behind its position. */
export function placeIn(position: string, place: number): string {
  return `${position}-${place.toString(16).padStart(8, "0")}`;
}
