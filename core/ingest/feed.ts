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

/**
 * Columns of what a broker hands over, behind the feed's own: where a record stands, and what it carries beside its
 * value.
 */
export const RECORD = {
  key: "_key",
  partition: "_partition",
  offset: "_offset",
  timestamp: "_timestamp",
  headers: "_headers",
} as const;

/** Debezium's: created, updated, deleted, read by a snapshot, truncated, a message that is about no row. */
export type FeedOp = "c" | "u" | "d" | "r" | "t" | "m";

const RECORD_NAMES: ReadonlySet<string> = new Set(Object.values(RECORD));
const FEED_NAMES: ReadonlySet<string> = new Set(Object.values(FEED));
const TIMESTAMPTZ: Type = { kind: "primitive", name: "timestamptz" };
const NAMES: Type = { kind: "list", elementId: 0, elementRequired: false, element: STRING };
const BINARY: Type = { kind: "primitive", name: "binary" };
/** A value that is no text stands in `bytes`. */
const HEADERS: Type = {
  kind: "list",
  elementId: 0,
  elementRequired: false,
  element: {
    kind: "struct",
    fields: [
      { id: 0, name: "name", required: false, type: STRING },
      { id: 0, name: "value", required: false, type: STRING },
      { id: 0, name: "bytes", required: false, type: BINARY },
    ],
  },
};

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

/** What a key is, and what a value is of which nothing is known: text, or bytes. */
export type RecordText = "text" | "bytes";

/** What a key is that nothing else says the type of. */
export function keyType(keys: RecordText): Type {
  return keys === "text" ? STRING : BINARY;
}

/** The columns of records whose keys are of this type. */
export function recordColumns(key: Type): readonly Column[] {
  return [
    { name: RECORD.key, type: key },
    { name: RECORD.partition, type: { kind: "primitive", name: "int" } },
    { name: RECORD.offset, type: { kind: "primitive", name: "long" } },
    { name: RECORD.timestamp, type: TIMESTAMPTZ },
    { name: RECORD.headers, type: HEADERS },
  ];
}

/** What a field of a record is called: one like a column of records or feeds has another name. */
export function recordName(name: string): string {
  return RECORD_NAMES.has(name.toLowerCase()) ? `source${name}` : feedName(name);
}

/** What a column of the table is called in its feed: a column like one of the feed's own has another name. */
export function feedName(name: string): string {
  return FEED_NAMES.has(name.toLowerCase()) ? `source${name}` : name;
}

/** True for a column that says what happened, not what the row holds. */
export function isFeedColumn(name: string): boolean {
  return FEED_NAMES.has(name.toLowerCase());
}

/** The same of a table with these columns: where it is one of records, what a broker says of them counts too. */
export function saidOfChanges(names: readonly string[]): (name: string) => boolean {
  const has = new Set(names.map((name) => name.toLowerCase()));
  const isOfRecords = [FEED.op, FEED.position, RECORD.partition, RECORD.offset].every((name) =>
    has.has(name),
  );
  return (name) => isFeedColumn(name) || (isOfRecords && RECORD_NAMES.has(name.toLowerCase()));
}

/** Sorts rows of one transaction, or of one snapshot, behind its position. */
export function placeIn(position: string, place: number): string {
  return `${position}-${place.toString(16).padStart(8, "0")}`;
}
