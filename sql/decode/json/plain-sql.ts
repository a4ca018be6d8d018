/** The statement over JSON lines that are plain: DuckDB parses each value once, into its own type. */

import type { DecodeRequest } from "../../../core/engine.ts";
import type { Type } from "../../../core/table/types.ts";
import { duckDBType } from "../../duckdb/types.ts";
import { quoteFileList, quoteIdentifier, quoteLiteral } from "../../syntax/quote.ts";
import type { Work } from "../group.ts";
import { type PlainField, plainObject, plainReader, type Reader } from "../lossless/plain-json.ts";
import { dropsOf, targetList } from "../target-list.ts";
import type { JsonStyle } from "./proof.ts";
import { type JsonPlan, OBJECT_BYTES_DEFAULT, RESCUED_KEY } from "./sql.ts";

export interface PlainPlan {
  /** Reads a line whose values DuckDB reads exactly as they stand. */
  readonly reader: Reader;
}

/** Null where lines of this style, or the columns asked for, have to be proven otherwise. */
export function planPlain(plan: JsonPlan, style: JsonStyle): PlainPlan | null {
  const { columns, keys } = plan;
  if (style.keys.length === 0 || style.keys.some((key) => !keys.includes(key))) return null;
  if (keys.some((key) => key.toLowerCase() === "file_index")) return null;
  const order = [...style.keys, ...keys.filter((key) => !style.keys.includes(key))];
  const fields: PlainField[] = [];
  for (const key of order) {
    const column = columns[keys.indexOf(key)];
    if (column === undefined || column.decode.expression !== null) return null;
    const { required, awaits } = column.decode;
    const reader = plainReader(awaits ?? column.field.type, style.spaced);
    if (reader === null) return null;
    fields.push({ key, reader, optional: !required });
  }
  return { reader: plainObject(fields, style.spaced) };
}

/** All rows of the files, as the table's columns. */
export function selectPlain(
  request: DecodeRequest,
  plan: JsonPlan,
  works: readonly Work[],
): string {
  const values = new Map(
    plan.columns.map(({ field }, index) => [field.name, quoteIdentifier(plan.keys[index] ?? "")]),
  );
  const isRescuing = request.onUnknown === "rescue";
  const rescued = isRescuing ? quoteIdentifier(RESCUED_KEY) : "NULL";
  const types: [string, Type | null][] = plan.columns.map(({ field }, index) => [
    plan.keys[index] ?? "",
    field.type,
  ]);
  if (isRescuing) types.push([RESCUED_KEY, null]);
  const columns = types.map(([key, type]) => {
    return `${quoteLiteral(key)}: ${quoteLiteral(type === null ? "VARCHAR" : duckDBType(type))}`;
  });
  const drops = dropsOf(works.map((work) => work.prepared.file.name));
  const longest = Math.max(OBJECT_BYTES_DEFAULT, ...works.map((work) => work.longestBytes + 16));
  const options = [
    `columns = {${columns.join(", ")}}`,
    "format = 'newline_delimited'",
    "records = true",
    `maximum_object_size = ${longest}`,
    "compression = 'uncompressed'",
    "hive_partitioning = false",
  ];
  const paths = quoteFileList(works.map((work) => work.path));
  return `SELECT ${targetList(request, values, drops, rescued)}
    FROM read_json(${paths}, ${options.join(", ")})`;
}
