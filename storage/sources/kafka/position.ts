/** How far topics are read: offsets by partition, in the cluster and the topics that they are of. */

import { LakeError } from "../../../core/base/errors.ts";
import {
  isJsonObject,
  objectField,
  parseJson,
  stringField,
  stringifyJson,
} from "../../../core/base/json.ts";

export interface TopicPosition {
  /** A topic that is deleted and made again has another one. */
  readonly id: string;
  /** The offset to go on at, by partition. */
  readonly next: ReadonlyMap<number, bigint>;
}

export interface Position {
  readonly cluster: string;
  readonly topics: ReadonlyMap<string, TopicPosition>;
}

export function positionText({ cluster, topics }: Position): string {
  const entries = [...topics].map(([name, { id, next }]) => {
    const offsets = [...next].sort(([a], [b]) => a - b).map(([at, offset]) => [at, String(offset)]);
    return [name, { id, next: Object.fromEntries(offsets) }];
  });
  return stringifyJson({ cluster, topics: Object.fromEntries(entries) });
}

/** Throws `corrupt`. */
export function parsePosition(text: string): Position {
  try {
    const json = parseJson(text);
    if (!isJsonObject(json)) throw new TypeError("it is no object");
    const topics = objectField(json, "topics");
    const entries = Object.keys(topics).map((name) => {
      const topic = objectField(topics, name);
      const offsets = Object.entries(objectField(topic, "next"));
      const next = offsets.map(([at, offset]) => [Number(at), BigInt(String(offset))] as const);
      return [name, { id: stringField(topic, "id"), next: new Map(next) }] as const;
    });
    return { cluster: stringField(json, "cluster"), topics: new Map(entries) };
  } catch (thrown) {
    throw new LakeError(
      "corrupt",
      "what the lake knows of how far the topics are read is damaged",
      {
        hint: "restore the lake from a copy",
        scope: "source",
        cause: thrown,
      },
    );
  }
}
