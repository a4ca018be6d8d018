/** What the SQL engine is asked and what it answers: the requests of the SqlEngine port, as plain data. */

import type { FileFormat, ReadOptions } from "./ingest/contract.ts";
import type { Closed, ClosingRequest } from "./model/closing-request.ts";
import type { Cdc } from "./model/feed.ts";
import type { Expectation, SetTest } from "./model/model.ts";
import type { TestOutcome } from "./model/run-store.ts";
import type { Windows } from "./model/windows.ts";
import type { TimeRange } from "./table/correction.ts";
import type {
  Column,
  FileBlob,
  PartitionSpec,
  PartitionValue,
  Scan,
  Schema,
  TableName,
  Transform,
  Type,
} from "./table/types.ts";

/** A Parquet file that a worker wrote into its staging folder; nothing names it yet. */
export interface StagedFile {
  /** Absolute path inside the staging folder. */
  readonly path: string;
  readonly rows: bigint;
  readonly sizeBytes: bigint;
  /** In the transforms' result types, one per field of the spec; empty when unpartitioned. */
  readonly partition: readonly PartitionValue[];
  /** It is the part of the file that is a deletion vector; several may be in one file. */
  readonly vector?: StagedVector;
}

export interface StagedVector {
  /** Recorded path of the data file whose rows it takes out. */
  readonly dataFile: string;
  readonly blob: FileBlob;
}

export interface Written {
  readonly files: readonly StagedFile[];
  readonly rows: bigint;
}

/** A table reference as it stands in a statement. */
export interface TableRef {
  /** As written, unquoted: `orders`, `silver.orders`, `silver.orders@12`, `drops/x.csv`, `orders$snapshots`. */
  readonly name: string;
  readonly at: { readonly unit: "version" | "timestamp" | "tag"; readonly value: string } | null;
  /** Character offset of the reference in the statement; null when unknown. */
  readonly offset: number | null;
  /** The dots stand inside one string or quoted name: `'orders.csv'` is a file, `orders.csv` a table. */
  readonly isOneWord?: boolean;
}

/** What a name means in a statement: exact files, or a query to put in its place. */
export type Binding =
  | { readonly kind: "scan"; readonly ref: TableRef; readonly scan: Scan }
  | {
      readonly kind: "view";
      readonly ref: TableRef;
      readonly sql: string;
      readonly bindings: readonly Binding[];
    };

/** A claimed file: an immutable copy, read by path and never by its drop name. */
export interface ClaimedFile {
  /** Drop name, stored as `_source_file`. */
  readonly name: string;
  /** Absolute path of the copy. */
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Skip this many leading bytes (a header line, if any, still counts): they landed before. */
  readonly fromByte: number;
  /** Text behind this byte is not read: it is part of another piece by now. Absent: all. */
  readonly toByte?: number;
  /** As the text was found to be written that it goes on with, and so is it; absent: to be found out. */
  readonly writtenAs?: Dialect;
  /** Byte count of `\n` in the copy from `fromByte`, counted while it was claimed. */
  readonly newlines: number;
  /** Of a segment whose transaction is not committed, and whose end is not written: its rows by table so far. */
  readonly coming?: Readonly<Record<string, number>>;
  /** Texts of rows as they were set aside, one a line, and not the file that the name says. */
  readonly isAside?: true;
  /** The batch that its rows carry and its instant, where it is another than that of the request. */
  readonly landsAs?: LandsAs;
}

export interface LandsAs {
  readonly batch: string;
  readonly ingestedAtMs: number;
}

/** How a file turned out to be written, so that it need not be found out twice. */
export interface Dialect {
  readonly format: FileFormat;
  readonly encoding: string;
  readonly compression: "none" | "gzip" | "zstd" | "zip";
  readonly delimiter: string | null;
  readonly quote: string | null;
  /** Whether a first record names the columns, which are known by their places else; null where neither is so. */
  readonly header: boolean | null;
  /** CSV: what makes the next mark a character of the text, and what begins a line that is no record; null: nothing. */
  readonly escapeMark: string | null;
  readonly comment: string | null;
  /** CSV: spaces behind delimiters are no part of the fields; empty fields of every line's end beyond the header's. */
  readonly padded: boolean;
  readonly closing: number;
  /** CSV: names made of a header that is not written as the records are; null: it is. Lines above the first record. */
  readonly mended: number | null;
  readonly skip: number;
  /** CSV: quotes that parse nowhere are text; what is missing at a record's end is empty; units below the header. */
  readonly strays?: boolean;
  readonly fills?: boolean;
  readonly units?: boolean;
  /** JSON: one value a line, or one array. */
  readonly jsonLayout: "lines" | "array" | "objects" | null;
}

