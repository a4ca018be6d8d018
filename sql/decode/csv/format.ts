/** CSV as a format: what a file holds, and who reads it. */

import type { DecodeRequest, ObservedColumn } from "../../../core/engine.ts";
import type { ReadOptions } from "../../../core/ingest/contract.ts";
import { NOTHING } from "../../../core/table/type-text.ts";
import type { Type } from "../../../core/table/types.ts";
import type { DuckDB } from "../../duckdb/duckdb.ts";
import { utf8Text } from "../encoding.ts";
import { firstMisfit, type Misfits, misfitsMax, shownTexts } from "../first-misfit.ts";
import { type FileTexts, type FormatReader, SMALL_BYTES } from "../format.ts";
import type { Work } from "../group.ts";
import {
  type Digits,
  type KindCount,
  type Learned,
  mostlyOf,
  TEXT_KINDS,
  TextColumn,
  type TextKind,
  textType,
} from "../lossless/narrowest-type.ts";
import type { Spelling } from "../lossless/spelling.ts";
import { textFit, textFits } from "../lossless/text-fit.ts";
import { type Prepared, UNKNOWN_LINES } from "../prepared.ts";
import { positionOf } from "../rejects.ts";
import { findName, sourceColumns } from "../target-columns.ts";
import { CsvReader, csvGroupKey } from "./csv.ts";
import { csvShape, prepareCsv } from "./prepare.ts";
import { splitRecord } from "./record-text.ts";
import { scanCsv } from "./scan.ts";
import { isStranger, readCsv } from "./sql.ts";

const SAMPLE_ROWS = 2_000;
/** Columns of one learning statement: each is a handful of expressions. */
const COLUMNS_AT_ONCE = 250;

export const FORMAT: FormatReader = {
  prepareText: prepareCsv,
  isCounted: true,
  isTyped: false,
  inspect: inspectCsv,
  inspectFirst(prepared, read) {
    const { learned } = learnCsv(prepared, read, SAMPLE_ROWS);
    // How many there are is known of the whole file alone.
    const isMixed = learned.some(({ mixed }) => mixed !== undefined);
    return isMixed ? null : observed(prepared.names, learned);
  },
  looks: async (prepared, read, columns) =>
    (await import("./looks.ts")).withLooks(prepared, read, columns),
  groupKey: csvGroupKey,
  byEngine: async ({ db, request, rejects }, first) => new CsvReader(db, request, rejects, first),
  asideAs: "csv",
  rowTexts: textsOfCsv,
  eachRecord(prepared, visit) {
    scanCsv(prepared.path, csvShape(prepared), (record) => {
      if (!record.blank && !record.isHeader) visit(record);
    });
  },
  isStranger,
  firstMisfits: firstsOfCsv,
};

async function inspectCsv(
  db: DuckDB,
  prepared: Prepared,
  read: ReadOptions,
): Promise<readonly ObservedColumn[]> {
  const names = prepared.names;
  // What the engine might read in another way is learned from every record here.
  // So is a wide one, of which no statement reads every column at once: its first rows are all.
  const isShort = prepared.lines <= SAMPLE_ROWS;
  const isSmall = prepared.sizeBytes <= SMALL_BYTES;
  const isWalked = isShort || isSmall || prepared.lines === UNKNOWN_LINES;
  const { learned, longestBytes } = learnCsv(prepared, read, isWalked ? Infinity : SAMPLE_ROWS);
  if (isWalked) return observed(prepared.names, learned);
  const work: Work = { prepared, path: prepared.path, trusted: false, longestBytes };
  const columns: Learned[] = [];
  try {
    for (let from = 0; from < names.length; from += COLUMNS_AT_ONCE) {
      const guesses = learned.slice(from, from + COLUMNS_AT_ONCE);
      columns.push(...(await verifyCsv(db, work, read, guesses, from)));
    }
  } catch (thrown) {
    // Line ends that DuckDB refuses: learned from every record here, slower and just as exact.
    if (!(thrown instanceof Error)) throw thrown;
    return observed(prepared.names, learnCsv(prepared, read, Infinity).learned);
  }
  return observed(prepared.names, columns);
}

function observed(
  names: readonly string[],
  columns: readonly (Learned & Partial<Guess>)[],
): ObservedColumn[] {
  return names.map((name, index) => {
    const { kinds: _, ...column } = columns[index] ?? { type: NOTHING, unseen: true };
    return { name, ...column };
  });
}

