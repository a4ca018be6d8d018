/** One JSON row decided exactly: as values for the table, or as what is wrong with it. */

import { unreachable } from "../../../core/base/assert.ts";
import type { DecodeRequest } from "../../../core/engine.ts";
import type { QuarantineReason } from "../../../core/ingest/quarantine.ts";
import { awaited, EMPTY_OBJECT_TEXT, typeToText } from "../../../core/table/type-text.ts";
import type { Field, Type } from "../../../core/table/types.ts";
import { survivesDouble, textFits } from "../lossless/text-fit.ts";
import {
  findName,
  firstMessage,
  type SourceColumn,
  sourceColumns,
  valueMessage,
} from "../target-columns.ts";
import { type JsonNode, type JsonObjectNode, kindText, parseExact, textOf } from "./parse.ts";
import { CUT_ARRAY } from "./split.ts";
import { RESCUED_KEY } from "./sql.ts";

export type RowDecision =
  /** A line in which every number is a text: the same for every parser. */
  | { readonly kind: "land"; readonly line: string }
  | RowReject
  /** Keys that the caller wants to learn first, with their values as text. */
  | { readonly kind: "report"; readonly values: ReadonlyMap<string, string | null> };

export interface RowReject {
  readonly kind: "reject";
  readonly reason: QuarantineReason;
  readonly column: string | null;
  readonly message: string;
  /** The value that does not fit; null where it is not one. */
  readonly value: string | null;
  /** It stands at a place where none was seen before. */
  readonly isFirst: boolean;
}

/** True when a key stands twice in an object anywhere in the value. */
export function hasRepeatedKey(node: JsonNode): boolean {
  if (node.kind === "array") return node.items.some(hasRepeatedKey);
  if (node.kind !== "object") return false;
  return node.repeated !== null || [...node.entries.values()].some(hasRepeatedKey);
}

/** Decides rows under one request; `keys` are the spellings that the statement looks for. */
export class RowDecider {
  #request: DecodeRequest;
  #columns: readonly SourceColumn[];
  #sources: readonly string[];
  #keys: readonly string[];

  constructor(request: DecodeRequest, keys: readonly string[]) {
    this.#request = request;
    this.#columns = sourceColumns(request);
    this.#sources = this.#columns.map((column) => column.decode.source);
    this.#keys = keys;
  }

  decide(text: string): RowDecision {
    if (text === CUT_ARRAY)
      return reject("parse", null, "the array has no end: is the file whole?");
    let node: JsonNode;
    try {
      node = parseExact(text);
    } catch (thrown) {
      return reject("parse", null, thrown instanceof Error ? thrown.message : String(thrown));
    }
    if (node.kind !== "object")
      return reject("parse", null, `a row is an object, not ${kindText(node)}`);
    if (hasRepeatedKey(node)) return reject("duplicate-key", node.repeated, "a key stands twice");
    return this.#decideObject(node);
  }

  #decideObject(row: JsonObjectNode): RowDecision {
    const values = new Map<number, JsonNode>();
    const unknown: [string, JsonNode][] = [];
    for (const [key, value] of row.entries) {
      const at = findName(this.#sources, key);
      if (at < 0) unknown.push([key, value]);
      else if (values.has(at)) return reject("duplicate-key", key, `${key} stands twice`);
      else values.set(at, value);
    }
    const reported = new Map<string, string | null>();
    const refused = this.#takeUnknown(unknown, reported);
    if (refused !== null) return refused;
    const rescued = new Map<string, string>();
    if (this.#request.onUnknown === "rescue") {
      for (const [key, value] of unknown) rescued.set(key, jsonOf(value));
    }
    const parts: string[] = [];
    for (const [at, column] of this.#columns.entries()) {
      const value = values.get(at) ?? NULL;
      const outcome = this.#column(column, value, rescued);
      if (typeof outcome !== "string") {
        if (!this.#isReported(outcome)) return outcome;
        reported.set(column.decode.source, outcome.value);
      } else parts.push(`${JSON.stringify(this.#keys[at] ?? column.decode.source)}:${outcome}`);
    }
    if (reported.size > 0) return { kind: "report", values: reported };
    if (rescued.size > 0) {
      parts.push(`${JSON.stringify(RESCUED_KEY)}:${JSON.stringify(objectText(rescued))}`);
    }
    return { kind: "land", line: `{${parts.join(",")}}` };
  }

  #takeUnknown(
    unknown: readonly [string, JsonNode][],
    reported: Map<string, string | null>,
  ): RowReject | null {
    for (const [key, value] of unknown) {
      const isNameless = key.includes("\0");
      if (this.#request.onUnknown === "report" && !isNameless) reported.set(key, textOf(value));
      else if (this.#request.onUnknown !== "rescue" && value.kind !== "null") {
        const shown = key === "" ? '""' : key;
        return reject("unknown-field", key, `${shown} is not a column of the contract`);
      }
    }
    return null;
  }

  #isReported(outcome: RowReject): boolean {
    if (outcome.reason === "unknown-field") return this.#request.onUnknown === "report";
    if (outcome.reason !== "type") return false;
    return this.#request[outcome.isFirst ? "onFirst" : "onMisfit"] === "report";
  }

