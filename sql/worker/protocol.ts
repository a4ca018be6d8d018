/**
 * What the engine and a worker say to each other: length-prefixed JSON that keeps bigint, bytes and maps; and
 * distrust towards a worker that has read foreign files: its answer has the right shape and stays in its batch.
 */

import {
  type ErrorCode,
  errorText,
  ioError,
  LakeError,
  type Place,
  systemCode,
} from "../../core/base/errors.ts";
import type {
  AsidePage,
  Decoded,
  DecodeRequest,
  Described,
  Diff,
  Inspected,
  InspectRequest,
  Materialized,
  MaterializeRequest,
  RewriteRequest,
  RewrittenFiles,
  RowTexts,
  RowTextsRequest,
  StagedFile,
  Written,
} from "../../core/engine.ts";
import { WORKER_MESSAGE_BYTES_MAX } from "../../core/limits.ts";
import type { CompactedFiles, CompactRequest } from "../../core/table/compaction.ts";
import { everyFile, fileKey } from "../../core/table/live.ts";
import type { Probed } from "./probe.ts";

/**
 * `foreign` reads other people's files once and dies; `warm` works on our own files until idle; `segments` does too, on
 * what this program sealed of streams.
 */
export type WorkerMode = "foreign" | "warm" | "segments";

export type ToWorker =
  | {
      readonly kind: "start";
      readonly mode: WorkerMode;
      /** What a warm instance may open besides what a request asks for. */
      readonly folders: readonly string[];
      /** Private to this worker; removed by the engine after its death. */
      readonly tempFolder: string;
      /** What a request may ask for: an instance is opened with them at once, as it cannot get more later. */
      readonly threads: number;
    }
  | {
      readonly kind: "request";
      readonly id: number;
      readonly operation: string;
      readonly request: unknown;
      /** Resident bytes at which the watchdog kills; DuckDB gets half. */
      readonly shareBytes: number;
    };

export type FromWorker =
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly error: ErrorMessage }
  | { readonly kind: "progress"; readonly id: number; readonly file: string }
  | { readonly kind: "result"; readonly id: number; readonly value: unknown }
  | { readonly kind: "error"; readonly id: number; readonly error: ErrorMessage };

export interface ErrorMessage {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | null;
  readonly place: Place | null;
  readonly context: Readonly<Record<string, string | number | bigint>>;
  readonly page: string | null;
}

const HEADER_BYTES = 4;
const MODES: ReadonlySet<unknown> = new Set(["foreign", "warm", "segments"] satisfies WorkerMode[]);
const CODES: ReadonlySet<string> = new Set([
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
] satisfies ErrorCode[]);

/** A message as one frame. Throws LakeError `unsupported` for one that is too large. */
export function encodeFrame(message: ToWorker | FromWorker): Uint8Array {
  const text = JSON.stringify(pack(message));
  const frame = Buffer.allocUnsafe(HEADER_BYTES + Buffer.byteLength(text));
  const length = frame.length - HEADER_BYTES;
  if (length > WORKER_MESSAGE_BYTES_MAX) {
    throw new LakeError("unsupported", `a request of ${length} bytes is too large for a worker`, {
      hint: "read fewer files at once",
    });
  }
  frame.writeUInt32BE(length, 0);
  frame.write(text, HEADER_BYTES);
  return frame;
}

/** Cuts a byte stream into messages, unchecked. */
export class FrameReader {
  #chunks: Uint8Array[] = [];
  #size = 0;

  /** The messages that are complete with this chunk. Throws LakeError `corrupt` for what is no frame. */
  push(chunk: Uint8Array): unknown[] {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    const messages: unknown[] = [];
    for (let message = this.#take(); message !== null; message = this.#take()) {
      messages.push(message.value);
    }
    return messages;
  }

