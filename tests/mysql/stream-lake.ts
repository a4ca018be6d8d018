/** A lake's side of a stream for tests: a folder, a position, and the rows of all that was committed, decoded. */

import { mkdir } from "node:fs/promises";
import { systemClock, systemRandom } from "../../cmd/clock.ts";
import { FEED } from "../../core/ingest/feed.ts";
import { exactText } from "../../sql/decode/lossless/exact-value.ts";
import { saidTargets } from "../../sql/decode/made/targets.ts";
import { feedRows } from "../../sql/decode/segment/feed-rows.ts";
import { planTable } from "../../sql/decode/segment/table-plan.ts";
import { Durable, realDisk } from "../../storage/disk/durable.ts";
import { parsePosition } from "../../storage/sources/mysql/position.ts";
import { MYSQL_SETTINGS, type MysqlSettings } from "../../storage/sources/mysql/settings.ts";
import { MysqlStream } from "../../storage/sources/mysql/stream.ts";
import type { SealedSegment } from "../../storage/sources/segment-queue.ts";
import type { StreamWorld } from "../../storage/sources/table-stream.ts";
import type { MysqlServer } from "../support/mysql.ts";
import { type TempFolder, tempFolder } from "../support/temp-folder.ts";

/** A row of a feed: values as texts, by the names of their columns. */
export interface FeedRow {
  readonly table: string;
  readonly op: string;
  readonly position: string;
  readonly transaction: string | null;
  readonly values: Readonly<Record<string, string | null>>;
  readonly before: string | null;
  readonly unchanged: string | null;
  readonly fault: string | null;
}

export interface LakeOptions {
  readonly database: string;
  readonly settings?: Readonly<Record<string, unknown>>;
}

const LIMITS = { bytes: 64 * 1024 * 1024, lingerMs: 0 };
const LOOK_MS = 50;
const FEED_NAMES: ReadonlySet<string> = new Set(Object.values(FEED));

/** Commits what a stream brings, as a lake does: the position is that of the last segment. */
export class MysqlLake implements AsyncDisposable {
  readonly #folder: TempFolder;
  readonly #server: MysqlServer;
  readonly #options: LakeOptions;
  readonly #lakeId = systemRandom.uuid();
  stream: MysqlStream | null = null;
  position: string | null = null;
  readonly rows: FeedRow[] = [];
  readonly types = new Map<string, string>();
  readonly segments: SealedSegment[] = [];
  readonly notices: string[] = [];

  private constructor(folder: TempFolder, server: MysqlServer, options: LakeOptions) {
    this.#folder = folder;
    this.#server = server;
    this.#options = options;
  }

  static async make(server: MysqlServer, options: LakeOptions): Promise<MysqlLake> {
    return new MysqlLake(await tempFolder(), server, options);
  }

  /** Opens the stream where the lake is; one that is open ends first, as if it had been killed. */
  async open(world: Partial<StreamWorld> = {}): Promise<MysqlStream> {
    await this.stream?.close();
    this.stream = null;
    const root = this.#folder.path;
    await mkdir(`${root}/originals`, { recursive: true });
    this.stream = await MysqlStream.open(this.settings(), this.position, {
      source: "shop",
      lakeId: this.#lakeId,
      projectRoot: root,
      durable: new Durable(realDisk, root),
      folder: `${root}/streams/shop`,
      clock: systemClock,
      random: systemRandom,
      notice: (text) => this.notices.push(text),
      ...world,
    });
    return this.stream;
  }

  settings(): MysqlSettings {
    const { database, settings } = this.#options;
    const { host, port, user, password } = this.#server.target;
    const given = { host, port, user, password, database };
    const issues: { readonly message: string }[] = [];
    const read = MYSQL_SETTINGS.read(
      { ...given, heartbeat: "200ms", ...settings },
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
    this.#commit(segment);
    return segment;
  }

  /** Commits until all that was there is. */
  async caughtUp(): Promise<void> {
    const stream = this.stream ?? (await this.open());
    while (!stream.isCaughtUp) {
      const segment = await stream.next(LIMITS, AbortSignal.timeout(LOOK_MS));
      if (segment !== null) this.#commit(segment);
    }
  }

  #commit(segment: SealedSegment): void {
    if (segment.from !== this.position) throw new Error("a segment does not follow the position");
    if (segment.file !== null) {
      for (const table of Object.keys(segment.rows)) this.#read(segment.file.path, table);
    }
    this.segments.push(segment);
    this.position = segment.to;
    this.stream?.acknowledge(segment.to);
  }

  /** Commits until what was committed is as wanted. */
  async until(isEnough: (rows: readonly FeedRow[]) => boolean): Promise<readonly FeedRow[]> {
    while (!isEnough(this.rows)) await this.step();
    return this.rows;
  }

  /** Commits until a row comes that is written now: all that was written before is there then. */
  async untilNow(table = "marks"): Promise<readonly FeedRow[]> {
    const { database } = this.#options;
    const mark = String(systemRandom.int63());
    await this.#server.run(
      database,
      `CREATE TABLE IF NOT EXISTS ${table}(id bigint primary key)`,
      `INSERT INTO ${table} VALUES (${mark})`,
    );
    await this.until((rows) => rows.some(({ values }) => values.id === mark));
    // Segments that belong together come one by one.
    while (parsePosition(this.position ?? "").pending.length > 0) await this.step();
    return this.rows.filter((row) => row.table !== `${database}.${table}`);
  }

  /** Those of one table so far, in the order of positions. */
  of(table: string): readonly FeedRow[] {
    return this.rows
      .filter((row) => row.table === `${this.#options.database}.${table}`)
      .toSorted((a, b) => (a.position < b.position ? -1 : a.position > b.position ? 1 : 0));
  }

  /** What there is now by the key `id`, played in the order of positions. */
  current(table: string): ReadonlyMap<string, Readonly<Record<string, string | null>>> {
    const state = new Map<string, Readonly<Record<string, string | null>>>();
    for (const { op, values, before } of this.of(table)) {
      const key = String(values.id);
      if (op === "t") state.clear();
      else if (op === "d") state.delete(key);
      else {
        const old = before === null ? key : String(JSON.parse(before).id);
        state.delete(old);
        state.set(key, values);
      }
    }
    return state;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stream?.close();
    await this.#folder[Symbol.asyncDispose]();
  }

  #read(path: string, table: string): void {
    const plan = planTable(path, table);
    const types = new Map(plan.columns.map(({ name, type }) => [name, type]));
    for (const [name, type] of types) {
      if (!FEED_NAMES.has(name)) this.types.set(`${table}.${name}`, JSON.stringify(type));
    }
    for (const { rows } of feedRows(path, plan, saidTargets(types))) {
      for (const { values, fault } of rows) {
        const texts = plan.columns.map(({ name }, at) => [name, exactText(values[at] ?? null)]);
        const byName = Object.fromEntries(texts);
        const own = texts.filter(([name]) => !FEED_NAMES.has(`${name}`));
        this.rows.push({
          table,
          op: `${byName[FEED.op]}`,
          position: `${byName[FEED.position]}`,
          transaction: byName[FEED.transaction] ?? null,
          values: Object.fromEntries(own),
          before: byName[FEED.before] ?? null,
          unchanged: byName[FEED.unchanged] ?? null,
          fault: fault === null ? null : `${fault.reason}: ${fault.message}`,
        });
      }
    }
  }
}
