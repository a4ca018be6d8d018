/** How the files of a source are written: the keys of tarn.yaml that say it, and the ReadOptions they make. */

import type { FileFormat, ReadOptions } from "../ingest/contract.ts";
import { ENCODING_EXAMPLES, encodingName } from "../ingest/encoding-name.ts";
import { dateParts, numbersFrom } from "../ingest/notation.ts";
import {
  below,
  boolean,
  type Cursor,
  integer,
  list,
  misfitShare,
  nullable,
  oneOf,
  optional,
  report,
  text,
  type Values,
} from "./shape.ts";

/** Settings of a source that only some formats have a use for, as they are written in tarn.yaml. */
const FORMAT_SETTINGS = [
  "delimiter",
  "quote",
  "escape",
  "comment",
  "skip",
  "encoding",
  "numbers",
  "dates",
  "sheet",
  "sheets",
  "header_row",
  "table",
  "stray_quotes",
  "short_rows",
  "units_row",
] as const;

export interface FormatDescription {
  /** What the names of its files end in, without compression, in lower case. */
  readonly endings: readonly string[];
  /** Words for it in `format:`, each with the delimiter that it says, if any; absent: its name alone. */
  readonly words?: Readonly<Record<string, string | null>>;
  /** Words that other tools have for it. */
  readonly aliases?: readonly string[];
  /** Which of the settings above mean something to it; absent: none. */
  readonly settings?: readonly (typeof FORMAT_SETTINGS)[number][];
  /** Its files are change feeds: what they hold tells what happened to rows. */
  readonly isFeed?: boolean;
}

/** By name, in the order they are listed. */
export type FileFormats = Readonly<Record<FileFormat, FormatDescription>>;

/** A word of `format:`, and what it says. */
interface FormatWord {
  readonly word: string;
  readonly format: FileFormat;
  readonly delimiter: string | null;
}

const NOTHING: string | null = null;
const NO_TEXTS: readonly string[] = [];
const NO_SHEETS: readonly string[] | null = null;

export const READING_KEYS = {
  format: formatKey({}),
  table: optional(
    nullable(text({ examples: ["public.orders"] })),
    NOTHING,
    "Of a change feed, the table whose changes are meant. Default: the only one that its events are of.",
  ),
  delimiter: optional(
    nullable(text({ check: checkDelimiter, examples: [";", "\\t"] })),
    NOTHING,
    "What separates fields in CSV: one character, or \\t. Default: found out per file.",
  ),
  quote: optional(
    nullable(
      text({ check: (value) => ([...value].length <= 1 ? null : "one character, or empty") }),
    ),
    NOTHING,
    "What quotes fields in CSV; empty for nothing. Default: found out per file.",
  ),
  encoding: optional(
    nullable(text({ check: checkEncoding, examples: ["utf-8", "utf-16le", "latin-1"] })),
    NOTHING,
    "Text encoding. Default: by byte order mark, then UTF-8.",
  ),
  header: optional(
    nullable(boolean()),
    null,
    "Whether the first row of a CSV names the columns. Default: found out per file.",
  ),
  nulls: optional(
    list(text({ examples: ["NA", "\\N"] })),
    NO_TEXTS,
    "Texts that mean NULL in CSV, besides an unquoted empty field.",
  ),
  escape: optional(
    nullable(
      text({
        check: (value) => ([...value].length === 1 ? null : "one character"),
        examples: ["\\"],
      }),
    ),
    NOTHING,
    "What makes a quote, a delimiter, a line end or itself behind it a character of the text, in CSV. " +
      "Default: nothing, quotes are doubled.",
  ),
  comment: optional(
    nullable(
      text({ check: (value) => (value === "" ? "one character or more" : null), examples: ["#"] }),
    ),
    NOTHING,
    "Lines of a CSV that begin with it are no rows. Default: such lines above the header alone.",
  ),
  skip: optional(
    nullable(integer({ min: 0, max: 1_000_000 })),
    null,
    "Lines of a CSV that stand above the table. Default: found out per file.",
  ),
  numbers: optional(
    nullable(text({ check: checkNumbers, examples: ["de", "1.234,56"] })),
    NOTHING,
    "How numbers are written in CSV: de, en, fr or ch, or 1234.56 as it is written there. Default: plainly.",
  ),
  dates: optional(
    nullable(text({ check: checkDates, examples: ["DD.MM.YYYY"] })),
    NOTHING,
    "How days are written in CSV, with or without a time behind them. Default: YYYY-MM-DD, which is always read.",
  ),
  sheet: optional(nullable(text({})), NOTHING, "Sheet of a workbook. Default: the first one."),
  sheets: optional(
    nullable(list(text({ examples: ["all", "2026-*"] }))),
    NO_SHEETS,
    "Sheets of a workbook that are read one after the other, each with its name in the column _sheet: all that are " +
      "not hidden, or names and patterns. Default: one sheet.",
  ),
  header_row: optional(
    nullable(integer({ min: 1, max: 1_048_576 })),
    null,
    "Row of a sheet, or line of a CSV, from 1, that names the columns. Default: the first row with values, or found " +
      "out per file.",
  ),
  stray_quotes: optional(
    nullable(oneOf(["read", "quarantine"], {})),
    null,
    'Rows of a CSV with a quote that is none, such as 5,"7 inch,x: read where there is one way to, with the quote as ' +
      "a character of the text, or set aside. Default: read.",
  ),
  short_rows: optional(
    nullable(oneOf(["quarantine", "fill"], {})),
    null,
    "Rows of a CSV with fewer fields than the header: set aside, or filled up with NULL at their end. " +
      "Default: quarantine.",
  ),
  units_row: optional(
    nullable(oneOf(["quarantine", "read"], {})),
    null,
    "A row of nothing but units below the header of a CSV, such as ,°C,m/s over numbers: set aside, or read as data. " +
      "Default: quarantine.",
  ),
  folders: optional(
    oneOf(["columns", "ignore"], { hive: "columns", none: "ignore" }),
    "columns",
    "Folders key=value that a file lies in: columns of its rows, or in _file alone.",
  ),
  misfits: optional(
    nullable(misfitShare()),
    null,
    "The share of a column's values that are set aside where all others are of one type. Default: as misfits says " +
      "for the project.",
  ),
};

