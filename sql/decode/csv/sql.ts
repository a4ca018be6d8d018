/** The statements that read CSV files: all columns as text, casts and their checks in the SELECT. */

import { LakeError } from "../../../core/base/errors.ts";
import type { DecodeRequest } from "../../../core/engine.ts";
import { WHOLE_LINE } from "../../../core/ingest/contract.ts";
import { STRING, sameType, typeToText } from "../../../core/table/type-text.ts";
import { quoteFileList, quoteIdentifier, quoteList, quoteLiteral } from "../../syntax/quote.ts";
import type { Drops } from "../folders.ts";
import type { Work } from "../group.ts";
import type { Spelling } from "../lossless/spelling.ts";
import { type TextFit, textFit, textFits } from "../lossless/text-fit.ts";
import type { Prepared } from "../prepared.ts";
import { findName, type SourceColumn, sourceColumns, unknownNames } from "../target-columns.ts";
import { dropsOf, targetList } from "../target-list.ts";
import { writtenQuote } from "./record-text.ts";

/** Parts of a condition, above which they are computed as a list. */
const CONJUNCTION_MAX = 100;

/** One check of a row; the first that fails names the reason. */
export interface Check {
  readonly reason: "type" | "required" | "unknown-field" | "stranger";
  /** Name in the file, or of the column where the file does not have it. */
  readonly column: string;
  /** The text that was checked. */
  readonly text: string;
  readonly type: string;
  /** True or false, never NULL. */
  readonly holds: string;
  /** The place of its field in a record; -1: the file has none. */
  readonly at: number;
  /** The same as `holds`, of a text that stands in the file as it is checked. */
  readonly test: (text: string | null) => boolean;
  /** It fails for a value where none was seen before. */
  readonly isFirst?: boolean;
  /** As in DecodeColumn. */
  readonly setsAside?: boolean;
}

export interface CsvPlan {
  readonly names: readonly string[];
  readonly spelling: Spelling | null;
  readonly columns: readonly SourceColumn[];
  readonly valueByName: ReadonlyMap<string, string>;
  readonly checks: readonly Check[];
  readonly rescued: string;
  readonly unknown: readonly string[];
  /** Of before_landing, by the place of their column. */
  readonly expressions: readonly { readonly at: number; readonly sql: string }[];
}

/** DuckDB's default; more makes its buffers sixteen times as large. */
const LINE_BYTES_DEFAULT = 2_000_000;
/** Of sixteen lines as they may be: so many bytes are read as fast, and every thread holds some. */
const BUFFER_BYTES = 2 * LINE_BYTES_DEFAULT;

/** A CSV file without a header, of which no column of the contract is known by its place. */
export function isStranger(
  request: DecodeRequest,
  { dialect, header, names }: Pick<Prepared, "dialect" | "header" | "names">,
): boolean {
  if (dialect.format !== "csv" || header !== null || names.length === 0) return false;
  if (request.onUnknown !== "report" || request.onStranger !== "quarantine") return false;
  const columns = sourceColumns(request);
  return columns.length > 0 && unknownNames(names, columns).length === names.length;
}

/** How the columns of one header fill the table. Throws `unsupported` for types that no text has. */
export function planCsv(request: DecodeRequest, prepared: Prepared): CsvPlan {
  const { names, spelling } = prepared;
  const columns = sourceColumns(request);
  const unknown = unknownNames(names, columns);
  const isWholeLine = prepared.dialect.delimiter === WHOLE_LINE;
  const valueByName = new Map(
    columns.map((column) => {
      const { value } = columnFit(prepared, column, null).fit;
      // The engine reads an empty line as NULL.
      const isText = isWholeLine && sameType(column.field.type, STRING);
      return [column.field.name, isText ? `coalesce(${value}, '')` : value];
    }),
  );
  return {
    names,
    spelling,
    columns,
    valueByName,
    checks: isStranger(request, prepared)
      ? [strangerCheck(names)]
      : checksOf(request, { names, spelling, columns, unknown }, () => null),
    unknown,
    rescued: request.onUnknown === "rescue" ? rescuedSql(names, unknown) : "NULL",
    expressions: expressionsOf(columns, names),
  };
}

/** No row of such a file lands. */
function strangerCheck(names: readonly string[]): Check {
  const column = names[0] ?? "";
  const test = (): boolean => false;
  return { reason: "stranger", column, text: "c0", type: "", holds: "FALSE", at: 0, test };
}

