/**
 * Files by their recorded locations (`file:///abs/…`, never percent-decoded): where FileIO opens them, and metadata
 * files, manifest lists and manifests kept as they were read. They never change: what was read once is right for
 * ever, and only room makes one leave.
 */

import { LakeError } from "../../core/base/errors.ts";
import { MANIFEST_CACHE_BYTES_MAX, METADATA_CACHE_BYTES_MAX } from "../../core/limits.ts";
import type { FileIO } from "../../core/ports.ts";
import type { Snapshot } from "../../core/table/types.ts";
import type { ManifestEntry, ManifestFile } from "./manifest.ts";
import type { TableMetadata, TableVersion } from "./metadata.ts";

/** The location to record for an absolute path. Iceberg spec, "Paths in Metadata": with a scheme. */
export function recordedLocation(absolutePath: string): string {
  return `file://${absolutePath}`;
}

/** The absolute local path of a recorded location. Throws `unsupported` for other schemes. */
export function absolutePath(recorded: string): string {
  const path = /^file:\/\/localhost(?=\/)/.test(recorded)
    ? recorded.slice("file://localhost".length)
    : recorded.replace(/^file:(?:\/\/)?(?=\/(?!\/))/, "");
  if (!path.startsWith("/")) {
    throw new LakeError("unsupported", `location ${recorded} is not on the local disk`, {
      hint: "only file:///… and plain absolute paths can be read; copy the table onto this machine",
    });
  }
  if (path.split("/").includes("..")) {
    throw new LakeError("corrupt", `location ${recorded} climbs out of its folder`, {
      hint: "the metadata names a path with '..'; it was not written by a correct engine",
    });
  }
  return path;
}

/**
 * Path relative to FileIO's root of a recorded location. `recordedRoot` is the lake's root as locations know
 * it, absolute. Throws `unsupported` when the location is outside of it.
 */
export function relativePath(recorded: string, recordedRoot: string): string {
  const path = absolutePath(recorded);
  const root = recordedRoot.endsWith("/") ? recordedRoot : `${recordedRoot}/`;
  if (!path.startsWith(root)) {
    throw new LakeError("unsupported", `${recorded} lies outside the lake ${recordedRoot}`, {
      hint: "register only tables whose files are below the lake's root",
    });
  }
  return path.slice(root.length);
}

/** The same; null for a location outside of the root. */
export function insideRoot(recorded: string, recordedRoot: string): string | null {
  try {
    return relativePath(recorded, recordedRoot);
  } catch (thrown) {
    if (thrown instanceof LakeError) return null;
    throw thrown;
  }
}

/** Recorded location of the folder of a table's metadata. */
export function metadataFolder(metadata: { readonly location: string }): string {
  return `${metadata.location.replace(/\/+$/, "")}/metadata`;
}

/** Recorded location of the folder of a table's data. */
export function dataFolder(metadata: { readonly location: string }): string {
  return `${metadata.location.replace(/\/+$/, "")}/data`;
}

export class MetadataCache {
  readonly #io: FileIO;
  readonly #recordedRoot: string;
  readonly #versions = new Recent<TableVersion>(METADATA_CACHE_BYTES_MAX);
  /** Of each table the version that was written last, and the one before, which somebody may be at work on. */
  readonly #written = new Map<string, readonly [string, string | null]>();

  constructor(io: FileIO, recordedRoot: string) {
    this.#io = io;
    this.#recordedRoot = recordedRoot;
  }

  /** The table version that a metadata file holds. Throws `corrupt` when the file is absent or unreadable. */
  async load(location: string): Promise<TableVersion> {
    const known = this.#versions.get(location);
    if (known !== undefined) return known;
    let bytes: Uint8Array;
    try {
      bytes = await this.#io.read(relativePath(location, this.#recordedRoot));
    } catch (thrown) {
      if (!(thrown instanceof LakeError) || thrown.code !== "not-found") throw thrown;
      throw new LakeError("corrupt", `the metadata file ${location} is missing`, {
        hint: "the catalog points at it: restore it from a copy; other tables are not affected",
        cause: thrown,
      });
    }
    const { parseMetadata } = await import("./metadata.ts");
    const version = { metadata: parseMetadata(bytes, location), metadataLocation: location };
    this.#keep(version, bytes.byteLength);
    return version;
  }

