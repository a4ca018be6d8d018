/**
 * A change of one table in the spec's own words: what must hold, and what is done. Every commit is one, and the JSON
 * is that of a REST catalog. Iceberg REST spec, `TableRequirement` and `TableUpdate`.
 */

import { unreachable } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import {
  isJsonObject,
  type Json,
  type JsonObject,
  listField,
  longField,
  numberField,
  objectField,
  objectsField,
  parseJson,
  stringField,
  stringifyJson,
  stringsField,
} from "../../core/base/json.ts";
import type {
  FieldId,
  PartitionField,
  PartitionSpec,
  Schema,
  SortOrder,
} from "../../core/table/types.ts";
import { parseSortOrder, sortOrderToJson } from "./metadata.ts";
import { partitionFieldToJson, soleSource } from "./partition.ts";
import { parseSchema, schemaText } from "./schema.ts";
import {
  parseRef,
  parseSnapshot,
  type RecordedSnapshot,
  refToJson,
  type SnapshotRef,
  snapshotText,
} from "./snapshot.ts";

/** What must be true of a table's metadata when its updates are applied. */
export type Requirement =
  | { readonly kind: "assert-create" }
  | { readonly kind: "assert-table-uuid"; readonly uuid: string }
  | {
      readonly kind: "assert-ref-snapshot-id";
      readonly ref: string;
      /** Null: there must be no such reference. */
      readonly snapshotId: bigint | null;
    }
  | { readonly kind: "assert-last-assigned-field-id"; readonly fieldId: FieldId }
  | { readonly kind: "assert-current-schema-id"; readonly schemaId: number }
  | { readonly kind: "assert-last-assigned-partition-id"; readonly partitionId: FieldId }
  | { readonly kind: "assert-default-spec-id"; readonly specId: number }
  | { readonly kind: "assert-default-sort-order-id"; readonly orderId: number };

/** One step from a table's metadata to the next. Ids of -1 mean: the one added last. */
export type Update =
  | { readonly kind: "assign-uuid"; readonly uuid: string }
  | { readonly kind: "upgrade-format-version"; readonly formatVersion: number }
  | {
      readonly kind: "add-schema";
      readonly schema: Schema;
      /** Where columns have had higher ids than those of the schema. */
      readonly lastColumnId?: FieldId;
    }
  | { readonly kind: "set-current-schema"; readonly schemaId: number }
  | { readonly kind: "add-spec"; readonly spec: UnboundSpec }
  | { readonly kind: "set-default-spec"; readonly specId: number }
  | { readonly kind: "add-sort-order"; readonly sortOrder: SortOrder }
  | { readonly kind: "set-default-sort-order"; readonly orderId: number }
  | { readonly kind: "add-snapshot"; readonly snapshot: RecordedSnapshot }
  | { readonly kind: "set-snapshot-ref"; readonly name: string; readonly ref: SnapshotRef }
  | { readonly kind: "remove-snapshots"; readonly snapshotIds: readonly bigint[] }
  | { readonly kind: "remove-snapshot-ref"; readonly name: string }
  | { readonly kind: "set-location"; readonly location: string }
  | { readonly kind: "set-properties"; readonly properties: Readonly<Record<string, string>> }
  | { readonly kind: "remove-properties"; readonly names: readonly string[] }
  | { readonly kind: "set-statistics"; readonly statistics: JsonObject }
  | { readonly kind: "remove-statistics"; readonly snapshotId: bigint }
  | { readonly kind: "set-partition-statistics"; readonly statistics: JsonObject }
  | { readonly kind: "remove-partition-statistics"; readonly snapshotId: bigint }
  | { readonly kind: "remove-partition-specs"; readonly specIds: readonly number[] }
  | { readonly kind: "remove-schemas"; readonly schemaIds: readonly number[] };

/** A spec before the table has it: its own id is not looked at, its fields may lack theirs. */
export interface UnboundSpec {
  readonly fields: readonly (Omit<PartitionField, "fieldId"> & {
    readonly fieldId: FieldId | null;
  })[];
}

export interface TableCommit {
  readonly requirements: readonly Requirement[];
  readonly updates: readonly Update[];
}

/** Reads `requirements` and `updates` of a request. Throws `usage`, also for kinds that we do not know. */
export function parseTableCommit(json: JsonObject): TableCommit {
  return {
    requirements: listField(json, "requirements").map((item) => read(item, "type", requirementOf)),
    updates: listField(json, "updates").map((item) => read(item, "action", updateOf)),
  };
}

