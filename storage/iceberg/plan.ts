/**
 * From a snapshot to the files that a query must read: what cannot match a filter is left out (in doubt nothing is),
 * and deletes find their data files. Iceberg spec, "Scan Planning".
 */

import { LakeError } from "../../core/base/errors.ts";
import type { Delta, ScanFilter } from "../../core/ports.ts";
import { FILE_PATH_ID } from "../../core/table/system-columns.ts";
import type {
  DataFile,
  PartitionSpec,
  PartitionValue,
  Scan,
  ScanFile,
  Schema,
  Snapshot,
  TableName,
  Type,
} from "../../core/table/types.ts";
import { hasLiveFiles, type ManifestEntry, type ManifestFile } from "./manifest.ts";
import { currentSchema, findSnapshot, type TableMetadata } from "./metadata.ts";
import {
  applyTransform,
  type PartitionColumn,
  partitionColumns,
  transformAccepts,
} from "./partition.ts";
import type { ManifestStore } from "./recorded-files.ts";
import { NAME_MAPPING, parseNameMapping, refuseDefaults } from "./schema.ts";
import { compareSingleValues, decodeSingleValue, type SingleValue } from "./single-value.ts";

export interface PlanInput {
  readonly table: TableName;
  readonly metadata: TableMetadata;
  readonly manifests: ManifestStore;
}

/** Answers for one scan; built once per schema and filter. */
export interface Pruner {
  /** False only when no file of the manifest can hold a row of the filter. */
  keepsManifest(manifest: ManifestFile): boolean;
  /** False only when the file can hold no row of the filter. */
  keepsFile(file: DataFile): boolean;
}

/** The scan of a table at a snapshot; null = no rows. Files that cannot match `filter` may be left out. */
export async function planScan(
  input: PlanInput,
  snapshot: Snapshot | null,
  filter: ScanFilter = [],
): Promise<Scan> {
  const { metadata } = input;
  const schema = schemaAt(metadata, snapshot);
  const pruner = makePruner(filter, schema, metadata.specs, metadata.schemas);
  const files: DataFile[] = [];
  const deletes: DataFile[] = [];
  for (const manifest of await input.manifests.list(snapshot)) {
    if (!hasLiveFiles(manifest)) continue;
    const isData = manifest.content === "data";
    if (isData && !pruner.keepsManifest(manifest)) continue;
    for (const entry of await input.manifests.entries(manifest, metadata)) {
      if (entry.status === "deleted") continue;
      if (entry.file.content !== "data") deletes.push(entry.file);
      else if (filter.length === 0 || pruner.keepsFile(entry.file)) files.push(entry.file);
    }
  }
  return {
    ...scanHead(input, snapshot, schema),
    files: files.map((file) => toScanFile(input, file)),
    deletes: applicableDeletes(files, deletes, metadata.specs),
  };
}

/** How many manifests of a snapshot maintenance would make fewer. */
export async function planManifests(
  { metadata, manifests }: PlanInput,
  snapshot: Snapshot | null,
): Promise<number> {
  const live = (await manifests.list(snapshot)).filter(hasLiveFiles);
  const { mergeableCount, mergeRule, wholeRule } = await import("./manifest-merge.ts");
  return mergeableCount(live, wholeRule(mergeRule(metadata.properties)));
}

/** Delete files of a snapshot that delete no row of it. iceberg.md, row 68. */
export async function planDangling(
  input: PlanInput,
  snapshot: Snapshot | null,
): Promise<readonly DataFile[]> {
  const live = (await liveEntries(input, snapshot)).map(({ file }) => file);
  const deletes = live.filter(({ content }) => content !== "data");
  if (deletes.length === 0) return [];
  const files = live.filter(({ content }) => content === "data");
  const applying = new Set(applicableDeletes(files, deletes, input.metadata.specs));
  return deletes.filter((file) => !applying.has(file));
}