/** Learns from the first good records. */
function learnCsv(prepared: Prepared, read: ReadOptions, rowsMax: number) {
  const shape = csvShape(prepared);
  // Of first rows that are mostly of one type the others may be all that there are.
  const rows = rowsMax === Infinity ? Math.max(prepared.lines, prepared.file.newlines) : rowsMax;
  const max = rowsMax === Infinity ? misfitsMax(read, rows) : firstMisfitsMax(read, rows);
  const columns = Array.from(
    { length: prepared.fieldCount },
    () => new TextColumn(prepared.spelling, max),
  );
  let row = 0;
  const totals = scanCsv(prepared.path, shape, (record) => {
    if (record.blank || record.isHeader || record.fault !== null) return;
    row++;
    const text = Buffer.from(record.bytes.subarray(record.start, record.end)).toString();
    const fields = splitRecord(text, shape, read.nulls);
    for (const [index, column] of columns.entries()) {
      const value = fields[index] ?? null;
      if (value !== null) column.add(value);
    }
    return row < rowsMax;
  });
  const learned = columns.map((column): Guess => ({ ...column.learned(), kinds: column.kinds }));
  return { learned, longestBytes: totals.longestBytes };
}

/** Whether most of the first rows are of a type is enough to look at all of them. */
function firstMisfitsMax({ misfits = 0 }: ReadOptions, rows: number): number {
  return misfits === 0 ? 0 : Math.floor(rows / 2);
}

/** What the first rows say of a column, and the kinds that the others may be of. */
interface Guess extends Learned {
  readonly kinds: ReadonlySet<TextKind>;
}

/** Proves the guesses on all rows; columns that disagree, or are mixed, climb the ladder. */
async function verifyCsv(
  db: DuckDB,
  work: Work,
  read: ReadOptions,
  guesses: readonly Guess[],
  from: number,
): Promise<Learned[]> {
  const { spelling } = work.prepared;
  const rows = `FROM ${readCsv([work], read.nulls)}`;
  const ladderOf = (index: number): string[] =>
    ladderSql(`c${from + index}`, index, spelling, guesses[index]?.kinds ?? new Set(TEXT_KINDS));
  const checks = guesses.flatMap((guess, index) => {
    if (guess.mixed !== undefined) return ladderOf(index);
    const text = spelling?.sql(guess.type, `c${from + index}`) ?? `c${from + index}`;
    if (guess.unseen) return [`count(${text}) AS k${index}`];
    return [`count(*) FILTER (NOT ${textFit(guess.type, text)?.fits ?? "TRUE"}) AS k${index}`];
  });
  const [proof] = await db.rows(`SELECT ${checks.join(", ")} ${rows}`);
  const wrong = guesses.flatMap((_, index) =>
    Number(proof?.[`k${index}`] ?? 0) > 0 ? [index] : [],
  );
  const ladder = wrong.flatMap(ladderOf);
  const [more] = ladder.length === 0 ? [] : await db.rows(`SELECT ${ladder.join(", ")} ${rows}`);
  const found = { ...proof, ...more };
  const columns: Learned[] = [];
  for (const [index, { kinds, mixed, values: _, ...guess }] of guesses.entries()) {
    // What was counted of the first rows is not said of all.
    if (mixed === undefined && !wrong.includes(index)) columns.push(guess);
    else {
      const counts = [...kinds].map((kind) => ({
        kind,
        misfits: Number(found[`${kind}${index}`] ?? 0),
      }));
      columns.push(
        await climbed(db, work, read, `c${from + index}`, countedOf(found, index, counts)),
      );
    }
  }
  return columns;
}

/** What the engine counted of a column. */
interface Counted {
  readonly values: number;
  readonly counts: readonly KindCount[];
  readonly digits: Digits;
  readonly isPadded: boolean;
}

function countedOf(
  found: Readonly<Record<string, unknown>>,
  index: number,
  counts: readonly KindCount[],
): Counted {
  const number = (name: string): number => Number(found[`${name}${index}`] ?? 0);
  const digits = { whole: number("whole"), fraction: number("fraction") };
  const isPadded = found[`padded${index}`] === true;
  return { values: number("values"), counts, digits, isPadded };
}

async function climbed(
  db: DuckDB,
  work: Work,
  read: ReadOptions,
  text: string,
  { values, counts, digits, isPadded }: Counted,
): Promise<Learned> {
  const fits = new Set(counts.filter(({ misfits }) => misfits === 0).map(({ kind }) => kind));
  const type = textType(fits, digits);
  if ((read.misfits ?? 0) === 0) return { type, unseen: false };
  const known = { type, unseen: false, values };
  const isText = type.kind === "primitive" && type.name === "string";
  const mostly = isText ? mostlyOf(counts, values, digits, isPadded) : null;
  if (mostly === null || mostly.misfits > misfitsMax(read, values)) return known;
  const { kind, misfits } = mostly;
  const shown = await shownMisfits(db, work, read, text, kind);
  return { ...known, mixed: [{ way: [], type: mostly.type, values, misfits, shown }] };
}

