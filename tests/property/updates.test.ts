/** Laws of table updates: whatever is accepted, in whatever order, is a table that is read back as it was written. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { LakeError } from "../../core/base/errors.ts";
import { parseJson, stringifyJson } from "../../core/base/json.ts";
import type { Schema } from "../../core/table/types.ts";
import {
  parseMetadata,
  serializeMetadata,
  type TableMetadata,
} from "../../storage/iceberg/metadata.ts";
import { applyUpdates } from "../../storage/iceberg/metadata-update.ts";
import {
  parseTableCommit,
  tableCommitToJson,
  type Update,
} from "../../storage/iceberg/table-commit.ts";

const START: readonly Update[] = [
  { kind: "assign-uuid", uuid: "0a1b2c3d-0000-4000-8000-000000000001" },
  { kind: "upgrade-format-version", formatVersion: 2 },
  { kind: "set-location", location: "file:///lake/bronze/t" },
  { kind: "add-schema", schema: schemaOf([1, 2]) },
  { kind: "set-current-schema", schemaId: -1 },
  { kind: "add-spec", spec: { fields: [] } },
  { kind: "set-default-spec", specId: -1 },
  { kind: "add-sort-order", sortOrder: { orderId: 0, fields: [] } },
  { kind: "set-default-sort-order", orderId: -1 },
];

const small = fc.integer({ min: -1, max: 4 });
const id = fc.bigInt({ min: 1n, max: 6n });
const refName = fc.constantFrom("main", "eom", "audit");
const key = fc.constantFrom("a", "b", "uuid", "__proto__");

const update: fc.Arbitrary<Update> = fc.oneof(
  fc.record({
    kind: fc.constant("add-schema" as const),
    schema: fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { minLength: 1 }).map(schemaOf),
  }),
  fc.record({ kind: fc.constant("set-current-schema" as const), schemaId: small }),
  fc.record({
    kind: fc.constant("add-spec" as const),
    spec: fc.record({
      fields: fc.array(
        fc.record({
          sourceId: fc.integer({ min: 1, max: 4 }),
          fieldId: fc.option(fc.integer({ min: 1000, max: 1003 })),
          name: fc.constantFrom("p", "q", "c1"),
          transform: fc.constantFrom("identity", "bucket[4]", "void"),
        }),
        { maxLength: 2 },
      ),
    }),
  }),
  fc.record({ kind: fc.constant("set-default-spec" as const), specId: small }),
  fc.record({
    kind: fc.constant("add-snapshot" as const),
    snapshot: fc.record({
      snapshotId: id,
      parentId: fc.option(id),
      sequenceNumber: fc.bigInt({ min: 1n, max: 9n }),
      timestampMs: fc.integer({ min: 1, max: 100 }),
      manifestList: fc.constant("file:///lake/bronze/t/metadata/snap.avro"),
      operation: fc.constantFrom("append" as const, "overwrite" as const),
      summary: fc.constant({ "total-records": "1" }),
      schemaId: fc.constantFrom(0, 1, 2),
      extra: fc.constant({}),
    }),
  }),
  fc.record({
    kind: fc.constant("set-snapshot-ref" as const),
    name: refName,
    ref: fc.record({
      kind: fc.constantFrom("branch" as const, "tag" as const),
      snapshotId: id,
    }),
  }),
  fc.record({
    kind: fc.constant("remove-snapshots" as const),
    snapshotIds: fc.array(id, { maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant("remove-snapshot-ref" as const), name: refName }),
  fc.record({
    kind: fc.constant("set-properties" as const),
    properties: fc.dictionary(key, fc.string({ maxLength: 3 }), { noNullPrototype: true }),
  }),
  fc.record({ kind: fc.constant("remove-properties" as const), names: fc.array(key) }),
  fc.record({
    kind: fc.constant("set-statistics" as const),
    statistics: fc.record({ "snapshot-id": id, "statistics-path": fc.constant("s.puffin") }),
  }),
  fc.record({
    kind: fc.constant("remove-partition-specs" as const),
    specIds: fc.array(small, { maxLength: 2 }),
  }),
  fc.record({
    kind: fc.constant("remove-schemas" as const),
    schemaIds: fc.array(small, { maxLength: 2 }),
  }),
);

test("accepted updates make a table that is whole and is read back; refused ones change nothing", () => {
  fc.assert(
    fc.property(fc.array(fc.array(update, { maxLength: 4 }), { maxLength: 12 }), (commits) => {
      let table = applyUpdates(null, START, { nowMs: 1 });
      for (const [index, updates] of commits.entries()) {
        const before = new TextDecoder().decode(serializeMetadata(table));
        const next = tried(table, throughJson(updates), index * 10);
        expect(new TextDecoder().decode(serializeMetadata(table))).toBe(before);
        if (next === null) continue;
        checkWhole(next, table);
        expect(parseMetadata(serializeMetadata(next), "t.json")).toEqual(next);
        table = next;
      }
    }),
    { numRuns: 300 },
  );
});

function tried(
  table: TableMetadata,
  updates: readonly Update[],
  nowMs: number,
): TableMetadata | null {
  try {
    return applyUpdates(table, updates, { nowMs });
  } catch (thrown) {
    // Never an assertion: updates come from other programs.
    if (thrown instanceof LakeError) return null;
    throw thrown;
  }
}

/** What a client sends is what it meant. */
function throughJson(updates: readonly Update[]): readonly Update[] {
  const text = stringifyJson(tableCommitToJson({ requirements: [], updates }));
  const read = parseTableCommit(parseJson(text) as Parameters<typeof parseTableCommit>[0]).updates;
  expect(tableCommitToJson({ requirements: [], updates: read })).toEqual(
    tableCommitToJson({ requirements: [], updates }),
  );
  return read;
}

function checkWhole(next: TableMetadata, before: TableMetadata): void {
  const ids = new Set(next.snapshots.map((snapshot) => snapshot.snapshotId));
  expect(ids.size).toBe(next.snapshots.length);
  for (const ref of next.refs.values()) expect(ids.has(ref.snapshotId)).toBe(true);
  expect(next.refs.get("main")?.snapshotId ?? null).toBe(next.currentSnapshotId);
  for (const { sequenceNumber } of next.snapshots) {
    expect(sequenceNumber <= next.lastSequenceNumber).toBe(true);
  }
  const last = next.snapshotLog.at(-1);
  if (next.currentSnapshotId !== null) expect(last?.snapshotId).toBe(next.currentSnapshotId);
  for (const entry of next.snapshotLog) expect(ids.has(entry.snapshotId)).toBe(true);
  expect(next.lastColumnId).toBeGreaterThanOrEqual(before.lastColumnId);
  expect(next.lastPartitionId).toBeGreaterThanOrEqual(before.lastPartitionId);
  const partitions = new Map<number, string>();
  for (const { fieldId, sourceId, transform } of next.specs.flatMap((spec) => spec.fields)) {
    const meaning = `${sourceId} ${transform}`;
    expect(partitions.get(fieldId) ?? meaning).toBe(meaning);
    partitions.set(fieldId, meaning);
  }
}

function schemaOf(ids: readonly number[]): Schema {
  const type = { kind: "primitive", name: "long" } as const;
  const fields = ids.map((one) => ({ id: one, name: `c${one}`, required: false, type }));
  return { schemaId: 0, fields };
}
