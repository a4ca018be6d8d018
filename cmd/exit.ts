/** How a command ends: exit codes, and errors as a person, a script or a bug report reads them. */

import { AssertionError } from "../core/base/assert.ts";
import { type ErrorCode, errorText, LakeError, type Place } from "../core/base/errors.ts";
import { type JsonObject, stringifyJson } from "../core/base/json.ts";
import { counted } from "../core/base/quantity.ts";
import { printable, type Style, wrapped } from "./render/style.ts";

/** experience.md 8.2. Scripts rely on these. */
export const EXIT = {
  ok: 0,
  /** A file, model, test or query failed; the rest was done. */
  data: 1,
  /** Wrong words or configuration; nothing was done. */
  usage: 2,
  /** Cannot reach or busy; worth another try. */
  busy: 3,
  /** Something differs; only with `--exit-code`. */
  changed: 4,
  /** A bug of ours. */
  bug: 70,
  interrupted: 130,
  terminated: 143,
} as const;

/** The page of each error code, as `tarn explain` shows it. */
export const CODE_PAGES: Readonly<Record<ErrorCode, string>> = {
  usage: "T0101",
  config: "T0106",
  sql: "T0201",
  "not-found": "T0202",
  unsupported: "T0208",
  conflict: "T0301",
  locked: "T0302",
  io: "T0303",
  input: "T0401",
  schema: "T0405",
  expectation: "T0501",
  corrupt: "T0601",
  internal: "T0701",
};

export interface ErrorPrint {
  readonly style: Style;
  /** Adds stack, context and causes. */
  readonly debug: boolean;
  /** The text of a file that a place names, or null; `""` names the statement itself. */
  readText(file: string): string | null;
  /** Columns of the terminal; null or absent where it is none. */
  readonly width?: number | null;
}

/** Problems printed in full; the rest are counted. experience.md 8.3. */
export const ERRORS_SHOWN_MAX = 3;

/** What was thrown, as a list: a use-case throws all that is wrong with a project at once. */
export function problemsOf(thrown: unknown): readonly unknown[] {
  return thrown instanceof AggregateError ? thrown.errors : [thrown];
}

/** The exit code of what was thrown. */
export function exitCodeOf(thrown: unknown): number {
  if (!(thrown instanceof LakeError)) return EXIT.bug;
  switch (thrown.code) {
    case "usage":
    case "config":
    case "unsupported":
      return EXIT.usage;
    case "sql":
    case "not-found":
    case "input":
    case "expectation":
    case "schema":
    case "corrupt":
      return EXIT.data;
    case "conflict":
    case "locked":
    case "io":
      return EXIT.busy;
    case "internal":
      return EXIT.bug;
  }
}

/** The page of an error: its own, or its code's. */
export function pageOf(error: LakeError): string {
  return error.page ?? CODE_PAGES[error.code];
}

/** One problem in the manner of rustc: sentence, place with caret, help, page. Ends in a line end. */
export function errorReport(thrown: unknown, print: ErrorPrint): string {
  const { style } = print;
  if (!(thrown instanceof LakeError)) return bugReport(thrown, print);
  const page = pageOf(thrown);
  const [headline = "", ...more] = thrown.message.split("\n");
  const lines = [`${style.bold(style.red(`error[${page}]`))}${style.bold(`: ${clean(headline)}`)}`];
  if (thrown.place !== null) lines.push(...placeLines(thrown.place, print));
  for (const line of more)
    lines.push(line.trim() === "" ? "" : `   ${style.dim("=")} ${clean(line)}`);
  if (thrown.hint !== null) {
    const [first = "", ...rest] = thrown.hint.split("\n");
    lines.push(`${style.cyan("help")}: ${clean(first)}`, ...rest.map((l) => `      ${clean(l)}`));
  }
  lines.push(style.dim(`   →  tarn explain ${page}`));
  if (print.debug) lines.push(...debugLines(thrown));
  return `${fitted(lines.filter((line) => line !== "").join("\n"), print)}\n`;
}

function fitted(text: string, { width = null }: ErrorPrint): string {
  return width === null ? text : wrapped(text, width);
}

/** Several problems: the first few in full, the others counted. */
export function errorReports(thrown: readonly unknown[], print: ErrorPrint): string {
  const shown = thrown.slice(0, ERRORS_SHOWN_MAX).map((each) => errorReport(each, print));
  const rest = thrown.length - shown.length;
  if (rest > 0) shown.push(`and ${counted(rest, "more problem")} (--json has all)\n`);
  return shown.join("\n");
}

