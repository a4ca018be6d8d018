/** What all who read Avro files share: how a file begins, and the words of schemas. Avro 1.12 spec. */

export type AvroPrimitive =
  | "null"
  | "boolean"
  | "int"
  | "long"
  | "float"
  | "double"
  | "bytes"
  | "string";

/** The first four bytes, as characters. */
export const AVRO_MAGIC = "Obj\u0001";
/** Of the marker behind the header and behind every block. */
export const AVRO_SYNC_BYTES = 16;

const PRIMITIVES: ReadonlySet<string> = new Set([
  "null",
  "boolean",
  "int",
  "long",
  "float",
  "double",
  "bytes",
  "string",
]);

export function isAvroPrimitive(name: string): name is AvroPrimitive {
  return PRIMITIVES.has(name);
}
