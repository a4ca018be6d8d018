/** By what a run by keys tells rows apart: columns of its table, or the partitions that their values are in. */

import { must } from "../../core/base/assert.ts";
import type { MaterializeMode, MaterializeRequest } from "../../core/engine.ts";
import type { Type } from "../../core/table/types.ts";
import { duckDBType } from "../duckdb/types.ts";
import { cloneTree, isNode, listAt, type Node, visitNodes } from "../syntax/ast.ts";
import { ownName, quoteIdentifier } from "../syntax/quote.ts";
import { transformSql } from "../write/partition.ts";
import { KEYS } from "./changed-rows.ts";
import { windowSql } from "./window-time.ts";

export type Keyed = MaterializeMode & { readonly kind: "keyed" };

export interface KeyPart {
  /** Of the column, in the table and in KEYS. */
  readonly name: string;
  readonly type: Type;
  /** What is looked at of a value of the column. */
  sql(value: string): string;
}

/** Of what the key of a run is made, as columns of its table. */
export function keyParts(
  { key, transforms = [] }: Keyed,
  { schema, windows = null }: Pick<MaterializeRequest, "schema" | "windows">,
): readonly KeyPart[] {
  return key.map((column, index) => {
    const { name, type } = must(
      schema.fields.find((field) => field.name.toLowerCase() === column.toLowerCase()),
      "a key is a column of its table",
    );
    const transform = transforms[index] ?? "identity";
    const sql = (value: string): string =>
      windows === null ? transformSql(transform, type, value) : windowSql(windows, value);
    return { name, type, sql };
  });
}

/** Rows of many values of a column are replaced together. */
export function isCoarse(
  { transforms = [] }: Keyed,
  { windows = null }: Pick<MaterializeRequest, "windows">,
): boolean {
  return transforms.length > 0 || windows !== null;
}

/** What stands for a part of the key until it is put in its place. */
export function keyName(index: number): string {
  return ownName(`key ${index}`);
}

/** The same under the type of the table's column. */
export function typedKey({ type }: KeyPart, index: number): string {
  return `CAST(${quoteIdentifier(keyName(index))} AS ${duckDBType(type)})`;
}

/** A condition over rows that have the keys as columns, or as `values`: true for those of KEYS. */
export function isTouchedSql(
  parts: readonly KeyPart[],
  hasNull: boolean,
  columns: readonly string[] = parts.map(({ name }) => quoteIdentifier(name)),
): string {
  const names = parts.map(({ name }) => quoteIdentifier(name));
  const values = parts.map((part, index) => part.sql(columns[index] ?? ""));
  const one = `${values[0]} IN (SELECT ${names[0]} FROM ${KEYS})`;
  if (parts.length === 1) return hasNull ? `(${one} OR ${values[0]} IS NULL)` : one;
  // Fields of rows are compared as IS NOT DISTINCT FROM does; the first alone tells the reader which pages it needs.
  const all = `row(${values.join(", ")}) IN (SELECT row(${names.join(", ")}) FROM ${KEYS})`;
  return hasNull ? all : `${one} AND ${all}`;
}

/** A tree with names of keys replaced by what they are. */
export function withItems(tree: Node, items: readonly Node[]): Node {
  const names = new Map(items.map((item, index) => [keyName(index), item]));
  const placed = new Set<Node>();
  visitNodes(tree, (node) => {
    // What a key is made of holds no names of keys.
    if (placed.has(node)) return false;
    for (const [key, value] of Object.entries(node)) {
      const replaced = Array.isArray(value)
        ? value.map((one) => itemOf(one) ?? one)
        : itemOf(value);
      if (replaced !== null) node[key] = replaced;
    }
    return true;
  });
  return tree;

  function itemOf(value: Node[string] | undefined): Node | null {
    if (!isNode(value) || value.class !== "COLUMN_REF") return null;
    const [name, ...rest] = listAt(value, "column_names");
    const item = rest.length === 0 && typeof name === "string" ? names.get(name) : undefined;
    if (item === undefined) return null;
    const copy = { ...cloneTree(item), alias: "" };
    placed.add(copy);
    return copy;
  }
}
