/** Files whose rows are made here (Avro, XLSX): each row decided first, then all of them written by one statement. */

import type * as api from "@duckdb/node-api";
import { LakeError } from "../../../core/base/errors.ts";
import { counted } from "../../../core/base/quantity.ts";
import type { DecodeRequest, StagedFile } from "../../../core/engine.ts";
import { loadDuckDB } from "../../duckdb/native.ts";
import { duckDBType } from "../../duckdb/types.ts";
import { quoteFileList } from "../../syntax/quote.ts";
import { firstMisfit, type Misfits } from "../first-misfit.ts";
import { Fixes } from "../fixes.ts";
import { type GroupContext, type GroupFile, isFileFault, NO_ROWS } from "../group.ts";
import { write } from "../group-write.ts";
import { type Exact, rowJson } from "../lossless/exact-value.ts";
import type { Prepared } from "../prepared.ts";
import type { Place, Reject } from "../rejects.ts";
import { sourceColumns } from "../target-columns.ts";
import { namedDrops, targetList } from "../target-list.ts";
import { faultOf, Unreadable } from "../unreadable.ts";
import { ExactDecider, type RowVerdict } from "./row-decider.ts";
import { madeOf, RowExpressions } from "./row-expressions.ts";
import type { RowBatch, RowFault, RowSource, SourceRow, WholeRows } from "./row-source.ts";
import { RowTable } from "./row-table.ts";
import { DataTarget, PartsTarget } from "./whole-file.ts";

export type OpenRows = (prepared: Prepared) => Promise<RowSource>;

interface Read {
  readonly file: GroupFile;
  /** Parquet files of the rows that land, which are written once more. */
  readonly paths: readonly string[];
  /** Those that are the table's already. */
  readonly staged?: readonly StagedFile[];
}

/** Decodes files one after the other; a file that cannot be read to its end leaves nothing behind. */
export async function decodeRows(
  context: GroupContext,
  open: OpenRows,
  files: readonly Prepared[],
): Promise<{ files: GroupFile[]; staged: readonly StagedFile[] }> {
  const read: Read[] = [];
  for (const prepared of files) read.push(await readFile(context, open, prepared));
  const landed = read.filter(({ paths }) => paths.length > 0);
  const results = read.map(({ file }) => file);
  const whole = read.flatMap(({ staged }) => staged ?? []);
  const staged = landed.length === 0 ? whole : [...whole, ...(await writeParts(context, landed))];
  const written = staged.reduce((sum, file) => sum + Number(file.rows), 0);
  const expected = results.reduce((sum, file) => sum + file.rowsLanded, 0);
  if (written !== expected) {
    throw new LakeError(
      "internal",
      `${counted(written, "row was", "rows were")} written where ${expected} stand`,
      {
        hint: "report this with the files; nothing was landed",
        context: { file: files[0]?.file.name ?? "" },
      },
    );
  }
  return { files: results, staged };
}

function writeParts(
  context: GroupContext,
  landed: readonly Read[],
): Promise<readonly StagedFile[]> {
  const works = landed.map(({ file: { prepared } }) => ({
    prepared,
    path: prepared.path,
    trusted: true,
    longestBytes: 0,
  }));
  const sql = selectParts(
    context,
    landed.flatMap(({ paths }) => paths),
    works.map(({ prepared }) => prepared.file.name),
  );
  return write(context, sql, works);
}

async function readFile(context: GroupContext, open: OpenRows, prepared: Prepared): Promise<Read> {
  context.announce(prepared.file.name);
  context.rejects.begin();
  try {
    const source = await open(prepared);
    const whole = await writeWhole(context, source, prepared);
    if (whole !== null) return whole;
    const run = await FileRun.create(context, prepared, source);
    const found = await run.run();
    if (found.file.misfits.size > 0) context.rejects.rollback();
    return found;
  } catch (thrown) {
    if (!(thrown instanceof Unreadable) && !isFileFault(thrown)) throw thrown;
    context.rejects.rollback();
    return { file: { ...NO_ROWS, prepared, fault: faultOf(thrown) }, paths: [] };
  }
}

/**
 * All rows at once, where the source can and no row is corrected: as a file of the table where all of them are of one
 * partition.
 */
async function writeWhole(
  context: GroupContext,
  source: RowSource,
  prepared: Prepared,
): Promise<Read | null> {
  const { request, constant } = context;
  const { name } = prepared.file;
  const isFixed = request.fixes.some(({ place }) => place === null || place.file === name);
  if (isFixed || source.writeWhole === undefined) return null;
  const isPlaced = constant !== null && !request.read.folders;
  const path = `${request.staging}/${context.nextName()}.parquet`;
  const target = isPlaced
    ? new DataTarget(request, path, name, prepared.rowsBefore)
    : new PartsTarget(partStem(request, prepared), name);
  const { rejects } = context;
  let rejected = 0;
  const reject: WholeRows["reject"] = (row, { column, reason, message }, raw) => {
    rejected++;
    rejects.add(prepared, { line: null, row, column, reason, message, raw });
  };
  const whole = await source.writeWhole({ target, reject });
  if (whole === null) {
    rejects.rollback();
    return null;
  }
  const { rows, paths, sizeBytes } = whole;
  const counts = { rowsIn: rows + rejected, rowsLanded: rows, rowsQuarantined: rejected };
  const file = { ...NO_ROWS, prepared, ...counts };
  if (!isPlaced) return { file, paths };
  const data = { rows: BigInt(rows), sizeBytes: BigInt(sizeBytes), partition: constant };
  return { file, paths: [], staged: paths.map((one) => ({ path: one, ...data })) };
}

