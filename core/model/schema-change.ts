/** What a model's table does where its query gives other columns than it has: `on_schema_change`. Words are dbt's. */

import { LakeError } from "../base/errors.ts";
import { below, type Cursor, nullable, oneOf, optional, report } from "../config/shape.ts";
import { declaredTypeText } from "../config/type-text.ts";
import { type Evolution, evolveSchema, type SchemaChange } from "../table/evolution.ts";
import { PROVENANCE_COLUMNS } from "../table/system-columns.ts";
import type { Column, Table } from "../table/types.ts";
import type { Model, ModelKind, OnSchemaChange } from "./model.ts";
import { settingPlace } from "./setting-place.ts";

const WORDS = ["sync_all_columns", "append_new_columns", "fail", "ignore"] as const;
const NO_WORD: OnSchemaChange | null = null;

export const SCHEMA_CHANGE_KEYS = {
  on_schema_change: optional(
    nullable(oneOf(WORDS)),
    NO_WORD,
    "Where the query gives other columns: take them, only new ones, fail, or leave the table's. Default: take them.",
  ),
};

const KINDS: readonly ModelKind[] = [
  "append",
  "merge",
  "delete_insert",
  "insert_overwrite",
  "microbatch",
];

/** The word, or null; reports one that means nothing for the kind. */
export function onSchemaChangeFrom(
  kind: ModelKind,
  word: OnSchemaChange | null,
  cursor: Cursor,
): OnSchemaChange | null {
  if (word === null || KINDS.includes(kind)) return word;
  const hint = `it is for kinds ${KINDS.join(", ")}; this one takes what its query gives`;
  report(
    below(cursor, "on_schema_change"),
    `on_schema_change means nothing for kind ${kind}`,
    hint,
    "key",
  );
  return null;
}

export interface NextColumns {
  readonly evolution: Evolution;
  /** Columns that the query does not give are NULL, and those that the table does not have are left out. */
  readonly isLenient: boolean;
}

const LAST: ReadonlySet<string> = new Set(PROVENANCE_COLUMNS.map(({ name }) => name));

/**
 * The columns of a table that is there, after a run; one that a person asked for takes what the query gives. Throws
 * `schema` where they are to stay as they are.
 */
export function nextColumns(
  model: Model,
  table: Table,
  columns: readonly Column[],
  isAsked: boolean,
): NextColumns {
  const { onSchemaChange: word } = model;
  const { schema, lastColumnId } = table;
  const evolve = (given: readonly Column[], missing: "drop" | "keep"): Evolution =>
    evolveSchema(schema, lastColumnId, given, { missing, last: LAST });
  const synced = evolve(columns, "drop");
  if (word === null || word === "sync_all_columns" || isAsked) {
    return { evolution: synced, isLenient: false };
  }
  if (word === "append_new_columns") return { evolution: evolve(columns, "keep"), isLenient: true };
  if (word === "ignore") return { evolution: evolve(schema.fields, "keep"), isLenient: true };
  const changes = told(synced.changes);
  if (changes.length === 0) return { evolution: synced, isLenient: false };
  throw new LakeError(
    "schema",
    `the columns of ${model.name} would change: ${changesText(changes)}`,
    {
      hint: `on_schema_change: fail keeps them; take them with: tarn build ${model.name} --full`,
      place: settingPlace(model, "fail", "on_schema_change"),
      page: "T0209",
    },
  );
}

/** What comes of a query's other columns, for a plan; null where they are those of the table. */
export function columnNote(
  { onSchemaChange: word }: Model,
  table: Table,
  columns: readonly Column[],
): string | null {
  const { schema, lastColumnId } = table;
  const given = [...columns, ...schema.fields.filter(({ name }) => LAST.has(name))];
  const { changes } = evolveSchema(schema, lastColumnId, given, { missing: "drop", last: LAST });
  const all = told(changes);
  if (all.length === 0) return null;
  const text = changesText(all);
  switch (word) {
    case "fail":
      return `its run will fail: ${text}`;
    case "ignore":
      return `its columns stay as they are (${text} in the query)`;
    case "append_new_columns":
      return `columns change: ${text.replaceAll(" leaves", " is NULL")}`;
    default:
      return `columns change: ${text}`;
  }
}

function told(changes: readonly SchemaChange[]): readonly SchemaChange[] {
  return changes.filter(({ column, kind }) => kind !== "described" && !LAST.has(column));
}

function changesText(changes: readonly SchemaChange[]): string {
  return changes
    .map(({ column, kind, from, to }) => {
      if (kind === "added" && to !== null) return `${column} ${declaredTypeText(to)} comes`;
      if (kind === "dropped") return `${column} leaves`;
      if (from === null || to === null) return `${column} is another`;
      return `${column} is ${declaredTypeText(to)} and was ${declaredTypeText(from)}`;
    })
    .join(", ");
}
