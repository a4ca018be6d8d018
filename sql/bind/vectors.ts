/** Deletion vectors of a scan: read from their Puffin files once, and said to the engine as positions. */

import { closeSync, openSync, readSync } from "node:fs";
import { LakeError } from "../../core/base/errors.ts";
import { checkRows, readVector } from "../../core/table/deletion-vector.ts";
import { fileKey } from "../../core/table/live.ts";
import {
  bitsOfRange,
  damagedSet,
  type RowRange,
  type RowSet,
  rowCount,
} from "../../core/table/row-set.ts";
import type { DataFile, ScanFile } from "../../core/table/types.ts";
import { quoteLiteral } from "../syntax/quote.ts";

/** A vector, where its file is opened, and the data file that it is about. */
export interface OpenVector {
  readonly vector: DataFile;
  readonly localPath: string;
  readonly data: ScanFile;
}

/** Of a range more rows than this are said as bits, fewer as numbers. */
const NUMBERS_MAX = 1_600;
const RANGE_ROWS = 65_536;
/** Vectors that were read, by file, place and size: they never change. */
const KNOWN = new Map<string, RowSet>();
const KNOWN_ROWS_MAX = 4_000_000;
let knownRows = 0;

/** A SELECT of `local`, the path of a data file as it is opened, and `pos`, for all rows that the vectors take out. */
export function vectorRowsSql(vectors: readonly OpenVector[]): string {
  const few: string[] = [];
  const many: string[] = [];
  for (const open of vectors) {
    const local = quoteLiteral(open.data.localPath);
    const numbers: number[] = [];
    for (const range of vectorOf(open)) {
      const { high, lows } = range;
      if (lows.length > NUMBERS_MAX) many.push(`(${local}, ${high * RANGE_ROWS}, ${bits(range)})`);
      else for (const low of lows) numbers.push(high * RANGE_ROWS + low);
    }
    if (numbers.length > 0) few.push(`(${local}, ${quoteLiteral(numbers.join(","))})`);
  }
  const parts: string[] = [];
  if (few.length > 0) {
    const source = `(VALUES ${few.join(", ")}) AS v(local, rows)`;
    const numbers = "string_split(rows, ',')::BIGINT[]";
    parts.push(`SELECT local, unnest(${numbers}) AS pos FROM ${source}`);
  }
  if (many.length > 0) {
    parts.push(
      `SELECT local, first + nth AS pos FROM (SELECT local, first, bits, unnest(range(${RANGE_ROWS})) AS nth ` +
        `FROM (VALUES ${many.join(", ")}) AS v(local, first, bits)) WHERE get_bit(bits, nth::INTEGER) = 1`,
    );
  }
  return parts.length === 0
    ? "SELECT NULL::VARCHAR AS local, NULL::BIGINT AS pos WHERE FALSE"
    : parts.join(" UNION ALL ");
}

/** The rows of a vector. Throws `corrupt` for one that is damaged or is not about its data file. */
function vectorOf({ vector, localPath: path, data }: OpenVector): RowSet {
  const { blob } = vector;
  const key = `${path} ${fileKey(vector)} ${blob?.sizeBytes} ${vector.recordCount}`;
  const known = KNOWN.get(key);
  const name = `${vector.path}: the deletion vector of ${vector.referencedDataFile ?? "no file"}`;
  if (blob === undefined)
    throw damagedSet(name, new RangeError("its entry says no place in the file"));
  const rows =
    known ?? readVector(bytesOf(path, Number(blob.offset), Number(blob.sizeBytes)), vector, crc32);
  try {
    checkRows(rows, data.file.recordCount);
  } catch (thrown) {
    throw damagedSet(name, thrown);
  }
  if (known === undefined) keep(key, rows);
  return rows;
}

function keep(key: string, rows: RowSet): void {
  const count = rowCount(rows);
  if (knownRows + count > KNOWN_ROWS_MAX) {
    KNOWN.clear();
    knownRows = 0;
  }
  if (count > KNOWN_ROWS_MAX) return;
  KNOWN.set(key, rows);
  knownRows += count;
}

function bytesOf(path: string, offset: number, length: number): Uint8Array {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (thrown) {
    throw new LakeError("corrupt", `${path} cannot be read: which rows are deleted is not known`, {
      hint: "restore the file from a copy, or an earlier state of the table: tarn restore",
      context: { file: path },
      cause: thrown,
    });
  }
  try {
    const bytes = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      const read = readSync(fd, bytes, at, length - at, offset + at);
      if (read === 0) break;
      at += read;
    }
    return bytes.subarray(0, at);
  } finally {
    closeSync(fd);
  }
}

function crc32(bytes: Uint8Array): number {
  return Bun.hash.crc32(bytes);
}

function bits(range: RowRange): string {
  return `unhex('${bitsOfRange(range).toHex()}')::BIT`;
}
