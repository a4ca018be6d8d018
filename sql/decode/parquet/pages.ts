/** The pages of one column of a Parquet file, read one after the other: levels, and values as they are stored. */

import { readSync } from "node:fs";
import { brotliDecompressSync, crc32, gunzipSync, zstdDecompressSync } from "node:zlib";
import { parquetHeader } from "hyparquet/src/column.js";
import { errorText } from "../../../core/base/errors.ts";
import { lz4Block, lz4Frames } from "../../../core/base/lz4.ts";
import { snappyBlock } from "../../../core/base/snappy.ts";
import { PARQUET_PAGE_BYTES_MAX, PARQUET_PAGE_VALUES_MAX } from "../../../core/limits.ts";
import { Unreadable } from "../unreadable.ts";
import { ByteReader } from "./byte-reader.ts";
import type { Chunk, Leaf, ParquetNode } from "./footer.ts";
import { isPlaced, pageValues, plainValues, type Stored } from "./page-values.ts";
import { type Numbers, readRuns } from "./runs.ts";

export interface Page {
  readonly count: number;
  /** Null where every entry has the same: 0, or the highest definition. */
  readonly repetitions: Numbers | null;
  readonly definitions: Numbers | null;
  /** Values that are there: themselves, or their places in the dictionary. */
  readonly values: ArrayLike<Stored>;
  readonly dictionary: readonly Stored[] | null;
  readonly plainBytes: number;
}

type Header = ReturnType<typeof parquetHeader>;
type Unpack = (packed: Uint8Array, length: number) => Uint8Array;

/** How the pages of a chunk are read. */
interface Column {
  readonly leaf: Leaf;
  readonly unpack: Unpack;
  /** Levels of a value that is there. */
  readonly definition: number;
  readonly depth: number;
}

const HEADER_BYTES_FIRST = 16 * 1024;
const HEADER_BYTES_MAX = 16 * 1024 * 1024;
/** Larger ones are held in memory at a cost that no file is worth. */
const DICTIONARY_MAX = 2 ** 24;

const CODECS = [
  "UNCOMPRESSED",
  "SNAPPY",
  "GZIP",
  "LZO",
  "BROTLI",
  "LZ4",
  "ZSTD",
  "LZ4_RAW",
] as const;

/** The pages of a chunk. Throws Unreadable, or another error for bytes that are no page. */
export function* chunkPages(file: number, chunk: Chunk, leaf: Leaf): Generator<Page> {
  if (chunk.fault !== null)
    throw new Unreadable("unreadable", `column ${leaf.path} ${chunk.fault}`);
  const column = columnOf(chunk, leaf);
  const end = chunk.start + chunk.sizeBytes;
  let dictionary: readonly Stored[] | null = null;
  let [at, left] = [chunk.start, chunk.values];
  while (left > 0) {
    const { header, length } = pageHeader(file, at, end);
    const start = at + length;
    const packed = read(file, start, header.compressed_page_size, end);
    at = start + packed.length;
    checkSum(header, packed);
    if (header.type === "DICTIONARY_PAGE") dictionary = dictionaryOf(header, packed, column);
    if (header.type !== "DATA_PAGE" && header.type !== "DATA_PAGE_V2") continue;
    left -= countOf(header);
    if (left < 0) throw new RangeError("its pages hold more values than its row group says");
    yield dataPage(header, packed, column, dictionary);
  }
}

/** Every value that is there, whatever it is in. Throws Unreadable. */
export function* storedValues(
  file: number,
  chunks: readonly Chunk[],
  { leaf }: ParquetNode,
): Generator<Stored> {
  if (leaf === null) return;
  for (const [group, chunk] of chunks.entries()) {
    try {
      for (const { values, dictionary } of chunkPages(file, chunk, leaf)) {
        for (let index = 0; index < values.length; index++) {
          const value = values[index];
          const stored = dictionary === null ? value : dictionary[Number(value)];
          if (stored === undefined) throw new RangeError("a page has fewer values than it says");
          yield stored;
        }
      }
    } catch (thrown) {
      throw brokenColumn(leaf, group, thrown);
    }
  }
}

