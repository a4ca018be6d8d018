/** What DuckDB throws, as a LakeError with a code that a caller can act on. */

import { type ErrorCode, errorText, LakeError } from "../../core/base/errors.ts";

/** The parts of a DuckDB error. `errors_as_json` is on in every instance that we open. */
interface Parts {
  readonly type: string;
  readonly message: string;
  /** Byte offset in the UTF-8 statement; null when unknown. */
  readonly position: number | null;
  readonly subtype: string | null;
  /** Of the system call that failed; null when the engine itself found something wrong. */
  readonly errno: number | null;
}

const INVALIDATED = "database has been invalidated";

/**
 * The error as LakeError. `place` counts lines and columns of `sql` itself and its `file` is empty, for the caller
 * to fill in; `context.position` is the character offset.
 */
export function duckDBError(thrown: unknown, sql: string | null): LakeError {
  if (thrown instanceof LakeError) return thrown;
  const parts = split(errorText(thrown));
  const code = codeOf(parts);
  const position = sql === null ? null : characterOffset(sql, parts.position);
  const hint = hintOf(parts);
  return new LakeError(code, messageOf(parts, code), {
    cause: thrown,
    ...(hint === null ? {} : { hint }),
    ...(sql === null || position === null ? {} : { place: placeOf(sql, position) }),
    context: {
      engine: parts.type,
      ...(parts.subtype === null ? {} : { subtype: parts.subtype }),
      ...(position === null ? {} : { position }),
    },
  });
}

function split(text: string): Parts {
  const brace = text.indexOf("{");
  if (brace >= 0 && text.includes('"exception_type"')) {
    const parsed = parseParts(text.slice(brace));
    if (parsed !== null) return parsed;
  }
  const found = /^(?<type>[A-Za-z ]{1,40}) Error: (?<message>.*)$/s.exec(text);
  const message = (found?.groups?.message ?? text).replace(/\n\nLINE \d+:.*$/s, "");
  return {
    type: (found?.groups?.type ?? "unknown").toLowerCase(),
    message,
    position: null,
    subtype: null,
    errno: null,
  };
}

function parseParts(text: string): Parts | null {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(text) as Record<string, unknown>; // parse: DuckDB writes a flat object of texts
  } catch {
    return null;
  }
  const position = Number(fields.position ?? Number.NaN);
  const subtype = fields.error_subtype;
  const type = String(fields.exception_type ?? "unknown").toLowerCase();
  const message = String(fields.exception_message ?? text);
  const errno = Number(fields.errno ?? Number.NaN);
  return {
    type,
    message,
    position: Number.isSafeInteger(position) ? position : null,
    subtype: typeof subtype === "string" ? subtype : null,
    errno: Number.isSafeInteger(errno) ? errno : nestedErrno(type, message),
  };
}

/** A write in another thread is told of by an error within an error. */
function nestedErrno(type: string, message: string): number | null {
  const brace = type === "io" ? message.indexOf('{"exception_type"') : -1;
  return brace < 0 ? null : (parseParts(message.slice(brace))?.errno ?? null);
}

function codeOf(parts: Parts): ErrorCode {
  if (parts.message.includes(INVALIDATED)) return "internal";
  if (/unknown timezone/i.test(parts.message)) return "config";
  switch (parts.type) {
    case "io":
      return isSystems(parts) ? "io" : "corrupt";
    case "http":
    case "out of memory":
      return "io";
    case "internal":
    case "fatal":
    case "unknown":
      return "internal";
    case "not implemented":
      return "unsupported";
    default:
      return "sql";
  }
}

/**
 * Whether the system failed, and not the bytes that were read: the engine gives damaged pages the same class. A place
 * that no file can have (EINVAL, EFBIG, EOVERFLOW) is one that damaged bytes named.
 */
function isSystems({ message, errno }: Parts): boolean {
  if (/^no files found/i.test(message)) return true;
  return errno !== null && ![EINVAL, EFBIG, EOVERFLOW].includes(errno);
}

const EINVAL = 22;
const EFBIG = 27;
const EOVERFLOW = 75;

function messageOf(parts: Parts, code: ErrorCode): string {
  if (parts.message.includes(INVALIDATED)) {
    return `the SQL engine gave up: ${parts.message}`;
  }
  return code === "internal" ? `the SQL engine failed: ${parts.message}` : parts.message;
}

function hintOf(parts: Parts): string | null {
  if (/no space left on device/i.test(parts.message)) return "free disk space, then try again";
  if (parts.type === "out of memory") return "give more memory, or read fewer rows at once";
  if (parts.type === "permission")
    return "only files of the lake and of this request may be opened";
  return null;
}

function characterOffset(sql: string, bytes: number | null): number | null {
  if (bytes === null) return null;
  const encoded = new TextEncoder().encode(sql);
  if (bytes > encoded.length) return null;
  return new TextDecoder().decode(encoded.subarray(0, bytes)).length;
}

function placeOf(sql: string, position: number) {
  const before = sql.slice(0, position).split("\n");
  const word = /^(?:"(?:[^"]|"")*"|[\p{L}\p{N}_$]+)/u.exec(sql.slice(position));
  return {
    file: "",
    line: before.length,
    column: (before.at(-1) ?? "").length + 1,
    length: Math.max(1, word?.[0].length ?? 1),
  };
}
