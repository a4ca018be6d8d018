/** How the types of a table stand in a part: which bytes, and what Parquet is told of them. parquet.thrift. */

import type { Type } from "../../../core/table/types.ts";
import type { ThriftWriter } from "./thrift.ts";

export const PHYSICAL = {
  boolean: 0,
  int: 1,
  long: 2,
  float: 4,
  double: 5,
  bytes: 6,
  fixed: 7,
} as const;
export type Physical = (typeof PHYSICAL)[keyof typeof PHYSICAL];

/** Digits of a decimal that 32 and 64 bits hold. Iceberg spec, "Parquet". */
const INT_DIGITS = 9;
export const LONG_DIGITS = 18;
/** Bytes of a longer decimal, and of a UUID. */
export const FIXED_BYTES = 16;

type WriteElement = (footer: ThriftWriter) => void;

interface SchemaElement {
  /** Of the leaf, or of the leaves. */
  readonly physical: Physical;
  /** Names below the column's own that lead to each leaf. */
  readonly paths: readonly (readonly string[])[];
  /** `id` is the field's, which those below it have of their types; absent: none has one. Only a leaf is required. */
  readonly write: (name: string, id?: number, isRequired?: boolean) => readonly WriteElement[];
}

const REQUIRED = 0;
const OPTIONAL = 1;
const REPEATED = 2;
const CONVERTED = { text: 0, list: 3, decimal: 5, date: 6 } as const;
const LOGICAL = { time: 7, timestamp: 8, uuid: 14 } as const;
const MICROS = 2;

export function schemaElement(type: Type): SchemaElement {
  if (type.kind === "struct") return structElement(type);
  if (type.kind === "list") return listElement(type);
  const { physical, converted, logical } = leafOf(type);
  return {
    physical,
    paths: [[]],
    write: (name, id, isRequired) => [
      (footer) => {
        footer.int(1, physical);
        if (physical === PHYSICAL.fixed) footer.int(2, FIXED_BYTES);
        footer.int(3, isRequired === true ? REQUIRED : OPTIONAL);
        footer.text(4, name);
        if (converted !== undefined) footer.int(6, converted);
        if (type.kind === "decimal") {
          footer.int(7, type.scale);
          footer.int(8, type.precision);
        }
        if (id !== undefined) footer.int(9, id);
        if (logical !== undefined) footer.struct(10, () => logical(footer));
      },
    ],
  };
}

function structElement({ fields }: Type & { readonly kind: "struct" }): SchemaElement {
  const inner = fields.map((field) => ({ field, element: schemaElement(field.type) }));
  return {
    physical: PHYSICAL.bytes,
    paths: inner.flatMap(({ field: { name }, element }) =>
      element.paths.map((path) => [name, ...path]),
    ),
    write: (name, id) => [
      (footer) => {
        footer.int(3, OPTIONAL);
        footer.text(4, name);
        footer.int(5, fields.length);
        if (id !== undefined) footer.int(9, id);
      },
      ...inner.flatMap(({ field, element }) =>
        element.write(field.name, id === undefined ? undefined : field.id),
      ),
    ],
  };
}

function listElement({ element, elementId }: Type & { readonly kind: "list" }): SchemaElement {
  const inner = schemaElement(element);
  return {
    physical: inner.physical,
    paths: inner.paths.map((path) => ["list", "element", ...path]),
    write: (name, id) => [
      (footer) => {
        footer.int(3, OPTIONAL);
        footer.text(4, name);
        footer.int(5, 1);
        footer.int(6, CONVERTED.list);
        if (id !== undefined) footer.int(9, id);
      },
      (footer) => {
        footer.int(3, REPEATED);
        footer.text(4, "list");
        footer.int(5, 1);
      },
      ...inner.write("element", id === undefined ? undefined : elementId),
    ],
  };
}

interface LeafElement {
  readonly physical: Physical;
  readonly converted?: number;
  readonly logical?: WriteElement;
}

function leafOf(type: Type): LeafElement {
  if (type.kind === "decimal") {
    const { precision } = type;
    const isShort = precision <= INT_DIGITS;
    const whole = isShort ? PHYSICAL.int : PHYSICAL.long;
    const physical = precision <= LONG_DIGITS ? whole : PHYSICAL.fixed;
    return { physical, converted: CONVERTED.decimal };
  }
  if (type.kind !== "primitive") return { physical: PHYSICAL.bytes };
  switch (type.name) {
    case "boolean":
      return { physical: PHYSICAL.boolean };
    case "int":
      return { physical: PHYSICAL.int };
    case "long":
      return { physical: PHYSICAL.long };
    case "float":
      return { physical: PHYSICAL.float };
    case "double":
      return { physical: PHYSICAL.double };
    case "date":
      return { physical: PHYSICAL.int, converted: CONVERTED.date };
    case "time":
      return { physical: PHYSICAL.long, logical: micros(LOGICAL.time, false) };
    case "string":
      return { physical: PHYSICAL.bytes, converted: CONVERTED.text };
    case "binary":
      return { physical: PHYSICAL.bytes };
    case "uuid":
      return {
        physical: PHYSICAL.fixed,
        logical: (footer) => footer.struct(LOGICAL.uuid, () => {}),
      };
    case "timestamp":
    case "timestamptz":
      return {
        physical: PHYSICAL.long,
        logical: micros(LOGICAL.timestamp, type.name === "timestamptz"),
      };
  }
}

function micros(logical: number, zoned: boolean): WriteElement {
  return (footer) =>
    footer.struct(logical, () => {
      footer.boolean(1, zoned);
      footer.struct(2, () => footer.struct(MICROS, () => {}));
    });
}
