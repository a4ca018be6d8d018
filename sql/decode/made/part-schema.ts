/** How the types of a table stand in a Parquet file of ours: which bytes, and what is told of them. parquet.thrift. */

import type { FieldId, Type } from "../../../core/table/types.ts";
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

/** Digits of a decimal that 64 bits hold, and 32. */
export const LONG_DIGITS = 18;
export const INT_DIGITS = 9;
/** Bytes of a longer decimal, and of a UUID. */
export const FIXED_BYTES = 16;

type WriteElement = (footer: ThriftWriter) => void;

interface SchemaElement {
  /** Of the leaf, or of the leaves. */
  readonly physical: Physical;
  /** Names below the column's own that lead to each leaf. */
  readonly paths: readonly (readonly string[])[];
  /** `id` is the column's own in its table; null where columns have none: then nothing below it has. */
  readonly write: (name: string, id: FieldId | null) => readonly WriteElement[];
}

const OPTIONAL = 1;
const REPEATED = 2;
const CONVERTED = { text: 0, list: 3, decimal: 5, date: 6, time: 8 } as const;
const LOGICAL = { timestamp: 8, uuid: 14 } as const;
const MICROS = 2;

/** How values of a leaf's type stand in a file of a table. */
export function storedAs(type: Type): Physical {
  const { physical, stored = physical } = leafOf(type);
  return stored;
}

/** Structs and lists hold leaves alone. */
export function schemaElement(type: Type): SchemaElement {
  if (type.kind === "struct") return structElement(type);
  if (type.kind === "list") return listElement(type);
  const { physical, stored = physical, converted, logical } = leafOf(type);
  return {
    physical,
    paths: [[]],
    write: (name, id) => [
      (footer) => {
        // A part keeps numbers as they were put; a file of a table has the type that Iceberg asks for.
        footer.int(1, id === null ? physical : stored);
        if (physical === PHYSICAL.fixed) footer.int(2, FIXED_BYTES);
        footer.int(3, OPTIONAL);
        footer.text(4, name);
        converted?.(footer);
        if (id !== null) footer.int(9, id);
        logical?.(footer);
      },
    ],
  };
}

function structElement({ fields }: Type & { readonly kind: "struct" }): SchemaElement {
  const inner = fields.map(({ type }) => schemaElement(type));
  return {
    physical: PHYSICAL.bytes,
    paths: fields.map(({ name }) => [name]),
    write: (name, id) => [
      (footer) => {
        footer.int(3, OPTIONAL);
        footer.text(4, name);
        footer.int(5, fields.length);
        if (id !== null) footer.int(9, id);
      },
      ...inner.flatMap((element, index) => {
        const field = fields[index];
        return element.write(field?.name ?? "", id === null ? null : (field?.id ?? null));
      }),
    ],
  };
}

function listElement({ element, elementId }: Type & { readonly kind: "list" }): SchemaElement {
  const inner = schemaElement(element);
  return {
    physical: inner.physical,
    paths: [["list", "element"]],
    write: (name, id) => [
      (footer) => {
        footer.int(3, OPTIONAL);
        footer.text(4, name);
        footer.int(5, 1);
        footer.int(6, CONVERTED.list);
        if (id !== null) footer.int(9, id);
      },
      (footer) => {
        footer.int(3, REPEATED);
        footer.text(4, "list");
        footer.int(5, 1);
      },
      ...inner.write("element", id === null ? null : elementId),
    ],
  };
}

interface Leaf {
  readonly physical: Physical;
  /** In a file of a table, where that is another type. */
  readonly stored?: Physical;
  readonly converted?: WriteElement;
  readonly logical?: WriteElement;
}

function leafOf(type: Type): Leaf {
  const plain = (physical: Physical, converted?: number): Leaf => ({
    physical,
    ...(converted === undefined
      ? {}
      : { converted: (footer: ThriftWriter) => footer.int(6, converted) }),
  });
  if (type.kind === "decimal") return decimalLeaf(type.precision, type.scale);
  if (type.kind !== "primitive") return plain(PHYSICAL.bytes);
  switch (type.name) {
    case "boolean":
      return plain(PHYSICAL.boolean);
    case "int":
      return plain(PHYSICAL.int);
    case "long":
      return plain(PHYSICAL.long);
    case "float":
      return plain(PHYSICAL.float);
    case "double":
      return plain(PHYSICAL.double);
    case "date":
      return plain(PHYSICAL.int, CONVERTED.date);
    case "time":
      return plain(PHYSICAL.long, CONVERTED.time);
    case "string":
      return plain(PHYSICAL.bytes, CONVERTED.text);
    case "binary":
      return plain(PHYSICAL.bytes);
    case "uuid":
      return {
        physical: PHYSICAL.fixed,
        logical: (footer) => footer.struct(10, () => footer.struct(LOGICAL.uuid, () => {})),
      };
    case "timestamp":
    case "timestamptz":
      return instantLeaf(type.name === "timestamptz");
  }
}

function decimalLeaf(precision: number, scale: number): Leaf {
  return {
    physical: precision <= LONG_DIGITS ? PHYSICAL.long : PHYSICAL.fixed,
    ...(precision <= INT_DIGITS ? { stored: PHYSICAL.int } : {}),
    converted: (footer) => {
      footer.int(6, CONVERTED.decimal);
      footer.int(7, scale);
      footer.int(8, precision);
    },
  };
}

function instantLeaf(zoned: boolean): Leaf {
  return {
    physical: PHYSICAL.long,
    logical: (footer) =>
      footer.struct(10, () =>
        footer.struct(LOGICAL.timestamp, () => {
          footer.boolean(1, zoned);
          footer.struct(2, () => footer.struct(MICROS, () => {}));
        }),
      ),
  };
}
