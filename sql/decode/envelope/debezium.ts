/** Debezium's change events, in JSON or as another schema describes them. Debezium 3, "Data change events". */

import type { FeedOp } from "../../../core/ingest/feed.ts";
import type { FormatReader } from "../format.ts";
import {
  JsonFault,
  type JsonNode,
  type JsonObjectNode,
  kindText,
  parseExact,
} from "../json/parse.ts";
import { Entries, type Exact, exactText, isList } from "../lossless/exact-value.ts";
import {
  type Change,
  EnvelopeFault,
  type Fields,
  fieldsOf,
  integerAt,
  madeFields,
  NO_TYPES,
  objectAt,
  sorted,
  type Types,
  tableName,
  textAt,
} from "./change.ts";
import { connectTypes } from "./connect-types.ts";
import { envelopeFormat } from "./envelope.ts";
import { withoutUnavailable } from "./unavailable.ts";

/** Throws EnvelopeFault for what is no event, or not a whole one. */
export function debezium(node: JsonNode): readonly Change[] | string {
  if (node.kind === "null") return "tombstone";
  if (node.kind !== "object")
    throw new EnvelopeFault(`an event is an object, not ${kindText(node)}`);
  const { payload, schema } = unwrapped(node);
  if (payload === null) return "tombstone";
  const other = otherEvent(payload);
  if (other !== null) return other;
  return [
    change(payload, {
      before: fieldsOf(objectAt(payload, "before")),
      after: fieldsOf(objectAt(payload, "after")),
      types: schema === null ? NO_TYPES : connectTypes(schema),
    }),
  ];
}

/** An event that is decoded already; `typesOf` says what the fields of one of its rows are. Throws EnvelopeFault. */
export function debeziumMade(
  event: Entries,
  typesOf: (row: string) => Types,
): readonly Change[] | string {
  const around = new Map<string, JsonNode>();
  const rows = new Map<string, Fields | null>();
  for (const [name, value] of event.pairs) {
    if (name !== "before" && name !== "after") around.set(name, nodeOf(value));
    else rows.set(name, value instanceof Entries ? madeFields(value) : null);
  }
  const payload: JsonObjectNode = { kind: "object", entries: around, repeated: null, raw: "" };
  const other = otherEvent(payload);
  if (other !== null) return other;
  const [before = null, after = null] = [rows.get("before"), rows.get("after")];
  return [change(payload, { before, after, types: typesOf(after === null ? "before" : "after") })];
}

const OPS: ReadonlySet<string> = new Set<FeedOp>(["c", "u", "d", "r", "t"]);
const AFTER: ReadonlySet<string> = new Set<FeedOp>(["c", "u", "r"]);

function unwrapped(node: JsonObjectNode): {
  readonly payload: JsonObjectNode | null;
  readonly schema: JsonObjectNode | null;
} {
  const isWrapped = node.entries.has("payload") && node.entries.has("schema");
  if (!isWrapped) return { payload: node, schema: null };
  return { payload: objectAt(node, "payload"), schema: objectAt(node, "schema") };
}

/** What an event is that changes no row. */
function otherEvent(event: JsonObjectNode): string | null {
  const { entries } = event;
  const op = textAt(event, "op");
  if (op === "m") return "message";
  if (op !== null) return null;
  const status = textAt(event, "status");
  if (entries.has("id") && (status === "BEGIN" || status === "END")) return "transaction mark";
  if (entries.has("ddl") || entries.has("tableChanges")) return "change of a schema";
  return entries.size === 1 && entries.has("ts_ms") ? "heartbeat" : null;
}

/** What an event says of its row. */
interface Images {
  readonly before: Fields | null;
  readonly after: Fields | null;
  readonly types: Types;
}

/** What stands around the rows, as JSON has it. */
function nodeOf(value: Exact): JsonNode {
  if (value === null) return { kind: "null" };
  if (typeof value === "boolean") return { kind: "boolean", value };
  if (typeof value === "bigint") return { kind: "number", raw: String(value) };
  if (value instanceof Entries) {
    const entries = new Map(value.pairs.map(([name, item]) => [name, nodeOf(item)]));
    return { kind: "object", entries, repeated: null, raw: "" };
  }
  if (isList(value)) return { kind: "array", items: value.map(nodeOf), raw: "" };
  return { kind: "string", value: exactText(value) ?? "" };
}

