/** Reads topics on from a position: what brokers hand over is sealed as segments, batch by batch as it came. */

import { LakeError, worded } from "../../../core/base/errors.ts";
import type { Lag } from "../../../core/ingest/lag.ts";
import type { ReaderWorld } from "../../../core/ingest/source-kind.ts";
import type {
  ReaderLimits,
  ReaderRequest,
  SealedStretch,
  StreamReader,
} from "../../../core/ingest/stream.ts";
import { SEGMENT_SCHEMAS_MAX } from "../../../core/limits.ts";
import type { Durable } from "../../disk/durable.ts";
import { LagClock } from "../lag-clock.ts";
import { SegmentFile } from "../segment-file.ts";
import { Cluster } from "./cluster.ts";
import { answered, ERROR, isPassing, refusal } from "./failure.ts";
import { parsePosition, positionText } from "./position.ts";
import {
  BrokenBatch,
  type KeptBatches,
  keptBatches,
  offsetBehind,
  visitRecords,
} from "./record-batch.ts";
import { registryOf, Schemas, schemaIdOf } from "./registry.ts";
import { EARLIEST, type FetchAnswer, type FetchAsked, fetchRequest, LATEST } from "./requests.ts";
import type { KafkaSettings } from "./settings.ts";
import { type Place, Topics } from "./topics.ts";

const FETCH = { waitMs: 500, bytes: 32 * 1024 * 1024, partitionBytes: 4 * 1024 * 1024 };
/** A stream that has nothing says so this often. */
const QUIET_MS = 500;
/** New topics and partitions are looked for this often. */
const LOOK_MS = 5_000;
/** A segment gathers records for so long where more are there than were read: few large ones are landed faster. */
const BEHIND_MS = 250;
/** When something is wrong. */
const LOOK_AGAIN_MS = 200;
/** What brokers mend by themselves takes no longer. */
const TROUBLE_MS = 30_000;
/** A position that moves over nothing that lands is committed this often. */
const MOVED_MS = 10_000;
const HASH_CHARS = 8;

/** What one leader answered, or why it did not. */
type Arrived =
  | { readonly kind: "answers"; readonly node: number; readonly answers: readonly FetchAnswer[] }
  | { readonly kind: "failed"; readonly node: number; readonly thrown: unknown };

export class KafkaReader implements StreamReader {
  readonly #request: ReaderRequest;
  readonly #settings: KafkaSettings;
  readonly #world: ReaderWorld;
  readonly #durable: Durable;
  readonly #cluster: Cluster;
  readonly #topics: Topics;
  readonly #schemas: Schemas | null;
  /** Numbers of schemas that records of the open segment name. */
  readonly #named = new Set<number>();
  readonly #arrived: Arrived[] = [];
  /** Leaders that are asked and have not answered. */
  readonly #asked = new Set<number>();
  #wake: () => void = () => {};
  #open: SegmentFile | null = null;
  #openedMs = 0;
  /** `topic-partition@offset` of the first record in it. */
  #first = "";
  /** The position that was handed over last. */
  #told: string | null;
  #toldMs: number;
  #lookMs = 0;
  #troubleMs: number | null = null;
  #isClosed = false;
  /** The position that is in the lake. */
  #landed: string | null;
  readonly #lagClock: LagClock<number>;

  /** What an earlier reader left unnamed goes. Throws LakeError. */
  static async open(
    request: ReaderRequest,
    settings: KafkaSettings,
    world: ReaderWorld,
    durable: Durable,
  ): Promise<KafkaReader> {
    const { folder, projectRoot, from } = request;
    await durable.ensureFolders([folder]);
    const left = await worded("list", folder, durable.disk.entries(folder));
    await durable.discard(left.map(({ name }) => `${folder}/${name}`));
    const cluster = await Cluster.of(settings, projectRoot);
    const registry = await registryOf(settings, projectRoot);
    const schemas = registry === null ? null : new Schemas(registry, world);
    try {
      const position = from === null ? null : parsePosition(from);
      const topics = new Topics(settings, cluster, position, world.notice);
      await topics.look();
      return new KafkaReader(request, settings, world, durable, { cluster, topics, schemas });
    } catch (thrown) {
      cluster.close();
      throw thrown;
    }
  }

