/** Partition transforms as people write them: `day(_ingested_at)`, `bucket(16, id)`, `country`. */

import type { Transform } from "./types.ts";

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

function unquoted(text: string): string {
  const isQuoted = text.length > 1 && text.startsWith('"') && text.endsWith('"');
  return isQuoted ? text.slice(1, -1).replaceAll('""', '"') : text;
}
