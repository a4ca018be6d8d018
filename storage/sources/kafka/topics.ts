/** Which topics of a cluster are read, and where each partition stands. */

import type { LakeError } from "../../../core/base/errors.ts";
import { compileGlob, hasWildcard } from "../../../core/base/glob.ts";
import type { Cluster, LedPartition } from "./cluster.ts";
import { answered, isPassing, refusal } from "./failure.ts";
import type { Position, TopicPosition } from "./position.ts";
import { EARLIEST, LATEST, type TopicMetadata } from "./requests.ts";
import { type KafkaSettings, startMs } from "./settings.ts";

/** One partition of a topic that is read. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
  /** -1: nobody, or nobody knows who. */
  leader: number;
  /** The offset behind what was handed over. */
  next: bigint;
  /** The offset to ask for: behind what has arrived. */
  asked: bigint;
  /** Up to here there was something to be read when it was looked at last. */
  stable: bigint;
  /** What was decided when it was first looked at; up to there it is behind. */
  readonly target: bigint;
}

const OWN_PREFIX = "__";
const UNKNOWN = 3;

export class Topics {
  readonly #settings: KafkaSettings;
  readonly #cluster: Cluster;
  readonly #notice: (text: string) => void;
  readonly #globs: readonly { matches: (name: string) => boolean; isName: boolean }[];
  /** Of topics that are read. */
  readonly #ids = new Map<string, string>();
  readonly #places = new Map<string, Place>();
  /** Where the lake has committed to. */
  readonly #committed: Map<string, TopicPosition>;
  /** Topics that were read and are not there now: they may come again, as what they were or as new ones. */
  readonly #gone = new Set<string>();
  /** Of what is committed; empty before it is known. */
  #clusterId: string;
  /** Nothing was ever read. */
  #isFirst: boolean;

  constructor(
    settings: KafkaSettings,
    cluster: Cluster,
    from: Position | null,
    notice: (text: string) => void,
  ) {
    this.#settings = settings;
    this.#cluster = cluster;
    this.#notice = notice;
    this.#globs = settings.topics.map(globOf);
    this.#committed = new Map(from?.topics);
    this.#clusterId = from?.cluster ?? "";
    this.#isFirst = from === null;
    for (const [topic, { id }] of this.#committed) this.#ids.set(topic, id);
  }

  get places(): Iterable<Place> {
    return this.#places.values();
  }

  get clusterId(): string {
    return this.#clusterId;
  }

  place(topic: string, partition: number): Place | undefined {
    return this.#places.get(keyOf(topic, partition));
  }

  /** Behind all that was handed over; what was read of topics that are no longer asked for is kept. */
  position(): Position {
    const topics = new Map<string, { id: string; next: Map<number, bigint> }>();
    for (const [topic, { id, next }] of this.#committed) {
      topics.set(topic, { id, next: new Map(next) });
    }
    for (const [topic, id] of this.#ids) {
      if (topics.get(topic)?.id !== id) topics.set(topic, { id, next: new Map() });
    }
    for (const { topic, partition, next } of this.#places.values()) {
      topics.get(topic)?.next.set(partition, next);
    }
    return { cluster: this.#clusterId, topics };
  }

  /** Looks who leads what, and at what is new. Throws LakeError where something is lost or refused. */
  async look(): Promise<void> {
    const { topics: patterns } = this.#settings;
    const asked = patterns.some(hasWildcard) ? null : patterns;
    const { topics, clusterId } = await this.#cluster.metadata(asked);
    this.#checkCluster(clusterId);
    const found = topics.filter(({ name }) => this.#isAsked(name));
    this.#checkMissing(new Map(found.map((topic) => [topic.name, topic])));
    const added: LedPartition[] = [];
    for (const topic of found) {
      if (topic.error !== 0 && !isPassing(topic.error)) throw answered(topic.error, topic.name);
      if (topic.error !== 0) continue;
      this.#checkId(topic);
      for (const { partition, leader } of topic.partitions) {
        const place = this.place(topic.name, partition);
        if (place === undefined) added.push({ topic: topic.name, partition, leader });
        else place.leader = leader;
      }
    }
    const led = added.filter(({ leader }) => leader >= 0);
    await this.#add(led);
    for (const { name, id, error } of found) if (error === 0) this.#ids.set(name, id);
    const alone = added.find(({ leader }) => leader < 0);
    if (alone !== undefined) {
      const which = `partition ${alone.partition} of ${alone.topic}`;
      throw refusal("io", `nobody leads ${which} now`, "a broker is down; it is tried again");
    }
    this.#isFirst = false;
  }

  /** The brokers' own are meant by their names alone. */
  #isAsked(name: string): boolean {
    return this.#globs.some(
      ({ matches, isName }) => matches(name) && (isName || !name.startsWith(OWN_PREFIX)),
    );
  }

  #checkCluster(id: string): void {
    const known = this.#clusterId;
    this.#clusterId = id;
    if (known === "" || known === id) return;
    throw refusal(
      "conflict",
      `the brokers are of the cluster ${id}, and what was read is of ${known}`,
      "correct brokers: of the source; or give it another name, so that it begins anew",
    );
  }

