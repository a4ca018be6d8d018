/**
 * Rows of a query written as data files with field ids, one set per partition: Iceberg's transforms as SQL, exactly.
 * Iceberg spec, "Partition Transforms" and Appendix B.
 */

import { LakeError } from "../../core/base/errors.ts";
import type { StagedFile, Written } from "../../core/engine.ts";
import type {
  Field,
  PartitionField,
  PartitionSpec,
  PartitionValue,
  Schema,
  Transform,
  Type,
} from "../../core/table/types.ts";
import { filesSql, internalName } from "../bind/nested.ts";
import type { DuckDB, SqlValue } from "../duckdb/duckdb.ts";
import {
  ownColumn,
  ownName,
  quoteIdentifier,
  quoteLiteral,
  quoteTargetPath,
} from "../syntax/quote.ts";

/** One partition value: SQL over the row's columns, and how its result becomes a PartitionValue. */
export interface PartitionColumn {
  readonly name: string;
  readonly sql: string;
  value(result: SqlValue): PartitionValue;
}

/** The values of a spec's fields over rows whose columns are named as in the schema. Throws `unsupported`. */
export function partitionColumns(spec: PartitionSpec, schema: Schema): PartitionColumn[] {
  return spec.fields.map((field) => partitionColumn(field, schema));
}

function partitionColumn(field: PartitionField, schema: Schema): PartitionColumn {
  const source = schema.fields.find((candidate) => candidate.id === field.sourceId);
  const { name, transform } = field;
  if (transform === "void") return { name, sql: "NULL", value: () => null };
  if (source === undefined) {
    throw new LakeError(
      "unsupported",
      `partition ${name} is by a field that is no top-level column`,
      {
        hint: "partition by a top-level column",
        context: { field: field.sourceId },
      },
    );
  }
  return { name, ...transformed(transform, source.type, quoteIdentifier(source.name)) };
}

/** The partition that a value is in, as SQL over an expression of a column's type. Throws `unsupported`. */
export function transformSql(transform: Transform, type: Type, value: string): string {
  return transform === "identity" ? value : transformed(transform, type, value).sql;
}

function transformed(transform: Transform, type: Type, column: string): Expression {
  const [, kind = "", argument] = /^([a-z]+)(?:\[(\d+)\])?$/.exec(transform) ?? [];
  const width = Number(argument ?? 0);
  switch (kind) {
    case "identity":
      return identity(type, column);
    case "bucket":
      return { sql: bucketSql(type, column, width), value: asNumber };
    case "truncate":
      return truncate(type, column, width);
    case "year":
    case "month":
    case "day":
    case "hour":
      return { sql: timeSql(kind, type, column), value: asNumber };
    default:
      throw new LakeError("unsupported", `partition transform ${transform} is not known`, {
        hint: "rewrite the table's partition spec with identity, bucket, truncate, year, month, day or hour",
        context: { transform },
      });
  }
}

type Expression = Omit<PartitionColumn, "name">;

function identity(type: Type, column: string): Expression {
  if (type.kind === "decimal") return { sql: `${column}::VARCHAR`, value: asUnscaled };
  if (type.kind === "fixed") return { sql: column, value: asPlain };
  if (type.kind !== "primitive") return refuse("identity", type);
  switch (type.name) {
    case "date":
      return { sql: `(${column} - DATE '1970-01-01')::INTEGER`, value: asNumber };
    case "time":
    case "timestamp":
    case "timestamptz":
      return { sql: `epoch_us(${column})`, value: asPlain };
    case "uuid":
      return { sql: `unhex(replace(${column}::VARCHAR, '-', ''))`, value: asPlain };
    default:
      return { sql: column, value: asPlain };
  }
}

