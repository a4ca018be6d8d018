/**
 * Names of what generated SQL adds beside columns of a user's. They begin with a character that no keyboard writes,
 * and a table or statement that has it is refused, so that the two can never meet.
 */

import { LakeError } from "../../core/base/errors.ts";
import { quoteIdentifier } from "./quote.ts";

/** The unit separator of ASCII. */
const MARK = "\u001f";

/** A column's name as trees and results have it. */
export function ownName(word: string): string {
  return `${MARK}${word}`;
}

/** The same, quoted, as SQL text has it. */
export function ownColumn(word: string): string {
  return quoteIdentifier(ownName(word));
}

/** Throws LakeError `unsupported` when one of the names could be one of ours. */
export function refuseOwnNames(names: readonly string[], where: string): void {
  const taken = names.find((name) => name.includes(MARK));
  if (taken === undefined) return;
  throw new LakeError("unsupported", `${where} has a name with the control character U+001F`, {
    hint: `rename it: ${JSON.stringify(taken)} is kept for columns that the program adds`,
  });
}

/** Throws LakeError `sql` for a statement that could name one of ours. */
export function refuseOwnText(sql: string): void {
  if (!sql.includes(MARK)) return;
  throw new LakeError("sql", "the statement holds the control character U+001F", {
    hint: "take it out; in a text write chr(31)",
  });
}
