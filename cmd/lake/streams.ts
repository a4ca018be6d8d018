/** Streams by name: how each stands, whether it can be read, and whether it is read at all. */

import { LakeError } from "../../core/base/errors.ts";
import { nearestWord } from "../../core/base/suggest.ts";
import type { SourceFinding, StreamConfig } from "../../core/ingest/source-kind.ts";
import { pausedName, positionFact, positionName, positionOf } from "../../core/ingest/stream.ts";
import type { Fact } from "../../core/table/commit.ts";
import type { Session } from "../open.ts";
import { kindOf, type StreamStatus, streamStatuses, streamTables } from "./sources.ts";

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
  const stream = streamNamed(session, name);
  const fact = await session.catalog.fact("offset", positionName(name));
  const { lakeId } = session.catalog;
  const from = positionOf(fact).position;
  const projectRoot = session.root;
  return await (await kindOf(stream)).check(stream, { from, lakeId, projectRoot });
}

/** It is not read until it is resumed: what it sends meanwhile waits with whoever sends it. */
export async function pauseStream(session: Session, name: string): Promise<StreamStatus> {
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
export async function resumeStream(session: Session, name: string): Promise<StreamStatus> {
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

async function record(session: Session, message: string, facts: readonly Fact[]): Promise<void> {
  const nothing = { tables: [], batches: [], withdrawn: [], runs: [] };
  const result = await session.catalog.commit({ kind: "maintain", ...nothing, facts, message });
  if (result.kind === "committed") return;
  throw new LakeError("conflict", "the source was paused or resumed by another program", {
    hint: "look at it again: tarn source ls",
  });
}

async function statusOf(session: Session, name: string): Promise<StreamStatus> {
  const found = (await streamStatuses(session)).find(({ stream }) => stream === name);
  if (found !== undefined) return found;
  throw unknownStream(session, name);
}

function streamNamed(session: Session, name: string): StreamConfig {
  const found = session.config.streams.find((stream) => stream.name === name);
  if (found !== undefined) return found;
  throw unknownStream(session, name);
}

function unknownStream({ config }: Session, name: string): LakeError {
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
