/** Parquet files decoded: columns by name, each value cast only where the cast is proven to keep it. */

import { statSync } from "node:fs";
import { LakeError } from "../../../core/base/errors.ts";
import type { DecodeRequest, ObservedColumn } from "../../../core/engine.ts";
import { sameType, typeToText } from "../../../core/table/type-text.ts";
import type { Type } from "../../../core/table/types.ts";
import type { DuckDB } from "../../duckdb/duckdb.ts";
import { icebergType } from "../../duckdb/types.ts";
import { quoteFileList, quoteIdentifier } from "../../syntax/quote.ts";
import { firstMisfit } from "../first-misfit.ts";
import { Fixes } from "../fixes.ts";
import type { FormatReader } from "../format.ts";
import {
  type GroupContext,
  type GroupReader,
  isFileFault,
  type Repaired,
  type Work,
} from "../group.ts";
import { columnCast } from "../lossless/column-cast.ts";
import { textFit } from "../lossless/text-fit.ts";
import { columnNames, type Prepared } from "../prepared.ts";
import type { Rejects } from "../rejects.ts";
import {
  findName,
  type SourceColumn,
  sourceColumns,
  unknownNames,
  valueMessage,
} from "../target-columns.ts";
import { dropsOf, targetList } from "../target-list.ts";
import { decideFixes, type FixedRow, selectWithFixes } from "./fixes.ts";
import { type ParquetFooter, readFooter } from "./footer.ts";
import { type Judged, judgeParquet } from "./judge.ts";
import { columnType, isNothing, shapeOf } from "./schema.ts";

/** A column as the engine reads it. */
interface FileColumn {
  /** As the file's columns are called here: those that the engine takes for one are told apart. */
  readonly name: string;
  readonly type: Type;
  /** SQL that reads it as that type. */
  readonly value: string;
}

/** A Parquet file with its columns as a header and its row count, both by its footer. Throws Unreadable. */
export function prepareParquet(prepared: Prepared): Prepared {
  const footer = readFooter(prepared.path);
  const header = columnNames(footer.columns.map((column) => column.name));
  return { ...prepared, header, fieldCount: header.length, lines: footer.rows };
}

/** Columns and types by the footer; only where that does not tell, by a look at the values. Throws Unreadable. */
export async function inspectParquet(prepared: Prepared): Promise<ObservedColumn[]> {
  const footer = readFooter(prepared.path);
  const { texts } = await judgedOnce(prepared.path, footer);
  return footer.columns.map((column, index) => ({
    name: prepared.header?.[index] ?? column.name,
    type: columnType(shapeOf(column), texts),
    unseen: prepared.lines === 0 || isNothing(column),
  }));
}

/** How the engine reads the columns of a file; null where it refuses them, or takes a value for another. */
export async function engineColumns(
  db: DuckDB,
  prepared: Prepared,
): Promise<readonly FileColumn[] | null> {
  const footer = readFooter(prepared.path);
  const { texts, isPlain } = await judgedOnce(prepared.path, footer);
  if (!isPlain) return null;
  const described = await describe(db, prepared.path);
  if (described?.length !== footer.columns.length) return null;
  const columns = footer.columns.map((column, index) => {
    const given = described[index] ?? { name: "", type: "" };
    const type = columnType(shapeOf(column), texts);
    const value = isNothing(column) ? "NULL" : engineValue(given, type);
    return value === null ? null : { name: prepared.header?.[index] ?? "", type, value };
  });
  return columns.every((column) => column !== null) ? columns : null;
}

/** Of the last file: whoever learns a file's columns decodes it next, in the same process. */
let last: { readonly file: string; readonly judged: Judged } | null = null;

async function judgedOnce(path: string, footer: ParquetFooter): Promise<Judged> {
  const { dev, ino, size, ctimeNs } = statSync(path, { bigint: true });
  const file = [dev, ino, size, ctimeNs].join(":");
  if (last?.file !== file) last = { file, judged: await judgeParquet(path, footer) };
  return last.judged;
}

/** Files of the same columns are read by one statement. */
export function parquetGroupKey(prepared: Prepared): string {
  return `${prepared.file.name}`;
}

export class ParquetReader implements GroupReader {
  readonly #db: DuckDB;
  readonly #request: DecodeRequest;
  readonly #rejects: Rejects;
  readonly #columns: readonly FileColumn[];
  readonly #sources: readonly SourceColumn[];
  readonly #fixes: Fixes;
  /** Parquet files of corrected rows: a group is one file. */
  #fixed: readonly string[] = [];
  /** Numbers of rows that are not read from the file, counted from 1. */
  #corrected: readonly number[] = [];

  /** `columns` as the engine reads those of the files. */
  constructor(
    db: DuckDB,
    request: DecodeRequest,
    rejects: Rejects,
    columns: readonly FileColumn[],
  ) {
    this.#db = db;
    this.#request = request;
    this.#rejects = rejects;
    this.#columns = columns;
    this.#sources = sourceColumns(request);
    this.#fixes = new Fixes(request.fixes);
  }

