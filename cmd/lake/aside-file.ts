/** Rows that were set aside as a CSV file that a person edits, and what was changed in it. */

import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { WHOLE_FILE } from "../../core/ingest/quarantine.ts";
import { RAW_TEXT_CHARS_MAX } from "../../core/limits.ts";
import { joinRecord, splitRecord } from "../../sql/decode/csv/record-text.ts";
import { scanCsv } from "../../sql/decode/csv/scan.ts";
import type { CsvShape } from "../../sql/decode/csv/shape.ts";
import type { Session } from "../open.ts";
import { asidePages, type QuarantinedRow, type Selection } from "./aside.ts";

/** The columns of the file; `raw` is the one to edit. */
export const EXPORT_COLUMNS = [
  "id",
  "source",
  "file",
  "position",
  "reason",
  "column",
  "message",
  "raw",
] as const;

/** Rows of an edited file that are other than what was set aside. */
export interface EditedRows {
  /** The new texts by id. */
  readonly texts: ReadonlyMap<string, string>;
  readonly unchanged: number;
}

interface EditedRow {
  readonly raw: string;
  readonly line: number;
}

const SHAPE: CsvShape = { delimiter: ",", quote: '"', columns: 0 };
/** Problems of a file that are told at once. */
const PROBLEMS_MAX = 20;

/** The header, and then a record for each row, in parts. */
export async function* exportedRows(
  session: Session,
  selection: Selection,
): AsyncGenerator<{ readonly lines: readonly string[]; readonly rows: number }> {
  yield { lines: [EXPORT_COLUMNS.join(",")], rows: 0 };
  for await (const rows of asidePages(session, selection)) {
    const lines = rows.map((row) => joinRecord(fieldsOf(row), SHAPE));
    yield { lines, rows: rows.length };
  }
}

/**
 * What was changed in an exported file. A row that was taken out of it stays as it is. Throws all that is wrong with it
 * at once, each with its line: `usage`.
 */
export async function editedRows(session: Session, path: string): Promise<EditedRows> {
  const byId = readEdited(path);
  const texts = new Map<string, string>();
  const problems: LakeError[] = [];
  const known = new Set<string>();
  const every = { source: null, ids: [], reason: null, where: null, all: true };
  for await (const rows of asidePages(session, every)) {
    for (const row of rows) {
      const edited = byId.get(row.id);
      if (edited === undefined) continue;
      known.add(row.id);
      if (edited.raw === row.raw) continue;
      const wrong = whyNot(row);
      if (wrong === null) texts.set(row.id, edited.raw);
      else problems.push(problem(path, edited.line, wrong, "leave this row as it was exported"));
    }
  }
  for (const [id, { line }] of byId) {
    if (known.has(id)) continue;
    const message = `no row that was set aside has the id "${id.slice(0, 80)}"`;
    problems.push(problem(path, line, message, "edit the column raw alone; ids stay as they are"));
  }
  if (problems.length > 0) throw toldAtOnce(problems);
  return { texts, unchanged: known.size - texts.size };
}

function fieldsOf(row: QuarantinedRow): (string | null)[] {
  const { id, source, file, position, reason, column, message, raw } = row;
  return [id, source, file, position, reason, column, message, raw];
}

/** Of these the file does not hold the whole text. */
function whyNot({ position, raw }: QuarantinedRow): string | null {
  if (position === WHOLE_FILE) return "this is a whole file: mend it and drop it again";
  const isCut = raw.length >= RAW_TEXT_CHARS_MAX;
  return isCut ? "the text of this row was cut when it was kept: use retry --set" : null;
}

function toldAtOnce(problems: readonly LakeError[]): unknown {
  const more = problems.length - PROBLEMS_MAX;
  const shown = problems.slice(0, PROBLEMS_MAX);
  const rest = `${counted(more, "more line")} of the file cannot be loaded`;
  const told = more > 0 ? [...shown, new LakeError("usage", rest)] : shown;
  return told.length === 1 ? told[0] : new AggregateError(told);
}

/** Rows by id. Throws `usage` for a file that is no export, or holds an id twice. */
function readEdited(path: string): ReadonlyMap<string, EditedRow> {
  const byId = new Map<string, EditedRow>();
  let at: { readonly id: number; readonly raw: number } | null = null;
  scanCsv(path, SHAPE, (record) => {
    const text = Buffer.from(record.bytes.subarray(record.start, record.end)).toString();
    const { line } = record;
    if (record.blank || text === "") return;
    if (record.fault === "encoding")
      throw problem(path, line, "this is not UTF-8", "save it as UTF-8");
    const fields = splitRecord(text, SHAPE);
    if (at === null) {
      at = { id: fields.indexOf("id"), raw: fields.indexOf("raw") };
      const hint = "the first line names the columns, with commas: tarn quarantine export orders";
      if (at.id < 0 || at.raw < 0) throw problem(path, line, "no columns id and raw", hint);
      return;
    }
    const id = fields[at.id] ?? "";
    if (byId.has(id)) throw problem(path, line, `the id "${id}" stands twice`, "keep one of them");
    if (fields.length <= at.raw) {
      throw problem(path, line, "the column raw is missing", "a text with commas stands in quotes");
    }
    byId.set(id, { raw: fields[at.raw] ?? "", line });
  });
  if (at !== null) return byId;
  throw problem(path, 1, "the file is empty", "export one: tarn quarantine export orders");
}

function problem(file: string, line: number, message: string, hint: string): LakeError {
  return new LakeError("usage", message, { hint, place: { file, line, column: 1, length: 1 } });
}
