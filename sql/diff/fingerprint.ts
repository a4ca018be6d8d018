/** A hash of a value that tells apart what DuckDB's own does not: NULL, `[]`, `{}` and a struct of NULLs. */

import type { Type } from "../../core/table/types.ts";
import { quoteLiteral } from "../syntax/quote.ts";

/** A column, or a part of one, as SQL. */
export interface Valued {
  readonly sql: string;
  readonly type: Type;
}

/** One hash of all values of a row. Equal rows have equal ones; DuckDB combines parts without regard to nesting. */
export function fingerprint(columns: readonly Valued[]): string {
  return `hash(${columns.map(({ sql, type }) => partOf(type, sql, 0)).join(", ")})`;
}

/** What stands for a value in a hash: itself, or for a nested one its shape and the hashes of its parts. */
function partOf(type: Type, sql: string, depth: number): string {
  switch (type.kind) {
    case "struct": {
      const parts = type.fields.map((field) =>
        partOf(field.type, `struct_extract(${sql}, ${quoteLiteral(field.name)})`, depth),
      );
      return `hash(${[`${sql} IS NULL`, ...parts].join(", ")})`;
    }
    case "list":
      return listPart(type.element, sql, `${sql} IS NULL`, depth);
    case "map": {
      const keys = listPart(type.key, `map_keys(${sql})`, `${sql} IS NULL`, depth);
      return `hash(${keys}, ${listPart(type.value, `map_values(${sql})`, `${sql} IS NULL`, depth)})`;
    }
    default:
      return sql;
  }
}

function listPart(element: Type, sql: string, isNull: string, depth: number): string {
  const each = `e${depth}`;
  const inner = partOf(element, each, depth + 1);
  const hashes = `list_transform(${sql}, lambda ${each}: hash(${inner}))`;
  return `hash(${isNull}, len(${sql}), ${hashes})`;
}
