/** Segments of streams: files that hold what was received, of which a source reads the rows of one table. */

import type { DecodeRequest, ObservedColumn } from "../../../core/engine.ts";
import type { ReadOptions } from "../../../core/ingest/contract.ts";
import { STRING } from "../../../core/table/type-text.ts";
import { loadDuckDB } from "../../duckdb/native.ts";
import { EnvelopeFault } from "../envelope/change.ts";
import { EventSource, inspectEvents } from "../envelope/envelope.ts";
import type { FormatReader } from "../format.ts";
import { TypeProof } from "../lossless/type-proof.ts";
import type { RowSource, WholeRows } from "../made/row-source.ts";
import { requestTargets, saidTargets } from "../made/targets.ts";
import type { Prepared } from "../prepared.ts";
import { planOf, takeAhead } from "./ahead.ts";
import { writeFeed } from "./feed-parts.ts";
import { feedRows } from "./feed-rows.ts";
import { OddRecords } from "./odd-records.ts";
import { envelopeOf, holdsRecords, recordEvents } from "./records.ts";
import { observed, type TablePlan } from "./table-plan.ts";
import { writeTopic } from "./topic-parts.ts";
import { openTopic } from "./topic-plan.ts";
import { inspectTopic, TopicSource } from "./topic-rows.ts";

/** The columns as the shapes say them; text where a value of the segment is none of the type's. Throws Unreadable. */
async function inspectSegment(
  prepared: Prepared,
  read: ReadOptions,
): Promise<readonly ObservedColumn[]> {
  if (holdsRecords(prepared.path)) {
    const topic = await openTopic(prepared.path, read);
    if (topic !== null) return await inspectTopic(topic);
    const envelope = await envelopeOf(read.format);
    return inspectEvents(() => recordEvents(prepared.path, envelope), read);
  }
  const plan = planFor(prepared, read);
  const columns = observed(plan);
  const native = await loadDuckDB();
  const proofs = columns.map(({ type }) => new TypeProof(native, type));
  const targetOf = saidTargets(new Map(columns.map(({ name, type }) => [name, type])));
  for (const { rows } of feedRows(prepared.path, plan, targetOf)) {
    for (const { values, fault } of rows) {
      if (fault !== null) continue;
      for (const [index, value] of values.entries()) proofs[index]?.add(value);
    }
  }
  return columns.map((column, index) => ({ ...column, type: proofs[index]?.type ?? STRING }));
}

async function openSegment(prepared: Prepared, request: DecodeRequest): Promise<RowSource> {
  if (holdsRecords(prepared.path)) {
    const topic = await openTopic(prepared.path, request.read);
    if (topic !== null) {
      const odd = new OddRecords(await loadDuckDB(), topic, request);
      const writeWhole = (rows: WholeRows) => writeTopic(topic, request, odd, rows);
      return new TopicSource(topic, request, writeWhole);
    }
    const envelope = await envelopeOf(request.read.format);
    const events = () => recordEvents(prepared.path, envelope);
    return new EventSource(events, envelope ?? noRecord, request);
  }
  const plan = planFor(prepared, request.read);
  const said = new Map(plan.columns.map(({ name, type }) => [name, type]));
  const targetOf = requestTargets(request, said);
  async function* read() {
    yield* feedRows(prepared.path, plan, targetOf);
  }
  const names = plan.columns.map(({ name }) => name);
  const writeWhole = async ({ target }: WholeRows) =>
    (await takeAhead(prepared.path, plan, request, target)) ??
    (await writeFeed(prepared.path, plan, request, target));
  return { names, text: "times", read, writeWhole };
}

function planFor({ path, file }: Prepared, { table = null }: ReadOptions): TablePlan {
  return planOf(path, table, file.coming ?? null);
}

/** Of a row that is given in place of one nothing is said beside it: it is read by the names. */
function noRecord(): never {
  throw new EnvelopeFault("a record that stands for itself");
}

export const FORMAT: FormatReader = {
  isCounted: false,
  isTyped: true,
  inspect: (_db, prepared, read) => inspectSegment(prepared, read),
  inspectFirst: (prepared, read) =>
    holdsRecords(prepared.path) ? null : observed(planFor(prepared, read)),
  groupKey: () => "rows",
  byRow: async (request) => (prepared) => openSegment(prepared, request),
};
