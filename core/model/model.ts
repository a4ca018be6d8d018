/** A model: a SELECT with a kind, a key and what must hold of its rows. */

import type { FormatVersion } from "../table/commit.ts";
import type { TableName, Type } from "../table/types.ts";
import type { Cadence, OnFailure } from "./cadence.ts";
import type { Closing } from "./emit.ts";
import type { Cdc } from "./feed.ts";
import type { Lookup } from "./lookup.ts";
import type { Macro } from "./macros.ts";
import type { Step } from "./step.ts";
import type { Thresholds } from "./threshold.ts";
import type { Put } from "./variables.ts";
import type { Windows } from "./windows.ts";

/** The folder of a project that its models are in. */
export const MODELS_FOLDER = "models";
/** The one of what all SQL of the project may call. */
export const MACROS_FOLDER = "macros";

export const MODEL_KINDS = [
  "view",
  "ephemeral",
  "full",
  "append",
  "merge",
  "delete_insert",
  "insert_overwrite",
  "microbatch",
  "cdc",
  "snapshot",
  "exec",
  "lookup",
] as const;
export type ModelKind = (typeof MODEL_KINDS)[number];

/** True for kinds whose rows carry where they came from, where one input drives the query. */
export function isIncremental(kind: ModelKind): boolean {
  return !isInlined(kind) && !isRecomputed(kind);
}

/** True for kinds without a table, whose query stands in for their name. */
export function isInlined(kind: ModelKind): boolean {
  return kind === "view" || kind === "ephemeral";
}

/** True for kinds whose table is what the query says of all rows, whatever came when. */
export function isRecomputed(kind: ModelKind): boolean {
  return ["full", "insert_overwrite", "microbatch", "exec", "lookup"].includes(kind);
}

/** True for kinds of which newer rows of a key, one or all that came together, stand in the place of older ones. */
export function isMerged(kind: ModelKind): boolean {
  return kind === "merge" || kind === "delete_insert";
}

/** What a table does where its query gives other columns. dbt's words. */
export type OnSchemaChange = "sync_all_columns" | "append_new_columns" | "fail" | "ignore";

/** Types by the names of all columns that a table may have, in their order. */
export type Contract = ReadonlyMap<string, Type>;

/** What a violated row expectation does. Lakeflow words. */
export type ViolationAction = "warn" | "drop" | "fail" | "quarantine";

/** A condition on one row, evaluated once. semantics.md 5.2. */
export interface Expectation {
  readonly name: string;
  /** SQL condition over the model's output columns. */
  readonly sql: string;
  readonly action: ViolationAction;
  /** What a NULL result means: SQL's CHECK lets it pass. */
  readonly onNull: "pass" | "violate";
  /** The column that the setting names, where it names one and no condition. */
  readonly column?: { readonly setting: "not_null" | "accepted"; readonly name: string };
  /** How many rows are too many; absent: any. */
  readonly thresholds?: Thresholds;
}

/** A test of the project's own, with what its model gives it. */
export interface TestUse {
  /** Name of the file below tests/generic/. */
  readonly test: string;
  readonly name: string | null;
  readonly values: ReadonlyMap<string, unknown>;
  /** Null: as the test itself says. */
  readonly severity: "warn" | "fail" | null;
  readonly thresholds: Thresholds;
}

/** A condition on the staged result as a whole; decides publish or hold. */
export type SetTest =
  | {
      readonly kind: "unique";
      readonly columns: readonly string[];
      readonly severity: "warn" | "fail";
      readonly thresholds?: Thresholds;
    }
  | {
      readonly kind: "relationships";
      readonly column: string;
      readonly to: TableName;
      readonly field: string;
      readonly severity: "warn" | "fail";
      readonly thresholds?: Thresholds;
    };

/** How a model whose runs go on from its table's rows is computed where there is a table. */
export interface Increment {
  /** The query of what comes; of `whole`, of the table after it. */
  readonly sql: string;
  readonly how: "append" | "delete_insert" | "merge" | "whole";
  readonly key: readonly string[];
  /** Columns that a merge updates; none: all but those that are excluded. */
  readonly updates: readonly string[];
  readonly excluded: readonly string[];
  readonly onSchemaChange: OnSchemaChange | null;
  /** Its rows are nowhere else: it is never computed anew. */
  readonly isHistory: boolean;
}

export interface Model {
  readonly name: TableName;
  readonly kind: ModelKind;
  /** The SELECT without the front comment. */
  readonly sql: string;
  /** The whole file. */
  readonly text: string;
  /** What is kept of it: with the values of its variables. */
  readonly kept: string;
  /** Literals of the variables that it names. */
  readonly variables: ReadonlyMap<string, string>;
  /** Macros that it calls, and those that they call. */
  readonly macros: readonly Macro[];
  /** Where `sql` has what stands in the place of both. */
  readonly puts: readonly Put[];
  readonly file: string;
  /** Line of the file where `sql` starts, from 1, so that positions point into the file. */
  readonly sqlLine: number;
  readonly hash: string;
  readonly key: readonly string[];
  readonly latestBy: readonly string[];
  /** Of the newest rows of a key, a condition: where it is true the key has none; null: they all stay. */
  readonly deletedWhen: string | null;
  /** How the rows change the table; null for other kinds. */
  readonly cdc: Cdc | null;
  /** The windows of event time that its rows are computed by; null for other kinds. */
  readonly windows: Windows | null;
  /** When its windows come into the table; null: from their first row on. */
  readonly closing: Closing | null;
  /** The program that makes its rows of those of its query; null for other kinds. */
  readonly step: Step | null;
  /** What is asked of something outside for the keys of its query; null for other kinds. */
  readonly lookup: Lookup | null;
  readonly expectations: readonly Expectation[];
  readonly tests: readonly SetTest[];
  /** Tests of the project that it is held to by `tarn test`. */
  readonly uses: readonly TestUse[];
  readonly partition: readonly string[];
  /** The format of its table; null: that it has, or 2. Not part of its version. */
  readonly formatVersion: FormatVersion | null;
  /** Rows that are there stay when the model is edited: the new text is for what comes. Not part of its version. */
  readonly forwardOnly: boolean;
  /** What other columns of its query come to; null: its table takes them. */
  readonly onSchemaChange: OnSchemaChange | null;
  /** The columns that its table has, and no other; null: those that its query gives. */
  readonly contract: Contract | null;
  readonly tags: readonly string[];
  /** Whom to ask about it. */
  readonly owner: string | null;
  /** Columns that tell its rows apart, as it is said of it. */
  readonly grain: readonly string[];
  readonly description: string | null;
  /** When it takes what is new under `up`; null: at once. Not part of its version. */
  readonly cadence: Cadence | null;
  readonly onFailure: OnFailure;
  /** How it goes on from what its table holds; absent: its rows are those of its query, whenever runs were. */
  readonly increment?: Increment;
  /** The line of the file for each line of `sql`, where a template made it; absent: they go in step. */
  readonly lines?: readonly number[];
}
