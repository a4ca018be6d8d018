/** Distrust towards a worker that has read foreign files: its answer has the right shape and stays in its batch. */

import { LakeError } from "../../core/base/errors.ts";
import type {
  Analysis,
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
  StagedFile,
  Written,
} from "../../core/engine.ts";
import type { Probed } from "./probe.ts";

/** Throws LakeError `internal` when a value is not what it should be; `at` names the place in the answer. */
type Check = (value: unknown, at: string) => void;

export function checkProbed(value: unknown): Probed {
  object({ version: text })(value, "probed");
  return value as Probed; // parse: checked field by field above
}

export function checkInspected(value: unknown, request: InspectRequest): Inspected {
  object({
    files: list(
      object({
        name: text,
        dialect,
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
  })(value, "decoded");
  const decoded = value as Decoded; // parse: checked field by field above
  checkNames(decoded.files, request.files);
  checkStaged([decoded.data, decoded.rejects], request.staging);
  return decoded;
}

export function checkAnalysis(value: unknown): Analysis {
  object({
    tables: list(
      object({
        name: text,
        at: nullable(object({ unit: text, value: text })),
        offset: nullable(count),
      }),
    ),
    notIncremental: list(text),
    drivers: list(text),
    notDeterministic: list(text),
    clock: list(text),
    outputs: list(text),
    columns: object({ words: list(text), unnamed: flag }),
  })(value, "analysis");
  return value as Analysis; // parse: checked field by field above
}

export function checkDescribed(value: unknown): Described {
  object({ columns: list(column) })(value, "described");
  return value as Described; // parse: checked field by field above
}

export function checkMaterialized(value: unknown, request: MaterializeRequest): Materialized {
  object({
    data: written,
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
    stop: nullable(text),
  })(value, "materialized");
  const materialized = value as Materialized; // parse: checked field by field above
  checkStaged([materialized.data, materialized.rejects], request.staging);
  const files = request.mode.kind === "rows" ? [] : request.mode.target.files;
  const targets = new Set(files.map((file) => file.file.path));
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

export function checkRowTexts(value: unknown): RowTexts {
  object({ header: nullable(text), texts: record(text) })(value, "row texts");
  return value as RowTexts; // parse: checked field by field above
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
  for (const { path } of files) {
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

const text: Check = (value, at) => expect(typeof value === "string", at, "text");
const flag: Check = (value, at) => expect(typeof value === "boolean", at, "a boolean");
const big: Check = (value, at) => expect(typeof value === "bigint" && value >= 0n, at, "a count");
const count: Check = (value, at) =>
  expect(Number.isSafeInteger(value) && Number(value) >= 0, at, "a count");
const type: Check = (value, at) => object({ kind: text })(value, at);
const reason: Check = (value, at) =>
  expect(value === "unreadable" || value === "limit", at, "a reason");
const fault = object({ reason, message: text });
const textEnd = object({
  size: count,
  byte: count,
  line: count,
  rows: count,
  isQuoted: flag,
  unit: count,
});
const column = object({ name: text, type });
const observed = object({ name: text, type, unseen: flag, first: optional(text) });
const dialect = object({
  format: text,
  encoding: text,
  compression: text,
  delimiter: nullable(text),
  quote: nullable(text),
  header: flag,
  escapeMark: nullable(text),
  comment: nullable(text),
  padded: flag,
  closing: count,
  skip: count,
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

function object(fields: Readonly<Record<string, Check>>): Check {
  return (value, at) => {
    const checked = asRecord(value, at);
    for (const [name, check] of Object.entries(fields)) check(checked[name], `${at}.${name}`);
  };
}

function record(item: Check): Check {
  return (value, at) => {
    for (const [name, field] of Object.entries(asRecord(value, at))) item(field, `${at}.${name}`);
  };
}

function list(item: Check): Check {
  return (value, at) => {
    if (!Array.isArray(value)) throw wrong(at, "a list");
    for (const [index, entry] of value.entries()) item(entry, `${at}[${index}]`);
  };
}

function nullable(check: Check): Check {
  return (value, at) => {
    if (value !== null) check(value, at);
  };
}

function optional(check: Check): Check {
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
