/** CSV files decoded: the whole group in one statement, files with bad rows with a scan of their own. */

import { join } from "node:path";
import type { DecodeRequest } from "../../../core/engine.ts";
import { REJECTS_PER_FILE_MAX } from "../../../core/limits.ts";
import type { DuckDB } from "../../duckdb/duckdb.ts";
import { firstMisfit, type Misfits, NO_MISFITS } from "../first-misfit.ts";
import { Fixes } from "../fixes.ts";
import type { GroupReader, Repaired, Work } from "../group.ts";
import { type Prepared, UNKNOWN_LINES } from "../prepared.ts";
import type { Reject, Rejects } from "../rejects.ts";
import { firstMessage, valueMessage } from "../target-columns.ts";
import { Unreadable } from "../unreadable.ts";
import { csvShape } from "./prepare.ts";
import type { Asked, CopyTo, LineMap, Scanned } from "./records.ts";
import { scanCsv } from "./scan.ts";
import {
  type Check,
  type CsvPlan,
  failingCsv,
  misfitsCsv,
  planCsv,
  selectCsv,
  strictCsv,
} from "./sql.ts";

const FIRST_RECORDS = 1_000;
const LF = 10;

/** A row that fails a check, by its number among the good records. */
interface Misfit {
  readonly row: number;
  readonly check: number;
  readonly text: string | null;
}

/** A file that was looked through beside the statement that wrote it. */
interface Looked {
  readonly work: Work;
  /** Null: not found out. */
  readonly misfits: readonly Misfit[] | null;
  /** Null where they were found by the engine. */
  readonly scanned: Scanned | null;
}

/** Groups of CSV files that one statement can read: same dialect, same header. */
export function csvGroupKey(prepared: Prepared): string {
  const { delimiter, quote, escapeMark, comment, padded, closing, strays, fills, units } =
    prepared.dialect;
  const shape = [delimiter, quote, escapeMark, comment, padded, closing, strays, fills, units];
  return JSON.stringify([...shape, prepared.header, prepared.fieldCount]);
}

export class CsvReader implements GroupReader {
  readonly plan: CsvPlan;
  readonly hasMisfits: boolean;
  #db: DuckDB;
  #request: DecodeRequest;
  #rejects: Rejects;
  #fixes: Fixes;
  /** What is found while the rows that fit are written; null: not looked for. */
  #looking: Promise<Looked> | null = null;

  constructor(db: DuckDB, request: DecodeRequest, rejects: Rejects, first: Prepared) {
    this.#db = db;
    this.#request = request;
    this.#rejects = rejects;
    this.plan = planCsv(request, first);
    this.hasMisfits = request.columns.some(({ setsAside }) => setsAside === true);
    this.#fixes = new Fixes(request.fixes);
  }

