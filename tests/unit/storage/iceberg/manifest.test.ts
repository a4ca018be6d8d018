/** Manifests and their lists: what is written is read, and what older or sloppier writers leave out. */

import { describe, expect, test } from "bun:test";
import type { PartitionSpec, Schema, Type } from "../../../../core/table/types.ts";
import { ByteReader, ByteWriter } from "../../../../storage/avro/bytes.ts";
import { readAvro, writeAvro } from "../../../../storage/avro/container.ts";
import type { AvroRecordSchema } from "../../../../storage/avro/values.ts";
import {
  type ManifestEntry,
  type ManifestFile,
  readManifest,
  readManifestList,
  writeManifest,
  writeManifestList,
} from "../../../../storage/iceberg/manifest.ts";
import { avroName } from "../../../../storage/iceberg/manifest-schema.ts";
import { dataFile, primitive, SCHEMA, UNPARTITIONED } from "./memory-files.ts";

const DECIMAL: Type = { kind: "decimal", precision: 9, scale: 2 };
const WIDE: Schema = {
  schemaId: 4,
  fields: [
    { id: 1, name: "da-sh", required: false, type: primitive("long") },
    { id: 2, name: "1st", required: false, type: DECIMAL },
    { id: 3, name: "ünï", required: false, type: DECIMAL },
    { id: 4, name: "u", required: false, type: primitive("uuid") },
    { id: 5, name: "ts", required: false, type: primitive("timestamptz") },
    { id: 6, name: "t", required: false, type: primitive("time") },
    { id: 7, name: "f", required: false, type: { kind: "fixed", length: 3 } },
    { id: 8, name: "b", required: false, type: primitive("boolean") },
    { id: 9, name: "x", required: false, type: primitive("double") },
  ],
};
const SPEC: PartitionSpec = {
  specId: 3,
  fields: WIDE.fields.map((field, index) => ({
    sourceId: field.id,
    fieldId: 1000 + index,
    name: field.name,
    transform: "identity",
  })),
};
const TUPLE = [
  -5n,
  -1420n,
  99n,
  new Uint8Array(16).fill(200),
  -1n,
  5n,
  Uint8Array.of(1, 2, 3),
  true,
  Number.NaN,
];

function added(file: Partial<ManifestEntry["file"]>): ManifestEntry {
  return { status: "added", snapshotId: 9n, file: dataFile("a", TUPLE, { specId: 3, ...file }) };
}

function written(entries: readonly ManifestEntry[]): { bytes: Uint8Array; file: ManifestFile } {
  const input = {
    location: "file:///m.avro",
    content: "data" as const,
    schema: WIDE,
    schemas: [WIDE],
  };
  return writeManifest({ ...input, spec: SPEC, snapshotId: 9n, entries, formatVersion: 2 });
}

