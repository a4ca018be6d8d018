/** What the columns of a Parquet file hold: structs, lists and maps however they are written, and their types. */

import { TYPE_DEPTH_MAX } from "../../../core/limits.ts";
import { NOTHING, STRING } from "../../../core/table/type-text.ts";
import type { Field, PrimitiveName, Type } from "../../../core/table/types.ts";
import { leavesOf, type Meaning, type ParquetNode } from "./footer.ts";

/** A column, or a part of one, as it is put together. */
export type Shape =
  | { readonly kind: "leaf" | "variant" | "struct"; readonly node: ParquetNode }
  | {
      readonly kind: "list";
      /** Null for a repeated node without a group around it. */
      readonly node: ParquetNode | null;
      /** What is repeated. */
      readonly item: ParquetNode;
      readonly element: Shape;
    }
  | {
      readonly kind: "map";
      readonly node: ParquetNode;
      readonly item: ParquetNode;
      readonly key: Shape;
      readonly value: Shape;
    };

/** Leaves whose values are kept as text: some are no values of the type that the file names. By their place. */
export type Texts = ReadonlySet<number>;

const DECIMAL_DIGITS_MAX = 38;

/** LogicalTypes.md, "Nested Types", with its rules for older writers. */
export function shapeOf(node: ParquetNode): Shape {
  if (node.repetition !== "repeated") return inner(node);
  return { kind: "list", node: null, item: node, element: inner(node) };
}

/** True for a column that is nothing but NULL: one of type Null, a group without fields. */
export function isNothing(node: ParquetNode): boolean {
  return node.leaf === null ? leavesOf(node).length === 0 : node.meaning.kind === "null";
}

/** Whether a table, and the engine, has such a decimal. */
export function isDecimal({ precision, scale }: Meaning & { readonly kind: "decimal" }): boolean {
  return precision > 0 && precision <= DECIMAL_DIGITS_MAX && scale <= precision;
}

/** The type whose values are exactly those of a column; as text of JSON where a table has no such type. */
export function columnType(shape: Shape, texts: Texts, depth = 1): Type {
  if (depth > TYPE_DEPTH_MAX) return STRING;
  switch (shape.kind) {
    case "leaf":
      return leafType(shape.node, texts);
    case "variant":
      return STRING;
    case "struct":
      return structType(shape.node, texts, depth);
    case "list": {
      const element = columnType(shape.element, texts, depth + 1);
      return { kind: "list", elementId: 0, elementRequired: false, element };
    }
    case "map": {
      const key = columnType(shape.key, texts, depth + 1);
      const value = columnType(shape.value, texts, depth + 1);
      return { kind: "map", keyId: 0, key, valueId: 0, valueRequired: false, value };
    }
  }
}

function inner(node: ParquetNode): Shape {
  if (node.leaf !== null) return { kind: "leaf", node };
  const [item] = node.children;
  if (node.meaning.kind === "variant") return { kind: "variant", node };
  if (item !== undefined && node.children.length === 1 && item.repetition === "repeated") {
    if (node.meaning.kind === "list")
      return { kind: "list", node, item, element: element(node, item) };
    const [key, value] = item.children;
    const isMap = node.meaning.kind === "map" && item.children.length === 2;
    if (isMap && key !== undefined && value !== undefined && key.repetition !== "repeated") {
      return { kind: "map", node, item, key: shapeOf(key), value: shapeOf(value) };
    }
  }
  return { kind: "struct", node };
}

/** Three levels have a group of one field in the middle; with two the repeated node is the element. */
function element(list: ParquetNode, item: ParquetNode): Shape {
  const [only] = item.children;
  const isElement =
    only === undefined ||
    item.children.length > 1 ||
    only.repetition === "repeated" ||
    ["list", "map", "variant"].includes(item.meaning.kind) ||
    item.name === "array" ||
    item.name === `${list.name}_tuple`;
  return isElement ? inner(item) : inner(only);
}

/** A field that can hold nothing is none. */
function structType(node: ParquetNode, texts: Texts, depth: number): Type {
  const fields = node.children.filter((child) => leavesOf(child).length > 0);
  const names = new Set(fields.map((field) => field.name.toLowerCase()));
  if (fields.length === 0) return NOTHING;
  const isNameless = fields.some(({ name }) => name === "" || name.includes("\0"));
  if (names.size < fields.length || isNameless) return STRING;
  return structOf(
    fields.map((field) => [field.name, columnType(shapeOf(field), texts, depth + 1)]),
  );
}

function structOf(fields: readonly (readonly [string, Type])[]): Type {
  return {
    kind: "struct",
    fields: fields.map(([name, type]): Field => ({ id: 0, name, required: false, type })),
  };
}

function leafType({ leaf, meaning }: ParquetNode, texts: Texts): Type {
  if (leaf === null || texts.has(leaf.index)) return STRING;
  switch (meaning.kind) {
    case "null":
      return NOTHING;
    case "text":
    case "json":
    case "interval":
    case "geometry":
      return STRING;
    case "decimal": {
      const { precision, scale } = meaning;
      return isDecimal(meaning) ? { kind: "decimal", precision, scale } : STRING;
    }
    case "integer":
      if (meaning.bits === 64 && !meaning.signed) {
        return { kind: "decimal", precision: 20, scale: 0 };
      }
      return primitive(
        meaning.bits === 64 || !(meaning.signed || meaning.bits < 32) ? "long" : "int",
      );
    case "timestamp":
      return primitive(meaning.zoned ? "timestamptz" : "timestamp");
    case "date":
    case "time":
    case "uuid":
      return primitive(meaning.kind);
    case "float16":
      return primitive("float");
    default:
      return primitive(PHYSICAL_TYPES[leaf.physical]);
  }
}

const PHYSICAL_TYPES = {
  BOOLEAN: "boolean",
  INT32: "int",
  INT64: "long",
  INT96: "timestamp",
  FLOAT: "float",
  DOUBLE: "double",
  BYTE_ARRAY: "binary",
  FIXED_LEN_BYTE_ARRAY: "binary",
} as const;

function primitive(name: PrimitiveName): Type {
  return { kind: "primitive", name };
}
