/**
 * Deletion vectors: which rows of one data file are gone, as a blob of a Puffin file, and Puffin files of nothing else.
 * Iceberg puffin-spec, "deletion-vector-v1" and "File structure".
 */

import { isJsonObject, type JsonObject, parseJson, stringifyJson } from "../base/json.ts";
import { damagedSet, lastRow, type RowSet, readRowSet, rowCount, writeRowSet } from "./row-set.ts";
import { ROW_POSITION_ID } from "./system-columns.ts";
import type { DataFile } from "./types.ts";

/** CRC-32 of ISO 3309. */
export type Crc32 = (bytes: Uint8Array) => number;

/** Rows of a data file that are gone. */
export interface DeletionVector {
  /** The data file's recorded path. */
  readonly dataFile: string;
  readonly rows: RowSet;
}

/** Where a vector is in a Puffin file that was made here. */
export interface VectorPlace {
  readonly dataFile: string;
  readonly rows: bigint;
  readonly offset: bigint;
  readonly sizeBytes: bigint;
}

/** What the footer of a Puffin file says of a blob. */
export interface PuffinBlob {
  readonly type: string;
  readonly offset: number;
  readonly length: number;
  readonly properties: Readonly<Record<string, string>>;
}

const MAGIC = new Uint8Array([0xd1, 0xd3, 0x39, 0x64]);
const PUFFIN_MAGIC = new TextEncoder().encode("PFA1");
/** Of a vector: the recorded path of its data file. */
const ABOUT = "referenced-data-file";
const VECTOR_TYPE = "deletion-vector-v1";
/** Length before, sum behind; neither is counted in the length. */
const FRAME_BYTES = 8;
/** Payload size and flags behind the payload, then the magic once more. */
const FOOTER_END_BYTES = 12;
const UTF8 = new TextEncoder();

/** The bytes of a vector's blob. */
export function writeVector(rows: RowSet, crc32: Crc32): Uint8Array {
  const set = writeRowSet(rows);
  const length = MAGIC.length + set.length;
  const bytes = new Uint8Array(length + FRAME_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length);
  bytes.set(MAGIC, 4);
  bytes.set(set, 4 + MAGIC.length);
  view.setUint32(4 + length, crc32(bytes.subarray(4, 4 + length)));
  return bytes;
}

/**
 * The rows that a vector's blob takes out of its data file. Throws `corrupt` for a blob that is not whole and exact, or
 * whose count is not that of its entry.
 */
export function readVector(
  bytes: Uint8Array,
  file: Pick<DataFile, "path" | "referencedDataFile" | "recordCount">,
  crc32: Crc32,
): RowSet {
  const name = `${file.path}: the deletion vector of ${file.referencedDataFile ?? "no file"}`;
  try {
    if (bytes.length < FRAME_BYTES + MAGIC.length) throw new RangeError("it is cut short");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const length = view.getUint32(0);
    if (length !== bytes.length - FRAME_BYTES) {
      throw new RangeError(`it claims ${length} bytes, and has ${bytes.length - FRAME_BYTES}`);
    }
    if (MAGIC.some((byte, index) => bytes[4 + index] !== byte)) {
      throw new RangeError("it does not begin as one");
    }
    const body = bytes.subarray(4, 4 + length);
    if (view.getUint32(4 + length) !== crc32(body)) throw new RangeError("its sum is wrong");
    const rows = readRowSet(body.subarray(MAGIC.length));
    if (BigInt(rowCount(rows)) !== file.recordCount) {
      throw new RangeError(
        `it holds ${rowCount(rows)} rows, and its entry says ${file.recordCount}`,
      );
    }
    return rows;
  } catch (thrown) {
    throw damagedSet(name, thrown);
  }
}

/** A Puffin file of vectors, and where each is in it. `createdBy` names the program. */
export function writeVectors(
  vectors: readonly DeletionVector[],
  createdBy: string,
  crc32: Crc32,
): { readonly bytes: Uint8Array; readonly places: readonly VectorPlace[] } {
  const parts: Uint8Array[] = [PUFFIN_MAGIC];
  const places: VectorPlace[] = [];
  const blobs: JsonObject[] = [];
  let offset = PUFFIN_MAGIC.length;
  for (const { dataFile, rows } of vectors) {
    const blob = writeVector(rows, crc32);
    const cardinality = BigInt(rowCount(rows));
    const sizeBytes = BigInt(blob.length);
    places.push({ dataFile, rows: cardinality, offset: BigInt(offset), sizeBytes });
    blobs.push({
      type: VECTOR_TYPE,
      fields: [ROW_POSITION_ID],
      "snapshot-id": -1,
      "sequence-number": -1,
      offset,
      length: blob.length,
      properties: { [ABOUT]: dataFile, cardinality: String(cardinality) },
    });
    parts.push(blob);
    offset += blob.length;
  }
  const footer = footerBytes({ blobs, properties: { "created-by": createdBy } });
  return { bytes: joined([...parts, ...footer]), places };
}

