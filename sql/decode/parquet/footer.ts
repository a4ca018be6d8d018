/** The footer of a dropped Parquet file: what its columns mean, and where their pages lie. parquet.thrift. */

import { closeSync, openSync, readSync, statSync } from "node:fs";
import { deserializeTCompactProtocol } from "hyparquet/src/thrift.js";
import { errorText } from "../../../core/base/errors.ts";
import { PARQUET_FOOTER_BYTES_MAX } from "../../../core/limits.ts";
import { Unreadable } from "../unreadable.ts";

export type Physical =
  | "BOOLEAN"
  | "INT32"
  | "INT64"
  | "INT96"
  | "FLOAT"
  | "DOUBLE"
  | "BYTE_ARRAY"
  | "FIXED_LEN_BYTE_ARRAY";

export type Unit = "millis" | "micros" | "nanos";

/** What the values of a node stand for; `none`: themselves. */
export type Meaning =
  | {
      readonly kind:
        | "none"
        | "text"
        | "json"
        | "bson"
        | "date"
        | "uuid"
        | "float16"
        | "interval"
        | "null"
        | "list"
        | "map"
        | "variant"
        | "geometry";
    }
  | { readonly kind: "decimal"; readonly precision: number; readonly scale: number }
  | { readonly kind: "integer"; readonly bits: number; readonly signed: boolean }
  | { readonly kind: "time"; readonly unit: Unit }
  | { readonly kind: "timestamp"; readonly unit: Unit; readonly zoned: boolean };

/** A column or a part of one. */
export interface ParquetNode {
  readonly name: string;
  readonly repetition: "required" | "optional" | "repeated";
  readonly meaning: Meaning;
  /** Levels of a value that is there. */
  readonly definition: number;
  readonly depth: number;
  readonly children: readonly ParquetNode[];
  /** Null for a group. */
  readonly leaf: Leaf | null;
}

export interface Leaf {
  /** Place among the chunks of a row group. */
  readonly index: number;
  /** Names from the column down, for messages. */
  readonly path: string;
  readonly physical: Physical;
  readonly lengthBytes: number;
  /** Repetitions from the column down. */
  readonly repetitions: readonly ParquetNode["repetition"][];
}

export interface Chunk {
  readonly start: number;
  readonly sizeBytes: number;
  /** As its pages would stand unpacked. */
  readonly plainBytes: number;
  readonly codec: number;
  readonly encodings: readonly number[];
  readonly values: number;
  /** Plain values as the writer says; null where it does not say. */
  readonly bounds: { readonly min: Uint8Array; readonly max: Uint8Array } | null;
  readonly nulls: number | null;
  /** Why it cannot be read from this file. */
  readonly fault: string | null;
}

export interface ParquetFooter {
  readonly columns: readonly ParquetNode[];
  readonly groups: readonly { readonly rows: number; readonly chunks: readonly Chunk[] }[];
  readonly rows: number;
}

type Thrift = { readonly [key: `field_${number}`]: unknown };

const MAGIC = "PAR1";
const TRAILER_BYTES = 8;
/** In the order of parquet.thrift, Type. */
export const PHYSICAL_NAMES: readonly Physical[] = [
  "BOOLEAN",
  "INT32",
  "INT64",
  "INT96",
  "FLOAT",
  "DOUBLE",
  "BYTE_ARRAY",
  "FIXED_LEN_BYTE_ARRAY",
];
const REPETITIONS = ["required", "optional", "repeated"] as const;
const NODES_DEEP_MAX = 500;
const DECIMAL_DIGITS_MAX = 1_000;

/** Throws Unreadable when the file does not end as a Parquet file does. */
export function readFooter(path: string): ParquetFooter {
  try {
    return footerOf(footerBytes(path));
  } catch (thrown) {
    if (thrown instanceof Unreadable) throw thrown;
    throw broken(errorText(thrown));
  }
}

/** All leaves under a node, in their order. */
export function leavesOf(node: ParquetNode): ParquetNode[] {
  return node.leaf !== null ? [node] : node.children.flatMap(leavesOf);
}

function footerBytes(path: string): Uint8Array {
  const { size } = statSync(path);
  const file = openSync(path, "r");
  const read = (length: number, start: number): Uint8Array => {
    const bytes = new Uint8Array(length);
    if (start < 0 || readSync(file, bytes, 0, length, start) < length) throw broken("it is cut");
    return bytes;
  };
  try {
    const trailer = read(TRAILER_BYTES, size - TRAILER_BYTES);
    if (Buffer.from(trailer.subarray(4)).toString("latin1") !== MAGIC) {
      throw broken("the file does not end as a Parquet file does");
    }
    const length = new DataView(trailer.buffer).getUint32(0, true);
    if (length > PARQUET_FOOTER_BYTES_MAX) throw broken(`it claims ${length} bytes`);
    return read(length, size - TRAILER_BYTES - length);
  } finally {
    closeSync(file);
  }
}

