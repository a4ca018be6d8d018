/** Where the table of a CSV file begins: below comments and lines that say what the file is. */

import { counted } from "../../../core/base/quantity.ts";
import { headerEvidence } from "./header.ts";
import type { SampleRow } from "./sample.ts";

export interface Top {
  /** Place of the table's first record among the rows. */
  readonly at: number;
  /** Why nobody can be sure of it, and what to set; null where it is sure. */
  readonly doubt: string | null;
  /** Where there is doubt, the other place that it may begin at. */
  readonly other?: number;
}

const MARKERS = /^\s*(#|;|%|!|\/\/|--)/;
/** The line that PowerShell puts above the header. */
const TYPE_LINE = /^#TYPE\s/;
/** Records that are as wide as most, among those from the table's first on: under a sure header, and a likely one. */
const AGREEING_MIN = { sure: 0.5, likely: 0.9, none: 1 };
/** Records as wide as the first one, below: then it is the others that are wrong. */
const SUPPORT_MIN = 0.25;

/** The table is what most records agree on; `known` are names that its columns have in files. */
export function tableTop(rows: readonly SampleRow[], known: readonly string[]): Top {
  const width = mainWidth(rows);
  const at = behindComments(rows, width, known);
  const first = rows[at];
  if (first === undefined || width <= 1) return { at, doubt: null };
  if (first.fields.length === width) return behindSparse(rows, at, known);
  const top = rows.findIndex((row, index) => index > at && row.fields.length === width);
  const rest = rows.slice(top).map((row) => row.fields);
  const asFirst = rest.filter((fields) => fields.length === first.fields.length).length;
  const closed = rest.filter((fields) =>
    fields.slice(first.fields.length).every((field) => field === null),
  );
  const isClosed = closed.length >= rest.length * AGREEING_MIN.likely;
  if (isClosed || isNamed(rows.slice(at), known) || asFirst >= rest.length * SUPPORT_MIN) {
    return { at, doubt: null };
  }
  if (isTableBelow(rows, at, top, width, known)) return { at: top, doubt: null };
  return rest.filter((fields) => fields.length === width).length < 2
    ? { at, doubt: null }
    : { at, doubt: doubtOf(first, rows[top]) };
}

/**
 * Spreadsheets fill lines above the table up with delimiters: they are as wide as it, with few fields that hold
 * anything.
 */
function behindSparse(rows: readonly SampleRow[], at: number, known: readonly string[]): Top {
  const width = rows[at]?.fields.length ?? 0;
  const top = rows.findIndex((row, index) => index >= at && filledOf(row) * 2 > width);
  const named = rows[top];
  if (top <= at || named === undefined || isNamed(rows.slice(at), known))
    return { at, doubt: null };
  const rest = rows.slice(top).filter((row) => row.fields.length === width);
  const evidence = headerEvidence(
    rest.map((row) => row.fields),
    known,
  );
  if (evidence === "sure") return { at: top, doubt: null };
  const above = rows.slice(at, top).map(filledOf);
  // A title, and a line without anything below it.
  if (evidence === "likely" && above.at(-1) === 0 && above.every((filled) => filled <= 1)) {
    return { at: top, doubt: null };
  }
  const isSparse = above.every((filled) => filled * 2 < width);
  if (evidence === "none" || !isSparse || rest.length < 2) return { at, doubt: null };
  const [first = 0, below = 0] = [rows[at]?.line, named.line].map((line) => (line ?? 0) + 1);
  const compared = `line ${first} is nearly empty and line ${below} is not`;
  return { at, doubt: `${compared}: ${whatToSet(named.line)}`, other: top };
}

function filledOf({ fields }: SampleRow): number {
  return fields.filter((field) => (field ?? "").trim() !== "").length;
}

function doubtOf(first: SampleRow, top: SampleRow | undefined): string {
  const found = counted(first.fields.length, "field");
  const width = top?.fields.length ?? 0;
  const compared = `line ${first.line + 1} has ${found} and most lines below have ${width}`;
  return `${compared}: ${whatToSet(top?.line ?? 0)}`;
}

/** `line` is where the table may begin, from 0. */
function whatToSet(line: number): string {
  return (
    `if the header stands further down, set header_row: ${line + 1}; if it is this line, header: true; ` +
    `if there is none, skip: ${line} and header: false`
  );
}

function isNamed(rows: readonly SampleRow[], known: readonly string[]): boolean {
  const first = rows[0];
  return (
    known.length > 0 && first !== undefined && headerEvidence([first.fields], known) === "sure"
  );
}

/** What stands above is narrower, and the first record as wide as the others names them. */
function isTableBelow(
  rows: readonly SampleRow[],
  from: number,
  top: number,
  width: number,
  known: readonly string[],
): boolean {
  const rest = rows.slice(top).map((row) => row.fields);
  const above = rows.slice(from, top);
  const agreeing = rest.filter((fields) => fields.length === width);
  if (above.some((row) => row.fields.length > width)) return false;
  const evidence = headerEvidence(agreeing, known);
  if (agreeing.length < rest.length * AGREEING_MIN[evidence]) return false;
  if (evidence === "sure") return true;
  const isLoose = above.every((row) => row.fields.length === 1);
  return evidence === "likely" && isLoose && rows[top]?.isApart === true;
}

/** The first row that is no comment; a header may begin with the mark of one. */
function behindComments(
  rows: readonly SampleRow[],
  width: number,
  known: readonly string[],
): number {
  const mark = MARKERS.exec(rows[0]?.text ?? "")?.[1];
  if (mark === undefined) return 0;
  const end = rows.findIndex(({ text }) => MARKERS.exec(text)?.[1] !== mark);
  const last = rows[end - 1];
  if (end < 1 || last === undefined) return 0;
  if (TYPE_LINE.test(last.text) || last.fields.length !== width) return end;
  const evidence = headerEvidence(
    rows.slice(end).map((row) => row.fields),
    known,
  );
  const isSentence = new RegExp(`^\\s*${escaped(mark)}\\s`).test(last.text);
  const isComment = evidence === "sure" || (isSentence && evidence === "likely");
  return isComment ? end : end - 1;
}

function escaped(mark: string): string {
  return mark.replace(/[^\w]/g, "\\$&");
}

/** The number of fields that most records have; of several such numbers the greatest. */
export function mainWidth(rows: readonly SampleRow[]): number {
  const counts = Map.groupBy(rows, (row) => row.fields.length);
  const [width] = [...counts].sort((a, b) => b[1].length - a[1].length || b[0] - a[0])[0] ?? [];
  return width ?? 1;
}
