/** What reads values of one schema, whatever the schema is written in. */

import type { Type } from "../../../core/table/types.ts";
import type { Types } from "../envelope/change.ts";
import type { Entries, Exact } from "../lossless/exact-value.ts";

export interface SchemaReader {
  /** Of a value as a whole. */
  readonly type: Type;
  /** Of its fields; what is no record has the one field `value`. */
  readonly types: Types;
  /** Of the fields of one of its fields; none where that is no record. */
  typesOf(field: string): Types;
  /** Throws EnvelopeFault. */
  whole(bytes: Buffer): Exact;
  fields(bytes: Buffer): Entries;
}

/**
 * What bytes are that name the schema: which of its types, and the value behind the words that say so. Throws
 * EnvelopeFault.
 */
export type Compiled = (bytes: Buffer) => {
  readonly reader: SchemaReader;
  readonly bytes: Buffer;
};
