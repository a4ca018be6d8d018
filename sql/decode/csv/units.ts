/** Rows of units below a header, such as `,°C,m/s`: told by cells that are nothing but units or empty. */

import { type Cells, kindOf, MISSING } from "./kinds.ts";

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
const ROWS_MIN = 2;

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
    return said.length >= ROWS_MIN && said.every((text) => kindOf(text) === "number");
  });
}

function isSame(row: Cells, header: Cells): boolean {
  return row.length === header.length && row.every((cell, index) => cell === header[index]);
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
