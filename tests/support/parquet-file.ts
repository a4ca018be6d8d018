/** Writes small Parquet files by hand, for what the writers at hand do not write: one plain page a column. */

export type Physical =
  | "BOOLEAN"
  | "INT32"
  | "INT64"
  | "INT96"
  | "FLOAT"
  | "DOUBLE"
  | "BYTE_ARRAY"
  | "FIXED_LEN_BYTE_ARRAY";

export type Stored = number | bigint | string | Uint8Array;

/** A column, or a part of one. A leaf has a type; a group has children, even none. */
export interface ParquetPart {
  readonly name: string;
  /** Default: optional. */
  readonly repetition?: "required" | "optional" | "repeated";
  readonly type?: Physical;
  readonly lengthBytes?: number;
  readonly converted?: number;
  readonly scale?: number;
  readonly precision?: number;
  /** The logical type: its place in the union, and its fields. */
  readonly logical?: readonly [place: number, fields: Thrift];
  readonly children?: readonly ParquetPart[];
  /** Of a leaf without levels of its own: null where it is not there. */
  readonly values?: readonly (Stored | null)[];
  /** Of a leaf in lists: how far each entry repeats and is there, beside the values that are. */
  readonly levels?: readonly (readonly [repetition: number, definition: number])[];
  readonly encoding?: "PLAIN" | "BYTE_STREAM_SPLIT";
}

/** Fields by their number. */
export type Thrift = readonly (readonly [id: number, kind: Kind, value: unknown])[];
type Kind = "bool" | "i32" | "i64" | "binary" | "struct" | "structs" | "i32s" | "binaries";

const PHYSICAL: readonly Physical[] = [
  "BOOLEAN",
  "INT32",
  "INT64",
  "INT96",
  "FLOAT",
  "DOUBLE",
  "BYTE_ARRAY",
  "FIXED_LEN_BYTE_ARRAY",
];
const KIND_BYTES = { i32: 5, i64: 6, binary: 8, structs: 9, i32s: 9, binaries: 9, struct: 12 };
const RLE = 3;
const ENCODINGS = { PLAIN: 0, BYTE_STREAM_SPLIT: 9 };

export const TIME = (unit: 1 | 2 | 3): readonly [number, Thrift] => [7, timed(unit)];
export const TIMESTAMP = (unit: 1 | 2 | 3, utc: boolean): readonly [number, Thrift] => [
  8,
  timed(unit, utc),
];

