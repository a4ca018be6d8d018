/** Corrected rows of a Parquet file: decided here one by one, and read back in the place that they have in it. */

import type { DecodeRequest } from "../../../core/engine.ts";
import type { DuckDB } from "../../duckdb/duckdb.ts";
import { loadDuckDB } from "../../duckdb/native.ts";
import { duckDBType } from "../../duckdb/types.ts";
import { quoteFileList, quoteIdentifier } from "../../syntax/quote.ts";
import type { Drops } from "../folders.ts";
import type { Exact } from "../lossless/exact-value.ts";
import { ExactDecider, type RowVerdict } from "../made/row-decider.ts";
import { madeOf, RowExpressions } from "../made/row-expressions.ts";
import { BATCH_ROWS, type RowFault, type SourceRow } from "../made/row-source.ts";
import { RowTable } from "../made/row-table.ts";
import type { Prepared } from "../prepared.ts";
import { sourceColumns } from "../target-columns.ts";
import { targetList } from "../target-list.ts";

/** The JSON that stands for a row. */
export interface FixedRow {
  /** Position in the drop, from 1. */
  readonly row: number;
  readonly text: string;
}

interface OtherFix extends FixedRow {
  readonly verdict: Exclude<RowVerdict, { readonly kind: "land" }>;
}

export interface DecidedFixes {
  readonly landed: number;
  /** Parquet files of the rows that land: their number, then the columns that files fill. */
  readonly paths: readonly string[];
  /** What does not land. */
  readonly others: readonly OtherFix[];
}

/** Decides the corrected rows of one file, as rows are decided that come from formats read here. */
export async function decideFixes(
  db: DuckDB,
  request: DecodeRequest,
  prepared: Prepared,
  fixes: readonly FixedRow[],
): Promise<DecidedFixes> {
  const names = prepared.header ?? [];
  const decider = new ExactDecider(await loadDuckDB(), request, { names, text: "all" });
  const expressions = new RowExpressions(db, names, request.columns);
  const types = decider.places.map((place) => duckDBType(place.column.field.type));
  const stem = `${request.staging}/work-${request.files.indexOf(prepared.file)}-fixed`;
  const columns = ["BIGINT", ...types, "VARCHAR"];
  const table = await RowTable.create(db, "lake_fixed", columns, stem, prepared.file.name);
  const others: OtherFix[] = [];
  let landed = 0;
  try {
    for (let start = 0; start < fixes.length; start += BATCH_ROWS) {
      const part = fixes.slice(start, start + BATCH_ROWS);
      const rows = part.map((fix) => ({ fix, ...fixedRow(decider, fix) }));
      const made = await expressions.make(rows);
      for (const [index, { fix, values, fault }] of rows.entries()) {
        const verdict: RowVerdict =
          fault === null
            ? decider.decide(values, madeOf(made, index), true)
            : { kind: "reject", ...fault };
        if (verdict.kind === "land") {
          landed++;
          await table.push([BigInt(fix.row), ...verdict.values], fix.text.length);
        } else others.push({ ...fix, verdict });
      }
    }
    await table.finish();
  } finally {
    await table.close();
  }
  return { landed, paths: table.paths, others };
}

/**
 * The rows of `from` where `fits` holds, and the corrected ones in their place. `values` holds SQL for columns that
 * the file fills, over `from`, which has `file_row_number`.
 */
export function selectWithFixes(
  request: DecodeRequest,
  paths: readonly string[],
  drops: Drops,
  rows: {
    readonly values: ReadonlyMap<string, string>;
    readonly rescued: string;
    readonly from: string;
    readonly fits: string;
  },
): string {
  const columns = sourceColumns(request);
  const fixed = new Map(columns.map(({ field }, index) => [field.name, `c${index + 1}`]));
  const rescued = request.onUnknown === "rescue" ? `c${columns.length + 1}` : "NULL";
  const list = targetList(request, rows.values, drops, rows.rescued);
  const fixedList = targetList(request, fixed, drops, rescued);
  const { fields } = request.schema;
  const names = fields.map((_, index) => `v${index}`);
  const named = fields.map(({ name }, index) => `v${index} AS ${quoteIdentifier(name)}`);
  return `SELECT ${named.join(", ")} FROM (
    SELECT file_row_number + 1, ${list} FROM ${rows.from} WHERE ${rows.fits}
    UNION ALL
    SELECT c0, ${fixedList} FROM read_parquet(${quoteFileList(paths)}, hive_partitioning = false)
  ) AS lake (place, ${names.join(", ")}) ORDER BY lake.place`;
}

function fixedRow(decider: ExactDecider, { row, text }: FixedRow): SourceRow {
  const parsed = decider.parseFix(text);
  return isFault(parsed)
    ? { row, values: [], fault: parsed }
    : { row, values: parsed, fault: null };
}

function isFault(parsed: readonly Exact[] | RowFault): parsed is RowFault {
  return !Array.isArray(parsed);
}
