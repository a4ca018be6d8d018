/**
 * Avro object container files: a header with key-value metadata, then compressed blocks of records. We write deflate;
 * we read what Iceberg's writers use.
 */

import { AVRO_MAGIC, AVRO_SYNC_BYTES } from "../../core/base/avro.ts";
import { LakeError } from "../../core/base/errors.ts";
import { plainSnappyBlock } from "../../core/base/snappy.ts";
import { AVRO_BLOCK_BYTES_MAX } from "../../core/limits.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import {
  type AvroRecord,
  type AvroSchema,
  compileDecoder,
  compileEncoder,
  type FieldBinding,
  parseAvroSchema,
} from "./values.ts";

export interface AvroFile {
  /** Header entries as text, `avro.schema` and `avro.codec` included. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly schema: AvroSchema;
  readonly records: readonly AvroRecord[];
}

const MAGIC = new TextEncoder().encode(AVRO_MAGIC);
/** Plain bytes per block, as Avro's Java library: 64 kB blocks compress well and bound a reader's memory. */
const BLOCK_BYTES = 64_000;

/** Near the size of the default at a fraction of its time; level 1 makes manifests a third larger. */
const DEFLATE_LEVEL = 2;
/** Loaded at its first use: importing it is a tenth of a cold start, and most starts decompress nothing. */
const zlib = () => process.getBuiltinModule("node:zlib");
/** Deflate makes at most so many bytes of one. zlib.net, "Technical Details": 1032 to 1. */
const DEFLATE_RATIO_MAX = 1032;

/**
 * Writes records under a schema of ours, deflated. The sync marker is a hash of the first block: the same
 * records give the same bytes.
 */
export function writeAvro(
  schema: AvroSchema,
  metadata: ReadonlyMap<string, string>,
  records: Iterable<AvroRecord>,
): Uint8Array {
  const schemaText = JSON.stringify(schema);
  const encode = compileEncoder(schema);
  const blocks: { readonly count: number; readonly bytes: Uint8Array }[] = [];
  let block = new ByteWriter();
  let count = 0;
  const close = (): void => {
    if (count > 0) blocks.push({ count, bytes: deflateBlock(block.view()) });
    block = new ByteWriter();
    count = 0;
  };
  for (const record of records) {
    encode(block, record);
    count++;
    if (block.length >= BLOCK_BYTES) close();
  }
  close();
  const hash = new Bun.CryptoHasher("sha256").update(schemaText);
  for (const item of blocks) hash.update(item.bytes);
  const sync = hash.digest().subarray(0, AVRO_SYNC_BYTES);
  const out = new ByteWriter();
  writeHeader(out, schemaText, metadata, sync);
  for (const item of blocks) {
    out.int(item.count);
    out.bytes(item.bytes);
    out.raw(sync);
  }
  return new Uint8Array(out.view());
}

/** Reads a whole file. `name` stands in error messages. Throws `corrupt` or `unsupported`. */
export function readAvro(bytes: Uint8Array, name: string, binding?: FieldBinding): AvroFile {
  try {
    return readContainer(new ByteReader(bytes), binding);
  } catch (cause) {
    if (!(cause instanceof LakeError)) throw cause;
    throw new LakeError(cause.code, `${name}: ${cause.message}`, {
      hint: cause.hint ?? "restore the file from a copy; an engine or a disk damaged it",
      cause,
    });
  }
}

export function deflateBlock(bytes: Uint8Array): Uint8Array {
  return Bun.deflateSync(unshared(bytes), { level: DEFLATE_LEVEL });
}

/** A block's plain bytes. Throws `unsupported` for an unknown codec and `corrupt` for damaged data. */
export function decompressBlock(codec: string, bytes: Uint8Array): Uint8Array {
  try {
    switch (codec) {
      case "null":
        return bytes;
      case "deflate":
        return inflate(bytes);
      case "zstandard":
        return zlib().zstdDecompressSync(bytes, { maxOutputLength: AVRO_BLOCK_BYTES_MAX });
      case "snappy":
        return unsnap(bytes);
    }
  } catch (cause) {
    if (cause instanceof LakeError) throw cause;
    throw new LakeError("corrupt", `an Avro block does not decompress with ${codec}`, { cause });
  }
  throw new LakeError("unsupported", `Avro codec ${codec}`, {
    hint: "rewrite the file with codec deflate, zstandard, snappy or null",
  });
}

function writeHeader(
  out: ByteWriter,
  schemaText: string,
  metadata: ReadonlyMap<string, string>,
  sync: Uint8Array,
): void {
  const entries = [...metadata, ["avro.codec", "deflate"], ["avro.schema", schemaText]] as const;
  out.raw(MAGIC);
  out.int(entries.length);
  for (const [key, value] of entries) {
    out.string(key);
    out.string(value);
  }
  out.byte(0);
  out.raw(sync);
}

function readContainer(reader: ByteReader, binding?: FieldBinding): AvroFile {
  for (const byte of MAGIC) {
    if (reader.remaining === 0 || reader.byte() !== byte) {
      throw new LakeError("corrupt", "not an Avro file");
    }
  }
  const metadata = readHeader(reader);
  const schema = parseAvroSchema(metadata.get("avro.schema") ?? "");
  const codec = metadata.get("avro.codec") ?? "null";
  const decode = compileDecoder(schema, binding);
  const sync = reader.raw(AVRO_SYNC_BYTES);
  const records: AvroRecord[] = [];
  while (reader.remaining > 0) {
    const count = reader.size();
    const block = new ByteReader(decompressBlock(codec, reader.bytes()));
    for (let index = 0; index < count; index++) {
      records.push(decode(block) as AvroRecord); // parse: the root of Iceberg's files is a record
    }
    if (block.remaining > 0) throw new LakeError("corrupt", "an Avro block has bytes left over");
    const marker = reader.raw(AVRO_SYNC_BYTES);
    if (marker.some((byte, index) => byte !== sync[index])) {
      throw new LakeError("corrupt", "an Avro sync marker does not match");
    }
  }
  return { metadata, schema, records };
}

function readHeader(reader: ByteReader): Map<string, string> {
  const metadata = new Map<string, string>();
  for (let count = reader.size(); count !== 0; count = reader.size()) {
    if (count < 0) reader.size();
    for (let index = 0; index < Math.abs(count); index++) {
      metadata.set(reader.string(), reader.string());
    }
  }
  return metadata;
}

/** By the runtime itself where nothing can become too large: loading zlib is a tenth of a cold query. */
function inflate(bytes: Uint8Array): Uint8Array {
  return bytes.length * DEFLATE_RATIO_MAX <= AVRO_BLOCK_BYTES_MAX
    ? Bun.inflateSync(unshared(bytes))
    : zlib().inflateRawSync(bytes, { maxOutputLength: AVRO_BLOCK_BYTES_MAX });
}

function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>; // parse: no bytes of ours are shared between threads
}

function unsnap(bytes: Uint8Array): Uint8Array {
  const plain = plainSnappyBlock(bytes, AVRO_BLOCK_BYTES_MAX, zlib().crc32);
  if (plain === null) throw new RangeError("it is too large");
  return plain;
}