  #column(column: SourceColumn, value: JsonNode, rescued: Map<string, string>): string | RowReject {
    const { field, decode } = column;
    if (value.kind === "null") {
      if (!decode.required) return "null";
      return reject("required", decode.source, `${decode.source} is required and empty`);
    }
    if (decode.expression !== null && decode.awaits === undefined) {
      return JSON.stringify(textOf(value));
    }
    try {
      const inner = new Map<string, string>();
      const text = this.#fit(value, decode.awaits ?? field.type, inner);
      if (inner.size > 0) rescued.set(decode.source, objectText(inner));
      return text;
    } catch (thrown) {
      if (!(thrown instanceof Misfit)) throw thrown;
      const { reason, message, value: text, isFirst } = thrown;
      return { kind: "reject", reason, column: decode.source, message, value: text, isFirst };
    }
  }

  /** The value as JSON with every number as a text. Throws Misfit. */
  #fit(node: JsonNode, type: Type, rescued: Map<string, string>): string {
    if (node.kind === "null") return "null";
    switch (type.kind) {
      case "struct":
        return this.#fitStruct(node, type.fields, type, rescued);
      case "list":
        if (node.kind !== "array") throw misfit(node, type);
        return `[${node.items.map((item) => this.#fitInList(item, type.element)).join(",")}]`;
      case "map":
        if (node.kind !== "object") throw misfit(node, type);
        return objectText(
          new Map([...node.entries].map(([key, item]) => [key, this.#fitInList(item, type.value)])),
        );
      default:
        return scalar(node, type);
    }
  }

  /** Below a list there is no place for unknown fields: the row is set aside, or reported. */
  #fitInList(node: JsonNode, type: Type): string {
    const rescued = new Map<string, string>();
    const text = this.#fit(node, type, rescued);
    const [name] = rescued.keys();
    if (name !== undefined) throw new Misfit("unknown-field", `${name} is not a field of the list`);
    return text;
  }

  #fitStruct(
    node: JsonNode,
    fields: readonly Field[],
    type: Type,
    rescued: Map<string, string>,
  ): string {
    if (node.kind !== "object") throw misfit(node, type);
    const names = fields.map((field) => field.name);
    const parts = new Map<string, string>();
    for (const [key, value] of node.entries) {
      const field = fields[findName(names, key)];
      if (field === undefined) {
        if (this.#request.onUnknown === "rescue") rescued.set(key, jsonOf(value));
        else if (this.#request.onUnknown === "report" || value.kind !== "null") {
          throw new Misfit("unknown-field", `${key} is not a field of the contract`);
        }
        continue;
      }
      if (parts.has(field.name)) throw new Misfit("duplicate-key", `${key} stands twice`);
      const inner = new Map<string, string>();
      parts.set(field.name, this.#fit(value, field.type, inner));
      if (inner.size > 0) rescued.set(key, objectText(inner));
    }
    return objectText(parts);
  }
}

const NULL: JsonNode = { kind: "null" };

class Misfit extends Error {
  readonly reason: QuarantineReason;
  readonly value: string | null;
  readonly isFirst: boolean;

  constructor(
    reason: QuarantineReason,
    message: string,
    value: string | null = null,
    isFirst = false,
  ) {
    super(message);
    this.reason = reason;
    this.value = value;
    this.isFirst = isFirst;
  }
}

function scalar(node: JsonNode, type: Type): string {
  if (awaited(type) !== null) return placeholder(node, type);
  if (type.kind === "primitive" && type.name === "string") return JSON.stringify(textOf(node));
  if (!fitsScalar(node, type)) throw misfit(node, type);
  return node.kind === "boolean" ? String(node.value) : JSON.stringify(textOf(node));
}

/** What says nothing about a type yet. */
function placeholder(node: JsonNode, type: Type): string {
  const isEmpty = node.kind === "object" && node.entries.size === 0;
  if (isEmpty && awaited(type) === "object") return JSON.stringify(EMPTY_OBJECT_TEXT);
  const text = textOf(node) ?? "null";
  throw new Misfit("type", firstMessage(text), text, true);
}

/** Numbers are JSON numbers, times are JSON strings: neither is made of the other. */
function fitsScalar(node: JsonNode, type: Type): boolean {
  if (type.kind === "decimal") return node.kind === "number" && textFits(type, node.raw);
  if (type.kind !== "primitive") return false;
  switch (type.name) {
    case "boolean":
      return node.kind === "boolean";
    case "int":
    case "long":
      return node.kind === "number" && textFits(type, node.raw);
    case "double":
      return node.kind === "number" && fitsDouble(node.raw);
    case "float":
      return node.kind === "number" && fitsDouble(node.raw) && isFloat(node.raw);
    case "date":
    case "time":
    case "timestamp":
    case "timestamptz":
    case "uuid":
      return node.kind === "string" && textFits(type, node.value);
    case "binary":
    case "string":
      return false;
    default:
      return unreachable(type.name);
  }
}

/** An integer beyond 2^53 is not taken even where a double holds it: its neighbours would not be. */
function fitsDouble(raw: string): boolean {
  if (!survivesDouble(raw)) return false;
  return /[.eE]/.test(raw) || Math.abs(Number(raw)) <= Number.MAX_SAFE_INTEGER;
}

/** Exactly a float, or short enough to be printed back by one. */
function isFloat(raw: string): boolean {
  return Math.fround(Number(raw)) === Number(raw) || raw.replace(/[^0-9]/g, "").length <= 6;
}

function misfit(node: JsonNode, type: Type): Misfit {
  const text = textOf(node) ?? "null";
  return new Misfit("type", valueMessage(text, typeToText(type)), text);
}

function reject(
  reason: QuarantineReason,
  column: string | null,
  message: string,
  value: string | null = null,
): RowReject {
  return { kind: "reject", reason, column, message, value, isFirst: false };
}

/** A node as JSON text, its numbers as written. */
function jsonOf(node: JsonNode): string {
  switch (node.kind) {
    case "null":
      return "null";
    case "string":
      return JSON.stringify(node.value);
    case "boolean":
      return String(node.value);
    default:
      return node.raw;
  }
}

function objectText(parts: ReadonlyMap<string, string>): string {
  return `{${[...parts].map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(",")}}`;
}
