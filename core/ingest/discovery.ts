/** What a source would have to read, found out before it is declared, and the lines of tarn.yaml that declare it. */

import { isJsonObject, type Json, type JsonObject } from "../base/json.ts";

/** One thing that could be read. */
export interface Discovered {
  readonly name: string;
  /** About how many; null where nobody knows without counting. */
  readonly rows: number | null;
  readonly bytes: number | null;
  /** What names a row. */
  readonly key: string | null;
  /** What a person should know before reading it. */
  readonly note: string | null;
}

/** What a kind finds at an address. */
export interface Finds {
  /** The place, as it may be shown. */
  readonly at: string;
  readonly found: readonly Discovered[];
  /** Keys of the entry under `sources:` that name what was found. */
  readonly keys: JsonObject;
}

const PLAIN = /^[A-Za-z_/.][\w./ -]*$/;
const WORDS: ReadonlySet<string> = new Set(["true", "false", "null", "yes", "no", "on", "off"]);

/** An entry as lines of YAML. */
export function entryLines(name: string, entry: JsonObject): readonly string[] {
  return ["sources:", `  ${scalar(name)}:`, ...mapLines(entry, "    ")];
}

function mapLines(value: JsonObject, indent: string): readonly string[] {
  return Object.entries(value).flatMap(([key, item = null]) =>
    isJsonObject(item)
      ? [`${indent}${scalar(key)}:`, ...mapLines(item, `${indent}  `)]
      : [`${indent}${scalar(key)}: ${flow(item)}`],
  );
}

function flow(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  return typeof value === "string" ? scalar(value) : String(value);
}

/** Quotes of JSON are quotes of YAML. */
function scalar(text: string): string {
  const isPlain = PLAIN.test(text) && !WORDS.has(text.toLowerCase()) && !text.endsWith(" ");
  return isPlain ? text : JSON.stringify(text);
}
