/**
 * Names by which columns are found in files that have no field ids: those that were written before they were of the
 * table. Iceberg spec, "Column Projection" and "Name Mapping Serialization".
 */

import { type Json, stringifyJson } from "../../core/base/json.ts";
import type { Field, NamedField, Schema, Type } from "../../core/table/types.ts";
import { parseNameMapping } from "./schema.ts";

/**
 * The mapping with every column of the schema in it, by its name of now; names of before stay. Null where a name of now
 * is that of another column in files that are there.
 */
export function extendedMapping(
  text: string | undefined,
  schema: Schema,
): { readonly text: string; readonly names: readonly NamedField[] } | null {
  const known = parseNameMapping(text) ?? [];
  const idByName = new Map(known.map(({ name, id }) => [name, id]));
  for (const { name, id } of schema.fields) {
    if ((idByName.get(name) ?? id) !== id) return null;
    idByName.set(name, id);
  }
  const ids = [...new Set(idByName.values())];
  const entries = ids.map((id): Json => {
    const names = [...idByName].flatMap(([name, of]) => (of === id ? [name] : []));
    const field = schema.fields.find((one) => one.id === id);
    const inner = field === undefined ? [] : inside(field.type);
    return { "field-id": id, names, ...(inner.length === 0 ? {} : { fields: inner }) };
  });
  const names = [...idByName].map(([name, id]) => ({ name, id }));
  return { text: stringifyJson(entries), names };
}

function inside(type: Type): readonly Json[] {
  switch (type.kind) {
    case "struct":
      return type.fields.map(entryOf);
    case "list":
      return [named(type.elementId, "element", type.element)];
    case "map":
      return [named(type.keyId, "key", type.key), named(type.valueId, "value", type.value)];
    default:
      return [];
  }
}

function entryOf({ id, name, type }: Field): Json {
  return named(id, name, type);
}

function named(id: number, name: string, type: Type): Json {
  const inner = inside(type);
  return { "field-id": id, names: [name], ...(inner.length === 0 ? {} : { fields: inner }) };
}
