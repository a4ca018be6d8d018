/**
 * The formats of files: what tarn.yaml and names say of each, what its bytes begin with, and where what it does is
 * loaded from with the first of its files. A new format is a folder and a line here.
 */

import { LakeError } from "../../core/base/errors.ts";
import type { FormatDescription } from "../../core/config/read-options.ts";
import type { FileFormat } from "../../core/ingest/contract.ts";
import type { FormatReader } from "./format.ts";

export interface Format extends FormatDescription {
  /** Bytes that every file of it begins with; absent for a text. */
  readonly signature?: string;
  /** A format whose files are zip archives themselves: a file that each of them holds. */
  readonly zipMember?: string;
  /** Texts of it that follow each other are one text: so several files in one zip are read. */
  readonly joins?: boolean;
  readonly load: () => Promise<{ readonly FORMAT: FormatReader }>;
}

/** Texts of change events look like any JSON: who drops them says so. */
const EVENTS = {
  endings: [],
  settings: ["encoding", "table"],
  isFeed: true,
  joins: true,
} as const;

/** In the order they are listed and told by their bytes. */
export const FORMATS: Readonly<Record<FileFormat, Format>> = {
  csv: {
    endings: ["csv", "tsv", "tab", "psv", "txt", "dat"],
    words: { csv: null, tsv: "\t" },
    aliases: ["text", "txt"],
    settings: [
      "delimiter",
      "quote",
      "escape",
      "comment",
      "skip",
      "encoding",
      "header_row",
      "stray_quotes",
      "short_rows",
      "units_row",
      "numbers",
      "dates",
    ],
    load: () => import("./csv/format.ts"),
  },
  json: {
    endings: ["json", "ndjson", "jsonl"],
    words: { json: null, jsonl: null, ndjson: null },
    settings: ["encoding"],
    joins: true,
    load: () => import("./json/format.ts"),
  },
  parquet: {
    endings: ["parquet", "pq"],
    aliases: ["pq"],
    signature: "PAR1",
    load: () => import("./parquet/parquet.ts"),
  },
  avro: { endings: ["avro"], signature: "Obj\u0001", load: () => import("./avro/avro.ts") },
  xlsx: {
    endings: ["xlsx", "xlsm"],
    aliases: ["excel"],
    settings: ["sheet", "sheets", "header_row"],
    signature: "PK\u0003\u0004",
    zipMember: "xl/workbook.xml",
    load: () => import("./xlsx/xlsx.ts"),
  },
  debezium: { ...EVENTS, load: () => import("./envelope/debezium.ts") },
  maxwell: { ...EVENTS, load: () => import("./envelope/maxwell.ts") },
  dms: { ...EVENTS, load: () => import("./envelope/dms.ts") },
  canal: { ...EVENTS, load: () => import("./envelope/canal.ts") },
  // Written by sources: nobody names it.
  segment: {
    endings: [],
    words: {},
    signature: "TARNSEG",
    load: () => import("./segment/segment.ts"),
  },
};

/** What it does with files. Throws `unsupported` for a name that no format has. */
export async function readerOf(format: FileFormat): Promise<FormatReader> {
  const found = Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
  if (found === undefined) {
    throw new LakeError("unsupported", `no format is called "${format}" here`, {
      hint: `formats: ${Object.keys(FORMATS).join(", ")}; a newer version may have written this lake`,
    });
  }
  return (await found.load()).FORMAT;
}

/** The format that a file has by its first bytes; null for a text, and for what nobody knows. */
export function formatOfBytes(head: Uint8Array): FileFormat | null {
  return named(({ signature }) => signature !== undefined && startsWith(head, signature));
}

/** The format of files that only sources write: its bytes tell it, whatever is said of what it holds. */
export function formatOfSource(head: Uint8Array): FileFormat | null {
  const found = formatOfBytes(head);
  return found !== null && Object.keys(FORMATS[found]?.words ?? NAMED).length === 0 ? found : null;
}

const NAMED = { name: null };

/** The format that the ending of a name, without compression, stands for. */
export function formatOfEnding(ending: string): FileFormat | null {
  return named(({ endings }) => endings.includes(ending));
}

/** True where its files have no bytes that tell them. */
export function isText(format: FileFormat): boolean {
  return FORMATS[format]?.signature === undefined;
}

/** The format of a zip that is a file itself, by what it is said to be, is called or holds; null for a packing. */
export function formatOfZip(
  said: FileFormat | null,
  ending: string,
  members: () => readonly string[],
): FileFormat | null {
  const isMeant = ({ zipMember, endings }: Format, name: FileFormat): boolean =>
    zipMember !== undefined && (name === said || endings.includes(ending));
  const meant = named(isMeant);
  if (meant !== null) return meant;
  const held = members();
  return named(({ zipMember }) => zipMember !== undefined && held.includes(zipMember));
}

function named(holds: (format: Format, name: FileFormat) => boolean): FileFormat | null {
  return Object.entries(FORMATS).find(([name, format]) => holds(format, name))?.[0] ?? null;
}

function startsWith(head: Uint8Array, text: string): boolean {
  return Buffer.from(head.subarray(0, text.length)).toString() === text;
}
