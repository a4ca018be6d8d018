/** Corrections of a quarantined row: one field set, in the text the row was written in. */

import { open } from "node:fs/promises";
import { LakeError } from "../core/base/errors.ts";
import { nearestWord } from "../core/base/suggest.ts";

/** Bytes of a file that its header is looked for in. */
const HEADER_BYTES_MAX = 256 * 1024;

/** The header line of a CSV drop, from its kept original; null for JSON and for files without an original. */
export async function headerOf(file: string, original: string | null): Promise<string | null> {
  if (original === null || /\.(jsonl|ndjson|json)(\.\w+)?$/i.test(file)) return null;
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(original);
  } catch {
    return null;
  }
  try {
    const buffer = new Uint8Array(HEADER_BYTES_MAX);
    const { bytesRead } = await handle.read(buffer, 0, HEADER_BYTES_MAX, 0);
    const text = new TextDecoder().decode(buffer.subarray(0, bytesRead));
    const line = text.split(/\r\n|\n|\r/, 1)[0] ?? "";
    return line.replace(/^\uFEFF/, "");
  } finally {
    await handle.close();
  }
}

/** The row with `column=value` set: JSON by its key, CSV by the column's place in the header. */
export function correct(raw: string, header: string | null, assignment: string): string {
  const equals = assignment.indexOf("=");
  if (equals < 1) {
    throw new LakeError("usage", `--set ${assignment} is not column=value`, {
      hint: "--set amount=19.00",
    });
  }
  const column = assignment.slice(0, equals);
  const value = assignment.slice(equals + 1);
  if (header === null) return correctJson(raw, column, value);
  const delimiter = [",", ";", "\t", "|"].find((mark) => header.includes(mark)) ?? ",";
  const names = splitCsv(header, delimiter);
  const index = names.indexOf(column);
  if (index < 0) {
    const near = nearestWord(column, names);
    throw new LakeError("usage", `the file has no column "${column}"`, {
      hint: near === null ? `columns: ${names.join(", ")}` : `did you mean "${near}"?`,
    });
  }
  const fields = splitCsv(raw, delimiter).slice(0, names.length);
  while (fields.length < names.length) fields.push("");
  fields[index] = value;
  return fields.map((field) => quoteCsv(field, delimiter)).join(delimiter);
}

function correctJson(raw: string, column: string, value: string): string {
  let row: unknown;
  try {
    row = JSON.parse(raw);
  } catch {
    throw new LakeError("usage", "the row is not JSON, so a single field cannot be set", {
      hint: "give the whole corrected row: --raw '{…}'",
    });
  }
  if (typeof row !== "object" || row === null) {
    throw new LakeError("usage", "the row is no JSON object", { hint: "use --raw" });
  }
  return JSON.stringify({ ...row, [column]: jsonOrText(value) });
}

function jsonOrText(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** Fields of one CSV record. RFC 4180 quoting. */
function splitCsv(line: string, delimiter: string): string[] {
  const fields: string[] = [];
  let field = "";
  let quoted = false;
  for (let at = 0; at < line.length; at++) {
    const character = line[at] ?? "";
    if (quoted) {
      if (character !== '"') field += character;
      else if (line[at + 1] === '"') {
        field += '"';
        at += 1;
      } else quoted = false;
    } else if (character === '"' && field === "") quoted = true;
    else if (character === delimiter) {
      fields.push(field);
      field = "";
    } else field += character;
  }
  fields.push(field);
  return fields;
}

function quoteCsv(field: string, delimiter: string): string {
  const special = field.includes(delimiter) || /["\r\n]/.test(field);
  return special ? `"${field.replaceAll('"', '""')}"` : field;
}
