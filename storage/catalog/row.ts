/** Typed values of a row that SQLite answered; integers arrive as bigint. */

import { LakeError } from "../../core/base/errors.ts";
import type { Row } from "./database.ts";

export function text(row: Row, column: string): string {
  const value = textOrNull(row, column);
  return value ?? wrong(column, "text", null);
}

export function textOrNull(row: Row, column: string): string | null {
  const value = row[column];
  if (value === null || typeof value === "string") return value;
  return wrong(column, "text", value);
}

export function long(row: Row, column: string): bigint {
  const value = longOrNull(row, column);
  return value ?? wrong(column, "an integer", null);
}

export function longOrNull(row: Row, column: string): bigint | null {
  const value = row[column];
  if (value === null || typeof value === "bigint") return value;
  return wrong(column, "an integer", value);
}

/** An integer that a JavaScript number holds: counts of one file, milliseconds. */
export function int(row: Row, column: string): number {
  return Number(long(row, column));
}

export function intOrNull(row: Row, column: string): number | null {
  const value = longOrNull(row, column);
  return value === null ? null : Number(value);
}

/** One of the texts that a column may hold. */
export function oneOf<T extends string>(row: Row, column: string, choices: readonly T[]): T {
  const found = text(row, column);
  return choices.find((choice) => choice === found) ?? wrong(column, choices.join("|"), found);
}

function wrong(column: string, expected: string, found: unknown): never {
  throw new LakeError(
    "corrupt",
    `the catalog holds ${String(found)} in ${column}, not ${expected}`,
    {
      hint: "the catalog was changed by hand or by a newer version: restore it from a copy",
    },
  );
}
