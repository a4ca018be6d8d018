/** Partition summaries of a manifest: what its files' partition values lie between. */

import type { PartitionValue } from "../../core/table/types.ts";
import type { PartitionColumn } from "./partition.ts";
import { compareSingleValues, encodeSingleValue, type SingleValue } from "./single-value.ts";

/** Iceberg spec, "Manifest Lists", field 507. Bounds are single values in the transform's result type, uncut. */
export interface PartitionSummary {
  readonly containsNull: boolean;
  /** Null when not known. */
  readonly containsNan: boolean | null;
  readonly lower: Uint8Array | null;
  readonly upper: Uint8Array | null;
}

/** One summary per partition column over the tuples of a manifest's entries. */
export function summarizePartitions(
  columns: readonly PartitionColumn[],
  tuples: readonly (readonly PartitionValue[])[],
): readonly PartitionSummary[] {
  return columns.map((column, index) => {
    let containsNull = false;
    let containsNan = false;
    let lower: SingleValue | null = null;
    let upper: SingleValue | null = null;
    for (const tuple of tuples) {
      const value = tuple[index] ?? null;
      if (value === null) containsNull = true;
      else if (Number.isNaN(value)) containsNan = true;
      else {
        if (lower === null || compareSingleValues(value, lower) < 0) lower = value;
        if (upper === null || compareSingleValues(value, upper) > 0) upper = value;
      }
    }
    const encode = (value: SingleValue | null): Uint8Array | null =>
      value === null ? null : encodeSingleValue(column.resultType, value);
    return { containsNull, containsNan, lower: encode(lower), upper: encode(upper) };
  });
}
