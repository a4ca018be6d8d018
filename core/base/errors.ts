/**
 * The one error class, and the closed list of codes that a caller or a script may act on; and what a failed system call
 * means to a person.
 */

const ERROR_CODES = [
  "usage",
  "config",
  "sql",
  "not-found",
  "input",
  "expectation",
  "schema",
  "conflict",
  "locked",
  "io",
  "unsupported",
  "corrupt",
  "internal",
] as const;

/** What went wrong, by what the caller would do about it. Exit codes hang on these (cmd/exit.ts). */
export type ErrorCode = (typeof ERROR_CODES)[number];

/**
 * What a failure takes down with it, said where it happens. Absent: whatever was being worked at, a source or a model.
 * Only the lake's own failure ends the endless loop: its catalog is damaged or gone, its disk lost data, or another
 * engine has it.
 */
export type FailureScope = "file" | "source" | "lake";

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

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full: free some space; work goes on by itself once there is room",
  EDQUOT: "the disk quota is used up: free some space or ask for more",
  EROFS: "the disk is mounted read-only: mount it writable, or choose another folder",
  EACCES: "permission denied: run as the owner of the folder, or correct its mode (chmod -R u+rwX)",
  EPERM: "not permitted: run as the owner of the folder and check its attributes (lsattr)",
  EMFILE: "too many open files in this process: raise the limit (ulimit -n 65536) and start again",
  ENFILE: "too many open files on this machine: close other programs or raise fs.file-max",
  EIO: "the disk reported a failure: look at the system log (dmesg), restore from a copy if needed",
  ENOMEM: "the system is out of memory: close other programs and start again",
  EXDEV: "the lake's folder spans two disks: keep it on one",
  ENAMETOOLONG: "the name is too long for this disk: use a shorter one",
  ELOOP: "a symbolic link stands where a file is expected: put the file itself there",
  ENOTDIR: "a file stands where a folder is expected: move it away",
  EISDIR: "a folder stands where a file is expected: move it away",
  ENOENT: "it was moved or removed by another program",
};

/** Whether a value, as another process said it, is a code. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return ERROR_CODES.some((code) => code === value);
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

/** The system's error code of anything thrown, such as `ENOENT`; empty when it has none. */
export function systemCode(thrown: unknown): string {
  if (typeof thrown !== "object" || thrown === null || !("code" in thrown)) return "";
  return typeof thrown.code === "string" ? thrown.code : "";
}

/** LakeError for a failed system call: `not-found` for ENOENT, else `io`. A LakeError passes unchanged. */
export function ioError(thrown: unknown, doing: string, path: string): LakeError {
  if (thrown instanceof LakeError) return thrown;
  const code = systemCode(thrown);
  const hint = HINTS[code];
  const text = code === "" ? errorText(thrown) : code;
  return new LakeError(code === "ENOENT" ? "not-found" : "io", `cannot ${doing} ${path}: ${text}`, {
    ...(hint === undefined ? {} : { hint }),
    context: { path, system: code === "" ? "unknown" : code },
    cause: thrown,
  });
}

/** Runs a system call and words its failure. */
export async function worded<T>(doing: string, path: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (thrown) {
    throw ioError(thrown, doing, path);
  }
}