function truncate(type: Type, column: string, width: number): Expression {
  const floor = (value: string, by: string) => `(${value} - ((${value} % ${by}) + ${by}) % ${by})`;
  if (type.kind === "decimal") {
    const unscaled = `replace(${column}::VARCHAR, '.', '')::HUGEINT`;
    const sql = `${floor(unscaled, `${width}::HUGEINT`)}::VARCHAR`;
    return { sql, value: asUnscaled };
  }
  if (type.kind !== "primitive") return refuse("truncate", type);
  switch (type.name) {
    case "int":
      return { sql: `${floor(`${column}::BIGINT`, `${width}`)}::INTEGER`, value: asNumber };
    case "long":
      return { sql: floor(column, `${width}::BIGINT`), value: asPlain };
    case "string":
      return { sql: `left(${column}, ${width})`, value: asPlain };
    case "binary":
      return { sql: `unhex(left(hex(${column}), ${2 * width}))`, value: asPlain };
    default:
      return refuse("truncate", type);
  }
}

/** Years, months, days and hours since 1970, of zoned timestamps in UTC whatever the session's zone. */
function timeSql(kind: "year" | "month" | "day" | "hour", type: Type, column: string): string {
  const name = type.kind === "primitive" ? type.name : "";
  if (name !== "date" && name !== "timestamp" && name !== "timestamptz") refuse(kind, type);
  const moment = name === "timestamptz" ? `make_timestamp(epoch_us(${column}))` : column;
  const year = `(date_part('year', ${moment}) - 1970)`;
  switch (kind) {
    case "year":
      return `${year}::INTEGER`;
    case "month":
      return `(${year} * 12 + date_part('month', ${moment}) - 1)::INTEGER`;
    case "day":
      return `(${moment}::DATE - DATE '1970-01-01')::INTEGER`;
    case "hour": {
      const micros = `epoch_us(${moment}::TIMESTAMP)`;
      const hour = "3600000000";
      return `((${micros} - ((${micros} % ${hour}) + ${hour}) % ${hour}) // ${hour})::INTEGER`;
    }
  }
}

/** `(murmur3_x86_32(bytes) & 0x7fffffff) % N`. Iceberg spec, Appendix B. */
function bucketSql(type: Type, column: string, count: number): string {
  return `((${murmur3(bytesHex(type, column))} & 2147483647) % ${count})::INTEGER`;
}

/** The bytes that are hashed, as upper-case hex text. */
function bytesHex(type: Type, column: string): string {
  if (type.kind === "decimal") return decimalHex(`replace(${column}::VARCHAR, '.', '')::HUGEINT`);
  if (type.kind === "fixed") return `hex(${column})`;
  if (type.kind !== "primitive") return refuse("bucket", type);
  switch (type.name) {
    case "int":
    case "long":
      return longHex(column);
    case "date":
      return longHex(`(${column} - DATE '1970-01-01')`);
    case "time":
    case "timestamp":
    case "timestamptz":
      return longHex(`epoch_us(${column})`);
    case "string":
      return `hex(encode(${column}))`;
    case "uuid":
      return `upper(replace(${column}::VARCHAR, '-', ''))`;
    case "binary":
      return `hex(${column})`;
    default:
      return refuse("bucket", type);
  }
}

/** Eight bytes, little endian, two's complement. */
function longHex(value: string): string {
  const unsigned = `((${value})::HUGEINT & 18446744073709551615::HUGEINT)`;
  const big = `lpad(hex(${unsigned}::UBIGINT), 16, '0')`;
  const bytes = [15, 13, 11, 9, 7, 5, 3, 1].map((at) => `${big}[${at}:${at + 1}]`);
  return `(${bytes.join(" || ")})`;
}

/** The fewest bytes, big endian, two's complement. */
function decimalHex(value: string): string {
  const magnitude = `(CASE WHEN ${value} < 0 THEN -(${value}) - 1 ELSE ${value} END)`;
  // One bit more than the magnitude, in whole bytes.
  const bytes = `(length(ltrim(bin(${magnitude}), '0')) // 8 + 1)`;
  const low = (bits: string) =>
    `lpad(hex((${value} & 18446744073709551615::HUGEINT)::UBIGINT), ${bits}, '0')`;
  const high = `lpad(hex(((${value} >> 64) & 18446744073709551615::HUGEINT)::UBIGINT), 16, '0')`;
  return `right(${high} || ${low("16")}, 2 * ${bytes})`;
}

