/** From one metadata to the next: whether a commit's requirements hold, and what its updates make. Pure. */

import { unreachable } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import type { JsonObject } from "../../core/base/json.ts";
import { typeToText } from "../../core/table/type-text.ts";
import type { PartitionField, PartitionSpec, Schema, SortOrder } from "../../core/table/types.ts";
import {
  currentSchema,
  defaultSpec,
  FORMAT_VERSION_MAX,
  findSnapshot,
  nextRowId,
  type SnapshotLogEntry,
  type TableMetadata,
} from "./metadata.ts";
import { PARTITION_ID_START, parseTransform, transformAccepts } from "./partition.ts";
import { checkSchema, findColumn, highestId, sameSchema } from "./schema.ts";
import { MAIN, type RecordedSnapshot, type SnapshotRef } from "./snapshot.ts";
import type { Requirement, UnboundSpec, Update } from "./table-commit.ts";

/** As an id: the one that was added last. */
export const LAST_ADDED = -1;

/** Java: TableProperties.RESERVED_PROPERTIES. They are fields of the metadata, never properties. */
export const RESERVED_PROPERTIES: ReadonlySet<string> = new Set([
  "format-version",
  "uuid",
  "snapshot-count",
  "current-snapshot-summary",
  "current-snapshot-id",
  "current-snapshot-timestamp-ms",
  "current-schema",
  "default-partition-spec",
  "default-sort-order",
]);

/**
 * The first requirement that does not hold, in the words that clients of a REST catalog look for; null when all
 * hold. `metadata` is null where there is no table.
 */
export function checkRequirements(
  metadata: TableMetadata | null,
  requirements: readonly Requirement[],
): string | null {
  for (const requirement of requirements) {
    const reason = unmet(metadata, requirement);
    if (reason !== null) return `Requirement failed: ${reason}`;
  }
  return null;
}

/**
 * The metadata that `updates` make of `metadata`, or of nothing: then they must say all that a table has. Order
 * counts. Throws `usage` for updates that contradict the table or each other, `schema`, `unsupported`.
 */
export function applyUpdates(
  metadata: TableMetadata | null,
  updates: readonly Update[],
  at: { readonly nowMs: number },
): TableMetadata {
  let state: State = {
    metadata: metadata ?? NO_TABLE,
    nowMs: Math.max(at.nowMs, metadata?.lastUpdatedMs ?? 0),
    isNew: metadata === null,
    schemaId: null,
    specId: null,
    orderId: null,
    snapshotIds: new Set(),
    touchedMs: null,
  };
  for (const update of updates) state = apply(state, update);
  const { metadata: made, touchedMs, nowMs } = state;
  if (metadata === null) checkWhole(made);
  checkSources(made, metadata);
  return { ...withLog(state, metadata), lastUpdatedMs: touchedMs ?? nowMs };
}

/** What has been applied so far. */
interface State {
  readonly metadata: TableMetadata;
  readonly nowMs: number;
  readonly isNew: boolean;
  /** What -1 means. */
  readonly schemaId: number | null;
  readonly specId: number | null;
  readonly orderId: number | null;
  /** Snapshots that came with these updates. */
  readonly snapshotIds: ReadonlySet<bigint>;
  /** The time of the last of them. */
  readonly touchedMs: number | null;
}

/** What a table is made from: every field that a table must have is missing or invalid. */
const NO_TABLE: TableMetadata = {
  formatVersion: 2,
  uuid: "",
  location: "",
  lastSequenceNumber: 0n,
  lastUpdatedMs: 0,
  lastColumnId: 0,
  currentSchemaId: LAST_ADDED,
  schemas: [],
  foreignSchemas: [],
  defaultSpecId: LAST_ADDED,
  specs: [],
  lastPartitionId: PARTITION_ID_START - 1,
  defaultSortOrderId: LAST_ADDED,
  sortOrders: [],
  properties: {},
  currentSnapshotId: null,
  refs: new Map(),
  snapshots: [],
  statistics: [],
  partitionStatistics: [],
  snapshotLog: [],
  metadataLog: [],
  extra: {},
};

