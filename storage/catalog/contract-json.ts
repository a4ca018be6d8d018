/** Contracts as the catalog stores them: JSON with types in Iceberg's own spelling. */

import { LakeError } from "../../core/base/errors.ts";
import type { Json, JsonObject } from "../../core/base/json.ts";
import { isJsonObject, parseJson, stringifyJson } from "../../core/base/json.ts";
import type { Dialect } from "../../core/engine.ts";
import type { Contract, ContractColumn, ReadOptions } from "../../core/ingest/contract.ts";
import type { Reading } from "../../core/ingest/ledger.ts";
import { awaited, EMPTY_OBJECT, NOTHING } from "../../core/table/type-text.ts";
import type { Type } from "../../core/table/types.ts";
import { parseType, typeToJson } from "../iceberg/schema.ts";

export function contractToJson(contract: Contract): string {
  return stringifyJson({
    source: contract.source,
    version: contract.version,
    columns: contract.columns.map(columnToJson),
    ...(contract.read === null ? {} : { read: { ...contract.read } }),
  });
}

/** Throws `corrupt` when it is no contract. */
export function contractFromJson(text: string): Contract {
  const json = parseJson(text);
  if (!isJsonObject(json)) throw broken();
  const { source, version, columns } = json;
  if (typeof source !== "string" || typeof version !== "number") throw broken();
  if (!Array.isArray(columns)) throw broken();
  const read = isJsonObject(json.read) ? (json.read as unknown as ReadOptions) : null; // parse: as it was written
  return { source, version, columns: columns.map(columnFromJson), read };
}

/** How a file was read, beside its row in the ledger. */
export function readingToJson({ dialect, columns }: Reading): string {
  return stringifyJson({
    dialect: dialect === null ? null : { ...dialect },
    ...(columns === null ? {} : { columns: columns.map(columnToJson) }),
  });
}

/** Throws `corrupt` when it is none. */
export function readingFromJson(text: string): Reading {
  const json = parseJson(text);
  if (!isJsonObject(json)) throw broken();
  const { dialect, columns } = json;
  return {
    dialect: isJsonObject(dialect) ? (dialect as unknown as Dialect) : null, // parse: as it was written
    columns: Array.isArray(columns) ? columns.map(columnFromJson) : null,
  };
}

function columnToJson(column: ContractColumn): JsonObject {
  return {
    name: column.name,
    source: column.source,
    type: typeToJson(column.type),
    ...placesToJson(column.type),
    declared: column.declared,
    unseen: column.unseen,
    required: column.required,
  };
}

function columnFromJson(json: Json): ContractColumn {
  if (!isJsonObject(json)) throw broken();
  const { name, source } = json;
  if (typeof name !== "string" || typeof source !== "string") throw broken();
  return {
    name,
    source,
    type: withPlaces(parseType(json.type ?? null), json.awaits ?? []),
    declared: json.declared === true,
    unseen: json.unseen === true,
    required: json.required === true,
  };
}

/** Places that await a type, each by the way to it: names of fields, `element` and `value`. */
function placesToJson(type: Type): { awaits?: Json } {
  const places: Json[] = [];
  const visit = (inner: Type, way: readonly string[]): void => {
    if (inner.kind === "struct") for (const f of inner.fields) visit(f.type, [...way, f.name]);
    if (inner.kind === "list") visit(inner.element, [...way, "element"]);
    if (inner.kind === "map") visit(inner.value, [...way, "value"]);
    const expected = awaited(inner);
    if (expected !== null) places.push({ way: [...way], awaits: expected });
  };
  visit(type, []);
  return places.length === 0 ? {} : { awaits: places };
}

function withPlaces(type: Type, places: Json): Type {
  if (!Array.isArray(places)) throw broken();
  return places.reduce((before: Type, place: Json) => {
    if (!isJsonObject(place) || !Array.isArray(place.way)) throw broken();
    return withPlace(before, place.way, place.awaits === "object" ? EMPTY_OBJECT : NOTHING);
  }, type);
}

function withPlace(type: Type, way: readonly Json[], place: Type): Type {
  const [step, ...rest] = way;
  if (step === undefined) return place;
  if (type.kind === "list") return { ...type, element: withPlace(type.element, rest, place) };
  if (type.kind === "map") return { ...type, value: withPlace(type.value, rest, place) };
  if (type.kind !== "struct") throw broken();
  const fields = type.fields.map((field) =>
    field.name === step ? { ...field, type: withPlace(field.type, rest, place) } : field,
  );
  return { ...type, fields };
}

function broken(): LakeError {
  return new LakeError("corrupt", "the catalog holds a contract that cannot be read", {
    hint: "restore catalog.db from a copy, or use the version that wrote it",
  });
}