  select(works: readonly Work[]): string {
    const values = new Map(
      this.#sources.map((source) => [source.field.name, this.#plan(source).value]),
    );
    const drops = dropsOf(works.map((work) => work.prepared.file.name));
    const [from, fits, rescued] = [read(works), this.#fits(), this.#rescued()];
    if (this.#fixed.length > 0) {
      const rows = { values, rescued, from, fits };
      return selectWithFixes(this.#request, this.#fixed, drops, rows);
    }
    const list = targetList(this.#request, values, drops, rescued);
    return `SELECT ${list} FROM ${from} WHERE ${fits}`;
  }

  /** Without encoding its values again, where every one of them lands as it stands. */
  async takeOver(context: GroupContext, works: readonly Work[]) {
    const [only, ...others] = works;
    if (only === undefined || others.length > 0 || this.isCorrected(only.prepared)) return null;
    const { takeOver } = await import("./taken-over.ts");
    return takeOver(context, only, this.#columns);
  }

  expected(prepared: Prepared): number {
    return prepared.lines;
  }

  isCorrected(prepared: Prepared): boolean {
    return this.#fixes.placed(prepared.file).size > 0;
  }

  async repair(work: Work, landed: number | null): Promise<Repaired> {
    const { prepared } = work;
    this.#corrected = [...this.#fixes.placed(prepared.file).keys()].map(
      (position) => Number(position.split(" ")[1]) - prepared.rowsBefore,
    );
    if (landed === null) await this.#db.rows(`SELECT count(COLUMNS(*)) FROM ${read([work])}`);
    const plans = this.#plans();
    const shown = this.#columns.map(
      (column) => `${quoteIdentifier(column.name)} := ${column.value}`,
    );
    const checks = plans.map((plan) => `(${plan.fits})`);
    const stream = await this.#db.stream(
      `SELECT file_row_number + 1, to_json(struct_pack(${shown.join(", ")}))::VARCHAR,
        list_position([${[...checks, "FALSE"].join(", ")}], FALSE),
        [${[...plans.map((plan) => plan.shown), "NULL"].join(", ")}]
       FROM ${read([work])} WHERE NOT (${this.#fits()})`,
    );
    const misfits = new Map<string, string>();
    let rowsQuarantined = 0;
    let rowsDropped = 0;
    const fixed: FixedRow[] = [];
    for await (const rows of stream) {
      for (const [number, json, position, values] of rows) {
        const row = Number(number) + prepared.rowsBefore;
        const fix = this.#fixes.of(prepared.file, { line: null, row });
        if (fix === null) rowsDropped++;
        else if (fix !== undefined) fixed.push({ row, text: fix });
        if (fix !== undefined) continue;
        const plan = plans[Number(position) - 1];
        if (plan === undefined) continue;
        const shownValue = Array.isArray(values) ? values[Number(position) - 1] : null;
        if (this.#request.onMisfit === "report") {
          if (misfits.has(plan.source)) continue;
          const value = shownValue === null ? null : String(shownValue);
          misfits.set(plan.source, firstMisfit(value, { line: null, row }));
          continue;
        }
        rowsQuarantined++;
        this.#reject(prepared, row, plan, String(json), shownValue);
      }
    }
    rowsQuarantined += await this.#decide(prepared, fixed, misfits);
    const rowsLanded = prepared.lines - rowsQuarantined - rowsDropped;
    const redo = landed !== rowsLanded || this.#corrected.length > 0;
    return { work, rowsLanded, rowsQuarantined, misfits, redo };
  }

  /** Takes up the corrected rows; how many of them do not land. */
  async #decide(
    prepared: Prepared,
    fixed: readonly FixedRow[],
    misfits: Map<string, string>,
  ): Promise<number> {
    if (fixed.length === 0) return 0;
    const decided = await decideFixes(this.#db, this.#request, prepared, fixed);
    this.#fixed = decided.paths;
    let rejected = 0;
    for (const { row, text, verdict } of decided.others) {
      if (verdict.kind === "reject") {
        rejected++;
        const { reason, column, message } = verdict;
        this.#rejects.add(prepared, { line: null, row, column, reason, message, raw: text });
        continue;
      }
      for (const [name, value] of verdict.values) {
        if (!misfits.has(name)) misfits.set(name, firstMisfit(value, { line: null, row }));
      }
    }
    return rejected;
  }

  #reject(prepared: Prepared, row: number, plan: NamedPlan, raw: string, value: unknown): void {
    const column = plan.name;
    const missing = value === null || value === undefined;
    const reason = plan.type === null ? "unknown-field" : missing ? "required" : "type";
    const messages = {
      required: `${column} is required and has no value`,
      "unknown-field": `${column} is not a column of the contract`,
      type: valueMessage(String(value), plan.type === null ? "" : typeToText(plan.type)),
    };
    const message = messages[reason];
    this.#rejects.add(prepared, { line: null, row, column, reason, message, raw });
  }

