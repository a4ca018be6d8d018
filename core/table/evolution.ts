/** Schema evolution: field ids for new columns, promotions in place, and new ids for what changes type. */

import { awaited, isPromotion, STRING, sameType } from "./type-text.ts";
import type { Column, Field, FieldId, PrimitiveName, Schema, Type } from "./types.ts";

/** Types that a value only gets where it is written as they print it. */
const PRINT_BACK: ReadonlySet<PrimitiveName> = new Set(["boolean", "int", "long", "date"]);

/** What became of one column. */
export interface SchemaChange {
  readonly column: string;
  readonly kind: "added" | "promoted" | "retyped" | "dropped" | "nested" | "relaxed" | "described";
  readonly from: Type | null;
  readonly to: Type | null;
}

export interface Evolution {
  readonly schema: Schema;
  readonly lastColumnId: FieldId;
  readonly changes: readonly SchemaChange[];
  /** Columns that kept their name but have a new id: earlier rows must be rewritten to keep their values. */
  readonly retyped: readonly { readonly name: string; readonly from: Field; readonly to: Field }[];
}

export interface EvolveOptions {
  /** Columns of the schema that the new list lacks: kept (sources) or dropped (models rebuilt whole). */
  readonly missing: "keep" | "drop";
  /** Columns that always stand at the end, such as the system columns. */
  readonly last: ReadonlySet<string>;
  /**
   * Columns with places without any value so far, by their type from before, whose placeholders say where: a new type
   * gives such a place a new id, and nothing is rewritten where all that stands there is NULL.
   */
  readonly filled?: ReadonlyMap<string, Type>;
  /** Required columns that stay so while they come; absent leaves every column as it is. */
  readonly required?: ReadonlySet<string>;
}

/** A new schema with fresh ids: top-level columns first, then nested ones. Java's assignFreshIds. */
export function freshSchema(columns: readonly Column[], required: ReadonlySet<string>): Schema {
  const ids = new IdSource(columns.length);
  const fields = columns.map((column, index) => ({
    id: index + 1,
    name: column.name,
    required: required.has(column.name),
    type: withFreshIds(column.type, ids),
    ...docOf(column),
  }));
  return { schemaId: 0, fields };
}

/** The highest field id of a schema, nested ones included. */
export function highestId(schema: Schema): FieldId {
  let highest = 0;
  const visit = (type: Type): void => {
    if (type.kind === "struct") for (const field of type.fields) visitField(field);
    if (type.kind === "list") {
      highest = Math.max(highest, type.elementId);
      visit(type.element);
    }
    if (type.kind === "map") {
      highest = Math.max(highest, type.keyId, type.valueId);
      visit(type.key);
      visit(type.value);
    }
  };
  const visitField = (field: Field): void => {
    highest = Math.max(highest, field.id);
    visit(field.type);
  };
  for (const field of schema.fields) visitField(field);
  return highest;
}

/**
 * The schema after `columns` is what the table should hold. Names are compared exactly. Ids are never
 * reused: new ones start above `lastColumnId`. Iceberg spec, "Schema Evolution".
 */
export function evolveSchema(
  current: Schema,
  lastColumnId: FieldId,
  columns: readonly Column[],
  options: EvolveOptions,
): Evolution {
  const ids = new IdSource(lastColumnId);
  const changes: SchemaChange[] = [];
  const retyped: { name: string; from: Field; to: Field }[] = [];
  const wantedByName = new Map(columns.map((column) => [column.name, column]));
  const fields: Field[] = [];
  for (const field of current.fields) {
    const wanted = wantedByName.get(field.name);
    if (wanted === undefined) {
      // A required column that no longer comes would refuse every row: it is relaxed.
      if (options.missing === "keep") fields.push(relaxed(field, field.required, changes));
      else changes.push({ column: field.name, kind: "dropped", from: field.type, to: null });
      continue;
    }
    const before = options.filled?.get(field.name) ?? field.type;
    const next = described(evolveField(field, wanted, ids, changes, before), wanted, changes);
    if (next.id !== field.id && awaited(before) !== "value") {
      retyped.push({ name: field.name, from: field, to: next });
    }
    const mayBeNull = options.required?.has(field.name) === false;
    fields.push(relaxed(next, next.required && mayBeNull, changes));
  }
  const known = new Set(current.fields.map((field) => field.name));
  for (const column of columns) {
    if (known.has(column.name)) continue;
    fields.push(newField(column, ids));
    changes.push({ column: column.name, kind: "added", from: null, to: column.type });
  }
  const ordered = [
    ...fields.filter((field) => !options.last.has(field.name)),
    ...fields.filter((field) => options.last.has(field.name)),
  ];
  return {
    schema: { ...current, fields: ordered },
    lastColumnId: ids.last,
    changes,
    retyped,
  };
}

function evolveField(
  field: Field,
  wanted: Column,
  ids: IdSource,
  changes: SchemaChange[],
  before: Type,
): Field {
  if (sameType(field.type, wanted.type)) return field;
  if (isPromotion(field.type, wanted.type)) {
    changes.push({ column: field.name, kind: "promoted", from: field.type, to: wanted.type });
    return { ...field, type: wanted.type };
  }
  const merged = mergeNested(field.type, wanted.type, ids, before);
  // Parts in another order, or fewer of them, ask for nothing new.
  if (merged !== null && sameType(merged, field.type)) return field;
  if (merged !== null) {
    changes.push({ column: field.name, kind: "nested", from: field.type, to: merged });
    return { ...field, type: merged };
  }
  changes.push({ column: field.name, kind: "retyped", from: field.type, to: wanted.type });
  return { ...newField(wanted, ids), required: false };
}

