/** The records of one topic in a segment as rows: what their values tell, and what stands beside these. */

import { isUtf8 } from "node:buffer";
import { counted } from "../../../core/base/quantity.ts";
import type { DecodeRequest, ObservedColumn } from "../../../core/engine.ts";
import { FEED, RECORD } from "../../../core/ingest/feed.ts";
import type { SegmentRecord } from "../../../core/ingest/segment.ts";
import { loadDuckDB } from "../../duckdb/native.ts";
import { type Beside, ChangeRows } from "../envelope/change-rows.ts";
import { Entries, type Exact, Instant } from "../lossless/exact-value.ts";
import { TypeProof } from "../lossless/type-proof.ts";
import { BATCH_ROWS, type RowBatch, type RowSource, type SourceRow } from "../made/row-source.ts";
import { requestTargets, saidTargets, type TargetOf } from "../made/targets.ts";
import { type TopicPlan, topicEvents } from "./topic-plan.ts";
import type { RecordEvent } from "./topic-values.ts";

/** The columns with the narrowest types that hold all values. Throws Unreadable. */
export async function inspectTopic(plan: TopicPlan): Promise<readonly ObservedColumn[]> {
  const native = await loadDuckDB();
  const proofs = plan.columns.map(({ type }) => new TypeProof(native, type));
  const rows = new ChangeRows(plan, saidTargets(typesOf(plan)));
  for (const event of topicEvents(plan)) {
    for (const { values, fault } of rows.rowsOf(event, besideOf(event, plan))) {
      if (fault !== null) continue;
      for (const [index, value] of values.entries()) proofs[index]?.add(value);
    }
  }
  return plan.columns.map((column, index) => ({
    ...column,
    type: proofs[index]?.type ?? column.type,
  }));
}

export class TopicSource implements RowSource {
  readonly names: readonly string[];
  readonly text = "times";
  readonly #plan: TopicPlan;
  readonly #targetOf: TargetOf;
  #rows: ChangeRows;

  constructor(plan: TopicPlan, request: DecodeRequest) {
    this.#plan = plan;
    this.names = plan.columns.map(({ name }) => name);
    this.#targetOf = requestTargets(request, typesOf(plan));
    this.#rows = new ChangeRows(plan, this.#targetOf);
  }

  /** Records that change no row of the table. */
  get unread(): string | undefined {
    const kinds = [...this.#rows.others].map(([kind, count]) => counted(count, kind));
    return kinds.length === 0 ? undefined : kinds.join(", ");
  }

  async *read(): AsyncGenerator<RowBatch> {
    this.#rows = new ChangeRows(this.#plan, this.#targetOf);
    let rows: SourceRow[] = [];
    let bytes = 0;
    for (const event of topicEvents(this.#plan)) {
      rows.push(...this.#rows.rowsOf(event, besideOf(event, this.#plan)));
      bytes += event.sizeBytes;
      if (rows.length < BATCH_ROWS) continue;
      yield { rows, bytes };
      rows = [];
      bytes = 0;
    }
    if (rows.length > 0) yield { rows, bytes };
  }
}

function typesOf({ columns }: TopicPlan) {
  return new Map(columns.map(({ name, type }) => [name, type]));
}

function besideOf({ head, key }: RecordEvent, { isFeed }: TopicPlan): Beside {
  if (head === null) return [];
  const { partition, offset, timestamp, headers, position } = head;
  return [
    ...(isFeed ? [] : ([[FEED.position, position]] as const)),
    [RECORD.key, key?.value ?? null],
    [RECORD.partition, partition === undefined ? null : BigInt(partition)],
    [RECORD.offset, offset === undefined ? null : BigInt(offset)],
    [
      RECORD.timestamp,
      timestamp === undefined ? null : new Instant(BigInt(timestamp) * 1000n, 0, true),
    ],
    [RECORD.headers, headers === undefined ? null : headersValue(headers)],
  ];
}

function headersValue(headers: NonNullable<SegmentRecord["headers"]>): Exact {
  return headers.map(([name, base64]) => {
    const bytes = base64 === null ? null : Buffer.from(base64, "base64");
    const isText = bytes === null || isUtf8(bytes);
    return new Entries([
      ["name", name],
      ["value", isText ? (bytes?.toString() ?? null) : null],
      ["bytes", isText ? null : bytes],
    ]);
  });
}
