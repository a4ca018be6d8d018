/**
 * Results as a workbook of one sheet: numbers, days and times as Excel holds them where that is exact, else as text.
 * ECMA-376 for the parts, APPNOTE 4.3 for the zip around them.
 */

import { LakeError } from "../../core/base/errors.ts";
import type { Cell, Chunk, ResultSet, ValueType } from "../../sql/query/result.ts";
import { cellText, decimalText } from "./text.ts";
import { ZipWriter } from "./zip.ts";

/** Limits of a sheet, its header included. ECMA-376; Excel specifications and limits. */
const ROWS_MAX = 1_048_576;
const COLUMNS_MAX = 16_384;
const TEXT_CHARS_MAX = 32_767;
/** Digits of a number that Excel keeps; a longer one would be bent. */
const DIGITS_MAX = 15;

/** The day that Excel counts 1; those before it fell to the leap year that 1900 is to it. */
const EPOCH_DAYS = 25_569;
const FIRST_DAY = 61;
const LAST_DAY = 2_958_465;
const DAY_MILLIS = 86_400_000n;

const DATE_STYLE = 1;
const TIMESTAMP_STYLE = 2;

/** Writes the workbook and answers the row count. Throws `usage` for what no sheet can hold. */
export async function writeXlsx(
  result: ResultSet,
  timezone: string,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<bigint> {
  const { columns } = result;
  if (columns.length > COLUMNS_MAX) {
    throw tooMuch(`a sheet has at most ${COLUMNS_MAX} columns, this result ${columns.length}`);
  }
  const zip = new ZipWriter(write);
  for (const [name, text] of PARTS) {
    await zip.begin(name);
    await zip.write(text);
    await zip.end();
  }
  await zip.begin("xl/worksheets/sheet1.xml");
  await zip.write(`${HEAD}<worksheet xmlns="${MAIN}"><sheetData>`);
  const letters = columns.map((_, index) => columnLetters(index));
  const names = columns.map(({ name }, index) => cellAt(`${letters[index]}1`, textCell(name)));
  await zip.write(`<row r="1">${names.join("")}</row>`);
  const writers = columns.map(({ type }) => cellWriter(type, timezone));
  let rowCount = 0;
  for await (const chunk of result.chunks()) {
    if (1 + rowCount + chunk.rowCount > ROWS_MAX) {
      throw tooMuch(`a sheet has at most ${ROWS_MAX} rows, and this result more`);
    }
    await zip.write(rowsXml(chunk, letters, writers, rowCount + 2));
    rowCount += chunk.rowCount;
  }
  await zip.write("</sheetData></worksheet>");
  await zip.end();
  await zip.finish();
  return BigInt(rowCount);
}

/** The cell behind its attributes, at its place. */
function cellAt(reference: string, cell: string): string {
  return `<c r="${reference}"${cell}`;
}

/** `AB` for 27. */
function columnLetters(index: number): string {
  const rest = Math.floor(index / 26) - 1;
  return (rest < 0 ? "" : columnLetters(rest)) + String.fromCharCode(65 + (index % 26));
}

/** A cell from its attributes on: ` s="1"><v>46000</v></c>`. */
type CellXml = (cell: Exclude<Cell, null>) => string;

function rowsXml(
  chunk: Chunk,
  letters: readonly string[],
  writers: readonly CellXml[],
  firstRow: number,
): string {
  let xml = "";
  for (let row = 0; row < chunk.rowCount; row++) {
    xml += `<row r="${firstRow + row}">`;
    for (let column = 0; column < letters.length; column++) {
      const cell = chunk.columns[column]?.[row] ?? null;
      // NULL is a cell that is not there.
      if (cell === null) continue;
      xml += cellAt(`${letters[column]}${firstRow + row}`, writers[column]?.(cell) ?? "");
    }
    xml += "</row>";
  }
  return xml;
}

function cellWriter(type: ValueType, timezone: string): CellXml {
  const text = cellText(type, timezone);
  const asText: CellXml = (cell) => textCell(text(cell) ?? "");
  switch (type.kind) {
    case "boolean":
      return (cell) => ` t="b"><v>${cell === true ? 1 : 0}</v></c>`;
    case "integer":
      return (cell) => numberCell(String(cell)) ?? asText(cell);
    case "decimal":
      return (cell) =>
        (typeof cell === "bigint" ? numberCell(decimalText(cell, type.scale)) : null) ??
        asText(cell);
    case "float":
    case "double":
      // Excel keeps all binary digits of a number that it reads; it only shows fifteen.
      return (cell) =>
        typeof cell === "number" && Number.isFinite(cell) ? `><v>${cell}</v></c>` : asText(cell);
    case "date":
      return (cell) => dateCell(Number(cell)) ?? asText(cell);
    case "timestamp": {
      const perMilli = { s: null, ms: 1n, us: 1_000n, ns: 1_000_000n }[type.unit];
      // A sheet has no zones: an instant is text, with its offset.
      if (type.zoned) return asText;
      return (cell) =>
        (typeof cell === "bigint" ? timestampCell(millisOf(cell, perMilli)) : null) ?? asText(cell);
    }
    default:
      return asText;
  }
}

/** Null where Excel would round. */
function numberCell(text: string): string | null {
  const digits = text.replace(/^-?0*|\./g, "");
  return digits.length > DIGITS_MAX ? null : `><v>${text}</v></c>`;
}

function dateCell(days: number): string | null {
  const serial = days + EPOCH_DAYS;
  if (!Number.isInteger(serial) || serial < FIRST_DAY || serial > LAST_DAY) return null;
  return ` s="${DATE_STYLE}"><v>${serial}</v></c>`;
}

/** Milliseconds since 1970; null where there are parts of one. `perMilli` null: the value is in seconds. */
function millisOf(value: bigint, perMilli: bigint | null): bigint | null {
  if (perMilli === null) return value * 1_000n;
  return value % perMilli === 0n ? value / perMilli : null;
}

function timestampCell(millis: bigint | null): string | null {
  if (millis === null) return null;
  const serialMillis = millis + BigInt(EPOCH_DAYS) * DAY_MILLIS;
  if (serialMillis < BigInt(FIRST_DAY) * DAY_MILLIS) return null;
  if (serialMillis >= BigInt(LAST_DAY + 1) * DAY_MILLIS) return null;
  return ` s="${TIMESTAMP_STYLE}"><v>${Number(serialMillis) / Number(DAY_MILLIS)}</v></c>`;
}

function textCell(text: string): string {
  if (text.length > TEXT_CHARS_MAX) {
    throw tooMuch(`a cell holds ${TEXT_CHARS_MAX} characters, and a text here ${text.length}`);
  }
  return ` t="inlineStr"><is><t xml:space="preserve">${escaped(text)}</t></is></c>`;
}

const MARKUP: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

/** Characters that XML cannot have are written as spreadsheets do. ECMA-376, 22.9.2.19. */
function escaped(text: string): string {
  return text
    .replace(/_(?=x[0-9A-Fa-f]{4}_)/g, "_x005F_")
    .replace(/[&<>]/g, (char) => MARKUP[char] ?? char)
    .replace(UNPRINTABLE, (char) => {
      return `_x${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}_`;
    });
}

/** All that XML 1.0 has no character for, and the carriage return, which it would make a line feed. */
const UNPRINTABLE = /[^\t\n -\uFFFD]/g;

function tooMuch(message: string): LakeError {
  return new LakeError("usage", message, { hint: "write it to a .csv or .parquet file" });
}

const HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';
const MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships";
const OF_DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml";

const PARTS: readonly (readonly [name: string, text: string])[] = [
  [
    "[Content_Types].xml",
    `${HEAD}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
      `<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
      `<Override PartName="/xl/workbook.xml" ContentType="${TYPE}.sheet.main+xml"/>` +
      `<Override PartName="/xl/worksheets/sheet1.xml" ContentType="${TYPE}.worksheet+xml"/>` +
      `<Override PartName="/xl/styles.xml" ContentType="${TYPE}.styles+xml"/></Types>`,
  ],
  [
    "_rels/.rels",
    `${HEAD}<Relationships xmlns="${RELATIONS}"><Relationship Id="rId1" ` +
      `Type="${OF_DOCUMENT}/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
  ],
  [
    "xl/workbook.xml",
    `${HEAD}<workbook xmlns="${MAIN}" xmlns:r="${OF_DOCUMENT}"><sheets>` +
      `<sheet name="result" sheetId="1" r:id="rId1"/></sheets></workbook>`,
  ],
  [
    "xl/_rels/workbook.xml.rels",
    `${HEAD}<Relationships xmlns="${RELATIONS}">` +
      `<Relationship Id="rId1" Type="${OF_DOCUMENT}/worksheet" Target="worksheets/sheet1.xml"/>` +
      `<Relationship Id="rId2" Type="${OF_DOCUMENT}/styles" Target="styles.xml"/></Relationships>`,
  ],
  [
    "xl/styles.xml",
    `${HEAD}<styleSheet xmlns="${MAIN}">` +
      `<numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/>` +
      `<numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss.000"/></numFmts>` +
      `<fonts count="1"><font/></fonts><fills count="2"><fill><patternFill patternType="none"/></fill>` +
      `<fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border/></borders>` +
      `<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="3"><xf/>` +
      `<xf numFmtId="164" applyNumberFormat="1"/><xf numFmtId="165" applyNumberFormat="1"/></cellXfs>` +
      `</styleSheet>`,
  ],
];
