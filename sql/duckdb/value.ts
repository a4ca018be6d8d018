/** Values between DuckDB and JavaScript: exact, plain, nothing that needs a class to read. */

import type * as api from "@duckdb/node-api";
import type { DuckDBType, DuckDBValue } from "@duckdb/node-api";
import { unreachable } from "../../core/base/assert.ts";

/**
 * A result value. BIGINT and wider are `bigint`, other integers and floats `number`, BLOB bytes, LIST and ARRAY
 * arrays, STRUCT objects, MAP an array of [key, value], UNION its value. DECIMAL, dates, times, timestamps (zoned
 * ones in UTC with `+00`), UUID, INTERVAL and BIT are text as DuckDB prints them.
 */
export type SqlValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly SqlValue[]
  | { readonly [field: string]: SqlValue };

/** A bound parameter. A list holds texts; an integer `number` is BIGINT, any other DOUBLE. */
export type Param =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly string[]
  | { readonly kind: "timestamp" | "timestamptz"; readonly micros: bigint };

type Api = typeof api;

/** Parameters with the types they are bound as. */
export function toNative(
  api: Api,
  params: readonly Param[],
): { readonly values: DuckDBValue[]; readonly types: DuckDBType[] } {
  const bound = params.map((param) => bind(api, param));
  return { values: bound.map(([value]) => value), types: bound.map(([, type]) => type) };
}

/** A result value as plain data. */
export function fromNative(api: Api, value: DuckDBValue): SqlValue {
  if (value === null || typeof value !== "object") return value;
  if (value instanceof api.DuckDBBlobValue || value instanceof api.DuckDBGeometryValue) {
    return value.bytes;
  }
  if (value instanceof api.DuckDBListValue || value instanceof api.DuckDBArrayValue) {
    return value.items.map((item) => fromNative(api, item));
  }
  if (value instanceof api.DuckDBStructValue) {
    const fields = Object.entries(value.entries);
    return Object.fromEntries(fields.map(([name, item]) => [name, fromNative(api, item)]));
  }
  if (value instanceof api.DuckDBMapValue) {
    return value.entries.map((entry) => [fromNative(api, entry.key), fromNative(api, entry.value)]);
  }
  if (value instanceof api.DuckDBUnionValue || value instanceof api.DuckDBVariantValue) {
    return fromNative(api, value.value);
  }
  return value.toString();
}

function bind(api: Api, param: Param): [DuckDBValue, DuckDBType] {
  if (param === null) return [null, api.SQLNULL];
  switch (typeof param) {
    case "boolean":
      return [param, api.BOOLEAN];
    case "string":
      return [param, api.VARCHAR];
    case "bigint":
      return [param, BigInt.asIntN(64, param) === param ? api.BIGINT : api.HUGEINT];
    case "number":
      return Number.isSafeInteger(param) && !Object.is(param, -0)
        ? [BigInt(param), api.BIGINT]
        : [param, api.DOUBLE];
    case "object":
      return bindObject(api, param);
    default:
      return unreachable(param);
  }
}

function bindObject(api: Api, param: Param & object): [DuckDBValue, DuckDBType] {
  if (param instanceof Uint8Array) return [new api.DuckDBBlobValue(param), api.BLOB];
  if ("kind" in param) {
    return param.kind === "timestamp"
      ? [new api.DuckDBTimestampValue(param.micros), api.TIMESTAMP]
      : [new api.DuckDBTimestampTZValue(param.micros), api.TIMESTAMPTZ];
  }
  return [new api.DuckDBListValue([...param]), api.LIST(api.VARCHAR)];
}