/** Why a requirement does not hold; null when it does. Iceberg REST spec, `TableRequirement`. */
function unmet(metadata: TableMetadata | null, requirement: Requirement): string | null {
  if (requirement.kind === "assert-create")
    return metadata === null ? null : "table already exists";
  if (metadata === null) return "table does not exist";
  const changed = (what: string, wanted: number, found: number): string | null =>
    wanted === found ? null : `${what} changed: expected id ${wanted} != ${found}`;
  switch (requirement.kind) {
    case "assert-table-uuid": {
      const { uuid } = requirement;
      const isSame = uuid.toLowerCase() === metadata.uuid.toLowerCase();
      return isSame ? null : `UUID does not match: expected ${metadata.uuid} != ${uuid}`;
    }
    case "assert-ref-snapshot-id":
      return unmetRef(metadata.refs.get(requirement.ref), requirement.ref, requirement.snapshotId);
    case "assert-last-assigned-field-id":
      return changed("last assigned field id", requirement.fieldId, metadata.lastColumnId);
    case "assert-current-schema-id":
      return changed("current schema", requirement.schemaId, metadata.currentSchemaId);
    case "assert-last-assigned-partition-id":
      return changed(
        "last assigned partition id",
        requirement.partitionId,
        metadata.lastPartitionId,
      );
    case "assert-default-spec-id":
      return changed("default partition spec", requirement.specId, metadata.defaultSpecId);
    case "assert-default-sort-order-id":
      return changed("default sort order", requirement.orderId, metadata.defaultSortOrderId);
    default:
      return unreachable(requirement);
  }
}

function unmetRef(
  ref: SnapshotRef | undefined,
  name: string,
  wanted: bigint | null,
): string | null {
  if (ref === undefined) {
    return wanted === null ? null : `branch or tag ${name} is missing, expected ${wanted}`;
  }
  if (wanted === null) return `${ref.kind} ${name} was created concurrently`;
  if (wanted === ref.snapshotId) return null;
  return `${ref.kind} ${name} has changed: expected id ${wanted} != ${ref.snapshotId}`;
}

function apply(state: State, update: Update): State {
  const { metadata } = state;
  const next = (changed: Partial<TableMetadata>): State => {
    return { ...state, metadata: { ...metadata, ...changed } };
  };
  switch (update.kind) {
    case "assign-uuid":
      return next({ uuid: assignedUuid(metadata, update.uuid) });
    case "upgrade-format-version":
      return next(upgraded(state, update.formatVersion));
    case "add-schema":
      return withSchema(state, update.schema, update.lastColumnId ?? 0);
    case "set-current-schema":
      return next({ currentSchemaId: schemaIdOf(state, update.schemaId) });
    case "add-spec":
      return withSpec(state, update.spec);
    case "set-default-spec":
      return next({ defaultSpecId: specIdOf(state, update.specId) });
    case "add-sort-order":
      return withSortOrder(state, update.sortOrder);
    case "set-default-sort-order":
      return next({ defaultSortOrderId: orderIdOf(state, update.orderId) });
    case "add-snapshot":
      return withSnapshot(state, update.snapshot);
    case "set-snapshot-ref":
      return next(withRef(state, update.name, update.ref));
    case "remove-snapshots":
      return next(withoutSnapshots(metadata, update.snapshotIds));
    case "remove-snapshot-ref":
      return next(withoutRef(metadata, update.name));
    case "set-location":
      return next({ location: update.location.replace(/(?<=[^/])\/+$/, "") });
    case "set-properties":
      return next({ properties: withProperties(metadata, update.properties) });
    case "remove-properties":
      return next({ properties: withoutProperties(metadata, update.names) });
    case "set-statistics":
      return next({ statistics: withStatistics(metadata.statistics, update.statistics) });
    case "remove-statistics":
      return next({ statistics: without(metadata.statistics, update.snapshotId) });
    case "set-partition-statistics": {
      const { partitionStatistics: before } = metadata;
      return next({ partitionStatistics: withStatistics(before, update.statistics) });
    }
    case "remove-partition-statistics":
      return next({
        partitionStatistics: without(metadata.partitionStatistics, update.snapshotId),
      });
    case "remove-partition-specs":
      return next({ specs: withoutSpecs(metadata, update.specIds) });
    case "remove-schemas":
      return next({ schemas: withoutSchemas(metadata, update.schemaIds) });
    default:
      return unreachable(update);
  }
}

