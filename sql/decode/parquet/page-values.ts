/** The values of one page as they are stored, by their encoding. Encodings.md of Parquet. */

import { deltaBinaryUnpack } from "hyparquet/src/delta.js";
import { byteStreamSplit } from "hyparquet/src/encoding.js";
import { readPlain } from "hyparquet/src/plain.js";
import { ByteReader } from "./byte-reader.ts";
import type { Leaf } from "./footer.ts";
import { readRuns } from "./runs.ts";

/** A value as the file stores it. */
export type Stored = boolean | number | bigint | Uint8Array;

/** More values in one block of differences nobody writes. */
const BLOCK_VALUES_MAX = 1024 * 1024;

/** The encodings whose numbers are places in a dictionary. */
export function isPlaced(encoding: string | undefined): boolean {
  return encoding === "PLAIN_DICTIONARY" || encoding === "RLE_DICTIONARY";
}

/** `count` values. Throws RangeError, or another error for bytes that are no such values. */
export function pageValues(
  bytes: Uint8Array,
  encoding: string | undefined,
  leaf: Leaf,
  count: number,
): ArrayLike<Stored> {
  if (count === 0) return [];
  if (isPlaced(encoding)) return readRuns(bytes.subarray(1), bytes[0] ?? 0, count);
  switch (encoding) {
    case "PLAIN":
      return plainValues(bytes, leaf, count);
    case "RLE":
      return booleans(bytes, leaf, count);
    case "BYTE_STREAM_SPLIT":
      return byteStreamSplit(viewOf(bytes), count, leaf.physical, leaf.lengthBytes);
    case "DELTA_BINARY_PACKED":
      return differences(viewOf(bytes), leaf.physical === "INT32" ? "INT32" : "INT64", count);
    case "DELTA_LENGTH_BYTE_ARRAY":
      return [...texts(viewOf(bytes), count)];
    case "DELTA_BYTE_ARRAY":
      return continued(viewOf(bytes), count);
    default:
      throw new RangeError(`its values have the encoding ${encoding}, which is not read`);
  }
}

/** As they are in a dictionary too. */
export function plainValues(bytes: Uint8Array, leaf: Leaf, count: number): ArrayLike<Stored> {
  return readPlain(viewOf(bytes), leaf.physical, count, leaf.lengthBytes);
}

interface View {
  readonly view: DataView;
  offset: number;
}

function viewOf(bytes: Uint8Array): View {
  return { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: 0 };
}

function booleans(bytes: Uint8Array, leaf: Leaf, count: number): boolean[] {
  if (leaf.physical !== "BOOLEAN") throw new RangeError("its values are runs, and no booleans");
  const reader = new ByteReader(bytes);
  const runs = readRuns(reader.take(reader.little(4)), 1, count);
  return Array.from(runs, (bit) => bit === 1);
}

function differences(
  reader: View,
  type: "INT32" | "INT64",
  count: number,
): Int32Array | BigInt64Array {
  proveBlocks(reader, count);
  const values = type === "INT32" ? new Int32Array(count) : new BigInt64Array(count);
  deltaBinaryUnpack(reader, count, values);
  return values;
}

/** What a page says of its blocks is what they are cut by. */
function proveBlocks({ view, offset }: View, count: number): void {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, view.byteLength - offset);
  const reader = new ByteReader(bytes);
  const [block, parts, total] = [reader.varint(), reader.varint(), reader.varint()];
  if (total !== count) throw new RangeError(`a page has ${total} differences for ${count} values`);
  const isCut = parts > 0 && block % (parts * 8) === 0;
  if (!isCut || block > BLOCK_VALUES_MAX) throw new RangeError("a page has impossible blocks");
}

function* texts(reader: View, count: number): Generator<Uint8Array> {
  const lengths = differences(reader, "INT32", count);
  for (const length of lengths) yield taken(reader, Number(length));
}

/** Each begins as the one before. */
function continued(reader: View, count: number): Uint8Array[] {
  const starts = differences(reader, "INT32", count);
  let before: Uint8Array = new Uint8Array();
  return Array.from(texts(reader, count), (rest, index) => {
    const start = Number(starts[index]);
    if (start < 0 || start > before.length) throw new RangeError("a value goes on from nothing");
    before = start === 0 ? rest : Buffer.concat([before.subarray(0, start), rest]);
    return before;
  });
}

function taken(reader: View, length: number): Uint8Array {
  const { view, offset } = reader;
  if (length < 0 || offset + length > view.byteLength) throw new RangeError("a page ends early");
  reader.offset += length;
  return new Uint8Array(view.buffer, view.byteOffset + offset, length);
}
