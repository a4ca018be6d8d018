/**
 * Contracts read from JSON Schema. Whatever a document says either becomes a type, is kept and told again, or is named
 * in a warning; what may be anything, or has no type of its own, lands as the text of its JSON.
 */

import { type Json, type JsonObject, sameJson } from "../base/json.ts";
import { below, type Cursor, isRecord, report, shown } from "../config/shape.ts";
import { parseTypeText } from "../config/type-text.ts";
import type { ContractColumn } from "../ingest/contract.ts";
import { widen } from "../ingest/contract-rules.ts";
import { CONTRACT_SCHEMAS_MAX, TYPE_DEPTH_MAX } from "../limits.ts";
import { awaited, STRING, sameType } from "../table/type-text.ts";
import type { Field, Type } from "../table/types.ts";
import {
  DIALECT,
  DOCUMENT_KEYWORD,
  FOLLOWED,
  nullableKeywords,
  STRUCTURE,
  VALUES,
} from "./json-schema.ts";
import { ITEMS, NotesTaker, placeIn } from "./notes.ts";
import { notesOfKeywords } from "./schema-notes.ts";
import { Remarks, UNCHECKED } from "./schema-remarks.ts";
import {
  isHeld,
  KINDS,
  kindsIn,
  OWN_KEYWORD,
  ownWords,
  plainType,
  statedType,
} from "./schema-types.ts";
import type { DocumentQuestion, StatedContract } from "./stated.ts";
import { DEFINITIONS, type Keywords, type Subschema, Subschemas } from "./subschemas.ts";

/** Whether a document is JSON Schema: by what it says it is, or by what a schema of records has. */
export function isJsonSchema(document: Keywords): boolean {
  const words = ["$schema", "$ref", "properties", "allOf", "anyOf", "oneOf", ...DEFINITIONS];
  return words.some((word) => word in document);
}

/** Reports what is wrong; undefined where the document states no contract. */
export function fromJsonSchema(
  document: Keywords,
  question: DocumentQuestion,
  cursor: Cursor,
): StatedContract | undefined {
  const reader = new SchemaReader(document, cursor);
  const stated = reader.contract(document, question);
  if (stated !== undefined) reader.remarks.report(cursor);
  return stated;
}

/** Where a schema stands. */
interface Spot {
  /** In the notes of a record. */
  readonly place: string;
  /** As people call it: `lines[].sku`. */
  readonly way: string;
  readonly depth: number;
  readonly trail: readonly string[];
  readonly cursor: Cursor;
  /** Of a schema that only some values keep to: nothing of it is kept but its type. */
  readonly isBranch: boolean;
}

interface Value {
  readonly type: Type;
  readonly isNullable: boolean;
  readonly keywords: Keywords;
}

class SchemaReader {
  readonly remarks = new Remarks();
  readonly #subschemas: Subschemas;
  readonly #cursor: Cursor;
  readonly #taker = new NotesTaker();
  /** Names in the table, by the place of the column, where they are others than in the files. */
  readonly #names = new Map<string, string>();
  #schemaCount = 0;

  constructor(document: Keywords, cursor: Cursor) {
    this.#subschemas = new Subschemas(document);
    this.#cursor = cursor;
  }

