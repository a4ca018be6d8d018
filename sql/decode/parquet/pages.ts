/** The pages of one column of a Parquet file, read one after the other: levels, and values as they are stored. */

import { readSync } from "node:fs";
import { brotliDecompressSync, crc32, gunzipSync, zstdDecompressSync } from "node:zlib";
import { parquetHeader } from "hyparquet/src/column.js";
import { readDataPage, readDataPageV2 } from "hyparquet/src/datapage.js";
import { readPlain } from "hyparquet/src/plain.js";
import { snappyUncompress } from "hyparquet/src/snappy.js";
import { errorText } from "../../../core/base/errors.ts";
import { PARQUET_PAGE_BYTES_MAX, PARQUET_PAGE_VALUES_MAX } from "../../../core/limits.ts";
import { Unreadable } from "../unreadable.ts";
import type { Chunk, Leaf, ParquetNode } from "./footer.ts";
import { lz4Block, lz4Frames } from "./lz4.ts";

/** A value as the file stores it. */
export type Stored = boolean | number | bigint | Uint8Array;

export interface Page {
  readonly count: number;
  /** Null where every entry has the same: 0, or the highest definition. */
  readonly repetitions: readonly number[] | null;
  readonly definitions: readonly number[] | null;
  /** Values that are there: themselves, or their places in the dictionary. */
  readonly values: ArrayLike<Stored>;
  readonly dictionary: readonly Stored[] | null;
  readonly plainBytes: number;
}

type Header = ReturnType<typeof parquetHeader>;
type Decoder = Parameters<typeof readDataPageV2>[2];

