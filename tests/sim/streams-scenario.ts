/**
 * Streams through crashes: a simulated database with two tables, a log that is rotated, bodies that are pushed; models
 * of changes and of full loads over them, whose rows leave by marks; originals read again, a table read again from
 * its source, a stream paused and resumed.
 */

import { mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { pauseStream, resumeStream } from "../../cmd/lake/streams.ts";
import { must } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import type { SourceConfig } from "../../core/ingest/contract.ts";
import { replayOriginals } from "../../core/ingest/originals.ts";
import { rereadSource } from "../../core/ingest/reread.ts";
import type { Source } from "../../core/ingest/source.ts";
import type { HttpHandler, SourceWorld, StreamConfig } from "../../core/ingest/source-kind.ts";
import {
  pausedName,
  positionFact,
  positionName,
  positionOf,
  type ReaderRequest,
  type SealedStretch,
  type StreamReader,
  streamTable,
} from "../../core/ingest/stream.ts";
import type { Model } from "../../core/model/model.ts";
import { LogReader } from "../../storage/sources/log/follow.ts";
import { LOG } from "../../storage/sources/log/kind.ts";
import { PUSH } from "../../storage/sources/push/kind.ts";
import { PushSource } from "../../storage/sources/push/source.ts";
import { type RunningReader, StreamSource } from "../../storage/sources/stream-source.ts";
import { parsed } from "../support/models.ts";
import { UNCHANGED } from "../support/segment-file.ts";
import {
  type Action,
  type Attached,
  type Attaching,
  type Scenario,
  START_MS,
  type Step,
} from "./scenario.ts";
import {
  ShopReader,
  type ShopRow,
  type ShopServer,
  type ShopTable,
  type ShopTransaction,
  shopPosition,
  shopPositionText,
} from "./shop-feed.ts";
import { checkStreams } from "./streams-check.ts";

interface StreamsStep extends Step {
  /** The last transaction that is committed when it begins. */
  readonly shopAt: number;
  /** Texts beside each other, by name: what the log is and was. */
  readonly logs: readonly LogFile[];
  /** Bodies that are sent, by their keys. */
  readonly bodies: Readonly<Record<string, string>>;
  /** Full loads that are there. */
  readonly loads: number;
}

interface LogFile {
  readonly name: string;
  /** What it is known by, whatever it is called. */
  readonly file: number;
  readonly text: string;
}

export const SHOP = "shop";
export const LOG_SOURCE = "app";
export const PUSHED = "clicks";
export const LOADS = "stock";
export const LINES = 26;
/** Lines of the log that are in while it is paused. */
export const PAUSED_LINES = 23;

const FIRST: Readonly<Record<ShopTable, readonly ShopRow[]>> = {
  customers: Array.from({ length: 40 }, (_, index) => row(index + 1, `c${index + 1}`, "long")),
  orders: Array.from({ length: 8 }, (_, index) => row(index + 1, `o${index + 1}`, null)),
};

const LOG_OF_SHOP: readonly ShopTransaction[] = [
  commit(0x110, inserted("customers", 51), inserted("orders", 9)),
  commit(0x120, updated("customers", 1, "c1 b")),
  commit(0x130, updated("customers", 2, "c2 b", UNCHANGED), updated("orders", 1, "o1 b")),
  commit(0x140, { op: "u", table: "customers", row: row(90, "c3 b", "moved"), oldId: 3 }),
  commit(0x150, { op: "d", table: "customers", id: 4 }, { op: "d", table: "orders", id: 2 }),
  commit(0x160, inserted("customers", 52), inserted("customers", 53)),
  commit(0x170, updated("customers", 2, "c2 b", "short")),
  commit(0x180, ...[5, 6, 7, 8, 9].map((id) => updated("customers", id, `c${id} b`, UNCHANGED))),
  commit(0x190, { op: "d", table: "customers", id: 90 }, updated("orders", 3, "o3 b")),
  commit(0x1a0, inserted("orders", 10), updated("customers", 8, "c8 c")),
  commit(0x1b0, updated("customers", 10, "c10 b", UNCHANGED), inserted("orders", 11)),
  commit(0x1c0, { op: "t", table: "orders" }, inserted("customers", 54)),
  commit(0x1d0, inserted("orders", 20)),
];

const CDC = `keys: id
sequence_by: _position
apply_as_delete: _op = 'd'`;
const TRUNCATED = "apply_as_truncate: _op = 't'";

const MODELS: readonly Model[] = [
  modelFrom(
    "silver/customers",
    `/* tarn\nkind: cdc\n${CDC}\n${TRUNCATED}\n*/\nselect * from bronze.shop_customers`,
  ),
  // Versions know no truncation.
  modelFrom(
    "silver/customer_versions",
    `/* tarn\nkind: cdc\n${CDC}\nscd: 2\n*/\nselect * from bronze.shop_customers where _op <> 't'`,
  ),
  modelFrom(
    "silver/orders",
    `/* tarn\nkind: cdc\n${CDC}\n${TRUNCATED}\n*/\nselect * from bronze.shop_orders`,
  ),
  modelFrom(
    "silver/stock",
    "/* tarn\nkind: snapshot\nkeys: sku\nload_by: load\nexcept: load\n*/\nselect sku, n, load from bronze.stock",
  ),
];

const ROTATED = { name: "app.log.1", file: 1, text: lines(0, 10) };
const COPIED = { name: "app.log.2", file: 3, text: lines(10, 20) };
const IN_HALF = [{ name: "app.log", file: 1, text: `${lines(0, 6)}{"n"` }];
const RENAMED = [ROTATED, { name: "app.log", file: 2, text: lines(10, 15) }];
const CUT = [ROTATED, COPIED, { name: "app.log", file: 2, text: lines(20, PAUSED_LINES) }];
const GROWN = [ROTATED, COPIED, { name: "app.log", file: 2, text: lines(20, LINES) }];

const STEPS: readonly StreamsStep[] = [
  step("rows that are there", "build", 0x120, IN_HALF, { a: '{"n":1}\n', b: '{"n":2}\n' }, 1),
  step(
    "changes, and a log that is renamed",
    "build",
    0x160,
    RENAMED,
    { a: '{"n":1}\n', c: '{"n":3}\n' },
    2,
  ),
  step(
    "marks upon marks, and a log that is copied",
    "build",
    0x1a0,
    CUT,
    { d: '{"n":4}\n', bad: '{"n":' },
    2,
  ),
  step("files that are made one, with marks", "compact", 0x1a0, CUT, {}, 2),
  step("originals that are read again", "reread", 0x1a0, CUT, {}, 2),
  step("a table that is to be read again", "again", 0x1a0, CUT, {}, 2),
  step("a log that is paused", "pause", 0x1a0, CUT, {}, 2),
  step("a table that is read again", "build", 0x1c0, GROWN, { e: '{"n":5}\n' }, 3),
  step("a log that is resumed", "resume", 0x1c0, GROWN, {}, 3),
  step("the rest", "build", 0x1d0, GROWN, { f: '{"n":6}\n', d: '{"n":4}\n' }, 3),
  step("retention", "maintain", 0x1d0, GROWN, {}, 3),
  // What a crash of that left in the folders of the streams goes with their next readers.
  step("nothing new", "build", 0x1d0, GROWN, {}, 3),
];

/** All that is sent under a key once. */
export const BODIES: ReadonlyMap<string, string> = new Map(
  STEPS.flatMap(({ bodies }) => Object.entries(bodies)),
);

export interface StreamsMemory {
  readonly confirmed: number;
  readonly acknowledged: readonly string[];
}

const LIMITS = { bytes: 64 * 1024, lingerMs: 20, ms: 20 };
const SETTINGS = {
  timezone: "UTC",
  engineVersion: "simulated",
  memoryBytes: 1024 ** 3,
  threads: 1,
};
const TOKEN = "secret";

class Streams implements Scenario {
  readonly name = "streams";
  readonly steps = STEPS;
  readonly sources = ["shop.public.customers", "shop.public.orders", LOG_SOURCE, PUSHED, LOADS];
  readonly sourceByTable = new Map([
    ["bronze.shop_customers", "shop.public.customers"],
    ["bronze.shop_orders", "shop.public.orders"],
    ["bronze.app", LOG_SOURCE],
    ["bronze.clicks", PUSHED],
    ["bronze.stock", LOADS],
  ]);
  readonly rewrittenRowsMax = 0;
  readonly config = { sources: { [LOG_SOURCE]: { kind: "log", path: "logs/app.log" } } };
  readonly first = FIRST;
  readonly log = LOG_OF_SHOP;
  #confirmed = 0;
  #acknowledged = new Set<string>();

  prepare(project: string, index: number): void {
    const { logs, loads } = at(index);
    rmSync(`${project}/logs`, { recursive: true, force: true });
    mkdirSync(`${project}/logs`, { recursive: true });
    for (const { name, file, text } of logs) written(`${project}/logs/${name}`, text, file);
    mkdirSync(`${project}/drops/${LOADS}`, { recursive: true });
    for (let load = 1; load <= loads; load += 1) {
      written(`${project}/drops/${LOADS}/${load}.csv`, loadText(load), load);
    }
  }

  memory(): StreamsMemory {
    return { confirmed: this.#confirmed, acknowledged: [...this.#acknowledged] };
  }

  recall(memory: unknown): void {
    const { confirmed, acknowledged } = memory as StreamsMemory; // parse: `memory` made it
    this.#confirmed = confirmed;
    this.#acknowledged = new Set(acknowledged);
  }

  async attach(options: Attaching): Promise<Attached> {
    const { shopAt } = at(options.index);
    const server: ShopServer = {
      first: FIRST,
      log: LOG_OF_SHOP.filter((one) => one.at <= shopAt),
      confirmed: this.#confirmed,
    };
    const heard = (confirmed: number): void => {
      this.#confirmed = confirmed;
    };
    const observed = new Proxy(server, {
      set: (target, name, value) => {
        if (name === "confirmed") heard(Number(value));
        return Reflect.set(target, name, value);
      },
    });
    return new StreamsProcess(options, observed, this.#acknowledged);
  }

  check: Scenario["check"] = (view, complete, expect) =>
    checkStreams(this, this.memory(), view, complete, expect);
}

/** Streams, and what is pushed; the database survives the process that reads it. */
export const STREAMS = new Streams();

export type StreamsScenario = Streams;

/** The streams of one process, read in it. */
class StreamsProcess implements Attached {
  readonly #options: Attaching;
  readonly #acknowledged: Set<string>;
  readonly #shop: Source;
  readonly #app: Source;
  readonly #clicks: PushSource;
  #handler: HttpHandler | null = null;
  #isSent = false;

  constructor(options: Attaching, server: ShopServer, acknowledged: Set<string>) {
    this.#options = options;
    this.#acknowledged = acknowledged;
    const { disk, project, ports } = options;
    const world = this.#world();
    const { random, clock } = ports;
    const shop = { name: SHOP, kind: "postgres", settings: {} };
    this.#shop = streamHere(shop, world, shopTable, (request) =>
      ShopReader.open(request, server, { disk, random }),
    );
    const settings = { path: `${project}/logs/app.log`, format: "json", on_gap: "stop" } as const;
    const app = { name: LOG_SOURCE, kind: "log", settings };
    const appTable = () => LOG.table(app, "");
    this.#app = streamHere(app, world, appTable, (request) =>
      LogReader.open(request, settings, { clock, random }, disk),
    );
    const pushed = { name: PUSHED, kind: "push", settings: {} };
    const none = { signature: "none", secret: null, tolerance: 0 } as const;
    const limits = { token: TOKEN, max_body: 1_000_000 };
    const table = PUSH.table(pushed, "");
    this.#clicks = new PushSource(PUSHED, { ...none, ...limits }, table, world, disk);
  }

  async sources(): Promise<readonly Source[]> {
    const paused = await this.#options.ports.catalog.facts("setting");
    const all = [this.#shop, this.#app, this.#clicks];
    return all.filter(({ name }) => !paused.has(pausedName(name)));
  }

  /** Sends what was not acknowledged, and what this step sends, some of it once more. */
  async begin(): Promise<void> {
    if (this.#isSent) return;
    this.#isSent = true;
    const { index } = this.#options;
    const now = Object.keys(at(index).bodies);
    const before = STEPS.slice(0, index).flatMap(({ bodies }) => Object.keys(bodies));
    const late = before.filter((key) => !this.#acknowledged.has(key));
    const sent = new Set([...late, ...now]);
    for (const key of sent) void this.#send(key, BODIES.get(key) ?? "");
    // They are asked about in the ledger before they wait to be landed.
    for (let turn = 0; turn < SENDING_TURNS; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async act(
    action: "reread" | "again" | "pause" | "resume",
    streams: readonly StreamConfig[],
  ): Promise<void> {
    const { ports } = this.#options;
    const session = { config: { streams, sources: [] }, catalog: ports.catalog, ports };
    if (action === "pause") await pauseStream(session, LOG_SOURCE);
    else if (action === "resume") await resumeStream(session, LOG_SOURCE);
    else if (action === "again") await this.#again("customers");
    else {
      const options = { dryRun: false, why: "test" };
      await rereadSource(ports, shopTable("public.customers"), SETTINGS, options);
      await replayOriginals(ports, shopTable("public.orders"), SETTINGS, options);
      await rereadSource(
        ports,
        LOG.table({ name: LOG_SOURCE, kind: "log", settings: { format: "json" } }, ""),
        SETTINGS,
        options,
      );
    }
  }

  async close(): Promise<void> {
    for (const source of [this.#shop, this.#app, this.#clicks]) await source.close();
  }

  async #again(table: ShopTable): Promise<void> {
    const { catalog } = this.#options.ports;
    const was = await catalog.fact("offset", positionName(SHOP));
    const position = shopPosition(must(positionOf(was).position, "it was read before"));
    if (position.pending.includes(table)) return;
    const text = shopPositionText({ ...position, pending: [...position.pending, table] });
    const fact = { name: positionName(SHOP), was, becomes: positionFact(catalog.lakeId, text) };
    const nothing = { tables: [], batches: [], withdrawn: [], runs: [] };
    const facts = [{ kind: "offset", ...fact } as const];
    const result = await catalog.commit({ kind: "maintain", ...nothing, facts, message: "again" });
    if (result.kind !== "committed") throw new LakeError("conflict", "somebody else was faster");
  }

  async #send(key: string, body: string): Promise<void> {
    const handler = must(this.#handler, "the source hears what is sent");
    const headers = new Map([
      ["authorization", `Bearer ${TOKEN}`],
      ["idempotency-key", key],
    ]);
    const bytes = new TextEncoder().encode(body);
    const answer = await handler({ headers, body: bytes }, { token: TOKEN }).catch(() => null);
    if (answer?.status === 200) this.#acknowledged.add(key);
  }

  #world(): SourceWorld {
    const { ports, originals, project } = this.#options;
    const { io, catalog, clock, random } = ports;
    return {
      ...{ io, catalog, clock, random, originals },
      projectRoot: project,
      readerCommand: [],
      http: {
        enter: (_source, handler) => {
          this.#handler = handler;
          return () => {};
        },
      },
      wake: () => {},
      notice: () => {},
      secretOf: async () => TOKEN,
    };
  }
}

const SENDING_TURNS = 5;

/** A stream whose reader is in this process. */
function streamHere(
  stream: StreamConfig,
  world: SourceWorld,
  configOf: (table: string) => SourceConfig,
  open: (request: ReaderRequest) => Promise<StreamReader>,
): StreamSource {
  const revealed = async () => ({ settings: {}, redact: (text: string) => text });
  const startReader = (request: ReaderRequest) => new ReaderHere(() => open(request));
  return new StreamSource(stream, world, { configOf, revealed, startReader });
}

/** A reader that reads when it is asked: the same seed gives the same order of operations. */
class ReaderHere implements RunningReader {
  readonly #open: () => Promise<StreamReader>;
  readonly #stop = new AbortController();
  #reader: StreamReader | null = null;
  #failure: LakeError | null = null;

  constructor(open: () => Promise<StreamReader>) {
    this.#open = open;
  }

  get hasMore(): boolean {
    return this.#failure !== null;
  }

  get isCaughtUp(): boolean {
    return this.#reader?.isCaughtUp ?? false;
  }

  async take(): Promise<SealedStretch | null> {
    try {
      this.#reader ??= await this.#open();
      return await this.#reader.next(LIMITS, this.#stop.signal);
    } catch (thrown) {
      if (!(thrown instanceof LakeError)) throw thrown;
      this.#failure = thrown;
      return null;
    }
  }

  acknowledge(position: string): void {
    void this.#reader?.acknowledge(position);
  }

  async lag(): Promise<null> {
    return null;
  }

  failure(): LakeError | null {
    return this.#failure;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#reader?.close();
  }
}

/** How a table of the shop lands. */
export function shopTable(table: string) {
  const into = `bronze.shop_${table.replace("public.", "")}`;
  return streamTable(SHOP, table, { into, read: { format: "segment", table } });
}

/** A full load: a thing of which there are more each time, one that goes, one that comes. */
export function loadRows(load: number): readonly (readonly [string, number])[] {
  return [["nut", load], ["bolt", 9], load < 3 ? ["rod", 1] : ["cog", 2]];
}

function loadText(load: number): string {
  const rows = loadRows(load).map(([sku, n]) => `${sku},${n},${load}`);
  return `${["sku,n,load", ...rows].join("\n")}\n`;
}

function at(index: number): StreamsStep {
  return must(STEPS[index], "callers count the steps");
}

function step(
  name: string,
  action: Action,
  shopAt: number,
  logs: readonly LogFile[],
  bodies: Readonly<Record<string, string>>,
  loads: number,
): StreamsStep {
  return { name, action, shopAt, logs, bodies, loads, models: MODELS };
}

function modelFrom(path: string, text: string): Model {
  const { model, errors } = parsed(`models/${path}.sql`, text);
  return must(model, errors.map((error) => error.message).join("; "));
}

function lines(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, index) => `{"n":${from + index}}\n`).join("");
}

/** Changed last at a time that tells the file. */
function written(path: string, text: string, file: number): void {
  writeFileSync(path, text);
  const seconds = START_MS / 1000 - 3_600 + file;
  utimesSync(path, seconds, seconds);
}

function row(id: number, name: string, note: ShopRow["note"]): ShopRow {
  return { id, name, note };
}

function commit(end: number, ...changes: ShopTransaction["changes"]): ShopTransaction {
  return { at: end, changes };
}

function inserted(table: ShopTable, id: number) {
  return { op: "c", table, row: row(id, `${table[0]}${id}`, null) } as const;
}

function updated(table: ShopTable, id: number, name: string, note: ShopRow["note"] = null) {
  return { op: "u", table, row: row(id, name, note), oldId: null } as const;
}
