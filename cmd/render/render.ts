/** A query's result in the format that was asked for: data to one sink, the footer to another. */

import { LakeError } from "../../core/base/errors.ts";
import { own } from "../../core/base/json.ts";
import { counted } from "../../core/base/quantity.ts";
import type { Chunk, ResultSet } from "../../sql/query/result.ts";
import type { JsonNumbers } from "../format/json.ts";
import { durationText } from "../format/numbers.ts";
import type { Style } from "./style.ts";

export const FORMATS = [
  "box",
  "csv",
  "tsv",
  "json",
  "jsonl",
  "markdown",
  "line",
  "arrow",
  "parquet",
  "xlsx",
] as const;
export type Format = (typeof FORMATS)[number];

/** Where output goes; resolves when the reader has taken it, so memory stays bounded. */
export interface Sink {
  write(data: string | Uint8Array): Promise<void>;
}

export interface RenderOptions {
  readonly format: Exclude<Format, "parquet">;
  readonly style: Style;
  readonly timezone: string;
  readonly width: number;
  readonly rowsMax: number;
  readonly jsonNumbers: JsonNumbers;
  /** Arrow: the file layout for a file, the stream layout for a pipe. */
  readonly toFile: boolean;
}

export interface Rendered {
  readonly rowCount: bigint;
  readonly rowsShown: bigint;
  readonly columnCount: number;
  readonly columnsShown: number;
}

/** Rows shown in full before a box is cut to its first and last. DuckDB: 40. */
export const BOX_ROWS_MAX = 40;

/** The format that a name or the ending of a file stands for. Throws LakeError `usage`. */
export function parseFormat(name: string): Format {
  const known = own(ALIASES, name.toLowerCase());
  if (known !== undefined) return known;
  throw new LakeError("usage", `"${name}" is not an output format`, {
    hint: `formats: ${FORMATS.join(", ")}`,
    page: "T0102",
  });
}

/** Writes the result and nothing else, reading it once to its end. */
export async function renderResult(
  result: ResultSet,
  options: RenderOptions,
  sink: Sink,
): Promise<Rendered> {
  if (options.format === "box") {
    const { drawBox } = await import("./box.ts");
    const box = await drawBox(result, options);
    await sink.write(box.text);
    return {
      rowCount: box.rowCount,
      rowsShown: BigInt(box.rowsShown),
      columnCount: result.columns.length,
      columnsShown: box.columnsShown,
    };
  }
  const rowCount = await renderAll(result, options.format, options, sink);
  const columnCount = result.columns.length;
  return { rowCount, rowsShown: rowCount, columnCount, columnsShown: columnCount };
}

/** ` 1,204 rows (20 shown) · 6 columns (4 shown) · 14 ms · silver.orders@5`. */
export function footerText(
  rendered: Rendered,
  elapsedMs: number | null,
  notes: readonly string[],
): string {
  const { rowCount, rowsShown, columnCount, columnsShown } = rendered;
  const parts: string[] = [];
  if (columnCount > 0) {
    const shown = rowsShown < rowCount ? ` (${rowsShown} shown)` : "";
    parts.push(counted(rowCount, "row") + shown);
    if (columnsShown < columnCount) {
      parts.push(`${counted(columnCount, "column")} (${columnsShown} shown)`);
    } else if (rowsShown < rowCount) parts.push(counted(columnCount, "column"));
  }
  if (elapsedMs !== null) parts.push(durationText(elapsedMs));
  return ` ${[...parts, ...notes].join(" · ")}`;
}

const ALIASES: Readonly<Record<string, Format>> = {
  ...Object.fromEntries(FORMATS.map((format) => [format, format])),
  table: "box",
  duckbox: "box",
  md: "markdown",
  ndjson: "jsonl",
  jsonlines: "jsonl",
  tabs: "tsv",
  ipc: "arrow",
  arrows: "arrow",
  feather: "arrow",
};

async function renderAll(
  result: ResultSet,
  format: Exclude<RenderOptions["format"], "box">,
  options: RenderOptions,
  sink: Sink,
): Promise<bigint> {
  const { columns } = result;
  const { timezone } = options;
  switch (format) {
    case "csv":
    case "tsv": {
      const { csvHeader, csvRows } = await import("../format/csv.ts");
      const delimiter = format === "csv" ? "," : "\t";
      await sink.write(csvHeader(columns, delimiter));
      const rows = csvRows(columns, delimiter, timezone);
      return eachChunk(result, (chunk) => sink.write(rows(chunk)));
    }
    case "markdown": {
      const { markdownHeader, markdownRows } = await import("./markdown.ts");
      await sink.write(markdownHeader(columns));
      const rows = markdownRows(columns, timezone);
      return eachChunk(result, (chunk) => sink.write(rows(chunk)));
    }
    case "line": {
      const { lineRows } = await import("./markdown.ts");
      const rows = lineRows(columns, timezone);
      return eachChunk(result, (chunk, isFirst) => sink.write(rows(chunk, isFirst)));
    }
    case "jsonl": {
      const { jsonRows } = await import("../format/json.ts");
      const rows = jsonRows(columns, options.jsonNumbers, timezone);
      return eachChunk(result, (chunk) => sink.write(`${rows(chunk).join("\n")}\n`));
    }
    case "json": {
      const { jsonRows } = await import("../format/json.ts");
      const rows = jsonRows(columns, options.jsonNumbers, timezone);
      const count = await eachChunk(result, (chunk, isFirst) =>
        sink.write((isFirst ? "[" : ",\n") + rows(chunk).join(",\n")),
      );
      await sink.write(count === 0n ? "[]\n" : "]\n");
      return count;
    }
    case "arrow": {
      const { writeArrow } = await import("../format/arrow.ts");
      const layout = options.toFile ? "file" : "stream";
      return writeArrow(result, layout, timezone, (bytes) => sink.write(bytes));
    }
    case "xlsx": {
      const { writeXlsx } = await import("../format/xlsx.ts");
      return writeXlsx(result, timezone, (bytes) => sink.write(bytes));
    }
  }
}

async function eachChunk(
  result: ResultSet,
  write: (chunk: Chunk, isFirst: boolean) => Promise<void>,
): Promise<bigint> {
  let rowCount = 0n;
  for await (const chunk of result.chunks()) {
    await write(chunk, rowCount === 0n);
    rowCount += BigInt(chunk.rowCount);
  }
  return rowCount;
}