  #take(): { readonly value: unknown } | null {
    if (this.#size < HEADER_BYTES) return null;
    const first = this.#chunks[0];
    if (first === undefined || first.length < HEADER_BYTES) this.#join();
    const header = this.#chunks[0] ?? new Uint8Array(HEADER_BYTES);
    const length = new DataView(header.buffer, header.byteOffset).getUint32(0);
    if (length > WORKER_MESSAGE_BYTES_MAX) throw nonsense(`a frame of ${length} bytes`);
    if (this.#size < HEADER_BYTES + length) return null;
    const bytes = this.#join();
    const rest = bytes.subarray(HEADER_BYTES + length);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#size = rest.length;
    try {
      const text = new TextDecoder().decode(bytes.subarray(HEADER_BYTES, HEADER_BYTES + length));
      return { value: unpack(JSON.parse(text)) };
    } catch (thrown) {
      throw nonsense(errorText(thrown));
    }
  }

  #join(): Uint8Array {
    const bytes = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
    this.#chunks = bytes === undefined ? [] : [bytes];
    return bytes ?? new Uint8Array();
  }
}

/** Checks the outside of a message from a worker; what is in a result is checked by its request. */
export function checkFromWorker(value: unknown): FromWorker {
  if (!isRecord(value)) throw nonsense("no object");
  const { kind, id, file, error } = value;
  const numbered = typeof id === "number";
  if (
    kind === "ready" ||
    (kind === "failed" && isErrorMessage(error)) ||
    (numbered && kind === "progress" && typeof file === "string") ||
    (numbered && kind === "result" && "value" in value) ||
    (numbered && kind === "error" && isErrorMessage(error))
  ) {
    return value as unknown as FromWorker; // parse: each kind's fields were just looked at
  }
  throw nonsense(`kind ${String(kind)}`);
}

/** Checks the outside of a message to a worker. */
export function checkToWorker(value: unknown): ToWorker {
  if (!isRecord(value)) throw nonsense("no object");
  const { kind, mode, folders, tempFolder, threads, id, operation, shareBytes } = value;
  const isStart =
    kind === "start" &&
    MODES.has(mode) &&
    Array.isArray(folders) &&
    folders.every((folder) => typeof folder === "string") &&
    typeof tempFolder === "string" &&
    typeof threads === "number";
  const isRequest =
    kind === "request" &&
    typeof id === "number" &&
    typeof operation === "string" &&
    typeof shareBytes === "number" &&
    "request" in value;
  if (isStart || isRequest) return value as unknown as ToWorker; // parse: fields were just looked at
  throw nonsense(`kind ${String(kind)}`);
}

/** Anything thrown, as it travels. A cause stays behind. A failed system call is never the fault of the file read. */
export function toErrorMessage(thrown: unknown): ErrorMessage {
  if (thrown instanceof LakeError) {
    const { code, message, hint, place, context, page } = thrown;
    return { code, message, hint, place, context, page };
  }
  const call = systemCall(thrown);
  if (call !== null) return toErrorMessage(ioError(thrown, call.name, call.path));
  const message = errorText(thrown);
  return { code: "internal", message, hint: null, place: null, context: {}, page: null };
}

export function fromErrorMessage(
  error: ErrorMessage,
  context: Readonly<Record<string, string | number | bigint>> = {},
): LakeError {
  return new LakeError(error.code, error.message, {
    ...(error.hint === null ? {} : { hint: error.hint }),
    ...(error.place === null ? {} : { place: error.place }),
    ...(error.page === null ? {} : { page: error.page }),
    context: { ...error.context, ...context },
  });
}

/** JSON has no bigint, bytes, map, NaN: each is an object whose one key is `$` and a letter. */
function pack(value: unknown): unknown {
  switch (typeof value) {
    case "bigint":
      return { $n: value.toString() };
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : { $f: Object.is(value, -0) ? "-0" : String(value) };
    case "object":
      return value === null ? null : packObject(value);
    default:
      return value;
  }
}

function packObject(value: object): unknown {
  if (Array.isArray(value)) return value.map(pack);
  if (value instanceof Uint8Array) return { $b: Buffer.from(value).toString("base64") };
  if (value instanceof Map) {
    return { $m: Array.from(value, ([key, item]) => [pack(key), pack(item)]) };
  }
  const entries = Object.entries(value);
  const packed = Object.fromEntries(entries.map(([key, item]) => [key, pack(item)]));
  return isTagged(packed) ? { $o: packed } : packed;
}

