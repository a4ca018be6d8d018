/** JSON files decoded: proven rows by one statement, the others one by one. */

import { isUtf8 } from "node:buffer";
import { join } from "node:path";
import type { DecodeRequest } from "../../../core/engine.ts";
import type { DuckDB } from "../../duckdb/duckdb.ts";
import { Fixes } from "../fixes.ts";
import type { GroupReader, Repaired, Work } from "../group.ts";
import { LineCursor } from "../line-cursor.ts";
import { type Prepared, readHead } from "../prepared.ts";
import type { Rejects } from "../rejects.ts";
import { Unreadable } from "../unreadable.ts";
import { LineJudge } from "./judge.ts";
import { parseExact } from "./parse.ts";
import { CorrectedCopy, scanPlain } from "./plain-scan.ts";
import { type PlainPlan, planPlain, selectPlain } from "./plain-sql.ts";
import type { JsonStyle } from "./proof.ts";
import { RowDecider } from "./rows.ts";
import { LineWriter } from "./split.ts";
import { type JsonPlan, planJson, selectJson, strictJson, suspectsJson } from "./sql.ts";

/** Lines that the style is read from. */
const STYLE_LINES = 100;
/** Smaller ones are not worth a walk of their own. */
const PLAIN_FILE_BYTES_MIN = 64 * 1024;
/** The lines of smaller ones are decided in less time than the engine takes to be asked about them. */
const ASKED_FILE_BYTES_MIN = 64 * 1024;
/** A longer line is not read: the parser would hold it in memory several times. */
export const LINE_BYTES_MAX = 128 * 1024 * 1024;

/** All JSON files can be read by one statement. */
export function jsonGroupKey(_prepared: Prepared): string {
  return "lines";
}

export class JsonReader implements GroupReader {
  readonly plan: JsonPlan;
  #db: DuckDB;
  #request: DecodeRequest;
  #rejects: Rejects;
  #decider: RowDecider;
  #fixes: Fixes;
  #plain: PlainPlan | null;

  constructor(db: DuckDB, request: DecodeRequest, rejects: Rejects, first: Prepared) {
    this.#db = db;
    this.#request = request;
    this.#rejects = rejects;
    const style = styleOf(first.path);
    this.plan = planJson(request, style);
    this.#plain = planPlain(this.plan, style);
    this.#decider = new RowDecider(request, this.plan.keys);
    this.#fixes = new Fixes(request.fixes);
  }