/** Files of the append snapshots in (after, to], or why there is no exact delta. DESIGN, Settled. */
export async function planDelta(
  input: PlanInput,
  after: bigint | null,
  to: Snapshot | null,
): Promise<Delta> {
  if ((to?.snapshotId ?? null) === after) return { kind: "none" };
  if (to === null) return full("the table has no snapshot any more");
  const walked = walkBack(input.metadata, after, to);
  if (walked.kind === "full") return walked;
  if (walked.appends.length === 0) return { kind: "none" };
  const files: DataFile[] = [];
  for (const snapshot of walked.appends) {
    const added = await addedFiles(input, snapshot);
    if (added === null) return full(`snapshot ${snapshot.snapshotId} also deleted rows`);
    files.push(...added);
  }
  const schema = schemaAt(input.metadata, to);
  const scan: Scan = {
    ...scanHead(input, to, schema),
    files: files.map((file) => toScanFile(input, file)),
    deletes: [],
  };
  return { kind: "append", scan, snapshots: walked.appends.length };
}

/** Live entries of a snapshot, data files and delete files, for system tables and maintenance. */
export async function liveEntries(
  input: Omit<PlanInput, "table">,
  snapshot: Snapshot | null,
): Promise<readonly ManifestEntry[]> {
  const live: ManifestEntry[] = [];
  for (const manifest of await input.manifests.list(snapshot)) {
    if (!hasLiveFiles(manifest)) continue;
    for (const entry of await input.manifests.entries(manifest, input.metadata)) {
      if (entry.status !== "deleted") live.push(entry);
    }
  }
  return live;
}

/** The columns of a table at a snapshot: today's for the current one, its own for earlier ones. */
export function schemaAt(metadata: TableMetadata, snapshot: Snapshot | null): Schema {
  const id = snapshot?.schemaId ?? null;
  if (snapshot === null || id === null || snapshot.snapshotId === metadata.currentSnapshotId) {
    return currentSchema(metadata);
  }
  const schema = metadata.schemas.find((candidate) => candidate.schemaId === id);
  if (schema !== undefined) return schema;
  throw new LakeError("unsupported", `snapshot ${snapshot.snapshotId} has columns of format v3`, {
    hint: "read a later snapshot, whose columns have types that are known here",
  });
}

/** Prunes by partitions and bounds. Conditions on unknown columns or with odd values are left out. */
export function makePruner(
  filter: ScanFilter,
  schema: Schema,
  specs: readonly PartitionSpec[],
  schemas: readonly Schema[],
): Pruner {
  const conditions = filter.flatMap((item) => bindCondition(item, schema));
  const columnsBySpec = new Map(
    specs.map((spec) => [spec.specId, partitionColumns(spec, [schema, ...schemas])]),
  );
  const keepsPartition = (specId: number, rangeOf: (index: number) => Range | null): boolean =>
    (columnsBySpec.get(specId) ?? []).every((column, index) => {
      const range = rangeOf(index);
      return (
        range === null ||
        conditions.every((condition) => partitionMayMatch(condition, column, range))
      );
    });
  return {
    keepsManifest(manifest) {
      const columns = columnsBySpec.get(manifest.specId) ?? [];
      return keepsPartition(manifest.specId, (index) =>
        summaryRange(manifest, columns[index], index),
      );
    },
    keepsFile(file) {
      return (
        keepsPartition(file.specId, (index) => valueRange(file.partition[index])) &&
        conditions.every((condition) => mayMatch(boundsRange(file, condition), condition))
      );
    },
  };
}

/**
 * The delete files that may delete a row of at least one of `files`, in their order. Which rows of which file is
 * for the reader: position deletes name it, equality deletes hold for files with a smaller sequence number.
 */
