/** What a file for results is to hold: its format and packing by its ending, or a refusal that names the endings. */

import { basename } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { own } from "../../core/base/json.ts";
import type { Format, Sink } from "./render.ts";

export type Packing = "gzip" | "zstd";

export interface OutputKind {
  readonly format: Format;
  readonly packing: Packing | null;
}

export interface FileSink extends Sink {
  /** Makes what was written the file. */
  close(): Promise<void>;
  /** Leaves what was there before. */
  discard(): Promise<void>;
}

const FORMAT_BY_ENDING: Readonly<Record<string, Format>> = {
  csv: "csv",
  tsv: "tsv",
  json: "json",
  jsonl: "jsonl",
  ndjson: "jsonl",
  parquet: "parquet",
  arrow: "arrow",
  feather: "arrow",
  xlsx: "xlsx",
  md: "markdown",
  txt: "box",
};

const PACKING_BY_ENDING: Readonly<Record<string, Packing>> = { gz: "gzip", zst: "zstd" };

/** Formats that are packed inside, and read by seeking. */
const PACKED_INSIDE: ReadonlySet<Format> = new Set(["parquet", "xlsx"]);

/** Formats of which a file holds one result. */
const SINGLE: ReadonlySet<Format> = new Set(["parquet", "arrow", "xlsx"]);

/** The kind of a file. A format that was named goes before its ending. Throws `usage` where neither tells. */
export function outputKind(path: string, said: Format | null = null): OutputKind {
  const [last = "", before = ""] = basename(path).toLowerCase().split(".").slice(1).reverse();
  const packing = own(PACKING_BY_ENDING, last) ?? null;
  const ending = packing === null ? last : before;
  const format = said ?? own(FORMAT_BY_ENDING, ending);
  if (format === undefined) {
    const what = ending === "" ? "it has no ending" : `nothing is written as .${ending}`;
    throw new LakeError("usage", `cannot tell what ${path} is to hold: ${what}`, {
      hint: `endings are ${ENDINGS.map((one) => `.${one}`).join(", ")}, most with .gz or .zst behind; or say --format`,
      page: "T0102",
    });
  }
  if (packing !== null && PACKED_INSIDE.has(format)) {
    throw new LakeError("usage", `${path}: ${format} files are compressed inside`, {
      hint: `leave out the last ending: ${path.slice(0, -last.length - 1)}`,
      page: "T0102",
    });
  }
  return { format, packing };
}

/** Refuses a second result in a file that holds one. */
export function refuseSecond(format: Format): void {
  if (!SINGLE.has(format)) return;
  throw new LakeError("usage", `a file of ${format} holds one result`, {
    hint: "give each query a file of its own",
    page: "T0102",
  });
}

/** True for formats of which a file holds one result. */
export function isSingle(format: Format): boolean {
  return SINGLE.has(format);
}

const ENDINGS = ["csv", "tsv", "json", "jsonl", "parquet", "arrow", "xlsx", "md", "txt"];
