/** The statement over plain files, run while they are still being walked; what it wrote counts when all were plain. */

import { rmSync } from "node:fs";
import { join } from "node:path";
import type { StagedFile } from "../../core/engine.ts";
import type { GroupContext, Work } from "./group.ts";
import { write } from "./group-write.ts";

/** DuckDB forgets an interrupt that comes between two statements. */
const INTERRUPT_EVERY_MS = 10;

export class EarlyWrite {
  readonly #context: GroupContext;
  readonly #name: string;
  readonly #written: Promise<readonly StagedFile[] | null>;
  #stopped = false;
  #ended = false;

  /** Starts after the first window was walked: a smaller file is walked before a statement would be worth it. */
  constructor(context: GroupContext, sql: string, works: readonly Work[]) {
    this.#context = context;
    this.#name = context.nextName();
    this.#written = this.#run(sql, works);
  }

  /** Gives up what is being written. */
  stop(): void {
    this.#stopped = true;
  }

  /** What was written; null when it was stopped or failed, and nothing of it is left. */
  async result(): Promise<readonly StagedFile[] | null> {
    if (this.#stopped) await this.#interrupted();
    return this.#written;
  }

  async #run(sql: string, works: readonly Work[]): Promise<readonly StagedFile[] | null> {
    await new Promise((resolve) => setImmediate(resolve));
    const staged = this.#stopped ? null : await this.#write(sql, works);
    this.#ended = true;
    if (!this.#stopped) return staged;
    this.#discard();
    return null;
  }

  async #write(sql: string, works: readonly Work[]): Promise<readonly StagedFile[] | null> {
    try {
      return await write(this.#context, sql, works, this.#name);
    } catch {
      // Whatever it was, the statement is run once more after the walk and says it again.
      this.#stopped = true;
      return null;
    }
  }

  async #interrupted(): Promise<void> {
    while (!this.#ended) {
      this.#context.db.interrupt();
      await Bun.sleep(INTERRUPT_EVERY_MS);
    }
  }

  #discard(): void {
    const path = join(this.#context.request.staging, this.#name);
    for (const each of [`${path}.parquet`, path]) rmSync(each, { recursive: true, force: true });
  }
}
