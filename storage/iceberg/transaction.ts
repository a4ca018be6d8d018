/** From a table change to the files of a commit: manifests prepared once, metadata staged per attempt. */

import type { TableChange } from "../../core/table/commit.ts";
import type { Snapshot } from "../../core/table/types.ts";
import type { ManifestStore } from "./manifest-store.ts";
import type { TableMetadata, TableVersion } from "./metadata.ts";

/** A file to be written before the commit; the location is recorded (`file:///…`) and new. */
export interface NewFile {
  readonly location: string;
  readonly bytes: Uint8Array;
}

export interface PrepareInput {
  readonly base: TableVersion | null;
  readonly change: TableChange;
  /** Recorded location of a table that the change creates; an existing one has its own. */
  readonly location: string;
  /** From Random.int63, not of a snapshot of the table. */
  readonly snapshotId: bigint;
  readonly commitUuid: string;
  readonly manifests: ManifestStore;
}

/** What of a commit survives a moved base: the manifests of its files. */
export interface Prepared {
  readonly input: PrepareInput;
  /** To be durable before `stage`'s files are named by anything. */
  readonly files: readonly NewFile[];
}

export interface StageInput {
  /** The table now; the same as in `prepare`, or a later version when `canStage` says so. */
  readonly base: TableVersion | null;
  /** From 1. */
  readonly attempt: number;
  /** Names this attempt's metadata file. */
  readonly metadataUuid: string;
  readonly nowMs: number;
  /** Summary entries of the writer: engine-name, engine-version, … */
  readonly engine: Readonly<Record<string, string>>;
  /** Snapshots that retention takes out of the metadata with this commit; never refs or the current one. */
  readonly dropSnapshots: readonly bigint[];
}

/** One attempt: its files must be durable before the catalog's pointer moves to `metadataLocation`. */
export interface Staged {
  readonly metadata: TableMetadata;
  readonly metadataLocation: string;
  /** The new snapshot; null when the change made none. */
  readonly snapshot: Snapshot | null;
  readonly files: readonly NewFile[];
  readonly obsolete: Obsolete;
}

/** Recorded locations that the new metadata no longer names; unlinked later, by the caller. */
export interface Obsolete {
  readonly metadataFiles: readonly string[];
  readonly manifestLists: readonly string[];
}

export interface MetadataStageInput {
  readonly metadataUuid: string;
  readonly nowMs: number;
  readonly dropSnapshots: readonly bigint[];
}

/** Whether a change prepared on `prepared` can be staged on `now`: always if nothing moved, else only appends. */
export function canStage(
  _change: TableChange,
  _prepared: TableVersion | null,
  _now: TableVersion | null,
): boolean {
  throw new Error("not yet");
}

/**
 * Writes (in memory) the manifests of a change: added files without sequence numbers, and the base's
 * manifests that hold removed files, rewritten. Throws `conflict` when a removed file is not live.
 */
export async function prepare(_input: PrepareInput): Promise<Prepared> {
  throw new Error("not yet");
}

/** Makes one attempt's manifest list and metadata on `input.base`. Throws `conflict` unless `canStage`. */
export async function stage(_prepared: Prepared, _input: StageInput): Promise<Staged> {
  throw new Error("not yet");
}

/** A commit that changes metadata only (refs, properties, retention): `next` made from `base.metadata`. */
export function stageMetadata(
  _base: TableVersion,
  _next: TableMetadata,
  _input: MetadataStageInput,
): Staged {
  throw new Error("not yet");
}
