/** Where the copies of a batch's files are: durable, and under their names, only once something is to name them. */

import type { Batch, Claim, Source } from "./source.ts";

export class Copies {
  readonly #source: Source;
  readonly #batch: Batch;
  #kept = false;

  constructor(source: Source, batch: Batch) {
    this.#source = source;
    this.#batch = batch;
  }

  /** Where the copy can be read now. */
  pathOf(claim: Claim): string {
    return this.#kept ? claim.keptPath : claim.localPath;
  }

  /** Resolves when every copy is durable. What is being read by an earlier path must have been read. */
  async keep(): Promise<void> {
    if (this.#kept) return;
    await this.#source.keep(this.#batch);
    this.#kept = true;
  }
}