function footerOf(bytes: Uint8Array): ParquetFooter {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const footer: Thrift = deserializeTCompactProtocol({ view, offset: 0 });
  const geometries = geoColumns(structs(footer.field_5));
  const columns = new SchemaReader(structs(footer.field_2)).columns().map((column) => {
    const isBytes = column.leaf?.physical === "BYTE_ARRAY";
    if (!isBytes || !geometries.has(column.name)) return column;
    return { ...column, meaning: { kind: "geometry" } as const };
  });
  const leaves = columns.flatMap(leavesOf);
  const groups = structs(footer.field_4).map((group) => {
    const chunks = structs(group.field_1).map(chunkOf);
    if (chunks.length !== leaves.length) {
      throw broken(`a row group has ${chunks.length} columns, the schema ${leaves.length}`);
    }
    return { rows: whole(group.field_3), chunks };
  });
  const rows = groups.reduce((sum, group) => sum + group.rows, 0);
  if (rows !== whole(footer.field_3)) throw broken(`its row groups hold ${rows} rows, and not all`);
  return { columns, groups, rows };
}

function chunkOf(column: Thrift): Chunk {
  const data = struct(column.field_3);
  const [first, dictionary] = [whole(data.field_9), whole(data.field_11 ?? 0)];
  const statistics = struct(data.field_12);
  const [min, max] = [statistics.field_6, statistics.field_5];
  const encrypted = column.field_8 !== undefined || column.field_9 !== undefined;
  const elsewhere = bytes(column.field_1);
  return {
    start: dictionary > 0 && dictionary < first ? dictionary : first,
    sizeBytes: whole(data.field_7),
    plainBytes: whole(data.field_6),
    codec: whole(data.field_4),
    encodings: Array.isArray(data.field_2) ? data.field_2.map(Number) : [],
    values: whole(data.field_5),
    bounds: min instanceof Uint8Array && max instanceof Uint8Array ? { min, max } : null,
    nulls: statistics.field_3 === undefined ? null : whole(statistics.field_3),
    fault: encrypted ? "is encrypted" : elsewhere === null ? null : `lies in ${text(elsewhere)}`,
  };
}

/** Columns of well-known binary by the file's key `geo`, of which nothing else counts. GeoParquet 1.1, "Metadata". */
function geoColumns(pairs: readonly Thrift[]): ReadonlySet<string> {
  const pair = pairs.find(({ field_1: key }) => text(bytes(key) ?? NO_BYTES) === "geo");
  const found = new Set<string>();
  try {
    const geo: unknown = JSON.parse(text(bytes(pair?.field_2) ?? NO_BYTES) || "{}");
    const columns = isObject(geo) && isObject(geo.columns) ? Object.entries(geo.columns) : [];
    for (const [name, column] of columns) {
      if (isObject(column) && column.encoding === "WKB") found.add(name);
    }
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
  }
  return found;
}

const NO_BYTES = new Uint8Array();

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The flattened schema tree, read in preorder. */
class SchemaReader {
  readonly #elements: readonly Thrift[];
  #at = 0;
  #leaves = 0;

  constructor(elements: readonly Thrift[]) {
    this.#elements = elements;
  }

