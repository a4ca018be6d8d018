/** CSV files decoded: the whole group in one statement, files with bad rows with a scan of their own. */

import { join } from "node:path";
import { counted } from "../../core/base/count.ts";
import type { DecodeRequest } from "../../core/engine.ts";
import { REJECTS_PER_FILE_MAX } from "../../core/limits.ts";
import type { DuckDB } from "../duckdb.ts";
import { type CsvRecord, joinRecord, type RecordFault, scanCsv, splitRecord } from "./csv-scan.ts";
import { type CsvPlan, failingCsv, misfitsCsv, planCsv, selectCsv, strictCsv } from "./csv-sql.ts";
import { firstMisfit, type Misfits, NO_MISFITS } from "./first-misfit.ts";
import { Fixes } from "./fixes.ts";
import type { GroupReader, Repaired, Work } from "./group.ts";
import { LineWriter } from "./json-split.ts";
import { LineMap } from "./line-map.ts";
import { type Prepared, UNKNOWN_LINES } from "./prepare.ts";
import { escapedText, type Reject, type Rejects } from "./rejects.ts";
import { valueMessage } from "./target-columns.ts";
import { Unreadable } from "./unreadable.ts";

/** A row that fails a check, by its number among the good records. */
interface Misfit {
  readonly row: number;
  readonly check: number;
  readonly text: string | null;
}

interface Scanned {
  /** Records that are rows of the right shape, fixed ones included. */
  readonly good: number;
  readonly rejects: readonly Reject[];
  /** DuckDB must not read the file as it stands. */
  readonly rewrite: boolean;
  readonly longestBytes: number;
  readonly lines: LineMap;
}

const MESSAGES: Readonly<Record<RecordFault, string>> = {
  fields: "the record has another number of fields than the header",
  parse: "the record does not parse",
  encoding: "the record holds bytes that are not UTF-8",
  limit: "the record is too long",
};

/** Groups of CSV files that one statement can read: same dialect, same header. */
export function csvGroupKey(prepared: Prepared): string {
  const { delimiter, quote } = prepared.dialect;
  return JSON.stringify([delimiter, quote, prepared.header, prepared.fieldCount]);
}

export class CsvReader implements GroupReader {
  readonly plan: CsvPlan;
  #db: DuckDB;
  #request: DecodeRequest;
  #rejects: Rejects;
  #fixes: Fixes;

  constructor(db: DuckDB, request: DecodeRequest, rejects: Rejects, first: Prepared) {
    this.#db = db;
    this.#request = request;
    this.#rejects = rejects;
    this.plan = planCsv(request, first.names);
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
    return this.#fixes.placed(prepared.file.sha256).size > 0;
  }

