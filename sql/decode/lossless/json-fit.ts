/** Values of JSON, as it was parsed, made into values of a type or refused: the rule of lossless typing for them. */

import { unreachable } from "../../../core/base/assert.ts";
import type { DecodeRequest } from "../../../core/engine.ts";
import { awaited, EMPTY_OBJECT_TEXT, typeToText } from "../../../core/table/type-text.ts";
import type { Field, Type } from "../../../core/table/types.ts";
import { type JsonNode, textOf } from "../json/parse.ts";
import { findName, firstMessage, valueMessage } from "../target-columns.ts";
import { joinJson, Misfit } from "./exact-fit.ts";
import { survivesDouble, survivesFloat, textFits } from "./text-fit.ts";

export type JsonPolicy = Pick<DecodeRequest, "onUnknown">;

/** The value as JSON with every number as a text; unknown fields go into `rescued`. Throws Misfit. */
export function jsonFit(
  node: JsonNode,
  type: Type,
  policy: JsonPolicy,
  rescued: Map<string, string>,
): string {
  if (node.kind === "null") return "null";
  switch (type.kind) {
    case "struct":
      return fitStruct(node, type.fields, type, policy, rescued);
    case "list":
      if (node.kind !== "array") throw misfit(node, type);
      return `[${node.items.map((item) => fitInList(item, type.element, policy)).join(",")}]`;
    case "map":
      if (node.kind !== "object") throw misfit(node, type);
      return joinJson(
        new Map([...node.entries].map(([key, item]) => [key, fitInList(item, type.value, policy)])),
      );
    default:
      return scalar(node, type);
  }
}

/** A node as JSON text, its numbers as written. */
export function jsonOf(node: JsonNode): string {
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

/** Below a list there is no place for unknown fields: the row is set aside, or reported. */
function fitInList(node: JsonNode, type: Type, policy: JsonPolicy): string {
  const rescued = new Map<string, string>();
  const text = jsonFit(node, type, policy, rescued);
  const [name] = rescued.keys();
  if (name !== undefined) throw new Misfit("unknown-field", `${name} is not a field of the list`);
  return text;
}

function fitStruct(
  node: JsonNode,
  fields: readonly Field[],
  type: Type,
  policy: JsonPolicy,
  rescued: Map<string, string>,
): string {
  if (node.kind !== "object") throw misfit(node, type);
  const names = fields.map((field) => field.name);
  const parts = new Map<string, string>();
  for (const [key, value] of node.entries) {
    const field = fields[findName(names, key)];
    if (field === undefined) {
      if (policy.onUnknown === "rescue") rescued.set(key, jsonOf(value));
      else if (policy.onUnknown === "report" || value.kind !== "null") {
        throw new Misfit("unknown-field", `${key} is not a field of the contract`);
      }
      continue;
    }
    if (parts.has(field.name)) throw new Misfit("duplicate-key", `${key} stands twice`);
    const inner = new Map<string, string>();
    parts.set(field.name, jsonFit(value, field.type, policy, inner));
    if (inner.size > 0) rescued.set(key, joinJson(inner));
  }
  return joinJson(parts);
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
      return node.kind === "number" && fitsDouble(node.raw) && survivesFloat(Number(node.raw));
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

function misfit(node: JsonNode, type: Type): Misfit {
  const text = textOf(node) ?? "null";
  return new Misfit("type", valueMessage(text, typeToText(type)), text);
}