export interface InspectRequest {
  readonly files: readonly ClaimedFile[];
  readonly read: ReadOptions;
  /** Absolute folder for temporary files (unpacked, transcoded); absent: one in the system's. */
  readonly staging?: string;
  /** A large file may be judged by its first rows: whoever decodes it proves the rest. */
  readonly sampled: boolean;
  readonly limits: DecodeLimits;
}

/**
 * Why a file as a whole goes to quarantine: it cannot be read, it goes over a limit that the message names, it does not
 * fit the folders that it lies in, or it shares no column with its table.
 */
export interface FileFault {
  readonly reason: "unreadable" | "limit" | "folder" | "stranger";
  readonly message: string;
}

/** What the files hold: columns in order of first appearance, each with the narrowest lossless type. */
export interface Inspected {
  readonly files: readonly {
    readonly name: string;
    /** Null where the file as a whole is not read. */
    readonly dialect: Dialect | null;
    readonly columns: readonly ObservedColumn[];
    /** Only the first rows were looked at. */
    readonly guessed: boolean;
    /** Set when the file as a whole is not read. */
    readonly fault: FileFault | null;
  }[];
}

export interface ObservedColumn extends Column {
  /** No value but NULL was seen. */
  readonly unseen: boolean;
  /** What did not fit first, in words: `"12.50" at line 4711`; absent where that is not known or not to be told. */
  readonly first?: string;
  /** A text column of digits and marks between them alone. */
  readonly isFigures?: boolean;
  /** A setting under which its texts would be numbers or days, such as `numbers: de`. */
  readonly looks?: string;
  /** Values that are not NULL; absent: not counted. */
  readonly values?: number;
  /** Where its values have nothing but text in common, and all but a few are of one type; absent: nowhere. */
  readonly mixed?: readonly MixedPlace[];
}

/** A place of a column that is text for a few of its values alone. */
export interface MixedPlace {
  /** The way to it, as in `Place`: the column itself has none. */
  readonly way: readonly string[];
  /** What the others are exactly. */
  readonly type: Type;
  /** Values that are not NULL, and how many of them are not of the type. */
  readonly values: number;
  readonly misfits: number;
  /** A few of those, in words. */
  readonly shown: string;
}

export interface DecodeLimits {
  readonly rowsMax: number;
  readonly decodedBytesMax: number;
  readonly timeMs: number;
  readonly memoryBytes: number;
  readonly threads: number;
}

export interface DecodeColumn {
  /** Header or JSON key in the files; compared exactly, then ignoring case. */
  readonly source: string;
  /** Column of the target schema. */
  readonly name: string;
  readonly required: boolean;
  /** SQL over the text value in place of the column, from before_landing; null: as it is. */
  readonly expression: string | null;
  /** The type with its placeholders, where it has any: what `onFirst` says is done with a value at such a place. */
  readonly awaits?: Type;
  /** Values that do not fit are set aside, whatever `onMisfit` says: it is known how many they are. */
  readonly setsAside?: boolean;
}

export interface DecodeRequest {
  readonly batch: string;
  readonly source: string;
  readonly ingestedAtMs: number;
  readonly files: readonly ClaimedFile[];
  readonly read: ReadOptions;
  readonly dialects: readonly (Dialect | null)[];
  /** Full table schema with ids, in column order: source columns, `_rescued` if any, then system columns. */
  readonly schema: Schema;
  readonly columns: readonly DecodeColumn[];
  /** Values are taken out of what lands (before_landing): no text of a row is told or set aside. */
  readonly redacted: boolean;
  /**
   * What to do with a value that does not fit its column: `quarantine` the row, or `report` it as a misfit and
   * write nothing for its file, so that the caller can widen the contract and ask again.
   */
  readonly onMisfit: "quarantine" | "report";
  /** What to do with a value at a place where none was seen before: the row is set aside, or `report` as above. */
  readonly onFirst: "quarantine" | "report";
  /** What to do with a field that no column claims. */
  readonly onUnknown: "report" | "rescue" | "quarantine";
  /** What to do, where fields are reported, with a file without a header none of whose fields a column claims. */
  readonly onStranger: "report" | "quarantine";
  /** Where fields are reported, a file that names its columns and shares none with these is set aside whole. */
  readonly holdsStrangers?: boolean;
  readonly spec: PartitionSpec;
  readonly rejectSchema: Schema;
  readonly fixes: readonly RowFix[];
  /** Say where each row stands that is set aside. */
  readonly tellRejects?: boolean;
  /** Say how many values the columns hold. */
  readonly countsValues?: boolean;
  /** Absolute folder of the caller's making; all output goes here. */
  readonly staging: string;
  readonly limits: DecodeLimits;
}

