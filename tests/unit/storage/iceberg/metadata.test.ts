/** Table metadata: lossless round trips, versions, and what is refused. */

import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { type Json, type JsonObject, stringifyJson } from "../../../../core/base/json.ts";
import {
  findSnapshot,
  parseMetadata,
  serializeMetadata,
  type TableMetadata,
  toTable,
} from "../../../../storage/iceberg/metadata.ts";

const ID = 9223372036854775806n;
const V2: JsonObject = {
  "format-version": 2,
  "table-uuid": "9c12d441-03fe-4693-9a96-a0705ddf69c1",
  location: "file:///lake/t",
  "last-sequence-number": 34n,
  "last-updated-ms": 1602638573590,
  "last-column-id": 1,
  "current-schema-id": 0,
  schemas: [
    {
      type: "struct",
      "schema-id": 0,
      fields: [{ id: 1, name: "x", required: true, type: "long" }],
    },
  ],
  "default-spec-id": 0,
  "partition-specs": [
    {
      "spec-id": 0,
      fields: [{ name: "x", transform: "identity", "source-id": 1, "field-id": 1000 }],
    },
  ],
  "last-partition-id": 1000,
  "default-sort-order-id": 3,
  "sort-orders": [
    {
      "order-id": 3,
      fields: [
        { transform: "bucket[4]", "source-id": 1, direction: "desc", "null-order": "nulls-last" },
      ],
    },
  ],
  properties: { "write.parquet.compression-codec": "zstd" },
  "current-snapshot-id": ID,
  refs: {
    main: { "snapshot-id": ID, type: "branch", "min-snapshots-to-keep": 3 },
    gold: { "snapshot-id": ID, type: "tag", "max-ref-age-ms": 10000000 },
  },
  snapshots: [
    {
      "sequence-number": 34n,
      "snapshot-id": ID,
      "parent-snapshot-id": 3051729675574597004n,
      "timestamp-ms": 1555100955770,
      summary: { operation: "append", "total-records": "7", odd: "ä" },
      "manifest-list": "file:///lake/t/metadata/snap-1.avro",
      "schema-id": 0,
      "added-rows": 12n,
      "from-the-future": { deep: [1.5, true] },
    },
  ],
  statistics: [],
  "partition-statistics": [],
  "snapshot-log": [{ "timestamp-ms": 1555100955770, "snapshot-id": ID }],
  "metadata-log": [
    { "timestamp-ms": 1515100, "metadata-file": "file:///lake/t/metadata/00001-a.metadata.json" },
  ],
  "encryption-keys": [{ "key-id": "k" }],
};

function parse(json: Json): TableMetadata {
  return parseMetadata(stringifyJson(json), "t.json");
}

function text(metadata: TableMetadata): string {
  return new TextDecoder().decode(serializeMetadata(metadata));
}

describe("round trip", () => {
  test("keeps every byte: ids beyond 2^53, unknown fields, key order", () => {
    expect(text(parse(V2))).toBe(stringifyJson(V2));
  });

  test("keeps unknown fields of snapshots when the metadata changes", () => {
    const metadata = parse(V2);
    const [snapshot] = metadata.snapshots;
    if (snapshot === undefined) throw new Error("a snapshot was read");
    const next = parseMetadata(text({ ...metadata, snapshots: [{ ...snapshot }] }), "t.json");
    expect(findSnapshot(next, ID)?.extra).toEqual({
      "added-rows": 12n,
      "from-the-future": { deep: [1.5, true] },
    });
    expect(next.extra).toEqual({ "encryption-keys": [{ "key-id": "k" }] });
  });

  test("gzip by the table's property, known by its first bytes", () => {
    const metadata = parse({ ...V2, properties: { "write.metadata.compression-codec": "gzip" } });
    const bytes = serializeMetadata(metadata);
    expect([bytes[0], bytes[1]]).toEqual([0x1f, 0x8b]);
    expect(parseMetadata(bytes, "t.json")).toEqual(metadata);
    expect(parseMetadata(gzipSync(stringifyJson(V2)), "t.json").snapshots[0]?.snapshotId).toBe(ID);
  });
});