  private constructor(
    request: ReaderRequest,
    settings: KafkaSettings,
    world: ReaderWorld,
    durable: Durable,
    servers: {
      readonly cluster: Cluster;
      readonly topics: Topics;
      readonly schemas: Schemas | null;
    },
  ) {
    this.#request = request;
    this.#settings = settings;
    this.#world = world;
    this.#durable = durable;
    this.#cluster = servers.cluster;
    this.#topics = servers.topics;
    this.#schemas = servers.schemas;
    this.#told = request.from;
    this.#landed = request.from;
    this.#lagClock = new LagClock(world.clock);
    this.#toldMs = world.clock.nowMs();
    this.#lookMs = this.#toldMs + LOOK_MS;
  }

  get isCaughtUp(): boolean {
    if (this.#open !== null || this.#told === null) return false;
    return [...this.#topics.places].every(({ next, target }) => next >= target);
  }

  async next(limits: ReaderLimits, signal: AbortSignal): Promise<SealedStretch | null> {
    const { clock } = this.#world;
    // Where it begins is decided once.
    if (this.#told === null) return this.#moved();
    const endMs = clock.nowMs() + QUIET_MS;
    for (;;) {
      if (clock.nowMs() >= this.#lookMs) await this.#look();
      this.#ask();
      const arrived = this.#arrived.shift();
      if (arrived !== undefined) await this.#take(arrived);
      const nowMs = clock.nowMs();
      const open = this.#open;
      if (open !== null) {
        const isFull = open.sizeBytes >= limits.bytes || nowMs >= this.#sealMs(limits);
        if (isFull || this.#named.size >= SEGMENT_SCHEMAS_MAX)
          return await this.#seal(open, signal);
      } else if (signal.aborted || nowMs >= endMs) {
        return nowMs >= this.#toldMs + MOVED_MS ? this.#moved() : null;
      }
      if (this.#arrived.length > 0) continue;
      const untilMs = open === null ? endMs : this.#sealMs(limits);
      await this.#wait(Math.min(untilMs, this.#lookMs) - nowMs, signal);
    }
  }

  /** The position is in the lake: the broker is told of none. */
  async acknowledge(position: string): Promise<void> {
    this.#landed = position;
  }

  /** Records up to the last stable offset, which is what may be read. */
  async lag(): Promise<Lag | null> {
    if (this.#landed === null) return null;
    const led = [...this.#topics.places].filter(({ leader }) => leader >= 0);
    const ends = await this.#cluster.offsets(led, LATEST);
    const { topics } = parsePosition(this.#landed);
    const behind = ends.map(({ topic, partition, offset }) => {
      const next = topics.get(topic)?.next.get(partition) ?? 0n;
      return offset > next ? offset - next : 0n;
    });
    const rows = Number(behind.reduce((sum, each) => sum + each, 0n));
    const end = Number(ends.reduce((sum, { offset }) => sum + offset, 0n));
    return { bytes: null, rows, ms: this.#lagClock.ageMs(end - rows, end) };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cluster.close();
    await this.#open?.discard();
    this.#open = null;
  }

  /** When the open segment is sealed, however little is in it. */
  #sealMs({ lingerMs }: ReaderLimits): number {
    const isBehind = [...this.#topics.places].some(({ next, stable }) => next < stable);
    return this.#openedMs + (isBehind ? BEHIND_MS : lingerMs);
  }

  /** Looks who leads what; what passes is looked at again, unless it lasts. */
  async #look(): Promise<void> {
    this.#lookMs = this.#world.clock.nowMs() + LOOK_MS;
    try {
      await this.#topics.look();
    } catch (thrown) {
      this.#trouble(thrown);
    }
  }

  #trouble(thrown: unknown): void {
    const nowMs = this.#world.clock.nowMs();
    this.#troubleMs ??= nowMs;
    const isLasting = nowMs - this.#troubleMs >= TROUBLE_MS;
    if (isLasting || !(thrown instanceof LakeError) || thrown.code !== "io") throw thrown;
    this.#lookMs = Math.min(this.#lookMs, nowMs + LOOK_AGAIN_MS);
  }

  /** Each leader is asked for what it leads, one request at a time, the next before the last is read. */
  #ask(): void {
    const byLeader = new Map<number, Place[]>();
    for (const place of this.#topics.places) {
      if (place.leader < 0 || this.#asked.has(place.leader)) continue;
      const own = byLeader.get(place.leader);
      if (own === undefined) byLeader.set(place.leader, [place]);
      else own.push(place);
    }
    const waiting = new Set(this.#arrived.map(({ node }) => node));
    for (const [node, places] of byLeader) {
      if (!waiting.has(node)) void this.#fetch(node, places);
    }
  }

  async #fetch(node: number, places: readonly Place[]): Promise<void> {
    this.#asked.add(node);
    const asked = places.map(
      ({ topic, partition, asked: offset }): FetchAsked => ({ topic, partition, offset }),
    );
    try {
      const answers = await this.#cluster.ask(node, fetchRequest(asked, FETCH));
      this.#arrived.push({ kind: "answers", node, answers });
    } catch (thrown) {
      this.#arrived.push({ kind: "failed", node, thrown });
    }
    this.#asked.delete(node);
    this.#wake();
  }

  async #take(arrived: Arrived): Promise<void> {
    if (arrived.kind === "failed") {
      for (const place of this.#topics.places) {
        if (place.leader === arrived.node) forget(place);
      }
      return this.#trouble(arrived.thrown);
    }
    const whole = arrived.answers.filter(({ error }) => error === 0);
    for (const answer of whole) {
      const place = this.#topics.place(answer.topic, answer.partition);
      if (place === undefined) continue;
      place.asked = offsetBehind(answer.records, place.asked);
      place.stable = answer.stableOffset;
    }
    this.#ask();
    for (const answer of arrived.answers) {
      const place = this.#topics.place(answer.topic, answer.partition);
      if (place === undefined) continue;
      if (answer.error === 0) await this.#land(place, answer);
      else await this.#refused(place, answer.error);
    }
  }

  async #land(place: Place, { records, aborted }: FetchAnswer): Promise<void> {
    this.#troubleMs = null;
    if (records.length === 0) return;
    try {
      place.next = keptBatches(records, place.next, aborted, (kept) => {
        const { topic: table, partition } = place;
        const { bytes, count, firstOffset, hasEarlier } = kept;
        const head = { table, partition, ...(hasEarlier ? { from: String(firstOffset) } : {}) };
        this.#segment(place, firstOffset).batches(head, bytes, count);
        if (this.#schemas !== null) this.#name(kept);
      });
    } catch (thrown) {
      throw thrown instanceof BrokenBatch ? damaged(place, thrown) : thrown;
    }
    await this.#open?.flush();
  }

  /** What records name is in the segment that they are in. */
  #name(kept: KeptBatches): void {
    const { format, key: keys } = this.#settings;
    try {
      visitRecords(kept, ({ bytes, keyStart, keyEnd, valueStart, valueEnd }) => {
        const ofKey = keys === "text" ? schemaIdOf(bytes, keyStart, keyEnd) : null;
        const ofValue = isWhole(format) ? null : schemaIdOf(bytes, valueStart, valueEnd);
        if (ofKey !== null) this.#named.add(ofKey);
        if (ofValue !== null) this.#named.add(ofValue);
      });
    } catch (thrown) {
      // Whoever reads the segment sets them aside.
      if (!(thrown instanceof BrokenBatch)) throw thrown;
    }
  }

  async #refused(place: Place, error: number): Promise<void> {
    const where = `${place.topic}, partition ${place.partition}`;
    if (error === ERROR.outOfRange) return await this.#gap(place);
    forget(place);
    this.#trouble(
      isPassing(error)
        ? refusal("io", `${where}: the broker answered error ${error}`, "it is tried again")
        : answered(error, where),
    );
  }

  /** What is to be read next is not there: it was removed, or the log ends before it. */
  async #gap(place: Place): Promise<void> {
    const { topic, partition, next } = place;
    const ask = async (time: bigint): Promise<bigint> =>
      (await this.#cluster.offsets([place], time))[0]?.offset ?? -1n;
    const [start, end] = [await ask(EARLIEST), await ask(LATEST)];
    const where = `${topic}, partition ${partition}`;
    if (next >= start && next <= end) return forget(place);
    const what =
      next < start
        ? `${where}: the records at offsets ${next} to ${start - 1n} were removed before they were read`
        : `${where}: it was read to offset ${next - 1n}, and now ends before offset ${end}`;
    if (this.#settings.on_gap === "stop") {
      const hint =
        "go on with what is there: on_gap: continue; and let the topic keep records longer";
      throw refusal("conflict", what, hint);
    }
    this.#world.notice(`${what}; going on at offset ${next < start ? start : end}`);
    place.next = next < start ? start : end;
    place.asked = place.next;
  }

  #segment({ topic, partition }: Place, offset: bigint): SegmentFile {
    if (this.#open !== null) return this.#open;
    const { folder, stream, from } = this.#request;
    const { format, key } = this.#settings;
    const registry = this.#schemas === null ? {} : { registry: true };
    const path = `${folder}/${this.#world.random.uuid()}`;
    this.#first = `${topic}-${partition}@${offset}`;
    this.#openedMs = this.#world.clock.nowMs();
    this.#open = new SegmentFile(this.#durable, path, {
      kind: "kafka",
      source: stream,
      from: this.#told ?? from ?? "",
      server: { cluster: this.#topics.clusterId, values: format, keys: key, ...registry },
    });
    return this.#open;
  }

  async #seal(open: SegmentFile, signal: AbortSignal): Promise<SealedStretch> {
    const schemas = (await this.#schemas?.of(this.#named, signal)) ?? [];
    for (const schema of schemas) open.schema(schema);
    this.#named.clear();
    const to = this.#reach();
    const { path, sha256, sizeBytes, rows } = await open.seal(to);
    this.#open = null;
    const name = `${this.#first}-${sha256.slice(0, HASH_CHARS)}`;
    const tables = Object.keys(rows);
    return { to, files: [{ name, path, sha256, sizeBytes, newlines: 0, tables }] };
  }

  /** The position alone, where it is another one. */
  #moved(): SealedStretch | null {
    const before = this.#told;
    const to = this.#reach();
    return to === before ? null : { to, files: [] };
  }

  #reach(): string {
    this.#told = positionText(this.#topics.position());
    this.#toldMs = this.#world.clock.nowMs();
    return this.#told;
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    if (ms <= 0 || this.#isClosed) return;
    const over = new AbortController();
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    const slept = this.#world.clock.sleep(ms, AbortSignal.any([signal, over.signal]));
    await Promise.race([woken, slept]);
    over.abort();
    this.#wake = () => {};
  }
}

/** No schema is looked for in a value that lands as it is. */
function isWhole(format: KafkaSettings["format"]): boolean {
  return format === "text" || format === "bytes";
}

/** Somebody else leads it, and what was asked for did not come. */
function forget(place: Place): void {
  place.leader = -1;
  place.asked = place.next;
}

function damaged({ topic, partition }: Place, { at, message }: BrokenBatch): LakeError {
  return refusal(
    "corrupt",
    `${topic}, partition ${partition}, from offset ${at} on: ${message}`,
    "let another replica lead the partition, or look at the broker's disk",
  );
}
