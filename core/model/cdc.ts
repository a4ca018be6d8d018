/**
 * A change feed as a table: which rows of a query are changes of which key, in what order they count, and what of them
 * is kept. Words and meaning are those of Lakeflow's AUTO CDC. semantics.md, 5.3.
 */

import { LakeError } from "../base/errors.ts";
import {
  below,
  boolean,
  type Cursor,
  integer,
  list,
  nullable,
  optional,
  report,
  text,
} from "../config/shape.ts";
import { isFeedColumn } from "../ingest/feed.ts";
import { freshSchema } from "../table/evolution.ts";
import { PROVENANCE_COLUMNS } from "../table/system-columns.ts";
import type { Column, Schema, TableName } from "../table/types.ts";

export interface Cdc {
  /** SQL over the query's columns; the greatest wins, the first expression first. Never empty. */
  readonly sequenceBy: readonly string[];
  /** Conditions over the query's columns: what the row does to its key, or to the table. Null: no row does. */
  readonly deleteWhen: string | null;
  readonly truncateWhen: string | null;
  /** A NULL leaves the value that its key had. */
  readonly ignoreNullUpdates: boolean;
  /** Columns of the table; null takes all but `except`. Keys are always among them. */
  readonly columns: readonly string[] | null;
  readonly except: readonly string[];
  /** 1: the row that each key has; 2: every version that it had, with its interval. */
  readonly scd: 1 | 2;
  /** Columns whose change begins a version; null: all but `trackExcept`. */
  readonly track: readonly string[] | null;
  readonly trackExcept: readonly string[];
}

/** Half-open interval of a version, in values of the sequence; the version that holds has no end. */
export const START_COLUMN = "__START_AT";
export const END_COLUMN = "__END_AT";

const NO_TEXTS: readonly string[] = [];
const NO_TEXT: string | null = null;
const NAMES = list(text({}));

/** Settings of `kind: cdc` in a model's front comment. */
export const CDC_KEYS = {
  keys: optional(NAMES, NO_TEXTS, "cdc: columns that name what a change is about."),
  sequence_by: optional(
    NAMES,
    NO_TEXTS,
    "cdc: columns or expressions; of the changes of a key the one with the greatest counts last.",
  ),
  apply_as_delete: optional(
    nullable(text({ examples: ["op = 'd'"] })),
    NO_TEXT,
    "cdc: a condition; such a row takes its key out of the table.",
  ),
  apply_as_truncate: optional(
    nullable(text({ examples: ["op = 't'"] })),
    NO_TEXT,
    "cdc: a condition; such a row empties the table of all that came before it. scd 1 only.",
  ),
  ignore_null_updates: optional(boolean(), false, "cdc: a NULL leaves the value that was there."),
  columns: optional(nullable(NAMES), null, "cdc: the columns to keep. Default: all."),
  except: optional(NAMES, NO_TEXTS, "cdc: the columns not to keep."),
  scd: optional(
    integer({ min: 1, max: 2 }),
    1,
    "cdc: 1 keeps the current row of each key, 2 every version, from __START_AT to __END_AT.",
  ),
  track_history: optional(
    nullable(NAMES),
    null,
    "cdc, scd 2: columns whose change begins a new version. Default: all.",
  ),
  track_history_except: optional(
    NAMES,
    NO_TEXTS,
    "cdc, scd 2: columns whose change updates the version in place.",
  ),
} as const;

const CDC_NAMES = [
  "keys",
  "sequence_by",
  "apply_as_delete",
  "apply_as_truncate",
  "ignore_null_updates",
  "columns",
  "except",
  "scd",
  "track_history",
  "track_history_except",
] as const;

/** Words of other tools for these settings, for hints. */
export const CDC_WORDS: Readonly<Record<string, string>> = {
  stored_as_scd_type: 'did you mean "scd"?',
  apply_as_deletes: 'did you mean "apply_as_delete"?',
  apply_as_truncates: 'did you mean "apply_as_truncate"?',
  column_list: 'did you mean "columns"?',
  except_column_list: 'did you mean "except"?',
  track_history_column_list: 'did you mean "track_history"?',
  track_history_except_column_list: 'did you mean "track_history_except"?',
};

export interface CdcValues {
  readonly keys: readonly string[];
  readonly sequence_by: readonly string[];
  readonly apply_as_delete: string | null;
  readonly apply_as_truncate: string | null;
  readonly ignore_null_updates: boolean;
  readonly columns: readonly string[] | null;
  readonly except: readonly string[];
  readonly scd: number;
  readonly track_history: readonly string[] | null;
  readonly track_history_except: readonly string[];
}

/** The settings together; reports those that are missing or contradict each other. */
export function cdcFrom(values: CdcValues, cursor: Cursor): Cdc {
  const scd = values.scd === 2 ? 2 : 1;
  const wrong = (key: keyof CdcValues, message: string, hint: string): undefined =>
    report(below(cursor, key), message, hint, "key");
  if (values.keys.length === 0) {
    report(
      below(cursor, "kind"),
      "a cdc model needs keys",
      "add a line such as: keys: customer_id",
    );
  }
  if (values.sequence_by.length === 0) {
    report(
      below(cursor, "kind"),
      "a cdc model needs the order of its changes",
      "add a line such as: sequence_by: [lsn, position]",
    );
  }
  if (values.columns !== null && values.except.length > 0) {
    wrong("except", "columns and except are one choice", "keep one of the two");
  }
  const key = values.except.find((name) => isAmong(name, values.keys));
  if (key !== undefined)
    wrong("except", `${key} is a key: it is always kept`, "take it off the list");
  if (scd === 2 && values.apply_as_truncate !== null) {
    const hint = "versions end by deletes; leave it out, or write scd: 1";
    wrong("apply_as_truncate", "apply_as_truncate means nothing for scd 2", hint);
  }
  for (const name of ["track_history", "track_history_except"] as const) {
    if (scd === 2 || (values[name] ?? []).length === 0) continue;
    wrong(
      name,
      `${name} means nothing for scd 1: it keeps no history`,
      "write scd: 2, or leave it out",
    );
  }
  if (values.track_history !== null && values.track_history_except.length > 0) {
    const message = "track_history and track_history_except are one choice";
    wrong("track_history_except", message, "keep one of the two");
  }
  return {
    sequenceBy: values.sequence_by,
    deleteWhen: values.apply_as_delete,
    truncateWhen: values.apply_as_truncate,
    ignoreNullUpdates: values.ignore_null_updates,
    columns: values.columns,
    except: values.except,
    scd,
    track: values.track_history,
    trackExcept: values.track_history_except,
  };
}

