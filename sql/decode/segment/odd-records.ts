/** Records that are not usual, decided each by itself as they would be where all are looked at. */

import type * as api from "@duckdb/node-api";
import type { DecodeRequest } from "../../../core/engine.ts";
import { ChangeRows } from "../envelope/change-rows.ts";
import { rowJson } from "../lossless/exact-value.ts";
import { ExactDecider } from "../made/row-decider.ts";
import type { RowFault } from "../made/row-source.ts";
import { requestTargets } from "../made/targets.ts";
import { findName, sourceColumns } from "../target-columns.ts";
import { planTopic, type Topic, typesOf } from "./topic-plan.ts";
import { besideOf } from "./topic-rows.ts";
import type { RecordEvent } from "./topic-values.ts";

/** What is wrong with a record, and how it stands among those that are set aside. */
export interface AsideRecord {
  readonly fault: RowFault;
  readonly raw: string;
}

const NONE_MADE: ReadonlyMap<string, string | null> = new Map();

export class OddRecords {
  readonly #native: typeof api;
  readonly #topic: Topic;
  readonly #request: DecodeRequest;
  readonly #sources: readonly string[];

  constructor(native: typeof api, topic: Topic, request: DecodeRequest) {
    this.#native = native;
    this.#topic = topic;
    this.#request = request;
    this.#sources = sourceColumns(request).map(({ decode }) => decode.source);
  }

  /** Null for one that lands, or that what stands in other records has a say in: all are to be looked at. */
  asideOf(event: RecordEvent): AsideRecord | null {
    const plan = planTopic(this.#topic, [event]);
    const names = plan.columns.map(({ name }) => name);
    if (names.some((name) => this.#isOtherwiseWritten(name))) return null;
    const targetOf = requestTargets(this.#request, typesOf(plan));
    const [row, ...others] = new ChangeRows(plan, targetOf).rowsOf(event, besideOf(event, plan));
    if (row === undefined || others.length > 0) return null;
    const raw = row.raw ?? rowJson(names, row.values);
    if (row.fault !== null) return { fault: row.fault, raw };
    const decider = new ExactDecider(this.#native, this.#request, { names, text: "times" });
    const verdict = decider.decide(row.values, NONE_MADE, false);
    return verdict.kind === "reject" ? { fault: verdict, raw } : null;
  }

  /** A name that is a column's but for small and capital letters. */
  #isOtherwiseWritten(name: string): boolean {
    const at = findName(this.#sources, name);
    return at >= 0 && this.#sources[at] !== name;
  }
}
