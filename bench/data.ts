/** Input files, made once by DuckDB with fixed content and kept in TARN_BENCH_DIR, never in the repository. */

import { existsSync, mkdirSync, renameSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { quoteTargetPath } from "../sql/syntax/quote.ts";
import { measure, progress } from "./measure.ts";

export const FORMATS = ["ndjson", "csv", "parquet"] as const;
export type Format = (typeof FORMATS)[number];

export interface Input {
  readonly format: Format;
  readonly path: string;
  readonly rows: number;
  readonly sizeBytes: number;
}

/** Columns of every input. */
export const COLUMNS: Readonly<Record<string, string>> = {
  id: "BIGINT",
  ts: "TIMESTAMP",
  user_id: "BIGINT",
  kind: "VARCHAR",
  amount: "DECIMAL(10,2)",
  url: "VARCHAR",
  country: "VARCHAR",
  session: "VARCHAR",
};

/** Measured with this generator; sizes come out within a few percent. */
const BYTES_PER_ROW: Readonly<Record<Format, number>> = { ndjson: 197, csv: 124, parquet: 18 };
/**
 * `bad`: every 200th amount is none. `quoted`: texts in quotes, with quotes, delimiters and line ends in every third.
 * Of texts alone.
 */
export const SHAPES = ["clean", "bad", "quoted"] as const;
export type Shape = (typeof SHAPES)[number];

const COPY_OPTIONS: Readonly<Record<Format, string>> = {
  ndjson: "format json",
  csv: "format csv, header",
  parquet: "format parquet, compression zstd",
};
const EXTENSIONS: Readonly<Record<Format, string>> = {
  ndjson: "jsonl",
  csv: "csv",
  parquet: "parquet",
};

/** Where everything that a benchmark writes goes. */
export function benchFolder(...parts: string[]): string {
  const folder = join(process.env.TARN_BENCH_DIR ?? join(tmpdir(), "lake-bench"), ...parts);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** An input of about so many megabytes; made when it is not there yet. */
export async function input(
  format: Format,
  megabytes: number,
  shape: Shape = "clean",
): Promise<Input> {
  const rows = Math.round((megabytes * 1e6) / BYTES_PER_ROW[format]);
  const name = shape === "clean" ? "events" : `events-${shape}`;
  const path = join(benchFolder("inputs"), `${name}-${megabytes}mb.${EXTENSIONS[format]}`);
  if (!existsSync(path)) {
    progress(`making ${path} (${rows} rows)`);
    // Its own process: the memory DuckDB took is given back.
    await measure([process.execPath, import.meta.path, format, String(rows), path, shape]);
  }
  return { format, path, rows, sizeBytes: statSync(path).size };
}

/** The rows as a query, `from` included to `to` excluded. */
export function rowsSql(from: number, to: number): string {
  return `
    select i as id,
      (timestamp '2026-01-01' + to_milliseconds(i * 137)) as ts,
      (hash(i) % 1000000)::bigint as user_id,
      ['view', 'click', 'cart', 'pay', 'refund'][1 + (hash(i + 1) % 5)::int] as kind,
      ((hash(i + 2) % 10000000) / 100.0)::decimal(10,2) as amount,
      'https://shop.example/p/' || (hash(i + 3) % 50000) || '?ref=' || (hash(i + 4) % 100) as url,
      ['NO', 'SE', 'DE', 'FR', 'US', 'JP'][1 + (hash(i + 5) % 6)::int] as country,
      md5(((i / 20)::bigint)::varchar) as session
    from range(${from}, ${to}) t(i)`;
}

/** Writes rows to a file; through a temporary name, so that a broken run leaves none behind. */
export async function writeRows(
  format: Format,
  from: number,
  to: number,
  path: string,
  shape: Shape = "clean",
) {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const partial = `${path}.part`;
  const target = quoteTargetPath(partial);
  const rows = shapedSql(rowsSql(from, to), format, shape);
  const quotes = shape === "quoted" ? ", force_quote (kind, url, session)" : "";
  await connection.run(`copy (${rows}) to ${target} (${COPY_OPTIONS[format]}${quotes})`);
  connection.closeSync();
  instance.closeSync();
  renameSync(partial, path);
}

function shapedSql(rows: string, format: Format, shape: Shape): string {
  switch (shape) {
    case "clean":
      return rows;
    case "bad": {
      const isJson = format === "ndjson";
      const [bad, good] = isJson
        ? [`'"oops"'::json`, "to_json(amount)"]
        : ["'oops'", "amount::varchar"];
      return `select * replace (case when id % 200 = 199 then ${bad} else ${good} end as amount) from (${rows})`;
    }
    case "quoted": {
      const text = `'he said "hi", and' || chr(10) || url`;
      return `select * replace (case when id % 3 = 0 then ${text} else url end as url) from (${rows})`;
    }
  }
}

if (import.meta.main) {
  const [format, rows, path, shape] = process.argv.slice(2);
  const known = FORMATS.find((one) => one === format);
  if (known === undefined || rows === undefined || path === undefined) {
    throw new Error("usage: data.ts ndjson|csv|parquet ROWS PATH [SHAPE]");
  }
  const shaped = SHAPES.find((one) => one === shape);
  await writeRows(known, 0, Number(rows), path, shaped);
}