export function applicableDeletes(
  files: readonly DataFile[],
  deletes: readonly DataFile[],
  specs: readonly PartitionSpec[],
): readonly DataFile[] {
  if (deletes.length === 0) return [];
  const paths = new Map(files.map((file) => [file.path, file]));
  const oldestByPartition = new Map<string, bigint>();
  let oldest: bigint | null = null;
  for (const file of files) {
    const number = file.dataSequenceNumber ?? 0n;
    const key = partitionKey(file);
    const known = oldestByPartition.get(key);
    if (known === undefined || number < known) oldestByPartition.set(key, number);
    if (oldest === null || number < oldest) oldest = number;
  }
  const globalSpecs = new Set(
    specs.filter((spec) => spec.fields.length === 0).map((spec) => spec.specId),
  );
  return deletes.filter((file) => {
    const number = file.dataSequenceNumber ?? 0n;
    if (file.content === "equality-deletes") {
      const isGlobal = globalSpecs.has(file.specId);
      const least = isGlobal ? oldest : (oldestByPartition.get(partitionKey(file)) ?? null);
      return least !== null && least < number;
    }
    const target = targetPath(file);
    const data = target === null ? undefined : paths.get(target);
    if (target !== null) return data !== undefined && (data.dataSequenceNumber ?? 0n) <= number;
    const least = oldestByPartition.get(partitionKey(file)) ?? null;
    return least !== null && least <= number;
  });
}

/** The one data file that position deletes are about, when the entry says so. Spark says it by equal bounds. */
export function targetPath(file: DataFile): string | null {
  if (file.referencedDataFile !== null) return file.referencedDataFile;
  const bounds = file.metrics.get(FILE_PATH_ID);
  if (bounds?.lower === undefined || bounds.upper === undefined) return null;
  const decode = (bytes: Uint8Array): unknown =>
    decodeSingleValue({ kind: "primitive", name: "string" }, bytes);
  const lower = decode(bounds.lower);
  return lower === decode(bounds.upper) && typeof lower === "string" ? lower : null;
}

type Walk =
  | { readonly kind: "appends"; readonly appends: readonly Snapshot[] }
  | Extract<Delta, { kind: "full" }>;

/** The append snapshots in (after, to], oldest first. */
function walkBack(metadata: TableMetadata, after: bigint | null, to: Snapshot): Walk {
  const appends: Snapshot[] = [];
  let current: Snapshot = to;
  for (;;) {
    if (current.operation === "append") appends.push(current);
    else if (current.operation !== "replace") {
      return full(
        `snapshot ${current.snapshotId} (${current.operation}) changed rows that were there before`,
      );
    }
    if (current.parentId === after) return { kind: "appends", appends: appends.toReversed() };
    const parent = findSnapshot(metadata, current.parentId);
    if (parent === null) {
      return full(
        current.parentId === null
          ? `snapshot ${after} is not in the history of snapshot ${to.snapshotId}: rolled back`
          : `snapshot ${current.parentId}, on the way to ${to.snapshotId}, is no longer kept`,
      );
    }
    current = parent;
  }
}

/** Data files that a snapshot added; null when it also has deletes of its own. */
async function addedFiles(
  input: PlanInput,
  snapshot: Snapshot,
): Promise<readonly DataFile[] | null> {
  const added: DataFile[] = [];
  const isOwn = (manifest: ManifestFile): boolean =>
    manifest.addedSnapshotId === snapshot.snapshotId && manifest.addedFiles !== 0;
  for (const manifest of (await input.manifests.list(snapshot)).filter(isOwn)) {
    for (const entry of await input.manifests.entries(manifest, input.metadata)) {
      if (entry.status !== "added" || entry.snapshotId !== snapshot.snapshotId) continue;
      if (entry.file.content !== "data") return null;
      added.push(entry.file);
    }
  }
  return added;
}

function scanHead(
  input: PlanInput,
  snapshot: Snapshot | null,
  schema: Schema,
): Omit<Scan, "files" | "deletes"> {
  refuseDefaults(schema);
  const names = parseNameMapping(input.metadata.properties[NAME_MAPPING]);
  return {
    ...(names === null ? {} : { names }),
    table: input.table,
    uuid: input.metadata.uuid,
    snapshotId: snapshot?.snapshotId ?? null,
    sequenceNumber: snapshot?.sequenceNumber ?? 0n,
    schema,
    ...(input.metadata.formatVersion === 3 ? { hasLineage: true } : {}),
  };
}

/** A scan of some files of a snapshot, under given columns. */
export function scanOf(
  input: PlanInput,
  snapshot: Snapshot | null,
  schema: Schema,
  files: readonly ScanFile[],
  deletes: readonly DataFile[],
): Scan {
  return { ...scanHead(input, snapshot, schema), files, deletes };
}

