/** Partition specs as a user writes them: `day(_ingested_at)`, `bucket(16, id)`, `city`. */

import { LakeError } from "../base/errors.ts";
import { parsePartitionText } from "./partition-text.ts";
import type { PartitionField, PartitionSpec, Schema, Transform } from "./types.ts";

export const UNPARTITIONED: PartitionSpec = { specId: 0, fields: [] };
/** Partition field ids start here. Iceberg spec, "Partition Specs". */
export const PARTITION_ID_START = 1000;

/** The spec of a new table. Throws `config` naming the text that is not a transform of a known column. */
export function partitionSpec(texts: readonly string[], schema: Schema): PartitionSpec {
  if (texts.length === 0) return UNPARTITIONED;
  const fields = texts.map((text, index) => partitionField(text, schema, index));
  return { specId: 0, fields };
}

function partitionField(text: string, schema: Schema, index: number): PartitionField {
  const parsed = parsePartitionText(text);
  if (parsed.kind === "invalid") throw new LakeError("config", parsed.reason);
  const { column, transform } = parsed.partition;
  const suffix = suffixOf(transform);
  const field = schema.fields.find((candidate) => candidate.name === column);
  if (field === undefined) {
    throw new LakeError("config", `partition "${text}" names no column "${column}"`, {
      hint: `columns: ${schema.fields.map((candidate) => candidate.name).join(", ")}`,
    });
  }
  return {
    sourceId: field.id,
    fieldId: PARTITION_ID_START + index,
    name: suffix === "" ? column : `${column}_${suffix}`,
    transform,
  };
}

/** What a partition's name ends in after the column's. PyIceberg and Spark name them so. */
function suffixOf(transform: Transform): string {
  if (transform === "identity") return "";
  if (transform.startsWith("bucket")) return "bucket";
  return transform.startsWith("truncate") ? "trunc" : transform;
}