/** The error as one JSON document in one line, without a line end. */
export function errorJson(thrown: unknown): string {
  return stringifyJson({ schema: "tarn.error/1", error: errorObject(thrown) });
}

/** The error as a JSON object, for documents that hold several. */
export function errorObject(thrown: unknown): JsonObject {
  if (!(thrown instanceof LakeError)) {
    return { code: "internal", page: CODE_PAGES.internal, message: errorText(thrown) };
  }
  const { place } = thrown;
  return {
    code: thrown.code,
    page: pageOf(thrown),
    message: thrown.message,
    ...(thrown.hint === null ? {} : { hint: thrown.hint }),
    ...(place === null ? {} : { place: placeObject(place) }),
    ...(Object.keys(thrown.context).length === 0 ? {} : { context: { ...thrown.context } }),
  };
}

function placeObject(place: Place): JsonObject {
  const { file, line, column, length = 1 } = place;
  return { file, line, column, length };
}

function bugReport(thrown: unknown, print: ErrorPrint): string {
  const kind = thrown instanceof AssertionError ? "" : "unexpected: ";
  const label = print.style.bold(print.style.red(`error[${CODE_PAGES.internal}]`));
  const lines = [
    `${label}: ${kind}${clean(errorText(thrown))}`,
    `${print.style.cyan("help")}: this is a bug in tarn, not in your data; what was committed is safe`,
    `      run the command again with --debug and report what it prints`,
  ];
  if (print.debug) lines.push(...debugLines(thrown));
  return `${fitted(lines.join("\n"), print)}\n`;
}

/** Lines around the place, with a caret under what is wrong. Long lines are cut around the caret. */
function placeLines(place: Place, print: ErrorPrint): string[] {
  const { style } = print;
  const where = place.file === "" ? "" : `${clean(place.file)}:`;
  const name = `${where}${place.line}:${place.column}`;
  const text = print.readText(place.file);
  const all = text === null ? [] : text.split(/\r?\n/);
  const line = all[place.line - 1];
  if (line === undefined) return [`  ${style.blue("-->")} ${name}`];
  const gutter = Math.max(2, String(place.line).length);
  const bar = style.blue("|");
  const numbered = (no: number, content: string) =>
    `${style.blue(String(no).padStart(gutter))} ${bar} ${content}`;
  const empty = `${" ".repeat(gutter)} ${bar}`;
  const room = (print.width ?? Number.MAX_SAFE_INTEGER) - gutter - 3;
  const chars = Math.max(20, Math.min(EXCERPT_CHARS, room));
  const start = Math.max(0, place.column - 1 - Math.min(EXCERPT_BEFORE, Math.floor(chars / 2)));
  const cut = (content: string) => clean(content.slice(start, start + chars));
  const before = clean(line.slice(start, place.column - 1));
  const marked = clean(line.slice(place.column - 1, place.column - 1 + (place.length ?? 1)));
  const width = Math.max(1, Math.min(Bun.stringWidth(marked), start + chars - place.column + 1));
  const caret = " ".repeat(Bun.stringWidth(before)) + style.bold(style.red("^".repeat(width)));
  const above = all[place.line - 2];
  return [
    `${" ".repeat(gutter)}${style.blue("-->")} ${name}`,
    empty,
    ...(above === undefined || above.trim() === "" ? [] : [numbered(place.line - 1, cut(above))]),
    numbered(place.line, cut(line)),
    `${empty} ${caret}`,
  ];
}

const EXCERPT_BEFORE = 60;
const EXCERPT_CHARS = 100;

function clean(text: string): string {
  return printable(text.replaceAll("\t", " "));
}

function debugLines(thrown: unknown): string[] {
  const lines: string[] = [];
  let current: unknown = thrown;
  for (let depth = 0; current !== undefined && current !== null && depth < 8; depth++) {
    if (depth > 0) lines.push(`caused by: ${clean(errorText(current))}`);
    if (current instanceof LakeError) {
      for (const [name, value] of Object.entries(current.context)) {
        lines.push(`  ${name} = ${clean(String(value))}`);
      }
    }
    if (!(current instanceof Error)) break;
    lines.push(...(current.stack ?? "").split("\n").slice(1).map(printable));
    current = current.cause;
  }
  return lines;
}

/** The exit code that each error code stands for, for the page that lists them. */
export function exitCodeOfCode(code: ErrorCode): number {
  return exitCodeOf(new LakeError(code, ""));
}
