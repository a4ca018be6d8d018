/** `kind: kafka`: the topics of a broker, each a table, every committed record once. */

import { hasWildcard } from "../../../core/base/glob.ts";
import type { SourceConfig } from "../../../core/ingest/contract.ts";
import { streamTable } from "../../../core/ingest/stream.ts";
import { namePartFrom } from "../../../core/table/name.ts";
import { Durable, realDisk } from "../../disk/durable.ts";
import { sourceKind } from "../source-kind.ts";
import { checkTopics } from "./check.ts";
import { discoverTopics, kafkaEntry } from "./discover.ts";
import { KafkaReader } from "./reader.ts";
import { KAFKA_SETTINGS, type KafkaSettings, refuseSettings } from "./settings.ts";

/** What is described by a registry, text and bytes are no formats of files: the segment itself says them. */
const FORMATS: ReadonlySet<string> = new Set(["json", "debezium", "maxwell", "dms", "canal"]);

function topicTable(name: string, topic: string, { format }: KafkaSettings): SourceConfig {
  const into = `bronze.${namePartFrom(`${name}_${topic}`)}`;
  return streamTable(name, topic, {
    into,
    read: { format: FORMATS.has(format) ? format : "segment", table: topic },
  });
}

export const KAFKA = sourceKind({
  word: "kafka",
  settings: KAFKA_SETTINGS,
  secrets: ["password", "registry.password", "registry.token"],
  refuse: refuseSettings,
  check: (_name, settings, world) => checkTopics(settings, world),
  discover: { schemes: ["kafka", "kafka+ssl"], entryOf: kafkaEntry, find: discoverTopics },
  read: (request, settings, world) =>
    KafkaReader.open(request, settings, world, new Durable(realDisk, request.lakeRoot)),
  tables: ({ topics }) => topics.filter((topic) => !hasWildcard(topic)),
  table: (name, settings, topic) => topicTable(name, topic, settings),
});