function relaxed(field: Field, now: boolean, changes: SchemaChange[]): Field {
  if (!now) return field;
  changes.push({ column: field.name, kind: "relaxed", from: field.type, to: field.type });
  return { ...field, required: false };
}

/**
 * Struct, list and map types grown in place; null when a part would need another type. A field in which only NULL was
 * seen gives way to one of another id.
 */
function mergeNested(from: Type, to: Type, ids: IdSource, before: Type): Type | null {
  if (sameType(from, to)) return from;
  if (isPromotion(from, to)) return to;
  if (from.kind === "list" && to.kind === "list") {
    const known = before.kind === "list" ? before.element : from.element;
    const element = mergeNested(from.element, to.element, ids, known);
    return element === null ? null : { ...from, element };
  }
  if (from.kind === "map" && to.kind === "map") {
    const known = before.kind === "map" ? before.value : from.value;
    const value = mergeNested(from.value, to.value, ids, known);
    return value === null || !sameType(from.key, to.key) ? null : { ...from, value };
  }
  if (from.kind !== "struct" || to.kind !== "struct") return null;
  const fields: Field[] = [];
  const toByName = new Map(to.fields.map((field) => [field.name, field]));
  const beforeByName = new Map(
    before.kind === "struct" ? before.fields.map((field) => [field.name, field.type]) : [],
  );
  for (const field of from.fields) {
    const wanted = toByName.get(field.name);
    if (wanted === undefined) {
      fields.push(field);
      continue;
    }
    const known = beforeByName.get(field.name) ?? field.type;
    const type = mergeNested(field.type, wanted.type, ids, known);
    if (type !== null) fields.push({ ...field, type });
    else if (awaited(known) === "value") fields.push(newField(wanted, ids));
    else return null;
  }
  const known = new Set(from.fields.map((field) => field.name));
  for (const field of to.fields) if (!known.has(field.name)) fields.push(newField(field, ids));
  return { kind: "struct", fields };
}

/** With the docs that are wanted; what nobody wants a doc for keeps the one that it has. */
function described(field: Field, wanted: Column, changes: SchemaChange[]): Field {
  const next = withDocs(field, wanted);
  if (next !== field) {
    changes.push({ column: field.name, kind: "described", from: field.type, to: field.type });
  }
  return next;
}

function withDocs(field: Field, wanted: Column): Field {
  const type = typeWithDocs(field.type, wanted.type);
  const isSame = wanted.doc === undefined || wanted.doc === field.doc;
  if (isSame) return type === field.type ? field : { ...field, type };
  return { ...field, type, doc: wanted.doc };
}

function typeWithDocs(type: Type, wanted: Type): Type {
  if (type.kind === "list" && wanted.kind === "list") {
    const element = typeWithDocs(type.element, wanted.element);
    return element === type.element ? type : { ...type, element };
  }
  if (type.kind !== "struct" || wanted.kind !== "struct") return type;
  const wantedByName = new Map(wanted.fields.map((field) => [field.name, field]));
  const fields = type.fields.map((field) => {
    const one = wantedByName.get(field.name);
    return one === undefined ? field : withDocs(field, one);
  });
  return fields.every((field, index) => field === type.fields[index]) ? type : { ...type, fields };
}

function docOf({ doc }: Column): { readonly doc?: string } {
  return doc === undefined ? {} : { doc };
}

function newField(column: Column, ids: IdSource): Field {
  const id = ids.next();
  const type = withFreshIds(column.type, ids);
  return { id, name: column.name, required: false, type, ...docOf(column) };
}

function withFreshIds(type: Type, ids: IdSource): Type {
  if (type.kind === "struct") {
    const fields = type.fields.map((field) => ({ ...field, id: ids.next() }));
    return {
      kind: "struct",
      fields: fields.map((field) => ({ ...field, type: withFreshIds(field.type, ids) })),
    };
  }
  if (type.kind === "list") {
    const elementId = ids.next();
    return { ...type, elementId, element: withFreshIds(type.element, ids) };
  }
  if (type.kind === "map") {
    const keyId = ids.next();
    const valueId = ids.next();
    const key = withFreshIds(type.key, ids);
    return { ...type, keyId, valueId, key, value: withFreshIds(type.value, ids) };
  }
  return type;
}

class IdSource {
  #last: FieldId;

  constructor(last: FieldId) {
    this.#last = last;
  }

  get last(): FieldId {
    return this.#last;
  }

  next(): FieldId {
    this.#last += 1;
    return this.#last;
  }
}

/**
 * Columns that became text, and whose earlier values may have been written otherwise in their files than their type
 * prints them: `1.5` in a decimal(18, 2). docs/decisions/0007.
 */
export function retoldColumns(retyped: Evolution["retyped"]): string[] {
  return retyped
    .filter(({ from, to }) => sameType(to.type, STRING) && !printsBack(from.type))
    .map(({ name }) => name);
}

function printsBack(type: Type): boolean {
  return type.kind === "primitive" && PRINT_BACK.has(type.name);
}
