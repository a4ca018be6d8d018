/** A lake's side of a stream for tests: a folder, a position, and the rows of all that was committed. */

import { mkdir } from "node:fs/promises";
import { systemClock, systemRandom } from "../../cmd/clock.ts";
import type { SegmentShape } from "../../core/ingest/segment.ts";
import { Durable, realDisk } from "../../storage/disk/durable.ts";
import { parsePosition } from "../../storage/sources/postgres/position.ts";
import {
  POSTGRES_SETTINGS,
  type PostgresSettings,
} from "../../storage/sources/postgres/settings.ts";
import { PostgresStream } from "../../storage/sources/postgres/stream.ts";
import type { SealedSegment } from "../../storage/sources/segment-queue.ts";
import type { StreamWorld } from "../../storage/sources/table-stream.ts";
import type { PostgresServer } from "../support/postgres.ts";
import { type TempFolder, tempFolder } from "../support/temp-folder.ts";
import { rowsOf, type SegmentRow, shapesOf } from "./segment-rows.ts";

export interface LakeOptions {
  readonly database: string;
  readonly source?: string;
  readonly settings?: Readonly<Record<string, unknown>>;
}

const LIMITS = { bytes: 64 * 1024 * 1024, lingerMs: 0 };

/** Commits what a stream brings, as a lake does: the position is that of the last segment. */
export class StreamLake implements AsyncDisposable {
  readonly #folder: TempFolder;
  readonly #server: PostgresServer;
  readonly #options: LakeOptions;
  readonly #lakeId = systemRandom.uuid();
  stream: PostgresStream | null = null;
  position: string | null = null;
  readonly rows: SegmentRow[] = [];
  readonly segments: SealedSegment[] = [];
  readonly shapes: SegmentShape[] = [];
  readonly notices: string[] = [];

  private constructor(folder: TempFolder, server: PostgresServer, options: LakeOptions) {
    this.#folder = folder;
    this.#server = server;
    this.#options = options;
  }

  static async make(server: PostgresServer, options: LakeOptions): Promise<StreamLake> {
    return new StreamLake(await tempFolder(), server, options);
  }

  get folder(): string {
    return this.#folder.path;
  }

  /** Opens the stream where the lake is; one that is open ends first, as if it had been killed. */
  async open(
    settings: Readonly<Record<string, unknown>> = {},
    world: Partial<StreamWorld> = {},
  ): Promise<PostgresStream> {
    await this.stream?.close();
    this.stream = null;
    const { source = "shop" } = this.#options;
    await mkdir(`${this.folder}/originals`, { recursive: true });
    this.stream = await PostgresStream.open(this.settings(settings), this.position, {
      source,
      lakeId: this.#lakeId,
      projectRoot: this.folder,
      durable: new Durable(realDisk, this.folder),
      folder: `${this.folder}/streams/${source}`,
      clock: systemClock,
      random: systemRandom,
      notice: (text) => this.notices.push(text),
      ...world,
    });
    return this.stream;
  }

  settings(more: Readonly<Record<string, unknown>> = {}): PostgresSettings {
    const { database, settings } = this.#options;
    const given = { host: "127.0.0.1", port: this.#server.port, database };
    const issues: { readonly message: string }[] = [];
    const read = POSTGRES_SETTINGS.read(
      { ...given, heartbeat: "200ms", ...settings, ...more },
      { path: [], issues: issues as never },
    );
    if (read === undefined) throw new Error(issues.map(({ message }) => message).join("; "));
    return read;
  }

  /** Takes and commits one segment. */
  async step(): Promise<SealedSegment> {
    const stream = this.stream ?? (await this.open());
    const segment = await stream.next(LIMITS);
    if (segment === null) throw new Error("the stream ended");
    if (segment.from !== this.position) throw new Error("a segment does not follow the position");
    const files = [...(segment.earlier ?? []), ...(segment.file === null ? [] : [segment.file])];
    for (const { path } of files) {
      this.rows.push(...(await rowsOf(path)));
      this.shapes.push(...(await shapesOf(path)));
    }
    this.segments.push(segment);
    this.position = segment.to;
    stream.acknowledge(segment.to);
    return segment;
  }

  /** Commits until what was committed is as wanted. */
  async until(isEnough: (rows: readonly SegmentRow[]) => boolean): Promise<readonly SegmentRow[]> {
    while (!isEnough(this.rows)) await this.step();
    return this.rows;
  }

  /** Commits until a row comes that is written now: all that was written before is there then. */
  async untilNow(table = "marks"): Promise<readonly SegmentRow[]> {
    const mark = String(systemRandom.int63());
    await this.#server.run(this.#options.database, `insert into ${table} values (${mark})`);
    await this.until((rows) => rows.some(({ values }) => values[0] === mark));
    // Segments that belong together come one by one.
    while (parsePosition(this.position ?? "").pending.length > 0) await this.step();
    return this.rows.filter((row) => row.table !== `public.${table}`);
  }

  /** What there is now by the key in the first column, played in the order of positions. */
  current(table: string): ReadonlyMap<string, readonly (string | null)[]> {
    const sorted = this.rows
      .filter((row) => row.table === table)
      .toSorted((a, b) => (a.position < b.position ? -1 : a.position > b.position ? 1 : 0));
    const state = new Map<string, readonly (string | null)[]>();
    for (const { op, values, before } of sorted) {
      const key = String(values[0] ?? "");
      if (op === "t") state.clear();
      else if (op === "d") state.delete(key);
      else {
        if (before !== null) state.delete(String(before[0] ?? ""));
        state.set(key, values);
      }
    }
    return state;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stream?.close();
    await this.#folder[Symbol.asyncDispose]();
  }
}
