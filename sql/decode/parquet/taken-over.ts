/**
 * A dropped Parquet file made a data file without encoding it again: its pages as they stand, what the batch says of
 * every row beside them, and a footer of ours. The engine reads every value meanwhile: that each can be read, and how
 * many and which there are, is found out and not believed.
 */

import { closeSync, openSync, readSync } from "node:fs";
import { parquetHeader } from "hyparquet/src/column.js";
import { errorText } from "../../../core/base/errors.ts";
import type { DecodeRequest, StagedFile } from "../../../core/engine.ts";
import { sameType } from "../../../core/table/type-text.ts";
import type { Field, Type } from "../../../core/table/types.ts";
import type { DuckDB, Row } from "../../duckdb/duckdb.ts";
import { quoteFileList } from "../../syntax/quote.ts";
import { folderSqlByName } from "../folders.ts";
import { isFileFault } from "../group.ts";
import type { GroupContext, Work } from "../group-write.ts";
import type { Bounds } from "../made/bounds.ts";
import type { FilledColumn } from "../made/group-target.ts";
import type { ChunkStatistics, Leaf, Chunk as MadeChunk } from "../made/pages.ts";
import { PHYSICAL, schemaElement } from "../made/part-schema.ts";
import { DataTarget } from "../made/whole-file.ts";
import { findName, sourceColumns } from "../target-columns.ts";
import { dropsOf } from "../target-list.ts";
import {
  type Chunk,
  type ParquetFooter,
  type ParquetNode,
  PHYSICAL_NAMES,
  readFooter,
} from "./footer.ts";

/** A column as the engine reads it: SQL of its type. */
export interface EngineColumn {
  readonly name: string;
  readonly type: Type;
  readonly value: string;
}

/** SNAPPY, GZIP, ZSTD. What is not packed would stay so. */
const CODECS: ReadonlySet<number> = new Set([1, 2, 6]);
/** Of values in pages of version 1, which every reader of Iceberg knows. */
const VALUE_ENCODINGS: ReadonlySet<string> = new Set([
  "PLAIN",
  "PLAIN_DICTIONARY",
  "RLE_DICTIONARY",
]);
/** PLAIN, PLAIN_DICTIONARY, RLE (of levels), RLE_DICTIONARY. */
const ENCODINGS: ReadonlySet<number> = new Set([0, 2, 3, 8]);
/** A chunk is held in memory while it is copied. */
const CHUNK_BYTES_MAX = 64 * 1024 * 1024;
/** Smaller groups, where there are several, make a table slow to read: they are written anew. */
const GROUP_ROWS_MIN = 10_000;
const BOUND_BYTES_MAX = 256;
const FIXED_BYTES = 16;

/** Null where the file has to be written anew, or cannot be read; nothing is left of the attempt. */
export async function takeOver(
  context: GroupContext,
  work: Work,
  columns: readonly EngineColumn[],
): Promise<readonly StagedFile[] | null> {
  const { request, constant } = context;
  const { prepared } = work;
  if (constant === null) return null;
  const footer = readFooter(work.path);
  const taken = columnsToTake(request, prepared.file.name, footer, columns);
  if (taken === null) return null;
  const path = `${request.staging}/${context.nextName()}.parquet`;
  const target = new DataTarget(request, path, prepared.file.name, prepared.rowsBefore);
  const looking = lookAt(context.db, work.path, footer, taken);
  looking.catch(() => {});
  const file = openSync(work.path, "r");
  try {
    const filled = taken.map((column) => filledColumn(column, footer, file));
    for (const { rows } of footer.groups) {
      target.group(
        filled.map(({ column }) => column),
        rows,
      );
      // The engine is heard in between.
      await new Promise((resolve) => setImmediate(resolve));
    }
    const isRight = tell(
      footer,
      taken,
      filled.map(({ leaf }) => leaf),
      await looking,
    );
    if (!isRight) throw new Another("its values are not those that its footer says");
    const { rows, sizeBytes } = await target.finish();
    return [{ path, rows: BigInt(rows), sizeBytes: BigInt(sizeBytes), partition: constant }];
  } catch (thrown) {
    await looking.catch(() => {});
    target.discard();
    if (thrown instanceof Another || isFileFault(thrown)) return null;
    throw thrown;
  } finally {
    closeSync(file);
  }
}

