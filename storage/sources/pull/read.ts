/** Pulls tables: run by run, table by table, page by page; each page is a segment of the rows that are new. */

import { LakeError } from "../../../core/base/errors.ts";
import type { Lag } from "../../../core/ingest/lag.ts";
import type { SegmentShape } from "../../../core/ingest/segment.ts";
import type { ReaderWorld } from "../../../core/ingest/source-kind.ts";
import type {
  ReaderLimits,
  ReaderRequest,
  SealedStretch,
  StreamReader,
} from "../../../core/ingest/stream.ts";
import { Durable, realDisk } from "../../disk/durable.ts";
import { earlier, greater, isLess } from "../cursor.ts";
import { emptyFolder, sha256Of } from "../sealed-file.ts";
import { SegmentFile } from "../segment-file.ts";
import type { PageRow, PullDatabase, PulledTable } from "./database.ts";
import { openDatabase } from "./open.ts";
import {
  FIRST_PAGE,
  NEW_TABLE,
  type PullPlace,
  placeFromText,
  placeText,
  RUN_DIGITS,
  type TablePlace,
  type TableRun,
} from "./place.ts";
import { RowBytes } from "./row-bytes.ts";
import type { PullSettings, PullTableSettings } from "./settings.ts";

/** Rows that may come again and are remembered; more of them are landed again. */
const SEEN_MAX = 50_000;
const HASH_CHARS = 16;
/** Of a table whose rows are not known yet. */
const FIRST_ROWS = 1_000;
const PAGE_BYTES = 16 * 1024 * 1024;
const LOAD_FLUSH_BYTES = 1024 * 1024;
const PAGE_DIGITS = 8;
/** They sort behind every instant that comes. */
const ENDLESS = /^-?infinity$/;

interface Columns extends PulledTable {
  readonly cursor: string | null;
}

export class PullReader implements StreamReader {
  isCaughtUp = false;
  readonly #request: ReaderRequest;
  readonly #settings: PullSettings;
  readonly #world: ReaderWorld;
  readonly #durable: Durable;
  /** Open while a run is under way. */
  #database: PullDatabase | null = null;
  /** Of the run, by name. */
  readonly #described = new Map<string, Columns>();
  readonly #rowBytes = new Map<string, number>();
  #place: PullPlace;
  /** When the next run begins. */
  #dueMs: number;
  /** When the run that is under way began, in this process. */
  #begunMs: number | null = null;
  /** The run that was over last; when the last one began that is committed. */
  #ended: { readonly to: string; readonly begunMs: number } | null = null;
  #wholeMs: number | null = null;

  static async open(
    request: ReaderRequest,
    settings: PullSettings,
    world: ReaderWorld,
  ): Promise<PullReader> {
    const durable = new Durable(realDisk, request.lakeRoot);
    await emptyFolder(durable, request.folder);
    return new PullReader(request, settings, world, durable);
  }

  private constructor(
    request: ReaderRequest,
    settings: PullSettings,
    world: ReaderWorld,
    durable: Durable,
  ) {
    this.#request = request;
    this.#settings = settings;
    this.#world = world;
    this.#durable = durable;
    this.#place = placeFromText(request.from);
    this.#dueMs = world.clock.nowMs();
  }