function assignedUuid(metadata: TableMetadata, uuid: string): string {
  if (metadata.uuid === "" || metadata.uuid.toLowerCase() === uuid.toLowerCase()) return uuid;
  throw refused(`table ${metadata.uuid} cannot become ${uuid}`, "a table keeps its uuid for ever");
}

/** v3 numbers rows from 0; rows of before are numbered by the next commit. Iceberg spec, "Row Lineage". */
function upgraded({ metadata, isNew }: State, version: number): Partial<TableMetadata> {
  const { formatVersion } = metadata;
  if (version !== 1 && version !== 2 && version !== 3) {
    throw new LakeError("unsupported", `Iceberg format version ${version}`, {
      hint: `this build knows versions 1 to ${FORMAT_VERSION_MAX}; use a newer one`,
    });
  }
  if (version < formatVersion && !isNew) {
    throw refused(
      `a table of format v${formatVersion} cannot become v${version} again`,
      "copy its rows into a new table",
    );
  }
  const isNumbered = version < 3 || metadata.extra["next-row-id"] !== undefined;
  const extra = isNumbered ? metadata.extra : { ...metadata.extra, "next-row-id": 0n };
  return { formatVersion: version, extra };
}

/** An equal earlier schema is taken up again under its id; the id that a schema came with counts for nothing. */
function withSchema(state: State, schema: Schema, highest: number): State {
  const { metadata } = state;
  checkSchema(schema);
  const lastColumnId = Math.max(metadata.lastColumnId, highestId(schema), highest);
  const known = metadata.schemas.find((candidate) => sameSchema(candidate, schema));
  if (known !== undefined) {
    return { ...state, metadata: { ...metadata, lastColumnId }, schemaId: known.schemaId };
  }
  const ids = [
    ...metadata.schemas.map((candidate) => candidate.schemaId),
    ...metadata.foreignSchemas.map((json) => Number(json["schema-id"] ?? 0)),
  ];
  const schemaId = Math.max(-1, ...ids) + 1;
  // The same object where it can be: what was worked out about it is kept beside it.
  const own = schema.schemaId === schemaId ? schema : { ...schema, schemaId };
  const schemas = [...metadata.schemas, own];
  return { ...state, metadata: { ...metadata, lastColumnId, schemas }, schemaId };
}

/** An equal earlier spec is taken up again; a field that some spec has had keeps its id. Java: UpdatePartitionSpec. */
function withSpec(state: State, asked: UnboundSpec): State {
  const { metadata } = state;
  const fields = numbered(metadata, asked);
  const known = metadata.specs.find((spec) => sameSpec(spec.fields, fields));
  if (known !== undefined) return { ...state, specId: known.specId };
  checkPartitions(metadata, fields);
  const specId = Math.max(-1, ...metadata.specs.map((spec) => spec.specId)) + 1;
  const specs: PartitionSpec[] = [...metadata.specs, { specId, fields }];
  const ids = fields.map((field) => field.fieldId);
  const lastPartitionId = Math.max(metadata.lastPartitionId, ...ids);
  return { ...state, metadata: { ...metadata, specs, lastPartitionId }, specId };
}

/** The fields with their ids: given, had in some spec before, or new ones. Each means one thing for ever. */
function numbered(metadata: TableMetadata, { fields }: UnboundSpec): readonly PartitionField[] {
  const earlier = metadata.specs.flatMap((spec) => spec.fields);
  const used = new Set<number>();
  let lastId = Math.max(metadata.lastPartitionId, ...fields.map((field) => field.fieldId ?? 0));
  return fields.map((field) => {
    const same = earlier.find((one) => sameField(one, field) && !used.has(one.fieldId));
    const fieldId = field.fieldId ?? same?.fieldId ?? ++lastId;
    const other = earlier.find((one) => one.fieldId === fieldId && !sameField(one, field));
    if (other !== undefined || used.has(fieldId)) {
      const message = `partition ${field.name} cannot take id ${fieldId}, which another field has`;
      throw new LakeError("conflict", message, { hint: "read the table again, and take a new id" });
    }
    used.add(fieldId);
    return { ...field, fieldId };
  });
}

function sameField(a: Omit<PartitionField, "fieldId">, b: Omit<PartitionField, "fieldId">) {
  return a.sourceId === b.sourceId && a.transform === b.transform;
}

