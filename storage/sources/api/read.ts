/** Reads an API: run by run, endpoint by endpoint, page by page; each page is a file of the records that are new. */

import { LakeError } from "../../../core/base/errors.ts";
import { isJsonObject, type Json, parseJson } from "../../../core/base/json.ts";
import type { Lag } from "../../../core/ingest/lag.ts";
import type { ReaderWorld } from "../../../core/ingest/source-kind.ts";
import type {
  ReaderLimits,
  ReaderRequest,
  SealedStretch,
  StreamReader,
} from "../../../core/ingest/stream.ts";
import { Durable, realDisk } from "../../disk/durable.ts";
import { earlier, greater, isLess } from "../cursor.ts";
import { emptyFolder, sealBytes, sha256Of } from "../sealed-file.ts";
import {
  type ApiPlace,
  type EndpointPlace,
  type EndpointRun,
  NEW_ENDPOINT,
  type Parent,
  placeFromText,
  placeText,
} from "./place.ts";
import { type Answer, ApiClient, type Ask } from "./request.ts";
import type { ApiEndpoint, ApiSettings } from "./settings.ts";
import { recordSpans } from "./spans.ts";

const SEEN_MAX = 50_000;
const PARENTS_MAX = 20_000;
const HASH_CHARS = 16;
const FIRST: EndpointRun = { next: null, page: 0, passed: 0, greatest: null, parents: [] };

/** A record, with what is looked at of it. */
interface ApiRecord {
  readonly text: string;
  readonly value: Json;
}

export class ApiReader implements StreamReader {
  isCaughtUp = false;
  readonly #request: ReaderRequest;
  readonly #settings: ApiSettings;
  readonly #world: ReaderWorld;
  readonly #client: ApiClient;
  #place: ApiPlace;
  /** When the next run begins. */
  #dueMs: number;
  #begunMs: number;
  /** The last run that is over: where it ends, and when it began. */
  #ended: { readonly to: string; readonly begunMs: number } | null = null;
  /** When the last run began that is in the lake. */
  #wholeMs: number | null = null;

  static async open(
    request: ReaderRequest,
    settings: ApiSettings,
    world: ReaderWorld,
    ask: Ask = (url, how) => fetch(url, how),
  ): Promise<ApiReader> {
    const { folder, lakeRoot } = request;
    const durable = new Durable(realDisk, lakeRoot);
    await emptyFolder(durable, folder);
    return new ApiReader(request, settings, world, ask);
  }

  private constructor(request: ReaderRequest, settings: ApiSettings, world: ReaderWorld, ask: Ask) {
    this.#request = request;
    this.#settings = settings;
    this.#world = world;
    this.#client = new ApiClient(settings, world, ask);
    this.#place = placeFromText(request.from);
    this.#dueMs = world.clock.nowMs();
    this.#begunMs = this.#dueMs;
  }