  contract(document: Keywords, { names }: DocumentQuestion): StatedContract | undefined {
    const chosen = this.#recordSchema(document, names);
    if (chosen === undefined) return undefined;
    const spot = {
      place: "",
      way: "",
      depth: 0,
      trail: [],
      isBranch: false,
      cursor: chosen.cursor,
    };
    const value = this.#value(chosen.schema, spot);
    if (value === undefined) return undefined;
    if (value.type.kind !== "struct") {
      const hint =
        "a contract is a schema of records: an object with properties, or a list of such";
      return report(chosen.cursor, "the schema has no columns", hint);
    }
    const { $id: id, [DOCUMENT_KEYWORD]: others, ...own } = value.keywords;
    const keywords = Object.entries(own).filter(([word, said]) => !isOurs(word, said, names));
    this.#take({ ...value, keywords: Object.fromEntries(keywords) }, spot, false);
    const byColumn = notesByColumn(this.#taker.taken ?? {});
    const columns = value.type.fields.map(({ name, type, required }): ContractColumn => {
      const notes = byColumn.get(placeIn("", name));
      return {
        name: this.#names.get(placeIn("", name)) ?? name,
        source: name,
        type,
        declared: true,
        unseen: awaited(type) === "value",
        required,
        ...(notes === undefined ? {} : { notes }),
      };
    });
    const documentNotes = {
      ...(isRecord(others) ? jsonOf(others) : {}),
      ...(typeof id === "string" ? { id } : {}),
    };
    return { columns, notes: { document: documentNotes, table: byColumn.get("")?.[""] ?? {} } };
  }

  /** The document's own schema, that of its records where it is a list, or the one of its definitions that is meant. */
  #recordSchema(
    document: Keywords,
    names: readonly string[],
  ): { readonly schema: unknown; readonly cursor: Cursor } | undefined {
    const root = this.#subschemas.at(document, this.#cursor);
    if (root === undefined) return undefined;
    const { kinds } = kindsIn(root.keywords);
    if (kinds[0] === "array" && isRecord(root.keywords.items)) {
      return { schema: root.keywords.items, cursor: below(this.#cursor, "items") };
    }
    const defined = DEFINITIONS.flatMap((word) => {
      const all = document[word];
      return isRecord(all)
        ? Object.entries(all).map(([name, schema]) => ({ word, name, schema }))
        : [];
    });
    if (kinds.length > 0 || root.branches.length > 0 || defined.length === 0) {
      return { schema: document, cursor: this.#cursor };
    }
    const wanted = new Set(names.map((name) => name.toLowerCase()));
    const found =
      defined.length === 1
        ? defined[0]
        : defined.find(({ name }) => wanted.has(name.toLowerCase()));
    if (found === undefined) {
      const hint = `its definitions are ${defined.map(({ name }) => shown(name)).join(", ")}`;
      return report(this.#cursor, `no definition is called ${names[0] ?? ""}`, hint);
    }
    const { word, name, schema } = found;
    return { schema, cursor: below(below(this.#cursor, word), name) };
  }

  /** The type of a value, and what else is said of it; notes of its parts are taken. */
  #value(schema: unknown, spot: Spot): Value | undefined {
    this.#schemaCount += 1;
    if (this.#schemaCount > CONTRACT_SCHEMAS_MAX) {
      return report(this.#cursor, `more than ${CONTRACT_SCHEMAS_MAX} schemas are in one another`);
    }
    if (spot.depth > TYPE_DEPTH_MAX) return report(spot.cursor, "nested too deep");
    const found = this.#subschemas.at(schema, spot.cursor, spot.trail);
    return found === undefined ? undefined : this.#valueOf(found, spot);
  }

  #valueOf(found: Subschema, spot: Spot): Value | undefined {
    if (found.holdsItself) {
      this.remarks.add("itself", spot);
      return { type: STRING, isNullable: true, keywords: {} };
    }
    if (found.branches.length > 0) return this.#either(found, spot);
    const keywords = found.hasNull ? orNull(found.keywords) : found.keywords;
    const { kinds, isNullable, unknown } = kindsIn(keywords);
    if (unknown !== undefined) {
      const hint = "the types are object, array, string, number, integer, boolean and null";
      return report(below(spot.cursor, "type"), `there is no type ${shown(unknown)}`, hint);
    }
    const inner = { ...spot, depth: spot.depth + 1, trail: found.trail };
    const type = this.#type(keywords, inner);
    if (type === undefined) return undefined;
    this.#remark(keywords, type, spot);
    const isAnything = kinds.length + Object.keys(ownWords(keywords)).length === 0;
    // Said in words, where it was said by none: the type alone would say that it is a text.
    const said = isAnything && keywords.type === undefined ? { type: [...KINDS, "null"] } : {};
    return { type, isNullable, keywords: { ...keywords, ...said } };
  }

  #type(keywords: Keywords, spot: Spot): Type | undefined {
    const stated = statedType(keywords);
    if (typeof stated === "string") return report(below(spot.cursor, OWN_KEYWORD), stated);
    if (stated !== null) return stated;
    const { kinds } = kindsIn(keywords);
    const [kind, ...others] = kinds;
    if (kind === undefined) this.remarks.add(keywords.type === undefined ? "any" : "null", spot);
    if (others.length === 0 && kind === "object") return this.#objectType(keywords, spot);
    if (others.length === 0 && kind === "array") return this.#listType(keywords, spot);
    const type = plainType(keywords);
    const isText = sameType(type, STRING) && (others.length > 0 || kind !== "string");
    if (isText && kind !== undefined) this.remarks.add("several", spot);
    return type;
  }

  #objectType(keywords: Keywords, spot: Spot): Type | undefined {
    const { properties, additionalProperties: others, patternProperties: patterned } = keywords;
    if (isRecord(properties) && Object.keys(properties).length > 0) {
      if (isRecord(others)) this.remarks.add("additionalProperties", spot);
      return this.#structType(properties, keywords, spot);
    }
    const patterns = isRecord(patterned) ? Object.values(patterned) : [];
    const value = isRecord(others) ? others : patterns.length === 1 ? patterns[0] : undefined;
    if (value === undefined) {
      this.remarks.add("any", spot);
      return STRING;
    }
    const key = parseTypeText(String(ownWords(keywords).key ?? "varchar"));
    if (key.kind === "invalid") return report(below(spot.cursor, OWN_KEYWORD), key.reason);
    const type = this.#part(value, spot, VALUES, "{}", "additionalProperties");
    if (type === undefined) return undefined;
    return { kind: "map", keyId: 0, key: key.type, valueId: 0, valueRequired: false, value: type };
  }

  #structType(properties: Keywords, keywords: Keywords, spot: Spot): Type | undefined {
    const { required = [] } = keywords;
    if (!Array.isArray(required)) {
      return report(below(spot.cursor, "required"), "expected a list of names");
    }
    const listed = new Set<unknown>(required);
    const fields: Field[] = [];
    for (const name of orderedNames(properties, ownWords(keywords).order)) {
      const inner = {
        ...spot,
        place: placeIn(spot.place, name),
        way: spot.way === "" ? name : `${spot.way}.${name}`,
        cursor: below(below(spot.cursor, "properties"), name),
      };
      const value = this.#value(properties[name], inner);
      if (value === undefined) return undefined;
      const isRequired = listed.has(name) && !value.isNullable;
      const isThere = listed.has(name) && value.isNullable;
      this.#take(value, inner, !isRequired, isThere ? { required: true } : {});
      if (isRequired && spot.way !== "") this.remarks.add("required", inner);
      const { column } = ownWords(value.keywords);
      if (typeof column === "string") this.#names.set(inner.place, column);
      fields.push({ id: 0, name, required: isRequired, type: value.type });
    }
    for (const name of listed) {
      if (Object.hasOwn(properties, String(name))) continue;
      const way = spot.way === "" ? String(name) : `${spot.way}.${String(name)}`;
      this.remarks.add("absent", { ...spot, way });
    }
    return { kind: "struct", fields };
  }

  #listType(keywords: Keywords, spot: Spot): Type | undefined {
    const { items = {}, prefixItems } = keywords;
    // A tuple is a list of items until 2019-09, and then has a word of its own, and `items` for what follows.
    if (Array.isArray(items)) this.remarks.add("items", spot);
    const tuple: readonly unknown[] = [prefixItems, items].find(Array.isArray) ?? [];
    const rest = isRecord(items) && "items" in keywords ? [items] : [];
    const item = tuple.length > 0 ? { anyOf: [...tuple, ...rest] } : items;
    const element = this.#part(isRecord(item) ? item : {}, spot, ITEMS, "[]", "items");
    if (element === undefined) return undefined;
    return { kind: "list", elementId: 0, elementRequired: false, element };
  }

  #part(schema: unknown, spot: Spot, step: string, sign: string, word: string): Type | undefined {
    const inner = {
      ...spot,
      place: placeIn(spot.place, step),
      way: `${spot.way}${sign}`,
      cursor: below(spot.cursor, word),
    };
    const value = this.#value(schema, inner);
    if (value === undefined) return undefined;
    this.#take(value, inner, true);
    return value.type;
  }

  /** A type that holds the values of every branch. */
  #either(found: Subschema, spot: Spot): Value | undefined {
    const values: Value[] = [];
    for (const branch of found.branches) {
      const one = this.#subschemas.branch(found, branch, spot.cursor);
      const value = one === undefined ? undefined : this.#valueOf(one, { ...spot, isBranch: true });
      if (value === undefined) return undefined;
      values.push(value);
    }
    const types = values.filter((value) => !isNullAlone(value)).map((value) => value.type);
    const type = types.length === 0 ? STRING : types.reduce(either);
    const isText = sameType(type, STRING) && !types.every((one) => sameType(one, STRING));
    this.remarks.add(isText ? "several" : "branches", spot);
    const { type: said } = found.keywords;
    const isNullable =
      found.hasNull ||
      (said === undefined
        ? values.some((value) => value.isNullable)
        : kindsIn(found.keywords).isNullable);
    const kinds = new Set<string>(values.flatMap((value) => kindsIn(value.keywords).kinds));
    const words =
      isText && kinds.size > 1
        ? { type: [...kinds, ...(isNullable ? ["null"] : [])] }
        : nullableKeywords(type, isNullable);
    return { type, isNullable, keywords: { ...found.keywords, ...words } };
  }

