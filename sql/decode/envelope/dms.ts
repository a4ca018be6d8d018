/** Messages of AWS DMS for streams. AWS DMS, "Using a target: JSON message format". */

import type { FeedOp } from "../../../core/ingest/feed.ts";
import type { FormatReader } from "../format.ts";
import { type JsonNode, type JsonObjectNode, kindText } from "../json/parse.ts";
import { timestampMicros } from "../lossless/exact-value.ts";
import { textFits } from "../lossless/text-fit.ts";
import {
  type Change,
  EnvelopeFault,
  fieldsOf,
  integerAt,
  NO_TYPES,
  objectAt,
  sorted,
  tableName,
  textAt,
} from "./change.ts";
import { envelopeFormat } from "./envelope.ts";

const OPS: ReadonlyMap<string, FeedOp> = new Map([
  ["load", "r"],
  ["insert", "c"],
  ["update", "u"],
  ["delete", "d"],
  ["truncate-table", "t"],
]);

/** Throws EnvelopeFault for what is no message, or not a whole one. */
export function dms(node: JsonNode): readonly Change[] | string {
  if (node.kind === "null") return "tombstone";
  if (node.kind !== "object")
    throw new EnvelopeFault(`a message is an object, not ${kindText(node)}`);
  const metadata = objectAt(node, "metadata");
  if (metadata === null) throw new EnvelopeFault("a message without metadata");
  const operation = textAt(metadata, "operation");
  const op = OPS.get(operation ?? "");
  const isControl = textAt(metadata, "record-type") === "control";
  if (op === undefined && isControl) return "change of a schema";
  if (op === undefined) throw new EnvelopeFault(`a message of the operation "${operation}"`);
  const data = fieldsOf(objectAt(node, "data"));
  if (data === null && op !== "t")
    throw new EnvelopeFault(`a message of ${operation} without data`);
  const micros = microsOf(metadata);
  const before = fieldsOf(objectAt(node, "before-image"));
  return [
    {
      op,
      table: tableName(textAt(metadata, "schema-name"), textAt(metadata, "table-name")),
      position: positionOf(metadata, micros),
      transaction: textAt(metadata, "transaction-id"),
      committedAt: op === "r" ? null : micros,
      before: op === "d" ? (before ?? data) : before,
      after: op === "d" || op === "t" ? null : data,
      unchanged: [],
      types: NO_TYPES,
    },
  ];
}

/** When it was committed, and the place in the transaction. */
function positionOf(metadata: JsonObjectNode, micros: bigint | null): string {
  if (micros === null) {
    throw new EnvelopeFault("a message without a position: its metadata has no timestamp");
  }
  return `${sorted(micros)}-${sorted(integerAt(metadata, "transaction-record-id") ?? 0n)}`;
}

function microsOf(metadata: JsonObjectNode): bigint | null {
  const text = textAt(metadata, "commit-timestamp") ?? textAt(metadata, "timestamp");
  const isInstant = text !== null && textFits({ kind: "primitive", name: "timestamptz" }, text);
  return isInstant ? timestampMicros(text) : null;
}

export const FORMAT: FormatReader = envelopeFormat("dms", dms);