  async repair(work: Work, landed: number | null): Promise<Repaired> {
    let scanned = this.#scan(work, null);
    const plain = { ...work, longestBytes: scanned.longestBytes };
    const wholeLines = landed !== null && !scanned.rewrite;
    let current = plain;
    if (!wholeLines) {
      current = { ...plain, path: join(this.#request.staging, `${this.#tempName(work)}-rows`) };
      scanned = this.#scan(work, { path: current.path, replaced: new Map(), lines: null });
    }
    let misfits = await this.#misfits(current);
    // Rows that DuckDB read without the scanner's leave: the copy decides.
    if (wholeLines && landed !== scanned.good - misfits.length) {
      current = { ...plain, path: join(this.#request.staging, `${this.#tempName(work)}-rows`) };
      scanned = this.#scan(work, { path: current.path, replaced: new Map(), lines: null });
      misfits = await this.#misfits(current);
    }
    const names = await this.#reported(current, misfits, scanned.lines);
    if (names.size > 0) return { ...NOTHING, work: current, misfits: names };
    const { rejects: bad, good } = scanned;
    const found = this.#collect(current, misfits, scanned.lines);
    const { sha256 } = work.prepared.file;
    const fixed = found.some((reject) => this.#fixes.of(sha256, reject) !== undefined);
    if (fixed) return this.#applyFixes(current, work.prepared, scanned, misfits, found);
    for (const reject of merged(bad, found)) this.#rejects.add(work.prepared, reject);
    return {
      work: current,
      rowsLanded: good - misfits.length,
      rowsQuarantined: bad.length + misfits.length,
      misfits: NO_MISFITS,
      redo: current.path !== work.path || landed === null,
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
      const raw = this.#fixes.of(prepared.file.sha256, reject);
      if (raw === undefined) continue;
      if (raw === null) dropped++;
      replaced.set(misfit.row, raw);
    }
    const path = join(this.#request.staging, `${this.#tempName(work)}-fixed`);
    const again = this.#scan({ ...work, prepared }, { path, replaced, lines: scanned.lines });
    const current = { ...work, path, longestBytes: again.longestBytes };
    const left = await this.#misfits(current);
    const rejects = [...again.rejects, ...this.#collect(current, left, again.lines)];
    for (const reject of merged(scanned.rejects, merged([], rejects))) {
      this.#rejects.add(prepared, reject);
    }
    return {
      work: current,
      rowsLanded: again.good - left.length,
      rowsQuarantined: scanned.rejects.length + rejects.length,
      misfits: NO_MISFITS,
      redo: dropped >= 0,
    };
  }

  #tempName(work: Work): string {
    const { file } = work.prepared;
    return `work-${file.sha256.slice(0, 16)}-${this.#request.files.indexOf(file)}`;
  }

  /** Reads every record; with `copy` also writes the good ones, corrected where a fix says so. */
  #scan(work: Work, copy: CopyTo | null): Scanned {
    return new FileScan(work, copy, this.#fixes).run();
  }

  async #misfits(work: Work): Promise<Misfit[]> {
    const sql = misfitsCsv(this.#request, this.plan, work, REJECTS_PER_FILE_MAX + 1);
    if (sql === null) return [];
    const rows = await this.#db.rows(sql);
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
    const isType = misfits.some((misfit) => checks[misfit.check]?.reason === "type");
    if (this.#request.onMisfit !== "report" || !isType) return NO_MISFITS;
    const [row] = await this.#db.rows(failingCsv(this.#request, this.plan, work));
    return new Map(
      checks.flatMap((check, index): [string, string | null][] =>
        check.reason === "type" && row?.[`k${index}`] === true
          ? [[check.column, first(index)]]
          : [],
      ),
    );
  }

  /** The misfits as rejects: their lines and raw text are read back from the file. */
  #collect(work: Work, misfits: readonly Misfit[], lines: LineMap): Reject[] {
    if (misfits.length === 0) return [];
    const raws = rawsOf(work, new Set(misfits.map((misfit) => misfit.row)));
    return misfits.map((misfit): Reject => {
      const check = this.plan.checks[misfit.check];
      const reason = check?.reason ?? "type";
      const message =
        reason === "type"
          ? valueMessage(misfit.text ?? "", check?.type ?? "value")
          : reason === "required"
            ? `${check?.column} is required and empty`
            : `${check?.column} is not a column of the contract`;
      return {
        line: lines.lineOf(misfit.row),
        row: misfit.row,
        column: check?.column ?? null,
        reason,
        message,
        raw: raws.get(misfit.row) ?? "",
      };
    });
  }
}

const NOTHING = { rowsLanded: 0, rowsQuarantined: 0, redo: false } as const;

interface CopyTo {
  readonly path: string;
  /** By number of the good row: its corrected text, or null to leave it out. */
  readonly replaced: ReadonlyMap<number, string | null>;
  /** Lines of the drop when what is read is itself a copy. */
  readonly lines: LineMap | null;
}

/** One pass over the records of a file. */
class FileScan {
  #work: Work;
  #copy: CopyTo | null;
  #fixes: Fixes;
  #placed: ReadonlyMap<string, string | null>;
  #writer: LineWriter | null = null;
  #rejects: Reject[] = [];
  #lines = new LineMap();
  #good = 0;
  #read = 0;
  #odd = false;
  #severe = false;
  #headerLeft: boolean;

  constructor(work: Work, copy: CopyTo | null, fixes: Fixes) {
    this.#work = work;
    this.#copy = copy;
    this.#fixes = fixes;
    // A copy holds them already.
    const isCopy = copy !== null && copy.lines !== null;
    this.#placed = isCopy ? new Map() : fixes.placed(work.prepared.file.sha256);
    this.#headerLeft = work.prepared.header !== null;
  }

  run(): Scanned {
    const path =
      this.#copy?.lines === null || this.#copy === null ? this.#source() : this.#work.path;
    if (this.#copy !== null) this.#writer = new LineWriter(this.#copy.path);
    try {
      if (this.#writer !== null && this.#headerLeft) this.#writeHeader();
      const totals = scanCsv(path, this.#shape(), (record) => this.#take(record));
      return {
        good: this.#good,
        rejects: this.#rejects,
        rewrite: this.#odd || this.#severe || totals.mixedLineEnds,
        longestBytes: totals.longestBytes,
        lines: this.#lines,
      };
    } finally {
      this.#writer?.close();
    }
  }

  #source(): string {
    return this.#work.prepared.path;
  }

  #shape() {
    const { dialect, fieldCount } = this.#work.prepared;
    return { delimiter: dialect.delimiter ?? ",", quote: dialect.quote, columns: fieldCount };
  }

  #take(record: CsvRecord): void {
    if (this.#headerLeft) {
      if (record.blank) return;
      this.#headerLeft = false;
      // A header that spans lines or has another width stands as it was sniffed.
      return;
    }
    if (record.blank) return;
    this.#read++;
    const line = record.line + this.#work.prepared.linesBefore;
    const fix = this.#placed.size === 0 ? undefined : this.#placed.get(`line ${line}`);
    if (fix !== undefined) {
      this.#severe = true;
      this.#putFixed(fix, line);
      return;
    }
    if (record.fault !== null) {
      this.#reject(record, line);
      return;
    }
    const replaced = this.#copy?.replaced.get(this.#read);
    const at = this.#copy?.lines?.lineOf(this.#read) ?? line;
    if (replaced !== undefined) {
      this.#putFixed(replaced, at);
      return;
    }
    this.#keep(at);
    if (record.odd) this.#odd = true;
    if (this.#writer === null) return;
    const bytes = record.bytes.subarray(record.start, record.end);
    if (record.odd)
      this.#write(
        joinRecord(splitRecord(Buffer.from(bytes).toString(), this.#shape()), this.#shape()),
      );
    else {
      this.#writer.write(bytes);
      this.#writer.put(10);
    }
  }

  #keep(line: number): void {
    this.#good++;
    this.#lines.add(this.#good, line);
  }

  #reject(record: CsvRecord, line: number): void {
    const reason = record.fault ?? "parse";
    const bytes = record.bytes.subarray(record.start, record.end);
    const raw = escapedText(bytes);
    const message = record.message === "" ? MESSAGES[reason] : record.message;
    const reject: Reject = { line, row: this.#read, column: null, reason, message, raw };
    const fix = this.#fixes.of(this.#work.prepared.file.sha256, reject);
    if (fix === undefined) {
      this.#rejects.push(reject);
      if (reason === "parse") this.#severe = true;
      if (this.#rejects.length > REJECTS_PER_FILE_MAX) {
        throw new Unreadable("limit", `more than ${REJECTS_PER_FILE_MAX} bad rows`);
      }
      return;
    }
    this.#severe = true;
    this.#putFixed(fix, line);
  }

  /** A corrected record must be one record of the right width, or it is set aside once more. */
  #putFixed(fix: string | null, line: number): void {
    if (fix === null) return;
    const shape = this.#shape();
    const fields = splitRecord(fix.replace(/\r?\n$/, ""), shape);
    if (fields.length !== shape.columns) {
      const message = `the fix has ${counted(fields.length, "field")} instead of ${shape.columns}`;
      this.#rejects.push({
        line,
        row: this.#read,
        column: null,
        reason: "fields",
        message,
        raw: fix,
      });
      return;
    }
    this.#keep(line);
    this.#write(joinRecord(fields, shape));
  }

  #writeHeader(): void {
    const { fieldCount } = this.#work.prepared;
    const names = Array.from({ length: fieldCount }, (_, index) => `c${index}`);
    this.#write(names.join(this.#shape().delimiter));
  }

  #write(text: string): void {
    this.#writer?.write(Buffer.from(`${text}\n`, "utf8"));
  }
}

/** The raw text of good rows, by their number. */
function rawsOf(work: Work, wanted: ReadonlySet<number>): Map<number, string> {
  const { dialect, fieldCount, header } = work.prepared;
  const shape = { delimiter: dialect.delimiter ?? ",", quote: dialect.quote, columns: fieldCount };
  const raws = new Map<number, string>();
  let row = header === null ? 0 : -1;
  scanCsv(work.path, shape, (record) => {
    if (record.blank || (record.fault !== null && row >= 0)) return;
    row++;
    if (!wanted.has(row)) return;
    raws.set(row, Buffer.from(record.bytes.subarray(record.start, record.end)).toString());
  });
  return raws;
}

function merged(a: readonly Reject[], b: readonly Reject[]): Reject[] {
  return [...a, ...b].sort((x, y) => (x.line ?? x.row) - (y.line ?? y.row));
}
