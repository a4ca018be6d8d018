/** `kind: kafka`: the topics of a broker, each a table, every committed record once. */

import { hasWildcard } from "../../../core/base/glob.ts";
import type { SourceConfig } from "../../../core/ingest/contract.ts";
import { FEED, feedColumns, keyType, recordColumns } from "../../../core/ingest/feed.ts";
import { streamTable } from "../../../core/ingest/stream.ts";
import { namePartFrom } from "../../../core/table/name.ts";
import type { Column } from "../../../core/table/types.ts";
import { Durable, realDisk } from "../../disk/durable.ts";
import { sourceKind } from "../source-kind.ts";
import { checkTopics } from "./check.ts";
import { discoverTopics, kafkaEntry } from "./discover.ts";
import { parsePosition } from "./position.ts";
import { KafkaReader } from "./reader.ts";
import { KAFKA_SETTINGS, type KafkaSettings, refuseSettings } from "./settings.ts";

/** Formats of files too, which say how values are read; what else values are the segment says itself. */
const ENVELOPES: ReadonlySet<string> = new Set(["debezium", "maxwell", "dms", "canal"]);

/** With what is said of every record, whatever its value is. */
function recordFrame(own: readonly Column[]): readonly Column[] {
  const said = feedColumns([], []).filter(({ name }) => name === FEED.op || name === FEED.position);
  return [...own, ...said];
}

function topicTable(name: string, topic: string, { format }: KafkaSettings): SourceConfig {
  const into = `bronze.${namePartFrom(`${name}_${topic}`)}`;
  return streamTable(name, topic, {
    into,
    read: { format: ENVELOPES.has(format) ? format : "segment", table: topic },
  });
}

export const KAFKA = sourceKind({
  word: "kafka",
  settings: KAFKA_SETTINGS,
  secrets: ["password", "registry.password", "registry.token"],
  refuse: refuseSettings,
  check: (_name, settings, world) => checkTopics(settings, world),
  count: async (settings, asks, world) => {
    const { countTopics } = await import("./reconcile.ts");
    const isEnvelope = ENVELOPES.has(settings.format);
    return await countTopics(settings, asks, world, isEnvelope);
  },
  discover: { schemes: ["kafka", "kafka+ssl"], entryOf: kafkaEntry, find: discoverTopics },
  read: (request, settings, world) =>
    KafkaReader.open(request, settings, world, new Durable(realDisk, request.lakeRoot)),
  frame: ({ format, key }) => ({
    isFeed: true,
    columns: (own, old) => [
      ...(ENVELOPES.has(format) ? feedColumns(own, old) : recordFrame(own)),
      ...recordColumns(keyType(key)),
    ],
  }),
  goesOnFrom: parsePosition,
  tables: ({ topics }) => topics.filter((topic) => !hasWildcard(topic)),
  table: (name, settings, topic) => topicTable(name, topic, settings),
});
