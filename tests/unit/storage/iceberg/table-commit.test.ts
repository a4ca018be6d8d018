/** Requirements and updates: their JSON both ways, what they check, and what they make. */

import { describe, expect, test } from "bun:test";
import { type JsonObject, parseJson, stringifyJson } from "../../../../core/base/json.ts";
import type { TableMetadata } from "../../../../storage/iceberg/metadata.ts";
import { applyUpdates, checkRequirements } from "../../../../storage/iceberg/metadata-update.ts";
import type { RecordedSnapshot } from "../../../../storage/iceberg/snapshot.ts";
import {
  parseTableCommit,
  type Requirement,
  tableCommitToJson,
  type Update,
} from "../../../../storage/iceberg/table-commit.ts";
import { BY_DAY, LOCATION, primitive, SCHEMA, UNPARTITIONED, UUID } from "./memory-files.ts";

const ID = 9223372036854775806n;
const SCHEMA_JSON = {
  type: "struct",
  "schema-id": 1,
  fields: [{ id: 1, name: "id", required: true, type: "long", doc: "the number" }],
};
const SNAPSHOT_JSON = {
  "sequence-number": 1n,
  "snapshot-id": ID,
  "timestamp-ms": 1_700_000_000_000,
  summary: { operation: "append", "total-records": "7" },
  "manifest-list": `${LOCATION}/metadata/snap-1.avro`,
  "schema-id": 0,
};
const REQUIREMENTS: readonly JsonObject[] = [
  { type: "assert-create" },
  { type: "assert-table-uuid", uuid: UUID },
  { type: "assert-ref-snapshot-id", ref: "main", "snapshot-id": ID },
  { type: "assert-ref-snapshot-id", ref: "main", "snapshot-id": null },
  { type: "assert-last-assigned-field-id", "last-assigned-field-id": 3 },
  { type: "assert-current-schema-id", "current-schema-id": 0 },
  { type: "assert-last-assigned-partition-id", "last-assigned-partition-id": 999 },
  { type: "assert-default-spec-id", "default-spec-id": 0 },
  { type: "assert-default-sort-order-id", "default-sort-order-id": 0 },
];
const UPDATES: readonly JsonObject[] = [
  { action: "assign-uuid", uuid: UUID },
  { action: "upgrade-format-version", "format-version": 2 },
  { action: "add-schema", schema: SCHEMA_JSON },
  { action: "set-current-schema", "schema-id": -1 },
  {
    action: "add-spec",
    spec: {
      fields: [
        { name: "id", transform: "identity", "source-id": 1, "field-id": 1000 },
        { name: "id_bucket", transform: "bucket[4]", "source-id": 1 },
      ],
    },
  },
  { action: "set-default-spec", "spec-id": -1 },
  {
    action: "add-sort-order",
    "sort-order": {
      "order-id": 1,
      fields: [
        { transform: "identity", "source-id": 1, direction: "desc", "null-order": "nulls-last" },
      ],
    },
  },
  { action: "set-default-sort-order", "sort-order-id": -1 },
  { action: "add-snapshot", snapshot: SNAPSHOT_JSON },
  {
    action: "set-snapshot-ref",
    "ref-name": "month-end",
    "snapshot-id": ID,
    type: "tag",
    "max-ref-age-ms": 5,
  },
  { action: "remove-snapshots", "snapshot-ids": [ID, 4n] },
  { action: "remove-snapshot-ref", "ref-name": "month-end" },
  { action: "set-location", location: LOCATION },
  { action: "set-properties", updates: { a: "1" } },
  { action: "remove-properties", removals: ["a"] },
  {
    action: "set-statistics",
    "snapshot-id": ID,
    statistics: { "snapshot-id": ID, "statistics-path": `${LOCATION}/metadata/s.puffin` },
  },
  { action: "remove-statistics", "snapshot-id": ID },
  {
    action: "set-partition-statistics",
    "partition-statistics": { "snapshot-id": ID, "statistics-path": `${LOCATION}/p.parquet` },
  },
  { action: "remove-partition-statistics", "snapshot-id": ID },
  { action: "remove-partition-specs", "spec-ids": [1] },
  { action: "remove-schemas", "schema-ids": [1] },
];

