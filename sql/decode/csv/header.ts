/**
 * Whether the first record of a table names its columns, judged by the records below it, and the names of one that is
 * not written as they are: with an empty field too many, a quote that has no end, or another delimiter. A row of units
 * below it, such as `,°C,m/s`, is told by cells that are nothing but units or empty.
 */

import type { PrimitiveName, Type } from "../../../core/table/types.ts";
import { textFits } from "../lossless/text-fit.ts";
import { splitRecord } from "./record-text.ts";
import type { SampleShape } from "./sample.ts";

export type Cells = readonly (string | null)[];

type Kind = "boolean" | "number" | "date" | "timestamp" | "time" | "text";

/** By the first type that a text is exactly a value of. */
const KINDS: readonly (readonly [PrimitiveName, Kind])[] = [
  ["boolean", "boolean"],
  ["double", "number"],
  ["date", "date"],
  ["timestamp", "timestamp"],
  ["timestamptz", "timestamp"],
  ["time", "time"],
];
const TYPES: readonly (readonly [Type, Kind])[] = KINDS.map(([name, kind]) => [
  { kind: "primitive", name },
  kind,
]);
/** Numbers and days as other countries write them: no names. What they are is for tarn.yaml to say. */
const WRITTEN: readonly (readonly [RegExp, Kind])[] = [
  [/^[-(]?\d{1,3}(?:[.'’ \u00a0\u202f]?\d{3})*,\d+[-)]?$/u, "number"],
  [/^[-(]?\d{1,3}(?:[,'’]\d{3})+(?:\.\d+)?[-)]?$/u, "number"],
  [/^\d{1,2}([./-])\d{1,2}\1\d{4}$/, "date"],
  [/^\d{1,2}([./-])\d{1,2}\1\d{4}[ T]\d{1,2}:\d{2}/, "timestamp"],
];
/** What stands for a missing value and is no name. */
const MISSING: ReadonlySet<string> = new Set([
  "-",
  "--",
  "?",
  ".",
  "na",
  "n/a",
  "#n/a",
  "nan",
  "null",
  "none",
  "nil",
  "\\n",
]);

/** `sure`: names stand over values of another kind, or are known; `likely`: nothing speaks against them. */
export type HeaderEvidence = "sure" | "likely" | "none";

const ROWS_MAX = 50;
const YEAR = /^(?:1[5-9]|20|21)\d\d$/;
const WHOLE = /^\d+$/;

const CODE = /^[A-Z0-9]{1,8}$/;
const CODE_ROWS_MIN = 5;
const CODE_SHARE_MIN = 0.75;
/** Names of columns have no list in them, no number of several digits after a space, no sentence. */
const NO_NAME = /[,;]|\s\d{2,}|.{61,}/u;

/** Of a header alone. */
const DELIMITERS = [",", ";", "\t", "|"];
/** Where spaces part names, some are in quotes: a title of as many words is none of those. */
const SPACE = " ";
/** Of two names each other reading finds some. */
const SPLIT_NAMES_MIN = 3;
/** Symbols of the SI and those used with it, of money, and others that instruments write; sizes (S, M, L) are none. */
const SYMBOLS = new Set(
  (
    "m g s A K mol cd Hz N Pa J W C V F Ω Wb T H lm lx Bq Gy Sv l h min d bar eV Wh VA var Ah t ha a rad sr " +
    "% ‰ ppm ppb ° °C °F K degC degF deg dB dBA dBm pH psu kn kt mph km/h rpm in ft yd mi lb oz gal psi " +
    "B kB MB GB TB KiB MiB GiB TiB bit px EUR USD GBP CHF JPY SEK NOK DKK PLN CZK CNY INR € $ £ ¥"
  ).split(" "),
);
const PREFIXED = new Set(
  "m g s A K mol Hz N Pa J W C V F Ω T H lm Bq Gy Sv l bar eV Wh VA var Ah t L".split(" "),
);
const PREFIXES = new Set("n µ μ u m c d h k M G T".split(" "));
const POWER = /(?:\^?-?[1-4]|⁻?[¹²³⁴])$/;
/** Between the parts of a unit. */
const BETWEEN = /[/·*.\s]+/;
const BRACKETS = /^(?:\[(.*)\]|\((.*)\))$/;
/** What stands where a column has no unit. */
const NO_UNIT = new Set(["", "-", "--", "[-]", "(-)", "[]", "()"]);
const UNIT_ROWS_MIN = 2;

/** The kind of a text that is no missing value. */
export function kindOf(cell: string): Kind {
  const text = cell.trim();
  const plain = TYPES.find(([type]) => textFits(type, text));
  return (plain ?? WRITTEN.find(([pattern]) => pattern.test(text)))?.[1] ?? "text";
}

/** `known` are names that the columns of the table have in files. */
export function headerEvidence(rows: readonly Cells[], known: readonly string[]): HeaderEvidence {
  const [first, ...behind] = rows;
  if (first === undefined) return "likely";
  const rest = hasUnits(rows) ? behind.slice(1) : behind;
  if (isKnown(first, known)) return "sure";
  const kinds = first.map((cell) => (cell === null || cell.trim() === "" ? null : kindOf(cell)));
  if (rest.length === 0)
    return kinds.some((kind) => kind !== "text" && kind !== null) ? "none" : "likely";
  const below = rest.filter((row) => row.length >= first.length && !isSame(row, first));
  const columns = first.map(
    (cell, index) => new ColumnBelow(cell, below.slice(0, ROWS_MAX), index),
  );
  const named = kinds.filter((kind) => kind !== null).length;
  if (named < first.length / 2 || columns.some((column) => column.isData)) return "none";
  if (columns.some((column) => column.isSureName)) return "sure";
  if (kinds.some((kind) => kind !== "text" && kind !== null)) {
    return areYears(first, columns) ? "likely" : "none";
  }
  return ofTexts(first, rest.slice(0, ROWS_MAX), columns);
}

/** Every name is known; or nearly all of several, beside new ones. */
function isKnown(first: Cells, known: readonly string[]): boolean {
  const names = first
    .map((cell) => (cell ?? "").trim().toLowerCase())
    .filter((name) => name !== "");
  const found = new Set(known.map((name) => name.trim().toLowerCase()));
  const hits = names.filter((name) => found.has(name)).length;
  if (hits === 0 || names.length < first.length / 2) return false;
  return hits === names.length || (hits >= 2 && hits > names.length / 2);
}

function isSame(row: Cells, other: Cells): boolean {
  return row.length === other.length && row.every((cell, index) => cell === other[index]);
}

/** One cell of the first record over the values below it. */
class ColumnBelow {
  readonly cell: string;
  readonly kind: Kind | null;
  /** Kinds of what stands below, most of all first. */
  readonly main: Kind | null;
  /** All below is of one kind, and no text. */
  readonly isTyped: boolean;
  readonly #values: readonly string[];

  constructor(cell: string | null, below: readonly Cells[], index: number) {
    this.cell = (cell ?? "").trim();
    this.kind = this.cell === "" ? null : kindOf(this.cell);
    this.#values = below.flatMap((row) => {
      const value = row[index] ?? null;
      return value === null || MISSING.has(value.trim().toLowerCase()) ? [] : [value.trim()];
    });
    const kinds = this.#values.map(kindOf);
    const counts = Map.groupBy(kinds, (kind) => kind);
    const most = [...counts].sort((a, b) => b[1].length - a[1].length)[0];
    this.main = most !== undefined && most[1].length * 2 > kinds.length ? most[0] : null;
    this.isTyped = counts.size === 1 && this.main !== "text";
  }

  /** It can be nothing but a value: a measure, a moment, a number that its column goes on from. */
  get isData(): boolean {
    if (this.kind === null || this.kind === "text") return false;
    if (this.kind === "date") return this.main !== "number";
    if (this.kind !== "number" || !WHOLE.test(this.cell)) return true;
    const [next, last] = this.#values.map(Number);
    const isStep = next !== undefined && last !== undefined && next !== last;
    return isStep && next - Number(this.cell) === last - next;
  }

  /** A name over values of a kind that no name is of. */
  get isSureName(): boolean {
    const isName = this.kind === "text" && !MISSING.has(this.cell.toLowerCase());
    return isName && this.isTyped;
  }

  get isLikelyName(): boolean {
    return this.kind === "text" && this.main !== null && this.main !== "text";
  }

  /** A year over values that are none. */
  get isYear(): boolean {
    return YEAR.test(this.cell) && !this.#values.some((value) => YEAR.test(value));
  }

  get isDay(): boolean {
    return this.kind === "date";
  }
}

/** Years or days as names, as in a table of figures by them, beside texts that are in no row below. */
function areYears(first: Cells, columns: readonly ColumnBelow[]): boolean {
  const typed = columns.filter(({ kind }) => kind !== null && kind !== "text");
  if (!typed.every((column) => column.isYear || column.isDay)) return false;
  const years = typed.filter((column) => column.isYear).map((column) => Number(column.cell));
  const isRun = years.every((year, index) => index === 0 || year > (years[index - 1] ?? 0));
  return isRun && (typed.length > 1 || first.length > typed.length);
}

/** Texts over texts: a name appears in no row below it, in no column. */
function ofTexts(
  first: Cells,
  below: readonly Cells[],
  columns: readonly ColumnBelow[],
): HeaderEvidence {
  if (columns.some((column) => column.isLikelyName)) return "likely";
  if (first.some((name, index) => name !== null && below.some((row) => row[index] === name))) {
    return "none";
  }
  return isRowOfCodes(first, below) ? "none" : "likely";
}

/** All text, and yet no names: a cell that no one names a column by, beside codes like those in the rows below. */
function isRowOfCodes(first: Cells, below: readonly Cells[]): boolean {
  if (below.length < CODE_ROWS_MIN) return false;
  const lengths = first.map((_, index) => codeLength(below.map((row) => row[index] ?? "")));
  const cells = first.map((cell, index) => ({ text: cell ?? "", length: lengths[index] ?? null }));
  const codes = cells.filter((cell) => cell.length !== null && cell.text !== "");
  const isAlike = codes.every((cell) => CODE.test(cell.text) && cell.text.length === cell.length);
  const isNoName = cells.some((cell) => cell.length === null && NO_NAME.test(cell.text));
  return codes.length > 0 && isAlike && isNoName;
}

/** The one length of most values of a column of codes such as `USA`; null for any other column. */
function codeLength(cells: readonly string[]): number | null {
  const filled = cells.filter((cell) => cell !== "");
  const length = filled.find((cell) => CODE.test(cell))?.length ?? 0;
  const alike = filled.filter((cell) => CODE.test(cell) && cell.length === length).length;
  return length > 0 && alike >= filled.length * CODE_SHARE_MIN ? length : null;
}

/** The names of a line that is to be the header of records of so many fields; null where they are not to be told. */
export function mendedHeader(
  line: string,
  width: number,
  shape: SampleShape,
): readonly string[] | null {
  if (shape.quote === null) return null;
  for (const fields of readings(line, shape)) {
    const names = fields.flatMap((field) => (field === null || field.trim() === "" ? [] : [field]));
    const different = new Set(names.map((name) => name.trim().toLowerCase()));
    if (names.length === width && different.size === width) return names;
  }
  return null;
}

function* readings(line: string, shape: SampleShape): Generator<Cells> {
  const records = { ...shape, closing: 0, columns: 0 };
  const fields = splitRecord(line, records);
  yield fields;
  const isCut = fields.length > 1 || line.includes(shape.delimiter);
  if (isCut) yield unquoted(splitRecord(line, { ...records, quote: null }), shape.quote);
  const isSpaced = !isCut && line.includes(`${shape.quote}${SPACE}`);
  const delimiters = isSpaced ? [...DELIMITERS, SPACE] : DELIMITERS;
  for (const delimiter of delimiters) {
    const names = splitRecord(line, { ...records, delimiter, padded: delimiter !== SPACE });
    if (names.length >= SPLIT_NAMES_MIN) yield names;
  }
}

/** Quotes around a field are those of it; one alone is a character. */
function unquoted(fields: Cells, quote: string | null): Cells {
  return fields.map((field) => {
    if (field === null || quote === null || field.length < 2) return field;
    const isQuoted = field.startsWith(quote) && field.endsWith(quote);
    return isQuoted ? field.slice(1, -1).replaceAll(quote + quote, quote) : field;
  });
}

/** Every cell is a unit, or says that there is none; one at least is one. */
export function isUnitsRow(fields: Cells): boolean {
  const cells = fields.map((field) => (field ?? "").trim()).filter((cell) => !NO_UNIT.has(cell));
  return cells.length > 0 && cells.every(isUnit);
}

/**
 * Whether the first of the rows below a header is one of units: it is as wide, and each unit stands over a column that
 * holds numbers, all of it, in two rows or more.
 */
export function hasUnits([header, first, ...below]: readonly Cells[]): boolean {
  if (header === undefined || first === undefined || first.length !== header.length) return false;
  if (!isUnitsRow(first)) return false;
  const values = below.filter((row) => !isUnitsRow(row) && !isSame(row, header));
  return first.every((cell, index) => {
    if (NO_UNIT.has((cell ?? "").trim())) return true;
    const texts = values.map((row) => (row[index] ?? "").trim());
    const said = texts.filter((text) => text !== "" && !MISSING.has(text.toLowerCase()));
    return said.length >= UNIT_ROWS_MIN && said.every((text) => kindOf(text) === "number");
  });
}

function isUnit(cell: string): boolean {
  const [, square, round] = BRACKETS.exec(cell) ?? [];
  const text = (square ?? round ?? cell).trim();
  if (SYMBOLS.has(text)) return true;
  const parts = text.split(BETWEEN);
  return (
    parts.every((part, index) => (part === "1" && index === 0) || isSymbol(part)) && text !== "1"
  );
}

function isSymbol(part: string): boolean {
  const name = part.replace(POWER, "");
  if (SYMBOLS.has(name)) return true;
  const [prefix = "", ...rest] = name;
  return PREFIXES.has(prefix) && PREFIXED.has(rest.join(""));
}