function sameSpec(a: readonly PartitionField[], b: readonly PartitionField[]): boolean {
  return (
    a.length === b.length &&
    a.every((field, index) => {
      const other = b[index];
      return other !== undefined && sameField(field, other) && field.name === other.name;
    })
  );
}

/** Java's PartitionSpec.Builder refuses the same. */
function checkPartitions(metadata: TableMetadata, fields: readonly PartitionField[]): void {
  const schema = metadata.schemas.length === 0 ? null : currentOrLast(metadata);
  const names = new Set<string>();
  for (const { name, sourceId, transform } of fields) {
    const source = schema === null ? null : findColumn(schema, sourceId);
    if (source === null) throw refused(`partition ${name}: the table has no column ${sourceId}`);
    const parsed = parseTransform(transform);
    // A transform of a later format is another engine's business, as in Java.
    const isDefined = parsed.kind === "unknown" || transformAccepts(parsed, source.type);
    if (source.repeated || !isDefined) {
      throw refused(
        `partition ${name}: ${transform} is not defined for ${typeToText(source.type)}`,
      );
    }
    const column = schema?.fields.find((field) => field.name === name);
    const isTaken = column !== undefined && !(transform === "identity" && column.id === sourceId);
    if (names.has(name) || isTaken) throw refused(`partition ${name} would be there twice`);
    names.add(name);
  }
}

/** The schema that new specs are read under; of a table that is being made, the one it has so far. */
function currentOrLast(metadata: TableMetadata): Schema | null {
  const { schemas, currentSchemaId } = metadata;
  return schemas.find((one) => one.schemaId === currentSchemaId) ?? schemas.at(-1) ?? null;
}

function withSortOrder(state: State, asked: SortOrder): State {
  const { metadata } = state;
  const known = metadata.sortOrders.find((one) => sameOrder(one, asked));
  if (known !== undefined) return { ...state, orderId: known.orderId };
  const ids = metadata.sortOrders.map((one) => one.orderId);
  // Order 0 is the unsorted one. Iceberg spec, "Sort Orders".
  const orderId = asked.fields.length === 0 ? 0 : Math.max(0, ...ids) + 1;
  const sortOrders = [...metadata.sortOrders, { orderId, fields: asked.fields }];
  return { ...state, metadata: { ...metadata, sortOrders }, orderId };
}

function sameOrder(a: SortOrder, b: SortOrder): boolean {
  return (
    a.fields.length === b.fields.length &&
    a.fields.every((field, index) => {
      const other = b.fields[index];
      return (
        field.sourceId === other?.sourceId &&
        field.transform === other.transform &&
        field.direction === other.direction &&
        field.nullOrder === other.nullOrder
      );
    })
  );
}

function schemaIdOf({ metadata, schemaId }: State, asked: number): number {
  const id = lastOr(asked, schemaId, "schema");
  if (metadata.schemas.some((schema) => schema.schemaId === id)) return id;
  throw refused(`the table has no schema ${id} whose types this build knows`);
}

function specIdOf({ metadata, specId }: State, asked: number): number {
  const id = lastOr(asked, specId, "partition spec");
  if (metadata.specs.some((spec) => spec.specId === id)) return id;
  throw refused(`the table has no partition spec ${id}`);
}

function orderIdOf({ metadata, orderId }: State, asked: number): number {
  const id = lastOr(asked, orderId, "sort order");
  if (metadata.sortOrders.some((order) => order.orderId === id)) return id;
  throw refused(`the table has no sort order ${id}`);
}

function lastOr(asked: number, last: number | null, what: string): number {
  if (asked !== LAST_ADDED) return asked;
  if (last === null) throw refused(`-1 is the last added ${what}, and none was added`);
  return last;
}

