/** What tarn.yaml and the names of files say of a format; which formats there are, the engine says. */

import type { FileFormat } from "../ingest/contract.ts";

/** Settings of a source that only some formats have a use for, as they are written in tarn.yaml. */
export const FORMAT_SETTINGS = [
  "delimiter",
  "quote",
  "escape",
  "comment",
  "skip",
  "encoding",
  "sheet",
  "header_row",
] as const;

export interface FormatDescription {
  /** What the names of its files end in, without compression, in lower case. */
  readonly endings: readonly string[];
  /** Words for it in `format:`, each with the delimiter that it says, if any; absent: its name alone. */
  readonly words?: Readonly<Record<string, string | null>>;
  /** Words that other tools have for it. */
  readonly aliases?: readonly string[];
  /** Which of the settings above mean something to it; absent: none. */
  readonly settings?: readonly (typeof FORMAT_SETTINGS)[number][];
}

/** By name, in the order they are listed. */
export type FileFormats = Readonly<Record<FileFormat, FormatDescription>>;

/** A word of `format:`, and what it says. */
export interface FormatWord {
  readonly word: string;
  readonly format: FileFormat;
  readonly delimiter: string | null;
}

export function formatWords(formats: FileFormats): FormatWord[] {
  return Object.entries(formats).flatMap(([format, { words = { [format]: null } }]) =>
    Object.entries(words).map(([word, delimiter]) => ({ word, format, delimiter })),
  );
}

/** The formats that are named by who drops files: each by its own name. */
export function formatNames(formats: FileFormats): FileFormat[] {
  return [...new Set(formatWords(formats).map(({ format }) => format))];
}

/** Words of other tools with ours. */
export function formatAliases(formats: FileFormats): Record<string, FileFormat> {
  const pairs = Object.entries(formats).flatMap(([format, { aliases = [] }]) =>
    aliases.map((alias) => [alias, format] as const),
  );
  return Object.fromEntries(pairs);
}
