/** Partition values as SQL: Iceberg's transforms, exactly. Iceberg spec, "Partition Transforms" and Appendix B. */

import { LakeError } from "../../core/base/errors.ts";
import type {
  PartitionField,
  PartitionSpec,
  PartitionValue,
  Schema,
  Type,
} from "../../core/table/types.ts";
import type { SqlValue } from "../duckdb/duckdb.ts";
import { quoteIdentifier } from "../syntax/quote.ts";

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
  const column = quoteIdentifier(source.name);
  const [, kind = "", argument] = /^([a-z]+)(?:\[(\d+)\])?$/.exec(transform) ?? [];
  const width = Number(argument ?? 0);
  switch (kind) {
    case "identity":
      return { name, ...identity(source.type, column) };
    case "bucket":
      return { name, sql: bucketSql(source.type, column, width), value: asNumber };
    case "truncate":
      return { name, ...truncate(source.type, column, width) };
    case "year":
    case "month":
    case "day":
    case "hour":
      return { name, sql: timeSql(kind, source.type, column), value: asNumber };
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
