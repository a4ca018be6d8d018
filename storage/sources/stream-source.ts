/** A stream as a source of the loop: another process reads it, this one commits what it sealed. */

import { LakeError } from "../../core/base/errors.ts";
import { parseJson } from "../../core/base/json.ts";
import type { SourceConfig } from "../../core/ingest/contract.ts";
import type { Lag } from "../../core/ingest/lag.ts";
import type { AheadNews, Batch, ComingFile, SealedFile, Source } from "../../core/ingest/source.ts";
import type { SourceWorld, StreamConfig } from "../../core/ingest/source-kind.ts";
import {
  positionFact,
  positionName,
  positionOf,
  type ReaderRequest,
  type SealedStretch,
  StreamBatch,
} from "../../core/ingest/stream.ts";
import type { Clock } from "../../core/ports.ts";
import {
  AHEAD_BYTES,
  type FromReader,
  fromWire,
  linesOf,
  SILENT_MS,
  type ToReader,
  type WireError,
} from "./reader-wire.ts";

/** Below the lake's root: what streams have written and nothing has named, a folder for each. */
const STREAMS_FOLDER = "streams";
/** What came of a stream is looked for this often while it is behind. */
const BEHIND_MS = 50;
/** A reader that is asked how far it is behind has so long to say it. */
const MEASURE_MS_MAX = 1_000;

/** What the kind of a stream says of it. */
export interface StreamDetails {
  readonly configOf: (table: string) => SourceConfig;
  /** Its settings with their secrets, for one reader, and what keeps them out of what it says. */
  readonly revealed: () => Promise<{
    readonly settings: unknown;
    readonly redact: (text: string) => string;
  }>;
  /** Starts what reads it; a process of the program's own unless told otherwise. */
  readonly startReader?: StartReader;
}

/** A reader at work, as the source of its stream sees it. */
export interface RunningReader {
  /** Sealed, and not taken yet. */
  readonly hasMore: boolean;
  readonly isCaughtUp: boolean;
  take(): Promise<SealedStretch | null>;
  acknowledge(position: string): void;
  /** Null when it does not say in time. */
  lag(): Promise<Lag | null>;
  /** Why nothing more will come of it; null while it lives. */
  failure(nowMs: number): LakeError | null;
  close(): Promise<void>;
}

export type StartReader = (request: ReaderRequest, world: ReaderSurroundings) => RunningReader;

/** What a reader has of the engine that it reads for. */
export interface ReaderSurroundings {
  /** Nothing gathers in it until it is asked: the next stretch is read while one lands, however small that is. */
  readonly readsAhead: boolean;
  readonly nowMs: () => number;
  readonly sleep: Clock["sleep"];
  readonly wake: () => void;
  readonly notice: (text: string) => void;
  readonly redact: (text: string) => string;
  readonly coming?: (segment: ComingFile) => void;
  readonly dropped?: (paths: readonly string[]) => void;
}

/** Reads on from what is committed, whatever ends the reader or this process. */
export class StreamSource implements Source {
  readonly name: string;
  readonly into: string;
  readonly hasSegments: boolean;
  readonly #stream: StreamConfig;
  readonly #world: SourceWorld;
  readonly #configOf: (table: string) => SourceConfig;
  readonly #revealed: StreamDetails["revealed"];
  readonly #startReader: StartReader;
  #reader: RunningReader | null = null;
  /** Where the last stretch that was handed over ends; null when none is under way. */
  #underWay: string | null = null;
  /** Tables that nothing else lands in. */
  readonly #known = new Set<string>();
  /** Where what comes next begins. */
  #at: string | null = null;
  /** Segments that were told of and are not there yet, and what was not told so far. */
  readonly #coming = new Set<string>();
  #news: AheadNews[] = [];

  constructor(stream: StreamConfig, world: SourceWorld, details: StreamDetails) {
    this.name = stream.name;
    this.into = `bronze.${stream.name}`;
    this.#stream = stream;
    this.#world = world;
    this.#configOf = details.configOf;
    this.hasSegments = details.configOf("").read.format === "segment";
    this.#revealed = details.revealed;
    this.#startReader =
      details.startReader ??
      ((request, around) =>
        new ReaderProcess(world.readerCommand, { tell: "open", request }, around));
  }

