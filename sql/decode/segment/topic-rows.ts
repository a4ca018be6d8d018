/** The records of one topic in a segment as rows: what their values tell, and what stands beside these. */

import { isUtf8 } from "node:buffer";
import { counted } from "../../../core/base/quantity.ts";
import type { DecodeRequest, ObservedColumn } from "../../../core/engine.ts";
import { FEED, RECORD } from "../../../core/ingest/feed.ts";
import type { SegmentRecord } from "../../../core/ingest/segment.ts";
import { loadDuckDB } from "../../duckdb/native.ts";
import { textAt } from "../envelope/change.ts";
import { type Beside, ChangeRows } from "../envelope/change-rows.ts";
import { exactOf } from "../json/exact.ts";
import { JsonFault, type JsonObjectNode, parseExact, textOf } from "../json/parse.ts";
import { Entries, type Exact, Instant } from "../lossless/exact-value.ts";
import { TypeProof } from "../lossless/type-proof.ts";
import { BATCH_ROWS, type RowBatch, type RowSource, type SourceRow } from "../made/row-source.ts";
import { requestTargets, saidTargets, type TargetOf } from "../made/targets.ts";
import { findName } from "../target-columns.ts";
import { planTopic, type Topic, type TopicPlan, typesOf } from "./topic-plan.ts";
import { topicEvents } from "./topic-records.ts";
import { type RecordEvent, shownKey } from "./topic-values.ts";

/** The columns with the narrowest types that hold all values. Throws Unreadable. */
export async function inspectTopic(topic: Topic): Promise<readonly ObservedColumn[]> {
  const plan = planTopic(topic);
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

/** Its records are looked at one by one only where that has to be. */
export class TopicSource implements RowSource {
  readonly text = "times";
  /** Writes them as columns where they are usual. */
  readonly writeWhole: NonNullable<RowSource["writeWhole"]>;
  readonly #topic: Topic;
  readonly #request: DecodeRequest;
  #looked: { readonly plan: TopicPlan; readonly targetOf: TargetOf } | null = null;
  #rows: ChangeRows | null = null;
  /** What the rows of the batch are made of that was read last. */
  #read: { readonly row: number; readonly event: RecordEvent }[] = [];

  constructor(topic: Topic, request: DecodeRequest, writeWhole: TopicSource["writeWhole"]) {
    this.writeWhole = writeWhole;
    this.#topic = topic;
    this.#request = request;
  }

  get names(): readonly string[] {
    return this.#plan.columns.map(({ name }) => name);
  }

  get #plan(): TopicPlan {
    return this.#look().plan;
  }

  #look() {
    if (this.#looked !== null) return this.#looked;
    const plan = planTopic(this.#topic);
    this.#looked = { plan, targetOf: requestTargets(this.#request, typesOf(plan)) };
    return this.#looked;
  }

  /** Records that change no row of the table. */
  get unread(): string | undefined {
    const kinds = [...(this.#rows?.others ?? [])].map(([kind, count]) => counted(count, kind));
    return kinds.length === 0 ? undefined : kinds.join(", ");
  }

  async *read(): AsyncGenerator<RowBatch> {
    const { plan, targetOf } = this.#look();
    const made = new ChangeRows(plan, targetOf);
    this.#rows = made;
    let rows: SourceRow[] = [];
    let bytes = 0;
    this.#read = [];
    for (const event of topicEvents(plan)) {
      const own = made.rowsOf(event, besideOf(event, plan));
      for (const { row } of own) this.#read.push({ row, event });
      rows.push(...own);
      bytes += event.sizeBytes;
      if (rows.length < BATCH_ROWS) continue;
      yield { rows, bytes };
      rows = [];
      bytes = 0;
      this.#read = [];
    }
    if (rows.length > 0) yield { rows, bytes };
  }

  /**
   * As records are shown that are set aside: `_value` is the value, a text or what it holds, and what stands beside it
   * is the record's own, but for a key that is given. Else the row by its columns, and what is not among them the
   * record's.
   */
  parse(text: string, { row }: SourceRow): Pick<SourceRow, "values" | "fault"> | null {
    const event = this.#read.find((one) => one.row === row)?.event;
    const head = event?.head ?? null;
    const given = fixOf(text);
    if (event === undefined || head === null || given === null) return null;
    if (!isRecordFix(given)) return this.#flat(given, event);
    const key = textAt(given, RECORD.key);
    const isKeyKept = key === null || key === shownKey(head);
    const meant = isKeyKept ? head : { ...head, key: Buffer.from(key).toString("base64") };
    const told = this.#topic.givenTeller(meant, Buffer.from(valueText(given)));
    const { plan, targetOf } = this.#look();
    const rows = new ChangeRows(plan, targetOf);
    const [made, ...others] = rows.rowsOf(told, besideOf(told, plan));
    if (made !== undefined && others.length === 0) return made;
    const message = "the fix does not parse: it is no record that changes one row of the table";
    return { values: [], fault: { reason: "parse", column: null, message } };
  }

  #flat(
    { entries }: JsonObjectNode,
    event: RecordEvent,
  ): Pick<SourceRow, "values" | "fault"> | null {
    const values: Exact[] = this.names.map(() => null);
    const beside = besideOf(event, this.#plan);
    const op = [FEED.op, event.head?.op ?? "c"] as const;
    for (const [name, value] of this.#plan.isFeed ? beside : [op, ...beside]) {
      const at = this.names.indexOf(name);
      if (at >= 0) values[at] = value;
    }
    for (const [name, node] of entries) {
      const at = findName(this.names, name);
      // What it is then is said by whoever reads rows by their names.
      if (at < 0) return null;
      values[at] = exactOf(node);
    }
    return { values, fault: null };
  }
}

const VALUE = "_value";
const BESIDE: ReadonlySet<string> = new Set(Object.values(RECORD));

/** Null for what is no object, or no JSON. */
function fixOf(text: string): JsonObjectNode | null {
  try {
    const node = parseExact(text);
    return node.kind === "object" && node.repeated === null ? node : null;
  } catch (thrown) {
    if (thrown instanceof JsonFault) return null;
    throw thrown;
  }
}

function isRecordFix({ entries }: JsonObjectNode): boolean {
  return entries.has(VALUE) || [...entries.keys()].every((name) => BESIDE.has(name));
}

function valueText({ entries }: JsonObjectNode): string {
  const value = entries.get(VALUE);
  return value === undefined ? "" : (textOf(value) ?? "null");
}

/** What stands beside the value of a record, as values of columns. */
export function besideOf({ head, key }: RecordEvent, { isFeed }: TopicPlan): Beside {
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
