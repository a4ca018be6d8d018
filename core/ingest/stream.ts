/** Streams: sources that are read on from a position, whose originals they write themselves. */

import { NOTHING_SAID } from "../config/default-source.ts";
import type { TableName } from "../table/types.ts";
import { keepsOriginals, type ReadOptions, type SourceConfig } from "./contract.ts";
import type { Lag } from "./lag.ts";
import type { Batch, Claim, Originals, Part, SealedFile } from "./source.ts";

/** What a stream is read with, in a process of its own. */
export interface ReaderRequest {
  readonly stream: string;
  readonly kind: string;
  readonly settings: unknown;
  /** Where what is committed ends; null before the first batch. */
  readonly from: string | null;
  /**
   * Absolute folder below the lake's root, the stream's own: nobody else makes or removes files in it, and it goes
   * along with the lake.
   */
  readonly folder: string;
  /** Absolute. */
  readonly lakeRoot: string;
  readonly projectRoot: string;
  /** Tells lakes that read the same source apart. */
  readonly lakeId: string;
}

/** Reads a stream into sealed files. It stops where it cannot go on without a loss. */
export interface StreamReader {
  /** The next stretch; null when nothing came for a while: then it says how it stands. Throws LakeError. */
  next(limits: ReaderLimits, signal: AbortSignal): Promise<SealedStretch | null>;
  /** All up to this position is committed: the server may forget it. */
  acknowledge(position: string): Promise<void>;
  /** How far what was acknowledged is behind what is there. */
  lag?(): Promise<Lag | null>;
  /** Everything that was there when it was opened has been handed over. */
  readonly isCaughtUp: boolean;
  close(): Promise<void>;
}

export interface ReaderLimits {
  readonly bytes: number;
  /** A stretch is sealed when its oldest row is this old. */
  readonly lingerMs: number;
  /** What is only looked at now and then is waited for no longer. */
  readonly ms: number;
}

/** A stretch as it was read: files with the tables whose rows are in them. */
export interface SealedStretch {
  readonly to: string;
  readonly files: readonly (SealedFile & { readonly tables: readonly string[] })[];
}

/** What was read of a stream between two positions. */
export interface Stretch {
  readonly stream: string;
  /** As facts: null is its beginning. */
  readonly from: string | null;
  readonly to: string;
  /** The files that it was written to, by the tables whose rows are in them; the same file may hold rows of several. */
  readonly tables: readonly {
    readonly config: SourceConfig;
    readonly files: readonly SealedFile[];
  }[];
  /** Tells whoever sent it that it need not be sent again. May be called twice. */
  readonly acknowledge: () => Promise<void>;
}

/** A stretch as one batch: all of its tables and the position are one commit. */
export class StreamBatch implements Batch {
  readonly unit = "segment";
  readonly offset: Batch["offset"];
  readonly #stretch: Stretch;
  readonly #originals: Originals;
  readonly #claimByFile: ReadonlyMap<SealedFile, Claim>;
  #isKept = false;

  constructor(stretch: Stretch, originals: Originals, nowMs: number) {
    const { stream, from, to, tables } = stretch;
    this.offset = { name: positionName(stream), was: from, becomes: to };
    this.#stretch = stretch;
    this.#originals = originals;
    const files = new Set(tables.flatMap((table) => table.files));
    const isKept = tables.every(({ config }) => keepsOriginals(config));
    this.#claimByFile = new Map(
      [...files].map((file) => [file, originals.adopt(file, nowMs, isKept)]),
    );
  }

  async parts(): Promise<readonly Part[]> {
    return this.#stretch.tables.map(({ config, files }) => ({
      config,
      decisions: files.flatMap((file) => {
        const claim = this.#claimByFile.get(file);
        if (claim === undefined) return [];
        const whole = { version: 1, fromByte: 0, newlines: claim.newlines };
        return [{ kind: "land", claim, ...whole, changed: false, replaces: false }];
      }),
      refused: [],
    }));
  }

  pathOf(claim: Claim): string {
    return this.#isKept ? claim.keptPath : claim.localPath;
  }

  async keep(): Promise<void> {
    if (this.#isKept) return;
    await this.#originals.keep([...this.#claimByFile.values()]);
    this.#isKept = true;
  }

  async acknowledge(): Promise<void> {
    const claims = [...this.#claimByFile.values()];
    await this.#originals.release(claims.filter(({ original }) => original === null));
    await this.#stretch.acknowledge();
  }
}

/** The fact that holds how far a stream is read. */
export function positionName(stream: string): string {
  return `stream:${stream}`;
}

/** The fact that holds since when a stream is not read. */
export function pausedName(stream: string): string {
  return `paused:${stream}`;
}

/** The fact that holds what a stream that was renamed is called outside: by its server, its folder and its tables. */
export function knownName(stream: string): string {
  return `known:${stream}`;
}

/**
 * What the fact of a position holds: the lake that reads the stream goes with it, so that a copy of the lake does not
 * read on from the same place.
 */
export function positionFact(lakeId: string, position: string): string {
  return `${lakeId} ${position}`;
}

/** Both null before the first batch. */
export function positionOf(fact: string | null): {
  readonly lakeId: string | null;
  readonly position: string | null;
} {
  if (fact === null) return { lakeId: null, position: null };
  const cut = fact.indexOf(" ");
  return { lakeId: fact.slice(0, cut), position: fact.slice(cut + 1) };
}

/** The name in the ledger of a table of a stream; of a stream without tables, whose table has no name, its own. */
export function tableSource(stream: string, table: string): string {
  return table === "" ? stream : `${stream}.${table}`;
}

/** One table of a stream as a source of the ledger: contract, quarantine and replay are its own. */
export function streamTable(
  stream: string,
  table: string,
  how: { readonly into: TableName; readonly read: Partial<ReadOptions> },
): SourceConfig {
  return {
    name: tableSource(stream, table),
    into: how.into,
    schema: "evolve",
    declared: null,
    required: [],
    beforeLanding: {},
    read: { ...NOTHING_SAID, folders: false, ...how.read },
    partition: ["day(_ingested_at)"],
  };
}
