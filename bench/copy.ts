/**
 * Bare COPYs in a process of their own: what DuckDB alone needs for the same file.
 * Usage: copy.ts VARIANT FORMAT FROM TO.
 */

import { closeSync, fsyncSync, openSync } from "node:fs";
import { DuckDBInstance } from "@duckdb/node-api";
import { quoteFilePath, quoteTargetPath } from "../sql/syntax/quote.ts";
import { COLUMNS, FORMATS, type Format } from "./data.ts";

/**
 * `same`: typed, with the page version, codec, level and order that our tables have. `fastest`: typed, the fastest
 * known (V2 pages, zstd 1, no order). `default`: everything left to DuckDB.
 */
export const VARIANTS = ["same", "fastest", "default"] as const;
export type Variant = (typeof VARIANTS)[number];

/** The options of our own tables. */
export const SAME_OPTIONS =
  "format parquet, parquet_version v1, compression zstd, compression_level 1";
const WRITE_OPTIONS: Readonly<Record<Variant, string>> = {
  same: SAME_OPTIONS,
  fastest: "format parquet, parquet_version v2, compression zstd, compression_level 1",
  default: "format parquet",
};

/** Runs one COPY; `same` also makes the file durable, as ours is. */
export async function bareCopy(variant: Variant, format: Format, from: string, to: string) {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  if (variant === "fastest") await connection.run("set preserve_insertion_order = false");
  const source = reader(format, variant !== "default", quoteFilePath(from));
  await connection.run(
    `copy (select * from ${source}) to ${quoteTargetPath(to)} (${WRITE_OPTIONS[variant]})`,
  );
  if (variant !== "same") return;
  const file = openSync(to, "r");
  fsyncSync(file);
  closeSync(file);
}

function reader(format: Format, typed: boolean, path: string): string {
  const columns = Object.entries(COLUMNS).map(([name, type]) => `'${name}': '${type}'`);
  const given = typed ? `, columns = {${columns.join(", ")}}` : "";
  switch (format) {
    case "ndjson":
      return `read_json(${path}, format = 'newline_delimited'${given})`;
    case "csv":
      return typed ? `read_csv(${path}, header = true, delim = ','${given})` : `read_csv(${path})`;
    case "parquet":
      return `read_parquet(${path})`;
    default:
      throw new Error(`no reader for ${format}`);
  }
}

if (import.meta.main) {
  const [variant, format, from, to] = process.argv.slice(2);
  const known = VARIANTS.find((one) => one === variant);
  const read = FORMATS.find((one) => one === format);
  if (known === undefined || read === undefined || from === undefined || to === undefined) {
    throw new Error("usage: copy.ts same|fastest|default ndjson|csv|parquet FROM TO");
  }
  await bareCopy(known, read, from, to);
}
