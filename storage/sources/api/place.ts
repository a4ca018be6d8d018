/** How far an API is read: for each endpoint what was asked for up to where, and the run that is under way. */

import {
  isJsonObject,
  type JsonObject,
  parseJson,
  stringifyJson,
} from "../../../core/base/json.ts";

/** An endpoint in a run. */
export interface EndpointRun {
  /** What the next page is asked by; null: it is the first. */
  readonly next: string | null;
  readonly page: number;
  /** Records that were passed. */
  readonly passed: number;
  /** The greatest cursor of the run. */
  readonly greatest: string | null;
  /** Of an endpoint that is asked once for each of another's records: what is left, first the one that is asked. */
  readonly parents: readonly Parent[];
}

/** What of a record its children are asked by, as it was written. */
export type Parent = Readonly<Record<string, string>>;

export interface EndpointPlace {
  /** The greatest cursor of runs that are over. */
  readonly mark: string | null;
  /** Of records within the overlap: by key, what they were, and their cursor. */
  readonly seen: Readonly<Record<string, readonly [hash: string, cursor: string | null]>>;
}

export interface ApiPlace {
  readonly endpoints: Readonly<Record<string, EndpointPlace>>;
  /** Null between runs. */
  readonly run: {
    readonly id: number;
    /** The endpoint that is asked. */
    readonly endpoint: string;
    readonly at: EndpointRun;
    /** Of endpoints that others are asked by: records of this run. */
    readonly parents: Readonly<Record<string, readonly Parent[]>>;
  } | null;
  /** Runs that are over. */
  readonly runs: number;
}

export const NO_PLACE: ApiPlace = { endpoints: {}, run: null, runs: 0 };
export const NEW_ENDPOINT: EndpointPlace = { mark: null, seen: {} };

/** For people first, then as it is read. */
export function placeText(place: ApiPlace): string {
  // parse: plain data, as its type says
  const json = place as unknown as JsonObject; // parse: above
  return `run ${place.runs + 1} ${stringifyJson(json)}`;
}

export function placeFromText(text: string | null): ApiPlace {
  if (text === null) return NO_PLACE;
  const json = parseJson(text.slice(text.indexOf("{")));
  // parse: this program wrote it
  return isJsonObject(json) ? (json as unknown as ApiPlace) : NO_PLACE; // parse: above
}
