/**
 * The process that decodes segments of a transaction while it comes, and what it was given: it alone can make files of
 * the table of that once the transaction is committed.
 */

import { rmSync } from "node:fs";
import { LakeError } from "../../core/base/errors.ts";
import type { DecodeRequest, InspectRequest } from "../../core/engine.ts";
import type { WarmPool } from "./pool.ts";

/** Names for answers of a process that is asked about no files. */
const NO_FILES: ReadonlySet<string> = new Set();
const FORGET_MS = 60_000;

export class AheadDecoder {
  readonly #pool: WarmPool;
  readonly #shareBytes: number;
  /** Folders that it writes to, by the path of the segment. */
  readonly #foldersByPath = new Map<string, string[]>();

  constructor(pool: WarmPool, shareBytes: number) {
    this.#pool = pool;
    this.#shareBytes = shareBytes;
  }

  /** A hint: whoever asks for the rows later gets them sooner, or not. */
  async decode(request: DecodeRequest): Promise<void> {
    const [file] = request.files;
    if (file === undefined) return;
    const folders = this.#foldersByPath.get(file.path) ?? [];
    this.#foldersByPath.set(file.path, [...folders, request.staging]);
    await this.#ask("decode-ahead", request);
  }

  /** Null where these files are none of its, or its process died: it is asked of another. */
  async ask(operation: string, request: InspectRequest | DecodeRequest): Promise<unknown> {
    const isKnown = request.files.some(
      ({ path, coming }) => coming !== undefined || this.#foldersByPath.has(path),
    );
    if (!isKnown) return null;
    const answer = await this.#ask(operation, request);
    if (operation === "decode") this.#let(request.files.map(({ path }) => path));
    return answer;
  }

  /** Nothing will come of these segments. */
  async forget(paths: readonly string[]): Promise<void> {
    const known = paths.filter((path) => this.#foldersByPath.has(path));
    if (known.length === 0) return;
    const options = { shareBytes: this.#shareBytes, timeMs: FORGET_MS, files: NO_FILES };
    try {
      if (this.#pool.isReady) await this.#pool.ask("forget-ahead", { paths: known }, options);
    } finally {
      this.#let(known);
    }
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  async #ask(operation: string, request: InspectRequest | DecodeRequest): Promise<unknown> {
    const { files, limits } = request;
    const options = {
      shareBytes: this.#shareBytes,
      timeMs: limits.timeMs,
      files: new Set(files.map(({ name }) => name)),
    };
    try {
      return await this.#pool.ask(operation, request, options);
    } catch (thrown) {
      if (!(thrown instanceof LakeError) || thrown.context.killed === undefined) throw thrown;
      return null;
    }
  }

  #let(paths: readonly string[]): void {
    for (const path of paths) {
      const folders = this.#foldersByPath.get(path) ?? [];
      this.#foldersByPath.delete(path);
      for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    }
  }
}
