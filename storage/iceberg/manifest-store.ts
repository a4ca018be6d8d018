/** Manifests and manifest lists by their location, read once: they never change. */

import { MANIFEST_CACHE_BYTES_MAX } from "../../core/limits.ts";
import type { FileIO } from "../../core/ports.ts";
import type { Snapshot } from "../../core/table/types.ts";
import { relativePath } from "./location.ts";
import type { ManifestEntry, ManifestFile } from "./manifest.ts";
import type { TableMetadata } from "./metadata.ts";

interface Kept<T> {
  readonly value: T;
  readonly sizeBytes: number;
}

export class ManifestStore {
  readonly #files: FileIO;
  readonly #recordedRoot: string;
  readonly #lists = new Map<string, Kept<readonly ManifestFile[]>>();
  readonly #entries = new Map<string, Kept<readonly ManifestEntry[]>>();
  #keptBytes = 0;

  /** `recordedRoot` is the lake's root as recorded paths know it; it differs from FileIO's in a moved lake. */
  constructor(files: FileIO, recordedRoot: string) {
    this.#files = files;
    this.#recordedRoot = recordedRoot;
  }

  /** The manifests of a snapshot; none for null. Throws `not-found`, `io` or `corrupt`. */
  async list(snapshot: Snapshot | null): Promise<readonly ManifestFile[]> {
    if (snapshot === null) return [];
    if (snapshot.manifestList === "") {
      const { inlineManifests } = await import("./snapshot.ts");
      return inlineManifests(snapshot).map(inlineManifest);
    }
    const location = snapshot.manifestList;
    const kept = this.#lists.get(location);
    if (kept !== undefined) return touch(this.#lists, location, kept);
    const bytes = await this.#read(location);
    const { readManifestList } = await import("./manifest.ts");
    const value = readManifestList(bytes, location);
    this.#keep(this.#lists, location, { value, sizeBytes: bytes.length });
    return value;
  }

  /** The entries of a manifest, deleted ones included. Throws `not-found`, `io` or `corrupt`. */
  async entries(
    manifest: ManifestFile,
    metadata: Pick<TableMetadata, "specs" | "schemas">,
  ): Promise<readonly ManifestEntry[]> {
    const kept = this.#entries.get(manifest.path);
    if (kept !== undefined) return touch(this.#entries, manifest.path, kept);
    const bytes = await this.#read(manifest.path);
    const { readManifest } = await import("./manifest.ts");
    const value = readManifest(bytes, manifest, metadata.specs, metadata.schemas);
    this.#keep(this.#entries, manifest.path, { value, sizeBytes: bytes.length });
    return value;
  }

  /** Spares the next commit to read back the list that this one wrote. The name must be new. */
  rememberList(location: string, value: readonly ManifestFile[], sizeBytes: number): void {
    this.#keep(this.#lists, location, { value, sizeBytes });
  }

  /** Where a recorded location is to be opened. Throws `unsupported` outside the lake. */
  localPath(location: string): string {
    return `${this.#files.root}/${relativePath(location, this.#recordedRoot)}`;
  }

  async #read(location: string): Promise<Uint8Array> {
    return await this.#files.read(relativePath(location, this.#recordedRoot));
  }

  #keep<T>(cache: Map<string, Kept<T>>, location: string, kept: Kept<T>): void {
    const before = cache.get(location);
    cache.set(location, kept);
    this.#keptBytes += kept.sizeBytes - (before?.sizeBytes ?? 0);
    for (const victims of [this.#entries, this.#lists]) {
      for (const [oldest, { sizeBytes }] of victims) {
        if (this.#keptBytes <= MANIFEST_CACHE_BYTES_MAX) return;
        victims.delete(oldest);
        this.#keptBytes -= sizeBytes;
      }
    }
  }
}

/** Moves a hit to the end, so that what is evicted first is what was used least recently. */
function touch<T>(cache: Map<string, Kept<T>>, location: string, kept: Kept<T>): T {
  cache.delete(location);
  cache.set(location, kept);
  return kept.value;
}

/** A manifest that an early v1 snapshot names itself; its header says its spec. */
function inlineManifest(path: string): ManifestFile {
  return {
    path,
    lengthBytes: 0n,
    specId: 0,
    content: "data",
    sequenceNumber: 0n,
    minSequenceNumber: 0n,
    addedSnapshotId: -1n,
    addedFiles: null,
    existingFiles: null,
    deletedFiles: null,
    addedRows: null,
    existingRows: null,
    deletedRows: null,
    partitions: null,
  };
}
