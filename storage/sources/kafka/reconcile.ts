/** Counts the committed records of topics, up to where the lake has read, by fetching them once more. */

import {
  type CountAsk,
  type Counted,
  type CountedTable,
  type OffsetRange,
  offsetsOf,
  offsetWindow,
  type RowSums,
  SEPARATOR,
} from "../../../core/ingest/reconcile.ts";
import type { CountWorld } from "../../../core/ingest/source-kind.ts";
import { Cluster } from "./cluster.ts";
import { answered, refusal } from "./failure.ts";
import { type Position, parsePosition } from "./position.ts";
import { keptBatches, visitRecords } from "./record-batch.ts";
import { EARLIEST, fetchRequest, type TopicMetadata } from "./requests.ts";
import type { KafkaSettings } from "./settings.ts";

const FETCH = { waitMs: 500, bytes: 16 * 1024 * 1024, partitionBytes: 8 * 1024 * 1024 };
/** Answers without a record before the committed end: what is left of a log that is compacted may be nothing. */
const EMPTY_MAX = 3;

const KEY = [
  { name: "partition", here: "_partition", form: { kind: "whole" } },
  { name: "offset", here: "_offset", form: { kind: "whole" } },
] as const;

/** Tables by their topics. Records without a value are no rows of an envelope. Throws LakeError. */
export async function countTopics(
  settings: KafkaSettings,
  asks: readonly CountAsk[],
  { from, projectRoot }: CountWorld,
  isEnvelope: boolean,
): Promise<Counted> {
  const cluster = await Cluster.of(settings, projectRoot);
  const records = new Records(cluster, isEnvelope);
  try {
    const position = from === null ? null : parsePosition(from);
    const { topics } = await cluster.metadata(asks.map(({ table }) => table));
    const tables: CountedTable[] = [];
    const leftOut: Counted["leftOut"][number][] = [];
    for (const ask of asks) {
      const topic = topics.find(({ name }) => name === ask.table);
      const counted = await countTopic(records, settings, ask, position, topic);
      if (typeof counted === "string") leftOut.push({ table: ask.table, why: counted });
      else tables.push(counted);
    }
    return {
      until: null,
      at: "the offsets that are read",
      tables,
      leftOut,
      // Nothing is counted that was not committed.
      isReached: () => true,
      rowsOf: (table, window) => records.rowsOf(table, window),
      valuesOf: async () => new Map(),
      close: async () => cluster.close(),
    };
  } catch (thrown) {
    cluster.close();
    throw thrown;
  }
}

async function countTopic(
  records: Records,
  { start }: KafkaSettings,
  { table, first }: CountAsk,
  position: Position | null,
  topic: TopicMetadata | undefined,
): Promise<CountedTable | string> {
  const read = position?.topics.get(table);
  if (read === undefined || position === null) return "it was not read yet";
  if (topic === undefined || topic.error !== 0) return "it is not there";
  if (topic.id !== read.id) return "it was deleted and made again";
  const starts = await records.starts(topic);
  const offsets = new Map(
    [...read.next].flatMap(([partition, to]): [number, OffsetRange][] => {
      const low = starts.get(partition);
      if (low === undefined) return [];
      // What was there before reading began is none of it, and where it began is not written down.
      const begun = first?.get(partition) ?? to;
      const isLater = start !== "earliest" && begun >= low;
      return [[partition, { from: isLater ? begun : low, to }]];
    }),
  );
  const counted = { table, key: KEY, values: [], uncompared: [], offsets };
  return { ...counted, windows: { kind: "offsets" }, sums: await records.sums(table, offsets) };
}

class Records {
  readonly #cluster: Cluster;
  readonly #isEnvelope: boolean;
  readonly #leaders = new Map<string, number>();

  constructor(cluster: Cluster, isEnvelope: boolean) {
    this.#cluster = cluster;
    this.#isEnvelope = isEnvelope;
  }

  /** The first offset that is there, by partition. */
  async starts({ name: topic, partitions }: TopicMetadata): Promise<ReadonlyMap<number, bigint>> {
    const alone = partitions.find(({ leader }) => leader < 0);
    if (alone !== undefined) {
      const which = `partition ${alone.partition} of ${topic}`;
      throw refusal("io", `nobody leads ${which} now`, "a broker is down; try again");
    }
    for (const { partition, leader } of partitions) {
      this.#leaders.set(`${topic}/${partition}`, leader);
    }
    const led = partitions.map((one) => ({ ...one, topic }));
    const answers = await this.#cluster.offsets(led, EARLIEST);
    return new Map(
      answers.map(({ partition, error, offset }) => {
        if (error !== 0) throw answered(error, `${topic}, partition ${partition}`);
        return [partition, offset];
      }),
    );
  }

  async sums(
    topic: string,
    offsets: ReadonlyMap<number, OffsetRange>,
  ): Promise<CountedTable["sums"]> {
    const byWindow = new Map<string, { rows: number; sum: bigint }>();
    for (const [partition, range] of offsets) {
      await this.#each(topic, partition, range, (offset) => {
        const window = offsetWindow(partition, offset);
        const { rows, sum } = byWindow.get(window) ?? { rows: 0, sum: 0n };
        byWindow.set(window, { rows: rows + 1, sum: sum + offset });
      });
    }
    return [...byWindow].map(([window, { rows, sum }]) => ({ window, rows, sum: String(sum) }));
  }

  async rowsOf({ table, offsets }: CountedTable, window: string): Promise<RowSums> {
    const { partition, ...range } = offsetsOf(window);
    const counted = offsets?.get(partition);
    const found = new Map<string, string>();
    if (counted === undefined) return found;
    const isWithin = (offset: bigint): boolean => offset >= range.from && offset < range.to;
    const from = isWithin(counted.from) ? counted.from : range.from;
    const to = isWithin(counted.to) ? counted.to : range.to;
    await this.#each(table, partition, { from, to }, (offset) => {
      found.set(recordKey(partition, offset), "");
    });
    return found;
  }

  /** Committed records of a range that are rows, in their order. */
  async #each(
    topic: string,
    partition: number,
    { from, to }: OffsetRange,
    visit: (offset: bigint) => void,
  ): Promise<void> {
    const leader = this.#leaders.get(`${topic}/${partition}`) ?? -1;
    let empty = 0;
    for (let next = from; next < to && empty < EMPTY_MAX; ) {
      const asked = [{ topic, partition, offset: next }];
      const [answer] = await this.#cluster.ask(leader, fetchRequest(asked, FETCH));
      const error = answer?.error ?? 0;
      if (answer === undefined || error !== 0) {
        throw answered(error, `${topic}, partition ${partition}`);
      }
      const before = next;
      next = keptBatches(answer.records, next, answer.aborted, (kept) =>
        visitRecords(kept, ({ offset, valueStart }) => {
          if (offset < to && !(this.#isEnvelope && valueStart < 0)) visit(offset);
        }),
      );
      empty = next === before ? empty + 1 : 0;
    }
  }
}

function recordKey(partition: number, offset: bigint): string {
  return `${partition}${String.fromCharCode(SEPARATOR)}${offset}`;
}
