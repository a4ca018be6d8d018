/** One JSON row decided exactly: as values for the table, or as what is wrong with it. */

import type { DecodeRequest } from "../../../core/engine.ts";
import type { QuarantineReason } from "../../../core/ingest/quarantine.ts";
import { joinJson, Misfit } from "../lossless/exact-fit.ts";
import { jsonFit, jsonOf } from "../lossless/json-fit.ts";
import { findName, type SourceColumn, sourceColumns } from "../target-columns.ts";
import {
  hasRepeatedKey,
  type JsonNode,
  type JsonObjectNode,
  kindText,
  parseExact,
  textOf,
} from "./parse.ts";
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
        if (!this.#isReported(outcome, column)) return outcome;
        reported.set(column.decode.source, outcome.value);
      } else parts.push(`${JSON.stringify(this.#keys[at] ?? column.decode.source)}:${outcome}`);
    }
    if (reported.size > 0) return { kind: "report", values: reported };
    if (rescued.size > 0) {
      parts.push(`${JSON.stringify(RESCUED_KEY)}:${JSON.stringify(joinJson(rescued))}`);
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

  #isReported(outcome: RowReject, { decode }: SourceColumn): boolean {
    if (outcome.reason === "unknown-field") return this.#request.onUnknown === "report";
    if (outcome.reason !== "type") return false;
    if (!outcome.isFirst && decode.setsAside === true) return false;
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
      const text = jsonFit(value, decode.awaits ?? field.type, this.#request, inner);
      if (inner.size > 0) rescued.set(decode.source, joinJson(inner));
      return text;
    } catch (thrown) {
      if (!(thrown instanceof Misfit)) throw thrown;
      const { reason, message, value: text, isFirst } = thrown;
      return { kind: "reject", reason, column: decode.source, message, value: text, isFirst };
    }
  }
}

const NULL: JsonNode = { kind: "null" };

function reject(
  reason: QuarantineReason,
  column: string | null,
  message: string,
  value: string | null = null,
): RowReject {
  return { kind: "reject", reason, column, message, value, isFirst: false };
}
