/** How each table that something lands in is read: of dropped files, and of the streams of tarn.yaml. */

import { must } from "../../core/base/assert.ts";
import type { LakeConfig } from "../../core/config.ts";
import type { SourceConfig } from "../../core/ingest/contract.ts";
import type { MeasuredLag } from "../../core/ingest/lag.ts";
import type { SourceKind, StreamConfig } from "../../core/ingest/source-kind.ts";
import type { Catalog } from "../../core/ports.ts";
import type { Drops } from "../../storage/sources/files.ts";

/** What of an open lake its streams are known by. */
export interface StreamsLake {
  readonly config: Pick<LakeConfig, "streams">;
  readonly catalog: Pick<Catalog, "ledger" | "fact" | "facts" | "lags" | "lakeId">;
}

/** How all that lands is read: dropped files as of their last listing, and every table of a stream. */
export async function sourceConfigs(
  lake: StreamsLake & { drops(): Promise<Drops> },
): Promise<readonly SourceConfig[]> {
  const { sources } = await lake.drops();
  return [...sources.map(({ config }) => config), ...(await streamTables(lake))];
}

/** The tables of streams: those that are known from their settings, and those that have landed. */
export async function streamTables(lake: StreamsLake): Promise<readonly SourceConfig[]> {
  const streams = await knownStreams(lake);
  if (streams.length === 0) return [];
  const landed = await lake.catalog.ledger.sources();
  const configs: SourceConfig[] = [];
  for (const stream of streams) {
    const kind = await kindOf(stream);
    const prefix = `${stream.name}.`;
    const names = landed.map(({ source }) => source).filter((name) => name.startsWith(prefix));
    const tables = new Set([
      ...kind.tables(stream),
      ...names.map((name) => name.slice(prefix.length)),
    ]);
    configs.push(...[...tables].map((table) => kind.table(stream, table)));
  }
  return configs;
}

/** The streams of tarn.yaml, each with what it is called outside. */
export async function knownStreams({
  config,
  catalog,
}: StreamsLake): Promise<readonly StreamConfig[]> {
  if (config.streams.length === 0) return [];
  const { knownName } = await import("../../core/ingest/stream.ts");
  const settings = await catalog.facts("setting");
  return config.streams.map((stream) => {
    const knownAs = settings.get(knownName(stream.name));
    return knownAs === undefined ? stream : { ...stream, knownAs };
  });
}

/** The kind of a stream, loaded. */
export async function kindOf({ kind }: StreamConfig): Promise<SourceKind> {
  const { sourceKinds } = await import("../../storage/sources/kinds.ts");
  const { byWord } = await sourceKinds([kind]);
  return must(byWord[kind], "the configuration names kinds that there are");
}

/** A stream, and how far it is read: null before its first batch. */
export interface StreamStatus {
  readonly stream: string;
  readonly kind: string;
  readonly position: string | null;
  /** Copied: this lake is a copy of the one that reads it. */
  readonly state: "read" | "paused" | "copied";
  /** As it was measured last; null: it never was. */
  readonly lag: Omit<MeasuredLag, "source"> | null;
}

/** A stream that was read, and that tarn.yaml does not name any more. */
export interface GoneStream {
  readonly stream: string;
  readonly position: string;
}

/** What such streams set up at their servers is still there: a slot keeps its server's log for ever. */
export async function goneStreams({ config, catalog }: StreamsLake): Promise<GoneStream[]> {
  const offsets = [...(await catalog.facts("offset"))].filter(([name]) => !isOfFiles(name));
  if (offsets.length === 0) return [];
  const { positionName, positionOf } = await import("../../core/ingest/stream.ts");
  const named = new Set(config.streams.map(({ name }) => positionName(name)));
  const prefix = positionName("");
  return offsets.flatMap(([name, fact]) => {
    const { position } = positionOf(fact);
    const isGone = name.startsWith(prefix) && !named.has(name) && position !== null;
    return isGone ? [{ stream: name.slice(prefix.length), position }] : [];
  });
}

/** Dropped files have no position: their fact only says which batch was the last. */
function isOfFiles(name: string): boolean {
  return name.startsWith("files:");
}

export async function streamStatuses({ config, catalog }: StreamsLake): Promise<StreamStatus[]> {
  if (config.streams.length === 0) return [];
  const { pausedName, positionName, positionOf } = await import("../../core/ingest/stream.ts");
  const measured = new Map((await catalog.lags.all()).map((lag) => [lag.source, lag]));
  return await Promise.all(
    config.streams.map(async ({ name: stream, kind }) => {
      const fact = await catalog.fact("offset", positionName(stream));
      const { lakeId, position } = positionOf(fact);
      const isPaused = (await catalog.fact("setting", pausedName(stream))) !== null;
      const isCopied = lakeId !== null && lakeId !== catalog.lakeId;
      const state = isPaused ? "paused" : isCopied ? "copied" : "read";
      const { source: _, ...lag } = measured.get(stream) ?? { source: null };
      return { stream, kind, position, state, lag: "measuredMs" in lag ? lag : null };
    }),
  );
}