describe("manifest", () => {
  test("keeps every field of an entry, whatever the partition's type and name", () => {
    const metrics = new Map([
      [
        1,
        {
          sizeBytes: 5n,
          valueCount: 9n,
          nullCount: 1n,
          nanCount: 0n,
          lower: Uint8Array.of(1),
          upper: new Uint8Array(40),
        },
      ],
      [2, { sizeBytes: 6n }],
    ]);
    const entry = added({
      metrics,
      sortOrderId: 2,
      splitOffsets: [4n, 9n],
      equalityIds: [1, 2],
      referencedDataFile: "file:///x",
      content: "equality-deletes",
    });
    const { bytes, file } = written([entry]);
    const [read] = readManifest(bytes, { ...file, sequenceNumber: 7n }, [SPEC], [WIDE]);
    expect(read?.file).toEqual({
      ...entry.file,
      dataSequenceNumber: 7n,
      fileSequenceNumber: 7n,
      snapshotId: 9n,
    });
    expect(file.partitions?.[8]).toEqual({
      containsNull: false,
      containsNan: true,
      lower: null,
      upper: null,
    });
    expect(file.partitions?.[1]?.lower).toEqual(Uint8Array.of(0xfa, 0x74));
  });

  test("names are made fit for Avro, the original beside them; a named type is declared once", () => {
    expect(["da-sh", "1st", "with space", "a.b", "ünï", "😀"].map(avroName)).toEqual([
      "da_x2Dsh",
      "_1st",
      "with_x20space",
      "a_x2Eb",
      "ünï",
      "_xD83D_xDE00",
    ]);
    const { bytes } = written([added({})]);
    const schema = readAvro(bytes, "m").metadata.get("avro.schema") ?? "";
    expect(schema).toContain('"name":"da_x2Dsh"');
    expect(schema).toContain('"iceberg-field-name":"da-sh"');
    expect(schema.split('"name":"decimal_9_2"')).toHaveLength(2);
  });

  test("entries that were read are written again as they were", () => {
    const metrics = new Map([[1, { valueCount: 9n, upper: Uint8Array.of(7) }]]);
    const { bytes, file } = written([added({ metrics }), added({})]);
    const entries = readManifest(bytes, { ...file, sequenceNumber: 7n }, [SPEC], [WIDE]);
    const again = written(entries);
    const back = readManifest(again.bytes, { ...again.file, sequenceNumber: 8n }, [SPEC], [WIDE]);
    expect(back).toEqual(entries as ManifestEntry[]); // parse: a readonly list
    expect(again.file.minSequenceNumber).toBe(7n);
  });

  test("a long partition reads ints of before its promotion", () => {
    const spec: PartitionSpec = {
      specId: 0,
      fields: [{ sourceId: 1, fieldId: 1000, name: "p", transform: "identity" }],
    };
    const int: Schema = {
      schemaId: 0,
      fields: [{ id: 1, name: "p", required: false, type: primitive("int") }],
    };
    const long: Schema = {
      schemaId: 1,
      fields: [{ id: 1, name: "p", required: false, type: primitive("long") }],
    };
    const entries: ManifestEntry[] = [
      { status: "added", snapshotId: 9n, file: dataFile("a", [5]) },
    ];
    const { bytes, file } = writeManifest({
      formatVersion: 2,
      location: "m",
      content: "data",
      schema: int,
      schemas: [int],
      spec,
      snapshotId: 9n,
      entries,
    });
    expect(readManifest(bytes, file, [spec], [long])[0]?.file.partition).toEqual([5n]);
  });

  test("v1: no content, no sequence numbers, no ids; unknown fields passed over", () => {
    const partition: AvroRecordSchema = { type: "record", name: "r102", fields: [] };
    const schema: AvroRecordSchema = {
      type: "record",
      name: "manifest_entry",
      fields: [
        { name: "status", type: "int" },
        { name: "snapshot_id", type: "long" },
        {
          name: "data_file",
          type: {
            type: "record",
            name: "r2",
            fields: [
              { name: "file_path", type: "string" },
              { name: "file_format", type: "string" },
              { name: "partition", type: partition },
              { name: "record_count", type: "long" },
              { name: "file_size_in_bytes", type: "long" },
              { name: "block_size_in_bytes", type: "long" },
            ],
          },
        },
      ],
    };
    const file = {
      file_path: "/x",
      file_format: "PARQUET",
      partition: {},
      record_count: 3n,
      file_size_in_bytes: 4n,
      block_size_in_bytes: 5n,
    };
    const bytes = writeAvro(schema, new Map(), [{ status: 1, snapshot_id: 5n, data_file: file }]);
    const row = { ...written([]).file, specId: 0, sequenceNumber: 0n };
    expect(readManifest(bytes, row, [UNPARTITIONED], [SCHEMA])[0]).toMatchObject({
      status: "added",
      snapshotId: 5n,
      file: { content: "data", path: "/x", recordCount: 3n, sizeBytes: 4n, dataSequenceNumber: 0n },
    });
  });

  test("says when it belongs to another table", () => {
    const { bytes, file } = written([]);
    expect(() => readManifest(bytes, file, [UNPARTITIONED], [WIDE])).toThrow(
      "file:///m.avro: the table has no spec 3",
    );
  });

  test("ten times the entries are ten times the work, to write and to read back", () => {
    const [few, many] = [workOf(1_000), workOf(10_000)];
    expect(few).toBeGreaterThan(1_000);
    expect(many).toBeLessThanOrEqual(10 * few);
  });
});

