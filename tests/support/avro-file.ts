/** Writes Avro object container files: values encoded by avsc, blocks and codecs by hand. */

import { crc32, deflateRawSync, zstdCompressSync } from "node:zlib";
import avro from "avsc";

export type AvroJson = string | { readonly [key: string]: unknown } | readonly AvroJson[];

export interface AvroOptions {
  readonly codec?: string;
  /** Rows of one block. */
  readonly blockRows?: number;
  /** Packs a block; absent: by the codec. */
  readonly pack?: (plain: Uint8Array) => Uint8Array;
}

const SYNC = Buffer.from("0123456789abcdef");

const longType = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === "bigint",
  compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1),
});

/** A record with these fields. */
export function avroRecord(fields: Readonly<Record<string, AvroJson>>): AvroJson {
  const list = Object.entries(fields).map(([name, type]) => ({ name, type }));
  return { type: "record", name: "Row", fields: list };
}

/** The rows of a schema, each encoded; unions are wrapped (`{ int: 5 }`), longs are bigint. */
export function encodeRows(schema: AvroJson, rows: readonly unknown[]): Buffer[] {
  const typeHook = (node: unknown) => (isLong(node) ? longType : undefined);
  const options = { registry: { long: longType }, typeHook, wrapUnions: true };
  // parse: avsc's own types do not know bigint longs
  const type = avro.Type.forSchema(schema as never, options as never);
  return rows.map((row) => type.toBuffer(row));
}

/** `{ type: "long", … }`, which avsc does not look up. */
function isLong(node: unknown): boolean {
  return typeof node === "object" && node !== null && "type" in node && node.type === "long";
}

/** A whole file. */
export function avroFile(
  schema: AvroJson,
  rows: readonly unknown[],
  options: AvroOptions = {},
): Buffer {
  return avroContainer(schema, encodeRows(schema, rows), options);
}

/** A file of rows that are encoded already. */
export function avroContainer(
  schema: AvroJson,
  rows: readonly Uint8Array[],
  options: AvroOptions = {},
): Buffer {
  const { codec = "null", blockRows = 1000, pack = packerOf(codec) } = options;
  const parts: Uint8Array[] = [Buffer.from("Obj\u0001"), zigzag(2)];
  const metadata = { "avro.codec": codec, "avro.schema": JSON.stringify(schema) };
  for (const [key, value] of Object.entries(metadata)) parts.push(sized(key), sized(value));
  parts.push(zigzag(0), SYNC);
  for (let from = 0; from < rows.length; from += blockRows) {
    const block = rows.slice(from, from + blockRows);
    const packed = pack(Buffer.concat(block));
    parts.push(zigzag(block.length), zigzag(packed.length), packed, SYNC);
  }
  return Buffer.concat(parts);
}

export function zigzag(value: number | bigint): Buffer {
  const wide = BigInt(value);
  let rest = wide < 0n ? -2n * wide - 1n : 2n * wide;
  const bytes: number[] = [];
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 128);
  } while (rest > 0n);
  return Buffer.from(bytes);
}

export function sized(content: string | Uint8Array): Buffer {
  const bytes = Buffer.from(content as string); // parse: a text or bytes, both are taken
  return Buffer.concat([zigzag(bytes.length), bytes]);
}

function packerOf(codec: string): (plain: Uint8Array) => Uint8Array {
  switch (codec) {
    case "deflate":
      return deflateRawSync;
    case "zstandard":
      return zstdCompressSync;
    case "snappy":
      return snappy;
    default:
      return (plain) => plain;
  }
}

/** One literal, then copies of its last byte: enough to have both kinds of elements. */
function snappy(plain: Uint8Array): Uint8Array {
  const varint: number[] = [];
  for (let rest = plain.length; ; rest >>>= 7) {
    varint.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) break;
  }
  const last = plain.at(-1);
  let end = plain.length;
  while (end > 1 && plain[end - 1] === last && plain[end - 2] === last) end--;
  const parts: Uint8Array[] = [Buffer.from(varint)];
  const length = Buffer.alloc(4);
  length.writeUInt32LE(end - 1);
  parts.push(Buffer.from([63 << 2]), length, plain.subarray(0, end));
  for (let left = plain.length - end; left > 0; left -= 64) {
    parts.push(Buffer.from([((Math.min(left, 64) - 1) << 2) | 2, 1, 0]));
  }
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(plain));
  return Buffer.concat([...parts, crc]);
}
