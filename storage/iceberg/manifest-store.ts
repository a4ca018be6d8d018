/** Manifests and manifest lists by path, read once: they never change. */

import type { FileIO } from "../../core/ports.ts";
import type { Snapshot } from "../../core/table/types.ts";

export class ManifestStore {
  readonly #files: FileIO;
  readonly #recordedRoot: string;

  /** `recordedRoot` is the lake's root as recorded paths know it; it differs from FileIO's in a moved lake. */
  constructor(files: FileIO, recordedRoot: string) {
    this.#files = files;
    this.#recordedRoot = recordedRoot;
  }

  async list(_snapshot: Snapshot): Promise<readonly unknown[]> {
    throw new Error(`not yet ${this.#files.root} ${this.#recordedRoot}`);
  }
}