function columnOf(chunk: Chunk, leaf: Leaf): Column {
  const codec = CODECS[chunk.codec];
  if (codec === undefined || codec === "LZO") {
    const text = `column ${leaf.path} is packed by ${codec ?? `codec ${chunk.codec}`}, which is not read`;
    throw new Unreadable("unreadable", `${text}; write the file with zstd or snappy`);
  }
  const levels = leaf.repetitions;
  return {
    leaf,
    unpack: UNPACK[codec],
    definition: levels.filter((repetition) => repetition !== "required").length,
    depth: levels.filter((repetition) => repetition === "repeated").length,
  };
}

/** How pages are unpacked, into exactly their own bytes: what reads beyond them has to fail. */
const UNPACK = {
  UNCOMPRESSED: (packed: Uint8Array) => packed,
  SNAPPY: exactly((packed, length) => snappyBlock(packed, length) ?? NO_BYTES),
  GZIP: exactly((packed, length) => gunzipSync(packed, { maxOutputLength: length + 1 })),
  BROTLI: exactly((packed, length) =>
    brotliDecompressSync(packed, { maxOutputLength: length + 1 }),
  ),
  ZSTD: exactly((packed, length) => zstdDecompressSync(packed, { maxOutputLength: length + 1 })),
  LZ4: exactly(lz4Frames),
  LZ4_RAW: exactly(lz4Block),
};

function exactly(unpack: Unpack): Unpack {
  return (packed, length) => {
    if (length === 0 && packed.length === 0) return packed;
    const plain = unpack(packed, length);
    return plain.byteLength === plain.buffer.byteLength ? plain : new Uint8Array(plain);
  };
}

function pageHeader(file: number, at: number, end: number): { header: Header; length: number } {
  for (let length = HEADER_BYTES_FIRST; ; length *= 8) {
    const bytes = read(file, at, Math.min(length, end - at), end);
    const reader = { view: new DataView(bytes.buffer), offset: 0 };
    try {
      const header = parquetHeader(reader);
      checkHeader(header);
      return { header, length: reader.offset };
    } catch (thrown) {
      const isCut = bytes.length < end - at && length < HEADER_BYTES_MAX;
      if (thrown instanceof Unreadable || !isCut) throw thrown;
    }
  }
}

function checkHeader(header: Header): void {
  const { uncompressed_page_size: plain, compressed_page_size: packed } = header;
  const dictionary = header.dictionary_page_header?.num_values ?? 0;
  const values = Math.max(countOf(header), whole(dictionary));
  if (whole(plain) > PARQUET_PAGE_BYTES_MAX || values > PARQUET_PAGE_VALUES_MAX) {
    const most = `${PARQUET_PAGE_VALUES_MAX} values or ${PARQUET_PAGE_BYTES_MAX} bytes`;
    throw new Unreadable("limit", `a page of the Parquet file has more than ${most}`);
  }
  whole(packed);
}

/** Entries of a data page; of others none. */
function countOf(header: Header): number {
  if (header.type === "DATA_PAGE") return whole(header.data_page_header?.num_values);
  if (header.type === "DATA_PAGE_V2") return whole(header.data_page_header_v2?.num_values);
  return 0;
}

/** What a broken header has for a count may be anything. */
function whole(value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new RangeError("the header of a page is broken");
}

/** The bytes in a buffer of their own. */
function read(file: number, start: number, length: number, end: number): Uint8Array<ArrayBuffer> {
  if (length < 0 || start + length > end) throw new RangeError("a page ends behind its column");
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const count = readSync(file, bytes, done, length - done, start + done);
    if (count === 0) throw new RangeError("the file ends early");
    done += count;
  }
  return bytes;
}

function checkSum(header: Header, packed: Uint8Array): void {
  if (header.crc === undefined) return;
  if (header.crc >>> 0 !== crc32(packed)) throw new RangeError("the check sum of a page is wrong");
}

function dictionaryOf(header: Header, packed: Uint8Array, column: Column): readonly Stored[] {
  const plain = unpacked(packed, column.unpack, header.uncompressed_page_size);
  const count = header.dictionary_page_header?.num_values ?? 0;
  if (count > DICTIONARY_MAX) throw new Unreadable("limit", `a dictionary of ${count} values`);
  return Array.from(plainValues(plain, column.leaf, count));
}