  columns(): ParquetNode[] {
    const count = whole(this.#elements[this.#at++]?.field_5 ?? 0);
    const above = { definition: 0, depth: 0, names: [], repetitions: [] };
    return Array.from({ length: this.#count(count) }, () => this.#node(above));
  }

  #node(above: {
    readonly definition: number;
    readonly depth: number;
    readonly names: readonly string[];
    readonly repetitions: readonly ParquetNode["repetition"][];
  }): ParquetNode {
    const element = this.#elements[this.#at++];
    if (element === undefined) throw broken("its schema ends early");
    const name = text(bytes(element.field_4) ?? NO_BYTES);
    const repetition = REPETITIONS[whole(element.field_3 ?? 0)] ?? "required";
    const names = [...above.names, name];
    if (names.length > NODES_DEEP_MAX) throw broken("its schema nests too deep");
    const repetitions = [...above.repetitions, repetition];
    const definition = above.definition + (repetition === "required" ? 0 : 1);
    const depth = above.depth + (repetition === "repeated" ? 1 : 0);
    const base = { name, repetition, meaning: meaningOf(element), definition, depth };
    // A group without fields has no physical type either.
    if (element.field_1 === undefined) {
      const count = this.#count(whole(element.field_5 ?? 0));
      const inner = { definition, depth, names, repetitions };
      const children = Array.from({ length: count }, () => this.#node(inner));
      return { ...base, children, leaf: null };
    }
    const physical = PHYSICAL_NAMES[whole(element.field_1)];
    if (physical === undefined) throw broken(`${name} has an unknown type`);
    const leaf: Leaf = {
      index: this.#leaves++,
      path: names.join("."),
      physical,
      lengthBytes: whole(element.field_2 ?? 0),
      repetitions,
    };
    return { ...base, children: [], leaf };
  }

  #count(count: number): number {
    if (count > this.#elements.length) throw broken("its schema ends early");
    return count;
  }
}

/** The logical type where there is one, else the older converted type. LogicalTypes.md. */
function meaningOf(element: Thrift): Meaning {
  const logical = logicalMeaning(struct(element.field_10));
  if (logical?.kind === "decimal") refuseOther(logical, element);
  return logical ?? convertedMeaning(element);
}

/** Digits are written twice, for older readers. Nobody can tell which are meant where they differ. */
function refuseOther({ precision, scale }: DecimalMeaning, element: Thrift): void {
  const isSame =
    Number(element.field_8 ?? precision) === precision &&
    Number(element.field_7 ?? scale) === scale;
  if (isSame) return;
  throw broken(`${text(bytes(element.field_4) ?? NO_BYTES)} is two different decimals`);
}

type DecimalMeaning = Meaning & { readonly kind: "decimal" };

function logicalMeaning(logical: Thrift): Meaning | null {
  const decimal = logical.field_5;
  if (decimal !== undefined) {
    const { field_1: scale, field_2: precision } = struct(decimal);
    return decimalOf(precision, scale);
  }
  if (logical.field_7 !== undefined) {
    return { kind: "time", unit: unitOf(struct(logical.field_7)) };
  }
  if (logical.field_8 !== undefined) {
    const given = struct(logical.field_8);
    return { kind: "timestamp", unit: unitOf(given), zoned: given.field_1 === true };
  }
  if (logical.field_10 !== undefined) {
    const given = struct(logical.field_10);
    const bits = whole(given.field_1);
    if (![8, 16, 32, 64].includes(bits)) throw broken(`it has integers of ${bits} bits`);
    return { kind: "integer", bits, signed: given.field_2 === true };
  }
  for (const [id, kind] of PLAIN_LOGICAL) {
    if (logical[`field_${id}`] !== undefined) return { kind };
  }
  return null;
}

const PLAIN_LOGICAL = [
  [1, "text"],
  [2, "map"],
  [3, "list"],
  [4, "text"],
  [6, "date"],
  [11, "null"],
  [12, "json"],
  [13, "bson"],
  [14, "uuid"],
  [15, "float16"],
  [16, "variant"],
  [17, "geometry"],
  [18, "geometry"],
] as const;

/** Zone or not is not said by converted types of timestamps: other readers take them for local ones. */
function convertedMeaning(element: Thrift): Meaning {
  const converted = element.field_6;
  switch (converted) {
    case 0:
    case 4:
      return { kind: "text" };
    case 1:
    case 2:
      return { kind: "map" };
    case 3:
      return { kind: "list" };
    case 5:
      return decimalOf(element.field_8, element.field_7);
    case 6:
      return { kind: "date" };
    case 7:
    case 8:
      return { kind: "time", unit: converted === 7 ? "millis" : "micros" };
    case 9:
    case 10:
      return { kind: "timestamp", unit: converted === 9 ? "millis" : "micros", zoned: false };
    case 19:
      return { kind: "json" };
    case 20:
      return { kind: "bson" };
    case 21:
      return { kind: "interval" };
  }
  if (typeof converted !== "number" || converted < 11 || converted > 18) return { kind: "none" };
  const [place, signed] = converted < 15 ? [converted - 11, false] : [converted - 15, true];
  return { kind: "integer", bits: 8 * 2 ** place, signed };
}

/** Digits that nobody writes are damage, and would cost as many zeros. */
function decimalOf(precision: unknown, scale: unknown): Meaning {
  const found = { precision: whole(precision ?? 0), scale: whole(scale ?? 0) };
  if (Math.max(found.precision, found.scale) <= DECIMAL_DIGITS_MAX)
    return { kind: "decimal", ...found };
  throw broken(`it has a decimal of ${found.precision} digits and scale ${found.scale}`);
}

function unitOf(given: Thrift): Unit {
  const unit = struct(given.field_2);
  if (unit.field_1 !== undefined) return "millis";
  return unit.field_2 === undefined ? "nanos" : "micros";
}

function struct(value: unknown): Thrift {
  return isThrift(value) ? value : {};
}

function isThrift(value: unknown): value is Thrift {
  return typeof value === "object" && value !== null;
}

function structs(value: unknown): readonly Thrift[] {
  return Array.isArray(value) ? value.map(struct) : [];
}

function bytes(value: unknown): Uint8Array | null {
  return value instanceof Uint8Array ? value : null;
}

function text(value: Uint8Array): string {
  return Buffer.from(value).toString();
}

/** A count or an offset. */
function whole(value: unknown): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 0) throw broken(`it holds ${value} for a count`);
  return number;
}

function broken(message: string): Unreadable {
  return new Unreadable("unreadable", `the footer of the Parquet file is broken: ${message}`);
}
