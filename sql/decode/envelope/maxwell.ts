/** Maxwell's rows of a binlog. Maxwell's Daemon, "Data Format". */

import type { FeedOp } from "../../../core/ingest/feed.ts";
import type { FormatReader } from "../format.ts";
import { type JsonNode, type JsonObjectNode, kindText } from "../json/parse.ts";
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
  ["insert", "c"],
  ["update", "u"],
  ["delete", "d"],
  ["bootstrap-insert", "r"],
]);
const OTHERS =
  /^(?:bootstrap-(?:start|complete)|(?:table|database)-(?:create|alter|drop)|heartbeat)$/;

/** Throws EnvelopeFault for what is no row, or not a whole one. */
export function maxwell(node: JsonNode): readonly Change[] | string {
  if (node.kind === "null") return "tombstone";
  if (node.kind !== "object") throw new EnvelopeFault(`a row is an object, not ${kindText(node)}`);
  const type = textAt(node, "type");
  if (type === null) throw new EnvelopeFault("a row without type");
  if (OTHERS.test(type)) return type.replaceAll("-", " ");
  const op = OPS.get(type);
  if (op === undefined) throw new EnvelopeFault(`a row of the type "${type}"`);
  const data = fieldsOf(objectAt(node, "data"));
  if (data === null) throw new EnvelopeFault(`a row of the type ${type} without data`);
  const seconds = integerAt(node, "ts");
  return [
    {
      op,
      table: tableName(textAt(node, "database"), textAt(node, "table")),
      position: positionOf(node, seconds),
      transaction: textAt(node, "xid"),
      committedAt: seconds === null || op === "r" ? null : seconds * 1_000_000n,
      before: op === "d" ? data : fieldsOf(objectAt(node, "old")),
      after: op === "d" ? null : data,
      unchanged: [],
      types: NO_TYPES,
    },
  ];
}

/** `master.000006:800911` where it is asked for; else the second, and the place in the transaction. */
function positionOf(node: JsonObjectNode, seconds: bigint | null): string {
  const [, log, at] = /\.(\d+):(\d+)$/.exec(textAt(node, "position") ?? "") ?? [];
  const offset = sorted(integerAt(node, "xoffset") ?? 0n);
  if (log !== undefined && at !== undefined) return [log, at].map(BigInt).map(sorted).join("-");
  if (seconds !== null) return `${sorted(seconds)}-${offset}`;
  throw new EnvelopeFault("a row without a position: it has neither position nor ts");
}

export const FORMAT: FormatReader = envelopeFormat("maxwell", maxwell);
