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
