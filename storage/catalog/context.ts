/** What every part of the catalog works with. */

import type { Clock, FileIO, Random } from "../../core/ports.ts";
import type { ManifestStore, MetadataCache } from "../iceberg/recorded-files.ts";
import type { LakeStore } from "./lake-store.ts";

export interface CatalogContext {
  readonly store: LakeStore;
  readonly io: FileIO;
  readonly clock: Clock;
  readonly random: Random;
  readonly metadata: MetadataCache;
  readonly manifests: ManifestStore;
  /** Recorded locations of files that were adopted and that no commit has made durable yet. */
  readonly adopted: Set<string>;
  /** Summary entries that name the writer: `engine-name`, `engine-version`. */
  readonly engine: Readonly<Record<string, string>>;
  /** How long past snapshots can be read; null is for ever. */
  readonly snapshotsAgeMaxMs: number | null;
  /** Milliseconds that a model may be behind before it loses its place. */
  readonly cursorLagMs: number;
}