  select(works: readonly Work[]): string {
    return selectJson(this.#request, this.plan, works);
  }

  strict(works: readonly Work[]): string {
    return strictJson(this.#request, this.plan, works);
  }

  expected(prepared: Prepared): number {
    return prepared.lines;
  }

  isCorrected(prepared: Prepared): boolean {
    return this.#fixes.placed(prepared.file).size > 0;
  }

  async repair(work: Work, landed: number | null): Promise<Repaired> {
    const path = this.#copyPath(work);
    const longestBytes = landed === null ? checkedLongestLine(work.path) : 0;
    const known = { ...work, longestBytes };
    const isSmall = work.prepared.sizeBytes < ASKED_FILE_BYTES_MIN;
    const sorter =
      (isSmall ? null : await this.#besideProven(known, landed)) ?? (await this.#sort(known, true));
    const { judge } = sorter;
    const isCopy = judge.decided > 0 || landed === null || landed !== sorter.landed;
    return {
      work: isCopy ? { ...known, path, trusted: true } : work,
      rowsLanded: sorter.landed,
      rowsQuarantined: judge.rejected,
      misfits: judge.reported,
      redo: isCopy,
    };
  }

  /** Lines that the engine does not prove, decided; null where it passed over others without a word. */
  async #besideProven(work: Work, landed: number | null): Promise<RowSorter | null> {
    const sorter = await this.#sort(work, false);
    const proven = landed ?? (await this.#provenRows(work));
    if (sorter.kept === proven) return sorter;
    this.#rejects.rollback();
    return null;
  }

  async #sort(work: Work, isEachDecided: boolean): Promise<RowSorter> {
    const sorter = new RowSorter(work.path, this.#copyPath(work), this.#judge(work));
    try {
      if (isEachDecided) {
        sorter.decideAll();
        return sorter;
      }
      const stream = await this.#db.stream(suspectsJson(this.plan, work, true));
      for await (const rows of stream) {
        for (const [row, json] of rows)
          sorter.suspect(Number(row), json === null ? null : String(json));
      }
      sorter.end();
      return sorter;
    } finally {
      sorter.close();
    }
  }

  async #provenRows(work: Work): Promise<number> {
    const [row] = await this.#db.rows(`SELECT count(*) AS n FROM (${this.select([work])})`);
    return Number(row?.n ?? 0);
  }

  isPlain(works: readonly Work[]): boolean {
    if (works.some((work) => this.isCorrected(work.prepared))) return false;
    const sizeBytes = works.reduce((sum, work) => sum + work.prepared.sizeBytes, 0);
    return this.#plain !== null && sizeBytes >= PLAIN_FILE_BYTES_MIN * works.length;
  }

  /** Files whose lines are nearly all plain: the others are decided here, in one walk over the bytes. */
  async walk(works: readonly Work[], odd: () => void): Promise<readonly Repaired[] | null> {
    const plan = this.#plain;
    if (plan === null) return null;
    const found: Repaired[] = [];
    for (const work of works) {
      this.#rejects.nextFile();
      const judge = this.#judge(work);
      using copy = new CorrectedCopy(work.path, this.#copyPath(work));
      const rows = await scanPlain(work.path, plan.reader, ({ bytes, number, row, from, to }) => {
        odd();
        const line = judge.decide(bytes, number, row);
        copy.replace(from, to, line === null ? null : `${line}\n`);
      });
      if (rows === null) return null;
      const rowsLanded = rows - judge.taken + judge.decided;
      const path = copy.finish();
      found.push({
        work: { ...work, path, trusted: true },
        rowsLanded,
        rowsQuarantined: judge.rejected,
        misfits: judge.reported,
        redo: true,
      });
    }
    return found;
  }

  plainSelect(works: readonly Work[]): string {
    return selectPlain(this.#request, this.plan, works);
  }

  #judge(work: Work): LineJudge {
    return new LineJudge(work.prepared, this.#decider, this.#rejects, this.#fixes);
  }

  #copyPath(work: Work): string {
    const { file } = work.prepared;
    const name = `work-${file.sha256.slice(0, 16)}-${this.#request.files.indexOf(file)}-rows`;
    return join(this.#request.staging, name);
  }
}

/** How the first lines are written. Lines that are no objects are passed over. */
export function styleOf(path: string): JsonStyle {
  const head = readHead(path);
  const lines = new TextDecoder().decode(head).split("\n").slice(0, STYLE_LINES);
  let keys: readonly string[] | null = null;
  let spaced = false;
  let missing = false;
  let nulls = false;
  for (const line of lines) {
    const row = rowOf(line);
    if (row === null) continue;
    if (keys === null || row.size > keys.length) {
      keys = [...row.keys()];
      spaced = /^\s*\{"(?:[^"\\]|\\.)*": /.test(line);
    }
    if (row.size < keys.length) missing = true;
    if ([...row.values()].some((value) => value.kind === "null")) nulls = true;
  }
  return { keys: keys ?? [], spaced, omitsNulls: missing && !nulls };
}

function rowOf(line: string) {
  try {
    const node = parseExact(line);
    return node.kind === "object" ? node.entries : null;
  } catch {
    return null;
  }
}

/** Walks the lines of a file beside the suspects among them, and writes a copy of what lands. */
class RowSorter {
  readonly judge: LineJudge;
  landed = 0;
  /** Rows that the statement proved, as far as it read them. */
  kept = 0;
  #cursor: LineCursor;
  #writer: LineWriter;

  constructor(path: string, copyPath: string, judge: LineJudge) {
    this.judge = judge;
    this.#cursor = new LineCursor(path);
    this.#writer = new LineWriter(copyPath);
  }

  /** The row of this number among the lines with anything on them; null: DuckDB found no JSON on it. */
  suspect(row: number, json: string | null): void {
    while (this.#cursor.next()) {
      if (this.#cursor.row === row) {
        this.#decide(json);
        return;
      }
      this.#keep();
    }
    throw new Unreadable("unreadable", `row ${row} was read but is not in the file`);
  }

  end(): void {
    while (this.#cursor.next()) this.#keep();
  }

  decideAll(): void {
    while (this.#cursor.next()) this.#decide(null);
  }

  close(): void {
    this.#cursor.close();
    this.#writer.close();
  }

  #keep(): void {
    this.kept++;
    if (this.judge.isCorrected(this.#cursor.number, this.#cursor.row)) {
      this.#decide(null);
      return;
    }
    this.landed++;
    this.#writer.write(this.#cursor.line());
    this.#writer.put(10);
  }

  #decide(json: string | null): void {
    const bytes = this.#cursor.line();
    const isText = json !== null && isUtf8(bytes);
    if (isText && json.trim() !== Buffer.from(bytes).toString().trim()) {
      throw new Unreadable("unreadable", `row ${this.#cursor.row} was read as another line`);
    }
    const line = this.judge.decide(bytes, this.#cursor.number, this.#cursor.row);
    if (line === null) return;
    this.landed++;
    this.#writer.write(Buffer.from(line));
    this.#writer.put(10);
  }
}

/** Bytes of the longest line. Throws Unreadable when that is more than is read. */
export function checkedLongestLine(path: string): number {
  const longest = longestLine(path);
  if (longest <= LINE_BYTES_MAX) return longest;
  throw new Unreadable("limit", `a line has ${longest} bytes, ${LINE_BYTES_MAX} at most`);
}

function longestLine(path: string): number {
  const cursor = new LineCursor(path);
  let longest = 0;
  try {
    while (cursor.next()) longest = Math.max(longest, cursor.line().length);
    return longest;
  } finally {
    cursor.close();
  }
}
