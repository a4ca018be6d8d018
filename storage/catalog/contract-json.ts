/** Contracts, and how files were read by them, as JSON beside their batches. */

import { LakeError } from "../../core/base/errors.ts";
import {
  isJsonObject,
  type Json,
  type JsonObject,
  parseJson,
  stringifyJson,
} from "../../core/base/json.ts";
import type { Dialect, TextEnd } from "../../core/engine.ts";
import type {
  ColumnNotes,
  Contract,
  ContractColumn,
  ContractNotes,
  ReadOptions,
} from "../../core/ingest/contract.ts";
import type { Reading } from "../../core/ingest/ledger.ts";
import { type Place, placesOf, withPlaces } from "../../core/table/places.ts";
import type { Type } from "../../core/table/types.ts";
import { parseType, typeToJson } from "../iceberg/schema.ts";

export function contractToJson(contract: Contract): string {
  return stringifyJson({
    source: contract.source,
    version: contract.version,
    columns: contract.columns.map(columnToJson),
    ...(contract.notes === undefined ? {} : { notes: { ...contract.notes } }),
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
  const notes = isJsonObject(json.notes) ? contractNotes(json.notes) : undefined;
  const known = { source, version, columns: columns.map(columnFromJson), read };
  return notes === undefined ? known : { ...known, notes };
}

/** How a file was read, beside its row in the ledger. */
export function readingToJson({ dialect, columns, end = null, toByte = null }: Reading): string {
  return stringifyJson({
    dialect: dialect === null ? null : { ...dialect },
    ...(end === null ? {} : { end: { ...end } }),
    ...(toByte === null ? {} : { to_byte: toByte }),
    ...(columns === null ? {} : { columns: columns.map(columnToJson) }),
  });
}

/** Throws `corrupt` when it is none. */
export function readingFromJson(text: string): Reading {
  const json = parseJson(text);
  if (!isJsonObject(json)) throw broken();
  const { dialect, columns, end, to_byte: toByte } = json;
  return {
    end: isJsonObject(end) ? (end as unknown as TextEnd) : null, // parse: as it was written
    toByte: typeof toByte === "number" ? toByte : null,
    dialect: isJsonObject(dialect) ? dialectFrom(dialect) : null,
    columns: Array.isArray(columns) ? columns.map(columnFromJson) : null,
  };
}

function numberOr(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}

/** Lakes of before it was known have no header that was mended. */
function dialectFrom(json: JsonObject): Dialect {
  return { ...(json as unknown as Dialect), mended: numberOr(json.mended) }; // parse: as it was written
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
    ...(column.begun === undefined ? {} : { begun: typeToJson(column.begun) }),
    ...(column.misfits === undefined ? {} : { misfits: column.misfits }),
    ...(column.renamed === undefined ? {} : { renamed: true }),
    ...(column.notes === undefined ? {} : { notes: column.notes }),
  };
}

function columnFromJson(json: Json): ContractColumn {
  if (!isJsonObject(json)) throw broken();
  const { name, source } = json;
  if (typeof name !== "string" || typeof source !== "string") throw broken();
  const type = withPlaces(parseType(json.type ?? null), placesFromJson(json.awaits ?? []));
  if (type === null) throw broken();
  const notes = notesFromJson(json.notes);
  return {
    name,
    source,
    type,
    declared: json.declared === true,
    unseen: json.unseen === true,
    required: json.required === true,
    ...(json.begun === undefined ? {} : { begun: parseType(json.begun) }),
    ...(json.misfits === "keep" || json.misfits === "widen" ? { misfits: json.misfits } : {}),
    ...(json.renamed === true ? { renamed: true } : {}),
    ...(notes === undefined ? {} : { notes }),
  };
}

function placesToJson(type: Type): { awaits?: Json } {
  const places = placesOf(type).map(({ way, awaits }) => ({ way, awaits }));
  return places.length === 0 ? {} : { awaits: places };
}

function placesFromJson(places: Json): readonly Place[] {
  if (!Array.isArray(places)) throw broken();
  return places.map((place: Json): Place => {
    if (!isJsonObject(place) || !Array.isArray(place.way)) throw broken();
    const way = place.way.filter((step): step is string => typeof step === "string");
    return { way, awaits: place.awaits === "object" ? "object" : "value" };
  });
}

function contractNotes({ document, table }: JsonObject): ContractNotes {
  return {
    document: isJsonObject(document) ? document : {},
    table: isJsonObject(table) ? table : {},
  };
}

/** Notes by place: kept as they are. */
function notesFromJson(json: Json | undefined): ColumnNotes | undefined {
  if (!isJsonObject(json)) return undefined;
  return Object.fromEntries(
    Object.entries(json).flatMap(([place, notes]) => (isJsonObject(notes) ? [[place, notes]] : [])),
  );
}

function broken(): LakeError {
  return new LakeError("corrupt", "the catalog holds a contract that cannot be read", {
    hint: "restore catalog.db from a copy, or use the version that wrote it",
  });
}
