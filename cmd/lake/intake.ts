/** All that rows come from: dropped files and streams, as one intake. */

import type { Source } from "../../core/ingest/source.ts";
import type { StreamConfig } from "../../core/ingest/source-kind.ts";
import type { Intake } from "../../core/lake.ts";
import type { Drops } from "../../storage/sources/files.ts";
import type { Session } from "../open.ts";
import { kindOf } from "./sources.ts";

/** Dropped files, and the streams of tarn.yaml; an edit of it counts from the next refresh on. */
export class ProjectIntake implements Intake, AsyncDisposable {
  readonly #session: Session;
  readonly #drops: Drops;
  readonly #wake: () => void;
  /** By the settings that each was opened with. */
  readonly #streams = new Map<string, Source>();

  private constructor(session: Session, drops: Drops, wake: () => void) {
    this.#session = session;
    this.#wake = wake;
    this.#drops = drops;
  }

  /** `wake` is called when a stream has more, between two turns of whoever lands it. */
  static async open(session: Session, wake: () => void = () => {}): Promise<ProjectIntake> {
    return new ProjectIntake(session, await session.drops(), wake);
  }

  async refresh(): Promise<void> {
    await this.#drops.refresh();
    const { streams } = this.#session.config;
    const wanted = new Map(streams.map((stream) => [JSON.stringify(stream), stream]));
    for (const [key, source] of this.#streams) {
      if (wanted.has(key)) continue;
      this.#streams.delete(key);
      await source.close();
    }
    for (const [key, stream] of wanted) {
      if (!this.#streams.has(key)) this.#streams.set(key, await this.#open(stream));
    }
  }

  async #open(stream: StreamConfig): Promise<Source> {
    const { ports, root } = this.#session;
    const { io, catalog, clock, random } = ports;
    const originals = await this.#session.claims();
    const { readerCommand } = await import("../reader.ts");
    return await (await kindOf(stream)).open(stream, {
      ...{ io, catalog, clock, random, originals },
      projectRoot: root,
      readerCommand: readerCommand(),
      wake: this.#wake,
    });
  }

  async refreshFreed(): Promise<boolean> {
    return await this.#drops.refreshFreed();
  }

  get sources(): readonly Source[] {
    return [...this.#drops.sources, ...this.#streams.values()];
  }

  get unreadable(): Intake["unreadable"] {
    return this.#drops.unreadable;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const source of this.#streams.values()) await source.close();
    this.#streams.clear();
  }
}