  async next(limits: ReaderLimits, signal: AbortSignal): Promise<SealedStretch | null> {
    const { clock } = this.#world;
    const endMs = clock.nowMs() + limits.ms;
    while (!signal.aborted) {
      const nowMs = clock.nowMs();
      if (this.#place.run !== null || nowMs >= this.#dueMs) {
        const stretch = await this.#step(signal);
        if (stretch !== null) return stretch;
        continue;
      }
      this.isCaughtUp = true;
      if (nowMs >= endMs) return null;
      await clock.sleep(Math.min(this.#dueMs, endMs) - nowMs, signal);
    }
    return null;
  }

  /** What was read is in the lake: there is nobody else to tell. */
  async acknowledge(position: string): Promise<void> {
    if (position === this.#ended?.to) this.#wholeMs = this.#ended.begunMs;
  }

  /** What it has is as of the beginning of the last run that is whole; how much came since, it does not say. */
  async lag(): Promise<Lag | null> {
    if (this.#wholeMs === null) return null;
    return { bytes: null, rows: null, ms: this.#world.clock.nowMs() - this.#wholeMs };
  }

  async close(): Promise<void> {}

  /** One page; null when nothing in it is new, and another one follows. */
  async #step(signal: AbortSignal): Promise<SealedStretch | null> {
    const run = this.#place.run ?? this.#begin();
    const endpoint = this.#endpoint(run.endpoint);
    if (endpoint.each !== null && run.at.parents.length === 0) {
      return await this.#finish(endpoint, run.at, []);
    }
    const place = this.#place.endpoints[endpoint.name] ?? NEW_ENDPOINT;
    const url = this.#urlOf(endpoint, run.at, place);
    const answer = await this.#client.get(url, signal);
    const all = recordSpans(answer.text, endpoint.records).map(({ start, end }): ApiRecord => {
      const text = answer.text.slice(start, end);
      return { text, value: parseJson(text) };
    });
    const [parent] = run.at.parents;
    const fresh = this.#fresh(endpoint, place, all).map(({ text }) => withParent(text, parent));
    const at = this.#after(endpoint, run.at, answer, all);
    this.#remember(endpoint, place, all);
    const parents = this.#collected(endpoint, run.parents, all);
    this.#place = { ...this.#place, run: { ...run, at: at ?? run.at, parents } };
    if (at === null)
      return await this.#finish(endpoint, withGreatest(endpoint, run.at, all), fresh);
    return fresh.length === 0 ? null : await this.#seal(endpoint, run.id, run.at, fresh);
  }

  #begin(): NonNullable<ApiPlace["run"]> {
    const [first] = this.#settings.endpoints.filter(({ each }) => each === null);
    const run = { id: this.#place.runs + 1, endpoint: first?.name ?? "", at: FIRST, parents: {} };
    this.#place = { ...this.#place, run };
    this.#begunMs = this.#world.clock.nowMs();
    return run;
  }

  /** The order of a run: those that are asked once, then those that are asked for records of others. */
  #order(): readonly ApiEndpoint[] {
    const { endpoints } = this.#settings;
    return [
      ...endpoints.filter(({ each }) => each === null),
      ...endpoints.filter(({ each }) => each !== null),
    ];
  }

  #endpoint(name: string): ApiEndpoint {
    const found = this.#settings.endpoints.find((endpoint) => endpoint.name === name);
    if (found !== undefined) return found;
    throw new LakeError("config", `an endpoint ${name} was being read, and is there no more`, {
      hint: `put it back until its run is over: tarn build`,
    });
  }

  #urlOf(endpoint: ApiEndpoint, at: EndpointRun, place: EndpointPlace): string {
    const { pages, cursor_param: param } = endpoint;
    const isNextAddress = pages?.style === "link" && at.next !== null;
    if (isNextAddress) return at.next ?? "";
    const [parent = {}] = at.parents;
    const path = endpoint.path.replace(/\{(\w+)\}/g, (_, field: string) =>
      encodeURIComponent(plainText(parent[field] ?? "")),
    );
    const url = new URL(`${this.#settings.url.replace(/\/+$/, "")}/${path.replace(/^\/+/, "")}`);
    for (const [name, value] of Object.entries(endpoint.params)) url.searchParams.set(name, value);
    if (param !== null && place.mark !== null) {
      url.searchParams.set(param, earlier(place.mark, endpoint.overlap));
    }
    if (pages === null) return url.href;
    if (pages.size_param !== null) url.searchParams.set(pages.size_param, String(pages.size));
    const name = pages.param ?? pages.style;
    if (pages.style === "page") url.searchParams.set(name, String(at.page + pages.first));
    if (pages.style === "offset") url.searchParams.set(name, String(at.passed));
    if (pages.style === "cursor" && at.next !== null) url.searchParams.set(name, at.next);
    return url.href;
  }

  /** Records that did not come before as they are. */
  #fresh(endpoint: ApiEndpoint, place: EndpointPlace, all: readonly ApiRecord[]): ApiRecord[] {
    const { key } = endpoint;
    if (key === null) return [...all];
    return all.filter((record) => {
      const id = textAt(record.value, key);
      return id === null || place.seen[id]?.[0] !== hashOf(record.text);
    });
  }