  /** A topic that is named, or was read, and is not there. */
  #checkMissing(byName: ReadonlyMap<string, TopicMetadata>): void {
    const isThere = (name: string): boolean => {
      const topic = byName.get(name);
      return topic !== undefined && topic.error !== UNKNOWN;
    };
    for (const name of [...this.#gone].filter(isThere)) this.#gone.delete(name);
    const read = [...this.#ids.keys()].filter((name) => this.#isAsked(name));
    const gone = read.filter((name) => !isThere(name) && !this.#gone.has(name));
    for (const name of gone) this.#leave(name);
    const { topics } = this.#settings;
    const missing = topics.find((name) => !hasWildcard(name) && !isThere(name));
    if (missing !== undefined && gone.length === 0) {
      throw refusal(
        "not-found",
        `there is no topic ${missing}, or the user may not see it`,
        "correct topics: of the source, or make the topic",
      );
    }
    if (this.#isFirst && byName.size === 0) {
      const hint = "correct topics: of the source";
      throw refusal("not-found", `no topic is called ${topics.join(", ")}`, hint);
    }
  }

  /** By its name alone a topic that was made again looks like the one that was read. */
  #checkId({ name, id }: TopicMetadata): void {
    const known = this.#ids.get(name);
    if (known === undefined || known === id) return;
    this.#lost(name, `the topic ${name} was deleted and made again`);
    this.#ids.set(name, id);
  }

  /** What it was and where it was read to stays known: a topic of its name that comes is told from it by its id. */
  #leave(topic: string): void {
    this.#tellLost(`the topic ${topic} is gone`);
    const known = this.position().topics.get(topic);
    if (known !== undefined) this.#committed.set(topic, known);
    this.#gone.add(topic);
    this.#forgetPlaces(topic);
  }

  #lost(topic: string, what: string): void {
    this.#tellLost(what);
    this.#committed.delete(topic);
    this.#forgetPlaces(topic);
  }

  /** Throws where the stream is not to go on without it. */
  #tellLost(what: string): void {
    const text = `${what}: what it held and was not read is lost`;
    if (this.#settings.on_gap === "stop") {
      throw refusal("conflict", text, "go on without it: on_gap: continue");
    }
    this.#notice(text);
  }

  #forgetPlaces(topic: string): void {
    for (const [key, place] of this.#places) if (place.topic === topic) this.#places.delete(key);
  }

  async #add(added: readonly LedPartition[]): Promise<void> {
    if (added.length === 0) return;
    const targets = offsetsByKey(await this.#cluster.offsets(added, LATEST));
    const fresh = added.filter((one) => this.#known(one) === undefined);
    const starts = await this.#starts(fresh, targets);
    for (const { topic, partition, leader } of added) {
      const key = keyOf(topic, partition);
      const next = this.#known({ topic, partition }) ?? starts.get(key);
      const target = targets.get(key);
      if (next === undefined || target === undefined) throw notSaid(topic, partition);
      this.#places.set(key, {
        topic,
        partition,
        leader,
        next,
        asked: next,
        stable: target,
        target,
      });
    }
  }

  /** Where it is committed to. */
  #known({ topic, partition }: { topic: string; partition: number }): bigint | undefined {
    return this.#committed.get(topic)?.next.get(partition);
  }

  async #starts(
    fresh: readonly LedPartition[],
    ends: ReadonlyMap<string, bigint>,
  ): Promise<ReadonlyMap<string, bigint>> {
    const { start } = this.#settings;
    const isBegun = (topic: string): boolean => this.#isBegun(topic);
    const later = fresh.filter(({ topic }) => isBegun(topic));
    const first = fresh.filter(({ topic }) => !isBegun(topic));
    const ms = startMs(start);
    const time = ms ?? (start === "latest" ? LATEST : EARLIEST);
    const answers = [
      ...(await this.#cluster.offsets(later, EARLIEST)),
      ...(await this.#cluster.offsets(first, time)),
    ];
    const found = offsetsByKey(answers);
    return new Map(
      [...found].map(([key, offset]) => [
        key,
        // Nothing is as young as the time.
        offset >= 0n ? offset : (ends.get(key) ?? 0n),
      ]),
    );
  }

  /** What comes to it was not there when `start` was meant: it is read from its beginning. */
  #isBegun(topic: string): boolean {
    return this.#ids.has(topic) || !(this.#isFirst || this.#settings.topics.includes(topic));
  }
}

function globOf(pattern: string) {
  const compiled = compileGlob(pattern);
  if (compiled.kind === "glob") return { ...compiled.glob, isName: !hasWildcard(pattern) };
  throw refusal("config", `topics: "${pattern}": ${compiled.reason}`, "write orders, or shop.*");
}

function keyOf(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

function offsetsByKey(
  answers: readonly { topic: string; partition: number; error: number; offset: bigint }[],
): ReadonlyMap<string, bigint> {
  return new Map(
    answers.map(({ topic, partition, error, offset }) => {
      if (error !== 0) throw answered(error, `${topic}, partition ${partition}`);
      return [keyOf(topic, partition), offset];
    }),
  );
}

function notSaid(topic: string, partition: number): LakeError {
  return refusal(
    "io",
    `no offset is said of ${topic}, partition ${partition}`,
    "it is tried again",
  );
}
