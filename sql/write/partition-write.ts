/** Rows of a query written as data files, one set per partition, as every table of the lake is written. */

import { LakeError } from "../../core/base/errors.ts";
import type { StagedFile, Written } from "../../core/engine.ts";
import type { PartitionSpec, PartitionValue, Schema } from "../../core/table/types.ts";
import { filesSql, internalName } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { ownColumn, ownName } from "../syntax/own-names.ts";
import { quoteIdentifier, quoteLiteral, quoteTargetPath } from "../syntax/quote.ts";
import { fieldIdsClause } from "./field-ids.ts";
import { partitionColumns } from "./partition.ts";

export interface WriteTarget {
  /** Columns of the rows, in this order and by these names. */
  readonly schema: Schema;
  readonly spec: PartitionSpec;
  /** Absolute; of the caller's making. */
  readonly folder: string;
  /** Without ending; must be new in the folder. */
  readonly name: string;
  readonly footer?: Readonly<Record<string, string>>;
}

/** Level 1 is half the time of DuckDB's default (3) for a few percent of size. speed.md. */
const COMPRESSION = "COMPRESSION zstd, COMPRESSION_LEVEL 1";

/**
 * Writes the rows of a SELECT whose columns are those of the schema. Parquet V1 pages with field ids at every level.
 * Rows of an unpartitioned table keep their order. No rows, no files.
 */
export async function writeRows(db: DuckDB, sql: string, target: WriteTarget): Promise<Written> {
  const footer = Object.entries(target.footer ?? {}).map(
    ([key, value]) => `${quoteIdentifier(key)}: ${quoteLiteral(value)}`,
  );
  const options = [
    "FORMAT parquet",
    "PARQUET_VERSION v1",
    COMPRESSION,
    `FIELD_IDS ${fieldIdsClause(target.schema)}`,
    "RETURN_STATS true",
    ...(footer.length === 0 ? [] : [`KV_METADATA {${footer.join(", ")}}`]),
  ];
  const files =
    target.spec.fields.length === 0
      ? await writeOne(db, sql, target, options)
      : await writePartitions(db, sql, target, options);
  const kept = files.filter((file) => file.rows > 0n);
  return { files: kept, rows: kept.reduce((sum, file) => sum + file.rows, 0n) };
}

async function writeOne(
  db: DuckDB,
  sql: string,
  target: WriteTarget,
  options: readonly string[],
): Promise<StagedFile[]> {
  const path = `${target.folder}/${target.name}.parquet`;
  const rows = await db.rows(`COPY (${sql}) TO ${quoteTargetPath(path)} (${options.join(", ")})`);
  return rows.map((row) => stagedFile(row, []));
}

/** Files are named by a hash of their tuple; the tuple itself is read from the first row of each. */
async function writePartitions(
  db: DuckDB,
  sql: string,
  target: WriteTarget,
  options: readonly string[],
): Promise<StagedFile[]> {
  const columns = partitionColumns(target.spec, target.schema);
  const folder = `${target.folder}/${target.name}`;
  const key = `md5(to_json([${columns.map((column) => `(${column.sql})::VARCHAR`).join(", ")}])::VARCHAR)`;
  const keyName = freshName(target.schema);
  const all = [...options, `PARTITION_BY (${keyName})`, "WRITE_PARTITION_COLUMNS false"];
  const rows = await db.rows(
    `COPY (SELECT *, ${key} AS ${keyName} FROM (${sql})) TO ${quoteTargetPath(folder)}
     (${all.join(", ")}, OVERWRITE_OR_IGNORE true)`,
  );
  if (rows.length === 0) return [];
  const paths = rows.map((row) => String(row.filename));
  const values = columns.map((column, index) => `${column.sql} AS p${index}`);
  // By field ids, so that no column is in the way of the reader's own `filename` and `file_row_number`.
  const named = target.schema.fields.map(
    (field) => `d.${internalName(field)} AS ${quoteIdentifier(field.name)}`,
  );
  const file = ownColumn("file");
  const firsts = await db.rows(
    `SELECT ${file}, ${values.join(", ")} FROM (SELECT ${[`d.filename AS ${file}`, ...named].join(", ")}
     FROM ${filesSql(paths, target.schema)} AS d WHERE d.file_row_number = 0)`,
  );
  const tupleByPath = new Map<string, PartitionValue[]>();
  for (const row of firsts) {
    const tuple = columns.map((column, index) => column.value(row[`p${index}`] ?? null));
    tupleByPath.set(String(row[ownName("file")]), tuple);
  }
  return rows.map((row) => {
    const tuple = tupleByPath.get(String(row.filename));
    if (tuple === undefined) {
      throw new LakeError("internal", `${String(row.filename)} has no first row`, {
        hint: "report this: a partition file was written without rows",
      });
    }
    return stagedFile(row, tuple);
  });
}

/** It becomes a part of folder names, so it is a plain word, and none of the columns. */
function freshName({ fields }: Schema): string {
  const taken = new Set(fields.map((field) => field.name.toLowerCase()));
  let name = "lake_partition";
  while (taken.has(name)) name += "_";
  return name;
}

function stagedFile(
  row: Readonly<Record<string, unknown>>,
  partition: readonly PartitionValue[],
): StagedFile {
  return {
    path: String(row.filename),
    rows: BigInt(String(row.count)),
    sizeBytes: BigInt(String(row.file_size_bytes)),
    partition,
  };
}