function toScanFile(input: PlanInput, file: DataFile): ScanFile {
  return { localPath: input.manifests.localPath(file.path), file };
}

function full(reason: string): Extract<Delta, { kind: "full" }> {
  return { kind: "full", reason };
}

type Operator = ScanFilter[number]["op"];

/** What is known of the values of one column in some rows. */
interface Range {
  /** Null when not known, or when there is no value but null and NaN. */
  readonly lower: SingleValue | null;
  readonly upper: SingleValue | null;
  readonly mayHoldNull: boolean;
  readonly mayHoldNan: boolean;
  /** False when every row is null or NaN. */
  readonly mayHoldValue: boolean;
}

interface Condition {
  readonly columnId: number;
  readonly type: Type;
  readonly op: Operator;
  readonly values: readonly SingleValue[];
}

function bindCondition(item: ScanFilter[number], schema: Schema): readonly Condition[] {
  const field = schema.fields.find((candidate) => candidate.name === item.column);
  if (field === undefined) return [];
  const values: SingleValue[] = [];
  for (const value of item.values) {
    const fitting = coerce(field.type, value);
    if (fitting === null) return [];
    values.push(fitting);
  }
  const isNullTest = item.op === "is-null" || item.op === "not-null";
  if (!isNullTest && item.op !== "in" && values.length !== 1) return [];
  return [{ columnId: field.id, type: field.type, op: item.op, values }];
}

/** A filter's value in the column's type; null when it has no exact one: then nothing is pruned by it. */
function coerce(type: Type, value: PartitionValue): SingleValue | null {
  if (value === null) return null;
  if (type.kind === "decimal") return typeof value === "bigint" ? value : null;
  if (type.kind !== "primitive") return value instanceof Uint8Array ? value : null;
  switch (type.name) {
    case "int":
    case "date":
      return Number.isSafeInteger(Number(value)) && isNumeric(value) ? Number(value) : null;
    case "long":
    case "time":
    case "timestamp":
    case "timestamptz":
      if (typeof value === "bigint") return value;
      return Number.isSafeInteger(value) ? BigInt(Number(value)) : null;
    case "float":
    case "double": {
      const number = isNumeric(value) ? Number(value) : Number.NaN;
      const isExact = typeof value === "number" || Number.isSafeInteger(number);
      return Number.isNaN(number) || !isExact ? null : plainZero(number);
    }
    case "boolean":
      return typeof value === "boolean" ? value : null;
    case "string":
      return typeof value === "string" ? value : null;
    default:
      return value instanceof Uint8Array ? value : null;
  }
}

function isNumeric(value: PartitionValue): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

/** SQL takes both zeros for equal; the order of single values does not. */
function plainZero(value: SingleValue): SingleValue {
  return value === 0 ? 0 : value;
}

/**
 * Inclusive projection: if a row may satisfy the condition, its partition value may satisfy the projected one.
 * Iceberg spec, "Scan Planning".
 */
function partitionMayMatch(condition: Condition, column: PartitionColumn, range: Range): boolean {
  const { transform, sourceType, field } = column;
  if (field.sourceId !== condition.columnId || transform.kind === "void") return true;
  if (!transformAccepts(transform, sourceType)) return true;
  const isOrdered = transform.kind !== "bucket";
  const isEquality = condition.op === "=" || condition.op === "in";
  const isNullTest = condition.op === "is-null" || condition.op === "not-null";
  if (!isOrdered && !isEquality && !isNullTest) return true;
  const values: SingleValue[] = [];
  for (const value of condition.values) {
    const fitting = coerce(sourceType, value);
    const projected = fitting === null ? null : applyTransform(transform, sourceType, fitting);
    if (projected === null) return true;
    values.push(plainZero(projected));
  }
  const op = condition.op === "<" ? "<=" : condition.op === ">" ? ">=" : condition.op;
  return mayMatch(range, { op, values });
}

