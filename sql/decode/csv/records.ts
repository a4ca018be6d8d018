/** The records of a CSV file one by one: which are rows, which are set aside and why, and what was corrected. */

import { counted } from "../../../core/base/quantity.ts";
import { MENDED, STRAY } from "../../../core/ingest/contract.ts";
import { REJECTS_PER_FILE_MAX } from "../../../core/limits.ts";
import type { Fixes } from "../fixes.ts";
import type { Work } from "../group.ts";
import { LineWriter } from "../json/split.ts";
import type { Prepared } from "../prepared.ts";
import { escapedText, type Reject } from "../rejects.ts";
import { Unreadable } from "../unreadable.ts";
import { csvShape } from "./prepare.ts";
import { joinRecord, splitRecord, writtenQuote } from "./record-text.ts";
import type { FailedCheck, RowTest } from "./row-test.ts";
import { type CsvRecord, type RecordFault, scanCsv } from "./scan.ts";
import type { CsvShape } from "./shape.ts";

export interface Scanned {
  /** Records that are rows of the right shape, fixed ones included. */
  readonly good: number;
  readonly rejects: readonly Reject[];
  /** DuckDB must not read the file as it stands. */
  readonly rewrite: boolean;
  readonly longestBytes: number;
  readonly lines: LineMap;
  /** The text of the good rows that were asked for, or fail a test, by their number. */
  readonly raws: ReadonlyMap<number, string>;
  /** Good rows that fail a test, in their order; none without a test. */
  readonly failed: readonly FailedRow[];
  /** Good rows that are not written as they should be, in words; null: none. */
  readonly remark: string | null;
}

export interface FailedRow extends FailedCheck {
  /** Among the good ones. */
  readonly row: number;
}

/** What is asked about the good rows. */
export interface Asked {
  /** Rows whose text is wanted. */
  readonly wanted?: ReadonlySet<number>;
  readonly test?: RowTest;
}

export interface CopyTo {
  readonly path: string;
  /** By number of the good row: its corrected text, or null to leave it out. */
  readonly replaced: ReadonlyMap<number, string | null>;
  /** Lines of the drop when what is read is itself a copy. */
  readonly lines: LineMap | null;
}

const MESSAGES: Readonly<Record<RecordFault, string>> = {
  fields: "the record has another number of fields than the header",
  parse: "the record does not parse",
  encoding: "the record holds bytes that are not UTF-8",
  limit: "the record is too long",
  header: "the header once more",
  units: "units of the columns: where it is data, set units_row: read",
};

/** One pass over the records of a file. */
export class FileScan {
  #work: Work;
  #copy: CopyTo | null;
  #fixes: Fixes;
  #placed: ReadonlyMap<string, string | null>;
  #writer: LineWriter | null = null;
  #rejects: Reject[] = [];
  #lines = new LineMap();
  #wanted: ReadonlySet<number>;
  #test: RowTest | null;
  #failed: FailedRow[] = [];
  #raws = new Map<number, string>();
  #good = 0;
  #read = 0;
  #odd = false;
  #severe = false;
  #mended = new Map<NonNullable<CsvRecord["mended"]>, number[]>();
  #shape: CsvShape;
  #nulls: readonly string[];

  /** `nulls` are the texts that mean NULL. */
  constructor(
    work: Work,
    copy: CopyTo | null,
    fixes: Fixes,
    nulls: readonly string[],
    { wanted = new Set(), test }: Asked = {},
  ) {
    this.#work = work;
    this.#wanted = wanted;
    this.#test = test ?? null;
    this.#nulls = nulls;
    // A copy is written so that every reader splits it alike.
    const isCopied = copy !== null && copy.lines !== null;
    this.#shape = isCopied ? writtenShape(work.prepared) : csvShape(work.prepared);
    this.#copy = copy;
    this.#fixes = fixes;
    // A copy holds them already.
    const isCopy = copy !== null && copy.lines !== null;
    this.#placed = isCopy ? new Map() : fixes.placed(work.prepared.file);
  }