/** What these keys said. */
export type ReadingValues = Values<typeof READING_KEYS>;

function formatWords(formats: FileFormats): FormatWord[] {
  return Object.entries(formats).flatMap(([format, { words = { [format]: null } }]) =>
    Object.entries(words).map(([word, delimiter]) => ({ word, format, delimiter })),
  );
}

/** The formats that are named by who drops files: each by its own name. */
export function formatNames(formats: FileFormats): FileFormat[] {
  return [...new Set(formatWords(formats).map(({ format }) => format))];
}

/** Words of other tools with ours. */
function formatAliases(formats: FileFormats): Record<string, FileFormat> {
  const pairs = Object.entries(formats).flatMap(([format, { aliases = [] }]) =>
    aliases.map((alias) => [alias, format] as const),
  );
  return Object.fromEntries(pairs);
}

export function formatKey(formats: FileFormats) {
  const words = formatWords(formats).map(({ word }) => word);
  return optional(
    nullable(oneOf(words, formatAliases(formats))),
    NOTHING,
    "How the files are written; those of a tool for change data capture land as a change feed. " +
      "Default: found out per file.",
  );
}

/** Reports what means nothing, and what contradicts itself. */
export function readOptions(
  given: ReadingValues,
  formats: FileFormats,
  cursor: Cursor,
): ReadOptions {
  const said = formatWords(formats).find(({ word }) => word === given.format);
  const format = said?.format ?? null;
  const settings = format === null ? FORMAT_SETTINGS : (formats[format]?.settings ?? []);
  for (const key of FORMAT_SETTINGS) {
    if (given[key] === null || settings.includes(key)) continue;
    report(below(cursor, key), `"${key}" means nothing for format ${format}`, null, "key");
  }
  if (given.table !== null && format === null) {
    const feeds = Object.keys(formats).filter((name) => formats[name]?.isFeed === true);
    const hint = `a change feed says its format (${feeds.join(", ")}); into: names the table to land in`;
    report(below(cursor, "table"), '"table" is of change feeds', hint, "key");
  }
  refuseTwoTops(given, cursor);
  if (given.sheet !== null && given.sheets !== null) {
    const hint = "sheets: takes names too: it alone says which are read";
    report(below(cursor, "sheet"), '"sheet" and "sheets" say the same', hint, "key");
  }
  return {
    format,
    delimiter: delimiterOf(given.delimiter) ?? said?.delimiter ?? null,
    quote: given.quote,
    encoding: given.encoding,
    header: given.header,
    nulls: given.nulls,
    numbers: given.numbers === null ? null : numbersFrom(given.numbers),
    dates: given.dates,
    sheet: given.sheet,
    sheets: given.sheets,
    headerRow: given.header_row,
    skip: given.skip,
    escapeMark: given.escape,
    comment: given.comment,
    names: [],
    table: given.table,
    folders: given.folders === "columns",
    ...(given.misfits === null ? {} : { misfits: given.misfits }),
    ...(given.stray_quotes === "quarantine" ? { strayQuotes: "quarantine" } : {}),
    ...(given.short_rows === "fill" ? { shortRows: "fill" } : {}),
    ...(given.units_row === "read" ? { unitsRow: "read" } : {}),
  };
}

/** One of them says where the table begins. */
function refuseTwoTops(given: ReadingValues, cursor: Cursor): void {
  if (given.header_row === null) return;
  if (given.skip !== null) {
    const hint = `header_row: ${given.header_row} alone passes over the lines above it`;
    report(below(cursor, "skip"), '"skip" and "header_row" say the same', hint, "key");
  }
  if (given.header === false) {
    report(
      below(cursor, "header"),
      "header_row names a header, and header: false none",
      null,
      "key",
    );
  }
}

function delimiterOf(text: string | null): string | null {
  return text === "\\t" || text === "tab" ? "\t" : text;
}

function checkDelimiter(value: string): string | null {
  const isOne = [...value].length === 1 || value === "\\t" || value === "tab";
  return isOne ? null : "a delimiter is one character, or \\t";
}

function checkNumbers(value: string): string | null {
  const hint = "write 1234.56 as the files do, such as 1.234,56, or de, en, fr, ch";
  return numbersFrom(value) === null ? `no way of writing numbers; ${hint}` : null;
}

function checkDates(value: string): string | null {
  const hint =
    "write DD, MM and YYYY in their order with what stands between them, such as DD.MM.YYYY";
  return dateParts(value) === null ? `no way of writing days; ${hint}` : null;
}

function checkEncoding(value: string): string | null {
  return encodingName(value) === null ? `no text encoding; write ${ENCODING_EXAMPLES}` : null;
}
