/** The copy of a dropped file while it grows. */

import { worded } from "../../core/base/io-error.ts";
import type { DiskFile } from "../disk/disk.ts";
import type { Durable } from "../disk/durable.ts";

/** A copy is synced as it grows, while the next bytes are hashed: its last sync has little left to wait for. */
const SYNC_BYTES = 32 * 1024 * 1024;

/** An error of the lake's disk, kept apart from errors of the drop's. */
export class WriteFailed extends Error {
  readonly failure: unknown;

  constructor(failure: unknown) {
    super("write failed", { cause: failure });
    this.failure = failure;
  }
}

/** One buffer's worth stays in memory, so that a small known file is never written. */
export class CopyTarget {
  readonly path: string;
  readonly #durable: Durable;
  readonly #isKept: boolean;
  #file: DiskFile | null = null;
  #held: Uint8Array | null = null;
  #unsyncedBytes = 0;
  /** Of the bytes written so far; never rejects. */
  #syncing: Promise<void> | null = null;
  #syncFailure: unknown = null;
  /** Of the whole copy; never rejects. */
  #lastSync: Promise<void> | null = null;

  /** `isKept`: it is to be made durable. */
  constructor(durable: Durable, path: string, isKept: boolean) {
    this.#durable = durable;
    this.path = path;
    this.#isKept = isKept;
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    if (position === 0) {
      this.#held = bytes.slice();
      return;
    }
    await this.#guard(async () => {
      const file = await this.#open();
      await worded("write", this.path, file.write(bytes, position));
      this.#syncNow(file, bytes.byteLength);
    });
  }

  /** The copy can be read from here on; it is durable when `synced` resolves. */
  async finish(): Promise<void> {
    await this.#guard(async () => {
      const file = await this.#open();
      this.#file = null;
      this.#lastSync = this.#sync(file).catch((thrown: unknown) => {
        this.#syncFailure = thrown;
      });
    });
  }

  /** Throws what kept the copy from being durable. */
  async synced(): Promise<void> {
    await this.#guard(async () => {
      await this.#lastSync;
      if (this.#syncFailure !== null) throw this.#syncFailure;
    });
  }

  async #sync(file: DiskFile): Promise<void> {
    try {
      await this.#syncing;
      if (this.#syncFailure !== null) throw this.#syncFailure;
      if (this.#isKept) await this.#durable.syncFile(file, this.path);
    } finally {
      await worded("close", this.path, file.close());
    }
  }

  async discard(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    if (file === null) return;
    await this.#syncing;
    await file.close().catch(() => {});
    await this.#durable.discard([this.path]);
  }

  #syncNow(file: DiskFile, bytes: number): void {
    this.#unsyncedBytes += bytes;
    if (!this.#isKept || this.#syncing !== null || this.#unsyncedBytes < SYNC_BYTES) return;
    this.#unsyncedBytes = 0;
    this.#syncing = this.#durable.syncFile(file, this.path).then(
      () => {
        this.#syncing = null;
      },
      (thrown: unknown) => {
        this.#syncFailure = thrown;
      },
    );
  }

  async #open(): Promise<DiskFile> {
    if (this.#syncFailure !== null) throw this.#syncFailure;
    this.#durable.check();
    this.#file ??= await worded("create", this.path, this.#durable.disk.create(this.path));
    const held = this.#held;
    this.#held = null;
    if (held !== null) await worded("write", this.path, this.#file.write(held, 0));
    return this.#file;
  }

  async #guard(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (thrown) {
      throw new WriteFailed(thrown);
    }
  }
}
