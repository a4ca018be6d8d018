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

/** Rows dealt to the keys that they are of. Throws `input` for a row of a key that nobody asked for. */
export function dealt(
  rows: readonly AnswerRow[],
  keys: readonly KeyTexts[],
  names: { readonly keys: readonly string[]; readonly columns: readonly string[] },
): readonly Answer[] {
  const rowsByKey = new Map<string, AnswerRow[]>(keys.map((key) => [keyText(key), []]));
  for (const row of rows) {
    const texts = names.keys.map((name) => cellOf(row, name, "the key") ?? "");
    const own = rowsByKey.get(keyText(texts));
    if (own === undefined) {
      throw new LakeError(
        "input",
        `an answer has a row of ${texts.join(", ")}, which nobody asked for`,
        {
          hint: "ask for the keys as they are written there: cast the key in the query to how it is spelled",
        },
      );
    }
    own.push(row);
  }
  return keys.map((key) => answerOf(rowsByKey.get(keyText(key)) ?? [], names.columns));
}

/** One key has one row. */
export function answerOf(rows: readonly AnswerRow[], columns: readonly string[]): Answer {
  const [row, ...others] = rows;
  if (row === undefined) return { kind: "not_found", values: [], error: null };
  if (others.length > 0) {
    const error = `there are ${rows.length} rows of it, and an answer is one`;
    return { kind: "error", values: [], error };
  }
  const values = columns.map((name) => cellOf(row, name, "columns:"));
  return { kind: "found", values, error: null };
}

function cellOf(row: AnswerRow, name: string, what: string): string | null {
  const value = row.get(name.toLowerCase());
  if (value !== undefined) return value;
  throw new LakeError("config", `an answer has no ${name}, which ${what} names`, {
    hint: `it has ${[...row.keys()].join(", ")}`,
  });
}

function keyText(key: KeyTexts): string {
  return JSON.stringify(key);
}