function partStem({ files, staging }: DecodeRequest, { file }: Prepared): string {
  return `${staging}/work-${files.indexOf(file)}-part`;
}

/** One pass over one file. */
class FileRun {
  #context: GroupContext;
  #prepared: Prepared;
  #source: RowSource;
  #decider: ExactDecider;
  #expressions: RowExpressions;
  #table: RowTable;
  #fixes: Fixes;
  #reported = new Map<string, string | null>();
  #seen = 0;
  #landed = 0;
  #rejected = 0;

  private constructor(
    native: typeof api,
    context: GroupContext,
    prepared: Prepared,
    source: RowSource,
    table: RowTable,
  ) {
    const { request, db } = context;
    this.#context = context;
    this.#prepared = prepared;
    this.#source = source;
    this.#decider = new ExactDecider(native, request, source);
    this.#expressions = new RowExpressions(db, source.names, request.columns);
    this.#table = table;
    this.#fixes = new Fixes(request.fixes);
    if (request.onUnknown !== "report") return;
    for (const name of this.#decider.unknown) this.#reported.set(name, null);
  }

  static async create(
    context: GroupContext,
    prepared: Prepared,
    source: RowSource,
  ): Promise<FileRun> {
    const native = await loadDuckDB();
    const { request, db } = context;
    const { places } = new ExactDecider(native, request, source);
    const types = places.map((place) => duckDBType(place.column.field.type));
    const stem = partStem(request, prepared);
    const { name } = prepared.file;
    const table = await RowTable.create(db, "lake_rows", [...types, "VARCHAR"], stem, name);
    return new FileRun(native, context, prepared, source, table);
  }

  async run(): Promise<Read> {
    try {
      for await (const batch of this.#source.read()) await this.#take(batch);
      await this.#table.finish();
    } finally {
      await this.#table.close();
    }
    const prepared = this.#prepared;
    if (this.#reported.size > 0) {
      return { file: { ...NO_ROWS, prepared, misfits: this.#reported }, paths: [] };
    }
    const { unread } = this.#source;
    const file = {
      ...NO_ROWS,
      ...(unread === undefined ? {} : { unread }),
      prepared,
      rowsIn: this.#landed + this.#rejected,
      rowsLanded: this.#landed,
      rowsQuarantined: this.#rejected,
    };
    return { file, paths: this.#table.paths };
  }

  async #take(batch: RowBatch): Promise<void> {
    this.#seen += batch.rows.length;
    const { rowsMax } = this.#context.request.limits;
    if (this.#seen > rowsMax) throw new Unreadable("limit", `more than ${rowsMax} rows`);
    const rows = batch.rows.map((row) => this.#fixed(row));
    const made = await this.#expressions.make(rows.map(({ row }) => row));
    const bytesEach = batch.bytes / Math.max(1, rows.length);
    for (const [index, { row, fix }] of rows.entries()) {
      if (fix === null) continue;
      const verdict = this.#decide(row, madeOf(made, index), fix !== undefined);
      if (verdict.kind === "report") this.#report(row, verdict.values);
      else if (verdict.kind === "reject") this.#reject(row, verdict, fix);
      else {
        this.#landed++;
        if (this.#reported.size === 0) await this.#table.push(verdict.values, bytesEach);
      }
    }
  }

  #decide(row: SourceRow, made: ReadonlyMap<string, string | null>, isFixed: boolean): RowVerdict {
    if (row.fault !== null) return { kind: "reject", ...row.fault };
    return this.#decider.decide(row.values, made, isFixed);
  }

  /** The row as a fix has it; a fix without text takes it out. */
  #fixed(row: SourceRow): { row: SourceRow; fix: string | null | undefined } {
    const fix = this.#fixes.of(this.#prepared.file, placeOf(row));
    if (fix === undefined || fix === null) return { row, fix };
    const whole = this.#source.parse?.(fix, row) ?? null;
    if (whole !== null) return { row: { ...row, ...whole }, fix };
    const parsed = this.#decider.parseFix(fix);
    return isValues(parsed)
      ? { row: { ...row, values: parsed, fault: null }, fix }
      : { row: { ...row, fault: parsed }, fix };
  }

  #reject(row: SourceRow, fault: RowFault, fix: string | null | undefined): void {
    this.#rejected++;
    if (this.#reported.size > 0) return;
    const { reason, column, message } = fault;
    const raw = fix ?? row.raw ?? rowJson(this.#source.names, row.values);
    const reject: Reject = { ...placeOf(row), column, reason, message, raw };
    this.#context.rejects.add(this.#prepared, reject);
  }

  #report(row: SourceRow, values: Misfits): void {
    for (const [name, value] of values) {
      if (this.#reported.has(name)) continue;
      this.#reported.set(name, firstMisfit(value, placeOf(row)));
    }
  }
}

function placeOf({ line, row }: SourceRow): Place {
  return { line: line ?? null, row };
}

function isValues(parsed: readonly Exact[] | RowFault): parsed is readonly Exact[] {
  return Array.isArray(parsed);
}

function selectParts(
  context: GroupContext,
  paths: readonly string[],
  files: readonly string[],
): string {
  const { request } = context;
  const columns = sourceColumns(request);
  const valueByName = new Map(columns.map(({ field }, index) => [field.name, `c${index}`]));
  const rescued = request.onUnknown === "rescue" ? `c${columns.length}` : "NULL";
  const list = targetList(request, valueByName, namedDrops(files, "lake_file"), rescued);
  return `SELECT ${list} FROM read_parquet(${quoteFileList(paths)}, hive_partitioning = false)`;
}