  async poll(): Promise<Batch | null> {
    const { catalog, clock, originals } = this.#world;
    // A batch that did not land comes again: from what is committed.
    if (this.#underWay !== null) await this.close();
    const from = await catalog.fact("offset", positionName(this.name));
    const { lakeId, position } = positionOf(from);
    if (lakeId !== null && lakeId !== catalog.lakeId) throw this.#isCopy();
    // Somebody said that it is to be read from elsewhere.
    if (this.#reader !== null && position !== this.#at) await this.close();
    this.#reader ??= await this.#start(position);
    const reader = this.#reader;
    const failure = reader.failure(clock.nowMs());
    const stretch = await reader.take();
    if (stretch === null) {
      if (failure === null) return null;
      await this.close();
      throw failure;
    }
    this.#underWay = stretch.to;
    this.#arrived(stretch.files.map(({ path }) => path));
    const acknowledge = async (): Promise<void> => {
      this.#underWay = null;
      this.#at = stretch.to;
      reader.acknowledge(stretch.to);
    };
    const to = positionFact(catalog.lakeId, stretch.to);
    const tables = this.#tables(stretch.files);
    await this.#refuseShared(tables.map(({ config }) => config));
    return new StreamBatch(
      { stream: this.name, from, to, tables, acknowledge },
      originals,
      clock.nowMs(),
    );
  }

  /** Tables of the stream whose names come to one table here would be one to all who read it. */
  async #refuseShared(configs: readonly SourceConfig[]): Promise<void> {
    const fresh = configs.filter(({ name }) => !this.#known.has(name));
    if (fresh.length === 0) return;
    const landed = await this.#world.catalog.ledger.sources();
    const all = [...landed, ...configs.map(({ name: source, into: table }) => ({ source, table }))];
    for (const { name, into } of fresh) {
      const other = all.find(({ source, table }) => table === into && source !== name);
      if (other === undefined) continue;
      await this.close();
      throw new LakeError("config", `${name} and ${other.source} would both land in ${into}`, {
        hint: "read one of them by a source of its own: name the tables of each under sources: in tarn.yaml",
        context: { source: this.name, table: into },
      });
    }
    for (const { name } of fresh) this.#known.add(name);
  }

  #isCopy(): LakeError {
    return new LakeError("config", `${this.name} is read by the lake that this one is a copy of`, {
      hint: `if this one is to read it from now on: tarn source resume ${this.name}`,
      context: { source: this.name },
    });
  }

  #tables(files: SealedStretch["files"]) {
    const filesByTable = new Map<string, SealedFile[]>();
    for (const { tables, ...file } of files) {
      for (const table of tables) {
        filesByTable.set(table, [...(filesByTable.get(table) ?? []), file]);
      }
    }
    return [...filesByTable].map(([table, ofTable]) => ({
      config: this.#configOf(table),
      files: ofTable,
    }));
  }

  ahead(): readonly AheadNews[] {
    const news = this.#news;
    this.#news = [];
    return news;
  }

  #tellComing(file: ComingFile): void {
    this.#coming.add(file.path);
    for (const table of Object.keys(file.rows)) {
      this.#news.push({ kind: "coming", segment: { ...file, config: this.#configOf(table) } });
    }
  }

  #tellDropped(paths: readonly string[]): void {
    for (const path of paths) this.#coming.delete(path);
    if (paths.length > 0) this.#news.push({ kind: "dropped", paths });
  }

  #arrived(paths: readonly string[]): void {
    const found = paths.filter((path) => this.#coming.delete(path));
    if (found.length > 0) this.#news.push({ kind: "there" });
  }

  async lag(): Promise<Lag | null> {
    return (await this.#reader?.lag()) ?? null;
  }

  waitingMs(): number | null {
    const reader = this.#reader;
    if (reader === null) return null;
    return reader.hasMore ? 0 : reader.isCaughtUp ? null : BEHIND_MS;
  }

  async close(): Promise<void> {
    const reader = this.#reader;
    this.#reader = null;
    this.#underWay = null;
    this.#tellDropped([...this.#coming]);
    await reader?.close();
  }

  async #start(from: string | null): Promise<RunningReader> {
    const { io, catalog, clock, projectRoot, wake, notice } = this.#world;
    const { name, knownAs: stream = name, kind } = this.#stream;
    const { settings, redact } = await this.#revealed();
    const { lakeId } = catalog;
    const lakeRoot = io.root;
    this.#at = from;
    const folder = `${lakeRoot}/${STREAMS_FOLDER}/${stream}`;
    const request = { stream, kind, settings, from, folder, lakeId, lakeRoot, projectRoot };
    return this.#startReader(request, {
      readsAhead: !this.hasSegments,
      nowMs: () => clock.nowMs(),
      sleep: (ms, signal) => clock.sleep(ms, signal),
      notice: (text) => notice(this.name, redact(text)),
      wake,
      redact,
      coming: (file) => this.#tellComing(file),
      dropped: (paths) => this.#tellDropped(paths),
    });
  }
}