  /** Keeps what the type does not say by itself. */
  #take({ keywords, type }: Value, spot: Spot, mayBeNull: boolean, besides: JsonObject = {}): void {
    if (spot.isBranch) return;
    const said = nullableKeywords(type, mayBeNull);
    const kept = Object.entries(jsonOf(keywords)).filter(
      ([word, value]) =>
        value !== undefined &&
        !FOLLOWED.has(word) &&
        (!STRUCTURE.has(word) || (word === "additionalProperties" && typeof value === "boolean")) &&
        !sameJson(value, said[word]),
    );
    this.#taker.take(spot.place, notesOfKeywords({ ...Object.fromEntries(kept), ...besides }));
  }

  #remark(keywords: Keywords, type: Type, spot: Spot): void {
    for (const [word, value] of Object.entries(keywords)) {
      const isMap = type.kind === "map" && word === "patternProperties";
      if (FOLLOWED.has(word) && !(DEFINED.has(word) || isMap)) this.remarks.add(word, spot);
      if (UNCHECKED.has(word) && !spot.isBranch && !isHeld(word, value, type)) {
        this.remarks.add(word, spot);
      }
    }
  }
}

const DEFINED: ReadonlySet<string> = new Set(DEFINITIONS);
function isNullAlone({ keywords }: Value): boolean {
  return statedType(keywords) === null && kindsIn(keywords).kinds.length === 0;
}