function change(event: JsonObjectNode, { before, after, types }: Images): Change {
  const op = textAt(event, "op");
  if (op === null) throw new EnvelopeFault("an event without op");
  if (!OPS.has(op)) throw new EnvelopeFault(`an event with the op "${op}"`);
  const source = objectAt(event, "source");
  if (AFTER.has(op) && after === null)
    throw new EnvelopeFault(`an event of op ${op} without after`);
  if (op === "d" && before === null) throw new EnvelopeFault("a delete without before");
  const sent = withoutUnavailable(after);
  const isSnapshot = op === "r";
  return {
    op: op as FeedOp, // parse: one of OPS
    table: tableName(textAt(source, "schema") ?? textAt(source, "db"), textAt(source, "table")),
    position: positionOf(event, source),
    transaction: transactionOf(event, source),
    committedAt: isSnapshot ? null : instantOf(source, event),
    before: withoutUnavailable(before)?.fields ?? null,
    after: sent?.fields ?? null,
    unchanged: sent?.unavailable ?? [],
    types,
  };
}

/**
 * By the log of each database. Of PostgreSQL the place of the event itself: rows that are read again while the stream
 * goes on have no other, and changes of one row are ordered by it, for it is locked until its transaction ends.
 */
function positionOf(event: JsonObjectNode, source: JsonObjectNode | null): string {
  const found =
    sequencePosition(source) ??
    hexPosition(source, "lsn") ??
    binlogPosition(source) ??
    textPosition(source, "commit_lsn", "change_lsn", "event_serial_no") ??
    hexPosition(source, "scn") ??
    timePosition(source) ??
    timePosition(event);
  if (found !== null) return found;
  throw new EnvelopeFault("an event without a position: its source has no lsn, pos, scn or ts_ms");
}

/** `["<commit before>", "<event>"]`, as JSON in a text. */
function sequencePosition(source: JsonObjectNode | null): string | null {
  const text = textAt(source, "sequence");
  if (text === null) return null;
  try {
    const list = parseExact(text);
    const last = list.kind === "array" ? list.items.at(-1) : undefined;
    const digits = last?.kind === "string" ? last.value : last?.kind === "number" ? last.raw : "";
    return /^\d+$/.test(digits) ? sorted(BigInt(digits)) : null;
  } catch (thrown) {
    if (thrown instanceof JsonFault) return null;
    throw thrown;
  }
}

function hexPosition(source: JsonObjectNode | null, key: string): string | null {
  const value = integerAt(source, key);
  return value === null ? null : sorted(value);
}

/** Logs are numbered behind their last point; a number may grow a digit. */
function binlogPosition(source: JsonObjectNode | null): string | null {
  const file = textAt(source, "file");
  const pos = integerAt(source, "pos");
  const number = /\.(\d+)$/.exec(file ?? "")?.[1];
  if (number === undefined || pos === null) return null;
  const row = integerAt(source, "row") ?? 0n;
  return `${sorted(BigInt(number))}-${sorted(pos)}-${sorted(row)}`;
}

function textPosition(source: JsonObjectNode | null, ...keys: readonly string[]): string | null {
  const parts = keys.flatMap((key) => textAt(source, key) ?? []);
  return textAt(source, keys[0] ?? "") === null ? null : parts.join("-");
}

function timePosition(node: JsonObjectNode | null): string | null {
  const micros = microsAt(node);
  return micros === null ? null : sorted(micros);
}

/** Of a transaction in PostgreSQL the number before the place of the event. */
function transactionOf(event: JsonObjectNode, source: JsonObjectNode | null): string | null {
  const id = textAt(objectAt(event, "transaction"), "id");
  if (id === null) return textAt(source, "txId") ?? textAt(source, "gtid");
  return /^(\d+):\d+$/.exec(id)?.[1] ?? id;
}

function instantOf(source: JsonObjectNode | null, event: JsonObjectNode): bigint | null {
  return microsAt(source) ?? microsAt(event);
}

function microsAt(node: JsonObjectNode | null): bigint | null {
  const nanos = integerAt(node, "ts_ns");
  if (nanos !== null) return nanos / 1000n;
  const micros = integerAt(node, "ts_us");
  if (micros !== null) return micros;
  const millis = integerAt(node, "ts_ms");
  return millis === null ? null : millis * 1000n;
}

export const FORMAT: FormatReader = envelopeFormat("debezium", debezium);