/** The file is to be written anew. */
class Another extends Error {}

interface TakenColumn {
  readonly field: Field;
  readonly node: ParquetNode;
  /** SQL of its values. */
  readonly value: string;
  /** No value of it may be missing. */
  readonly required: boolean;
}

/** Null where a column is not what the table's files have, or more is asked than to land what stands there. */
function columnsToTake(
  request: DecodeRequest,
  file: string,
  footer: ParquetFooter,
  columns: readonly EngineColumn[],
): readonly TakenColumn[] | null {
  const names = columns.map(({ name }) => name);
  const sources = sourceColumns(request);
  if (folderSqlByName(request, dropsOf([file])).size > 0 || !hasGoodGroups(footer)) return null;
  const claimed = new Set<number>();
  const taken: TakenColumn[] = [];
  for (const { field, decode } of sources) {
    const at = findName(names, decode.source);
    const [column, node] = [columns[at], footer.columns[at]];
    if (decode.expression !== null || decode.awaits !== undefined) return null;
    if (column === undefined || node === undefined) {
      if (decode.required) return null;
      continue;
    }
    if (claimed.has(at) || !sameType(column.type, field.type)) return null;
    if (!isStoredAlike(node, field.type) || !hasGoodChunks(footer, node)) return null;
    claimed.add(at);
    taken.push({ field, node, value: column.value, required: decode.required });
  }
  return claimed.size === columns.length && claimed.size > 0 ? taken : null;
}

function hasGoodGroups({ groups }: ParquetFooter): boolean {
  return groups.every(({ rows }, index) => {
    const isLast = index === groups.length - 1;
    return rows > 0 && (isLast || rows >= GROUP_ROWS_MIN);
  });
}

function hasGoodChunks({ groups }: ParquetFooter, { leaf }: ParquetNode): boolean {
  return groups.every(({ rows, chunks }) => {
    const chunk = chunks[leaf?.index ?? -1];
    if (chunk === undefined || chunk.fault !== null || chunk.values !== rows) return false;
    const isKnown = chunk.encodings.every((encoding) => ENCODINGS.has(encoding));
    return isKnown && CODECS.has(chunk.codec) && chunk.sizeBytes <= CHUNK_BYTES_MAX;
  });
}

/** Its values are the same bytes in files of the table. Iceberg spec, "Parquet". */
function isStoredAlike({ leaf, meaning, repetition }: ParquetNode, type: Type): boolean {
  if (leaf === null || repetition === "repeated") return false;
  const { physical } = schemaElement(type);
  if (PHYSICAL_NAMES[physical] !== leaf.physical) return false;
  if (physical === PHYSICAL.fixed && leaf.lengthBytes !== FIXED_BYTES) return false;
  if (type.kind === "decimal") return meaning.kind === "decimal";
  if (type.kind !== "primitive") return false;
  switch (type.name) {
    case "string":
      return meaning.kind === "text";
    case "int":
    case "long":
      return meaning.kind === "none" || meaning.kind === "integer";
    case "date":
    case "uuid":
      return meaning.kind === type.name;
    case "time":
      return meaning.kind === "time" && meaning.unit === "micros";
    case "timestamp":
    case "timestamptz":
      return meaning.kind === "timestamp" && meaning.unit === "micros";
    default:
      return meaning.kind === "none";
  }
}

interface Filled {
  readonly column: FilledColumn;
  readonly leaf: TakenLeaf;
}

function filledColumn({ field, node }: TakenColumn, footer: ParquetFooter, file: number): Filled {
  const chunks = footer.groups.flatMap((group) => group.chunks[node.leaf?.index ?? -1] ?? []);
  const { physical } = schemaElement(field.type);
  const isRequired = node.repetition === "required";
  const leaf = new TakenLeaf(file, chunks, physical, isRequired);
  return { column: { field, leaves: [leaf], isRequired }, leaf };
}

