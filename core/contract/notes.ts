/** What a document says of columns beyond how they land: found by the place in the column, and told as their docs. */

import type { Json, JsonObject } from "../base/json.ts";
import type { ColumnNotes, ContractColumn } from "../ingest/contract.ts";
import type { Field, Type } from "../table/types.ts";

/** The place of what a list holds. */
export const ITEMS = "items";

/** The place one step further in. */
export function placeIn(place: string, step: string): string {
  return `${place}/${step.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** Collects notes by place; what says nothing is left out. */
export class NotesTaker {
  readonly #notes: Record<string, JsonObject> = {};

  take(place: string, notes: JsonObject): void {
    if (Object.keys(notes).length > 0) this.#notes[place] = notes;
  }

  /** Undefined where nothing was said. */
  get taken(): ColumnNotes | undefined {
    return Object.keys(this.#notes).length === 0 ? undefined : this.#notes;
  }
}

/** What is said of a column itself. */
export function notesOf(column: Pick<ContractColumn, "notes">, place = ""): JsonObject {
  return column.notes?.[place] ?? {};
}

/** The description of a column, in one text; null where there is none. */
export function docOf(column: Pick<ContractColumn, "notes">): string | null {
  return textOf(notesOf(column).description);
}

export function classificationOf(column: Pick<ContractColumn, "notes">): string | null {
  return textOf(notesOf(column).classification);
}

/** The type of a column with the descriptions of the fields in it. */
export function typeWithDocs({ type, notes }: Pick<ContractColumn, "type" | "notes">): Type {
  return notes === undefined ? type : documented(type, notes, "");
}

function documented(type: Type, notes: ColumnNotes, place: string): Type {
  if (type.kind === "list") {
    return { ...type, element: documented(type.element, notes, placeIn(place, ITEMS)) };
  }
  if (type.kind !== "struct") return type;
  const fields = type.fields.map((field): Field => {
    const inner = placeIn(place, field.name);
    const doc = textOf(notes[inner]?.description);
    const known = { ...field, type: documented(field.type, notes, inner) };
    return doc === null ? known : { ...known, doc };
  });
  return { ...type, fields };
}

function textOf(value: Json | undefined): string | null {
  return typeof value === "string" && value.trim() !== "" ? value.trim() : null;
}