/** Whether a row of the range may satisfy `op`. NaN is greater than every value, as in DuckDB. */
function mayMatch(range: Range | null, condition: Pick<Condition, "op" | "values">): boolean {
  if (range === null) return true;
  const { lower, upper } = range;
  const [value] = condition.values;
  const atLeast = (bound: SingleValue | null, other: SingleValue): boolean =>
    bound === null || compareSingleValues(bound, other) >= 0;
  const atMost = (bound: SingleValue | null, other: SingleValue): boolean =>
    bound === null || compareSingleValues(bound, other) <= 0;
  switch (condition.op) {
    case "is-null":
      return range.mayHoldNull;
    case "not-null":
      return range.mayHoldValue || range.mayHoldNan;
    case "=":
    case "in":
      return (
        range.mayHoldValue &&
        condition.values.some((wanted) => atMost(lower, wanted) && atLeast(upper, wanted))
      );
    case "<":
      return (
        value === undefined ||
        (range.mayHoldValue && !atLeast(lower, value)) ||
        isOpen(range, lower)
      );
    case "<=":
      return value === undefined || (range.mayHoldValue && atMost(lower, value));
    case ">":
      if (value === undefined || range.mayHoldNan || isOpen(range, upper)) return true;
      return range.mayHoldValue && !atMost(upper, value);
    case ">=":
      return (
        value === undefined || range.mayHoldNan || (range.mayHoldValue && atLeast(upper, value))
      );
    default:
      return true;
  }
}

/** A bound that is not known, of rows that may hold values. */
function isOpen(range: Range, bound: SingleValue | null): boolean {
  return bound === null && range.mayHoldValue;
}

function summaryRange(
  manifest: ManifestFile,
  column: PartitionColumn | undefined,
  index: number,
): Range | null {
  const summary = manifest.partitions?.[index];
  if (summary === undefined || column === undefined) return null;
  const bounds = decodeBounds(column.resultType, summary.lower, summary.upper);
  if (bounds === null) return null;
  const mayHoldNan = isFloating(column.resultType) && summary.containsNan !== false;
  // Missing bounds ought to mean that all is null; some writers just leave them out.
  return { ...bounds, mayHoldNull: summary.containsNull, mayHoldNan, mayHoldValue: true };
}

function valueRange(value: PartitionValue | undefined): Range | null {
  if (value === undefined) return null;
  const mayHoldNan = Number.isNaN(value);
  const plain = value === null || mayHoldNan ? null : plainZero(value);
  const mayHoldValue = plain !== null;
  return { lower: plain, upper: plain, mayHoldNull: value === null, mayHoldNan, mayHoldValue };
}

function boundsRange(file: DataFile, condition: Condition): Range | null {
  const metrics = file.metrics.get(condition.columnId);
  if (metrics === undefined) return null;
  const bounds = decodeBounds(condition.type, metrics.lower ?? null, metrics.upper ?? null);
  if (bounds === null) return null;
  const { nullCount, valueCount } = metrics;
  return {
    ...bounds,
    mayHoldNull: nullCount !== 0n,
    mayHoldNan: isFloating(condition.type) && metrics.nanCount !== 0n,
    mayHoldValue: nullCount === undefined || nullCount !== valueCount,
  };
}

/** Null when the pair makes no sense: a bound that does not decode, or a lower one above the upper. */
function decodeBounds(
  type: Type,
  lower: Uint8Array | null,
  upper: Uint8Array | null,
): Pick<Range, "lower" | "upper"> | null {
  const least = lower === null ? null : decodeSingleValue(type, lower);
  const greatest = upper === null ? null : decodeSingleValue(type, upper);
  if ((lower !== null && least === null) || (upper !== null && greatest === null)) return null;
  if (Number.isNaN(least) || Number.isNaN(greatest)) return null;
  if (least !== null && greatest !== null && compareSingleValues(least, greatest) > 0) return null;
  return {
    lower: least === null ? null : plainZero(least),
    upper: greatest === null ? null : plainZero(greatest),
  };
}

function isFloating(type: Type): boolean {
  return type.kind === "primitive" && (type.name === "float" || type.name === "double");
}

function partitionKey(file: DataFile): string {
  const parts = file.partition.map((value) => `${typeof value}:${String(value)}`);
  return [String(file.specId), ...parts].join("\u0000");
}
