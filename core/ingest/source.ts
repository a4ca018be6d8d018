/**
 * The contract of a source: a poll hands back a batch, which says what is in it for which table, from where to where it
 * takes its source, and where its originals are; once it is committed it is told so, and tells whoever sent it.
 */

import type { SourceConfig } from "./contract.ts";
import type { Lag } from "./lag.ts";
import type { LedgerFile } from "./ledger.ts";

/** A dropped file or a segment, copied or written and hashed before anything reads it. DESIGN, decision 8. */
export interface Claim {
  /** Path relative to the project, with `/`; of a segment its name. */
  readonly file: string;
  /** Path of the copy relative to the lake's root; null when it is a temporary one (before_landing). */
  readonly original: string | null;
  /** Absolute path of the copy until `keep`. */
  readonly localPath: string;
  /** Absolute path of the copy from then on. */
  readonly keptPath: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  /** `dev:inode` when it was claimed. */
  readonly inode: string;
  /** When anything about it changed last (ctime); absent where the system does not say. */
  readonly changedNs?: bigint;
  /** Its first HEAD_BYTES, and their sha256. */
  readonly start?: Uint8Array;
  readonly head?: string;
  /** Count of `\n` in the copy. */
  readonly newlines: number;
}

/** What can never be landed as it is: symbolic links, pipes, unreadable files. */
export interface Refusal {
  readonly file: string;
  readonly reason: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly inode: string;
  readonly changedNs?: bigint;
}

/** What becomes of a claim. */
export type Decision =
  | {
      readonly kind: "land";
      readonly claim: Claim;
      /** 1 for the first content under its name. */
      readonly version: number;
      readonly fromByte: number;
      /** Lines from `fromByte` on. */
      readonly newlines: number;
      /** Bytes of an earlier version are not a prefix of these: worth a warning. */
      readonly changed: boolean;
      /** Its rows take the place of those that landed under its name. */
      readonly replaces: boolean;
      /** The text that it goes on with. */
      readonly goesOn?: LedgerFile;
      /** The text that it goes on with, whose last record was open: what stood there is read again. */
      readonly reopens?: LedgerFile;
      /** What it was called when it was set aside whole: it stands in for these. */
      readonly wasAside?: readonly LedgerFile[];
    }
  | {
      readonly kind: "duplicate";
      readonly claim: Claim;
      readonly version: number;
      readonly first: string;
      /** It is no more than how that one begins. */
      readonly isBeginning?: true;
    };

/** What of a batch lands in one table. */
export interface Part {
  readonly config: SourceConfig;
  readonly decisions: readonly Decision[];
  readonly refused: readonly Refusal[];
}

/** How far a source is read: text that it alone understands, compared and swapped by the commit. */
export interface Offset {
  readonly name: string;
  /** Null before the first batch. */
  readonly was: string | null;
  readonly becomes: string;
}

/** One bounded piece of work: all of it is committed at once, or nothing. */
export interface Batch {
  /** What its claims are, in one word: file, segment. */
  readonly unit: string;
  /** Null for a source whose truth is the ledger itself. */
  readonly offset: Offset | null;
  /** Each in a table of its own. Asked once. */
  parts(): Promise<readonly Part[]>;
  /** Where a claim can be read now. */
  pathOf(claim: Claim): string;
  /**
   * Makes the originals durable under their names: before a commit names them. What is being read by an earlier path
   * must have been read. May be called again.
   */
  keep(): Promise<void>;
  /** The commit that holds the batch is durable; `files` are its rows of the ledger. May be called twice. */
  acknowledge(files: readonly LedgerFile[]): Promise<void>;
  /** It did not land. Whoever waits for it hears so; what it held is asked for again, or sent again. */
  failed?(thrown: unknown): Promise<void>;
}

/** A file that a source wrote itself, whole and synced, in a staging folder. */
export interface SealedFile {
  /** What it is called in the ledger: unique within its source. */
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Count of `\n`. */
  readonly newlines: number;
}

/** Where originals become durable under their names. */
export interface Originals {
  /** A sealed file as an original: it moves there when it is kept. One that is not to be stays until it is let go. */
  adopt(file: SealedFile, nowMs: number, isKept: boolean): Claim;
  /** Resolves when each that is to be kept is durable under its name. May be called again. */
  keep(claims: readonly Claim[]): Promise<void>;
  /** Those that were not to be kept go. */
  release(claims: readonly Claim[]): Promise<void>;
}

/** A segment of a transaction that is not committed: nothing is added to it but its end. */
export interface ComingSegment extends ComingFile {
  readonly config: SourceConfig;
}

export interface ComingFile {
  /** Absolute; the path by which it is handed over once the transaction is committed. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Rows so far, by table as the segment names them. */
  readonly rows: Readonly<Record<string, number>>;
}

/** What a source says of segments before they are handed over. */
export type AheadNews =
  | { readonly kind: "coming"; readonly segment: ComingSegment }
  /** They will not be, by their paths. */
  | { readonly kind: "dropped"; readonly paths: readonly string[] }
  /** They are in the batch that was handed over last. */
  | { readonly kind: "there" };

export interface BatchLimits {
  readonly files: number;
  readonly bytes: number;
}

export interface Source {
  readonly name: string;
  /** The table that it lands in, or the first of them: its failures are recorded under it. */
  readonly into: string;
  /** What it hands over are segments, which a process that is kept decodes: none is to be started ahead. */
  readonly hasSegments?: boolean;
  /** What is ready, within limits; null when nothing is. Never waits for data. */
  poll(limits: BatchLimits): Promise<Batch | null>;
  /** What was not said before of segments that may come. */
  ahead?(): readonly AheadNews[];
  /** How far it is behind what it is read from; null where that cannot be said now. It takes a second at most. */
  lag?(): Promise<Lag | null>;
  /** Milliseconds until something seen but not settled may be ready; null when nothing waits. */
  waitingMs(): number | null;
  close(): Promise<void>;
}