/** What has to hold of a row; `heldAt` says where the value of a column was computed already. */
function checksOf(
  request: DecodeRequest,
  plan: Pick<CsvPlan, "names" | "spelling" | "columns" | "unknown">,
  heldAt: (index: number) => string | null,
): Check[] {
  const { names, columns, unknown } = plan;
  const checks: Check[] = [];
  for (const [index, column] of columns.entries()) {
    const { field, decode } = column;
    const { text, fit } = columnFit(plan, column, heldAt(index));
    const at = findName(names, decode.source);
    const shared = { column: decode.source, text, type: typeToText(field.type), at };
    const { setsAside = false } = decode;
    if (fit.fits !== "TRUE") {
      const test = (value: string | null) => value === null || textFits(field.type, value);
      checks.push({ ...shared, reason: "type", holds: fit.fits, test, setsAside });
    }
    if (decode.awaits !== undefined) {
      const holds = `(${text} IS NULL)`;
      checks.push({ ...shared, reason: "type", isFirst: true, holds, test: isNull });
    }
    if (decode.required) {
      const holds = `(${text} IS NOT NULL)`;
      checks.push({ ...shared, reason: "required", holds, test: (value) => value !== null });
    }
  }
  if (request.onUnknown !== "quarantine") return checks;
  for (const name of unknown) {
    const at = names.indexOf(name);
    const text = `c${at}`;
    const holds = `(${text} IS NULL)`;
    const shared = { column: name, text, type: "", at, test: isNull };
    checks.push({ ...shared, reason: "unknown-field", holds });
  }
  return checks;
}

function isNull(text: string | null): boolean {
  return text === null;
}

/** The rows of the files that pass every check, as the table's columns. */
export function selectCsv(request: DecodeRequest, plan: CsvPlan, works: readonly Work[]): string {
  const list = targetList(request, plan.valueByName, drops(works), plan.rescued);
  const passed = plan.checks.map((check) => check.holds);
  const where = passed.length === 0 ? "" : ` WHERE ${passed.join(" AND ")}`;
  return `SELECT ${list} FROM ${rowsOf(request, plan, works)}${where}`;
}

/**
 * All rows of the files, as the table's columns; fails at the first that does not pass. Each cast is made once, where a
 * filter would make DuckDB repeat it below and above.
 */
export function strictCsv(request: DecodeRequest, plan: CsvPlan, works: readonly Work[]): string {
  const held = plan.columns.flatMap(({ field, decode }, index) => {
    const at = findName(plan.names, decode.source);
    if (at < 0) return [];
    const text = textName(at, decode.expression !== null);
    const cast = plan.valueByName.get(field.name) ?? "NULL";
    return cast === text ? [] : [{ name: field.name, cast, value: `v${index}` }];
  });
  const casts = held.map(({ cast, value }) => `${cast} AS ${value}`);
  const values = new Map([
    ...plan.valueByName,
    ...held.map(({ name, value }): [string, string] => [name, value]),
  ]);
  const checks = plan.checks.some((check) => check.reason === "stranger")
    ? plan.checks
    : checksOf(request, plan, (index) => `v${index}`);
  const holds = checks.map((check) => `(${check.holds})`);
  // The engine orders the parts of an AND anew again and again, which is worth it for few of them.
  const isWide = holds.length > CONJUNCTION_MAX;
  const all = isWide ? `list_bool_and([${holds.join(", ")}])` : holds.join(" AND ");
  const guard = holds.length === 0 ? null : all;
  const list = targetList(request, values, drops(works), plan.rescued, guard);
  const index = works.length > 1 ? ["file_index"] : [];
  const inner = ["*", ...index, ...casts].join(", ");
  return `SELECT ${list} FROM (SELECT ${inner} FROM ${rowsOf(request, plan, works)})`;
}

/**
 * Rows that fail a check: their number among the rows that can be read (from 1), the check's place in the plan,
 * and the text. At most `limit`.
 */
export function misfitsCsv(
  request: DecodeRequest,
  plan: CsvPlan,
  work: Work,
  limit: number,
): string | null {
  if (plan.checks.length === 0) return null;
  const cases = plan.checks.map((check, index) => `WHEN NOT ${check.holds} THEN ${index}`);
  const texts = plan.checks.map((check, index) => `WHEN ${index} THEN left(${check.text}, 1000)`);
  const source = readCsv([work], request.read.nulls);
  const numbered = `SELECT row_number() OVER () AS lake_row, * FROM ${source}`;
  const layered = withLayer(plan, `(${numbered})`, ["lake_row"]);
  const failed = `SELECT *, CASE ${cases.join(" ")} END AS lake_check FROM ${layered}`;
  return `SELECT lake_row, lake_check, CASE lake_check ${texts.join(" ")} END AS lake_text
    FROM (${failed}) WHERE lake_check IS NOT NULL ORDER BY lake_row LIMIT ${limit}`;
}

