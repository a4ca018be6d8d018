/**
 * The formats of files: how each is told from the others, and where what it does is loaded from with the first of its
 * files. A new format is a folder and a line here.
 */

import type { FileFormat } from "../../core/ingest/contract.ts";
import type { FormatReader } from "./format.ts";

export interface Format {
  /** Bytes that every file of it begins with; null for a text. */
  readonly signature: string | null;
  /** What the names of its files end in, without compression. */
  readonly endings: readonly string[];
  load(): Promise<FormatReader>;
}

/** Told by what the bytes cannot hide, then by the name. */
export const FORMATS: Readonly<Record<FileFormat, Format>> = {
  csv: {
    signature: null,
    endings: ["csv", "tsv", "tab", "psv", "txt", "dat"],
    load: async () => (await import("./csv/format.ts")).FORMAT,
  },
  json: {
    signature: null,
    endings: ["json", "ndjson", "jsonl"],
    load: async () => (await import("./json/format.ts")).FORMAT,
  },
  parquet: {
    signature: "PAR1",
    endings: ["parquet"],
    load: async () => (await import("./parquet/parquet.ts")).FORMAT,
  },
  avro: {
    signature: "Obj\u0001",
    endings: ["avro"],
    load: async () => (await import("./avro/avro.ts")).FORMAT,
  },
  xlsx: {
    signature: "PK\u0003\u0004",
    endings: ["xlsx"],
    load: async () => (await import("./xlsx/xlsx.ts")).FORMAT,
  },
  segment: {
    signature: "TARNSEG1",
    endings: [],
    load: async () => (await import("./segment/segment.ts")).FORMAT,
  },
};

/** The format that a file has by its first bytes; null for a text, and for what nobody knows. */
export function formatOfBytes(head: Uint8Array): FileFormat | null {
  return named(({ signature }) => signature !== null && startsWith(head, signature));
}

/** The format that the ending of a name, without compression, stands for. */
export function formatOfEnding(ending: string): FileFormat | null {
  return named(({ endings }) => endings.includes(ending));
}

function named(holds: (format: Format) => boolean): FileFormat | null {
  const found = Object.entries(FORMATS).find(([, format]) => holds(format));
  // parse: the keys of the table are the formats
  return (found?.[0] as FileFormat | undefined) ?? null; // parse: above
}

function startsWith(head: Uint8Array, text: string): boolean {
  return Buffer.from(head.subarray(0, text.length)).toString() === text;
}
