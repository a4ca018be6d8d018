/** What a system table is, and shorthand for its columns and values. */

import type { Json } from "../../core/base/json.ts";
import type { Column, PrimitiveName, TableName, Type } from "../../core/table/types.ts";
import type { CatalogContext } from "./context.ts";

export interface SystemTable {
  readonly columns: readonly Column[];
  /** Values in the order of the columns: moments as ISO text in UTC, 64-bit numbers as bigint, maps as objects. */
  readonly rows: readonly (readonly Json[])[];
}

/** How one table is made; `table` restricts it to one table of the lake where that means something. */
export interface SystemTableMaker {
  readonly columns: readonly Column[];
  readonly read: (context: CatalogContext, table: TableName | null) => Promise<Json[][]>;
}

/** `columns("name string", "size_bytes long")`; `map` is a map from string to string. */
export function columns(...texts: readonly string[]): readonly Column[] {
  return texts.map((text) => {
    const [name = "", type = "string"] = text.split(" ");
    return { name, type: typeOf(type) };
  });
}

export function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

const STRING: Type = { kind: "primitive", name: "string" };
const PRIMITIVES: readonly PrimitiveName[] = ["boolean", "int", "long", "string", "timestamptz"];

function typeOf(text: string): Type {
  const primitive = PRIMITIVES.find((name) => name === text);
  if (primitive !== undefined) return { kind: "primitive", name: primitive };
  return { kind: "map", keyId: 0, key: STRING, valueId: 0, valueRequired: false, value: STRING };
}