  /** What holds of the rows that are read from the file. */
  #fits(): string {
    const fits = this.#plans()
      .filter((plan) => plan.fits !== "TRUE")
      .map((plan) => `(${plan.fits})`);
    const corrected = this.#corrected.join(", ");
    if (corrected !== "") fits.push(`(file_row_number + 1 NOT IN (${corrected}))`);
    return fits.length === 0 ? "TRUE" : fits.join(" AND ");
  }

  /** What has to hold of a row, column by column; fields that nobody declared come last. */
  #plans(): NamedPlan[] {
    const known = this.#sources.map((source) => ({
      ...this.#plan(source),
      source: source.decode.source,
      name: source.field.name,
      type: source.field.type,
    }));
    if (this.#request.onUnknown !== "quarantine") return known;
    const unknown = this.#unknown().map(({ name, value }) => {
      const shown = `CAST(${value} AS VARCHAR)`;
      return { ...plan("NULL", `${value} IS NULL`, shown), source: name, name, type: null };
    });
    return [...known, ...unknown];
  }

  #unknown(): FileColumn[] {
    const names = this.#columns.map((column) => column.name);
    const unknown = new Set(unknownNames(names, this.#sources));
    return this.#columns.filter((column) => unknown.has(column.name));
  }

  #rescued(): string {
    const unknown = this.#unknown();
    if (this.#request.onUnknown !== "rescue" || unknown.length === 0) return "NULL";
    const fields = unknown.map(({ name, value }) => `${quoteIdentifier(name)} := ${value}`);
    const any = unknown.map(({ value }) => `${value} IS NOT NULL`).join(" OR ");
    return `CASE WHEN ${any} THEN to_json(struct_pack(${fields.join(", ")}))::VARCHAR END`;
  }

  #plan({ field, decode }: SourceColumn): ColumnPlan {
    const names = this.#columns.map((column) => column.name);
    const column = this.#columns[findName(names, decode.source)];
    const required = decode.required;
    if (decode.expression !== null) {
      const text = `CAST((${decode.expression}) AS VARCHAR)`;
      const fit = textFit(field.type, text);
      const fits = fit?.fits ?? "FALSE";
      return plan(fit?.value ?? "NULL", required ? `${fits} AND ${text} IS NOT NULL` : fits, text);
    }
    if (column === undefined) return plan("NULL", required ? "FALSE" : "TRUE", "NULL");
    const { value } = column;
    const shown = `CAST(${value} AS VARCHAR)`;
    const present = `${value} IS NOT NULL`;
    const { cast, fits } = columnCast(column, field.type);
    if (!required) return plan(cast, fits, shown);
    return plan(cast, fits === "TRUE" ? present : `${fits} AND ${present}`, shown);
  }
}

interface ColumnPlan {
  readonly value: string;
  /** Never NULL. */
  readonly fits: string;
  /** The value as text, for messages. */
  readonly shown: string;
}

interface NamedPlan extends ColumnPlan {
  /** As the file calls it. */
  readonly source: string;
  readonly name: string;
  /** Null for a field that nobody declared. */
  readonly type: Type | null;
}

function plan(value: string, fits: string, shown: string): ColumnPlan {
  return { value, fits, shown };
}

/** SQL for a column of the engine's as a type; null where it takes it for another. */
function engineValue(given: { readonly name: string; readonly type: string }, to: Type) {
  const sql = quoteIdentifier(given.name);
  // Whole microseconds, as was looked at: the cast keeps them.
  const type = given.type.replace(/\b(TIMESTAMP|TIME)_NS\b/g, "$1");
  try {
    if (!sameType(icebergType(type, given.name), to)) return null;
  } catch (thrown) {
    if (thrown instanceof LakeError) return null;
    throw thrown;
  }
  return type === given.type ? sql : `CAST(${sql} AS ${type})`;
}

/** Null where the engine refuses the file. */
async function describe(
  db: DuckDB,
  path: string,
): Promise<{ name: string; type: string }[] | null> {
  try {
    const rows = await db.rows(
      `DESCRIBE SELECT * FROM read_parquet(${quoteFileList([path])}, hive_partitioning = false)`,
    );
    return rows.map((row) => ({ name: String(row.column_name), type: String(row.column_type) }));
  } catch (thrown) {
    if (isFileFault(thrown)) return null;
    throw thrown;
  }
}

function read(works: readonly Work[]): string {
  const paths = quoteFileList(works.map((work) => work.path));
  return `read_parquet(${paths}, hive_partitioning = false)`;
}

export const FORMAT: FormatReader = {
  prepareBytes: prepareParquet,
  isCounted: true,
  isTyped: true,
  inspect: (_db, prepared) => inspectParquet(prepared),
  groupKey: parquetGroupKey,
  async byEngine({ db, request, rejects }, first) {
    const columns = await engineColumns(db, first);
    return columns === null ? null : new ParquetReader(db, request, rejects, columns);
  },
  async byRow({ limits }) {
    const { openParquet } = await import("./rows.ts");
    return (prepared) => openParquet(prepared, limits.decodedBytesMax);
  },
};