/** The chunks of one column, group by group. */
class TakenLeaf implements Leaf {
  readonly sizeBytes = 0;
  readonly physical: MadeChunk["physical"];
  /** Of each group, to be filled in. */
  readonly statistics: ChunkStatistics[] = [];
  readonly #file: number;
  readonly #chunks: readonly Chunk[];
  readonly #isRequired: boolean;

  constructor(
    file: number,
    chunks: readonly Chunk[],
    physical: MadeChunk["physical"],
    isRequired: boolean,
  ) {
    this.#file = file;
    this.#chunks = chunks;
    this.physical = physical;
    this.#isRequired = isRequired;
  }

  endPage(): void {
    // They are ended as they stand.
  }

  take(): MadeChunk {
    const chunk = this.#chunks[this.statistics.length];
    if (chunk === undefined) throw new RangeError("there are no more groups");
    const statistics: ChunkStatistics = { nulls: 0, bounds: null };
    this.statistics.push(statistics);
    const pages = Buffer.allocUnsafeSlow(chunk.sizeBytes);
    const count = readSync(this.#file, pages, 0, pages.length, chunk.start);
    if (count < pages.length) throw new Another("a chunk is cut");
    const { codec, encodings, plainBytes, sizeBytes, values } = chunk;
    return {
      pages: [pages],
      given: { codec, encodings },
      physical: this.physical,
      sizeBytes,
      plainBytes,
      dictionaryBytes: dictionaryBytes(pages, values, this.#isRequired),
      entries: values,
      statistics,
    };
  }
}

/** Walks the pages of a chunk; throws where they are not all pages that every reader knows. */
function dictionaryBytes(pages: Buffer, values: number, isRequired: boolean): number {
  const reader = { view: new DataView(pages.buffer, pages.byteOffset, pages.length), offset: 0 };
  let [dictionary, left] = [0, values];
  while (reader.offset < pages.length) {
    const start = reader.offset;
    const header = pageHeader(reader);
    reader.offset += header.compressed_page_size;
    const data = header.data_page_header;
    if (header.type === "DICTIONARY_PAGE" && start === 0) {
      dictionary = reader.offset;
      const encoding = header.dictionary_page_header?.encoding ?? "";
      if (!VALUE_ENCODINGS.has(encoding)) throw new Another(`a dictionary is ${encoding}`);
      continue;
    }
    if (header.type !== "DATA_PAGE" || data === undefined) throw new Another(header.type);
    const isLevelled = isRequired || data.definition_level_encoding === "RLE";
    if (!isLevelled || !VALUE_ENCODINGS.has(data.encoding)) throw new Another(data.encoding);
    left -= data.num_values;
  }
  if (left !== 0 || reader.offset !== pages.length) throw new Another("its pages do not add up");
  return dictionary;
}

function pageHeader(reader: Parameters<typeof parquetHeader>[0]) {
  try {
    const header = parquetHeader(reader);
    if (header.compressed_page_size >= 0) return header;
  } catch (thrown) {
    throw new Another(errorText(thrown));
  }
  throw new Another("a page of no size");
}

/** What the engine finds in each group, in their order. */
async function lookAt(
  db: DuckDB,
  path: string,
  footer: ParquetFooter,
  taken: readonly TakenColumn[],
): Promise<readonly Row[]> {
  const found = taken.flatMap(({ value }, index) => [
    // Not of the column itself: that is answered by what the file says of it.
    `count(CASE WHEN lake_row >= 0 THEN ${value} END) AS n${index}`,
    `min(${value}) AS a${index}`,
    `max(${value}) AS b${index}`,
  ]);
  const told = taken.flatMap(({ field }, index) => [
    `n${index}`,
    `${boundSql(field.type, `a${index}`)} AS a${index}`,
    `${boundSql(field.type, `b${index}`)} AS b${index}`,
  ]);
  const group = groupSql(footer.groups.map(({ rows }) => rows));
  const rows = await db.rows(
    `SELECT lake_group, lake_rows, ${told.join(", ")} FROM (
      SELECT ${group} AS lake_group, count(*) AS lake_rows, ${found.join(", ")}
      FROM (SELECT *, file_row_number AS lake_row
        FROM read_parquet(${quoteFileList([path])}, hive_partitioning = false)) GROUP BY ALL)`,
  );
  // Not sorted by the engine, which packs what it sorts by the bounds that the file says.
  return [...rows].sort((a, b) => Number(a.lake_group) - Number(b.lake_group));
}

/** The place of a row's group. */
function groupSql(rows: readonly number[]): string {
  const [first = 1, ...others] = rows;
  const isEven = others.every((count, index) =>
    index === others.length - 1 ? count <= first : count === first,
  );
  if (isEven) return `lake_row // ${first}`;
  const ends: number[] = [];
  for (const count of rows) ends.push((ends.at(-1) ?? 0) + count);
  const within = (from: number, to: number): string => {
    if (to - from === 1) return String(from);
    const middle = Math.floor((from + to) / 2);
    const [below, above] = [within(from, middle), within(middle, to)];
    return `CASE WHEN lake_row < ${ends[middle - 1]} THEN ${below} ELSE ${above} END`;
  };
  return within(0, rows.length);
}

/** A bound as a whole number, a number, a truth value or a text; NULL where none is told of the type. */
function boundSql(type: Type, value: string): string {
  if (type.kind === "decimal") return `replace(${value}::VARCHAR, '.', '')`;
  if (type.kind !== "primitive") return "NULL";
  switch (type.name) {
    case "date":
      return `(${value} - DATE '1970-01-01')`;
    case "time":
    case "timestamp":
    case "timestamptz":
      return `epoch_us(${value})`;
    case "uuid":
    case "binary":
      return "NULL";
    default:
      return value;
  }
}

/** Fills in what was found; false where that is not what the groups hold by the footer, or what is required. */
function tell(
  { groups }: ParquetFooter,
  taken: readonly TakenColumn[],
  leaves: readonly TakenLeaf[],
  found: readonly Row[],
): boolean {
  if (found.length !== groups.length) return false;
  return groups.every(({ rows }, group) => {
    const told = found[group] ?? {};
    if (Number(told.lake_rows) !== rows || Number(told.lake_group) !== group) return false;
    return taken.every(({ field, node, required }, index) => {
      const statistics = leaves[index]?.statistics[group];
      if (statistics === undefined) return false;
      statistics.nulls = rows - Number(told[`n${index}`]);
      statistics.bounds = boundsOf(field.type, told[`a${index}`], told[`b${index}`]);
      return statistics.nulls === 0 || (!required && node.repetition !== "required");
    });
  });
}

function boundsOf(
  type: Type,
  min: Row[string] | undefined,
  max: Row[string] | undefined,
): Bounds | null {
  const [least, greatest] = [boundBytes(type, min, "min"), boundBytes(type, max, "max")];
  return isBound(least) && isBound(greatest) ? { min: least, max: greatest } : null;
}

function isBound(bytes: Buffer | null): bytes is Buffer {
  return bytes !== null && bytes.length <= BOUND_BYTES_MAX;
}

/** As values stand in pages. Zeros have the sign that holds both; NaN, which the engine sorts last, is no bound. */
function boundBytes(
  type: Type,
  value: Row[string] | undefined,
  side: "min" | "max",
): Buffer | null {
  if (value === null || value === undefined) return null;
  const { physical } = schemaElement(type);
  switch (physical) {
    case PHYSICAL.boolean:
      return Buffer.from([value === true ? 1 : 0]);
    case PHYSICAL.bytes:
      return typeof value === "string" ? Buffer.from(value) : null;
    case PHYSICAL.int: {
      const bytes = Buffer.alloc(4);
      bytes.writeInt32LE(Number(value));
      return bytes;
    }
    case PHYSICAL.long: {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(String(value)));
      return bytes;
    }
    case PHYSICAL.float:
    case PHYSICAL.double: {
      const number = Number(value);
      if (Number.isNaN(number)) return null;
      const signed = number === 0 ? (side === "min" ? -0 : 0) : number;
      const bytes = Buffer.alloc(physical === PHYSICAL.float ? 4 : 8);
      if (physical === PHYSICAL.float) bytes.writeFloatLE(signed);
      else bytes.writeDoubleLE(signed);
      return bytes;
    }
    default:
      return null;
  }
}