/** Every kind that a text column could be, by how many are not of it, and its digits. */
function ladderSql(
  given: string,
  index: number,
  spelling: Spelling | null,
  kinds: ReadonlySet<TextKind>,
): string[] {
  const text = spelling?.sql({ kind: "primitive", name: "long" }, given) ?? given;
  const plain = fitOfKind("decimal", given, spelling);
  const digits = [
    `coalesce(bool_or(${isPaddedSql(given)}), FALSE) AS padded${index}`,
    `max(${wholeSql(text)}) FILTER (${plain}) AS whole${index}`,
    `max(${fractionSql(text)}) FILTER (${plain}) AS fraction${index}`,
  ];
  return [
    ...[...kinds].map(
      (kind) => `count(*) FILTER (NOT ${fitOfKind(kind, given, spelling)}) AS ${kind}${index}`,
    ),
    `count(${given}) AS values${index}`,
    ...(kinds.has("decimal") ? digits : []),
  ];
}

/** True or NULL for NULL. */
function fitOfKind(kind: TextKind, given: string, spelling: Spelling | null): string {
  const type = { kind: "primitive", name: kind === "decimal" ? "long" : kind } as const;
  const text = spelling?.sql(type, given) ?? given;
  if (kind !== "decimal") return textFit(type, text)?.fits ?? "FALSE";
  const isPlain = `regexp_full_match(${text}, '-?(?:(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?|\\.[0-9]+)')`;
  const isShort = `${wholeSql(text)} + ${fractionSql(text)} <= 38`;
  return `(${isPlain} AND NOT regexp_full_match(${text}, '-[0.]*') AND ${isShort})`;
}

function wholeSql(text: string): string {
  const unsigned = `ltrim(${text}, '-')`;
  return `CASE WHEN starts_with(${unsigned}, '0') THEN 0
    ELSE strlen(split_part(${unsigned}, '.', 1)) END`;
}

function fractionSql(text: string): string {
  return `strlen(split_part(${text}, '.', 2))`;
}

function isPaddedSql(text: string): string {
  return `regexp_full_match(${text}, '[-+]?0[0-9]+(?:[.,][0-9]*)?')`;
}

async function shownMisfits(
  db: DuckDB,
  work: Work,
  read: ReadOptions,
  text: string,
  kind: TextKind,
): Promise<string> {
  const rows = await db.rows(`SELECT ${text} AS text, count(*) AS n
    FROM ${readCsv([work], read.nulls)} WHERE NOT ${fitOfKind(kind, text, work.prepared.spelling)}
    GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 4`);
  return shownTexts(rows.map((row) => ({ text: String(row.text), count: Number(row.n) })));
}

function textsOfCsv(prepared: Prepared, positions: ReadonlySet<string>): FileTexts {
  const shape = csvShape(prepared);
  const texts: Record<string, string> = {};
  scanCsv(prepared.path, shape, (record) => {
    if (record.blank || record.isHeader) return;
    const bytes = record.bytes.subarray(record.start, record.end);
    const position = positionOf({ line: record.line + prepared.linesBefore, row: 0 });
    if (!positions.has(position)) return;
    const text = utf8Text(bytes);
    if (text !== null) texts[position] = text;
  });
  return { form: { kind: "csv", shape, names: prepared.names }, texts };
}

/** Read once more, as far as the last column's first value. */
function firstsOfCsv(
  request: DecodeRequest,
  prepared: Prepared,
  columns: readonly ObservedColumn[],
): Misfits {
  const { names, linesBefore, spelling } = prepared;
  const wanted = wantedTypes(request, names, columns);
  const firsts = new Map<string, string>();
  const shape = csvShape(prepared);
  let row = 0;
  if (wanted.size === 0) return firsts;
  scanCsv(prepared.path, shape, (record) => {
    if (record.blank || record.isHeader || record.fault !== null) return;
    row++;
    const text = Buffer.from(record.bytes.subarray(record.start, record.end)).toString();
    const fields = splitRecord(text, shape, request.read.nulls);
    for (const [at, type] of wanted) {
      const value = fields[at] ?? null;
      if (value === null || textFits(type, spelling?.plain(type, value) ?? value)) continue;
      firsts.set(
        (names[at] ?? "").toLowerCase(),
        firstMisfit(value, { line: record.line + linesBefore, row }),
      );
      wanted.delete(at);
    }
    return wanted.size > 0;
  });
  return firsts;
}

/** Types of the contract by the place of their column in the file; any value is a text. */
function wantedTypes(
  request: DecodeRequest,
  names: readonly string[],
  columns: readonly ObservedColumn[],
): Map<number, Type> {
  const reported = new Set(columns.map((column) => column.name));
  const wanted = new Map<number, Type>();
  for (const { field, decode } of sourceColumns(request)) {
    const at = findName(names, decode.source);
    const isText = field.type.kind === "primitive" && field.type.name === "string";
    if (at >= 0 && !isText && reported.has(names[at] ?? "")) wanted.set(at, field.type);
  }
  return wanted;
}
