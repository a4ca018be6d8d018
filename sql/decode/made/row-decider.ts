/** One row of exact values decided: as values for the table, or as what is wrong with it. */

import type * as api from "@duckdb/node-api";
import type { DuckDBValue } from "@duckdb/node-api";
import type { DecodeRequest } from "../../../core/engine.ts";
import { exactOf } from "../json/exact.ts";
import { JsonFault, parseExact } from "../json/parse.ts";
import { type Fitter, fitterOf, joinJson, Misfit } from "../lossless/exact-fit.ts";
import { type Exact, exactJson, exactText } from "../lossless/exact-value.ts";
import { findName, type SourceColumn, sourceColumns, unknownNames } from "../target-columns.ts";
import type { RowFault, RowSource } from "./row-source.ts";

export type RowVerdict =
  /** The values of the table's columns that files fill, and the JSON of unknown fields. */
  | { readonly kind: "land"; readonly values: readonly DuckDBValue[] }
  | ({ readonly kind: "reject" } & RowFault)
  /** Names that the caller wants to learn first, with their values as text. */
  | { readonly kind: "report"; readonly values: ReadonlyMap<string, string | null> };

interface Place {
  readonly column: SourceColumn;
  /** In the rows; -1: the file has no such field. */
  readonly at: number;
  readonly fit: Fitter;
  /** For corrected rows, in which every value was a text of JSON. */
  readonly fitFixed: Fitter;
}

/** Decides rows of one file under one request. */
export class ExactDecider {
  readonly places: readonly Place[];
  /** Names of the file that no column claims. */
  readonly unknown: readonly string[];
  #request: DecodeRequest;
  #names: readonly string[];
  /** Unknown fields of the row, and of the value, that is being decided: made once, for there are millions. */
  readonly #rescued = new Map<string, string>();
  readonly #inner = new Map<string, string>();

  constructor(
    native: typeof api,
    request: DecodeRequest,
    source: Pick<RowSource, "names" | "text">,
  ) {
    this.#request = request;
    this.#names = source.names;
    const columns = sourceColumns(request);
    const { onUnknown } = request;
    this.places = columns.map((column) => {
      const type = column.decode.awaits ?? column.field.type;
      const text = column.decode.expression === null ? source.text : "all";
      return {
        column,
        at: findName(source.names, column.decode.source),
        fit: fitterOf(native, type, { text, onUnknown }),
        fitFixed: fitterOf(native, type, { text: "all", onUnknown }),
      };
    });
    this.unknown = unknownNames(source.names, columns);
  }

  /** `made` holds what expressions made of the row, by source name. */
  decide(
    values: readonly Exact[],
    made: ReadonlyMap<string, string | null>,
    isFixed: boolean,
  ): RowVerdict {
    const rescued = this.#rescued;
    rescued.clear();
    const refused = this.#takeUnknown(values, rescued);
    if (refused !== null) return refused;
    const row: DuckDBValue[] = [];
    let reported: Map<string, string | null> | null = null;
    for (const place of this.places) {
      const { source } = place.column.decode;
      const own = place.at < 0 ? null : (values[place.at] ?? null);
      const isMade = made.size > 0 && made.has(source);
      const value = isMade ? (made.get(source) ?? null) : own;
      const fault = this.#column(place, value, isFixed, rescued, row);
      if (fault === null) continue;
      if (!this.#isReported(fault, place.column)) return fault;
      reported ??= new Map();
      reported.set(source, exactText(value));
    }
    if (reported !== null) return { kind: "report", values: reported };
    row.push(rescued.size === 0 ? null : joinJson(rescued));
    return { kind: "land", values: row };
  }

  /** The values of a corrected row: a JSON object by the names of the file. */
  parseFix(text: string): readonly Exact[] | RowFault {
    try {
      const node = parseExact(text);
      if (node.kind !== "object") return fixFault(`a row is an object, not a ${node.kind}`);
      const values: Exact[] = this.#names.map(() => null);
      for (const [key, item] of node.entries) {
        const at = findName(this.#names, key);
        if (at < 0) return fixFault(`the fix holds ${key}, which is no field of the file`);
        values[at] = exactOf(item);
      }
      return node.repeated === null ? values : fixFault(`${node.repeated} stands twice`);
    } catch (thrown) {
      if (!(thrown instanceof JsonFault)) throw thrown;
      return fixFault(thrown.message);
    }
  }

  #takeUnknown(values: readonly Exact[], rescued: Map<string, string>): RowVerdict | null {
    for (const name of this.unknown) {
      const value = values[this.#names.indexOf(name)] ?? null;
      if (value === null) continue;
      if (this.#request.onUnknown === "rescue") rescued.set(name, exactJson(value));
      else if (this.#request.onUnknown === "quarantine") {
        const message = `${name} is not a column of the contract`;
        return { kind: "reject", reason: "unknown-field", column: name, message };
      }
    }
    return null;
  }

  #column(
    place: Place,
    value: Exact,
    isFixed: boolean,
    rescued: Map<string, string>,
    row: DuckDBValue[],
  ): (RowVerdict & { readonly kind: "reject" }) | null {
    const { source, required } = place.column.decode;
    if (value === null && required) {
      return rejected(source, "required", `${source} is required and empty`);
    }
    const inner = this.#inner;
    try {
      row.push((isFixed ? place.fitFixed : place.fit)(value, inner));
      if (inner.size > 0) rescued.set(source, joinJson(inner));
      return null;
    } catch (thrown) {
      if (!(thrown instanceof Misfit)) throw thrown;
      return { ...rejected(source, thrown.reason, thrown.message), isFirst: thrown.isFirst };
    } finally {
      if (inner.size > 0) inner.clear();
    }
  }

  #isReported(fault: RowFault, { decode }: SourceColumn): boolean {
    if (fault.reason === "unknown-field") return this.#request.onUnknown === "report";
    if (fault.reason !== "type") return false;
    if (fault.isFirst !== true && decode.setsAside === true) return false;
    return this.#request[fault.isFirst === true ? "onFirst" : "onMisfit"] === "report";
  }
}

function rejected(column: string, reason: RowFault["reason"], message: string) {
  return { kind: "reject", reason, column, message } as const;
}

function fixFault(message: string): RowFault {
  return { reason: "parse", column: null, message: `the fix does not parse: ${message}` };
}
