/** The leaves of a type in a Parquet file: what of it has values of its own. */

import type { Type } from "../../../core/table/types.ts";
import { PartColumn } from "./column-part.ts";
import type { PageForm } from "./pages.ts";

/** Where a value stands: the level of a null in its place, and in how many lists it is. */
export interface Level {
  readonly definition: number;
  readonly repetition: number;
}

export const TOP: Level = { definition: 0, repetition: 0 };

/** A list may be missing, be empty, and have an item that is missing or there. */
export function itemLevel({ definition, repetition }: Level): Level {
  return { definition: definition + 2, repetition: repetition + 1 };
}

export function fieldLevel({ definition, repetition }: Level): Level {
  return { definition: definition + 1, repetition };
}

/** In the order in which they stand in the type. */
export function leavesOf(type: Type, form: PageForm, level: Level = TOP): readonly PartColumn[] {
  if (type.kind === "struct") {
    return type.fields.flatMap((field) => leavesOf(field.type, form, fieldLevel(level)));
  }
  if (type.kind === "list") return leavesOf(type.element, form, itemLevel(level));
  return [leafOf(type, form, level)];
}

export function leafOf(type: Type, form: PageForm, { definition, repetition }: Level): PartColumn {
  return new PartColumn(type, form, {
    definitionMax: definition + 1,
    repetitionMax: repetition,
  });
}