describe("reads what others write", () => {
  test("no snapshot as -1, null or nothing", () => {
    const rest = Object.fromEntries(
      Object.entries(V2).filter(([key]) => key !== "current-snapshot-id"),
    );
    for (const more of [{}, { "current-snapshot-id": -1n }, { "current-snapshot-id": null }]) {
      const metadata = parse({ ...rest, ...more, snapshots: [], refs: {} });
      expect(metadata.currentSnapshotId).toBeNull();
      expect(text(metadata)).toContain('"current-snapshot-id":-1,"refs":{}');
    }
  });

  test("v1, with one schema, one spec and no sequence numbers", () => {
    const metadata = parse({
      "format-version": 1,
      location: "file:///lake/t",
      "last-updated-ms": 5,
      "last-column-id": 1,
      schema: { type: "struct", fields: [{ id: 1, name: "x", required: false, type: "int" }] },
      "partition-spec": [{ name: "x", transform: "identity", "source-id": 1 }],
      "current-snapshot-id": 7n,
      snapshots: [
        { "snapshot-id": 7n, "timestamp-ms": 4, "manifest-list": "file:///lake/t/m.avro" },
      ],
    });
    expect(metadata.specs[0]?.fields[0]).toMatchObject({ fieldId: 1000, sourceId: 1 });
    expect(metadata.lastPartitionId).toBe(1000);
    expect(metadata.refs.get("main")).toEqual({ kind: "branch", snapshotId: 7n });
    expect(metadata.snapshots[0]).toMatchObject({
      operation: "overwrite",
      sequenceNumber: 0n,
      parentId: null,
    });
    expect(JSON.parse(text(metadata))).toMatchObject({ "partition-spec": [{ name: "x" }] });
  });

  test("v3, with earlier columns that we cannot read kept as they are", () => {
    const future = {
      type: "struct",
      "schema-id": 1,
      fields: [{ id: 2, name: "v", required: false, type: "variant" }],
    };
    const metadata = parse({
      ...V2,
      "format-version": 3,
      "next-row-id": 40n,
      schemas: [...(V2.schemas as Json[]), future],
    }); // parse: the list above
    expect(metadata.schemas).toHaveLength(1);
    expect(text(metadata)).toContain(stringifyJson(future));
    expect(text(metadata)).toContain('"next-row-id":40');
  });

  test("as the core's table", () => {
    const version = { metadata: parse(V2), metadataLocation: "file:///lake/t/metadata/2.json" };
    const table = toTable(version, "bronze.t");
    expect(table).toMatchObject({ name: "bronze.t", formatVersion: 2, lastSequenceNumber: 34n });
    expect(table.current?.snapshotId).toBe(ID);
    expect(table.sortOrder.orderId).toBe(3);
    expect([...table.refs.keys()]).toEqual(["main", "gold"]);
  });
});

describe("refuses", () => {
  test("later formats, with their number", () => {
    expect(() => parse({ ...V2, "format-version": 4 })).toThrow("t.json: Iceberg format version 4");
  });

  test("damage, saying where", () => {
    expect(() => parseMetadata("{", "t.json")).toThrow(/^t\.json: /);
    expect(() => parse({ ...V2, "current-snapshot-id": 5n, refs: {} })).toThrow(
      "not among the snapshots",
    );
    expect(() => parse({ ...V2, "current-schema-id": 5 })).toThrow("current schema 5");
    expect(() => parse({ ...V2, location: 7 })).toThrow('"location" is not a string');
    expect(() => parse({ ...V2, refs: { main: { "snapshot-id": ID, type: "bookmark" } } })).toThrow(
      "neither a branch",
    );
  });

  test("a current schema of types that are not known", () => {
    const fields = [{ id: 1, name: "g", required: false, type: "geometry" }];
    expect(() => parse({ ...V2, schemas: [{ "schema-id": 0, fields }] })).toThrow(
      "geometry is not known",
    );
  });
});

test("writing five hundred snapshots again costs little: their text is made once", () => {
  const one = (V2.snapshots as JsonObject[])[0] ?? {}; // parse: the list above
  const many = Array.from({ length: 500 }, (_, index) => ({
    ...one,
    "snapshot-id": BigInt(index + 1),
  }));
  const metadata = parse({ ...V2, snapshots: [...many, one] });
  const first = text(metadata);
  const started = Bun.nanoseconds();
  for (let round = 0; round < 20; round++) serializeMetadata({ ...metadata, lastUpdatedMs: round });
  expect((Bun.nanoseconds() - started) / 20 / 1e6).toBeLessThan(25);
  expect(first.length).toBeGreaterThan(100_000);
});

test("v1 is written with the one schema and spec that its readers look for, as they are now", () => {
  const v2 = {
    "format-version": 2,
    "table-uuid": "u",
    location: "file:///t",
    "last-sequence-number": 0,
    "last-updated-ms": 1,
    "last-column-id": 1,
    "current-schema-id": 0,
    schemas: [{ type: "struct", "schema-id": 0, fields: [] }],
    "default-spec-id": 0,
    "partition-specs": [{ "spec-id": 0, fields: [] }],
    "last-partition-id": 999,
    "default-sort-order-id": 0,
    "sort-orders": [{ "order-id": 0, fields: [] }],
  };
  const stale = { schema: { type: "struct", fields: [] }, "partition-spec": [{ stale: true }] };
  const text = (json: object): string =>
    new TextDecoder().decode(serializeMetadata(parseMetadata(JSON.stringify(json), "x")));
  const v1 = JSON.parse(text({ ...v2, ...stale, "format-version": 1 }));
  expect([v1.schema, v1["partition-spec"]]).toEqual([v2.schemas[0], []]);
  expect(JSON.parse(text({ ...v2, ...stale }))).not.toHaveProperty("schema");
});
