/** All that rows come from: dropped files and streams, as one intake. */

import type { LakeError } from "../../core/base/errors.ts";
import type { Source } from "../../core/ingest/source.ts";
import type { HttpRoutes, SourceKind, StreamConfig } from "../../core/ingest/source-kind.ts";
import type { Intake } from "../../core/lake.ts";
import type { Drops } from "../../storage/sources/files.ts";
import type { Session } from "../open.ts";
import { kindOf, knownStreams } from "./sources.ts";

/** What streams have of the program that lands them, and who hears of them between two of its turns. */
export interface Surroundings {
  readonly http: HttpRoutes | null;
  /** A stream has more. */
  readonly wake: () => void;
  /** What a person should know of a source, that stops nothing. */
  readonly notice: (source: string, text: string) => void;
}

/** A stream that cannot be read before a person says what it is. */
class AskingSource implements Source {
  readonly name: string;
  readonly into: string;
  readonly #error: LakeError;

  constructor(name: string, error: LakeError) {
    this.name = name;
    this.into = `bronze.${name}`;
    this.#error = error;
  }

  async poll(): Promise<never> {
    throw this.#error;
  }

  waitingMs(): null {
    return null;
  }

  async close(): Promise<void> {}
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
    const wanted = new Map<string, StreamConfig>();
    for (const stream of await this.#read()) wanted.set(await this.#keyOf(stream), stream);
    for (const [key, source] of this.#streams) {
      // What was asked for may be answered.
      if (wanted.has(key) && !(source instanceof AskingSource)) continue;
      this.#streams.delete(key);
      await source.close();
    }
    for (const [key, stream] of wanted) {
      if (!this.#streams.has(key)) this.#streams.set(key, await this.#open(stream));
    }
  }

  /** Another one for a source that is to be opened anew: also when a secret of its was stored again. */
  async #keyOf(stream: StreamConfig): Promise<string> {
    const { secretNames } = await import("../../core/config/secret.ts");
    const { storedStamp } = await import("../../storage/disk/secrets.ts");
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
    const streams = await knownStreams(this.#session);
    return streams.filter(({ name }) => !paused.has(pausedName(name)));
  }

  async #open(stream: StreamConfig): Promise<Source> {
    const kind = await kindOf(stream);
    const moved = await this.#moved(stream, kind);
    if (moved instanceof AskingSource) return moved;
    return await this.#opened(moved, kind);
  }

  /** A stream that has another name in tarn.yaml goes on where it stopped under the old one. */
  async #moved(stream: StreamConfig, kind: SourceKind): Promise<StreamConfig | AskingSource> {
    const { config, catalog } = this.#session;
    const { positionName } = await import("../../core/ingest/stream.ts");
    if ((await catalog.fact("offset", positionName(stream.name))) !== null) return stream;
    const { streamMoveOf } = await import("../../core/ingest/moved-stream.ts");
    const configured = new Set(config.streams.map(({ name }) => name));
    const goesOn = (position: string) => kind.goesOnFrom(position);
    const move = await streamMoveOf(catalog, stream, configured, goesOn);
    if (move === null) return stream;
    if (move.kind === "ask") return new AskingSource(stream.name, move.error);
    await catalog.ledger.renameStream(move.source, stream.name);
    const renamed = await knownStreams(this.#session);
    return renamed.find(({ name }) => name === stream.name) ?? stream;
  }

  async #opened(stream: StreamConfig, kind: SourceKind): Promise<Source> {
    const { ports, root, secretOf } = this.#session;
    const { io, catalog, clock, random } = ports;
    const originals = await this.#session.claims();
    const { readerCommand } = await import("../reader.ts");
    return await kind.open(stream, {
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
