/** JSON files decoded: proven rows by one statement, the others one by one. */

import { isUtf8 } from "node:buffer";
import { join } from "node:path";
import type { DecodeRequest } from "../../core/engine.ts";
import type { DuckDB } from "../duckdb.ts";
import type { GroupReader, Repaired, Work } from "./group.ts";
import { parseExact } from "./json-parse.ts";
import type { JsonStyle } from "./json-proof.ts";
import { RowDecider, type RowDecision } from "./json-rows.ts";
import { LineWriter } from "./json-split.ts";
import { type JsonPlan, planJson, selectJson, strictJson, suspectsJson } from "./json-sql.ts";
import { LineCursor } from "./line-cursor.ts";
import { type Prepared, readHead } from "./prepare.ts";
import { escapedText, positionOf, type Reject, type Rejects, rejectId } from "./rejects.ts";
import { Unreadable } from "./unreadable.ts";

/** Lines that the style is read from. */
const STYLE_LINES = 100;
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
  #fixes: ReadonlyMap<string, string | null>;

  constructor(db: DuckDB, request: DecodeRequest, rejects: Rejects, first: Prepared) {
    this.#db = db;
    this.#request = request;
    this.#rejects = rejects;
    this.plan = planJson(request, styleOf(first.path));
    this.#decider = new RowDecider(request, this.plan.keys);
    this.#fixes = new Map(request.fixes.map((fix) => [fix.id, fix.raw]));
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

  async repair(work: Work, landed: number | null): Promise<Repaired> {
    const { file } = work.prepared;
    const name = `work-${file.sha256.slice(0, 16)}-${this.#request.files.indexOf(file)}-rows`;
    const path = join(this.#request.staging, name);
    const longestBytes = landed === null ? checkedLongestLine(work.path) : 0;
    const known = { ...work, longestBytes };
    const sorter = new RowSorter(known, path, this.#decider, this.#rejects, this.#fixes);
    try {
      const stream = await this.#db.stream(suspectsJson(this.plan, known, true));
      for await (const rows of stream) {
        for (const [row, json] of rows)
          sorter.suspect(Number(row), json === null ? null : String(json));
      }
      sorter.end();
    } finally {
      sorter.close();
    }
    const isCopy = sorter.decided > 0 || landed === null || landed !== sorter.landed;
    return {
      work: isCopy ? { ...known, path, trusted: true } : work,
      rowsLanded: sorter.landed,
      rowsQuarantined: sorter.rejected,
      misfits: sorter.reported,
      redo: isCopy,
    };
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
  /** Suspects that land after all. */
  decided = 0;
  landed = 0;
  rejected = 0;
  readonly reported = new Set<string>();
  #work: Work;
  #cursor: LineCursor;
  #writer: LineWriter;
  #decider: RowDecider;
  #rejects: Rejects;
  #fixes: ReadonlyMap<string, string | null>;

  constructor(
    work: Work,
    copyPath: string,
    decider: RowDecider,
    rejects: Rejects,
    fixes: ReadonlyMap<string, string | null>,
  ) {
    this.#work = work;
    this.#cursor = new LineCursor(work.path);
    this.#writer = new LineWriter(copyPath);
    this.#decider = decider;
    this.#rejects = rejects;
    this.#fixes = fixes;
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

  close(): void {
    this.#cursor.close();
    this.#writer.close();
  }

  #keep(): void {
    this.landed++;
    this.#writer.write(this.#cursor.line());
    this.#writer.put(10);
  }

  #decide(json: string | null): void {
    const bytes = this.#cursor.line();
    const { positions, linesBefore, rowsBefore } = this.#work.prepared;
    const row = this.#cursor.row + rowsBefore;
    const line = positions === "line" ? this.#cursor.number + linesBefore : null;
    const id = rejectId(this.#work.prepared.file.sha256, positionOf({ line, row }));
    const fix = this.#fixes.get(id);
    if (fix === null) return;
    const isText = isUtf8(bytes);
    const text = fix ?? (isText ? Buffer.from(bytes).toString() : "");
    if (json !== null && isText && json.trim() !== Buffer.from(bytes).toString().trim()) {
      throw new Unreadable("unreadable", `row ${row} was read as another line`);
    }
    const decision: RowDecision =
      fix === undefined && !isText ? NOT_UTF8 : this.#decider.decide(text);
    switch (decision.kind) {
      case "land":
        this.decided++;
        this.landed++;
        this.#writer.write(Buffer.from(`${decision.line}\n`));
        break;
      case "report":
        for (const name of decision.names) this.reported.add(name);
        break;
      case "reject": {
        this.rejected++;
        const { reason, column, message } = decision;
        const raw = fix ?? escapedText(bytes);
        const rejected: Reject = { line, row, column, reason, message, raw };
        this.#rejects.add(this.#work.prepared, rejected);
      }
    }
  }
}

const NOT_UTF8: RowDecision = {
  kind: "reject",
  reason: "encoding",
  column: null,
  message: "the line holds bytes that are not UTF-8",
};

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
