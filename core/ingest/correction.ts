/** Corrections of a quarantined row: one field set, in the text the row was written in. */

import { LakeError } from "../base/errors.ts";
import { isJsonObject, type Json, parseJson } from "../base/json.ts";
import { counted } from "../base/quantity.ts";
import { nearestWord } from "../base/suggest.ts";

/** Marks that separate fields, the most usual first. */
const DELIMITERS = [",", ";", "\t", "|"] as const;

/** The row with `column=value` set and every other character as it was. */
export function correct(raw: string, header: string | null, assignment: string): string {
  const equals = assignment.indexOf("=");
  if (equals < 1) {
    throw new LakeError("usage", `--set ${assignment} is not column=value`, {
      hint: "--set amount=19.00",
    });
  }
  const column = assignment.slice(0, equals);
  const value = assignment.slice(equals + 1);
  return header === null ? correctJson(raw, column, value) : correctCsv(raw, header, column, value);
}

function correctCsv(raw: string, header: string, column: string, value: string): string {
  const delimiter = delimiterOf(header);
  const names = splitCsv(header, delimiter).map(plainCsv);
  const index = names.indexOf(column);
  if (index < 0) throw unknownColumn(column, names);
  const fields = splitCsv(raw, delimiter);
  // The last field takes what stands behind it; any other would be guessed.
  const isLast = index === names.length - 1;
  if (isLast && fields.length > names.length) fields.length = names.length;
  if (index === fields.length) fields.push("");
  if (fields.length !== names.length) {
    throw new LakeError(
      "usage",
      `the row has ${counted(fields.length, "field")}, the file ${names.length}`,
      {
        hint: "one field alone does not mend that; give the whole corrected row: --raw '…'",
      },
    );
  }
  fields[index] = quoteCsv(value, delimiter);
  return fields.join(delimiter);
}

function unknownColumn(column: string, names: readonly string[]): LakeError {
  const near = nearestWord(column, names);
  return new LakeError("usage", `the file has no column "${column}"`, {
    hint: near === null ? `columns: ${names.join(", ")}` : `did you mean "${near}"?`,
  });
}

/** A value that is JSON is taken as it is written; everything else is text. */
function correctJson(raw: string, column: string, value: string): string {
  const members = jsonMembers(raw);
  const text = isJson(value) ? value : JSON.stringify(value);
  const others = members.filter((member) => member.key !== column);
  const at = members.findIndex((member) => member.key === column);
  const set = { key: column, text: `${JSON.stringify(column)}:${text}` };
  const kept = at < 0 ? [...others, set] : others.toSpliced(at, 0, set);
  return `{${kept.map((member) => member.text).join(",")}}`;
}

interface Member {
  readonly key: string;
  /** Key and value as they stand in the text. */
  readonly text: string;
}

/** The members of an object in their own words: parsing and printing again would bend numbers. */
function jsonMembers(raw: string): Member[] {
  let row: Json;
  try {
    row = parseJson(raw);
  } catch {
    throw new LakeError("usage", "the row is not JSON, so a single field cannot be set", {
      hint: "give the whole corrected row: --raw '{…}'",
    });
  }
  if (!isJsonObject(row)) {
    throw new LakeError("usage", "the row is no JSON object", { hint: "use --raw" });
  }
  const body = raw.trim().slice(1, -1);
  return splitJson(body).map((text) => {
    const key = /^\s*("(?:[^"\\]|\\.)*")/.exec(text)?.[1] ?? '""';
    return { key: String(parseJson(key)), text: text.trim() };
  });
}

/** Parts of the inside of a valid JSON object, at its own commas. */
function splitJson(body: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < body.length; at++) {
    const character = body[at] ?? "";
    if (quoted) {
      if (character === "\\") at += 1;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if ("{[".includes(character)) depth += 1;
    else if ("}]".includes(character)) depth -= 1;
    else if (character === "," && depth === 0) {
      parts.push(body.slice(start, at));
      start = at + 1;
    }
  }
  const last = body.slice(start);
  return last.trim() === "" ? parts : [...parts, last];
}

function isJson(value: string): boolean {
  try {
    parseJson(value);
    return true;
  } catch {
    return false;
  }
}

/** The mark that a header has most of; a comma when it has none. */
function delimiterOf(header: string): string {
  const count = (mark: string): number => splitCsv(header, mark).length;
  return DELIMITERS.reduce((best: string, mark) => (count(mark) > count(best) ? mark : best), ",");
}

/** Fields of one CSV record as they are written, quotes and all. RFC 4180 quoting. */
function splitCsv(line: string, delimiter: string): string[] {
  const fields: string[] = [];
  let start = 0;
  let quoted = false;
  for (let at = 0; at < line.length; at++) {
    const character = line[at] ?? "";
    if (character === '"' && (quoted || at === start)) {
      if (quoted && line[at + 1] === '"') at += 1;
      else quoted = !quoted;
    } else if (character === delimiter && !quoted) {
      fields.push(line.slice(start, at));
      start = at + 1;
    }
  }
  fields.push(line.slice(start));
  return fields;
}

function plainCsv(field: string): string {
  const inner = /^"(.*)"$/s.exec(field.trim())?.[1];
  return inner === undefined ? field : inner.replaceAll('""', '"');
}

function quoteCsv(field: string, delimiter: string): string {
  const special = field.includes(delimiter) || /["\r\n]/.test(field);
  return special ? `"${field.replaceAll('"', '""')}"` : field;
}