/** A snapshot in the table, of no branch yet. Iceberg spec, "Sequence Numbers" and "Row Lineage". */
function withSnapshot(state: State, snapshot: RecordedSnapshot): State {
  const { metadata } = state;
  const { snapshotId, sequenceNumber, parentId, timestampMs } = snapshot;
  if (snapshotId < 0n) throw refused(`a snapshot has no id of its own: ${snapshotId}`);
  if (findSnapshot(metadata, snapshotId) !== null) {
    throw refused(`the table has a snapshot ${snapshotId} already`);
  }
  const isNumbered = metadata.formatVersion > 1;
  if (isNumbered && parentId !== null && sequenceNumber <= metadata.lastSequenceNumber) {
    throw overtaken(
      `snapshot ${snapshotId} has sequence number ${sequenceNumber}, ` +
        `which is not above the table's ${metadata.lastSequenceNumber}`,
    );
  }
  const known = metadata.schemas.some((schema) => schema.schemaId === snapshot.schemaId);
  if (snapshot.schemaId !== null && !known) {
    throw refused(`snapshot ${snapshotId} names schema ${snapshot.schemaId}, which is not there`);
  }
  return {
    ...state,
    snapshotIds: new Set([...state.snapshotIds, snapshotId]),
    touchedMs: timestampMs,
    metadata: {
      ...metadata,
      extra: withRowIds(metadata, snapshot),
      lastSequenceNumber: isNumbered
        ? maxOf(metadata.lastSequenceNumber, sequenceNumber)
        : metadata.lastSequenceNumber,
      snapshots: [...metadata.snapshots, snapshot],
    },
  };
}

/** v3: a snapshot takes the row ids from the table's next one on. */
function withRowIds(metadata: TableMetadata, snapshot: RecordedSnapshot): JsonObject {
  if (metadata.formatVersion < 3) return metadata.extra;
  const next = nextRowId(metadata);
  const { "first-row-id": first, "added-rows": added } = snapshot.extra;
  if (typeof first !== "bigint" || typeof added !== "bigint" || added < 0n) {
    throw refused(`snapshot ${snapshot.snapshotId} of a v3 table lacks first-row-id or added-rows`);
  }
  if (first < next) {
    throw overtaken(
      `snapshot ${snapshot.snapshotId} starts at row id ${first}, and ${next} is the next`,
    );
  }
  return { ...metadata.extra, "next-row-id": first + added };
}

/** Main moves the table; other names only remember. */
function withRef(state: State, name: string, ref: SnapshotRef): Partial<TableMetadata> {
  const { metadata, nowMs, snapshotIds } = state;
  const snapshot = findSnapshot(metadata, ref.snapshotId);
  if (snapshot === null) {
    throw new LakeError("not-found", `${name}: the table has no snapshot ${ref.snapshotId}`, {
      hint: "list the snapshots with: select * from lake.snapshots",
    });
  }
  const before = metadata.refs.get(name);
  const kind = before?.kind ?? (name === MAIN ? "branch" : ref.kind);
  if (kind !== ref.kind) {
    throw refused(
      `${name} is a ${kind}, not a ${ref.kind}`,
      `remove the ${kind} first, or take another name`,
    );
  }
  const refs = new Map([...metadata.refs, [name, ref]]);
  if (name !== MAIN || metadata.currentSnapshotId === ref.snapshotId) return { refs };
  const isNew = snapshotIds.has(ref.snapshotId);
  const entry: SnapshotLogEntry = {
    timestampMs: isNew ? snapshot.timestampMs : nowMs,
    snapshotId: ref.snapshotId,
  };
  const snapshotLog = [...metadata.snapshotLog, entry];
  return { refs, currentSnapshotId: ref.snapshotId, snapshotLog };
}

/** Absent is fine. A table without main has no rows and keeps its log: Java replaces tables so. */
function withoutRef(metadata: TableMetadata, name: string): Partial<TableMetadata> {
  const refs = new Map([...metadata.refs].filter(([key]) => key !== name));
  return name === MAIN ? { refs, currentSnapshotId: null } : { refs };
}

/** Statistics go with their snapshot. */
function withoutSnapshots(
  metadata: TableMetadata,
  dropped: readonly bigint[],
): Partial<TableMetadata> {
  if (dropped.length === 0) return {};
  const gone = new Set(dropped);
  for (const [name, ref] of metadata.refs) {
    if (!gone.has(ref.snapshotId)) continue;
    throw refused(
      `snapshot ${ref.snapshotId} is what ${ref.kind} ${name} names`,
      `remove the ${ref.kind} first`,
    );
  }
  const isKept = (json: JsonObject): boolean => !gone.has(snapshotIdOf(json));
  return {
    snapshots: metadata.snapshots.filter((snapshot) => !gone.has(snapshot.snapshotId)),
    statistics: metadata.statistics.filter(isKept),
    partitionStatistics: metadata.partitionStatistics.filter(isKept),
  };
}

