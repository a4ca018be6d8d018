/** What every part of the catalog works with. */

import type { Clock, FileIO, Random } from "../../core/ports.ts";
import type { RetentionRules } from "../../core/table/retention.ts";
import type { TableName } from "../../core/table/types.ts";
import type { ManifestStore } from "../iceberg/manifest-store.ts";
import type { LakeStore } from "./lake-store.ts";
import type { MetadataCache } from "./metadata-cache.ts";

export interface CatalogContext {
  readonly store: LakeStore;
  readonly io: FileIO;
  readonly clock: Clock;
  readonly random: Random;
  readonly metadata: MetadataCache;
  readonly manifests: ManifestStore;
  /** Summary entries that name the writer: `engine-name`, `engine-version`. */
  readonly engine: Readonly<Record<string, string>>;
  readonly retention: (table: TableName) => RetentionRules;
  /** Milliseconds that a model may be behind before it loses its place. */
  readonly cursorLagMs: number;
}

/** A name in its two parts; a foreign namespace may have several levels, joined by dots. */
export function partsOf(name: TableName): { readonly namespace: string; readonly table: string } {
  const dot = name.lastIndexOf(".");
  return { namespace: name.slice(0, Math.max(dot, 0)), table: name.slice(dot + 1) };
}