/** Which of the checks any row fails: one boolean column a check. */
export function failingCsv(request: DecodeRequest, plan: CsvPlan, work: Work): string {
  const list = plan.checks.map((check, index) => `bool_or(NOT ${check.holds}) AS k${index}`);
  const from = withLayer(plan, readCsv([work], request.read.nulls), []);
  return `SELECT ${list.join(", ")} FROM ${from}`;
}

/** `read_csv` over files of one dialect, every column as text, named c0, c1, …; broken rows are left out. */
export function readCsv(works: readonly Work[], nulls: readonly string[]): string {
  const first = works[0]?.prepared;
  if (first === undefined) {
    throw new LakeError("internal", "a group without files", { hint: "report this" });
  }
  const { delimiter } = first.dialect;
  const quote = writtenQuote(first.dialect);
  const columns = Array.from({ length: first.fieldCount }, (_, index) => `c${index}: 'VARCHAR'`);
  const longest = Math.max(...works.map((work) => work.longestBytes + 16));
  const options = [
    `columns = {${columns.join(", ")}}`,
    "auto_detect = false",
    `header = ${first.header !== null}`,
    `delim = ${quoteLiteral(delimiter ?? ",")}`,
    `quote = ${quoteLiteral(quote ?? "")}`,
    `escape = ${quoteLiteral(quote ?? "")}`,
    "strict_mode = true",
    "ignore_errors = true",
    `nullstr = ${quoteList(["", ...nulls])}`,
    "allow_quoted_nulls = false",
    "hive_partitioning = false",
    longest > LINE_BYTES_DEFAULT ? `max_line_size = ${longest}` : `buffer_size = ${BUFFER_BYTES}`,
  ];
  const paths = quoteFileList(works.map((work) => work.path));
  return `read_csv(${paths}, ${options.join(", ")})`;
}

function columnFit(
  { names, spelling }: Pick<CsvPlan, "names" | "spelling">,
  { field, decode }: SourceColumn,
  held: string | null,
): { text: string; fit: TextFit } {
  const at = findName(names, decode.source);
  if (at < 0) return { text: "NULL::VARCHAR", fit: { value: "NULL", fits: "TRUE" } };
  const isMade = decode.expression !== null;
  const text = textName(at, isMade);
  // What an expression makes is plain, however its file is written.
  const plain = isMade ? text : (spelling?.sql(field.type, text) ?? text);
  const fit = textFit(field.type, plain, held);
  if (fit === null) {
    throw new LakeError("unsupported", `column ${field.name} is ${typeToText(field.type)}`, {
      hint: "text files hold no such values; declare the column as string",
      context: { column: field.name },
    });
  }
  return { text, fit };
}

/** A column of the reader, or what before_landing made of it. */
function textName(at: number, isMade: boolean): string {
  return isMade ? `x${at}` : `c${at}`;
}

function rowsOf(request: DecodeRequest, plan: CsvPlan, works: readonly Work[]): string {
  const carried = works.length > 1 ? ["file_index"] : [];
  return withLayer(plan, readCsv(works, request.read.nulls), carried);
}

function drops(works: readonly Work[]): Drops {
  return dropsOf(works.map((work) => work.prepared.file.name));
}

/** Expressions of before_landing by the place of their column. */
function expressionsOf(columns: readonly SourceColumn[], names: readonly string[]) {
  return columns.flatMap(({ decode }) => {
    const at = findName(names, decode.source);
    return at < 0 || decode.expression === null ? [] : [{ at, sql: decode.expression }];
  });
}

/**
 * Each expression sees every column of the file by its name, as text, and becomes text again: `x3` beside `c3`.
 * `carried` names what else `from` has.
 */
function withLayer(plan: CsvPlan, from: string, carried: readonly string[]): string {
  if (plan.expressions.length === 0) return from;
  const named = plan.names.map((name, index) => `c${index} AS ${quoteIdentifier(name)}`);
  const back = plan.names.map((name, index) => `${quoteIdentifier(name)} AS c${index}`);
  const made = plan.expressions.map(({ at, sql }) => `CAST((${sql}) AS VARCHAR) AS x${at}`);
  const inner = `SELECT ${[...carried, ...named].join(", ")} FROM ${from}`;
  return `(SELECT ${[...carried, ...back, ...made].join(", ")} FROM (${inner}))`;
}

function rescuedSql(names: readonly string[], unknown: readonly string[]): string {
  if (unknown.length === 0) return "NULL";
  const texts = unknown.map((name) => `c${names.indexOf(name)}`);
  const pairs = unknown.map((name, index) => `${quoteLiteral(name)}, ${texts[index]}`);
  return `CASE WHEN coalesce(${texts.join(", ")}) IS NULL THEN NULL ELSE json_object(${pairs.join(", ")})::VARCHAR END`;
}