/** Single rows of files, as they stand in them or corrected. */
export interface RowTextsRequest {
  readonly files: readonly AskedFile[];
  readonly read: ReadOptions;
  /** Fields to set in every row, as SQL writes it: `amount = replace(amount, ',', '.')`; null: texts as they stand. */
  readonly set: string | null;
  /** Fields whose values are numbers, where JSON tells numbers from texts of them; in lower case. */
  readonly numbers: readonly string[];
  readonly staging: string;
  readonly limits: DecodeLimits;
}

export interface AskedFile extends ClaimedFile {
  readonly dialect: Dialect | null;
  readonly rows: readonly {
    readonly position: string;
    /** What stands for a row that is not found as text, where fields are set. */
    readonly kept: string | null;
  }[];
}

export interface RowTexts {
  readonly files: readonly {
    readonly name: string;
    /** By position. */
    readonly texts: Readonly<Record<string, string>>;
    /** Why no field could be set, by position. */
    readonly unset: Readonly<Record<string, string>>;
  }[];
}

/** Rows of a quarantine table that are asked for, some at a time, in the order of their batches, files and lines. */
export interface AsideRequest {
  readonly scan: Scan;
  /** Beginnings of ids, any of which a row has; empty: all. */
  readonly ids: readonly string[];
  /** Null: any. */
  readonly reason: string | null;
  /** SQL over the columns of the table; null: all. */
  readonly where: string | null;
  /** The last row that is known; null: from the first. */
  readonly after: AsidePlace | null;
  readonly rowsMax: number;
  /** Characters of raw text; one row may have more. */
  readonly charsMax: number;
  readonly timezone: string;
  readonly memoryBytes: number;
  readonly threads: number;
}

export interface AsidePlace {
  readonly batch: string;
  readonly file: string;
  readonly line: number;
  readonly id: string;
}

export interface AsideRow {
  readonly id: string;
  readonly source: string;
  readonly file: string;
  readonly position: string;
  /** 0 where it is not known. */
  readonly line: number;
  readonly column: string | null;
  readonly reason: string;
  readonly message: string;
  readonly raw: string | null;
  readonly batch: string;
}

export interface AsidePage {
  readonly rows: readonly AsideRow[];
  /** None come after them. */
  readonly isLast: boolean;
}

/** What a person made of a row; it stands for the row even where the row would fit as it is. */
export interface RowFix {
  readonly id: string;
  /** The text to read in its place; null takes it out. */
  readonly raw: string | null;
  /** Null where only rows that do not fit can be told by their ids. */
  readonly place: { readonly file: string; readonly position: string } | null;
}

/**
 * How far a text is finished, as lines go: where whoever reads it later begins, should it have gone on. Bytes are
 * those of the unpacked text.
 */
export interface TextEnd {
  /** All that was read. */
  readonly size: number;
  /** Where the first record begins that may not be whole; `size` where all are. */
  readonly byte: number;
  /** Its line, from 1. */
  readonly line: number;
  /** Lines from there on. */
  readonly lines: number;
  /** How many of the rows landed from there on, and how many were set aside. */
  readonly rows: number;
  readonly aside: number;
  /** A quote is open there: the record goes on behind a line end, too. */
  readonly isQuoted: boolean;
  /** Bytes of a character's unit at least: 2 in UTF-16. */
  readonly unit: number;
  /** Of a packed text, sha256 of its first HEAD_BYTES. */
  readonly head?: string;
}

export interface DecodedFile {
  readonly name: string;
  readonly dialect: Dialect | null;
  readonly rowsIn: number;
  readonly rowsLanded: number;
  readonly rowsQuarantined: number;
  /** What of the file was left unread, in words for the ledger; absent: nothing. */
  readonly unread?: string;
  /** The file as a whole goes to quarantine, for this. */
  readonly fault: FileFault | null;
  /** Columns whose values did not fit, or that nobody knows; the file was not written. */
  readonly misfits: readonly ObservedColumn[];
  /** Null for what is no text of lines. */
  readonly end?: TextEnd | null;
  /** Positions of the rows that were set aside, where that was asked for. */
  readonly rejected?: readonly string[];
}