const CREATION: readonly Update[] = [
  { kind: "assign-uuid", uuid: UUID },
  { kind: "upgrade-format-version", formatVersion: 2 },
  { kind: "set-location", location: `${LOCATION}/` },
  { kind: "add-schema", schema: SCHEMA },
  { kind: "set-current-schema", schemaId: -1 },
  { kind: "add-spec", spec: UNPARTITIONED },
  { kind: "set-default-spec", specId: -1 },
  { kind: "add-sort-order", sortOrder: { orderId: 7, fields: [] } },
  { kind: "set-default-sort-order", orderId: -1 },
];

function snapshot(id: bigint, parentId: bigint | null, sequenceNumber: bigint): RecordedSnapshot {
  return {
    snapshotId: id,
    parentId,
    sequenceNumber,
    timestampMs: 1000 + Number(id),
    manifestList: `${LOCATION}/metadata/snap-${id}.avro`,
    operation: "append",
    summary: {},
    schemaId: 0,
    extra: {},
  };
}

function added(id: bigint, parentId: bigint | null, sequenceNumber: bigint): readonly Update[] {
  return [
    { kind: "add-snapshot", snapshot: snapshot(id, parentId, sequenceNumber) },
    { kind: "set-snapshot-ref", name: "main", ref: { kind: "branch", snapshotId: id } },
  ];
}

function made(metadata: TableMetadata | null, ...updates: readonly Update[]): TableMetadata {
  return applyUpdates(metadata, updates, { nowMs: 5000 });
}

function failure(metadata: TableMetadata | null, ...requirements: Requirement[]): string | null {
  return checkRequirements(metadata, requirements);
}

describe("JSON", () => {
  test("is the REST catalog's, both ways, for every kind", () => {
    const json = { requirements: REQUIREMENTS, updates: UPDATES };
    const commit = parseTableCommit(json);
    expect(commit.requirements).toHaveLength(REQUIREMENTS.length);
    const text = stringifyJson(tableCommitToJson(commit));
    expect(parseJson(text)).toEqual(parseJson(stringifyJson(json)));
    expect(parseTableCommit(tableCommitToJson(commit))).toEqual(commit);
  });

  test("of an unknown kind, or half of one, is the client's mistake", () => {
    const parse = (update: JsonObject) => () => parseTableCommit({ updates: [update] });
    expect(parse({ action: "paint-table" })).toThrow("paint-table is not known");
    expect(parse({ colour: "red" })).toThrow('without "action"');
    expect(parse({ action: "add-schema" })).toThrow('add-schema: "schema" is not an object');
    expect(parse({ action: "remove-snapshots", "snapshot-ids": ["x"] })).toThrow(
      '"x" is not an id',
    );
    for (const update of [{ action: "paint-table" }, { action: "set-location", location: 4 }]) {
      expect(parse(update)).toThrow(expect.objectContaining({ code: "usage" }));
    }
  });
});

describe("requirements", () => {
  const table = made(null, ...CREATION, ...added(11n, null, 1n));

  test("hold", () => {
    const all: Requirement[] = [
      { kind: "assert-table-uuid", uuid: UUID.toUpperCase() },
      { kind: "assert-ref-snapshot-id", ref: "main", snapshotId: 11n },
      { kind: "assert-ref-snapshot-id", ref: "audit", snapshotId: null },
      { kind: "assert-last-assigned-field-id", fieldId: 3 },
      { kind: "assert-current-schema-id", schemaId: 0 },
      { kind: "assert-last-assigned-partition-id", partitionId: 999 },
      { kind: "assert-default-spec-id", specId: 0 },
      { kind: "assert-default-sort-order-id", orderId: 0 },
    ];
    expect(failure(table, ...all)).toBeNull();
    expect(failure(null, { kind: "assert-create" })).toBeNull();
    expect(failure(null)).toBeNull();
  });

  test("do not hold, in the words that clients look for", () => {
    const main = { kind: "assert-ref-snapshot-id", ref: "main" } as const;
    const cases: [TableMetadata | null, Requirement, string][] = [
      [table, { kind: "assert-create" }, "table already exists"],
      [null, { ...main, snapshotId: null }, "table does not exist"],
      [
        table,
        { kind: "assert-table-uuid", uuid: "x" },
        `UUID does not match: expected ${UUID} != x`,
      ],
      [table, { ...main, snapshotId: null }, "branch main was created concurrently"],
      [table, { ...main, snapshotId: 3n }, "branch main has changed: expected id 3 != 11"],
      [table, { ...main, ref: "eom", snapshotId: 3n }, "branch or tag eom is missing, expected 3"],
      [
        table,
        { kind: "assert-last-assigned-field-id", fieldId: 2 },
        "last assigned field id changed: expected id 2 != 3",
      ],
      [
        table,
        { kind: "assert-current-schema-id", schemaId: 1 },
        "current schema changed: expected id 1 != 0",
      ],
      [
        table,
        { kind: "assert-last-assigned-partition-id", partitionId: 1000 },
        "last assigned partition id changed: expected id 1000 != 999",
      ],
      [
        table,
        { kind: "assert-default-spec-id", specId: 4 },
        "default partition spec changed: expected id 4 != 0",
      ],
      [
        table,
        { kind: "assert-default-sort-order-id", orderId: 1 },
        "default sort order changed: expected id 1 != 0",
      ],
    ];
    for (const [metadata, requirement, reason] of cases) {
      expect(failure(metadata, requirement)).toBe(`Requirement failed: ${reason}`);
    }
  });
});

