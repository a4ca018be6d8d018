/** Streams by name: how each stands, whether it can be read, and whether it is read at all. */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { must } from "../../core/base/assert.ts";
import { ioError, LakeError, systemCode } from "../../core/base/errors.ts";
import { nearestWord } from "../../core/base/suggest.ts";
import type { LakeConfig } from "../../core/config.ts";
import { FEED, isFeedColumn } from "../../core/ingest/feed.ts";
import type { SourceFinding, StreamConfig } from "../../core/ingest/source-kind.ts";
import { pausedName, positionFact, positionName, positionOf } from "../../core/ingest/stream.ts";
import { MODELS_FOLDER } from "../../core/model/model.ts";
import type { Catalog } from "../../core/ports.ts";
import type { Fact } from "../../core/table/commit.ts";
import { isHidden } from "../../core/table/system-columns.ts";
import type { Table, TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";
import {
  kindOf,
  knownStreams,
  type StreamStatus,
  type StreamsLake,
  streamStatuses,
  streamTables,
} from "./sources.ts";

/** What of an open lake pausing and resuming needs. */
type StreamsSession = StreamsLake & {
  readonly config: Pick<LakeConfig, "sources" | "streams">;
  readonly catalog: Pick<Catalog, "commit">;
  readonly ports: Pick<Session["ports"], "clock">;
};

export interface ListedSource {
  readonly source: string;
  readonly kind: string;
  /** Of a stream, those that are known by now. */
  readonly tables: readonly string[];
  readonly state: "read" | "paused" | "copied";
  readonly position: string | null;
}

/** Sources of dropped files as of a new listing, then streams. */
export async function listedSources(session: Session): Promise<readonly ListedSource[]> {
  const drops = await session.drops();
  await drops.refresh();
  const files = drops.sources.map(({ name: source, into }): ListedSource => {
    return { source, kind: "files", tables: [into], state: "read", position: null };
  });
  const tables = await streamTables(session);
  const streams = (await streamStatuses(session)).map((stream): ListedSource => {
    const { stream: source, kind, position, state } = stream;
    const own = tables.filter(({ name }) => name === source || name.startsWith(`${source}.`));
    return { source, kind, tables: own.map(({ into }) => into), state, position };
  });
  return [...files, ...streams];
}

/** What stands in the way of reading a stream, and what does not. Throws `not-found`. */
export async function checkStream(
  session: Session,
  name: string,
): Promise<readonly SourceFinding[]> {
  streamNamed(session, name);
  const streams = await knownStreams(session);
  const stream = must(
    streams.find((one) => one.name === name),
    "it is in tarn.yaml",
  );
  const fact = await session.catalog.fact("offset", positionName(name));
  const { lakeId } = session.catalog;
  const from = positionOf(fact).position;
  const { root: projectRoot, secretOf } = session;
  return await (await kindOf(stream)).check(stream, { from, lakeId, projectRoot, secretOf });
}

/** It is not read until it is resumed: what it sends meanwhile waits with whoever sends it. */
export async function pauseStream(session: StreamsSession, name: string): Promise<StreamStatus> {
  streamNamed(session, name);
  const was = await session.catalog.fact("setting", pausedName(name));
  const becomes = new Date(session.ports.clock.nowMs()).toISOString();
  if (was === null) {
    await record(session, `${name} is paused`, [
      { kind: "setting", name: pausedName(name), was, becomes },
    ]);
  }
  return await statusOf(session, name);
}

/** It is read on from where it stopped, by this lake and no other. */
export async function resumeStream(session: StreamsSession, name: string): Promise<StreamStatus> {
  streamNamed(session, name);
  const { catalog } = session;
  const facts: Fact[] = [];
  const paused = await catalog.fact("setting", pausedName(name));
  if (paused !== null) {
    facts.push({ kind: "setting", name: pausedName(name), was: paused, becomes: null });
  }
  const was = await catalog.fact("offset", positionName(name));
  const { lakeId, position } = positionOf(was);
  if (position !== null && lakeId !== catalog.lakeId) {
    const becomes = positionFact(catalog.lakeId, position);
    facts.push({ kind: "offset", name: positionName(name), was, becomes });
  }
  if (facts.length > 0) await record(session, `${name} is resumed`, facts);
  return await statusOf(session, name);
}

/** A table, or all that a stream has, is read again when it is read next: its rows take the place of those before. */
export async function readAgain(
  session: Session,
  name: string,
  table: string | null,
): Promise<void> {
  const kind = await kindOf(streamNamed(session, name));
  const { catalog } = session;
  const was = await catalog.fact("offset", positionName(name));
  const { lakeId, position } = positionOf(was);
  if (position === null || lakeId === null) {
    throw new LakeError("not-found", `${name} was not read yet`, { hint: "tarn build" });
  }
  const again = kind.readAgain(position, table);
  if (again === null) {
    throw new LakeError("unsupported", `a source of kind ${kind.word} has nothing to read again`, {
      hint: `what it sent is kept: tarn reread ${name}`,
    });
  }
  const becomes = positionFact(lakeId, again);
  await record(session, `${table ?? "all"} of ${name} is read again`, [
    { kind: "offset", name: positionName(name), was, becomes },
  ]);
}

export interface FeedModel {
  /** Relative to the project. */
  readonly path: string;
  /** False for one that was there. */
  readonly isWritten: boolean;
}

/**
 * Writes a model for each table that a stream has landed as a feed: the table as it is now. Throws `not-found` where
 * nothing has landed.
 */
export async function writeModels(session: Session, name: string): Promise<readonly FeedModel[]> {
  streamNamed(session, name);
  const models: FeedModel[] = [];
  for (const { name: source, into } of await streamTables(session)) {
    if (source !== name && !source.startsWith(`${name}.`)) continue;
    const table = await session.catalog.load(into);
    const keys = table === null ? [] : feedKeys(table);
    if (keys.length === 0) continue;
    const short = into.slice("bronze.".length).replace(new RegExp(`^${name}_`), "");
    const path = `${MODELS_FOLDER}/silver/${short}.sql`;
    models.push({ path, isWritten: writeNew(join(session.root, path), feedModel(into, keys)) });
  }
  if (models.length > 0) return models;
  throw new LakeError("not-found", `${name} has landed no table with a key yet`, {
    hint: `tarn build, then tarn source models ${name}`,
  });
}

/** What is sent of old rows is their key, unless the whole row is. */
function feedKeys({ schema }: Table): readonly string[] {
  const before = schema.fields.find((field) => field.name === FEED.before);
  if (before?.type.kind !== "struct") return [];
  const own = schema.fields.filter((field) => !isHidden(field.name) && !isFeedColumn(field.name));
  const keys = before.type.fields.map((field) => field.name);
  return keys.length < own.length ? keys : [];
}

function feedModel(table: TableName, keys: readonly string[]): string {
  return `/* tarn
   kind: cdc
   keys: [${keys.map((key) => JSON.stringify(key)).join(", ")}]
   sequence_by: ${FEED.position}
   apply_as_delete: ${FEED.op} = 'd'
   apply_as_truncate: ${FEED.op} = 't'
*/
select * from ${table}
`;
}

function writeNew(path: string, text: string): boolean {
  mkdirSync(dirname(path), { recursive: true });
  try {
    writeFileSync(path, text, { flag: "wx" });
    return true;
  } catch (thrown) {
    if (systemCode(thrown) === "EEXIST") return false;
    throw ioError(thrown, "write", path);
  }
}

async function record(
  session: StreamsSession,
  message: string,
  facts: readonly Fact[],
): Promise<void> {
  const nothing = { tables: [], batches: [], withdrawn: [], runs: [] };
  const result = await session.catalog.commit({ kind: "maintain", ...nothing, facts, message });
  if (result.kind === "committed") return;
  throw new LakeError("conflict", "the source was paused or resumed by another program", {
    hint: "look at it again: tarn source ls",
  });
}

async function statusOf(session: StreamsSession, name: string): Promise<StreamStatus> {
  const found = (await streamStatuses(session)).find(({ stream }) => stream === name);
  if (found !== undefined) return found;
  throw unknownStream(session, name);
}

function streamNamed(session: StreamsSession, name: string): StreamConfig {
  const found = session.config.streams.find((stream) => stream.name === name);
  if (found !== undefined) return found;
  throw unknownStream(session, name);
}

function unknownStream({ config }: StreamsSession, name: string): LakeError {
  const names = config.streams.map((stream) => stream.name);
  if (config.sources.some((source) => source.name === name)) {
    return new LakeError("unsupported", `${name} is a source of dropped files`, {
      hint: "files are read as they are dropped; what waits is in: tarn status",
    });
  }
  const near = nearestWord(name, names);
  const known = names.length === 0 ? "tarn.yaml has no streams" : `streams are ${names.join(", ")}`;
  return new LakeError("not-found", `there is no stream "${name}"`, {
    hint: near === null ? known : `did you mean "${near}"?`,
  });
}
