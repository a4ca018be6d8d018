/** Partition specs as a user writes them: `day(_ingested_at)`, `bucket(16, id)`, `city`. */

import { LakeError } from "../base/errors.ts";
import { typeToText } from "./type-text.ts";
import type { PartitionField, PartitionSpec, Schema, Transform, Type } from "./types.ts";

export interface PartitionText {
  readonly column: string;
  /** Spelled as in Iceberg metadata: `identity`, `day`, `bucket[16]`. */
  readonly transform: Transform;
}

export type PartitionTextResult =
  | { readonly kind: "partition"; readonly partition: PartitionText }
  | { readonly kind: "invalid"; readonly reason: string };

const CALL = /^\s*([A-Za-z]+)\s*\(\s*(?:(\d+)\s*,\s*)?([^(),]+?)\s*(?:,\s*(\d+)\s*)?\)\s*$/;
const WIDE = new Set(["bucket", "truncate"]);
const PLAIN = new Set(["identity", "year", "month", "day", "hour"]);
/** Both orders of `bucket(16, id)` are in use: Spark writes the number first, Trino last. */
const WIDTH_MAX = 1_000_000;

/** Parses one transform; the plural names of Spark (`days`) are read too. Iceberg spec, "Partition Transforms". */
export function parsePartitionText(text: string): PartitionTextResult {
  if (text.split("(").length !== text.split(")").length) {
    const reason = `"${text}" is a part of a partition: YAML cuts it at its comma; quote it, as in ["bucket(16, id)"]`;
    return { kind: "invalid", reason };
  }
  if (!text.includes("(")) {
    const column = unquoted(text.trim());
    if (column === "") return { kind: "invalid", reason: "a partition has no column" };
    return { kind: "partition", partition: { column, transform: "identity" } };
  }
  const match = CALL.exec(text);
  const word = (match?.[1] ?? "").toLowerCase();
  const name = /^(years|months|days|hours)$/.test(word) ? word.slice(0, -1) : word;
  const width = match?.[2] ?? match?.[4];
  const column = unquoted(match?.[3] ?? "");
  if (match !== null && PLAIN.has(name) && width === undefined) {
    return { kind: "partition", partition: { column, transform: name } };
  }
  if (match !== null && WIDE.has(name) && Number(width) >= 1 && Number(width) <= WIDTH_MAX) {
    return { kind: "partition", partition: { column, transform: `${name}[${Number(width)}]` } };
  }
  const forms = "column, year(c), month(c), day(c), hour(c), bucket(16, c), truncate(4, c)";
  return { kind: "invalid", reason: `"${text}" is not a partition; the forms are ${forms}` };
}

/** A transform of a column as a model names it: `day(at)`, `bucket(16, id)`, `city`. */
export function transformText(transform: Transform, column: string): string {
  const [, kind = "", width] = /^([a-z]+)(?:\[(\d+)\])?$/.exec(transform) ?? [];
  if (kind === "identity") return column;
  return width === undefined ? `${kind}(${column})` : `${kind}(${width}, ${column})`;
}

function unquoted(text: string): string {
  const isQuoted = text.length > 1 && text.startsWith('"') && text.endsWith('"');
  return isQuoted ? text.slice(1, -1).replaceAll('""', '"') : text;
}

export const UNPARTITIONED: PartitionSpec = { specId: 0, fields: [] };
/** Partition field ids start here. Iceberg spec, "Partition Specs". */
export const PARTITION_ID_START = 1000;

/** The spec of a new table. Throws `config` naming the text that is not a transform of a known column. */
export function partitionSpec(texts: readonly string[], schema: Schema): PartitionSpec {
  return texts.length === 0 ? UNPARTITIONED : { specId: 0, fields: fieldsOf(texts, schema) };
}

/**
 * The spec that texts ask for of a table that is there: one that it has or had, under its id, or a new one, whose
 * fields keep the ids that they have had in any. Iceberg spec, "Partition Evolution". Throws as `partitionSpec`.
 */
export function nextSpec(
  specs: readonly PartitionSpec[],
  texts: readonly string[],
  schema: Schema,
): PartitionSpec {
  const earlier = specs.flatMap((spec) => spec.fields);
  let lastId = Math.max(PARTITION_ID_START - 1, ...earlier.map((field) => field.fieldId));
  const fields = fieldsOf(texts, schema).map((field): PartitionField => {
    const same = earlier.find(
      (one) => one.sourceId === field.sourceId && one.transform === field.transform,
    );
    return { ...field, fieldId: same?.fieldId ?? ++lastId };
  });
  const known = specs.find(
    (spec) =>
      spec.fields.length === fields.length &&
      spec.fields.every(({ fieldId, name }, index) => {
        return fieldId === fields[index]?.fieldId && name === fields[index]?.name;
      }),
  );
  return known ?? { specId: Math.max(-1, ...specs.map((spec) => spec.specId)) + 1, fields };
}

/** Which of the texts ask for what the columns have as they are, and why the others do not. */
export function fittingPartitions(
  texts: readonly string[],
  schema: Schema,
): { readonly fitting: readonly string[]; readonly unfit: readonly LakeError[] } {
  const fitting: string[] = [];
  const unfit: LakeError[] = [];
  for (const text of texts) {
    try {
      fieldsOf([...fitting, text], schema);
      fitting.push(text);
    } catch (thrown) {
      if (!(thrown instanceof LakeError) || thrown.context.unfit !== text) throw thrown;
      unfit.push(thrown);
    }
  }
  return { fitting, unfit };
}

function fieldsOf(texts: readonly string[], schema: Schema): readonly PartitionField[] {
  const fields: PartitionField[] = [];
  for (const text of texts) {
    const field = partitionField(text, schema, fields.length);
    // Java's PartitionSpec.Builder refuses both: names are what partition columns are called.
    const twice = fields.some((other) => other.name === field.name);
    const taken =
      field.transform !== "identity" && schema.fields.some((other) => other.name === field.name);
    if (twice || taken) {
      throw new LakeError("config", `partition "${text}" would be called ${field.name} too`, {
        hint: "name each partition once; a column of that name can be renamed by its source",
        context: { unfit: text },
      });
    }
    fields.push(field);
  }
  return fields;
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
  if (!takes(transform, field.type)) {
    throw new LakeError("config", `partition "${text}": ${column} is ${typeToText(field.type)}`, {
      hint: "year, month and day take dates and timestamps, hour timestamps, truncate text and numbers",
      context: { unfit: text },
    });
  }
  return {
    sourceId: field.id,
    fieldId: PARTITION_ID_START + index,
    name: suffix === "" ? column : `${column}_${suffix}`,
    transform,
  };
}

/** Iceberg spec, "Partition Transforms": the source types of each. */
function takes(transform: Transform, type: Type): boolean {
  if (type.kind === "struct" || type.kind === "list" || type.kind === "map") return false;
  const name = type.kind === "primitive" ? type.name : type.kind;
  if (transform === "identity") return true;
  if (transform.startsWith("bucket")) return !["boolean", "float", "double"].includes(name);
  if (transform.startsWith("truncate")) {
    return ["int", "long", "decimal", "string", "binary"].includes(name);
  }
  const isInstant = name === "timestamp" || name === "timestamptz";
  return isInstant || (name === "date" && transform !== "hour");
}

/** What a partition's name ends in after the column's. PyIceberg and Spark name them so. */
function suffixOf(transform: Transform): string {
  if (transform === "identity") return "";
  if (transform.startsWith("bucket")) return "bucket";
  return transform.startsWith("truncate") ? "trunc" : transform;
}
