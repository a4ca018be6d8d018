/** Who is asked: a port over databases and addresses, that answers keys in their order. */

import { LakeError } from "../../core/base/errors.ts";

/** A key as texts, in the order of its columns. */
export type KeyTexts = readonly string[];

export interface Answer {
  readonly kind: "found" | "not_found" | "error";
  /** In the order of the columns, as texts; null is NULL. */
  readonly values: readonly (string | null)[];
  readonly error: string | null;
}

export interface Oracle {
  /** An answer for each key. Throws `Passing` for what may be otherwise soon, LakeError for what will not. */
  ask(keys: readonly KeyTexts[], signal: AbortSignal): Promise<readonly Answer[]>;
  close(): Promise<void>;
}

/** What may be otherwise soon. */
export class Passing extends Error {
  readonly error: LakeError;
  /** What the server asks to be left alone for. */
  readonly afterMs: number | null;

  constructor(error: LakeError, afterMs: number | null = null) {
    super(error.message);
    this.error = error;
    this.afterMs = afterMs;
  }
}

/** A row of an answer, by lower-case names of its columns. */
export type AnswerRow = ReadonlyMap<string, string | null>;

/**
 * Rows dealt to the keys that they are of. A row of a key that nobody asked for may be that of any key without one,
 * spelled otherwise: those are in error, and not without an answer.
 */
export function dealt(
  rows: readonly AnswerRow[],
  keys: readonly KeyTexts[],
  names: { readonly keys: readonly string[]; readonly columns: readonly string[] },
): readonly Answer[] {
  const rowsByKey = new Map<string, AnswerRow[]>(keys.map((key) => [keyText(key), []]));
  let stray: string | null = null;
  for (const row of rows) {
    const texts = names.keys.map((name) => row.get(name.toLowerCase()) ?? null);
    const given = texts.filter((text) => text !== null);
    const own = rowsByKey.get(keyText(given));
    if (given.length < texts.length) {
      stray ??= `an answer has a row without ${names.keys[texts.indexOf(null)]}, of the key`;
    } else if (own === undefined) {
      stray ??= `an answer has a row of ${given.join(", ")}, which nobody asked for`;
    } else own.push(row);
  }
  return keys.map((key) => {
    const own = rowsByKey.get(keyText(key)) ?? [];
    if (own.length === 0 && stray !== null) return { kind: "error", values: [], error: stray };
    return answerOf(own, names.columns);
  });
}

/** One key has one row. */
export function answerOf(rows: readonly AnswerRow[], columns: readonly string[]): Answer {
  const [row, ...others] = rows;
  if (row === undefined) return { kind: "not_found", values: [], error: null };
  if (others.length > 0) {
    const error = `there are ${rows.length} rows of it, and an answer is one`;
    return { kind: "error", values: [], error };
  }
  const absent = columns.find((name) => !row.has(name.toLowerCase()));
  if (absent !== undefined) {
    const error = `${lacks(absent, "columns:")}; it has ${[...row.keys()].join(", ")}`;
    return { kind: "error", values: [], error };
  }
  const values = columns.map((name) => row.get(name.toLowerCase()) ?? null);
  return { kind: "found", values, error: null };
}

/** Throws `config` for a column that an answer is to have and has in no row. */
export function checkColumns(
  given: readonly string[],
  names: { readonly keys: readonly string[]; readonly columns: readonly string[] },
): void {
  const known = new Set(given.map((name) => name.toLowerCase()));
  for (const [wanted, what] of [
    [names.keys, "the key"],
    [names.columns, "columns:"],
  ] as const) {
    const absent = wanted.find((name) => !known.has(name.toLowerCase()));
    if (absent === undefined) continue;
    throw new LakeError("config", lacks(absent, what), { hint: `it has ${given.join(", ")}` });
  }
}

function lacks(name: string, what: string): string {
  return `the answer has no ${name}, which ${what} names`;
}

function keyText(key: KeyTexts): string {
  return JSON.stringify(key);
}
