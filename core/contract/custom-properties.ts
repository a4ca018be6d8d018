/** Custom properties of a document by which what only a lake knows of a column stays with it. */

import { isJsonObject, type Json, type JsonObject } from "../base/json.ts";
import { type Place, placesOf, withPlaces } from "../table/places.ts";
import type { Type } from "../table/types.ts";

/** The name of a column in the files, where the table calls it otherwise. */
const FIELD = "tarnField";
/** Places in which no value was seen yet. */
const AWAITS = "tarnAwaits";

/** What a column needs to be read back as it is. */
export interface Kept {
  /** Null: as it is called in the table. */
  readonly field: string | null;
  readonly places: readonly Place[];
}

export function keptOf(name: string, source: string, type: Type): Kept {
  return { field: name === source ? null : source, places: placesOf(type) };
}

/** Notes with these properties added. */
export function withKept(notes: JsonObject, { field, places }: Kept): JsonObject {
  const own: Json[] = [];
  if (field !== null) own.push({ property: FIELD, value: field });
  if (places.length > 0) {
    own.push({ property: AWAITS, value: places.map(({ way, awaits }) => ({ way, awaits })) });
  }
  if (own.length === 0) return notes;
  const others = Array.isArray(notes.customProperties) ? notes.customProperties : [];
  return { ...notes, customProperties: [...others, ...own] };
}

/** Notes without them, and what they said. */
export function withoutKept(notes: JsonObject): {
  readonly notes: JsonObject;
  readonly kept: Kept;
} {
  const { customProperties, ...rest } = notes;
  if (!Array.isArray(customProperties)) return { notes, kept: { field: null, places: [] } };
  const saidBy = (name: string): Json =>
    customProperties.filter(isJsonObject).find(({ property }) => property === name)?.value ?? null;
  const others = customProperties.filter(
    (one) => !isJsonObject(one) || (one.property !== FIELD && one.property !== AWAITS),
  );
  const field = saidBy(FIELD);
  return {
    notes: others.length === 0 ? rest : { ...rest, customProperties: others },
    kept: {
      field: typeof field === "string" ? field : null,
      places: placesFrom(saidBy(AWAITS)),
    },
  };
}

/** The type with its places; as it is where the document was edited and it has no such place. */
export function awaiting(type: Type, places: readonly Place[]): Type {
  return withPlaces(type, places) ?? type;
}

function placesFrom(value: Json): Place[] {
  if (!Array.isArray(value)) return [];
  return value.filter(isJsonObject).flatMap(({ way, awaits }): Place[] => {
    if (!Array.isArray(way)) return [];
    const steps = way.filter((step): step is string => typeof step === "string");
    return [{ way: steps, awaits: awaits === "object" ? "object" : "value" }];
  });
}
