/** Column metrics as a table wants them: which columns, and how much of a bound. */

import type { ColumnMetrics, FieldId, Schema, Type } from "../../core/table/types.ts";
import { firstCodePoints } from "./partition.ts";
import { columnsById, type SchemaColumn } from "./schema.ts";
import { decodeSingleValue, encodeSingleValue, type SingleValue } from "./single-value.ts";

/** What is kept of a column. Java: MetricsModes. */
export type MetricsMode =
  | { readonly kind: "none" }
  | { readonly kind: "counts" }
  | { readonly kind: "full" }
  | { readonly kind: "truncate"; readonly length: number };

const DEFAULT_MODE: MetricsMode = { kind: "truncate", length: 16 };
/** Beyond this many columns the default mode no longer applies. Java: metrics.max-inferred-column-defaults. */
const INFERRED_COLUMNS_MAX = 100;
const CODE_POINT_MAX = 0x10ffff;
const SURROGATE_FIRST = 0xd800;
const SURROGATE_LAST = 0xdfff;

/** The metrics to record of whole ones (bounds uncut), by the table's `write.metadata.metrics.*` properties. */
export function limitMetrics(
  metrics: ReadonlyMap<FieldId, ColumnMetrics>,
  schema: Schema,
  properties: Readonly<Record<string, string>>,
): ReadonlyMap<FieldId, ColumnMetrics> {
  const modes = metricsModes(schema, properties);
  const limited = new Map<FieldId, ColumnMetrics>();
  for (const [id, column] of metrics) {
    const known = columnsById(schema).get(id);
    const mode = modes.get(id);
    if (known === undefined || mode === undefined || mode.kind === "none") continue;
    limited.set(id, limitColumn(column, known, mode));
  }
  return limited;
}

/** The mode of every scalar column: the column's property, else the table's default for the first hundred. */
export function metricsModes(
  schema: Schema,
  properties: Readonly<Record<string, string>>,
): ReadonlyMap<FieldId, MetricsMode> {
  const given = parseMode(properties["write.metadata.metrics.default"]);
  const maxText = properties["write.metadata.metrics.max-inferred-column-defaults"] ?? "";
  const inferredMax = /^\d+$/.test(maxText) ? Number(maxText) : INFERRED_COLUMNS_MAX;
  const modes = new Map<FieldId, MetricsMode>();
  for (const column of columnsById(schema).values()) {
    if (isNested(column.type)) continue;
    const inferred: MetricsMode = modes.size < inferredMax ? DEFAULT_MODE : { kind: "none" };
    const own = parseMode(properties[`write.metadata.metrics.column.${column.path}`]);
    modes.set(column.id, own ?? given ?? inferred);
  }
  return modes;
}

/** A lower bound cut to `length` code points or bytes: less than or equal to the whole. */
export function truncateLower(type: Type, bound: Uint8Array, length: number): Uint8Array {
  const value = truncatable(type, bound);
  if (value === null) return bound;
  return encodeSingleValue(type, cut(value, length));
}

/** An upper bound cut and raised, so that it is not below the whole; null when nothing that short is. */
export function truncateUpper(type: Type, bound: Uint8Array, length: number): Uint8Array | null {
  const value = truncatable(type, bound);
  if (value === null) return bound;
  const short = cut(value, length);
  if (short.length === value.length) return bound;
  const raised = typeof short === "string" ? raiseText(short) : raiseBytes(short);
  return raised === null ? null : encodeSingleValue(type, raised);
}

/**
 * Bounds of a floating column: NaN is never one, and a zero is -0.0 below and +0.0 above, whichever zero was seen.
 * Iceberg spec, "Data File Fields", note on lower and upper bounds.
 */
export function floatBound(value: number, side: "lower" | "upper"): number | null {
  if (Number.isNaN(value)) return null;
  if (value === 0) return side === "lower" ? -0 : 0;
  return value;
}

function limitColumn(column: ColumnMetrics, known: SchemaColumn, mode: MetricsMode): ColumnMetrics {
  const { lower, upper, ...counts } = column;
  if (known.repeated) return counts;
  if (mode.kind === "full") return column;
  if (mode.kind !== "truncate") return counts;
  const short = upper === undefined ? null : truncateUpper(known.type, upper, mode.length);
  return {
    ...counts,
    ...(lower === undefined ? {} : { lower: truncateLower(known.type, lower, mode.length) }),
    ...(short === null ? {} : { upper: short }),
  };
}

function parseMode(text: string | undefined): MetricsMode | null {
  const lower = text?.toLowerCase();
  if (lower === "none" || lower === "counts" || lower === "full") return { kind: lower };
  const length = Number(/^truncate\((\d+)\)$/.exec(lower ?? "")?.[1]);
  return length > 0 ? { kind: "truncate", length } : null;
}

function isNested(type: Type): boolean {
  return type.kind === "struct" || type.kind === "list" || type.kind === "map";
}

/** Only text and bytes of any length are cut. */
function truncatable(type: Type, bound: Uint8Array): string | Uint8Array | null {
  const isText = type.kind === "primitive" && type.name === "string";
  const isBytes = type.kind === "primitive" && type.name === "binary";
  const value: SingleValue | null = isText || isBytes ? decodeSingleValue(type, bound) : null;
  return typeof value === "string" || value instanceof Uint8Array ? value : null;
}

function cut(value: string | Uint8Array, length: number): string | Uint8Array {
  return typeof value === "string" ? firstCodePoints(value, length) : value.slice(0, length);
}

/** The least text above all that start with `text`: its last raisable code point raised, the rest dropped. */
function raiseText(text: string): string | null {
  const points = Array.from(text, (char) => char.codePointAt(0) ?? 0);
  while (points.length > 0) {
    const last = points.pop() ?? 0;
    if (last >= CODE_POINT_MAX) continue;
    const next = last + 1;
    const isSurrogate = next >= SURROGATE_FIRST && next <= SURROGATE_LAST;
    points.push(isSurrogate ? SURROGATE_LAST + 1 : next);
    return String.fromCodePoint(...points);
  }
  return null;
}

function raiseBytes(bytes: Uint8Array): Uint8Array | null {
  for (let index = bytes.length - 1; index >= 0; index--) {
    const byte = bytes[index] ?? 0;
    if (byte === 255) continue;
    const raised = bytes.slice(0, index + 1);
    raised[index] = byte + 1;
    return raised;
  }
  return null;
}
