/** Canal's flat messages: the rows of one statement, their values as texts beside the types of the columns. */

import type { FeedOp } from "../../../core/ingest/feed.ts";
import { STRING } from "../../../core/table/type-text.ts";
import type { PrimitiveName, Type } from "../../../core/table/types.ts";
import type { FormatReader } from "../format.ts";
import { type JsonNode, type JsonObjectNode, kindText, textOf } from "../json/parse.ts";
import { decimalOf, type Exact } from "../lossless/exact-value.ts";
import { textFits } from "../lossless/text-fit.ts";
import {
  type Change,
  EnvelopeFault,
  type Fields,
  type FieldType,
  fieldsOf,
  integerAt,
  sorted,
  tableName,
  textAt,
} from "./change.ts";
import { envelopeFormat } from "./envelope.ts";

const OPS: ReadonlyMap<string, FeedOp> = new Map([
  ["INSERT", "c"],
  ["UPDATE", "u"],
  ["DELETE", "d"],
  ["TRUNCATE", "t"],
]);

/** Throws EnvelopeFault for what is no message, or not a whole one. */
export function canal(node: JsonNode): readonly Change[] | string {
  if (node.kind === "null") return "tombstone";
  if (node.kind !== "object")
    throw new EnvelopeFault(`a message is an object, not ${kindText(node)}`);
  const type = textAt(node, "type");
  if (type === null) throw new EnvelopeFault("a message without type");
  const op = OPS.get(type.toUpperCase());
  const ddl = node.entries.get("isDdl");
  const isDdl = ddl?.kind === "boolean" && ddl.value;
  if (op === undefined && isDdl) return "change of a schema";
  if (op === undefined) throw new EnvelopeFault(`a message of the type "${type}"`);
  const shared = sharedOf(node, op);
  if (op === "t") return [{ ...shared, before: null, after: null }];
  const rows = listAt(node, "data");
  if (rows.length === 0) throw new EnvelopeFault(`a message of the type ${type} without data`);
  const old = listAt(node, "old");
  return rows.map((row, index) => {
    const fields = rowOf(row);
    const before = op === "d" ? fields : old[index] === undefined ? null : rowOf(old[index]);
    return { ...shared, before, after: op === "d" ? null : fields };
  });
}

function sharedOf(node: JsonObjectNode, op: FeedOp): Omit<Change, "before" | "after"> {
  const executed = integerAt(node, "es") ?? integerAt(node, "ts");
  if (executed === null) throw new EnvelopeFault("a message without a position: it has no es");
  return {
    op,
    table: tableName(textAt(node, "database"), textAt(node, "table")),
    // Canal numbers its messages anew when it starts: the time of execution goes first.
    position: `${sorted(executed)}-${sorted(integerAt(node, "id") ?? 0n)}`,
    transaction: textAt(node, "gtid") || null,
    committedAt: executed * 1000n,
    unchanged: [],
    types: typesOf(node),
  };
}

function listAt(node: JsonObjectNode, key: string): readonly JsonNode[] {
  const list = node.entries.get(key);
  return list?.kind === "array" ? list.items : [];
}

function rowOf(node: JsonNode): Fields | null {
  if (node.kind === "null") return null;
  if (node.kind === "object") return fieldsOf(node);
  throw new EnvelopeFault("a row of data is no object");
}

function typesOf(node: JsonObjectNode): ReadonlyMap<string, FieldType> {
  const said = node.entries.get("mysqlType");
  if (said?.kind !== "object") return new Map();
  return new Map(
    [...said.entries].flatMap(([name, text]) =>
      text.kind === "string" ? [[name, fieldType(text.value)] as const] : [],
    ),
  );
}

const NAMES: Readonly<Record<string, PrimitiveName>> = {
  tinyint: "int",
  smallint: "int",
  mediumint: "int",
  int: "int",
  bigint: "long",
  float: "float",
  double: "double",
  date: "date",
  datetime: "timestamp",
};

/** MySQL's own words: `decimal(10,2)`, `int unsigned`. Times and years are texts: they go beyond a day. */
function fieldType(text: string): FieldType {
  const [, word = "", size = "", rest = ""] =
    /^(\w+)(?:\(([^)]*)\))?(.*)$/.exec(text.toLowerCase()) ?? [];
  const type = typeOf(word, size, rest.includes("unsigned"));
  return { type, read: (node) => fieldValue(node, type) };
}

function typeOf(word: string, size: string, isUnsigned: boolean): Type {
  if (word === "decimal" || word === "numeric") {
    const [precision = 10, scale = 0] = size === "" ? [] : size.split(",").map(Number);
    return precision <= 38 ? { kind: "decimal", precision, scale } : STRING;
  }
  const name = NAMES[word];
  if (name === undefined) return STRING;
  if (!isUnsigned) return { kind: "primitive", name };
  if (name === "long") return { kind: "decimal", precision: 20, scale: 0 };
  return { kind: "primitive", name: name === "int" ? "long" : name };
}

/** Numbers stand as texts; a date of zeros is none. */
function fieldValue(node: JsonNode, type: Type): Exact {
  const text = textOf(node);
  if (text === null) return null;
  if (type.kind === "decimal") return decimalOf(text) ?? text;
  if (type.kind !== "primitive") return text;
  switch (type.name) {
    case "int":
    case "long":
      return /^-?\d+$/.test(text) ? BigInt(text) : text;
    case "float":
    case "double":
      return textFits({ kind: "primitive", name: "double" }, text) ? Number(text) : text;
    default:
      return text;
  }
}

export const FORMAT: FormatReader = envelopeFormat("canal", canal);