  async next(limits: ReaderLimits, signal: AbortSignal): Promise<SealedStretch | null> {
    const { clock } = this.#world;
    const endMs = clock.nowMs() + limits.ms;
    while (!signal.aborted) {
      const nowMs = clock.nowMs();
      if (this.#place.run !== null || nowMs >= this.#dueMs) {
        const stretch = await this.#step();
        if (stretch !== null) return stretch;
        continue;
      }
      this.isCaughtUp = true;
      await this.close();
      if (nowMs >= endMs) return null;
      await clock.sleep(Math.min(this.#dueMs, endMs) - nowMs, signal);
    }
    return null;
  }

  /** What was read is in the lake: there is nobody else to tell. */
  async acknowledge(position: string): Promise<void> {
    if (position === this.#ended?.to) this.#wholeMs = this.#ended.begunMs;
  }

  /** What it has is as of the beginning of the last run that is whole; how much came since, it does not say. */
  async lag(): Promise<Lag | null> {
    if (this.#wholeMs === null) return null;
    return { bytes: null, rows: null, ms: this.#world.clock.nowMs() - this.#wholeMs };
  }

  async close(): Promise<void> {
    await this.#database?.close();
    this.#database = null;
  }

  /** One page, or one load; null when nothing in it is new, and more follows. */
  async #step(): Promise<SealedStretch | null> {
    const { tables } = this.#settings;
    if (this.#place.run === null) this.#begunMs = this.#world.clock.nowMs();
    const run = this.#place.run ?? {
      ...{ id: this.#place.runs + 1, table: tables[0]?.name ?? "", at: FIRST_PAGE },
    };
    const settings = tables.find(({ name }) => name === run.table);
    // A table that was taken out of the settings in the midst of a run is left at that.
    if (settings === undefined) return this.#finish(run.table, NEW_TABLE, run.id);
    this.#database ??= await openDatabase(this.#settings, this.#request.projectRoot);
    const columns = await this.#columns(this.#database, settings);
    const place = this.#place.tables[settings.name] ?? NEW_TABLE;
    return settings.cursor === null
      ? await this.#load(this.#database, columns, place, run.id)
      : await this.#page(this.#database, settings, columns, place, run);
  }

  /** The table as it is at the beginning of a run. Throws `config` where the settings do not fit it. */
  async #columns(database: PullDatabase, settings: PullTableSettings): Promise<Columns> {
    const known = this.#described.get(settings.name);
    if (known !== undefined) return known;
    const table = await database.describe(settings.name);
    const columns = { ...table, ...pullKey(table, settings) };
    this.#described.set(settings.name, columns);
    return columns;
  }

  async #page(
    database: PullDatabase,
    settings: PullTableSettings,
    table: Columns,
    place: TablePlace,
    run: NonNullable<PullPlace["run"]>,
  ): Promise<SealedStretch | null> {
    const { at } = run;
    const rows = this.#rowsAtOnce(table.name);
    const found = await database.page(table, {
      cursor: settings.cursor ?? "",
      key: table.key,
      from: place.mark === null ? null : earlier(place.mark, settings.overlap),
      after: at.after,
      hasCursor: at.hasCursor,
      rows,
    });
    const hashes = found.map(({ values }) => hashOf(values));
    const fresh = found.filter((row, index) => place.seen[keyOf(row, at)]?.[0] !== hashes[index]);
    const all = { ...place.seen };
    let { greatest } = at;
    for (const [index, row] of found.entries()) {
      all[keyOf(row, at)] = [hashes[index] ?? "", row.cursor];
      if (row.cursor !== null && !ENDLESS.test(row.cursor))
        greatest = greater(greatest, row.cursor);
    }
    const mark = greater(place.mark, greatest);
    const seen = this.#mayComeAgain(settings, all, mark);
    const page = at.page + 1;
    const isOver = found.length < rows;
    const after = found.at(-1)?.at ?? at.after;
    const isNullable = table.nullable.has(settings.cursor ?? "");
    const next: TableRun | null = !isOver
      ? { ...at, after, page, greatest }
      : at.hasCursor && isNullable
        ? { after: null, hasCursor: false, page, greatest }
        : null;
    const position = positionOf(run.id, at.page);
    const file = fresh.length === 0 ? null : await this.#sealed(database, table, fresh, position);
    if (next === null) return this.#finish(table.name, { mark, seen, load: null }, run.id, file);
    const tables = { ...this.#place.tables, [table.name]: { ...place, seen } };
    this.#place = { ...this.#place, tables, run: { ...run, at: next } };
    return file === null ? null : this.#stretch([file]);
  }

  /** Rows without a cursor, at the mark, or within the overlap before it. */
  #mayComeAgain(
    { name, overlap }: PullTableSettings,
    seen: TablePlace["seen"],
    mark: string | null,
  ): TablePlace["seen"] {
    const from = mark === null ? null : earlier(mark, overlap);
    const near = Object.entries(seen).filter(
      ([, [, cursor]]) => cursor === null || from === null || !isLess(cursor, from),
    );
    if (near.length <= SEEN_MAX) return Object.fromEntries(near);
    this.#world.notice(
      `more than ${SEEN_MAX} rows of ${name} are within its overlap: some are landed again at every run; ` +
        "make overlap shorter, and read the table by a model of kind: cdc",
    );
    return Object.fromEntries(near.slice(-SEEN_MAX));
  }

  /** All rows, as one segment; none where they are those of the load before. */
  async #load(
    database: PullDatabase,
    table: Columns,
    place: TablePlace,
    run: number,
  ): Promise<SealedStretch | null> {
    const position = positionOf(run, 0);
    const segment = this.#segment(database, position);
    const hasher = new Bun.CryptoHasher("sha256");
    const shape = shapeOf(table);
    const bytes = new RowBytes(database.dialect);
    let firstRow = 0;
    const write = async (): Promise<void> => {
      segment.snapshot({ position, table: labelOf(table.name), range: `${firstRow}-`, firstRow });
      segment.rows(shape, bytes.taken, bytes.count);
      hasher.update(bytes.taken);
      firstRow += bytes.count;
      bytes.clear();
      await segment.flush();
    };
    try {
      segment.shape(shape);
      segment.count(shape, 0);
      hasher.update(JSON.stringify(table.columns));
      await database.all(table, async (rows) => {
        for (const row of rows) bytes.add(row);
        if (bytes.taken.length >= LOAD_FLUSH_BYTES) await write();
      });
      if (bytes.count > 0) await write();
      const load = hasher.digest("hex");
      if (load === place.load) {
        await segment.discard();
        return this.#finish(table.name, place, run);
      }
      const file = await this.#file(segment, table, position);
      return this.#finish(table.name, { mark: null, seen: {}, load }, run, file);
    } catch (thrown) {
      await segment.discard();
      throw thrown;
    }
  }

  /** The table is read to its end: its mark moves on, and the next one follows. */
  #finish(
    table: string,
    place: TablePlace,
    run: number,
    file: SealedStretch["files"][number] | null = null,
  ): SealedStretch {
    const { tables } = this.#settings;
    const places = { ...this.#place.tables, [table]: place };
    const known = new Set(tables.map(({ name }) => name));
    const kept = Object.fromEntries(Object.entries(places).filter(([name]) => known.has(name)));
    const index = tables.findIndex(({ name }) => name === table);
    const next = index < 0 ? undefined : tables[index + 1];
    if (next === undefined) {
      this.#place = { tables: kept, run: null, runs: run };
      this.#dueMs = this.#world.clock.nowMs() + this.#settings.every;
      this.#described.clear();
      // Of a run that another process began it is not known when.
      const begunMs = this.#begunMs;
      this.#ended = begunMs === null ? null : { to: placeText(this.#place), begunMs };
    } else {
      const at = { id: run, table: next.name, at: FIRST_PAGE };
      this.#place = { ...this.#place, tables: kept, run: at };
    }
    return this.#stretch(file === null ? [] : [file]);
  }

  #stretch(files: SealedStretch["files"]): SealedStretch {
    return { to: placeText(this.#place), files };
  }

  async #sealed(
    database: PullDatabase,
    table: Columns,
    rows: readonly PageRow[],
    position: string,
  ) {
    const segment = this.#segment(database, position);
    const shape = shapeOf(table);
    const bytes = new RowBytes(database.dialect);
    try {
      for (const { values } of rows) bytes.add(values);
      segment.shape(shape);
      segment.snapshot({ position, table: labelOf(table.name), range: "", firstRow: 0 });
      segment.rows(shape, bytes.taken, bytes.count);
      this.#rowBytes.set(table.name, bytes.taken.length / bytes.count);
      return await this.#file(segment, table, position);
    } catch (thrown) {
      await segment.discard();
      throw thrown;
    }
  }

  async #file(segment: SegmentFile, table: Columns, position: string) {
    const { path, sha256, sizeBytes } = await segment.seal(position);
    const name = `${table.name}/${position}.seg`;
    return { name, path, sha256, sizeBytes, newlines: 0, tables: [table.name] };
  }