  /** The endpoint behind a page; null when it was the last. */
  #after(
    endpoint: ApiEndpoint,
    at: EndpointRun,
    answer: Answer,
    all: readonly ApiRecord[],
  ): EndpointRun | null {
    const { greatest } = withGreatest(endpoint, at, all);
    const [, ...others] = at.parents;
    const next = this.#nextOf(endpoint, at, answer, all);
    if (next === null) {
      return others.length === 0 ? null : { ...FIRST, greatest, parents: others };
    }
    if (at.page + 1 >= this.#settings.pages_max) {
      throw new LakeError("input", `${endpoint.name} has more than ${at.page + 1} pages`, {
        hint: "look at pages: of the endpoint, or raise pages_max",
      });
    }
    const passed = at.passed + all.length;
    return { next, page: at.page + 1, passed, greatest, parents: at.parents };
  }

  #nextOf(
    { pages, name }: ApiEndpoint,
    at: EndpointRun,
    answer: Answer,
    all: readonly ApiRecord[],
  ): string | null {
    if (pages === null || all.length === 0) return null;
    if (pages.style === "link") return this.#sameOrigin(answer.nextLink, name);
    if (pages.style !== "cursor") {
      const isLast = pages.size_param !== null && all.length < pages.size;
      return isLast ? null : "";
    }
    const path = pages.next ?? "";
    const last = all.at(-1)?.value ?? null;
    const found = path.startsWith("last.")
      ? textAt(last, path.slice("last.".length))
      : textAt(parseJson(answer.text), path);
    if (found === null || found === "") return null;
    if (found !== at.next) return found;
    throw new LakeError("input", `${name} names the same next page again`, {
      hint: "look at pages: of the endpoint",
    });
  }

  /** Who asks is told to nobody else. */
  #sameOrigin(link: string | null, name: string): string | null {
    if (link === null) return null;
    const { origin } = new URL(this.#settings.url);
    if (new URL(link).origin === origin) return link;
    throw new LakeError("input", `the next page of ${name} is at another server`, {
      hint: `only ${origin} is asked`,
    });
  }

  #remember(endpoint: ApiEndpoint, place: EndpointPlace, all: readonly ApiRecord[]): void {
    const { key, cursor, name } = endpoint;
    if (key === null) return;
    const seen = { ...place.seen };
    for (const { text, value } of all) {
      const id = textAt(value, key);
      if (id !== null) seen[id] = [hashOf(text), cursor === null ? null : textAt(value, cursor)];
    }
    const endpoints = { ...this.#place.endpoints, [name]: { ...place, seen } };
    this.#place = { ...this.#place, endpoints };
  }

  /** What children are asked by, of records of an endpoint that has some. */
  #collected(
    { name }: ApiEndpoint,
    parents: Readonly<Record<string, readonly Parent[]>>,
    all: readonly ApiRecord[],
  ): Readonly<Record<string, readonly Parent[]>> {
    const children = this.#settings.endpoints.filter(({ each }) => each === name);
    if (children.length === 0) return parents;
    const fields = children.flatMap(({ path }) =>
      [...path.matchAll(/\{(\w+)\}/g)].map(([, f]) => f),
    );
    const own = all.map(({ value }) =>
      Object.fromEntries(fields.map((field) => [field ?? "", jsonAt(value, field ?? "")])),
    );
    const list = [...(parents[name] ?? []), ...own];
    if (list.length > PARENTS_MAX) {
      throw new LakeError("input", `${name} has more than ${PARENTS_MAX} records to ask for`, {
        hint: "narrow it by params:, or by a cursor",
      });
    }
    return { ...parents, [name]: list };
  }

  /** The endpoint is read to its end: its mark moves on, and the next one follows. */
  async #finish(
    endpoint: ApiEndpoint,
    at: EndpointRun,
    fresh: readonly string[],
  ): Promise<SealedStretch> {
    const { run, runs, endpoints } = this.#place;
    const before = endpoints[endpoint.name] ?? NEW_ENDPOINT;
    const mark = greater(before.mark, at.greatest);
    const seen = withinOverlap(before.seen, mark, endpoint.overlap);
    const place = { ...endpoints, [endpoint.name]: { mark, seen } };
    const parents = run?.parents ?? {};
    const order = this.#order();
    const next = order[order.findIndex(({ name }) => name === endpoint.name) + 1];
    const id = run?.id ?? runs + 1;
    if (next === undefined) {
      this.#place = { endpoints: place, run: null, runs: runs + 1 };
      this.#dueMs = this.#world.clock.nowMs() + this.#settings.every;
      this.#ended = { to: placeText(this.#place), begunMs: this.#begunMs };
    } else {
      const own = next.each === null ? [] : (parents[next.each] ?? []);
      const first = { ...FIRST, parents: own };
      this.#place = {
        endpoints: place,
        run: { id, endpoint: next.name, at: first, parents },
        runs,
      };
    }
    if (fresh.length > 0) return await this.#seal(endpoint, id, at, fresh);
    return { to: placeText(this.#place), files: [] };
  }

  async #seal(
    { name }: ApiEndpoint,
    run: number,
    at: EndpointRun,
    records: readonly string[],
  ): Promise<SealedStretch> {
    const bytes = new TextEncoder().encode(
      records.map((record) => `${oneLine(record)}\n`).join(""),
    );
    const file = `${name}/${run}-${at.parents.length}-${at.page}.jsonl`;
    const { folder } = this.#request;
    const { random } = this.#world;
    const sealed = await sealBytes(bytes, file, { disk: realDisk, folder, random });
    return { to: placeText(this.#place), files: [{ ...sealed, tables: [name] }] };
  }
}

function withGreatest(
  { cursor }: ApiEndpoint,
  at: EndpointRun,
  all: readonly ApiRecord[],
): EndpointRun {
  if (cursor === null) return at;
  let { greatest } = at;
  for (const { value } of all) greatest = greater(greatest, textAt(value, cursor));
  return { ...at, greatest };
}

/** What may come again: records at the mark, or within the overlap before it. */
function withinOverlap(
  seen: EndpointPlace["seen"],
  mark: string | null,
  overlapMs: number,
): EndpointPlace["seen"] {
  const entries = Object.entries(seen);
  if (mark === null) return Object.fromEntries(entries.slice(-SEEN_MAX));
  const from = earlier(mark, overlapMs);
  const near = entries.filter(([, [, cursor]]) => cursor === null || !isLess(cursor, from));
  return Object.fromEntries(near.slice(-SEEN_MAX));
}

function hashOf(text: string): string {
  return sha256Of(text).slice(0, HASH_CHARS);
}

/** The value at a dotted path, as text; null where there is none. */
function textAt(value: Json, path: string): string | null {
  let at: Json = value;
  for (const name of path.split(".")) at = isJsonObject(at) ? (at[name] ?? null) : null;
  return at === null || typeof at === "object" ? null : String(at);
}

/** A field as JSON. */
function jsonAt(value: Json, field: string): string {
  const found = isJsonObject(value) ? (value[field] ?? null) : null;
  return typeof found === "bigint" ? String(found) : JSON.stringify(found);
}

/** JSON of a text or a number as it stands in an address. */
function plainText(json: string): string {
  return json.startsWith('"') ? String(parseJson(json)) : json;
}

/** A record with what it was asked by in front, where it is an object. */
function withParent(text: string, parent: Parent | undefined): string {
  if (parent === undefined || !text.startsWith("{")) return text;
  const own = Object.entries(parent).map(
    ([name, json]) => `${JSON.stringify(`_parent_${name}`)}:${json}`,
  );
  if (own.length === 0) return text;
  const rest = text.slice(1).trimStart();
  return `{${own.join(",")}${rest.startsWith("}") ? "" : ","}${rest}`;
}

/** Line ends stand between the parts of JSON only. */
function oneLine(json: string): string {
  return json.replace(/[\r\n]+/g, " ");
}
