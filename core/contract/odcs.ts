/**
 * Contracts as documents of the Open Data Contract Standard, v3: `physicalType` is a column's exact type, as in
 * `columns:`; whatever else a document says is kept as it is and told again. The standard: bitol.io, ODCS v3.1.0.
 */

import { unreachable } from "../base/assert.ts";
import type { Json, JsonObject } from "../base/json.ts";
import { below, type Cursor, isRecord, report, shown } from "../config/shape.ts";
import { declaredTypeText, parseTypeText } from "../config/type-text.ts";
import type { Contract, ContractColumn, ContractNotes } from "../ingest/contract.ts";
import { TYPE_DEPTH_MAX } from "../limits.ts";
import { awaited, STRING } from "../table/type-text.ts";
import type { Field, PrimitiveName, TableName, Type } from "../table/types.ts";
import { awaiting, keptOf, withKept, withoutKept } from "./custom-properties.ts";
import { ITEMS, NotesTaker, notesOf, placeIn } from "./notes.ts";
import type { DocumentQuestion, StatedContract } from "./stated.ts";

/** What a document is told that its contract does not know. */
export interface DocumentOf {
  readonly table: TableName;
  /** What the contract is known by where its document does not say. */
  readonly id: string;
}

const API_VERSION = "v3.1.0";
/** Keys of a property that say what its column is. */
const OWN_KEYS: ReadonlySet<string> = new Set([
  "name",
  "logicalType",
  "physicalType",
  "required",
  "properties",
  "items",
]);

/** Keys of a document in the order that people expect. */
export function toOdcs(contract: Contract, { table, id }: DocumentOf): JsonObject {
  const { document = {}, table: object = {} } = contract.notes ?? {};
  const isOld = typeof document.apiVersion === "string" && /^v3\.0/.test(document.apiVersion);
  return {
    apiVersion: API_VERSION,
    kind: "DataContract",
    id,
    version: String(contract.version),
    status: "active",
    ...document,
    schema: [
      {
        name: table.slice(table.indexOf(".") + 1),
        logicalType: "object",
        physicalName: table,
        physicalType: "table",
        ...object,
        properties: contract.columns.map((column) => propertyOf(column, isOld)),
      },
    ],
  };
}

/** Reports what is wrong; undefined where the document states no contract. */
export function fromOdcs(
  document: Readonly<Record<string, unknown>>,
  { names }: DocumentQuestion,
  cursor: Cursor,
): StatedContract | undefined {
  const { apiVersion, kind, schema, version } = document;
  if (kind !== "DataContract") {
    return report(below(cursor, "kind"), `expected kind: DataContract, got ${shown(kind)}`);
  }
  if (typeof apiVersion !== "string" || !/^v3\.\d+\.\d+$/.test(apiVersion)) {
    const hint = `write apiVersion: ${API_VERSION}; documents of version 2 have other keys`;
    return report(below(cursor, "apiVersion"), `${shown(apiVersion)} is not read here`, hint);
  }
  const at = below(cursor, "schema");
  if (!Array.isArray(schema)) return report(at, "expected a list of tables");
  const objects: readonly unknown[] = schema;
  const index = objectFor(objects, names, at);
  const object = index === undefined ? undefined : objects[index];
  if (index === undefined || !isRecord(object)) return undefined;
  const { properties, ...table } = object;
  const inner = below(below(at, index), "properties");
  const columns = columnsOf(properties, inner);
  if (columns === undefined) return undefined;
  const { schema: _schema, ...rest } = document;
  const notes: ContractNotes = {
    // A version like 1.0 is a number to YAML, and a text to the standard.
    document: jsonOf({ ...rest, ...(version === undefined ? {} : { version: String(version) }) }),
    table: jsonOf(table),
  };
  return { columns, notes };
}

function propertyOf(column: ContractColumn, isOld: boolean): JsonObject {
  const { name, source, type, required } = column;
  const notes = withKept(notesOf(column), keptOf(name, source, type));
  return {
    name,
    ...typeKeys(type, column, "", isOld),
    ...(required ? { required } : {}),
    ...notes,
  };
}