/** A file of one row group. */
export function parquetFile(
  columns: readonly ParquetPart[],
  rows: number,
  keys: Readonly<Record<string, string>> = {},
): Buffer {
  const parts: Buffer[] = [Buffer.from("PAR1")];
  let at = 4;
  const chunks = columns
    .flatMap((column) => leaves(column, [], []))
    .map((leaf) => {
      const { header, page, count } = pageOf(leaf);
      const bytes = Buffer.concat([header, page]);
      const { part, path } = leaf;
      const chunk: Thrift = [
        [1, "i32", PHYSICAL.indexOf(part.type ?? "BOOLEAN")],
        [2, "i32s", [ENCODINGS[part.encoding ?? "PLAIN"], RLE]],
        [3, "binaries", path],
        [4, "i32", 0],
        [5, "i64", count],
        [6, "i64", bytes.length],
        [7, "i64", bytes.length],
        [9, "i64", at],
      ];
      const column: Thrift = [
        [2, "i64", at],
        [3, "struct", chunk],
      ];
      parts.push(bytes);
      at += bytes.length;
      return column;
    });
  const root: Thrift = [
    [4, "binary", "schema"],
    [5, "i32", columns.length],
  ];
  const group: Thrift = [
    [1, "structs", chunks],
    [2, "i64", at],
    [3, "i64", rows],
  ];
  const pairs = Object.entries(keys).map(
    ([key, value]): Thrift => [
      [1, "binary", key],
      [2, "binary", value],
    ],
  );
  const footer = encode([
    [1, "i32", 1],
    [2, "structs", [root, ...columns.flatMap(elements)]],
    [3, "i64", rows],
    [4, "structs", [group]],
    [5, "structs", pairs],
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footer.length);
  return Buffer.concat([...parts, footer, length, Buffer.from("PAR1")]);
}

interface LeafAt {
  readonly part: ParquetPart;
  readonly path: readonly string[];
  readonly repetitions: readonly string[];
}

function timed(unit: 1 | 2 | 3, utc = false): Thrift {
  return [
    [1, "bool", utc],
    [2, "struct", [[unit, "struct", []]]],
  ];
}

function leaves(
  part: ParquetPart,
  above: readonly string[],
  repeated: readonly string[],
): LeafAt[] {
  const path = [...above, part.name];
  const repetitions = [...repeated, part.repetition ?? "optional"];
  if (part.children === undefined) return [{ part, path, repetitions }];
  return part.children.flatMap((child) => leaves(child, path, repetitions));
}

function elements(part: ParquetPart): Thrift[] {
  const { type, children } = part;
  const given: (readonly [number, Kind, unknown])[] = [
    [1, "i32", type === undefined ? undefined : PHYSICAL.indexOf(type)],
    [2, "i32", part.lengthBytes],
    [3, "i32", ["required", "optional", "repeated"].indexOf(part.repetition ?? "optional")],
    [4, "binary", part.name],
    [5, "i32", children?.length],
    [6, "i32", part.converted],
    [7, "i32", part.scale],
    [8, "i32", part.precision],
    [
      10,
      "struct",
      part.logical === undefined ? undefined : [[part.logical[0], "struct", part.logical[1]]],
    ],
  ];
  const own = given.filter(([, , value]) => value !== undefined);
  return [own, ...(children ?? []).flatMap(elements)];
}

function pageOf({ part, repetitions }: LeafAt): { header: Buffer; page: Buffer; count: number } {
  const [deepest, highest] = [
    repetitions.filter((one) => one === "repeated").length,
    repetitions.filter((one) => one !== "required").length,
  ];
  const values = part.values ?? [];
  const levels = part.levels ?? values.map((value) => [0, value === null ? highest - 1 : highest]);
  const there = values.filter((value) => value !== null);
  const plain = there.map((value) => stored(part, value));
  const page = Buffer.concat([
    deepest === 0 ? Buffer.alloc(0) : runs(levels.map(([repetition = 0]) => repetition)),
    highest === 0 ? Buffer.alloc(0) : runs(levels.map(([, definition = 0]) => definition)),
    part.encoding === "BYTE_STREAM_SPLIT" ? split(plain) : Buffer.concat(plain),
  ]);
  const header = encode([
    [1, "i32", 0],
    [2, "i32", page.length],
    [3, "i32", page.length],
    [
      5,
      "struct",
      [
        [1, "i32", levels.length],
        [2, "i32", ENCODINGS[part.encoding ?? "PLAIN"]],
        [3, "i32", RLE],
        [4, "i32", RLE],
      ],
    ],
  ]);
  return { header, page, count: levels.length };
}

/** Levels of at most 8 bits, each a run of one. */
function runs(levels: readonly number[]): Buffer {
  const body = Buffer.from(levels.flatMap((level) => [2, level]));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([length, body]);
}

function stored(part: ParquetPart, value: Stored): Buffer {
  const bytes = Buffer.alloc(8);
  switch (part.type) {
    case "INT32":
      bytes.writeInt32LE(Number(value));
      return bytes.subarray(0, 4);
    case "INT64":
      bytes.writeBigInt64LE(BigInt(String(value)));
      return bytes;
    case "DOUBLE":
      bytes.writeDoubleLE(Number(value));
      return bytes;
    case "BYTE_ARRAY": {
      const own = bytesOf(value);
      bytes.writeUInt32LE(own.length);
      return Buffer.concat([bytes.subarray(0, 4), own]);
    }
    default:
      return bytesOf(value);
  }
}

function bytesOf(value: Stored): Buffer {
  return value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(String(value));
}

function split(values: readonly Buffer[]): Buffer {
  const width = values[0]?.length ?? 0;
  return Buffer.concat(
    Array.from({ length: width }, (_, at) => Buffer.from(values.map((value) => value[at] ?? 0))),
  );
}

function encode(fields: Thrift): Buffer {
  const parts: Buffer[] = [];
  let last = 0;
  for (const [id, kind, value] of fields) {
    const type = kind === "bool" ? (value === true ? 1 : 2) : KIND_BYTES[kind];
    parts.push(Buffer.of(((id - last) << 4) | type));
    last = id;
    if (kind !== "bool") parts.push(encodeValue(kind, value));
  }
  return Buffer.concat([...parts, Buffer.of(0)]);
}

function encodeValue(kind: Exclude<Kind, "bool">, value: unknown): Buffer {
  switch (kind) {
    case "i32":
    case "i64":
      return varint(zigzag(BigInt(Number(value))));
    case "binary":
      return withLength(Buffer.from(String(value)));
    case "struct":
      return encode(value as Thrift); // parse: the kind says so
    default: {
      const items = value as readonly unknown[]; // parse: the kind says so
      const one = kind === "structs" ? "struct" : kind === "i32s" ? "i32" : "binary";
      const head = Buffer.concat([Buffer.of(0xf0 | KIND_BYTES[one]), varint(BigInt(items.length))]);
      return Buffer.concat([head, ...items.map((item) => encodeValue(one, item))]);
    }
  }
}

function withLength(bytes: Buffer): Buffer {
  return Buffer.concat([varint(BigInt(bytes.length)), bytes]);
}

function zigzag(value: bigint): bigint {
  return value < 0n ? -value * 2n - 1n : value * 2n;
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left > 127n; left >>= 7n) bytes.push(Number(left & 127n) | 128);
  return Buffer.from([...bytes, Number(left)]);
}
