/** Lines of JSON written as a file of the table, where each of them is an object as usual. */

import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import type { DecodeRequest } from "../../../core/engine.ts";
import { jsonColumn, ObjectColumns, type ObjectField } from "../lossless/json-columns.ts";
import { OUT, spaceEnd } from "../lossless/json-text.ts";
import type { FilledColumn } from "../made/group-target.ts";
import { PART_ROWS } from "../made/row-table.ts";
import type { WholeFile, WholeTarget } from "../made/whole-file.ts";
import type { Prepared } from "../prepared.ts";
import { sourceColumns } from "../target-columns.ts";

const LF = 10;
const OPEN_BRACE = 123;

/** The file is read at once. Null, and the target is of no use, where a line is to be looked at. */
export async function writeLines(
  { path, dialect }: Prepared,
  request: DecodeRequest,
  target: WholeTarget,
): Promise<WholeFile | null> {
  if (dialect.jsonLayout !== "lines") return null;
  const fields: ObjectField[] = [];
  const filled: FilledColumn[] = [];
  for (const { field, decode } of sourceColumns(request)) {
    const column = jsonColumn(decode.awaits ?? field.type, target.form);
    if (column === null || decode.expression !== null) return null;
    fields.push({ key: decode.source, column, isRequired: decode.required });
    filled.push({ field, leaves: column.leaves });
  }
  const bytes = readFileSync(path);
  if (filled.length === 0 || !isUtf8(bytes)) return null;
  const object = new ObjectColumns(fields, 0);
  let rows = 0;
  for (let at = 0; at < bytes.length; ) {
    const found = bytes.indexOf(LF, at);
    const lineEnd = found < 0 ? bytes.length : found;
    const start = spaceEnd(bytes, at);
    if (start >= lineEnd || bytes[start] !== OPEN_BRACE) return null;
    const end = object.write(bytes, start, 0);
    // An object that goes on in the next line is none of this one.
    if (end === OUT || end > lineEnd || spaceEnd(bytes, end) < lineEnd) return null;
    at = lineEnd + 1;
    if (++rows < PART_ROWS) continue;
    target.group(filled, rows);
    if (target.isPending) await target.settle();
    rows = 0;
  }
  if (rows > 0) target.group(filled, rows);
  return await target.finish();
}