function typeKeys(type: Type, column: ContractColumn, place: string, isOld: boolean): JsonObject {
  const logicalType = logicalTypeOf(type, isOld);
  if (type.kind === "list") {
    const inner = placeIn(place, ITEMS);
    const items = { ...typeKeys(type.element, column, inner, isOld), ...notesOf(column, inner) };
    return { logicalType, items };
  }
  if (type.kind === "struct") {
    const properties = type.fields.map((field) => {
      const inner = placeIn(place, field.name);
      return {
        name: field.name,
        ...typeKeys(field.type, column, inner, isOld),
        ...(field.required ? { required: true } : {}),
        ...notesOf(column, inner),
      };
    });
    return { logicalType, properties };
  }
  return { logicalType, physicalType: declaredTypeText(type) };
}

/** Timestamps and times are dates to documents of before v3.1. */
function logicalTypeOf(type: Type, isOld: boolean): string {
  switch (type.kind) {
    case "decimal":
      return type.scale === 0 ? "integer" : "number";
    case "fixed":
      return "string";
    case "list":
      return "array";
    case "struct":
    case "map":
      return "object";
    case "primitive":
      return isOld ? (OLD_WORDS[type.name] ?? WORDS[type.name]) : WORDS[type.name];
    default:
      return unreachable(type);
  }
}

const WORDS: Readonly<Record<PrimitiveName, string>> = {
  boolean: "boolean",
  int: "integer",
  long: "integer",
  float: "number",
  double: "number",
  date: "date",
  time: "time",
  timestamp: "timestamp",
  timestamptz: "timestamp",
  string: "string",
  uuid: "string",
  binary: "string",
};

const OLD_WORDS: Readonly<Partial<Record<PrimitiveName, string>>> = {
  time: "date",
  timestamp: "date",
  timestamptz: "date",
};

/** Which of the tables of a document is meant. */
function objectFor(
  objects: readonly unknown[],
  names: readonly string[],
  cursor: Cursor,
): number | undefined {
  if (objects.length === 0) return report(cursor, "the contract has no table");
  if (objects.length === 1) return 0;
  const wanted = new Set(names.map((name) => name.toLowerCase()));
  const called = objects.map((object) => (isRecord(object) ? object.name : null));
  const found = objects.findIndex(
    (object) =>
      isRecord(object) &&
      [object.physicalName, object.name].some(
        (name) => typeof name === "string" && wanted.has(name.toLowerCase()),
      ),
  );
  if (found >= 0) return found;
  const hint = `its tables are ${called.map(shown).join(", ")}`;
  return report(cursor, `none of the tables of the contract is called ${names[0] ?? ""}`, hint);
}

function columnsOf(properties: unknown, cursor: Cursor): ContractColumn[] | undefined {
  if (!Array.isArray(properties)) return report(cursor, "expected a list of properties");
  const all: readonly unknown[] = properties;
  const columns = all.map((property, index) => columnOf(property, below(cursor, index)));
  const good = columns.filter((column) => column !== undefined);
  return good.length === columns.length ? good : undefined;
}

function columnOf(property: unknown, cursor: Cursor): ContractColumn | undefined {
  const taker = new NotesTaker();
  const part = partOf(property, "", taker, cursor);
  if (part === undefined) return undefined;
  const { notes, kept } = withoutKept(notesIn(property));
  taker.take("", notes);
  const type = awaiting(part.type, kept.places);
  return {
    name: part.name,
    source: kept.field ?? part.name,
    type,
    declared: true,
    unseen: awaited(type) === "value",
    required: part.required,
    ...(taker.taken === undefined ? {} : { notes: taker.taken }),
  };
}

/** A property with a name: its notes are the caller's. */
function partOf(
  property: unknown,
  place: string,
  taker: NotesTaker,
  cursor: Cursor,
): Field | undefined {
  if (!isRecord(property)) return report(cursor, "expected a property with a name");
  const { name, required } = property;
  if (typeof name !== "string") return report(cursor, "a property has no name");
  if (required !== undefined && typeof required !== "boolean") {
    return report(below(cursor, "required"), `expected true or false, got ${shown(required)}`);
  }
  const type = typeOf(property, place, taker, cursor);
  return type === undefined ? undefined : { id: 0, name, required: required === true, type };
}