  /** Remembers a version that was just written. Those before it are seldom asked for again, and there are many. */
  keepWritten(version: TableVersion, sizeBytes: number): void {
    const { metadata, metadataLocation } = version;
    const [last = null, before = null] = this.#written.get(metadata.uuid) ?? [];
    if (before !== null) this.#versions.delete(before);
    this.#written.set(metadata.uuid, [metadataLocation, last]);
    this.#keep(version, sizeBytes);
  }

  #keep(version: TableVersion, sizeBytes: number): void {
    this.#versions.set(version.metadataLocation, version, sizeBytes);
  }
}

export class ManifestStore {
  readonly #files: FileIO;
  readonly #recordedRoot: string;
  readonly #lists = new Recent<readonly ManifestFile[]>(MANIFEST_CACHE_BYTES_MAX / 4);
  readonly #entries = new Recent<readonly ManifestEntry[]>((MANIFEST_CACHE_BYTES_MAX * 3) / 4);

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
    const known = this.#lists.get(location);
    if (known !== undefined) return known;
    const bytes = await this.#read(location);
    const { readManifestList } = await import("./manifest.ts");
    const list = readManifestList(bytes, location);
    this.rememberList(location, list, bytes.length);
    return list;
  }

  /** The entries of a manifest, deleted ones included. Throws `not-found`, `io` or `corrupt`. */
  async entries(
    manifest: ManifestFile,
    metadata: Pick<TableMetadata, "specs" | "schemas">,
  ): Promise<readonly ManifestEntry[]> {
    const key = entriesKey(manifest);
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const bytes = await this.#read(manifest.path);
    const { readManifest } = await import("./manifest.ts");
    const entries = readManifest(bytes, manifest, metadata.specs, metadata.schemas);
    this.#entries.set(key, entries, heldBytes(entries));
    return entries;
  }

  /** The same of a manifest that leaves its table, being merged with others: it is hardly asked for again. */
  async lastEntries(
    manifest: ManifestFile,
    metadata: Pick<TableMetadata, "specs" | "schemas">,
  ): Promise<readonly ManifestEntry[]> {
    const entries = await this.entries(manifest, metadata);
    this.#entries.delete(entriesKey(manifest));
    return entries;
  }

  /** Spares the next commit to read back the list that this one wrote. The name must be new. */
  rememberList(location: string, list: readonly ManifestFile[], sizeBytes: number): void {
    this.#lists.set(location, list, sizeBytes);
  }

  /** Where a recorded location is to be opened. Throws `unsupported` outside the lake. */
  localPath(location: string): string {
    return `${this.#files.root}/${relativePath(location, this.#recordedRoot)}`;
  }

  async #read(location: string): Promise<Uint8Array> {
    return await this.#files.read(relativePath(location, this.#recordedRoot));
  }
}

/** Values by name up to so many bytes in all; what was used least recently leaves first, the last one never. */
class Recent<T> {
  readonly #bytesMax: number;
  /** Least recently used first. */
  readonly #entries = new Map<string, { readonly value: T; readonly sizeBytes: number }>();
  #sizeBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(name: string): T | undefined {
    const found = this.#entries.get(name);
    if (found === undefined) return undefined;
    this.#entries.delete(name);
    this.#entries.set(name, found);
    return found.value;
  }

  set(name: string, value: T, sizeBytes: number): void {
    this.delete(name);
    this.#entries.set(name, { value, sizeBytes });
    this.#sizeBytes += sizeBytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#sizeBytes <= this.#bytesMax || this.#entries.size === 1) return;
      this.delete(oldest);
    }
  }

  delete(name: string): void {
    const found = this.#entries.get(name);
    if (found === undefined) return;
    this.#entries.delete(name);
    this.#sizeBytes -= found.sizeBytes;
  }
}

/** Files of a manifest of before its table was upgraded have row ids by newer lists, and none by older ones. */
function entriesKey({ path, firstRowId }: ManifestFile): string {
  return firstRowId === undefined ? path : `${path} ${firstRowId}`;
}

/** What an entry takes in memory, about: as it is encoded it is a tenth of that, or less. */
const ENTRY_BYTES = 1024;
const COLUMN_BYTES = 512;

function heldBytes(entries: readonly ManifestEntry[]): number {
  return entries.reduce((sum, { file }) => sum + ENTRY_BYTES + file.metrics.size * COLUMN_BYTES, 0);
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