/** Values written and read for a manifest of so many entries with five metrics each, and back. */
function workOf(count: number): number {
  const size = { sizeBytes: 9n, valueCount: 10n, nullCount: 0n };
  const bounds = { lower: new Uint8Array(8), upper: new Uint8Array(8) };
  const metrics = new Map([1, 2, 3, 4, 5].map((id) => [id, { ...size, ...bounds }] as const));
  const entries = Array.from({ length: count }, () => added({ metrics }));
  using calls = new Calls([ByteWriter.prototype, ByteReader.prototype]);
  const { bytes, file } = written(entries);
  const back = readManifest(bytes, { ...file, sequenceNumber: 1n }, [SPEC], [WIDE]);
  expect(back).toHaveLength(count);
  return calls.count;
}

/** Counts the calls of all methods of some classes, which do their work as before. */
class Calls implements Disposable {
  count = 0;
  readonly #undo: (() => void)[] = [];

  constructor(prototypes: readonly object[]) {
    for (const prototype of prototypes) {
      for (const name of Object.getOwnPropertyNames(prototype)) this.#follow(prototype, name);
    }
  }

  #follow(prototype: object, name: string): void {
    const own = Object.getOwnPropertyDescriptor(prototype, name);
    const method: unknown = own?.value;
    if (own === undefined || typeof method !== "function" || name === "constructor") return;
    const count = (): number => this.count++;
    const value = function (this: unknown, ...args: readonly unknown[]): unknown {
      count();
      return Reflect.apply(method, this, args);
    };
    Object.defineProperty(prototype, name, { ...own, value });
    this.#undo.push(() => Object.defineProperty(prototype, name, own));
  }

  [Symbol.dispose](): void {
    for (const undo of this.#undo) undo();
  }
}

describe("manifest list", () => {
  const manifest: ManifestFile = {
    ...written([added({})]).file,
    sequenceNumber: 5n,
    minSequenceNumber: 2n,
  };

  test("is read back, under Java's names", () => {
    const bytes = writeManifestList({ snapshotId: 9n, parentId: null, sequenceNumber: 5n }, [
      manifest,
    ]);
    expect(readManifestList(bytes, "l.avro")).toEqual([manifest]);
    const { metadata } = readAvro(bytes, "l.avro");
    expect(metadata.get("parent-snapshot-id")).toBe("null");
    expect(metadata.get("avro.schema")).toContain(
      '{"name":"added_files_count","type":"int","doc":"Added entry count","field-id":504}',
    );
    for (const name of ["manifest_file", "r508"])
      expect(metadata.get("avro.schema")).toContain(`"name":"${name}"`);
  });

  test("of v1 has no numbers and no counts", () => {
    const schema: AvroRecordSchema = {
      type: "record",
      name: "manifest_file",
      fields: [
        { name: "manifest_path", type: "string", "field-id": 500 },
        { name: "manifest_length", type: "long", "field-id": 501 },
        { name: "partition_spec_id", type: "int", "field-id": 502 },
        { name: "added_snapshot_id", type: ["null", "long"], default: null, "field-id": 503 },
      ],
    };
    const row = {
      manifest_path: "/m",
      manifest_length: 1n,
      partition_spec_id: 0,
      added_snapshot_id: 4n,
    };
    expect(readManifestList(writeAvro(schema, new Map(), [row]), "l.avro")[0]).toMatchObject({
      content: "data",
      sequenceNumber: 0n,
      addedFiles: null,
      partitions: null,
      addedSnapshotId: 4n,
    });
  });
});
