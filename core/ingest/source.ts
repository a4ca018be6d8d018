/**
 * The contract of a source: a poll hands back claimed work, whose copies are durable under their names only once
 * something is to name them, and settle says that it is durable.
 */

/** A dropped file, copied and hashed before anything reads it. DESIGN, decision 8. */
export interface Claim {
  /** Path relative to the project, with `/`. */
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
  /** sha256 of its first HEAD_BYTES. */
  readonly head?: string;
  /** Count of `\n` in the copy. */
  readonly newlines: number;
}

export interface Refusal {
  readonly file: string;
  readonly reason: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly inode: string;
  readonly changedNs?: bigint;
}

/** What a file is found again by when it goes on under another name. */
export const HEAD_BYTES = 1024;

/** The first bytes of a claim's text. */
export interface Prefix {
  readonly sha256: string;
  readonly newlines: number;
  /** The last byte of them and up to four that follow. */
  readonly around: Uint8Array;
}

/** One bounded piece of work. */
export interface Batch {
  readonly source: string;
  readonly claims: readonly Claim[];
  /** Drops that can never be landed as they are: symbolic links, pipes, unreadable ones. */
  readonly refused: readonly Refusal[];
  /** More is ready right now. */
  readonly more: boolean;
}

export interface BatchLimits {
  readonly files: number;
  readonly bytes: number;
}

export interface Source {
  readonly name: string;
  /** What is ready, within limits; null when nothing is. Never waits for data. */
  poll(limits: BatchLimits): Promise<Batch | null>;
  /** Milliseconds until something seen but not settled may be ready; null when nothing waits. */
  waitingMs(): number | null;
  /**
   * What the first bytes of a claim are, by how many; packed text counts as it is unpacked. Sizes that it does not have
   * are left out.
   */
  prefixes(claim: Claim, sizes: readonly number[]): Promise<ReadonlyMap<number, Prefix>>;
  /** Makes the batch's copies durable under the names of their originals: before a commit names them. Once. */
  keep(batch: Batch): Promise<void>;
  /** The commit that holds the batch is durable. May be called twice. */
  settle(batch: Batch): Promise<void>;
  close(): Promise<void>;
}

/** Where the copies of a batch's files are: durable, and under their names, only once something is to name them. */
export class Copies {
  readonly #source: Source;
  readonly #batch: Batch;
  #kept = false;

  constructor(source: Source, batch: Batch) {
    this.#source = source;
    this.#batch = batch;
  }

  /** Where the copy can be read now. */
  pathOf(claim: Claim): string {
    return this.#kept ? claim.keptPath : claim.localPath;
  }

  /** Resolves when every copy is durable. What is being read by an earlier path must have been read. */
  async keep(): Promise<void> {
    if (this.#kept) return;
    await this.#source.keep(this.#batch);
    this.#kept = true;
  }
}
