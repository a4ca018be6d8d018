/** Types as servers have them, as the frames of segments say them. */

import { LakeError } from "../base/errors.ts";
import {
  type Json,
  type JsonObject,
  listField,
  numberField,
  objectField,
  objectsField,
  stringField,
} from "../base/json.ts";

/** A type as the server has it; what is over another type holds that one too. */
export interface WireType {
  readonly oid: number;
  /** -1 where none is given. Of a domain's column it is the domain's. */
  readonly typmod: number;
  /** With its schema where that is not the system's own. */
  readonly name: string;
  readonly kind: "base" | "domain" | "enum" | "composite" | "array" | "range" | "multirange";
  /** What a domain is over. */
  readonly base?: WireType;
  /** Of an array, a range or a multirange. */
  readonly element?: WireType;
  /** Between the elements of an array's text. */
  readonly delimiter?: string;
  /** Of an enum, in order. */
  readonly labels?: readonly string[];
  /** Of texts: what their bytes are, in the server's word. */
  readonly charset?: string;
  /** Of texts whose letters are a byte each: what the 256 bytes stand for, U+FFFD for nothing. */
  readonly alphabet?: string;
  /** Of a composite, in order. */
  readonly fields?: readonly { readonly name: string; readonly wire: WireType }[];
}

const WIRE_KINDS = [
  "base",
  "domain",
  "enum",
  "composite",
  "array",
  "range",
  "multirange",
] as const satisfies readonly WireType["kind"][];

/** Throws `corrupt`. */
export function readWireType(json: JsonObject): WireType {
  const kind = WIRE_KINDS.find((name) => name === json.kind);
  if (kind === undefined) {
    throw new LakeError(
      "corrupt",
      `the segment is damaged: there is no kind of type "${String(json.kind)}"`,
      {
        hint: "restore the file from a copy of the lake",
      },
    );
  }
  const labels = listField(json, "labels").filter((label) => typeof label === "string");
  return {
    oid: numberField(json, "oid"),
    typmod: numberField(json, "typmod"),
    name: stringField(json, "name"),
    kind,
    ...(json.base === undefined ? {} : { base: readWireType(objectField(json, "base")) }),
    ...(json.element === undefined ? {} : { element: readWireType(objectField(json, "element")) }),
    ...(json.delimiter === undefined ? {} : { delimiter: stringField(json, "delimiter") }),
    ...(json.labels === undefined ? {} : { labels }),
    ...(json.charset === undefined ? {} : { charset: stringField(json, "charset") }),
    ...(json.alphabet === undefined ? {} : { alphabet: stringField(json, "alphabet") }),
    ...(json.fields === undefined
      ? {}
      : {
          fields: objectsField(json, "fields").map((field) => ({
            name: stringField(field, "name"),
            wire: readWireType(objectField(field, "wire")),
          })),
        }),
  };
}

export function wireTypeJson(type: WireType): Json {
  const { base, element, fields, ...rest } = type;
  return {
    ...rest,
    ...(base === undefined ? {} : { base: wireTypeJson(base) }),
    ...(element === undefined ? {} : { element: wireTypeJson(element) }),
    ...(fields === undefined
      ? {}
      : { fields: fields.map(({ name, wire }) => ({ name, wire: wireTypeJson(wire) })) }),
  };
}