  run(): Scanned {
    const path =
      this.#copy?.lines === null || this.#copy === null ? this.#source() : this.#work.path;
    if (this.#copy !== null) this.#writer = new LineWriter(this.#copy.path);
    try {
      if (this.#writer !== null && this.#shape.hasHeader === true) this.#writeHeader();
      const totals = scanCsv(path, this.#shape, (record) => this.#take(record));
      return {
        good: this.#good,
        rejects: this.#rejects,
        rewrite: this.#odd || this.#severe || totals.mixedLineEnds,
        longestBytes: totals.longestBytes,
        lines: this.#lines,
        raws: this.#raws,
        failed: this.#failed,
        remark: remarkOf(this.#mended),
      };
    } finally {
      this.#writer?.close();
    }
  }

  #source(): string {
    return this.#work.prepared.path;
  }

  #take(record: CsvRecord): void {
    // DuckDB would take a comment for a row.
    if (record.isComment) this.#odd = true;
    // A header that spans lines or has another width stands as it was sniffed.
    if (record.blank || record.isHeader) return;
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
    if (record.mended !== null) this.#remember(record.mended, at);
    const isOdd = record.odd || this.#isRewritten;
    if (isOdd) this.#odd = true;
    if (this.#wanted.has(this.#good)) this.#raws.set(this.#good, textOf(record));
    if (this.#test !== null) this.#look(record, this.#test);
    if (this.#writer === null) return;
    const bytes = record.bytes.subarray(record.start, record.end);
    if (isOdd) this.#rewrite(Buffer.from(bytes).toString());
    else {
      this.#writer.write(bytes);
      this.#writer.put(10);
    }
  }

  #look(record: CsvRecord, test: RowTest): void {
    const failed = test.failed(record.bytes, record.start, record.end);
    if (failed === null) return;
    this.#failed.push({ row: this.#good, ...failed });
    this.#raws.set(this.#good, textOf(record));
    if (this.#failed.length <= REJECTS_PER_FILE_MAX) return;
    throw new Unreadable("limit", `more than ${REJECTS_PER_FILE_MAX} rows do not fit`);
  }

  /** Quotes do there what escapes do here, so that no record can stand as it is. */
  get #isRewritten(): boolean {
    return this.#shape.escapeMark != null && this.#shape.quote === null;
  }

  #rewrite(text: string): void {
    this.#write(joinRecord(splitRecord(text, this.#shape, this.#nulls), this.#shape));
  }

  #remember(kind: NonNullable<CsvRecord["mended"]>, line: number): void {
    const lines = this.#mended.get(kind);
    if (lines === undefined) this.#mended.set(kind, [line]);
    else lines.push(line);
  }

  #keep(line: number): void {
    this.#good++;
    this.#lines.add(this.#good, line);
  }

  #reject(record: CsvRecord, line: number): void {
    const reason = record.fault ?? "parse";
    const bytes = record.bytes.subarray(record.start, record.end);
    const raw = escapedText(bytes);
    const message = this.#messageOf(record, raw);
    const reject: Reject = { line, row: this.#read, column: null, reason, message, raw };
    const fix = this.#fixes.of(this.#work.prepared.file, reject);
    if (fix === undefined) {
      this.#rejects.push(reject);
      // DuckDB passes over fields without anything at the end of a line, and lands the header as a row.
      const { closing = 0, columns } = this.#shape;
      const isPassedOver = reason === "fields" && record.fields > columns + closing;
      const isRow = reason === "header" || reason === "units";
      if (reason === "parse" || isRow || isPassedOver) this.#severe = true;
      if (this.#rejects.length > REJECTS_PER_FILE_MAX) {
        throw new Unreadable("limit", `more than ${REJECTS_PER_FILE_MAX} bad rows`);
      }
      return;
    }
    this.#severe = true;
    this.#putFixed(fix, line);
  }

  #messageOf(record: CsvRecord, raw: string): string {
    const reason = record.fault ?? "parse";
    const message = record.message === "" ? MESSAGES[reason] : record.message;
    const { quote, escapeMark } = this.#shape;
    const isEscaped = reason === "parse" && escapeMark == null && raw.includes(`\\${quote}`);
    return isEscaped ? `${message}: where a backslash escapes quotes, set escape: "\\\\"` : message;
  }

  /** A corrected record must be one record of the right width, or it is set aside once more. */
  #putFixed(fix: string | null, line: number): void {
    if (fix === null) return;
    const shape = this.#shape;
    const fields = splitRecord(fix.replace(/\r?\n$/, ""), shape, this.#nulls);
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
    this.#write(names.join(this.#shape.delimiter));
  }

  #write(text: string): void {
    this.#writer?.write(Buffer.from(`${text}\n`, "utf8"));
  }
}

const MENDED_WORDS = {
  stray: STRAY,
  short: "with fewer fields than the header, filled up with NULL",
} as const;
const LINES_SHOWN = 3;

function remarkOf(linesByKind: ReadonlyMap<keyof typeof MENDED_WORDS, readonly number[]>) {
  const parts = [...linesByKind].map(([kind, lines]) => {
    const shown = lines.slice(0, LINES_SHOWN).join(", ");
    const more = lines.length > LINES_SHOWN ? ", …" : "";
    const where = `${lines.length === 1 ? "line" : "lines"} ${shown}${more}`;
    return `${counted(lines.length, "row")} ${MENDED_WORDS[kind]} (${where})`;
  });
  return parts.length === 0 ? null : `${MENDED} ${parts.join("; ")}`;
}

/** The raw text of good rows, by their number. */
export function rawsOf(work: Work, wanted: ReadonlySet<number>): Map<number, string> {
  const { prepared, path } = work;
  const shape = path === prepared.path ? csvShape(prepared) : writtenShape(prepared);
  const raws = new Map<number, string>();
  let row = 0;
  scanCsv(path, shape, (record) => {
    if (record.blank || record.isHeader || record.fault !== null) return;
    row++;
    if (!wanted.has(row)) return;
    raws.set(row, textOf(record));
  });
  return raws;
}

/** How the records of a copy are told apart. */
export function writtenShape(prepared: Prepared): CsvShape {
  const { delimiter, columns, hasHeader, ...shape } = csvShape(prepared);
  return { delimiter, quote: writtenQuote(shape), columns, hasHeader: hasHeader === true };
}

function textOf({ bytes, start, end }: CsvRecord): string {
  return Buffer.from(bytes.subarray(start, end)).toString();
}

/** Line of the drop by number of the good row: kept where the distance between them changes. */
export class LineMap {
  #rows: number[] = [];
  #lines: number[] = [];

  add(row: number, line: number): void {
    const lastRow = this.#rows.at(-1);
    const lastLine = this.#lines.at(-1);
    if (lastRow !== undefined && lastLine !== undefined && line - lastLine === row - lastRow)
      return;
    this.#rows.push(row);
    this.#lines.push(line);
  }

  lineOf(row: number): number {
    let low = 0;
    let high = this.#rows.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#rows[middle] ?? 0) <= row) low = middle;
      else high = middle - 1;
    }
    return (this.#lines[low] ?? 1) + row - (this.#rows[low] ?? 1);
  }
}