  #segment({ dialect }: PullDatabase, from: string): SegmentFile {
    const { folder, stream } = this.#request;
    const path = `${folder}/${this.#world.random.uuid()}`;
    const header = { kind: dialect, source: stream, from, server: {} };
    return new SegmentFile(this.#durable, path, header);
  }

  #rowsAtOnce(table: string): number {
    const rowBytes = this.#rowBytes.get(table);
    const rows = rowBytes === undefined ? FIRST_ROWS : Math.floor(PAGE_BYTES / rowBytes);
    return Math.max(1, Math.min(rows, this.#settings.page));
  }
}

/** What rows are ordered by. Throws `config` for what the table does not have, or what does not name its rows. */
export function pullKey(
  table: PulledTable,
  { name, cursor, key: given }: PullTableSettings,
): { readonly cursor: string | null; readonly key: readonly string[] } {
  const wrong = (message: string, hint: string): LakeError =>
    new LakeError("config", message, { hint, scope: "source" });
  const names = new Set(table.columns.map((column) => column.name));
  for (const column of [...(cursor === null ? [] : [cursor]), ...given]) {
    if (names.has(column)) continue;
    throw wrong(`${name} has no column ${column}`, `its columns are ${[...names].join(", ")}`);
  }
  const loose = given.find((column) => table.nullable.has(column) && !table.key.includes(column));
  if (loose !== undefined) {
    const hint = `name columns that are NOT NULL`;
    throw wrong(`${loose} of ${name} may be NULL, which names no row`, hint);
  }
  const key = given.length > 0 ? given : table.key;
  if (cursor !== null && key.length === 0) {
    const hint = `say what names a row: key: [id], or leave cursor out to read all rows each time`;
    throw wrong(`${name} has no primary key`, hint);
  }
  return { cursor, key };
}

/** `schema.table`, as its segments call it, in any database. */
export function labelOf(name: string): string {
  return name.includes(".") ? name : `main.${name}`;
}

function shapeOf(table: Columns): SegmentShape {
  const [schema = "", name = ""] = labelOf(table.name).split(".");
  const columns = table.columns.map((column) => ({
    ...column,
    key: table.key.includes(column.name),
  }));
  return { shape: 1, schema, table: name, columns, identity: "default" };
}

function positionOf(run: number, page: number): string {
  return `${String(run).padStart(RUN_DIGITS, "0")}-${String(page).padStart(PAGE_DIGITS, "0")}`;
}

function hashOf(values: readonly (string | null)[]): string {
  return sha256Of(JSON.stringify(values)).slice(0, HASH_CHARS);
}

function keyOf({ at }: PageRow, { hasCursor }: TableRun): string {
  return JSON.stringify(hasCursor ? at.slice(1) : at);
}
