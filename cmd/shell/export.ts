/** Results of queries as files: whole or not there at all. */

import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, sep } from "node:path";
import { ioError, LakeError } from "../../core/base/errors.ts";
import { suggestion } from "../../core/base/suggest.ts";
import { openDuckDB } from "../../sql/duckdb/duckdb.ts";
import { QuerySession } from "../../sql/query/query.ts";
import type { ResultSet } from "../../sql/query/result.ts";
import { quoteLiteral } from "../../sql/syntax/quote.ts";
import { lakeLookup } from "../lake/table-lookup.ts";
import type { Session } from "../open.ts";
import type { OutputKind } from "../render/output-file.ts";
import { renderResult } from "../render/render.ts";
import { fileSink } from "../render/sink.ts";
import { createStyle } from "../render/style.ts";
import { columnsOf, parquetQuery } from "./parquet-query.ts";

export interface ExportRequest {
  /** One query. */
  readonly sql: string;
  /** As the lookup takes it; null is now. */
  readonly asOf: string | null;
  /** Absolute: a file, or the folder of a partitioned export. */
  readonly path: string;
  readonly kind: OutputKind;
  /** A folder `column=value` for each of their values, and files without them. */
  readonly partitionBy: readonly string[];
  readonly force: boolean;
}

export interface Exported {
  readonly rows: bigint;
  readonly files: number;
  readonly bytes: number;
  /** What was read: `gold.daily@5`. */
  readonly tables: readonly string[];
}

/** Throws `usage` for what is there already and for wrong columns, `sql`, `io`. */
export async function exportOf(
  session: Session,
  request: ExportRequest,
  signal: AbortSignal,
): Promise<Exported> {
  const { path, force } = request;
  checkTarget(session, path, force);
  const tempFolder = mkdtempSync(join(tmpdir(), "lake-export-"));
  const query = sessionOf(session, tempFolder);
  query.asOf = request.asOf;
  const stop = (): void => query.interrupt();
  signal.addEventListener("abort", stop);
  const partial = `${path}.${process.pid}.partial`;
  try {
    removePartials(path);
    const done =
      request.partitionBy.length > 0
        ? await exportFolder(query, request, partial, tempFolder)
        : await exportFile(query, request, partial);
    replace(partial, path);
    removeLeft(path, "before");
    return done;
  } catch (thrown) {
    rmSync(partial, { recursive: true, force: true });
    throw thrown;
  } finally {
    signal.removeEventListener("abort", stop);
    await query.close();
    rmSync(tempFolder, { recursive: true, force: true });
  }
}

async function exportFile(
  query: QuerySession,
  { sql, kind }: ExportRequest,
  partial: string,
): Promise<Exported> {
  if (kind.format === "parquet") {
    const { rowsChanged, tables } = await query.writeParquet(
      await parquetQuery(query, sql),
      partial,
    );
    syncFile(partial);
    return { rows: BigInt(rowsChanged ?? 0), files: 1, bytes: statSync(partial).size, tables };
  }
  let rows = 0n;
  let tables: readonly string[] = [];
  let count = 0;
  for await (const answer of query.run(sql)) {
    if (answer.result === null || ++count > 1) throw notOneQuery();
    rows += await render(query, answer.result, kind, partial);
    tables = answer.tables;
  }
  if (count === 0) throw notOneQuery();
  return { rows, files: 1, bytes: statSync(partial).size, tables };
}

/** By way of Parquet files, which the engine writes within its memory, however many values there are. */
async function exportFolder(
  query: QuerySession,
  { sql, kind, partitionBy }: ExportRequest,
  partial: string,
  tempFolder: string,
): Promise<Exported> {
  const names = (await columnsOf(query, sql)).map(({ name }) => name);
  for (const column of partitionBy) {
    if (names.includes(column)) continue;
    throw new LakeError("usage", `--partition-by ${column}: the result has no such column`, {
      hint: suggestion(column, names, "columns"),
    });
  }
  if (names.length === new Set(partitionBy).size) {
    throw new LakeError(
      "usage",
      "--partition-by takes all columns, and the files would hold none",
      {
        hint: "leave one column at least",
      },
    );
  }
  const isParquet = kind.format === "parquet";
  const folder = isParquet ? partial : join(tempFolder, "parts");
  const text = await parquetQuery(query, sql);
  const { rowsChanged, tables } = await query.writeParquet(text, folder, partitionBy);
  mkdirSync(partial, { recursive: true });
  const ending = endingOf(kind);
  let files = 0;
  let bytes = 0;
  const made = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
  for (const name of made.filter((one) => one.endsWith(".parquet")).sort()) {
    const to = join(partial, name.replace(/\.parquet$/, ending));
    if (isParquet) syncFile(to);
    else {
      mkdirSync(dirname(to), { recursive: true });
      const from = `FROM read_parquet(${quoteLiteral(join(folder, name))}, hive_partitioning = false)`;
      for await (const { result } of query.run(from)) {
        if (result !== null) await render(query, result, kind, to);
      }
      rmSync(join(folder, name));
    }
    files += 1;
    bytes += statSync(to).size;
  }
  for (const each of readdirSync(partial, { recursive: true, withFileTypes: true })) {
    if (each.isDirectory()) syncFile(join(each.parentPath, each.name));
  }
  return { rows: BigInt(rowsChanged ?? 0), files, bytes, tables };
}

