/** What a format of files does with them: made ready, looked at, read by the engine or row by row. */

import type { DecodeRequest, Dialect, ObservedColumn } from "../../core/engine.ts";
import type { FileFormat, ReadOptions } from "../../core/ingest/contract.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import type { RowForm } from "./correction.ts";
import type { Misfits } from "./first-misfit.ts";
import type { GroupReader } from "./group.ts";
import type { OpenRows } from "./made/rows.ts";
import type { WholeFile, WholeTarget } from "./made/whole-file.ts";
import type { Prepared, PrepareOptions, TextBase, TextHow } from "./prepared.ts";
import type { Rejects } from "./rejects.ts";

/** Smaller texts are learned from whole in TypeScript. */
export const SMALL_BYTES = 1024 * 1024;

/** A record of a text that is no header. */
export interface TextRecord {
  /** From 1. */
  readonly line: number;
  /** Nothing closes it. */
  readonly isOpen: boolean;
}

/** Texts of rows of one file. */
export interface FileTexts {
  readonly form: RowForm;
  /** By position; rows of formats that are no text are not found. */
  readonly texts: Readonly<Record<string, string>>;
}

export interface FormatReader {
  /** Makes ready a text, which is in UTF-8 by then; absent where bytes are read as they are. */
  readonly prepareText?: (
    base: TextBase,
    known: Dialect | null,
    options: PrepareOptions,
    how: TextHow,
  ) => Prepared;
  /** Adds what the file says of itself. */
  readonly prepareBytes?: (prepared: Prepared) => Prepared;
  /** The format that the texts of its rows are of where they are set aside; absent: JSON. */
  readonly asideAs?: FileFormat;
  /** Rows are counted when the file is made ready: one without any holds nothing. */
  readonly isCounted: boolean;
  /** The file itself says which types its columns have. */
  readonly isTyped: boolean;
  readonly inspect: (
    db: DuckDB,
    prepared: Prepared,
    read: ReadOptions,
  ) => Promise<readonly ObservedColumn[]>;
  /** What the first rows hold, where a large file need not be read to its end; null where it is read all the same. */
  readonly inspectFirst?: (
    prepared: Prepared,
    read: ReadOptions,
  ) => readonly ObservedColumn[] | null;
  /** The columns of figures, each with a setting that would type it, if there is any. */
  readonly looks?: (
    prepared: Prepared,
    read: ReadOptions,
    columns: readonly ObservedColumn[],
  ) => Promise<readonly ObservedColumn[]>;
  /** Files of one key are read by one statement. */
  readonly groupKey: (prepared: Prepared) => string;
  /** Reads a group by the engine; null for one that the engine does not read. Absent: row by row. */
  readonly byEngine?: (
    work: { readonly db: DuckDB; readonly request: DecodeRequest; readonly rejects: Rejects },
    first: Prepared,
  ) => Promise<GroupReader | null>;
  /** Reads rows here, one by one, where the engine does not read the format, or a file of it. */
  readonly byRow?: (request: DecodeRequest) => Promise<OpenRows>;
  /**
   * Writes all rows of a small text without an engine; null, and the target is of no use, where one is to be looked
   * at. Lands exactly what `byEngine` lands.
   */
  readonly writeWhole?: (
    prepared: Prepared,
    request: DecodeRequest,
    target: WholeTarget,
  ) => Promise<WholeFile | null>;
  /** Rows as they stand in the file, where they are text; absent: none is found. */
  readonly rowTexts?: (prepared: Prepared, positions: ReadonlySet<string>) => FileTexts;
  /** The records of a text, in their order, where one may span lines; absent: each line is one. */
  readonly eachRecord?: (prepared: Prepared, visit: (record: TextRecord) => void) => void;
  /** A file that has nothing to do with the table that its source fills: it is set aside. */
  readonly isStranger?: (request: DecodeRequest, prepared: Prepared) => boolean;
  /** The first value of each column that does not fit, read once more; by the name in lower case. */
  readonly firstMisfits?: (
    request: DecodeRequest,
    prepared: Prepared,
    columns: readonly ObservedColumn[],
  ) => Misfits;
}