/** Settings of a change feed that another kind does not know. */
export function refuseCdcSettings(kind: string, values: CdcValues, cursor: Cursor): void {
  for (const name of CDC_NAMES) {
    const value = values[name];
    const isSet = Array.isArray(value) ? value.length > 0 : value !== CDC_KEYS[name].absent?.value;
    if (!isSet) continue;
    const hint =
      name === "keys" && kind === "merge"
        ? 'did you mean "key"?'
        : "write kind: cdc, or leave it out";
    report(below(cursor, name), `${name} means nothing for kind ${kind}`, hint, "key");
  }
}

/** A change feed's rows and its table, from the columns of its query and of its sequence. */
export interface CdcColumns {
  /** What the query gives of a change. */
  readonly events: readonly Column[];
  /** What the table holds. */
  readonly table: readonly Column[];
  /** One a part of the sequence: names are those of the fields of START_COLUMN where there are several. */
  readonly sequence: readonly Column[];
}

/** The columns that a table has of `columns`, of a query with such a sequence. Throws `schema` for a name taken. */
export function cdcColumns(
  model: { readonly name: TableName; readonly key: readonly string[]; readonly cdc: Cdc },
  columns: readonly Column[],
  sequence: readonly Column[],
): CdcColumns {
  const { key, cdc } = model;
  const kept = columns.filter(({ name }) => {
    if (isAmong(name, key)) return true;
    if (cdc.columns !== null) return isAmong(name, cdc.columns);
    // What a feed says of a change is not what the row holds.
    return !isAmong(name, cdc.except) && !isFeedColumn(name);
  });
  if (cdc.scd === 1) return { events: columns, table: kept, sequence };
  const taken = kept.find(({ name }) => isAmong(name, [START_COLUMN, END_COLUMN]));
  if (taken !== undefined) {
    throw new LakeError(
      "schema",
      `${model.name} gives a column ${taken.name}, a name that is kept`,
      {
        hint: `it says when a version began or ended; give it another name, or list it under except`,
        context: { model: model.name, column: taken.name },
      },
    );
  }
  const [only] = sequence;
  const type =
    sequence.length === 1 && only !== undefined
      ? only.type
      : {
          kind: "struct" as const,
          fields: sequence.map((part, index) => ({ ...part, id: index + 1, required: false })),
        };
  const interval = [START_COLUMN, END_COLUMN].map((name) => ({ name, type }));
  return { events: columns, table: [...kept, ...interval], sequence };
}

/** Columns of the table whose change begins a version. */
export function trackedColumns(
  cdc: Cdc,
  key: readonly string[],
  schema: Schema,
): readonly string[] {
  const own = [...key, START_COLUMN, END_COLUMN, ...PROVENANCE_COLUMNS.map(({ name }) => name)];
  return schema.fields
    .map(({ name }) => name)
    .filter((name) => !isAmong(name, own))
    .filter((name) =>
      cdc.track === null ? !isAmong(name, cdc.trackExcept) : isAmong(name, cdc.track),
    );
}

/** A query that gives the parts of the sequence, to be described. */
export function sequenceQuery(sql: string, { sequenceBy }: Cdc): string {
  const names = partNames(sequenceBy);
  const items = sequenceBy.map((part, index) => `(${part}\n) AS "${names[index] ?? ""}"`);
  return `SELECT ${items.join(", ")} FROM (${sql}\n)`;
}

/** The schema of rows of the feed as they are computed, with where they came from if that is followed. */
export function eventSchema(columns: readonly Column[], isFollowed: boolean): Schema {
  return freshSchema([...columns, ...(isFollowed ? PROVENANCE_COLUMNS : [])], new Set());
}

/** The expressions and conditions of a feed, each with the setting that it stands in. */
export function cdcConditions(
  cdc: Cdc,
): readonly { readonly name: string; readonly sql: string }[] {
  const { deleteWhen, truncateWhen, sequenceBy } = cdc;
  return [
    ...sequenceBy.map((sql) => ({ name: "sequence_by", sql })),
    ...(deleteWhen === null ? [] : [{ name: "apply_as_delete", sql: deleteWhen }]),
    ...(truncateWhen === null ? [] : [{ name: "apply_as_truncate", sql: truncateWhen }]),
  ];
}

/** A part that is a plain column keeps its name. */
function partNames(sequenceBy: readonly string[]): string[] {
  const seen = new Set<string>();
  return sequenceBy.map((part, index) => {
    const own = /^[A-Za-z_]\w*$/.test(part.trim()) ? part.trim() : `part_${index + 1}`;
    const name = seen.has(own.toLowerCase()) ? `part_${index + 1}` : own;
    seen.add(name.toLowerCase());
    return name;
  });
}

/** Names of columns are compared without case, as SQL does. */
function isAmong(name: string, names: readonly string[]): boolean {
  return names.some((one) => one.toLowerCase() === name.toLowerCase());
}
