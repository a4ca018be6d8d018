/** The one error class, and the closed list of codes that a caller or a script may act on. */

/** What went wrong, by what the caller would do about it. Exit codes hang on these (cmd/exit.ts). */
export type ErrorCode =
  | "usage"
  | "config"
  | "sql"
  | "not-found"
  | "input"
  | "expectation"
  | "schema"
  | "conflict"
  | "locked"
  | "io"
  | "unsupported"
  | "corrupt"
  | "internal";

/**
 * What a failure takes down with it, said where it happens. Absent: whatever was being worked at, a source or a model.
 * Only the lake's own failure ends the endless loop: its catalog is damaged or gone, its disk lost data, or another
 * engine has it.
 */
export type FailureScope = "file" | "lake";

/** Where in a text the problem is; lines and columns count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Characters to underline; 1 when unknown. */
  readonly length?: number;
}

export interface ErrorDetails {
  /** What to do next, in words that can be pasted where possible. */
  readonly hint?: string;
  readonly place?: Place;
  /** Variables of the problem, for `--json` and `--debug`; never a secret. */
  readonly context?: Readonly<Record<string, string | number | bigint>>;
  readonly cause?: unknown;
  readonly scope?: FailureScope;
  /** The page of `tarn explain`, such as `T0203`; the code's own page when absent. */
  readonly page?: string;
}

/** A failure a person or a script can act on: code, message, hint, context, cause. */
export class LakeError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | null;
  readonly place: Place | null;
  readonly context: Readonly<Record<string, string | number | bigint>>;
  readonly page: string | null;
  readonly scope: FailureScope | null;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "LakeError";
    this.code = code;
    this.hint = details.hint ?? null;
    this.place = details.place ?? null;
    this.context = details.context ?? {};
    this.page = details.page ?? null;
    this.scope = details.scope ?? null;
  }
}

/** The text of anything that was thrown, without its stack. */
export function errorText(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** A failure that the lake itself survives. Throws on the lake's own, and on what is no LakeError: a bug. */
export function withinLake(thrown: unknown): LakeError {
  if (thrown instanceof LakeError && thrown.scope !== "lake") return thrown;
  throw thrown;
}
