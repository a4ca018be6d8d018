/** What topics brokers have. */

import { LakeError } from "../../../core/base/errors.ts";
import type { JsonObject } from "../../../core/base/json.ts";
import { counted } from "../../../core/base/quantity.ts";
import type { Finds } from "../../../core/ingest/discovery.ts";
import { Cluster } from "./cluster.ts";
import { EARLIEST, LATEST } from "./requests.ts";
import type { KafkaSettings } from "./settings.ts";

const ADDRESS = /^kafka(\+ssl)?:\/\/(?:([^:@/]+):([^@/]*)@)?([^/?]+)\/?(?:\?sasl=([\w-]+))?$/;
const OWN_PREFIX = "__";

/** `kafka://[user:password@]host:port[,host:port][?sasl=scram-sha-512]`; `kafka+ssl://` is encrypted. */
export function kafkaEntry(address: string): JsonObject {
  const [, ssl, user, password = "", brokers, sasl = "plain"] = ADDRESS.exec(address) ?? [];
  if (brokers === undefined) {
    throw new LakeError("usage", "this is no address of brokers", {
      hint: "kafka://host:9092,other:9092",
    });
  }
  const login =
    user === undefined
      ? {}
      : { sasl, user: decodeURIComponent(user), password: decodeURIComponent(password) };
  return {
    brokers: brokers.split(","),
    ...(ssl === undefined ? {} : { tls: true }),
    ...login,
    topics: ["*"],
  };
}

/** Throws LakeError. */
export async function discoverTopics(
  settings: KafkaSettings,
  { projectRoot }: { readonly projectRoot: string },
): Promise<Finds> {
  const cluster = await Cluster.of(settings, projectRoot);
  try {
    const { topics, clusterId, brokers } = await cluster.metadata(null);
    const shown = topics
      .filter(({ name, isInternal }) => !isInternal && !name.startsWith(OWN_PREFIX))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const led = shown.flatMap(({ name: topic, partitions }) =>
      partitions
        .filter(({ leader }) => leader >= 0)
        .map(({ partition, leader }) => ({ topic, partition, leader })),
    );
    const [starts, ends] = [
      await cluster.offsets(led, EARLIEST),
      await cluster.offsets(led, LATEST),
    ];
    const sum = (all: typeof ends, topic: string): number =>
      all.reduce((total, one) => total + (one.topic === topic ? Number(one.offset) : 0), 0);
    const found = shown.map(({ name, partitions }) => {
      const isWhole = partitions.every(({ leader }) => leader >= 0);
      return {
        name,
        rows: sum(ends, name) - sum(starts, name),
        bytes: null,
        key: counted(partitions.length, "partition"),
        note: isWhole ? null : "a partition is led by nobody now",
      };
    });
    const at = `cluster ${clusterId}, ${counted(brokers.length, "broker")}`;
    return { at, found, keys: { topics: found.map(({ name }) => name) } };
  } finally {
    cluster.close();
  }
}