describe("updates", () => {
  const table = made(null, ...CREATION);

  test("make a table of nothing, when they say all of it", () => {
    expect(table).toMatchObject({
      uuid: UUID,
      location: LOCATION,
      lastUpdatedMs: 5000,
      lastColumnId: 3,
      currentSchemaId: 0,
      defaultSpecId: 0,
      defaultSortOrderId: 0,
      lastPartitionId: 999,
      currentSnapshotId: null,
    });
    expect(() => made(null, ...CREATION.slice(0, -1))).toThrow("set-default-sort-order");
    expect(() => made(null, ...CREATION.slice(1))).toThrow("lacks the update assign-uuid");
  });

  test("a schema, a spec or an order that is there is taken up again", () => {
    const wider = {
      schemaId: 0,
      fields: [...SCHEMA.fields, { id: 4, name: "n", required: false, type: primitive("int") }],
    };
    const use = { kind: "set-current-schema", schemaId: -1 } as const;
    const second = made(table, { kind: "add-schema", schema: wider }, use);
    expect(second).toMatchObject({ currentSchemaId: 1, lastColumnId: 4 });
    const again = made(second, { kind: "add-schema", schema: { ...SCHEMA, schemaId: 9 } }, use);
    expect(again).toMatchObject({ currentSchemaId: 0, lastColumnId: 4 });
    expect(again.schemas).toHaveLength(2);
    expect(() => made(table, use)).toThrow("none was added");
    expect(() => made(table, { kind: "set-current-schema", schemaId: 5 })).toThrow("no schema 5");
  });

  test("partition fields keep the ids that they had in any spec", () => {
    const byName = { sourceId: 2, fieldId: null, name: "name", transform: "identity" };
    const use = { kind: "set-default-spec", specId: -1 } as const;
    const day = made(table, { kind: "add-spec", spec: BY_DAY }, use);
    const both = made(day, { kind: "add-spec", spec: { fields: [byName, ...BY_DAY.fields] } }, use);
    expect(both.specs.at(-1)?.fields.map((field) => field.fieldId)).toEqual([1001, 1000]);
    expect(both).toMatchObject({ defaultSpecId: 2, lastPartitionId: 1001 });
    expect(made(both, { kind: "add-spec", spec: UNPARTITIONED }, use).defaultSpecId).toBe(0);
    const taken = { fields: [{ ...byName, fieldId: 1000 }] };
    expect(() => made(day, { kind: "add-spec", spec: taken })).toThrow("cannot take id 1000");
    const [first] = BY_DAY.fields;
    const hour = { fields: [{ sourceId: 2, fieldId: null, name: "h", transform: "hour" }] };
    expect(() => made(table, { kind: "add-spec", spec: hour })).toThrow("hour is not defined");
    const gone = { ...SCHEMA, fields: SCHEMA.fields.slice(0, 2) };
    expect(first?.sourceId).toBe(3);
    expect(() =>
      made(day, { kind: "add-schema", schema: gone }, { kind: "set-current-schema", schemaId: -1 }),
    ).toThrow("partitioned by day");
  });

  test("main moves the table and its log; what it only passed through is not in it", () => {
    const one = made(table, ...added(11n, null, 1n));
    const three = made(one, ...added(12n, 11n, 2n), ...added(13n, 12n, 3n));
    expect(three.snapshotLog.map((entry) => entry.snapshotId)).toEqual([11n, 13n]);
    expect(three).toMatchObject({
      currentSnapshotId: 13n,
      lastSequenceNumber: 3n,
      lastUpdatedMs: 1013,
    });
    const back = made(three, {
      kind: "set-snapshot-ref",
      name: "main",
      ref: { kind: "branch", snapshotId: 11n },
    });
    expect(back.snapshotLog.at(-1)).toEqual({ snapshotId: 11n, timestampMs: 5000 });
    const empty = made(back, { kind: "remove-snapshot-ref", name: "main" });
    expect(empty).toMatchObject({ currentSnapshotId: null, snapshotLog: back.snapshotLog });
  });

  test("a snapshot is new, numbered, and of a schema that is there", () => {
    const one = made(table, ...added(11n, null, 1n));
    expect(() => made(one, ...added(11n, null, 2n))).toThrow("has a snapshot 11 already");
    expect(() => made(one, ...added(12n, 11n, 1n))).toThrow("is not above the table's 1");
    const odd = { ...snapshot(12n, 11n, 2n), schemaId: 8 };
    expect(() => made(one, { kind: "add-snapshot", snapshot: odd })).toThrow("names schema 8");
  });

  test("references name what is there and keep their kind", () => {
    const one = made(table, ...added(11n, null, 1n));
    const set = (name: string, kind: "branch" | "tag", snapshotId: bigint): Update => {
      return { kind: "set-snapshot-ref", name, ref: { kind, snapshotId } };
    };
    const tagged = made(one, set("eom", "tag", 11n));
    expect(tagged.refs.get("eom")).toEqual({ kind: "tag", snapshotId: 11n });
    expect(made(tagged, { kind: "remove-snapshot-ref", name: "eom" }).refs).toEqual(one.refs);
    expect(() => made(one, set("eom", "tag", 4n))).toThrow("no snapshot 4");
    expect(() => made(tagged, set("eom", "branch", 11n))).toThrow("eom is a tag");
    expect(() => made(one, set("main", "tag", 11n))).toThrow("main is a branch");
  });

  test("removed snapshots take their statistics and the log before the gap with them", () => {
    const three = made(
      made(made(table, ...added(11n, null, 1n)), ...added(12n, 11n, 2n)),
      ...added(13n, 12n, 3n),
      { kind: "set-statistics", statistics: { "snapshot-id": 12n, "statistics-path": "s" } },
      { kind: "set-statistics", statistics: { "snapshot-id": 12n, "statistics-path": "t" } },
    );
    expect(three.statistics).toEqual([{ "snapshot-id": 12n, "statistics-path": "t" }]);
    const thinned = made(three, { kind: "remove-snapshots", snapshotIds: [12n] });
    expect(thinned.statistics).toEqual([]);
    expect(thinned.snapshotLog.map((entry) => entry.snapshotId)).toEqual([13n]);
    expect(() => made(three, { kind: "remove-snapshots", snapshotIds: [13n] })).toThrow(
      "what branch main names",
    );
  });

  test("formats go up only; v3 numbers its rows", () => {
    const v3 = made(table, { kind: "upgrade-format-version", formatVersion: 3 });
    expect(v3.extra["next-row-id"]).toBe(0n);
    const down: Update = { kind: "upgrade-format-version", formatVersion: 2 };
    expect(() => made(v3, down)).toThrow("cannot become v2");
    expect(() => made(v3, ...added(11n, null, 1n))).toThrow("lacks first-row-id");
    const rows = { ...snapshot(11n, null, 1n), extra: { "first-row-id": 0n, "added-rows": 5n } };
    const five = made(v3, { kind: "add-snapshot", snapshot: rows });
    expect(five.extra["next-row-id"]).toBe(5n);
    const late = { ...rows, snapshotId: 12n };
    expect(() => made(five, { kind: "add-snapshot", snapshot: late })).toThrow("5 is the next");
    expect(() => made(table, { kind: "upgrade-format-version", formatVersion: 4 })).toThrow(
      "Iceberg format version 4",
    );
  });

  test("properties, and what of a table cannot be set or removed", () => {
    const set = made(table, { kind: "set-properties", properties: { a: "1", b: "2" } });
    expect(made(set, { kind: "remove-properties", names: ["a", "x"] }).properties).toEqual({
      b: "2",
    });
    const reserved: Update = { kind: "set-properties", properties: { uuid: "x" } };
    expect(() => made(table, reserved)).toThrow("uuid cannot be set");
    expect(() => made(table, { kind: "assign-uuid", uuid: "x" })).toThrow("cannot become x");
    expect(() => made(table, { kind: "remove-schemas", schemaIds: [0] })).toThrow("current schema");
    expect(() => made(table, { kind: "remove-partition-specs", specIds: [0] })).toThrow("default");
  });
});
