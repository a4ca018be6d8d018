/** What the text of a model says of itself, as the SQL engine reads it. */

import type { TableRef } from "../engine.ts";

/** What is asked of a model's text: its query, and the conditions on its rows, named as they are told of. */
export interface AnalyzeRequest {
  readonly sql: string;
  readonly conditions: readonly { readonly name: string; readonly sql: string }[];
}

export interface Analysis {
  readonly tables: readonly TableRef[];
  /** Why this cannot be computed from a delta of one input; empty when it can. */
  readonly notIncremental: readonly string[];
  /** Inputs that could drive an incremental run: not on the null-supplying or filtering side of anything. */
  readonly drivers: readonly string[];
  /** For each input, as `tables` names it: how a change of it comes to the output. */
  readonly followed: readonly FollowedInput[];
  /** Why a condition on its rows says more of one than the row itself does. */
  readonly beyondRows: readonly string[];
  /** Groups of rows and groups of others come to those of both, by their results alone. */
  readonly combines: boolean;
  /** Functions or clauses whose result is not determined by the input: random(), unordered limit, … */
  readonly notDeterministic: readonly string[];
  /** What reads the clock, such as `now()`: the run time, which every run has another of. */
  readonly clock: readonly string[];
  /** Names of output columns, as far as the select list writes them out. */
  readonly outputs: readonly string[];
  /** How the columns of its inputs are taken. */
  readonly columns: ColumnUse;
  /** What its query says, by parts; absent: nobody asked. */
  readonly outline?: QueryOutline;
}

/** A query by its parts, each as a digest of its syntax tree: equal ones say the same. */
export interface QueryOutline {
  /** Of the query as a whole. */
  readonly whole: string;
  /** Of what is beside the select list, by its words: `WHERE`, `WITH name`. */
  readonly parts: Readonly<Record<string, string>>;
  /** Of the select list; null for a set of queries. */
  readonly columns: readonly OutlineColumn[] | null;
  /** Names that stand beside the select list, lower case. */
  readonly words: readonly string[];
  /** `GROUP BY ALL`: what is no aggregate in the select list makes the groups. */
  readonly groupsAll: boolean;
  readonly isGrouped: boolean;
  readonly isDistinct: boolean;
  readonly isLimited: boolean;
}

export interface OutlineColumn {
  /** Empty where it is named after its text; `*` for a star. */
  readonly name: string;
  /** Without its name. */
  readonly digest: string;
  /** A column of an input under its own name. */
  readonly isPlain: boolean;
  readonly aggregates: boolean;
  /** One row may come to many, or to none. */
  readonly makesRows: boolean;
  /** It has a subquery. */
  readonly looksElsewhere: boolean;
  /** Names in it, lower case; `*` for a star. */
  readonly words: readonly string[];
}

/** How a change of one input comes to the output. */
export interface FollowedInput {
  readonly name: string;
  /**
   * Output columns, in lower case: rows of a value of them are made of the input's rows of that value, and of no
   * others.
   */
  readonly keys: readonly string[];
  /** Each of its rows makes rows of its own. */
  readonly isFree: boolean;
  /** It stands on no side of a join by which rows of others go, or are filled up with NULLs. */
  readonly isKept: boolean;
  /** The outermost query groups its rows. */
  readonly isGrouped: boolean;
  /** Why a change of it touches all rows; null where it does not. */
  readonly blocked: string | null;
}

/** Whether a column that is added to an input could change what the query says of rows that were there before. */
export interface ColumnUse {
  /** Every word by which the text could name a column, lower case. */
  readonly words: readonly string[];
  /** Some columns are taken without being named, otherwise than by a `*` of a select list. */
  readonly unnamed: boolean;
}