/** A commit as the body of a request. */
export function tableCommitToJson(commit: TableCommit): JsonObject {
  return {
    requirements: commit.requirements.map(requirementToJson),
    updates: commit.updates.map(updateToJson),
  };
}

/** A client's mistake is not a damaged file. */
function read<T>(
  item: Json,
  name: "type" | "action",
  parse: (kind: string, json: JsonObject) => T | null,
): T {
  const kind = isJsonObject(item) ? item[name] : null;
  if (!isJsonObject(item) || typeof kind !== "string") {
    throw new LakeError("usage", `an entry without "${name}"`, {
      hint: `each is a JSON object whose "${name}" says what it is`,
    });
  }
  let parsed: T | null;
  try {
    parsed = parse(kind, item);
  } catch (thrown) {
    if (!(thrown instanceof LakeError)) throw thrown;
    const code = thrown.code === "corrupt" ? "usage" : thrown.code;
    throw new LakeError(code, `${kind}: ${thrown.message}`, { cause: thrown });
  }
  if (parsed !== null) return parsed;
  throw new LakeError("usage", `${kind} is not known`, {
    hint: "this build knows the requirements and updates of the Iceberg REST catalog for tables",
  });
}

function requirementOf(kind: string, json: JsonObject): Requirement | null {
  switch (kind) {
    case "assert-create":
      return { kind };
    case "assert-table-uuid":
      return { kind, uuid: stringField(json, "uuid") };
    case "assert-ref-snapshot-id":
      return { kind, ref: stringField(json, "ref"), snapshotId: longField(json, "snapshot-id") };
    case "assert-last-assigned-field-id":
      return { kind, fieldId: numberField(json, "last-assigned-field-id") };
    case "assert-current-schema-id":
      return { kind, schemaId: numberField(json, "current-schema-id") };
    case "assert-last-assigned-partition-id":
      return { kind, partitionId: numberField(json, "last-assigned-partition-id") };
    case "assert-default-spec-id":
      return { kind, specId: numberField(json, "default-spec-id") };
    case "assert-default-sort-order-id":
      return { kind, orderId: numberField(json, "default-sort-order-id") };
    default:
      return null;
  }
}

function requirementToJson(requirement: Requirement): JsonObject {
  const { kind: type } = requirement;
  switch (requirement.kind) {
    case "assert-create":
      return { type };
    case "assert-table-uuid":
      return { type, uuid: requirement.uuid };
    case "assert-ref-snapshot-id":
      return { type, ref: requirement.ref, "snapshot-id": requirement.snapshotId };
    case "assert-last-assigned-field-id":
      return { type, "last-assigned-field-id": requirement.fieldId };
    case "assert-current-schema-id":
      return { type, "current-schema-id": requirement.schemaId };
    case "assert-last-assigned-partition-id":
      return { type, "last-assigned-partition-id": requirement.partitionId };
    case "assert-default-spec-id":
      return { type, "default-spec-id": requirement.specId };
    case "assert-default-sort-order-id":
      return { type, "default-sort-order-id": requirement.orderId };
    default:
      return unreachable(requirement);
  }
}

function updateOf(kind: string, json: JsonObject): Update | null {
  switch (kind) {
    case "assign-uuid":
      return { kind, uuid: stringField(json, "uuid") };
    case "upgrade-format-version":
      return { kind, formatVersion: numberField(json, "format-version") };
    case "add-schema":
      return { kind, schema: parseSchema(objectField(json, "schema")) };
    case "set-current-schema":
      return { kind, schemaId: numberField(json, "schema-id") };
    case "add-spec":
      return { kind, spec: parseUnboundSpec(objectField(json, "spec")) };
    case "set-default-spec":
      return { kind, specId: numberField(json, "spec-id") };
    case "add-sort-order":
      return { kind, sortOrder: parseSortOrder(objectField(json, "sort-order")) };
    case "set-default-sort-order":
      return { kind, orderId: numberField(json, "sort-order-id") };
    case "add-snapshot":
      return { kind, snapshot: parseSnapshot(objectField(json, "snapshot")) };
    case "set-snapshot-ref": {
      const name = stringField(json, "ref-name");
      return { kind, name, ref: parseRef(name, json) };
    }
    case "remove-snapshots":
      return { kind, snapshotIds: listField(json, "snapshot-ids").map(toLong) };
    case "remove-snapshot-ref":
      return { kind, name: stringField(json, "ref-name") };
    case "set-location":
      return { kind, location: stringField(json, "location") };
    case "set-properties":
      return { kind, properties: stringsField(json, "updates") };
    case "remove-properties":
      return { kind, names: listField(json, "removals").map(toText) };
    case "set-statistics":
      return { kind, statistics: objectField(json, "statistics") };
    case "remove-statistics":
      return { kind, snapshotId: requiredLong(json, "snapshot-id") };
    case "set-partition-statistics":
      return { kind, statistics: objectField(json, "partition-statistics") };
    case "remove-partition-statistics":
      return { kind, snapshotId: requiredLong(json, "snapshot-id") };
    case "remove-partition-specs":
      return { kind, specIds: listField(json, "spec-ids").map(toInt) };
    case "remove-schemas":
      return { kind, schemaIds: listField(json, "schema-ids").map(toInt) };
    default:
      return null;
  }
}

