/**
 * Contracts as JSON Schema: what a record is in the files, by its keys. Read in every draft since 04, written in
 * 2020-12; the exact type stands in `x-tarn` where no keyword says it. json-schema.org, draft 2020-12.
 */

import type { Json, JsonObject } from "../base/json.ts";
import { sameJson } from "../base/json.ts";
import type { Contract } from "../ingest/contract.ts";
import { sameType } from "../table/type-text.ts";
import type { TableName, Type } from "../table/types.ts";
import { ITEMS, notesOf, placeIn } from "./notes.ts";
import { keywordsOfNotes, standardAlone } from "./schema-notes.ts";
import {
  keywordsOfType,
  kindsIn,
  OWN_KEYWORD,
  ownWords,
  plainType,
  statedType,
} from "./schema-types.ts";

/** What is written. */
export const DIALECT = "https://json-schema.org/draft/2020-12/schema";
/** The place of what a map holds. */
export const VALUES = "values";

/** Keywords that say what a value is made of; the rest is kept as it is. */
export const STRUCTURE: ReadonlySet<string> = new Set([
  OWN_KEYWORD,
  "properties",
  "required",
  "items",
  "additionalProperties",
]);

/** A record as the files of a table have it. */
export function toJsonSchema(contract: Contract, table: TableName): JsonObject {
  const { document = {}, table: object = {} } = contract.notes ?? {};
  const { id, ...rest } = document;
  const members = contract.columns.map(
    (column): Member => ({
      name: column.source,
      type: column.type,
      required: column.required,
      notesAt: (place) => notesOf(column, place),
      place: "",
      own: column.name === column.source ? {} : { column: column.name },
    }),
  );
  const name = table.slice(table.indexOf(".") + 1);
  const told = keywordsOfNotes(object);
  const isOther =
    told.title !== name &&
    told.$schema !== DIALECT &&
    told.$id === undefined &&
    !contradicts(told, RECORD, false);
  const named = typeof id === "string" ? { $id: id } : {};
  const { order } = namesInOrder(members.map((member) => member.name));
  const others = typeof id === "string" ? rest : document;
  return {
    $schema: DIALECT,
    ...named,
    title: name,
    type: "object",
    ...(isOther ? told : standardAlone(object)),
    ...(Object.keys(others).length === 0 ? {} : { [DOCUMENT_KEYWORD]: others }),
    ...record(members),
    ...(order === undefined ? {} : { [OWN_KEYWORD]: { order } }),
  };
}

/** The keyword for what the Open Data Contract Standard says of a document beside its table. */
export const DOCUMENT_KEYWORD = "x-odcs-document";

/** What may be said of a type in words that are no part of it, with what it may be null. */
export function nullableKeywords(type: Type, mayBeNull: boolean): JsonObject {
  const { type: kind = null, ...others } = keywordsOfType(type);
  if (!mayBeNull) return { type: kind, ...others };
  // Where anything may come, null may.
  return Array.isArray(kind) ? others : { type: [kind, "null"], ...others };
}

/** A column, or a field of a struct. */
interface Member {
  readonly name: string;
  readonly type: Type;
  readonly required: boolean;
  /** Of the column. */
  readonly notesAt: (place: string) => JsonObject;
  readonly place: string;
  readonly own: JsonObject;
}

const RECORD: Type = { kind: "struct", fields: [] };

function record(members: readonly Member[]): JsonObject {
  const properties = Object.fromEntries(
    members.map((member) => [member.name, memberSchema(member)] as const),
  );
  const required = members.filter(isListed).map(({ name }) => name);
  return {
    properties,
    ...(required.length === 0 ? {} : { required }),
  };
}

/** Required, or one that may be null and has to be there all the same. */
function isListed({ required, type, notesAt, place }: Member): boolean {
  if (required) return true;
  const told = keywordsOfNotes(notesAt(place));
  return told.required === true && !contradicts(told, type, true);
}

function memberSchema({ type, required, notesAt, place, own }: Member): JsonObject {
  return schemaOf(type, !required, { notesAt, place, own });
}

function schemaOf(
  type: Type,
  mayBeNull: boolean,
  { notesAt, place, own }: Pick<Member, "notesAt" | "place" | "own">,
): JsonObject {
  const base = nullableKeywords(type, mayBeNull);
  const told = keywordsOfNotes(notesAt(place));
  const { required: _listed, ...keywords } = contradicts(told, type, mayBeNull)
    ? standardAlone(notesAt(place))
    : told;
  const ours = { ...ownWords(base), ...own, ...orderOf(type) };
  return {
    ...base,
    ...keywords,
    ...partsOf(type, notesAt, place),
    ...(Object.keys(ours).length === 0 ? {} : { [OWN_KEYWORD]: ours }),
  };
}

function partsOf(type: Type, notesAt: Member["notesAt"], place: string): JsonObject {
  const inner = (part: Type, step: string): JsonObject =>
    schemaOf(part, true, { notesAt, place: placeIn(place, step), own: {} });
  switch (type.kind) {
    case "struct":
      return record(
        type.fields.map((field): Member => {
          return { ...field, notesAt, place: placeIn(place, field.name), own: {} };
        }),
      );
    case "list":
      return { items: inner(type.element, ITEMS) };
    case "map":
      return { additionalProperties: inner(type.value, VALUES) };
    default:
      return {};
  }
}

/** Whether what is told of a value, beside the words of its type, would be read as another type, or as less. */
function contradicts(told: JsonObject, type: Type, mayBeNull: boolean): boolean {
  const { required, additionalProperties, ...others } = told;
  if (Object.keys(others).some((word) => STRUCTURE.has(word) || FOLLOWED.has(word))) return true;
  const isOpen = type.kind === "struct" && typeof additionalProperties === "boolean";
  if (additionalProperties !== undefined && !isOpen) return true;
  const base = nullableKeywords(type, mayBeNull);
  if (Object.keys(others).some((word) => sameJson(base[word], others[word]))) return true;
  const all = { ...base, ...others };
  const { kinds, isNullable, unknown } = kindsIn(all);
  // What need not be there may be null to a table, and has to be said of what is there alone.
  if (isNullable && !mayBeNull) return true;
  if (required !== undefined && (required !== true || !isNullable)) return true;
  if (unknown !== undefined) return true;
  if (type.kind === "struct" || type.kind === "map") return !sameJson(kinds, ["object"]);
  if (type.kind === "list") return !sameJson(kinds, ["array"]);
  const stated = statedType(all) ?? plainType(all);
  return typeof stated === "string" || !sameType(stated, type);
}

/** Keywords that lead to other schemas: none of them is kept. */
export const FOLLOWED: ReadonlySet<string> = new Set([
  "$ref",
  "$dynamicRef",
  "$recursiveRef",
  "$defs",
  "definitions",
  "allOf",
  "anyOf",
  "oneOf",
  "not",
  "if",
  "then",
  "else",
  "dependentSchemas",
  "dependencies",
  "prefixItems",
  "additionalItems",
  "unevaluatedItems",
  "contains",
  "propertyNames",
  "patternProperties",
  "unevaluatedProperties",
]);

/** Keys that look like numbers come first in every object, so their order has to be said. */
function orderOf(type: Type): JsonObject {
  return type.kind === "struct" ? namesInOrder(type.fields.map(({ name }) => name)) : {};
}

function namesInOrder(names: readonly string[]): { readonly order?: Json } {
  const kept = Object.keys(Object.fromEntries(names.map((name) => [name, null])));
  return sameJson(kept, names) ? {} : { order: names };
}
