/** Which manifests and files can hold a row that a filter keeps; when in doubt, all can. */

import type { ScanFilter } from "../../core/ports.ts";
import type {
  DataFile,
  PartitionSpec,
  PartitionValue,
  Schema,
  Type,
} from "../../core/table/types.ts";
import type { ManifestFile } from "./manifest-list.ts";
import { type PartitionColumn, partitionColumns } from "./partition.ts";
import { compareSingleValues, decodeSingleValue, type SingleValue } from "./single-value.ts";
import { applyTransform, transformAccepts } from "./transform.ts";

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

/** Answers for one scan; built once per schema and filter. */
export interface Pruner {
  /** False only when no file of the manifest can hold a row of the filter. */
  keepsManifest(manifest: ManifestFile): boolean;
  /** False only when the file can hold no row of the filter. */
  keepsFile(file: DataFile): boolean;
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