function updateToJson(update: Update): JsonObject {
  const { kind: action } = update;
  switch (update.kind) {
    case "assign-uuid":
      return { action, uuid: update.uuid };
    case "upgrade-format-version":
      return { action, "format-version": update.formatVersion };
    case "add-schema":
      return {
        action,
        schema: parseJson(schemaText(update.schema)),
        ...(update.lastColumnId === undefined ? {} : { "last-column-id": update.lastColumnId }),
      };
    case "set-current-schema":
      return { action, "schema-id": update.schemaId };
    case "add-spec":
      return { action, spec: unboundSpecToJson(update.spec) };
    case "set-default-spec":
      return { action, "spec-id": update.specId };
    case "add-sort-order":
      return { action, "sort-order": sortOrderToJson(update.sortOrder) };
    case "set-default-sort-order":
      return { action, "sort-order-id": update.orderId };
    case "add-snapshot":
      return { action, snapshot: parseJson(snapshotText(update.snapshot)) };
    case "set-snapshot-ref":
      return { action, "ref-name": update.name, ...refToJson(update.ref) };
    case "remove-snapshots":
      return { action, "snapshot-ids": update.snapshotIds };
    case "remove-snapshot-ref":
      return { action, "ref-name": update.name };
    case "set-location":
      return { action, location: update.location };
    case "set-properties":
      return { action, updates: update.properties };
    case "remove-properties":
      return { action, removals: update.names };
    case "set-statistics":
      return { action, ...snapshotOf(update.statistics), statistics: update.statistics };
    case "set-partition-statistics":
      return { action, "partition-statistics": update.statistics };
    case "remove-statistics":
    case "remove-partition-statistics":
      return { action, "snapshot-id": update.snapshotId };
    case "remove-partition-specs":
      return { action, "spec-ids": update.specIds };
    case "remove-schemas":
      return { action, "schema-ids": update.schemaIds };
    default:
      return unreachable(update);
  }
}

/** Unlike the specs of a metadata file, one that is asked for may leave all ids to the table. */
function parseUnboundSpec(json: JsonObject): UnboundSpec {
  const fields = objectsField(json, "fields").map((field) => {
    const sourceId = soleSource(field);
    if (sourceId === null) throw new LakeError("usage", "a partition field lacks source-id");
    const fieldId = field["field-id"];
    return {
      sourceId,
      fieldId: typeof fieldId === "number" ? fieldId : null,
      name: stringField(field, "name"),
      transform: stringField(field, "transform"),
    };
  });
  return { fields };
}

function unboundSpecToJson(spec: UnboundSpec | PartitionSpec): JsonObject {
  const id = "specId" in spec ? { "spec-id": spec.specId } : {};
  return { ...id, fields: spec.fields.map(partitionFieldToJson) };
}

/** REST: the id stands beside the statistics too; newer servers look at the inner one alone. */
function snapshotOf(statistics: JsonObject): JsonObject {
  const id = statistics["snapshot-id"];
  return id === undefined ? {} : { "snapshot-id": id };
}

function requiredLong(json: JsonObject, key: string): bigint {
  const value = longField(json, key);
  if (value === null) throw new LakeError("usage", `"${key}" is missing`);
  return value;
}

function toLong(value: Json): bigint {
  if (typeof value === "bigint") return value;
  if (typeof value === "number" && Number.isInteger(value)) return BigInt(value);
  throw new LakeError("usage", `${stringifyJson(value)} is not an id`);
}

function toInt(value: Json): number {
  if (typeof value === "number" && Number.isInteger(value)) return value;
  throw new LakeError("usage", `${stringifyJson(value)} is not an id`);
}

function toText(value: Json): string {
  if (typeof value === "string") return value;
  throw new LakeError("usage", `${stringifyJson(value)} is not a text`);
}