function withProperties(
  metadata: TableMetadata,
  changes: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  for (const key of Object.keys(changes)) {
    if (!RESERVED_PROPERTIES.has(key)) continue;
    throw refused(
      `${key} cannot be set as a table property`,
      "it is part of the table's metadata; leave it out",
    );
  }
  return { ...metadata.properties, ...changes };
}

function withoutProperties(
  metadata: TableMetadata,
  names: readonly string[],
): Readonly<Record<string, string>> {
  const gone = new Set(names);
  return Object.fromEntries(Object.entries(metadata.properties).filter(([key]) => !gone.has(key)));
}

/** One entry a snapshot. */
function withStatistics(before: readonly JsonObject[], added: JsonObject): readonly JsonObject[] {
  return [...without(before, snapshotIdOf(added)), added];
}

function without(before: readonly JsonObject[], snapshotId: bigint): readonly JsonObject[] {
  return before.filter((json) => snapshotIdOf(json) !== snapshotId);
}

function snapshotIdOf(json: JsonObject): bigint {
  const id = json["snapshot-id"];
  return typeof id === "bigint" ? id : -1n;
}

function withoutSpecs(metadata: TableMetadata, ids: readonly number[]): readonly PartitionSpec[] {
  if (ids.includes(metadata.defaultSpecId)) {
    throw refused("the default partition spec cannot be removed", "set another default first");
  }
  return metadata.specs.filter((spec) => !ids.includes(spec.specId));
}

function withoutSchemas(metadata: TableMetadata, ids: readonly number[]): readonly Schema[] {
  if (ids.includes(metadata.currentSchemaId)) {
    throw refused("the current schema cannot be removed", "set another current schema first");
  }
  return metadata.schemas.filter((schema) => !ids.includes(schema.schemaId));
}

/**
 * The snapshot log after all updates: without the snapshots that main only passed through on the way, and without
 * everything before the last gap, as time travel across it would be wrong. Java: TableMetadata.updateSnapshotLog.
 */
function withLog(state: State, before: TableMetadata | null): TableMetadata {
  const { metadata, snapshotIds } = state;
  const passed = metadata.snapshotLog.filter(
    ({ snapshotId }) => snapshotId === metadata.currentSnapshotId || !snapshotIds.has(snapshotId),
  );
  const cameCount = (before?.snapshots.length ?? 0) + snapshotIds.size;
  if (metadata.snapshots.length === cameCount) return { ...metadata, snapshotLog: passed };
  const kept = new Set(metadata.snapshots.map((snapshot) => snapshot.snapshotId));
  const gap = passed.findLastIndex((entry) => !kept.has(entry.snapshotId));
  return { ...metadata, snapshotLog: passed.slice(gap + 1) };
}

/** A table that is made says all of itself. */
function checkWhole(metadata: TableMetadata): void {
  const missing = [
    metadata.uuid === "" ? "assign-uuid" : null,
    metadata.location === "" ? "set-location" : null,
    metadata.currentSchemaId === LAST_ADDED ? "set-current-schema" : null,
    metadata.defaultSpecId === LAST_ADDED ? "set-default-spec" : null,
    metadata.defaultSortOrderId === LAST_ADDED ? "set-default-sort-order" : null,
  ].find((kind) => kind !== null);
  if (missing !== undefined) throw refused(`a new table lacks the update ${missing}`);
}

/** Other engines do not load a table whose default spec has lost a column: no commit may bring that about. */
function checkSources(metadata: TableMetadata, before: TableMetadata | null): void {
  const { currentSchemaId, defaultSpecId } = metadata;
  if (before?.currentSchemaId === currentSchemaId && before.defaultSpecId === defaultSpecId) return;
  const schema = currentSchema(metadata);
  for (const { name, sourceId, transform } of defaultSpec(metadata).fields) {
    if (transform === "void" || findColumn(schema, sourceId) !== null) continue;
    throw new LakeError("schema", `the table is partitioned by ${name}, whose column would go`, {
      hint: "partition it by another column first",
    });
  }
}

const maxOf = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** Numbers that were right until another commit took them. */
function overtaken(message: string): LakeError {
  return new LakeError("conflict", message, { hint: "read the table again, and commit on that" });
}

function refused(message: string, hint?: string): LakeError {
  return new LakeError("usage", message, hint === undefined ? {} : { hint });
}
