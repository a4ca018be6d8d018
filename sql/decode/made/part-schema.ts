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

/** Digits of a decimal that 64 bits hold. */
export const LONG_DIGITS = 18;
/** Bytes of a longer decimal, and of a UUID. */
export const FIXED_BYTES = 16;

type WriteElement = (footer: ThriftWriter) => void;

interface SchemaElement {
  /** Of the leaf, or of the leaves. */
  readonly physical: Physical;
  /** Names below the column's own that lead to each leaf. */
  readonly paths: readonly (readonly string[])[];
  readonly write: (name: string) => readonly WriteElement[];
}

const OPTIONAL = 1;
const REPEATED = 2;
const CONVERTED = { text: 0, list: 3, decimal: 5, date: 6, time: 8 } as const;
const LOGICAL = { timestamp: 8, uuid: 14 } as const;
const MICROS = 2;

/** Structs and lists hold leaves alone. */
export function schemaElement(type: Type): SchemaElement {
  if (type.kind === "struct") return structElement(type);
  if (type.kind === "list") return listElement(type.element);
  const { physical, more } = leafOf(type);
  return {
    physical,
    paths: [[]],
    write: (name) => [
      (footer) => {
        footer.int(1, physical);
        if (physical === PHYSICAL.fixed) footer.int(2, FIXED_BYTES);
        footer.int(3, OPTIONAL);
        footer.text(4, name);
        more(footer);
      },
    ],
  };
}

function structElement({ fields }: Type & { readonly kind: "struct" }): SchemaElement {
  const inner = fields.map(({ type }) => schemaElement(type));
  return {
    physical: PHYSICAL.bytes,
    paths: fields.map(({ name }) => [name]),
    write: (name) => [
      (footer) => {
        footer.int(3, OPTIONAL);
        footer.text(4, name);
        footer.int(5, fields.length);
      },
      ...inner.flatMap((element, index) => element.write(fields[index]?.name ?? "")),
    ],
  };
}

function listElement(type: Type): SchemaElement {
  const inner = schemaElement(type);
  return {
    physical: inner.physical,
    paths: [["list", "element"]],
    write: (name) => [
      (footer) => {
        footer.int(3, OPTIONAL);
        footer.text(4, name);
        footer.int(5, 1);
        footer.int(6, CONVERTED.list);
      },
      (footer) => {
        footer.int(3, REPEATED);
        footer.text(4, "list");
        footer.int(5, 1);
      },
      ...inner.write("element"),
    ],
  };
}

function leafOf(type: Type): { readonly physical: Physical; readonly more: WriteElement } {
  const plain = (physical: Physical, converted?: number) => ({
    physical,
    more: (footer: ThriftWriter) => {
      if (converted !== undefined) footer.int(6, converted);
    },
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
        more: (footer) => footer.struct(10, () => footer.struct(LOGICAL.uuid, () => {})),
      };
    case "timestamp":
    case "timestamptz":
      return instantLeaf(type.name === "timestamptz");
  }
}

function decimalLeaf(precision: number, scale: number) {
  return {
    physical: precision <= LONG_DIGITS ? PHYSICAL.long : PHYSICAL.fixed,
    more: (footer: ThriftWriter) => {
      footer.int(6, CONVERTED.decimal);
      footer.int(7, scale);
      footer.int(8, precision);
    },
  };
}

function instantLeaf(zoned: boolean) {
  return {
    physical: PHYSICAL.long,
    more: (footer: ThriftWriter) =>
      footer.struct(10, () =>
        footer.struct(LOGICAL.timestamp, () => {
          footer.boolean(1, zoned);
          footer.struct(2, () => footer.struct(MICROS, () => {}));
        }),
      ),
  };
}
