/** The contract of a source: which columns it lands, which types, and what happens to what does not fit. */

import type { JsonObject } from "../base/json.ts";
import type { Compatibility } from "../contract/modes.ts";
import type { Column, Type } from "../table/types.ts";

/** What happens when a file brings something the contract does not know. */
export type SchemaPolicy = "evolve" | "ignore" | "quarantine" | "fail";

/** What happens to a value that does not fit one column. */
export type ColumnPolicy = "evolve" | "quarantine" | "fail";

export interface ContractColumn {
  /** The name in the table. */
  readonly name: string;
  /** The name in the files (header or JSON key), compared exactly first, then ignoring case. */
  readonly source: string;
  readonly type: Type;
  /** Stated in tarn.yaml, so never changed by what files hold. */
  readonly declared: boolean;
  /** No value was ever seen: the type is a placeholder (string) and may become any type for free. */
  readonly unseen: boolean;
  readonly required: boolean;
  /** The type that tarn.yaml states to begin with, for a column that takes wider ones (`on_drift: evolve`). */
  readonly begun?: Type;
  /** What was chosen for values that do not fit, other than what their share says. */
  readonly misfits?: MisfitChoice;
  /** Somebody gave it its name, which is not made of the one in the files. */
  readonly renamed?: true;
  readonly notes?: ColumnNotes;
}

/** `keep` the type, whatever comes; or `widen` it, for whatever comes. */
export type MisfitChoice = "keep" | "widen";

/**
 * What a contract document says of a column beyond how it lands: its description, classification, quality and whatever
 * else, in the words of the document. By the place in the column: `""` is the column, `/city` a field of it, `/items`
 * what is in a list.
 */
export type ColumnNotes = Readonly<Record<string, JsonObject>>;

/** What a contract document says beside its columns, in its own words. */
export interface ContractNotes {
  readonly document: JsonObject;
  /** Of its entry for the table. */
  readonly table: JsonObject;
}

/** What was learned or declared, stored with the batch that taught it. DESIGN, decision 8. */
export interface Contract {
  readonly source: string;
  readonly version: number;
  readonly columns: readonly ContractColumn[];
  /** How the files are read by it; null in lakes of before it was kept: as tarn.yaml says. */
  readonly read: ReadOptions | null;
  /** Where it is declared by a document. */
  readonly notes?: ContractNotes;
}

/** The name of a format of files, such as `csv`: one of those that the engine has. */
export type FileFormat = string;

/** The delimiter of texts whose lines are each one field as it is: an empty one is an empty text. */
export const WHOLE_LINE = "\u0006";

/** What the ledger's words of a file begin with whose rows all landed, some of them read otherwise than they stand. */
export const MENDED = "mended:";
export const STRAY = "with a quote that is none, read as a character";

/** How files of a source are read. Null means: find out per file. */
export interface ReadOptions {
  readonly format: FileFormat | null;
  readonly delimiter: string | null;
  readonly quote: string | null;
  /** Text encoding label, such as utf-8, utf-16le, latin-1; null: by BOM, then UTF-8. */
  readonly encoding: string | null;
  readonly header: boolean | null;
  /** Texts that mean NULL in CSV besides an unquoted empty field. */
  readonly nulls: readonly string[];
  readonly sheet: string | null;
  /** Names and patterns of sheets that are read one after the other; `all`. */
  readonly sheets?: readonly string[] | null;
  /** 1-based row of the header in a sheet, or its line in a CSV. */
  readonly headerRow: number | null;
  /** Lines of a CSV that stand above the table. */
  readonly skip: number | null;
  /** How numbers are written in CSV: `1.234,56` or the like, `1234,56` without groups; absent or null: plainly. */
  readonly numbers?: string | null;
  /** How days are written in CSV beside plainly, such as `DD.MM.YYYY`. */
  readonly dates?: string | null;
  /** What makes a quote, a delimiter, a line end or itself behind it a character of the text, in CSV. */
  readonly escapeMark: string | null;
  /** Lines of a CSV that begin with it are no records. */
  readonly comment: string | null;
  /** Names by position for a CSV or sheet without a header: the declared columns. Those beyond are numbered. */
  readonly names: readonly string[];
  /** `schema.table` whose changes are meant, of a segment or a change feed, which may hold those of many. */
  readonly table: string | null;
  /** The folders `key=value` of a drop are columns of its rows. */
  readonly folders: boolean;
  /**
   * The share of a column's values that do not make it text where all others are of one type: they are set aside.
   * Absent: none, as in streams.
   */
  readonly misfits?: number;
  /** Rows of a CSV that a stray quote keeps from parsing are set aside; absent: read where there is one way to. */
  readonly strayQuotes?: "quarantine";
  /** What is missing at the end of a row of a CSV is empty; absent: such rows are set aside. */
  readonly shortRows?: "fill";
  /** A row of units below the header of a CSV is data; absent: it is set aside. */
  readonly unitsRow?: "read";
}

/** A column that tarn.yaml states, under `columns:` or by a contract document. */
export interface DeclaredColumn extends Column {
  /** Its name in the files; absent: as it is called in the table. */
  readonly source?: string;
  readonly notes?: ColumnNotes;
}

/** How the rows of a source land, whatever brings them. */
export interface SourceConfig {
  readonly name: string;
  readonly into: string;
  readonly schema: SchemaPolicy;
  readonly declared: readonly DeclaredColumn[] | null;
  readonly required: readonly string[];
  /** Column name to SQL expression over that column; run in the decoding worker. */
  readonly beforeLanding: Readonly<Record<string, string>>;
  /** What it is read from is not kept, for it holds values that are taken out of a table beside it. */
  readonly isUnkept?: boolean;
  readonly read: ReadOptions;
  /** Partition transforms of the bronze table, such as `day(_ingested_at)`. */
  readonly partition: readonly string[];
  /** By column, where tarn.yaml says otherwise than `schema` does. */
  readonly onDrift?: Readonly<Record<string, ColumnPolicy>>;
  /** What new content under a landed name is; absent: another version. */
  readonly sameName?: "version" | "replace";
  /** A file that shares no column with the table is set aside whole; absent: its columns are new ones. */
  readonly strangers?: "hold";
  /** How its contract may change; absent: in every way. */
  readonly compatibility?: Compatibility;
  /** Of the document that declares it. */
  readonly notes?: ContractNotes;
  /** Nobody wrote `schema:`; it is what declared columns bring with them. */
  readonly schemaImplied?: boolean;
}

/** False where values are taken out before anything is kept: what it was read from is gone then. */
export function keepsOriginals({ beforeLanding, isUnkept = false }: SourceConfig): boolean {
  return !isUnkept && Object.keys(beforeLanding).length === 0;
}

/** A source of dropped files, from tarn.yaml or from a folder name. */
export interface FileSourceConfig extends SourceConfig {
  /** Glob relative to the project, such as `drops/orders/**`. */
  readonly path: string;
  /** The name that this source landed under before; `none`: it is a new one. Null: found out by its files. */
  readonly movedFrom: string | null;
  readonly settleMs: number;
  readonly sameName: "version" | "replace";
  readonly sameBytes: "skip" | "land";
  readonly onLanded: "keep" | "move" | "delete";
}

export interface DriftEvent {
  readonly column: string;
  readonly change:
    | "added"
    | "widened"
    | "relaxed"
    | "retyped"
    | "ignored"
    | "quarantined"
    | "misfits";
  readonly from: string | null;
  readonly to: string | null;
  readonly file: string;
  readonly message: string;
  /** Somebody chose that it be so, and need not be asked. */
  readonly isChosen?: boolean;
}