async function render(
  query: QuerySession,
  result: ResultSet,
  { format, packing }: OutputKind,
  path: string,
): Promise<bigint> {
  const sink = await fileSink(path, packing);
  try {
    const { rowCount } = await renderResult(
      result,
      {
        // Parquet is written by the engine.
        format: format === "parquet" ? "csv" : format,
        style: createStyle(false),
        timezone: query.timezone,
        width: Number.MAX_SAFE_INTEGER,
        rowsMax: Number.MAX_SAFE_INTEGER,
        jsonNumbers: "js",
        toFile: true,
      },
      sink,
    );
    await sink.close();
    return rowCount;
  } catch (thrown) {
    await sink.discard();
    throw thrown;
  }
}

/** Files of a partitioned export that are written at a time: DuckDB's own number where nobody says the process's. */
const OPEN_FILES_USUAL = 100;
const OPEN_FILES_MAX = 700;

/** Two thirds of what this process may open. man proc(5). */
function openFilesMax(): number {
  try {
    const limits = readFileSync("/proc/self/limits", "utf8");
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
    if (soft === undefined) return OPEN_FILES_USUAL;
    return Math.max(1, Math.min(OPEN_FILES_MAX, Math.floor((Number(soft) * 2) / 3)));
  } catch {
    return OPEN_FILES_USUAL;
  }
}

function sessionOf(session: Session, tempFolder: string): QuerySession {
  const { threads, memoryBytes, timezone } = session.settings;
  const shared = { threads, memoryBytes, timezone, allowedPaths: [], allowedFolders: [] };
  return new QuerySession({
    open: async () => {
      const db = await openDuckDB({ ...shared, tempFolder, lockdown: false });
      // A folder beyond the limit is closed, and what comes for it later begins another file.
      await db.run(`SET partitioned_write_max_open_files = ${openFilesMax()}`);
      return db;
    },
    lookup: lakeLookup(session),
    timezone: session.config.timezone,
    writablePath: (path) => path,
  });
}

function checkTarget({ warehouse }: Session, path: string, force: boolean): void {
  const folder = dirname(path);
  if (!existsSync(folder)) {
    throw new LakeError("usage", `there is no folder ${folder}`, { hint: `mkdir -p ${folder}` });
  }
  const place = `${realpathSync(folder)}${sep}${basename(path)}`;
  if (place === warehouse || place.startsWith(`${warehouse}${sep}`)) {
    throw new LakeError("unsupported", `${path} lies in the lake's own folder`, {
      hint: "write somewhere else; rows come into the lake from drops and models",
    });
  }
  if (!existsSync(path)) return;
  if (!force) {
    throw new LakeError("usage", `${path} is there already`, {
      hint: "take another name, or replace it: --force",
    });
  }
  const there = statSync(path);
  if (!there.isFile() && !there.isDirectory()) {
    throw new LakeError("usage", `${path} is a device, and would be replaced by a file`, {
      hint: "to write to a terminal or a pipe: tarn sql -c … --format csv",
    });
  }
  const other = there.isDirectory() ? otherIn(path, warehouse) : null;
  if (other === null) return;
  throw new LakeError("usage", `${path} holds ${other}, which no export has written`, {
    hint: "--force replaces a folder of a partitioned export alone: take another name, or remove it yourself",
  });
}

/** What a folder holds besides folders of partitions: all of it would be gone. */
function otherIn(path: string, warehouse: string): string | null {
  if (warehouse.startsWith(`${realpathSync(path)}${sep}`)) return "the lake";
  const names = readdirSync(path, { withFileTypes: true });
  return names.find((entry) => !(entry.isDirectory() && entry.name.includes("=")))?.name ?? null;
}

/** What exports that died have begun for this target; a folder that left is put back if nothing came after it. */
function removePartials(path: string): void {
  const [last] = leftOf(path, "before");
  if (last !== undefined && !existsSync(path)) renameSync(last, path);
  removeLeft(path, "partial");
}

function removeLeft(path: string, ending: "partial" | "before"): void {
  for (const one of leftOf(path, ending)) rmSync(one, { recursive: true, force: true });
}

/** Of processes that are gone. */
function leftOf(path: string, ending: "partial" | "before"): readonly string[] {
  const mark = `${basename(path)}.`;
  return readdirSync(dirname(path)).flatMap((name) => {
    if (!name.startsWith(mark) || !name.endsWith(`.${ending}`)) return [];
    const pid = name.slice(mark.length, -ending.length - 1);
    return /^\d+$/.test(pid) && !isRunning(Number(pid)) ? [join(dirname(path), name)] : [];
  });
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The new one under its name; a folder that is there first leaves, for it cannot be replaced in one step. */
function replace(partial: string, path: string): void {
  const before = `${path}.${process.pid}.before`;
  try {
    const isFolder =
      existsSync(path) && (statSync(path).isDirectory() || statSync(partial).isDirectory());
    if (isFolder) renameSync(path, before);
    renameSync(partial, path);
    syncFile(dirname(path));
    rmSync(before, { recursive: true, force: true });
  } catch (thrown) {
    throw ioError(thrown, "write", path);
  }
}

function syncFile(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function endingOf({ format, packing }: OutputKind): string {
  const packed = packing === null ? "" : packing === "gzip" ? ".gz" : ".zst";
  return `.${format}${packed}`;
}

function notOneQuery(): LakeError {
  return new LakeError("usage", "export takes exactly one query", {
    hint: 'tarn export "select … from gold.daily" --to daily.csv',
  });
}
