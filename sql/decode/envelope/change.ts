/** A change of a row as a tool for change data capture tells it, whatever it wraps it in. */

import type { FeedOp } from "../../../core/ingest/feed.ts";
import type { Type } from "../../../core/table/types.ts";
import type { JsonNode, JsonObjectNode } from "../json/parse.ts";
import { textOf } from "../json/parse.ts";
import type { Entries, Exact } from "../lossless/exact-value.ts";

/** How a field is read that the envelope says the type of. */
export interface FieldType {
  readonly type: Type;
  /** The value for a place of `type`, which may be another than the field's. Throws EnvelopeFault. */
  read(node: JsonNode, type: Type): Exact;
}

/** A value that is decoded already: its type is said beside it. */
export interface ExactNode {
  readonly kind: "exact";
  readonly value: Exact;
}

export type FieldNode = JsonNode | ExactNode;
export type Fields = ReadonlyMap<string, FieldNode>;

export interface Change {
  readonly op: FeedOp;
  /** `schema.table`, or `database.table`; null where it is not said. */
  readonly table: string | null;
  /** Sorts as the changes of one row are ordered; two that are equal follow one another as they stand. */
  readonly position: string;
  readonly transaction: string | null;
  /** Microseconds since 1970. */
  readonly committedAt: bigint | null;
  readonly before: Fields | null;
  readonly after: Fields | null;
  /** Names of fields whose value was not sent, for it did not change. */
  readonly unchanged: readonly string[];
  /** By name; of fields that are not here, the values say what they are. */
  readonly types: ReadonlyMap<string, FieldType>;
}

/** Of a row that is decoded already: the values say themselves what they are. */
export type Types = ReadonlyMap<string, FieldType>;

/** The changes that a value tells of, or in words what else it is: such as `tombstone`. Throws EnvelopeFault. */
export type Envelope = (node: JsonNode) => readonly Change[] | string;

/** A value that is no envelope, or not a whole one. */
export class EnvelopeFault extends Error {
  readonly column: string | null;

  constructor(message: string, column: string | null = null) {
    super(message);
    this.column = column;
  }
}

export const NO_TYPES: ReadonlyMap<string, FieldType> = new Map();

/** A field that is an object; null where it is NULL or missing. Throws EnvelopeFault for anything else. */
export function objectAt(node: JsonObjectNode, key: string): JsonObjectNode | null {
  const found = node.entries.get(key);
  if (found === undefined || found.kind === "null") return null;
  if (found.kind === "object") return found;
  throw new EnvelopeFault(`${key} is no object`);
}

/** The fields of a row. Throws EnvelopeFault where one stands twice. */
export function fieldsOf(node: JsonObjectNode | null): Fields | null {
  if (node === null) return null;
  if (node.repeated !== null) throw new EnvelopeFault(`${node.repeated} stands twice`);
  return node.entries;
}

/** The fields of a row that is decoded already. */
export function madeFields({ pairs }: Entries): Fields {
  return new Map(pairs.map(([name, value]) => [name, { kind: "exact", value }]));
}

/** A text, or a number as its text; null for anything else. */
export function textAt(node: JsonObjectNode | null, key: string): string | null {
  const found = node?.entries.get(key);
  if (found === undefined || (found.kind !== "string" && found.kind !== "number")) return null;
  return textOf(found);
}

/** A whole number, which may be written as a text. */
export function integerAt(node: JsonObjectNode | null, key: string): bigint | null {
  const text = textAt(node, key);
  return text !== null && /^-?\d+$/.test(text) ? BigInt(text) : null;
}

/** So many digits that numbers of 64 bits sort as they are. */
export function sorted(value: bigint): string {
  return value.toString(16).padStart(16, "0");
}

/** `shop.orders`; null where no part of it is said. */
export function tableName(...parts: readonly (string | null)[]): string | null {
  const said = parts.filter((part) => part !== null && part !== "");
  return said.length === 0 ? null : said.join(".");
}