  select(works: readonly Work[]): string {
    return selectCsv(this.#request, this.plan, works);
  }

  strict(works: readonly Work[]): string {
    return strictCsv(this.#request, this.plan, works);
  }

  expected(prepared: Prepared): number {
    if (prepared.lines === UNKNOWN_LINES) return UNKNOWN_LINES;
    return Math.max(0, prepared.lines - (prepared.header === null ? 0 : 1));
  }

  isCorrected(prepared: Prepared): boolean {
    return this.#fixes.placed(prepared.file).size > 0;
  }

  /** Its rows are to be counted here: how many there are is not known by its lines. */
  isDoubtful(works: readonly Work[]): boolean {
    const isKnown = works.every(({ prepared }) => prepared.lines !== UNKNOWN_LINES);
    return !isKnown || works.some(spansLines);
  }

  /** Beside the statement that writes. A group is not looked at: its files are small. */
  async look(works: readonly Work[]): Promise<void> {
    const [only, ...others] = works;
    if (only === undefined || others.length > 0) return;
    this.#looking ??= this.#lookThrough(only);
    await this.#looking;
  }

  async #lookThrough(work: Work): Promise<Looked> {
    const { RowTest } = await import("./row-test.ts");
    const test = RowTest.of(this.plan, csvShape(work.prepared), this.#request.read.nulls);
    if (test === null) {
      // On a connection of its own.
      await using db = await this.#db.connect();
      const misfits = await this.#misfits(work, db).catch(() => null);
      return { work, misfits, scanned: null };
    }
    // The statement begins before.
    await new Promise((resolve) => setImmediate(resolve));
    try {
      const scanned = await this.#scan(work, null, { test });
      return { work, misfits: scanned.failed, scanned };
    } catch (thrown) {
      // It is said once more by whoever repairs the file.
      if (!(thrown instanceof Unreadable)) throw thrown;
      return { work, misfits: null, scanned: null };
    }
  }

  async repair(work: Work, landed: number | null, isStrict: boolean): Promise<Repaired> {
    const looked = landed === null ? null : await this.#looking;
    const known = looked?.work === work ? looked : null;
    const unseen = async () => (isStrict ? [] : await this.#misfits(work));
    const early = landed === null ? null : (known?.misfits ?? (await unseen()));
    const wanted = new Set(early?.map((misfit) => misfit.row));
    let scanned = known?.scanned ?? (await this.#scan(work, null, { wanted }));
    const plain = { ...work, longestBytes: scanned.longestBytes };
    const wholeLines = landed !== null && !scanned.rewrite;
    let current = plain;
    if (!wholeLines) {
      current = { ...plain, path: join(this.#request.staging, `${this.#tempName(work)}-rows`) };
      scanned = await this.#scan(work, { path: current.path, replaced: new Map(), lines: null });
    }
    let misfits = early !== null && wholeLines ? early : await this.#misfits(current);
    // Rows that DuckDB read without the scanner's leave: the copy decides.
    if (wholeLines && landed !== scanned.good - misfits.length) {
      current = { ...plain, path: join(this.#request.staging, `${this.#tempName(work)}-rows`) };
      scanned = await this.#scan(work, { path: current.path, replaced: new Map(), lines: null });
      misfits = await this.#misfits(current);
    }
    const names = await this.#reported(current, misfits, scanned.lines);
    if (names.size > 0) return { ...NOTHING, work: current, misfits: names };
    const { rejects: bad, good } = scanned;
    const found = await this.#collect(current, misfits, scanned);
    const { file } = work.prepared;
    const fixed = found.some((reject) => this.#fixes.of(file, reject) !== undefined);
    if (fixed) return this.#applyFixes(current, work.prepared, scanned, misfits, found);
    for (const reject of merged(bad, found)) this.#rejects.add(work.prepared, reject);
    return {
      work: current,
      rowsLanded: good - misfits.length,
      rowsQuarantined: bad.length + misfits.length,
      misfits: NO_MISFITS,
      redo: current.path !== work.path || landed === null,
      ...(scanned.remark === null ? {} : { remark: scanned.remark }),
    };
  }

  /** Rows of the right shape whose values were corrected stand in their place, and are checked again. */
  async #applyFixes(
    work: Work,
    prepared: Prepared,
    scanned: Scanned,
    misfits: readonly Misfit[],
    found: readonly Reject[],
  ): Promise<Repaired> {
    const replaced = new Map<number, string | null>();
    let dropped = 0;
    for (const [index, misfit] of misfits.entries()) {
      const reject = found[index];
      if (reject === undefined) continue;
      const raw = this.#fixes.of(prepared.file, reject);
      if (raw === undefined) continue;
      if (raw === null) dropped++;
      replaced.set(misfit.row, raw);
    }
    const path = join(this.#request.staging, `${this.#tempName(work)}-fixed`);
    const again = await this.#scan({ ...work, prepared }, { path, replaced, lines: scanned.lines });
    const current = { ...work, path, longestBytes: again.longestBytes };
    const left = await this.#misfits(current);
    const rejects = [...again.rejects, ...(await this.#collect(current, left, again))];
    for (const reject of merged(scanned.rejects, merged([], rejects))) {
      this.#rejects.add(prepared, reject);
    }
    return {
      work: current,
      rowsLanded: again.good - left.length,
      rowsQuarantined: scanned.rejects.length + rejects.length,
      misfits: NO_MISFITS,
      redo: dropped >= 0,
      ...(scanned.remark === null ? {} : { remark: scanned.remark }),
    };
  }

  #tempName(work: Work): string {
    const { file } = work.prepared;
    return `work-${file.sha256.slice(0, 16)}-${this.#request.files.indexOf(file)}`;
  }

  /** Reads every record; with `copy` also writes the good ones, corrected where a fix says so. */
  async #scan(work: Work, copy: CopyTo | null, asked: Asked = {}): Promise<Scanned> {
    const { FileScan } = await import("./records.ts");
    return new FileScan(work, copy, this.#fixes, this.#request.read.nulls, asked).run();
  }

  async #misfits(work: Work, db = this.#db): Promise<readonly Misfit[]> {
    const sql = misfitsCsv(this.#request, this.plan, work, REJECTS_PER_FILE_MAX + 1);
    if (sql === null) return [];
    const rows = await db.rows(sql);
    if (rows.length > REJECTS_PER_FILE_MAX) {
      throw new Unreadable("limit", `more than ${REJECTS_PER_FILE_MAX} rows do not fit`);
    }
    return rows.map((row) => ({
      row: Number(row.lake_row),
      check: Number(row.lake_check),
      text: row.lake_text === null ? null : String(row.lake_text),
    }));
  }

  /** Names whose values do not fit, when the caller wants to widen them first. */
  async #reported(work: Work, misfits: readonly Misfit[], lines: LineMap): Promise<Misfits> {
    const { checks } = this.plan;
    const first = (check: number): string | null => {
      const found = misfits.find((misfit) => misfit.check <= check);
      // A row is known by its first check that fails: this one may have failed in it too.
      if (found === undefined || found.check !== check || found.text === null) return null;
      return firstMisfit(found.text, { line: lines.lineOf(found.row), row: found.row });
    };
    const isReported = misfits.some(({ check }) => this.#isReported(checks[check]));
    if (!isReported) return NO_MISFITS;
    const [row] = await this.#db.rows(failingCsv(this.#request, this.plan, work));
    return new Map(
      checks.flatMap((check, index): [string, string | null][] =>
        this.#isReported(check) && row?.[`k${index}`] === true
          ? [[check.column, first(index)]]
          : [],
      ),
    );
  }

  #isReported(check: Check | undefined): boolean {
    if (check?.reason !== "type" || check.setsAside === true) return false;
    return this.#request[check.isFirst === true ? "onFirst" : "onMisfit"] === "report";
  }

  /** The misfits as rejects: where the scan did not know of them, their text is read back from the file. */
  async #collect(
    work: Work,
    misfits: readonly Misfit[],
    { raws: known, lines }: Scanned,
  ): Promise<Reject[]> {
    if (misfits.length === 0) return [];
    const wanted = new Set(misfits.map((misfit) => misfit.row));
    const isKnown = known.size === wanted.size;
    const raws = isKnown ? known : (await import("./records.ts")).rawsOf(work, wanted);
    return misfits.map((misfit): Reject => {
      const check = this.plan.checks[misfit.check];
      const reason = check?.reason ?? "type";
      return {
        line: lines.lineOf(misfit.row),
        row: misfit.row,
        column: check?.column ?? null,
        reason: reason === "stranger" ? "unknown-field" : reason,
        message: messageOf(misfit.text ?? "", check),
        raw: raws.get(misfit.row) ?? "",
      };
    });
  }
}

function messageOf(text: string, check: Check | undefined): string {
  switch (check?.reason) {
    case "required":
      return `${check.column} is required and empty`;
    case "unknown-field":
      return `${check.column} is not a column of the contract`;
    case "stranger":
      return `${check.column} is not a column of the contract; ${NO_HEADER}`;
    default:
      if (check?.isFirst === true) return firstMessage(text);
      return valueMessage(text, check?.type ?? "value");
  }
}

/** Whether one of the first records stands on several lines. */
function spansLines({ prepared, path }: Work): boolean {
  let records = 0;
  let isFound = false;
  scanCsv(path, csvShape(prepared), ({ bytes, start, end }) => {
    const line = bytes.indexOf(LF, start);
    if (line >= 0 && line < end) isFound = true;
    return !isFound && ++records < FIRST_RECORDS;
  });
  return isFound;
}

const NO_HEADER =
  "the file seems to have no header: set header: true, or name its fields in order under columns";

const NOTHING = { rowsLanded: 0, rowsQuarantined: 0, redo: false } as const;

function merged(a: readonly Reject[], b: readonly Reject[]): Reject[] {
  return [...a, ...b].sort((x, y) => (x.line ?? x.row) - (y.line ?? y.row));
}
