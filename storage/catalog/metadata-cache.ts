/** Parsed metadata files by location. They never change, so what was read once is right for ever. */

import { LakeError } from "../../core/base/errors.ts";
import { METADATA_CACHE_BYTES_MAX } from "../../core/limits.ts";
import type { FileIO } from "../../core/ports.ts";
import { relativePath } from "../iceberg/location.ts";
import type { TableVersion } from "../iceberg/metadata.ts";

interface Cached {
  readonly version: TableVersion;
  readonly sizeBytes: number;
}

export class MetadataCache {
  readonly #io: FileIO;
  readonly #recordedRoot: string;
  /** Least recently used first. */
  readonly #cachedByLocation = new Map<string, Cached>();
  #sizeBytes = 0;

  constructor(io: FileIO, recordedRoot: string) {
    this.#io = io;
    this.#recordedRoot = recordedRoot;
  }

  /** The table version that a metadata file holds. Throws `corrupt` when the file is absent or unreadable. */
  async load(location: string): Promise<TableVersion> {
    const cached = this.#cachedByLocation.get(location);
    if (cached !== undefined) {
      this.#cachedByLocation.delete(location);
      this.#cachedByLocation.set(location, cached);
      return cached.version;
    }
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
    const { parseMetadata } = await import("../iceberg/metadata.ts");
    const version = { metadata: parseMetadata(bytes, location), metadataLocation: location };
    this.keep(version, bytes.byteLength);
    return version;
  }

  /** Remembers a version that was just written. */
  keep(version: TableVersion, sizeBytes: number): void {
    this.#forget(version.metadataLocation);
    this.#cachedByLocation.set(version.metadataLocation, { version, sizeBytes });
    this.#sizeBytes += sizeBytes;
    for (const oldest of this.#cachedByLocation.keys()) {
      if (this.#sizeBytes <= METADATA_CACHE_BYTES_MAX || this.#cachedByLocation.size === 1) return;
      this.#forget(oldest);
    }
  }

  #forget(location: string): void {
    const cached = this.#cachedByLocation.get(location);
    if (cached === undefined) return;
    this.#cachedByLocation.delete(location);
    this.#sizeBytes -= cached.sizeBytes;
  }
}