function typeOf(
  property: Readonly<Record<string, unknown>>,
  place: string,
  taker: NotesTaker,
  cursor: Cursor,
): Type | undefined {
  if (cursor.path.length > 2 * TYPE_DEPTH_MAX) return report(cursor, "nested too deep");
  const { properties, items, physicalType, logicalType } = property;
  if (Array.isArray(properties)) return structOf(properties, place, taker, cursor);
  if (isRecord(items)) {
    const inner = placeIn(place, ITEMS);
    // What is required of an element says nothing of a type here, and is kept.
    const { required } = items;
    const own = required === undefined ? {} : jsonOf({ required });
    taker.take(inner, { ...own, ...notesIn(items) });
    const element = typeOf(items, inner, taker, below(cursor, "items"));
    if (element === undefined) return undefined;
    return { kind: "list", elementId: 0, elementRequired: false, element };
  }
  if (typeof physicalType === "string") {
    const parsed = parseTypeText(physicalType);
    if (parsed.kind === "type") return parsed.type;
  }
  const type = typeof logicalType === "string" ? logicalTypeFor(property) : undefined;
  if (type === undefined) return refuseType(property, cursor);
  if (physicalType !== undefined) {
    const message = `the type ${shown(physicalType)} is not known here: ${declaredTypeText(type)} is taken`;
    const hint = "write a type of columns: as physicalType, such as decimal(10,2)";
    const path = below(cursor, "physicalType").path;
    cursor.issues.push({ path, at: "value", severity: "warning", message, hint });
  }
  return type;
}

function structOf(
  properties: readonly unknown[],
  place: string,
  taker: NotesTaker,
  cursor: Cursor,
): Type | undefined {
  const fields: Field[] = [];
  for (const [index, property] of properties.entries()) {
    const at = below(below(cursor, "properties"), index);
    const name = isRecord(property) && typeof property.name === "string" ? property.name : "";
    const inner = placeIn(place, name);
    const field = partOf(property, inner, taker, at);
    if (field === undefined) return undefined;
    if (fields.some((other) => other.name === field.name)) {
      return report(at, `"${field.name}" stands twice`);
    }
    taker.take(inner, notesIn(property));
    fields.push(field);
  }
  return { kind: "struct", fields };
}

/** Where there is no exact type: what every value of the logical one fits. */
function logicalTypeFor(property: Readonly<Record<string, unknown>>): Type | undefined {
  const options = isRecord(property.logicalTypeOptions) ? property.logicalTypeOptions : {};
  const { format, timezone } = options;
  const isTimed = typeof format === "string" && /[Hh]/.test(format);
  switch (property.logicalType) {
    case "string":
      return STRING;
    case "boolean":
      return { kind: "primitive", name: "boolean" };
    case "integer":
      return integerFor(format);
    case "number":
      return numberFor(property.physicalType, format);
    case "date":
      return { kind: "primitive", name: isTimed ? "timestamp" : "date" };
    case "timestamp":
      return { kind: "primitive", name: timezone === true ? "timestamptz" : "timestamp" };
    case "time":
      return { kind: "primitive", name: "time" };
    default:
      return undefined;
  }
}

function integerFor(format: unknown): Type {
  const isSmall = ["i8", "i16", "i32", "u8", "u16"].some((word) => word === format);
  const isHuge = ["i128", "u64", "u128"].some((word) => word === format);
  if (isHuge) return { kind: "decimal", precision: 38, scale: 0 };
  return { kind: "primitive", name: isSmall ? "int" : "long" };
}

/** Digits of a type of another database, such as `NUMBER(10,2)`. */
function numberFor(physicalType: unknown, format: unknown): Type {
  const [, precision, scale = "0"] =
    /\(\s*(\d{1,2})\s*(?:,\s*(\d{1,2})\s*)?\)\s*$/.exec(String(physicalType)) ?? [];
  if (precision !== undefined && Number(precision) <= 38 && Number(scale) <= Number(precision)) {
    return { kind: "decimal", precision: Number(precision), scale: Number(scale) };
  }
  return { kind: "primitive", name: format === "f32" ? "float" : "double" };
}

function refuseType(
  { name, logicalType, physicalType }: Readonly<Record<string, unknown>>,
  cursor: Cursor,
): undefined {
  const said = physicalType ?? logicalType;
  const message = `the type of ${shown(name ?? "items")} is not known: ${shown(said)}`;
  const hint =
    logicalType === "object" || logicalType === "array"
      ? "say properties or items, or physicalType: varchar for JSON as it is"
      : "say physicalType, such as decimal(10,2), or a logicalType";
  return report(cursor, message, hint);
}

function notesIn(property: unknown): JsonObject {
  if (!isRecord(property)) return {};
  return jsonOf(Object.fromEntries(Object.entries(property).filter(([key]) => !OWN_KEYS.has(key))));
}

/** Plain data of YAML or JSON is JSON. */
function jsonOf(data: Readonly<Record<string, unknown>>): JsonObject {
  return data as Readonly<Record<string, Json>>; // parse: made by a reader of YAML or JSON
}