/**
 * A Puffin file whose vectors are about the data files that `moved` gives; each blob stays where it is. What has no
 * footer, such as a blob alone, says nothing that would have to change. Throws `corrupt` for a damaged footer.
 */
export function movePuffin(
  bytes: Uint8Array,
  moved: (dataFile: string) => string,
  name: string,
): Uint8Array {
  if (PUFFIN_MAGIC.some((byte, index) => bytes[index] !== byte)) return bytes;
  const { json, start } = footerOf(bytes, name);
  const blobs = (Array.isArray(json.blobs) ? json.blobs : []).map((blob) => {
    const properties = isJsonObject(blob) ? blob.properties : null;
    if (!isJsonObject(blob) || !isJsonObject(properties)) return blob;
    const about = properties[ABOUT];
    if (typeof about !== "string") return blob;
    return { ...blob, properties: { ...properties, [ABOUT]: moved(about) } };
  });
  return joined([bytes.subarray(0, start), ...footerBytes({ ...json, blobs })]);
}

function footerBytes(json: JsonObject): Uint8Array[] {
  const payload = UTF8.encode(stringifyJson(json));
  const end = new Uint8Array(FOOTER_END_BYTES);
  new DataView(end.buffer).setUint32(0, payload.length, true);
  end.set(PUFFIN_MAGIC, 8);
  return [PUFFIN_MAGIC, payload, end];
}

/** What the footer says, and where it begins. Throws `corrupt`. */
function footerOf(bytes: Uint8Array, name: string): { json: JsonObject; start: number } {
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const isMagic = (at: number): boolean =>
      at >= 0 && PUFFIN_MAGIC.every((byte, index) => bytes[at + index] === byte);
    const end = bytes.length - FOOTER_END_BYTES;
    if (end < 2 * PUFFIN_MAGIC.length || !isMagic(0) || !isMagic(end + 8)) {
      throw new RangeError("it is no Puffin file");
    }
    if (view.getUint32(end + 4, true) !== 0) throw new RangeError("its footer is packed");
    const start = end - view.getInt32(end, true);
    if (!isMagic(start - PUFFIN_MAGIC.length))
      throw new RangeError("its footer is not where it should be");
    const json = parseJson(
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(start, end)),
    );
    if (!isJsonObject(json)) throw new RangeError("its footer is no JSON object");
    return { json, start: start - PUFFIN_MAGIC.length };
  } catch (thrown) {
    throw damagedSet(name, thrown);
  }
}

/** The blobs that a Puffin file says it has. Throws `corrupt`; `name` stands in errors. */
export function readPuffinFooter(bytes: Uint8Array, name: string): readonly PuffinBlob[] {
  const { blobs } = footerOf(bytes, name).json;
  try {
    if (!Array.isArray(blobs)) throw new RangeError("its footer names no blobs");
    return blobs.map((blob) => {
      if (!isJsonObject(blob)) throw new RangeError("a blob of its footer is no object");
      const { type, offset, length, properties } = blob;
      if (typeof type !== "string") throw new RangeError("a blob of its footer has no type");
      const texts = isJsonObject(properties) ? Object.entries(properties) : [];
      return {
        type,
        offset: numberOf(offset),
        length: numberOf(length),
        properties: Object.fromEntries(texts.map(([key, value]) => [key, String(value)])),
      };
    });
  } catch (thrown) {
    throw damagedSet(name, thrown);
  }
}

/** Throws RangeError when a set names rows that a file of so many does not have. */
export function checkRows(rows: RowSet, recordCount: bigint): void {
  if (BigInt(lastRow(rows)) < recordCount) return;
  throw new RangeError(`it deletes row ${lastRow(rows)} of a file of ${recordCount}`);
}

function numberOf(value: unknown): number {
  const number = Number(value ?? Number.NaN);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw new RangeError("a blob of its footer has no place");
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