/** One process, from its start to its end. */
class ReaderProcess implements RunningReader {
  readonly #source: string;
  readonly #child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #sealed: SealedStretch[] = [];
  readonly #ended: Promise<void>;
  readonly #world: ReaderSurroundings;
  /** Who waits for how far it is behind. */
  #measured: (lag: Lag | null) => void = () => {};
  #failure: LakeError | null = null;
  #isCaughtUp = false;
  /** The next stretch is asked for once the one that was taken has landed. */
  #isWanting = false;
  #heardMs: number;
  #isClosing = false;

  constructor(
    command: readonly string[],
    open: Extract<ToReader, { tell: "open" }>,
    world: ReaderSurroundings,
  ) {
    this.#world = world;
    this.#source = open.request.stream;
    this.#heardMs = world.nowMs();
    this.#child = Bun.spawn([...command], { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
    this.#tell(open);
    this.#tell({ tell: "want" });
    this.#ended = this.#listen();
  }

  get hasMore(): boolean {
    return this.#sealed.length > 0 || this.#failure !== null;
  }

  get isCaughtUp(): boolean {
    return this.#isCaughtUp;
  }

  /**
   * What comes while a stretch lands is sealed when it has landed, all at once: so the more there is, the more lands
   * together, and nothing waits for what was sealed before it.
   */
  async take(): Promise<SealedStretch | null> {
    const stretch = this.#sealed.shift();
    if (stretch === undefined) return null;
    const bytes = stretch.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    if (this.#world.readsAhead || bytes >= AHEAD_BYTES) this.#tell({ tell: "want" });
    else this.#isWanting = true;
    return stretch;
  }

  acknowledge(position: string): void {
    if (this.#isWanting) this.#tell({ tell: "want" });
    this.#isWanting = false;
    this.#tell({ tell: "acknowledge", position });
  }

  async lag(): Promise<Lag | null> {
    const over = new AbortController();
    const told = new Promise<Lag | null>((resolve) => {
      this.#measured = resolve;
    });
    this.#tell({ tell: "measure" });
    const late = this.#world.sleep(MEASURE_MS_MAX, over.signal).then(() => null);
    const lag = await Promise.race([told, late]);
    over.abort();
    return lag;
  }

  failure(nowMs: number): LakeError | null {
    if (this.#failure !== null || nowMs - this.#heardMs < SILENT_MS) return this.#failure;
    return new LakeError("io", `the reader of ${this.#source} says nothing any more`, {
      hint: "it is ended and started again; nothing is lost",
      context: { source: this.#source },
    });
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  #tell(message: ToReader): void {
    // One that has ended takes nothing; its end is heard of by itself.
    try {
      this.#child.stdin.write(`${JSON.stringify(message)}\n`);
      void this.#child.stdin.flush();
    } catch {
      return;
    }
  }

  async #listen(): Promise<void> {
    const world = this.#world;
    const errors = new Response(this.#child.stderr).text();
    for await (const line of linesOf(this.#child.stdout)) {
      this.#heardMs = world.nowMs();
      // parse: the reader wrote it; both are one build
      const message = parseJson(line) as unknown as FromReader; // parse: above
      if (message.tell === "stretch") this.#sealed.push(message.stretch);
      else if (message.tell === "alive") this.#isCaughtUp = message.isCaughtUp;
      else if (message.tell === "lag") this.#measured(message.lag);
      else if (message.tell === "notice") world.notice(message.text);
      else if (message.tell === "coming") world.coming?.(message.segment);
      else if (message.tell === "dropped") world.dropped?.(message.paths);
      else this.#failure ??= fromWire(withoutSecrets(message.error, world), this.#source);
      if (message.tell !== "alive" && message.tell !== "lag") world.wake();
    }
    this.#measured(null);
    const code = await this.#child.exited;
    if (this.#isClosing || this.#failure !== null) return;
    const said = world.redact((await errors).trim().split("\n").at(-1) ?? "");
    this.#failure = new LakeError("io", `the reader of ${this.#source} ended with ${code}`, {
      hint: said === "" ? "it is started again; nothing is lost" : said,
      context: { source: this.#source },
    });
    world.wake();
  }
}

function withoutSecrets(
  { code, message, hint }: WireError,
  { redact }: ReaderSurroundings,
): WireError {
  return { code, message: redact(message), hint: hint === null ? null : redact(hint) };
}
