/** The leaves of a type in a Parquet file: what of it has values of its own. */

import type { Type } from "../../../core/table/types.ts";
import { PartColumn } from "./column-part.ts";
import type { PageForm } from "./pages.ts";

/** A list may be missing, be empty, and have an item that is missing or there. */
const LIST_DEPTH = { definitionMax: 3, repetitionMax: 1 } as const;
const FIELD_DEPTH = { definitionMax: 2, repetitionMax: 0 } as const;

/** Structs and lists hold leaves alone. */
export function leavesOf(type: Type, form: PageForm): readonly PartColumn[] {
  if (type.kind === "struct") {
    return type.fields.map((field) => new PartColumn(field.type, form, FIELD_DEPTH));
  }
  if (type.kind === "list") return [new PartColumn(type.element, form, LIST_DEPTH)];
  return [new PartColumn(type, form)];
}
