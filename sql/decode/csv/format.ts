/** CSV as a format: what a file holds, and who reads it. */

import type { DecodeRequest, ObservedColumn } from "../../../core/engine.ts";
import type { ReadOptions } from "../../../core/ingest/contract.ts";
import { NOTHING } from "../../../core/table/type-text.ts";
import type { Type } from "../../../core/table/types.ts";
import type { DuckDB } from "../../duckdb/duckdb.ts";
import { utf8Text } from "../encoding.ts";
import { firstMisfit, type Misfits } from "../first-misfit.ts";
import { type FileTexts, type FormatReader, SMALL_BYTES } from "../format.ts";
import type { Work } from "../group.ts";
import { TEXT_KINDS, TextColumn, type TextKind, textType } from "../lossless/narrowest-type.ts";
import type { Spelling } from "../lossless/spelling.ts";
import { textFit, textFits } from "../lossless/text-fit.ts";
import { type Prepared, UNKNOWN_LINES } from "../prepared.ts";
import { positionOf } from "../rejects.ts";
import { findName, sourceColumns } from "../target-columns.ts";
import { CsvReader, csvGroupKey } from "./csv.ts";
import { csvShape, prepareCsv } from "./prepare.ts";
import { scanCsv, splitRecord } from "./scan.ts";
import { isStranger, readCsv } from "./sql.ts";

const SAMPLE_ROWS = 2_000;
/** Columns of one learning statement: each is a handful of expressions. */
const COLUMNS_AT_ONCE = 250;

export const FORMAT: FormatReader = {
  prepareText: prepareCsv,
  isCounted: true,
  isTyped: false,
  inspect: inspectCsv,
  inspectFirst: (prepared, read) =>
    observed(prepared.names, learnCsv(prepared, read, SAMPLE_ROWS).learned),
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
  const isWalked = prepared.sizeBytes <= SMALL_BYTES || prepared.lines === UNKNOWN_LINES;
  const { learned, longestBytes } = learnCsv(prepared, read, isWalked ? Infinity : SAMPLE_ROWS);
  if (isWalked) return observed(prepared.names, learned);
  const work: Work = { prepared, path: prepared.path, trusted: false, longestBytes };
  const columns: { type: Type; unseen: boolean }[] = [];
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
  columns: readonly {
    readonly type: Type;
    readonly unseen: boolean;
    readonly isFigures?: boolean;
  }[],
): ObservedColumn[] {
  return names.map((name, index) => {
    const { type, unseen, isFigures } = columns[index] ?? { type: NOTHING, unseen: true };
    return { name, type, unseen, ...(isFigures === true ? { isFigures } : {}) };
  });
}

/** Learns from the first good records. */
function learnCsv(prepared: Prepared, read: ReadOptions, rowsMax: number) {
  const shape = csvShape(prepared);
  const columns = Array.from(
    { length: prepared.fieldCount },
    () => new TextColumn(prepared.spelling),
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
  return { learned: columns.map((column) => column.learned()), longestBytes: totals.longestBytes };
}

/** Proves the guesses on all rows; columns that disagree climb the ladder. */
async function verifyCsv(
  db: DuckDB,
  work: Work,
  read: ReadOptions,
  guesses: readonly { readonly type: Type; readonly unseen: boolean }[],
  from: number,
) {
  const { spelling } = work.prepared;
  const checks = guesses.map((guess, index) => {
    const text = spelling?.sql(guess.type, `c${from + index}`) ?? `c${from + index}`;
    if (guess.unseen) return `count(${text}) AS k${index}`;
    return `count(*) FILTER (NOT ${textFit(guess.type, text)?.fits ?? "TRUE"}) AS k${index}`;
  });
  const [row] = await db.rows(`SELECT ${checks.join(", ")} FROM ${readCsv([work], read.nulls)}`);
  const wrong = guesses.flatMap((_, index) => (Number(row?.[`k${index}`] ?? 0) > 0 ? [index] : []));
  const columns = [...guesses];
  if (wrong.length === 0) return columns;
  const ladder = wrong.flatMap((index) => ladderSql(`c${from + index}`, index, spelling));
  const [found] = await db.rows(`SELECT ${ladder.join(", ")} FROM ${readCsv([work], read.nulls)}`);
  for (const index of wrong) {
    const fits = new Set<TextKind>(
      TEXT_KINDS.filter((kind) => found?.[`${kind}${index}`] === true),
    );
    const digits = {
      whole: Number(found?.[`whole${index}`] ?? 0),
      fraction: Number(found?.[`fraction${index}`] ?? 0),
    };
    columns[index] = { type: textType(fits, digits), unseen: false };
  }
  return columns;
}

/** Every kind that a text column could be, and its digits. */
function ladderSql(given: string, index: number, spelling: Spelling | null): string[] {
  const text = spelling?.sql({ kind: "primitive", name: "long" }, given) ?? given;
  const isPlain = `regexp_full_match(${text}, '-?(?:(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?|\\.[0-9]+)')`;
  const plain = `(${isPlain} AND NOT regexp_full_match(${text}, '-[0.]*'))`;
  const fitOf = (kind: TextKind): string => {
    if (kind === "decimal") return plain;
    const type = { kind: "primitive", name: kind } as const;
    return textFit(type, spelling?.sql(type, given) ?? given)?.fits ?? "FALSE";
  };
  const kinds = TEXT_KINDS.map(
    (kind) => `coalesce(bool_and(${fitOf(kind)}), TRUE) AS ${kind}${index}`,
  );
  const unsigned = `ltrim(${text}, '-')`;
  return [
    ...kinds,
    `max(CASE WHEN starts_with(${unsigned}, '0') THEN 0
      ELSE strlen(split_part(${unsigned}, '.', 1)) END) AS whole${index}`,
    `max(strlen(split_part(${text}, '.', 2))) AS fraction${index}`,
  ];
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