function dataPage(
  header: Header,
  packed: Uint8Array,
  column: Column,
  dictionary: readonly Stored[] | null,
): Page {
  const isSecond = header.type === "DATA_PAGE_V2";
  const { levels, bytes } = isSecond
    ? second(header, packed, column)
    : first(header, packed, column);
  const count = countOf(header);
  const repetitions = levelsOf(levels.repetitions, column.depth, count);
  const definitions = levelsOf(levels.definitions, column.definition, count);
  const given = header.data_page_header_v2 ?? header.data_page_header;
  const placed = isPlaced(given?.encoding);
  if (placed && dictionary === null) throw new RangeError("a page names values of no dictionary");
  return {
    count,
    repetitions,
    definitions,
    values: pageValues(
      bytes,
      given?.encoding,
      column.leaf,
      definitions === null ? count : thereOf(definitions, column.definition),
    ),
    dictionary: placed ? dictionary : null,
    plainBytes: header.uncompressed_page_size,
  };
}

/** What a page is made of: its levels, in runs, and its values. */
interface Parts {
  readonly levels: { readonly repetitions: Uint8Array; readonly definitions: Uint8Array };
  readonly bytes: Uint8Array;
}

/** Packed as a whole, and its levels say how long they are. */
function first(header: Header, packed: Uint8Array, { unpack, definition, depth }: Column): Parts {
  const found = header.data_page_header;
  const isOld =
    (found?.definition_level_encoding === "BIT_PACKED" && definition > 0) ||
    (found?.repetition_level_encoding === "BIT_PACKED" && depth > 0);
  if (isOld)
    throw new RangeError("its levels are bit-packed in the way of 2013, which is not read");
  const reader = new ByteReader(unpacked(packed, unpack, header.uncompressed_page_size));
  const repetitions = depth === 0 ? NO_BYTES : reader.take(reader.little(4));
  const definitions = definition === 0 ? NO_BYTES : reader.take(reader.little(4));
  return { levels: { repetitions, definitions }, bytes: reader.take(reader.left) };
}

/** Its levels are never packed, and the header says how long they are. */
function second(header: Header, packed: Uint8Array, { unpack }: Column): Parts {
  const found = header.data_page_header_v2;
  const reader = new ByteReader(packed);
  const repetitions = reader.take(whole(found?.repetition_levels_byte_length));
  const definitions = reader.take(whole(found?.definition_levels_byte_length));
  const length = header.uncompressed_page_size - repetitions.length - definitions.length;
  const own = found?.is_compressed === false ? UNPACK.UNCOMPRESSED : unpack;
  const bytes = unpacked(reader.take(reader.left), own, whole(length));
  return { levels: { repetitions, definitions }, bytes };
}

const NO_BYTES = new Uint8Array();

function unpacked(packed: Uint8Array, unpack: Unpack, length: number): Uint8Array {
  const plain = unpack(packed, length);
  if (plain.length === length) return plain;
  throw new RangeError("a page has another length than it says");
}

/** Null where there is but one level. */
function levelsOf(bytes: Uint8Array, highest: number, count: number): Numbers | null {
  if (highest === 0) return null;
  const levels = readRuns(bytes, 32 - Math.clz32(highest), count);
  let isRight = true;
  for (let index = 0; index < count; index++) isRight = isRight && (levels[index] ?? 0) <= highest;
  if (!isRight) throw new RangeError("a level is too high");
  return levels;
}

/** Entries that have a value. */
function thereOf(definitions: Numbers, highest: number): number {
  let there = 0;
  for (let index = 0; index < definitions.length; index++) {
    if (definitions[index] === highest) there++;
  }
  return there;
}

/** The error of a page, as the file's. */
export function brokenColumn(leaf: Leaf, group: number, thrown: unknown): Unreadable {
  if (thrown instanceof Unreadable) return thrown;
  const place = `column ${leaf.path} in row group ${group}`;
  return new Unreadable(
    "unreadable",
    `${place} of the Parquet file is broken: ${errorText(thrown)}`,
  );
}