/** Keywords of a value that may be null as well. */
function orNull(keywords: Keywords): Keywords {
  const { type, enum: values, const: one, ...others } = keywords;
  const types: readonly unknown[] = Array.isArray(type) ? type : [type];
  const all: readonly unknown[] = Array.isArray(values) ? values : "const" in keywords ? [one] : [];
  return {
    ...others,
    ...(type === undefined ? {} : { type: [...new Set([...types, "null"])] }),
    ...(all.length === 0 ? {} : { enum: [...new Set([...all, null])] }),
  };
}

/** What an export says of every table. */
function isOurs(word: string, said: unknown, names: readonly string[]): boolean {
  if (word === "$schema") return said === DIALECT;
  return word === "title" && names.some((name) => name === said);
}

/** The type that holds both; what is required is required by both. */
function either(a: Type, b: Type): Type {
  if (a.kind === "list" && b.kind === "list")
    return { ...a, element: either(a.element, b.element) };
  if (a.kind !== "struct" || b.kind !== "struct") return widen(a, b);
  const others = new Map(b.fields.map((field) => [field.name, field]));
  const names = new Set(a.fields.map(({ name }) => name));
  const fields = a.fields.map((field): Field => {
    const other = others.get(field.name);
    if (other === undefined) return { ...field, required: false };
    const required = field.required && other.required;
    return { ...field, required, type: either(field.type, other.type) };
  });
  const rest = b.fields.filter(({ name }) => !names.has(name));
  return {
    kind: "struct",
    fields: [...fields, ...rest.map((one) => ({ ...one, required: false }))],
  };
}

function orderedNames(properties: Keywords, order: Json | undefined): readonly string[] {
  const names = Object.keys(properties);
  const said = Array.isArray(order) ? order.filter((name) => typeof name === "string") : [];
  const first = said.filter((name) => Object.hasOwn(properties, name));
  return [...new Set([...first, ...names])];
}

/** Of a record's notes, those of each of its columns; its own are under `""`. */
function notesByColumn(
  notes: Readonly<Record<string, JsonObject>>,
): ReadonlyMap<string, Readonly<Record<string, JsonObject>>> {
  const found = new Map<string, Readonly<Record<string, JsonObject>>>();
  for (const [place, said] of Object.entries(notes)) {
    const [column = "", inner = ""] = /^(\/[^/]*)?(.*)$/s.exec(place)?.slice(1) ?? [];
    found.set(column, { ...found.get(column), [inner]: said });
  }
  return found;
}

/** Plain data of YAML or JSON is JSON. */
function jsonOf(data: Keywords): JsonObject {
  return data as Readonly<Record<string, Json>>; // parse: made by a reader of YAML or JSON
}