export interface Decoded {
  readonly files: readonly DecodedFile[];
  readonly data: Written;
  /** Bad rows in the quarantine schema, or null when there are none. */
  readonly rejects: Written | null;
  /** The first few rejects, for the screen. */
  readonly examples: readonly RejectExample[];
  /** By column, without NULL, where that was asked for. */
  readonly values?: Readonly<Record<string, number>>;
}

export interface RejectExample {
  readonly file: string;
  readonly position: string;
  readonly reason: string;
  readonly column: string | null;
  readonly raw: string;
}

export interface DescribeRequest {
  readonly sql: string;
  readonly bindings: readonly Binding[];
  readonly timezone: string;
  readonly runTimeMs: number;
  /** Whether provenance columns can be carried from this driver to the output. */
  readonly driver: TableRef | null;
}

export interface Described {
  readonly columns: readonly Column[];
}

/** Provenance columns an incremental model carries from its driving input, hidden from `select *`. */
export const PROVENANCE_COLUMNS = ["_batch", "_source_file", "_row", "_ingested_at"] as const;

/** Indexes of keys: made by whoever needs them, of the files that they are about and of nothing else. */
export interface KeyIndexes {
  /** Absolute; of one table. What is in it may be gone or damaged at any time. */
  readonly folder: string;
  /** A look at one key costs as much as looking through so many rows. */
  readonly lookupRows: number;
}

export interface MaterializeRequest {
  readonly run: string;
  /** Whose rows these are: part of the ids of quarantined rows, and the name of the target among testBindings. */
  readonly model: TableName;
  readonly sql: string;
  readonly bindings: readonly Binding[];
  readonly timezone: string;
  readonly runTimeMs: number;
  /** Target schema with ids; provenance columns included when `driver` is set. */
  readonly schema: Schema;
  readonly spec: PartitionSpec;
  readonly expectations: readonly Expectation[];
  readonly tests: readonly SetTest[];
  /** Bindings for `relationships` tests, and for the existing target in `unique` tests of appends. */
  readonly testBindings: readonly Binding[];
  /** The driving input of an incremental or provenance-carrying run. */
  readonly driver: TableRef | null;
  /** Of a model whose table has closed windows alone. */
  readonly closing?: ClosingRequest | null;
  readonly mode: MaterializeMode;
  /** Rows are computed by windows of event time, each from the rows that inputs have in it; without: from all. */
  readonly windows?: Windows | null;
  /** Columns that the query does not give are NULL, and those that the schema does not have are left out. */
  readonly isLenient?: boolean;
  readonly rejectSchema: Schema;
  /** For a replay: what was set aside before, to be said anew for the rows that it computes; null only adds. */
  readonly rejectTarget: Scan | null;
  /** Rows of a target's file that is written again when it loses some; a larger one gets position deletes. */
  readonly rewrittenRowsMax: number;
  /** Where keys stand in the target's larger files; null: they are looked for. */
  readonly keyIndexes: KeyIndexes | null;
  readonly staging: string;
  readonly memoryBytes: number;
  readonly threads: number;
}

/** How the query's rows become the target's rows. */
export type MaterializeMode =
  /** The rows are the whole table (full), or rows to add (append). */
  | { readonly kind: "rows" }
  /** Upsert by key into `target`: newer rows win, also against its rows; touched files of it are rewritten. */
  | (Winners & { readonly kind: "merge"; readonly target: Scan })
  /**
   * A change feed: the query's rows are changes, and only keys that they name are worked out again. Null `history`
   * says that the rows are all there are, else it has the whole feed, for keys that a change came to too late.
   */
  | {
      readonly kind: "cdc";
      readonly key: readonly string[];
      readonly rule: Cdc;
      /** Columns of the rows, and of their sequence. */
      readonly events: Schema;
      readonly sequence: readonly Column[];
      readonly target: Scan;
      readonly history: readonly Binding[] | null;
      /** The greatest sequence that the target was made of; null: none. */
      readonly since: readonly string[] | null;
    }
  /**
   * Rows of the values of `key` that the changes of inputs touch are computed again, from `bindings`, and put in the
   * place of those of `target`; with `combines`, groups of the added rows are put together with those of `target`.
   */
  | {
      readonly kind: "keyed";
      readonly key: readonly string[];
      /** What is looked at of each column of the key, as partitions have it; without: the values themselves. */
      readonly transforms?: readonly Transform[];
      /** Of the rows of a key only the newest stay, as in a merge; null: all do. */
      readonly winners: Winners | null;
      readonly target: Scan;
      readonly changes: readonly InputChange[];
      readonly combines: boolean;
    }
  /**
   * Replay: `scope` binds the driver to the rows of the range. Keys (or source rows, when `key` is empty) that
   * the scope contributes to under the new query, and target rows that came from it, are computed again from
   * `bindings` and replaced.
   */
  | (Winners & { readonly kind: "replace"; readonly target: Scan; readonly scope: RangeScope });