/** Murmur3, x86, 32 bit, seed 0, over hex text; UBIGINT holds every product. */
function murmur3(hex: string): string {
  const mod = "4294967296::UBIGINT";
  const rotate = (x: string, by: number) => `(((${x} << ${by}) | (${x} >> ${32 - by})) % ${mod})`;
  const mix = (k: string) =>
    `((${rotate(`((${k} * 3432918353::UBIGINT) % ${mod})`, 15)} * 461845907::UBIGINT) % ${mod})`;
  const word = (text: string) =>
    `('0x' || ${text}[7:8] || ${text}[5:6] || ${text}[3:4] || ${text}[1:2])::UBIGINT`;
  const blocks = `list_transform(range(0, length(h) // 8), lambda i: ${word("h[i * 8 + 1:i * 8 + 8]")})`;
  const body =
    `list_reduce(${blocks}, lambda a, k: (${rotate(`xor(a, ${mix("k")})`, 13)} ` +
    `* 5::UBIGINT + 3864292196::UBIGINT) % ${mod}, 0::UBIGINT)`;
  const rest = "rpad(h[(length(h) // 8) * 8 + 1:], 8, '0')";
  const tail = `xor(b, ${mix(word(rest))})`;
  const shift = (x: string, by: number) => `xor(${x}, ${x} >> ${by})`;
  const steps: readonly [string, string][] = [
    ["x1", `xor(${tail}, (length(h) // 2)::UBIGINT)`],
    ["x2", `(${shift("x1", 16)} * 2246822507::UBIGINT) % ${mod}`],
    ["x3", `(${shift("x2", 13)} * 3266489909::UBIGINT) % ${mod}`],
    ["x4", shift("x3", 16)],
  ];
  const from = steps.reduce(
    (inner, [name, sql]) => `(SELECT *, ${sql} AS ${name} FROM ${inner})`,
    `(SELECT *, ${body} AS b FROM (SELECT ${hex} AS h))`,
  );
  return `(SELECT CASE WHEN h IS NULL THEN NULL ELSE x4 END FROM ${from})`;
}

function asPlain(value: SqlValue): PartitionValue {
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return value;
  throw new LakeError("internal", "a partition value came as a nested value", {
    hint: "report this",
  });
}

function asNumber(value: SqlValue): PartitionValue {
  return value === null ? null : Number(value);
}

/** Decimals come as text: the digits are the unscaled value. */
function asUnscaled(value: SqlValue): PartitionValue {
  return value === null ? null : BigInt(String(value).replace(".", ""));
}

function refuse(transform: string, type: Type): never {
  throw new LakeError(
    "unsupported",
    `${transform} cannot partition a ${type.kind === "primitive" ? type.name : type.kind} column`,
    {
      hint: "choose another transform for this column in the model's partition",
      context: { transform },
    },
  );
}

/** The value of `FIELD_IDS` for `COPY … (FORMAT parquet)`, ids at every level. */
export function fieldIdsClause(schema: Schema): string {
  return structIds(schema.fields, null);
}

function structIds(fields: readonly Field[], own: number | null): string {
  const entries = fields.map(
    (field) => `${quoteIdentifier(field.name)}: ${typeIds(field.type, field.id)}`,
  );
  const first = own === null ? [] : [`__duckdb_field_id: ${own}`];
  return `{${[...first, ...entries].join(", ")}}`;
}

function typeIds(type: Type, id: number): string {
  switch (type.kind) {
    case "struct":
      return structIds(type.fields, id);
    case "list":
      return `{__duckdb_field_id: ${id}, element: ${typeIds(type.element, type.elementId)}}`;
    case "map":
      return (
        `{__duckdb_field_id: ${id}, key: ${typeIds(type.key, type.keyId)}, ` +
        `value: ${typeIds(type.value, type.valueId)}}`
      );
    default:
      return String(id);
  }
}

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
