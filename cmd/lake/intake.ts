/** All that rows come from: dropped files and streams, as one intake. */

import { secretNames } from "../../core/config/secret.ts";
import type { Source } from "../../core/ingest/source.ts";
import type { HttpRoutes, StreamConfig } from "../../core/ingest/source-kind.ts";
import type { Intake } from "../../core/lake.ts";
import { storedStamp } from "../../storage/disk/secrets.ts";
import type { Drops } from "../../storage/sources/files.ts";
import type { Session } from "../open.ts";
import { kindOf } from "./sources.ts";

/** What streams have of the program that lands them, and who hears of them between two of its turns. */
export interface Surroundings {
  readonly http: HttpRoutes | null;
  /** A stream has more. */
  readonly wake: () => void;
  /** What a person should know of a source, that stops nothing. */
  readonly notice: (source: string, text: string) => void;
}

/** Dropped files, and the streams of tarn.yaml; an edit of it counts from the next refresh on. */
export class ProjectIntake implements Intake, AsyncDisposable {
  readonly #session: Session;
  readonly #drops: Drops;
  readonly #surroundings: Surroundings;
  /** By the settings that each was opened with, in which secrets are only named, and the stamp of those. */
  readonly #streams = new Map<string, Source>();

  private constructor(session: Session, drops: Drops, surroundings: Surroundings) {
    this.#session = session;
    this.#surroundings = surroundings;
    this.#drops = drops;
  }

  static async open(session: Session, given: Partial<Surroundings> = {}): Promise<ProjectIntake> {
    const { http = null, wake = () => {}, notice = () => {} } = given;
    return new ProjectIntake(session, await session.drops(), { http, wake, notice });
  }

  async refresh(): Promise<void> {
    await this.#drops.refresh();
    const wanted = new Map(
      (await this.#read()).map((stream) => [this.#keyOf(stream), stream] as const),
    );
    for (const [key, source] of this.#streams) {
      if (wanted.has(key)) continue;
      this.#streams.delete(key);
      await source.close();
    }
    for (const [key, stream] of wanted) {
      if (!this.#streams.has(key)) this.#streams.set(key, await this.#open(stream));
    }
  }

  /** Another one for a source that is to be opened anew: also when a secret of its was stored again. */
  #keyOf(stream: StreamConfig): string {
    const names = secretNames(stream.settings);
    const stamps = names.map((name) => storedStamp(this.#session.root, name));
    return JSON.stringify([stream, stamps]);
  }

  /** Those that are not paused. */
  async #read(): Promise<readonly StreamConfig[]> {
    const { config, catalog } = this.#session;
    if (config.streams.length === 0) return [];
    const { pausedName } = await import("../../core/ingest/stream.ts");
    const paused = await catalog.facts("setting");
    return config.streams.filter(({ name }) => !paused.has(pausedName(name)));
  }

  async #open(stream: StreamConfig): Promise<Source> {
    const { ports, root, secretOf } = this.#session;
    const { io, catalog, clock, random } = ports;
    const originals = await this.#session.claims();
    const { readerCommand } = await import("../reader.ts");
    return await (await kindOf(stream)).open(stream, {
      ...{ io, catalog, clock, random, originals },
      projectRoot: root,
      secretOf,
      readerCommand: readerCommand(),
      ...this.#surroundings,
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