const HEADER_BYTES_FIRST = 16 * 1024;
const HEADER_BYTES_MAX = 16 * 1024 * 1024;
/** The reader of bit-packed places loses bits of wider ones. */
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
  const decoder = decoderOf(chunk, leaf);
  const end = chunk.start + chunk.sizeBytes;
  let dictionary: readonly Stored[] | null = null;
  let [at, left] = [chunk.start, chunk.values];
  while (left > 0) {
    const { header, length } = pageHeader(file, at, end);
    const start = at + length;
    const packed = read(file, start, header.compressed_page_size, end);
    at = start + packed.length;
    checkSum(header, packed);
    if (header.type === "DICTIONARY_PAGE") dictionary = dictionaryOf(header, packed, decoder);
    if (header.type !== "DATA_PAGE" && header.type !== "DATA_PAGE_V2") continue;
    const page = dataPage(header, packed, decoder, { leaf, dictionary });
    left -= page.count;
    if (left < 0) throw new RangeError("its pages hold more values than its row group says");
    yield page;
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

function decoderOf(chunk: Chunk, leaf: Leaf): Decoder {
  const codec = CODECS[chunk.codec];
  if (codec === undefined || codec === "LZO") {
    const text = `column ${leaf.path} is packed by ${codec ?? `codec ${chunk.codec}`}, which is not read`;
    throw new Unreadable("unreadable", `${text}; write the file with zstd or snappy`);
  }
  const path = ["REQUIRED", ...leaf.repetitions.map((repetition) => repetition.toUpperCase())];
  const element = { repetition_type: path.at(-1), type_length: leaf.lengthBytes, name: leaf.path };
  return {
    type: leaf.physical,
    codec,
    element,
    pathInSchema: [],
    schemaPath: path.map((repetition_type) => ({ element: { repetition_type } })),
    compressors: UNPACK,
    parsers: {},
  } as unknown as Decoder; // parse: the page readers look at no more than this
}

/** How pages are unpacked, into exactly their own bytes: what reads beyond them has to fail. */
const UNPACK = {
  SNAPPY: exactly((packed, length) => {
    const plain = new Uint8Array(length);
    if (length > 0) snappyUncompress(packed, plain);
    return plain;
  }),
  GZIP: exactly((packed, length) => gunzipSync(packed, { maxOutputLength: length + 1 })),
  BROTLI: exactly((packed, length) =>
    brotliDecompressSync(packed, { maxOutputLength: length + 1 }),
  ),
  ZSTD: exactly((packed, length) => zstdDecompressSync(packed, { maxOutputLength: length + 1 })),
  LZ4: exactly(lz4Frames),
  LZ4_RAW: exactly(lz4Block),
};

function exactly(unpack: (packed: Uint8Array, length: number) => Uint8Array) {
  return (packed: Uint8Array, length: number): Uint8Array => {
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
  if (!(plain >= 0 && packed >= 0)) throw new RangeError("a page has no size");
  const values =
    header.data_page_header?.num_values ??
    header.data_page_header_v2?.num_values ??
    header.dictionary_page_header?.num_values ??
    0;
  if (values < 0) throw new RangeError("a page holds fewer than no values");
  if (plain > PARQUET_PAGE_BYTES_MAX || values > PARQUET_PAGE_VALUES_MAX) {
    const most = `${PARQUET_PAGE_VALUES_MAX} values or ${PARQUET_PAGE_BYTES_MAX} bytes`;
    throw new Unreadable("limit", `a page of the Parquet file has more than ${most}`);
  }
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

function dictionaryOf(header: Header, packed: Uint8Array, decoder: Decoder): readonly Stored[] {
  const { codec, type, element } = decoder;
  const length = header.uncompressed_page_size;
  const unpack = codec === "UNCOMPRESSED" ? null : UNPACK[codec as keyof typeof UNPACK]; // parse: LZO was refused
  const plain = unpack === null ? packed : unpack(packed, length);
  if (plain.length !== length) throw new RangeError("a page has another length than it says");
  const reader = { view: new DataView(plain.buffer, plain.byteOffset, length), offset: 0 };
  const count = header.dictionary_page_header?.num_values ?? 0;
  if (count > DICTIONARY_MAX) throw new Unreadable("limit", `a dictionary of ${count} values`);
  return Array.from(readPlain(reader, type, count, element.type_length));
}

function dataPage(
  header: Header,
  packed: Uint8Array,
  decoder: Decoder,
  { leaf, dictionary }: { readonly leaf: Leaf; readonly dictionary: readonly Stored[] | null },
): Page {
  const second = header.data_page_header_v2;
  const given = second ?? header.data_page_header;
  if (given === undefined) throw new RangeError("a page has no header");
  const {
    definitionLevels,
    repetitionLevels,
    dataPage: values,
  } = second === undefined
    ? readDataPage(unpacked(header, packed, decoder), headerV1(header, leaf), decoder)
    : readDataPageV2(packed, header, decoder);
  const count = given.num_values;
  const isPlaced = given.encoding === "PLAIN_DICTIONARY" || given.encoding === "RLE_DICTIONARY";
  if (isPlaced && dictionary === null) throw new RangeError("a page names values of no dictionary");
  return {
    count,
    repetitions: levels(repetitionLevels, count),
    definitions: levels(definitionLevels, count),
    values,
    dictionary: isPlaced ? dictionary : null,
    plainBytes: header.uncompressed_page_size,
  };
}

function headerV1(header: Header, { repetitions }: Leaf) {
  const found = header.data_page_header;
  if (found === undefined) throw new RangeError("a page has no header");
  const isOld =
    (found.definition_level_encoding === "BIT_PACKED" &&
      repetitions.some((repetition) => repetition !== "required")) ||
    (found.repetition_level_encoding === "BIT_PACKED" && repetitions.includes("repeated"));
  if (isOld)
    throw new RangeError("its levels are bit-packed in the way of 2013, which is not read");
  return found;
}

function unpacked(header: Header, packed: Uint8Array, { codec }: Decoder): Uint8Array {
  if (codec === "UNCOMPRESSED") return packed;
  const plain = UNPACK[codec as keyof typeof UNPACK](packed, header.uncompressed_page_size); // parse: as above
  if (plain.length === header.uncompressed_page_size) return plain;
  throw new RangeError("a page has another length than it says");
}

function levels(found: readonly number[] | undefined, count: number): readonly number[] | null {
  if (found === undefined || found.length === 0) return null;
  if (found.length !== count) throw new RangeError("a page has other levels than values");
  return found;
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
