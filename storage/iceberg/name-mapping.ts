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
  const names = extended(parseNameMapping(text) ?? [], schema.fields);
  return names === null ? null : { text: stringifyJson(entriesOf(names)), names };
}

/** Null as above. */
function extended(
  known: readonly NamedField[],
  fields: readonly Named[],
): readonly NamedField[] | null {
  const byName = new Map(known.map((one) => [one.name, one]));
  const insideById = new Map(known.map(({ id, inside }) => [id, inside]));
  for (const { name, id, type } of fields) {
    if ((byName.get(name)?.id ?? id) !== id) return null;
    const inside = extended(insideById.get(id) ?? [], partsOf(type));
    if (inside === null) return null;
    insideById.set(id, inside);
    byName.set(name, { name, id, inside });
  }
  return [...byName.values()].map((one) => ({ ...one, inside: insideById.get(one.id) ?? [] }));
}

type Named = Pick<Field, "id" | "name" | "type">;

function partsOf(type: Type): readonly Named[] {
  switch (type.kind) {
    case "struct":
      return type.fields;
    case "list":
      return [{ id: type.elementId, name: "element", type: type.element }];
    case "map":
      return [
        { id: type.keyId, name: "key", type: type.key },
        { id: type.valueId, name: "value", type: type.value },
      ];
    default:
      return [];
  }
}

/** One for each id, with all of its names. */
function entriesOf(names: readonly NamedField[]): readonly Json[] {
  return [...new Set(names.map(({ id }) => id))].map((id): Json => {
    const same = names.filter((one) => one.id === id);
    const inside = entriesOf(same[0]?.inside ?? []);
    const own = { "field-id": id, names: same.map(({ name }) => name) };
    return inside.length === 0 ? own : { ...own, fields: inside };
  });
}
