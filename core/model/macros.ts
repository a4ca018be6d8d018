/** Macros of a project, in DuckDB's words: they stand in the place of their calls before a query is read. */

import type { LakeError, Place } from "../base/errors.ts";

export interface MacroParam {
  readonly name: string;
  /** Type that an argument is cast to; null: as it comes. */
  readonly type: string | null;
  readonly fallback: string | null;
}

/** What a macro means for one number of arguments. */
export interface MacroForm {
  readonly params: readonly MacroParam[];
  /** On one line. */
  readonly body: string;
  /** Its result is a table: a SELECT in FROM. */
  readonly isTable: boolean;
}

export interface Macro {
  readonly name: string;
  readonly forms: readonly MacroForm[];
  /** CREATE OR REPLACE: it may stand in the place of a function of the engine. */
  readonly replaces: boolean;
  /** The statement, on one line. */
  readonly text: string;
  readonly place: Place;
}

/** By name in lower case. */
export type Macros = ReadonlyMap<string, Macro>;

export const NO_MACROS: Macros = new Map();

/** A call in a SQL text, and what stands in its place. */
export interface MacroCall {
  readonly offset: number;
  readonly length: number;
  readonly value: string;
  /** Macros that it was made of, in lower case. */
  readonly names: readonly string[];
  readonly problem: { readonly message: string; readonly hint: string } | null;
}

export interface ReadMacros {
  readonly macros: readonly Macro[];
  readonly errors: readonly LakeError[];
}
