/** Partition specs as a user writes them: `day(_ingested_at)`, `bucket(16, id)`, `city`. */

import { LakeError } from "../base/errors.ts";
import type { PartitionField, PartitionSpec, Schema } from "./types.ts";

export const UNPARTITIONED: PartitionSpec = { specId: 0, fields: [] };
/** Partition field ids start here. Iceberg spec, "Partition Specs". */
export const PARTITION_ID_START = 1000;
const TIME_TRANSFORMS = new Set(["year", "month", "day", "hour"]);

/** The spec of a new table. Throws `config` naming the text that is not a transform of a known column. */
export function partitionSpec(texts: readonly string[], schema: Schema): PartitionSpec {
  if (texts.length === 0) return UNPARTITIONED;
  const fields = texts.map((text, index) => partitionField(text, schema, index));
  return { specId: 0, fields };
}

function partitionField(text: string, schema: Schema, index: number): PartitionField {
  const { transform, column, suffix } = parseTransform(text);
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

function parseTransform(text: string): { transform: string; column: string; suffix: string } {
  const call = /^\s*([a-z]+)\s*\(\s*(?:(\d+)\s*,\s*)?("?)([^"(),]+)\3\s*\)\s*$/.exec(text);
  if (call === null) {
    const column = text.trim();
    if (column === "" || /[(),]/.test(column)) throw badTransform(text);
    return { transform: "identity", column, suffix: "" };
  }
  const [, name = "", count, , column = ""] = call;
  if (TIME_TRANSFORMS.has(name) && count === undefined) {
    return { transform: name, column: column.trim(), suffix: name };
  }
  if ((name === "bucket" || name === "truncate") && count !== undefined && Number(count) > 0) {
    const suffix = name === "truncate" ? "trunc" : "bucket";
    return { transform: `${name}[${Number(count)}]`, column: column.trim(), suffix };
  }
  if (name === "identity" && count === undefined) {
    return { transform: name, column: column.trim(), suffix: "" };
  }
  throw badTransform(text);
}

function badTransform(text: string): LakeError {
  return new LakeError("config", `"${text}" is not a partition transform`, {
    hint: "write a column, day(ts), hour(ts), month(ts), year(ts), bucket(16, id) or truncate(4, name)",
  });
}
