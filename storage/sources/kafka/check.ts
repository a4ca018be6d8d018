/** What reading topics needs, looked at without changing anything. */

import { errorText, LakeError } from "../../../core/base/errors.ts";
import type { CheckWorld, SourceFinding } from "../../../core/ingest/source-kind.ts";
import { Cluster } from "./cluster.ts";
import { parsePosition } from "./position.ts";
import { registryOf } from "./registry.ts";
import { EARLIEST } from "./requests.ts";
import type { KafkaSettings } from "./settings.ts";
import { Topics } from "./topics.ts";

export async function checkTopics(
  settings: KafkaSettings,
  world: CheckWorld,
): Promise<readonly SourceFinding[]> {
  return [...(await checkBrokers(settings, world)), ...(await checkRegistry(settings, world))];
}

async function checkRegistry(
  settings: KafkaSettings,
  { projectRoot }: CheckWorld,
): Promise<readonly SourceFinding[]> {
  const what = "registry";
  try {
    const registry = await registryOf(settings, projectRoot);
    if (registry === null) return [];
    await registry.look();
    return [{ what, state: "ok", text: `${settings.registry?.url} answers` }];
  } catch (thrown) {
    return [bad(what, thrown)];
  }
}

async function checkBrokers(
  settings: KafkaSettings,
  { from, projectRoot }: CheckWorld,
): Promise<readonly SourceFinding[]> {
  const found: SourceFinding[] = [];
  let what = "brokers";
  const cluster = await Cluster.of(settings, projectRoot);
  try {
    const { brokers, clusterId } = await cluster.metadata([]);
    const shown = brokers.map(({ host, port }) => `${host}:${port}`).join(", ");
    found.push({ what, state: "ok", text: `cluster ${clusterId}: ${shown}` });
    what = "topics";
    const position = from === null ? null : parsePosition(from);
    const topics = new Topics(settings, cluster, position, (text) =>
      found.push({ what: "topics", state: "warn", text }),
    );
    await topics.look();
    const places = [...topics.places];
    const names = [...new Set(places.map(({ topic }) => topic))].join(", ");
    found.push({ what, state: "ok", text: `${names}: partitions ${places.length}` });
    what = "retention";
    const starts = await cluster.offsets(places, EARLIEST);
    const lost = starts.filter(({ topic, partition, offset }) => {
      const place = topics.place(topic, partition);
      return place !== undefined && place.next < offset;
    });
    const which = lost.map(({ topic, partition }) => `${topic}, partition ${partition}`);
    found.push(
      lost.length === 0
        ? { what, state: "ok", text: "all that was not read is there" }
        : { what, state: "bad", text: `records that were not read are gone: ${which.join("; ")}` },
    );
  } catch (thrown) {
    found.push(bad(what, thrown));
  } finally {
    cluster.close();
  }
  return found;
}

function bad(what: string, thrown: unknown): SourceFinding {
  const hint = thrown instanceof LakeError ? thrown.hint : null;
  return { what, state: "bad", text: errorText(thrown), ...(hint === null ? {} : { todo: hint }) };
}
