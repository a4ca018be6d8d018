/** The field ids of a schema, as DuckDB's COPY takes them. iceberg.md, section 8. */

import type { Field, Schema, Type } from "../../core/table/types.ts";
import { quoteIdentifier } from "../syntax/quote.ts";

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