/** Which rows of a key stay. */
export interface Winners {
  readonly key: readonly string[];
  readonly latestBy: readonly string[];
  /**
   * All rows of a key that have its greatest `latestBy`, or without one its last (_batch, _source_file); else the one
   * row with the greatest (latestBy, _batch, _source_file, _row).
   */
  readonly keepsMany?: boolean;
  /** A condition over the rows that stay: where it is true their key has none. */
  readonly deletedWhen?: string | null;
}

/** What came to an input and what left it; rows that were only written again are among both. */
export interface InputChange {
  readonly ref: TableRef;
  /** The input as it was. */
  readonly before: Scan;
  readonly removed: Scan;
  readonly added: Scan;
  /** Files of which other rows are deleted: with the deletes of before, and those of now. */
  readonly marked: { readonly before: Scan; readonly after: Scan } | null;
}

/** The rows of a replay: those of a range of time, and that fulfil a condition over the row. */
export type RangeScope = TimeRange & { readonly where?: string };

export interface Materialized {
  readonly data: Written;
  /** Position deletes of target files; merge and cdc alone write them. */
  readonly deletes: Written;
  /** Recorded paths of target files, of data and of deletes, that the written ones replace. */
  readonly replaced: readonly string[];
  readonly rejects: Written | null;
  /** Recorded paths of files of `rejectTarget` that the rejects replace. */
  readonly rejectsReplaced: readonly string[];
  /** Milliseconds at work, without those in which it waited for other runs; absent: not known. */
  readonly workMs?: number;
  readonly rowsIn: bigint;
  readonly rowsInserted: bigint;
  readonly rowsUpdated: bigint;
  readonly rowsDeleted: bigint;
  readonly rowsDropped: bigint;
  readonly rowsQuarantined: bigint;
  readonly tests: readonly TestOutcome[];
  /** Of a change feed: the greatest sequence that it has seen by now, its parts as text; null: none. */
  readonly sequence: readonly string[] | null;
  /** Set when a test or a `fail` expectation forbids publishing. */
  readonly stop: string | null;
  /** What is to be said of the run beside its numbers; null: nothing is. */
  readonly note: string | null;
  /** Why all is to be computed instead, of a run that computes rows of keys again; nothing was written then. */
  readonly retreat: string | null;
  /** Of a model whose table has closed windows alone, with files of rows that are late from now on. */
  readonly closed?: (Closed & { readonly late: Written }) | null;
}

export interface RewriteRequest {
  readonly scan: Scan;
  /** Only these recorded paths. */
  readonly paths: readonly string[];
  readonly schema: Schema;
  /** Target column name to the source column it is cast from, when ids differ. */
  readonly casts: Readonly<Record<string, string>>;
  /** Rows that came from these files in these batches are left out; a file without any stays as it is. */
  readonly without: readonly {
    readonly batch: string;
    readonly file: string;
    /** Only so many, the last ones in the order of the file. */
    readonly lastRows?: number;
  }[];
  /** The column that names the file of a row; `_batch` names its batch. */
  readonly fileColumn: "_source_file" | "file";
  readonly spec: PartitionSpec;
  readonly staging: string;
  readonly memoryBytes: number;
  readonly threads: number;
}

export interface RewrittenFiles extends Written {
  /** Recorded paths that the files stand in for. */
  readonly replaced: readonly string[];
  /** Rows that were left out. */
  readonly rowsLeftOut: bigint;
}

export interface DiffRequest {
  readonly before: Scan;
  readonly after: Scan;
  readonly key: readonly string[];
  readonly limit: number;
}

export interface Diff {
  readonly added: bigint;
  readonly removed: bigint;
  readonly changed: bigint;
  readonly sample: readonly {
    readonly change: "added" | "removed" | "changed";
    readonly key: Readonly<Record<string, string | null>>;
    readonly values: readonly {
      readonly column: string;
      readonly before: string | null;
      readonly after: string | null;
    }[];
  }[];
}

export type { TableName };
