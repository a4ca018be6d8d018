/**
 * What makes a table of a feed: which of its rows say what of which key, in what order they count, and what of them
 * is kept. The rows are changes (`kind: cdc`, as Lakeflow's AUTO CDC) or full loads (`kind: snapshot`, as dbt's).
 * semantics.md, 5.1 and 5.3.
 */

import { LakeError } from "../base/errors.ts";
import { saidOfChanges } from "../ingest/feed.ts";
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
  /** The rows are full loads and not changes, which follow from what each load has and lacks; null: changes. */
  readonly loads: FullLoads | null;
}

export interface FullLoads {
  /** Null: a version begins where a tracked column changes; else where this column is greater than it was. */
  readonly updatedAt: string | null;
  /** What becomes of a key that a load does not have: its version ends, goes on, or is followed by one that says so. */
  readonly hardDeletes: "invalidate" | "ignore" | "new_record";
}

/** True for versions that say that their key was gone; only with `hard_deletes: new_record`. */
export const DELETED_COLUMN: Column = {
  name: "__IS_DELETED",
  type: { kind: "primitive", name: "boolean" },
};

/** Half-open interval of a version, in values of the sequence; the version that holds has no end. */
export const START_COLUMN = "__START_AT";
export const END_COLUMN = "__END_AT";

/** Where a drop stands among those that landed: what tells loads apart where nothing else is said to. */
export const LOAD_COLUMNS: readonly string[] = ["_ingested_at", "_batch", "_source_file"];

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
  const isSaid = saidOfChanges(columns.map(({ name }) => name));
  const kept = columns.filter(({ name }) => {
    if (isAmong(name, key) || isAmong(name, [cdc.loads?.updatedAt ?? ""])) return true;
    if (cdc.columns !== null) return isAmong(name, cdc.columns);
    // What a feed says of a change is not what the row holds.
    return !isAmong(name, cdc.except) && !isSaid(name);
  });
  if (cdc.scd === 1) return { events: columns, table: kept, sequence };
  const marks = cdc.loads?.hardDeletes === "new_record" ? [DELETED_COLUMN] : [];
  const reserved = [START_COLUMN, END_COLUMN, ...marks.map(({ name }) => name)];
  const taken = kept.find(({ name }) => isAmong(name, reserved));
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
  const [only] = cdc.loads === null ? sequence : momentOf(cdc.loads, columns, sequence);
  const isOne = cdc.loads !== null || sequence.length === 1;
  const type =
    isOne && only !== undefined
      ? only.type
      : {
          kind: "struct" as const,
          fields: sequence.map((part, index) => ({ ...part, id: index + 1, required: false })),
        };
  const interval = [START_COLUMN, END_COLUMN].map((name) => ({ name, type }));
  return { events: columns, table: [...kept, ...interval, ...marks], sequence };
}

/** Columns of the table whose change begins a version. */
export function trackedColumns(
  cdc: Cdc,
  key: readonly string[],
  schema: Schema,
): readonly string[] {
  const places = PROVENANCE_COLUMNS.map(({ name }) => name);
  const own = [...key, START_COLUMN, END_COLUMN, DELETED_COLUMN.name, ...places];
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
    ...(dropSequence(cdc) === null ? sequenceBy : []).map((sql) => {
      return { name: cdc.loads === null ? "sequence_by" : "load_by", sql };
    }),
    ...(deleteWhen === null ? [] : [{ name: "apply_as_delete", sql: deleteWhen }]),
    ...(truncateWhen === null ? [] : [{ name: "apply_as_truncate", sql: truncateWhen }]),
  ];
}

/** The sequence of loads that only their drops tell apart; null where expressions do, which are to be described. */
export function dropSequence({ sequenceBy }: Pick<Cdc, "sequenceBy">): readonly Column[] | null {
  if (sequenceBy !== LOAD_COLUMNS) return null;
  return LOAD_COLUMNS.flatMap((name) => PROVENANCE_COLUMNS.filter((one) => one.name === name));
}

/** Throws `config` for loads that nothing tells apart: rows do not carry the drop that they came in. */
export function refuseUntold(model: string, isFollowed: boolean, cdc: Cdc): void {
  if (isFollowed || dropSequence(cdc) === null) return;
  throw new LakeError("config", `${model}: its rows do not say which load they are of`, {
    hint: "read one table of drops by filters and projections only, or name what tells loads apart: load_by: as_of",
    context: { model },
  });
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

/** What says when a version of a load begins: the column by which it does, or the first that tells loads apart. */
function momentOf(
  { updatedAt }: FullLoads,
  columns: readonly Column[],
  sequence: readonly Column[],
): readonly Column[] {
  if (updatedAt === null) return sequence;
  return columns.filter(({ name }) => isAmong(name, [updatedAt]));
}