function unpack(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(unpack);
  if (!isTagged(value)) return unpackFields(value);
  const [tag, content] = Object.entries(value)[0] ?? [];
  if (tag === "$o" && isRecord(content)) return unpackFields(content);
  if (tag === "$m" && Array.isArray(content)) {
    return new Map(content.map(([key, item]) => [unpack(key), unpack(item)]));
  }
  if (typeof content !== "string") throw nonsense(`tag ${tag}`);
  if (tag === "$n") return BigInt(content);
  if (tag === "$f") return Number(content);
  if (tag === "$b") return new Uint8Array(Buffer.from(content, "base64"));
  throw nonsense(`tag ${tag}`);
}

function unpackFields(value: object): object {
  const entries = Object.entries(value);
  return Object.fromEntries(entries.map(([key, item]) => [key, unpack(item)]));
}

function isTagged(value: object): boolean {
  const keys = Object.keys(value);
  return keys.length === 1 && /^\$[a-z]$/.test(keys[0] ?? "");
}

function isErrorMessage(value: unknown): value is ErrorMessage {
  if (!isRecord(value)) return false;
  const { code, message, hint, place, context, page } = value;
  return (
    CODES.has(String(code)) &&
    typeof message === "string" &&
    (hint === null || typeof hint === "string") &&
    (place === null || (isRecord(place) && typeof place.line === "number")) &&
    (page === null || typeof page === "string") &&
    isRecord(context)
  );
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function nonsense(what: string): LakeError {
  return new LakeError("internal", `a message between engine and worker is broken: ${what}`, {
    hint: "report this",
  });
}

/** The failed system call of an error of node:fs. */
function systemCall(thrown: unknown): { readonly name: string; readonly path: string } | null {
  if (systemCode(thrown) === "" || !(thrown instanceof Error)) return null;
  const { syscall, path }: NodeJS.ErrnoException = thrown;
  return syscall === undefined ? null : { name: syscall, path: path ?? "a file" };
}

/** Throws LakeError `internal` when a value is not what it should be; `at` names the place in the answer. */
/** Throws LakeError `internal`, which names the place, for a value that is not as it must be. */
export type Check = (value: unknown, at: string) => void;

export function checkProbed(value: unknown): Probed {
  object({ version: text })(value, "probed");
  return value as Probed; // parse: checked field by field above
}

export function checkInspected(value: unknown, request: InspectRequest): Inspected {
  object({
    files: list(
      object({
        name: text,
        dialect: nullable(dialect),
        columns: list(observed),
        guessed: flag,
        fault: nullable(fault),
      }),
    ),
  })(value, "inspected");
  const inspected = value as Inspected; // parse: checked field by field above
  checkNames(inspected.files, request.files);
  return inspected;
}

export function checkDecoded(value: unknown, request: DecodeRequest): Decoded {
  object({
    files: list(
      object({
        name: text,
        dialect: nullable(dialect),
        rowsIn: count,
        rowsLanded: count,
        rowsQuarantined: count,
        unread: optional(text),
        fault: nullable(fault),
        misfits: list(observed),
        end: optional(nullable(textEnd)),
        rejected: optional(list(text)),
      }),
    ),
    data: written,
    rejects: nullable(written),
    examples: list(
      object({ file: text, position: text, reason: text, column: nullable(text), raw: text }),
    ),
    values: optional(record(count)),
  })(value, "decoded");
  const decoded = value as Decoded; // parse: checked field by field above
  checkNames(decoded.files, request.files);
  checkStaged([decoded.data, decoded.rejects], request.staging);
  return decoded;
}

export function checkDescribed(value: unknown): Described {
  object({ columns: list(column) })(value, "described");
  return value as Described; // parse: checked field by field above
}

export function checkMaterialized(value: unknown, request: MaterializeRequest): Materialized {
  object({
    data: written,
    deletes: written,
    replaced: list(text),
    rejects: nullable(written),
    rejectsReplaced: list(text),
    rowsIn: big,
    rowsInserted: big,
    rowsUpdated: big,
    rowsDeleted: big,
    rowsDropped: big,
    rowsQuarantined: big,
    tests: list(object({ name: text, status: text, rows: big, action: text })),
    sequence: nullable(list(text)),
    stop: nullable(text),
    note: nullable(text),
    retreat: nullable(text),
    closed: optional(nullable(closed)),
  })(value, "materialized");
  const materialized = value as Materialized; // parse: checked field by field above
  const { data, deletes: marks, rejects } = materialized;
  checkStaged([data, marks, rejects, materialized.closed?.late ?? null], request.staging);
  const { mode } = request;
  const targets = new Set(mode.kind === "rows" ? [] : everyFile(mode.target).map(fileKey));
  for (const path of materialized.replaced) {
    if (!targets.has(path)) throw wrong(`replaced file ${path}`, "a file of the target");
  }
  const aside = new Set(request.rejectTarget?.files.map((file) => file.file.path));
  for (const path of materialized.rejectsReplaced) {
    if (!aside.has(path)) throw wrong(`replaced file ${path}`, "a file of the quarantine");
  }
  return materialized;
}

export function checkRewritten(value: unknown, request: RewriteRequest): RewrittenFiles {
  written(value, "rewritten");
  object({ replaced: list(text), rowsLeftOut: big })(value, "rewritten");
  const result = value as RewrittenFiles; // parse: checked field by field above
  checkStaged([result], request.staging);
  const asked = new Set(request.paths);
  for (const path of result.replaced) {
    if (!asked.has(path)) throw wrong(`replaced file ${path}`, "a file to rewrite");
  }
  return result;
}

export function checkCompacted(value: unknown, request: CompactRequest): CompactedFiles {
  written(value, "compacted");
  object({ marks: written, replaced: list(text), rowsLeftOut: big })(value, "compacted");
  const result = value as CompactedFiles; // parse: checked field by field above
  checkStaged([result, result.marks], request.staging);
  const asked = new Set([...request.groups.flat(), ...request.scan.deletes.map(fileKey)]);
  for (const path of result.replaced) {
    if (!asked.has(path)) throw wrong(`replaced file ${path}`, "a file to compact");
  }
  return result;
}

export function checkAsidePage(value: unknown): AsidePage {
  const row = object({
    id: text,
    source: text,
    file: text,
    position: text,
    line: count,
    column: nullable(text),
    reason: text,
    message: text,
    raw: nullable(text),
    batch: text,
  });
  object({ rows: list(row), isLast: flag })(value, "rows set aside");
  return value as AsidePage; // parse: checked field by field above
}

export function checkRowTexts(value: unknown, request: RowTextsRequest): RowTexts {
  const file = object({ name: text, texts: record(text), unset: record(text) });
  object({ files: list(file) })(value, "row texts");
  const found = value as RowTexts; // parse: checked field by field above
  checkNames(found.files, request.files);
  return found;
}

export function checkDiff(value: unknown): Diff {
  const cell = object({ column: text, before: nullable(text), after: nullable(text) });
  object({
    added: big,
    removed: big,
    changed: big,
    sample: list(object({ change: text, key: record(nullable(text)), values: list(cell) })),
  })(value, "diff");
  return value as Diff; // parse: checked field by field above
}

/** Every file is a plain name path below `folder`: no `..`, no other folder. */
function checkStaged(results: readonly (Written | null)[], folder: string): void {
  const files: readonly StagedFile[] = results.flatMap((result) => result?.files ?? []);
  const prefix = folder.endsWith("/") ? folder : `${folder}/`;
  for (const { path, vector } of files) {
    const isPlaced =
      typeof vector?.blob?.offset === "bigint" && typeof vector.dataFile === "string";
    if (vector !== undefined && !isPlaced) throw wrong(`staged file ${path}`, "a deletion vector");
    const inside = path.startsWith(prefix) ? path.slice(prefix.length).split("/") : [];
    const plain = inside.every((part) => part !== "" && part !== "." && part !== "..");
    if (inside.length === 0 || !plain || path.includes("\0")) {
      throw wrong(`staged file ${path}`, `a file below ${folder}`);
    }
  }
}

function checkNames(
  files: readonly { readonly name: string }[],
  asked: readonly { readonly name: string }[],
): void {
  const names = new Set(asked.map((file) => file.name));
  for (const { name } of files) {
    if (!names.delete(name)) throw wrong(`file ${name}`, "each of the request's files, once");
  }
}

export const text: Check = (value, at) => expect(typeof value === "string", at, "text");
export const flag: Check = (value, at) => expect(typeof value === "boolean", at, "a boolean");
const big: Check = (value, at) => expect(typeof value === "bigint" && value >= 0n, at, "a count");
export const count: Check = (value, at) =>
  expect(Number.isSafeInteger(value) && Number(value) >= 0, at, "a count");
const type: Check = (value, at) => object({ kind: text })(value, at);
const reason: Check = (value, at) =>
  expect(["unreadable", "limit", "folder", "stranger"].includes(String(value)), at, "a reason");
const fault = object({ reason, message: text });
const textEnd = object({
  size: count,
  byte: count,
  line: count,
  lines: count,
  rows: count,
  aside: count,
  isQuoted: flag,
  unit: count,
  head: optional(text),
});
const column = object({ name: text, type });
const mixedPlace = object({ way: list(text), type, values: count, misfits: count, shown: text });
const observed = object({
  name: text,
  type,
  unseen: flag,
  first: optional(text),
  isFigures: optional(flag),
  looks: optional(text),
  values: optional(count),
  mixed: optional(list(mixedPlace)),
});
const dialect = object({
  format: text,
  encoding: text,
  compression: text,
  delimiter: nullable(text),
  quote: nullable(text),
  header: nullable(flag),
  escapeMark: nullable(text),
  comment: nullable(text),
  padded: flag,
  closing: count,
  mended: nullable(count),
  ...{ skip: count, strays: optional(flag), fills: optional(flag), units: optional(flag) },
  jsonLayout: nullable(text),
});
const partitionValue: Check = (value, at) =>
  expect(
    value === null ||
      value instanceof Uint8Array ||
      ["boolean", "number", "bigint", "string"].includes(typeof value),
    at,
    "a partition value",
  );
const staged = object({ path: text, rows: big, sizeBytes: big, partition: list(partitionValue) });
const written = object({ files: list(staged), rows: big });
const micros: Check = (value, at) => expect(typeof value === "bigint", at, "a time");
const closed = object({
  us: nullable(micros),
  inputs: list(
    object({
      table: text,
      seenUs: nullable(micros),
      futureRows: big,
      furthestUs: nullable(micros),
    }),
  ),
  lateRows: big,
  lateReplaced: flag,
  late: written,
});

export function object(fields: Readonly<Record<string, Check>>): Check {
  return (value, at) => {
    const checked = asRecord(value, at);
    for (const [name, check] of Object.entries(fields)) check(checked[name], `${at}.${name}`);
  };
}

export function record(item: Check): Check {
  return (value, at) => {
    for (const [name, field] of Object.entries(asRecord(value, at))) item(field, `${at}.${name}`);
  };
}

export function list(item: Check): Check {
  return (value, at) => {
    if (!Array.isArray(value)) throw wrong(at, "a list");
    for (const [index, entry] of value.entries()) item(entry, `${at}[${index}]`);
  };
}

export function nullable(check: Check): Check {
  return (value, at) => {
    if (value !== null) check(value, at);
  };
}

export function optional(check: Check): Check {
  return (value, at) => {
    if (value !== undefined) check(value, at);
  };
}

function asRecord(value: unknown, at: string): Readonly<Record<string, unknown>> {
  const plain = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!plain) throw wrong(at, "an object");
  return value as Readonly<Record<string, unknown>>; // parse: a plain object, by the line above
}

function expect(holds: boolean, at: string, expected: string): void {
  if (!holds) throw wrong(at, expected);
}

function wrong(at: string, expected: string): LakeError {
  return new LakeError("internal", `a worker's answer is not valid: ${at} is not ${expected}`, {
    hint: "report this; nothing of the answer was used",
  });
}
