/** Files of change events: what each tells of a row lands as a row of a feed. */

import { counted } from "../../../core/base/quantity.ts";
import type { DecodeRequest, Dialect, ObservedColumn } from "../../../core/engine.ts";
import type { FileFormat, ReadOptions } from "../../../core/ingest/contract.ts";
import { FEED } from "../../../core/ingest/feed.ts";
import { loadDuckDB } from "../../duckdb/native.ts";
import type { FormatReader } from "../format.ts";
import { prepareJson } from "../json/prepare.ts";
import { TypeProof } from "../lossless/type-proof.ts";
import { BATCH_ROWS, type RowBatch, type RowSource, type SourceRow } from "../made/row-source.ts";
import { requestTargets, saidTargets, type TargetOf } from "../made/targets.ts";
import type { Prepared, TextBase, TextHow } from "../prepared.ts";
import { findName } from "../target-columns.ts";
import type { Envelope } from "./change.ts";
import { ChangeRows } from "./change-rows.ts";
import { type Events, eventsOf, tellEvent } from "./events.ts";
import { type EventsPlan, planEvents } from "./events-plan.ts";

/** The format of files whose values `envelope` understands. */
export function envelopeFormat(format: FileFormat, envelope: Envelope): FormatReader {
  return {
    prepareText: (base, known, _options, how) => prepareEvents(format, envelope, base, known, how),
    isCounted: true,
    isTyped: false,
    inspect: (_db, prepared, read) => inspectEvents(() => eventsOf(prepared, envelope), read),
    groupKey: () => "rows",
    byRow: async (request) => async (prepared) =>
      new EventSource(() => eventsOf(prepared, envelope), envelope, request),
  };
}

function prepareEvents(
  format: FileFormat,
  envelope: Envelope,
  base: TextBase,
  known: Dialect | null,
  how: TextHow,
): Prepared {
  const prepared = prepareJson(base, known, how);
  const named = { ...prepared, dialect: { ...prepared.dialect, format } };
  return isOneRowALine(named, envelope) ? named : { ...named, positions: "row" };
}

/**
 * Where one line is one row, rows are told by their lines, and a file may go on. A last line that changes no row would
 * count as one that may still be being written.
 */
function isOneRowALine(prepared: Prepared, envelope: Envelope): boolean {
  if (prepared.positions !== "line") return false;
  let last: unknown = null;
  for (const { told } of eventsOf(prepared, envelope)) {
    if (Array.isArray(told) && told.length > 1) return false;
    last = told;
  }
  return typeof last !== "string";
}

/** The columns of a feed, by its events. Throws Unreadable. */
export async function inspectEvents(
  events: Events,
  read: ReadOptions,
): Promise<readonly ObservedColumn[]> {
  const plan = planEvents(events, read.table ?? null);
  const native = await loadDuckDB();
  const proofs = plan.columns.map(({ type }) => new TypeProof(native, type));
  const rows = new ChangeRows(plan, saidTargets(typesOf(plan)));
  for (const event of events()) {
    for (const { values, fault } of rows.rowsOf(event)) {
      if (fault !== null) continue;
      for (const [index, value] of values.entries()) proofs[index]?.add(value);
    }
  }
  return plan.columns.map((column, index) => ({
    ...column,
    type: proofs[index]?.type ?? column.type,
  }));
}

function typesOf({ columns }: EventsPlan) {
  return new Map(columns.map(({ name, type }) => [name, type]));
}

/** The rows of a feed, by its events; `envelope` understands those that are given in place of one. */
export class EventSource implements RowSource {
  readonly names: readonly string[];
  readonly text = "times";
  readonly #events: Events;
  readonly #envelope: Envelope;
  readonly #plan: EventsPlan;
  readonly #targetOf: TargetOf;
  #rows: ChangeRows;

  constructor(events: Events, envelope: Envelope, request: DecodeRequest) {
    this.#events = events;
    this.#envelope = envelope;
    this.#plan = planEvents(events, request.read.table ?? null);
    this.names = this.#plan.columns.map(({ name }) => name);
    this.#targetOf = requestTargets(request, typesOf(this.#plan));
    this.#rows = new ChangeRows(this.#plan, this.#targetOf);
  }

  /** Events that change no row of the table. */
  get unread(): string | undefined {
    const kinds = [...this.#rows.others].map(([kind, count]) => counted(count, kind));
    return kinds.length === 0 ? undefined : kinds.join(", ");
  }

  async *read(): AsyncGenerator<RowBatch> {
    this.#rows = new ChangeRows(this.#plan, this.#targetOf);
    let rows: SourceRow[] = [];
    let bytes = 0;
    for (const event of this.#events()) {
      rows.push(...this.#rows.rowsOf(event));
      bytes += event.text.length;
      if (rows.length < BATCH_ROWS) continue;
      yield { rows, bytes };
      rows = [];
      bytes = 0;
    }
    if (rows.length > 0) yield { rows, bytes };
  }

  parse(text: string): Pick<SourceRow, "values" | "fault"> | null {
    const told = tellEvent(text, this.#envelope);
    const rows = new ChangeRows(this.#plan, this.#targetOf);
    const [row, ...others] = rows.rowsOf({ line: null, text, told });
    if (row?.fault !== undefined && row.fault !== null && this.#isFlat(text)) return null;
    if (row !== undefined && others.length === 0) return row;
    const message = "the fix does not parse: it is no event that changes one row of the table";
    return { values: [], fault: { reason: "parse", column: null, message } };
  }

  /** As rows are shown that were set aside for one of their values. */
  #isFlat(text: string): boolean {
    try {
      const json: unknown = JSON.parse(text);
      const keys = typeof json === "object" && json !== null ? Object.keys(json) : [];
      return keys.includes(FEED.op) && keys.every((key) => findName(this.names, key) >= 0);
    } catch {
      return false;
    }
  }
}
