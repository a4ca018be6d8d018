/** Settings of `kind: lookup`: what is asked of something outside, by which keys, and how long an answer holds. */

import { sha256Hex } from "../base/sha256.ts";
import {
  below,
  type Cursor,
  duration,
  integer,
  nullable,
  optional,
  report,
  text,
} from "../config/shape.ts";
import { declaredTypeText } from "../config/type-text.ts";
import type { Type } from "../table/types.ts";

/** How the answers to keys are had. */
export interface Lookup {
  /** Of `lookups:` in tarn.yaml. */
  readonly from: string;
  /** A statement with `{keys}`, or what follows the url, with `{column}` for each column of the key. */
  readonly ask: string;
  /** Of a request that has one; with `{keys}`. */
  readonly body: string | null;
  /** Where in an answer its rows are: member names, joined by dots; null: it is them. */
  readonly items: string | null;
  readonly columns: ReadonlyMap<string, Type>;
  /** How long an answer holds; null: for ever. */
  readonly ttlMs: number | null;
  /** After which an error is asked again. */
  readonly retryMs: number;
  /** Keys of one request. */
  readonly batch: number;
  /** Hexadecimal, of what is asked: answers to another question are none. */
  readonly version: string;
}

/** Columns of answers beside the key and what was asked for. */
export const ANSWER_COLUMN = "_answer";
export const ERROR_COLUMN = "_error";
export const ASKED_AT_COLUMN = "_asked_at";
export const VERSION_COLUMN = "_version";
const OWN_COLUMNS = [ANSWER_COLUMN, ERROR_COLUMN, ASKED_AT_COLUMN, VERSION_COLUMN];

/** Their types, in their order. */
export const ANSWER_TYPES: readonly (readonly [string, Type])[] = OWN_COLUMNS.map((name) => [
  name,
  { kind: "primitive", name: name === ASKED_AT_COLUMN ? "timestamptz" : "string" },
]);

const NO_TEXT: string | null = null;
const NO_NUMBER: number | null = null;
const RETRY_MS = 5 * 60_000;
const SQL_BATCH = 500;
const BATCH_MAX = 10_000;
const VERSION_CHARS = 12;
/** The layer of what came from outside. */
export const ANSWERS_LAYER = "bronze";

/** Settings of `kind: lookup`. */
export const LOOKUP_KEYS = {
  from: optional(
    nullable(text({ examples: ["crm"] })),
    NO_TEXT,
    "lookup: which of lookups: in tarn.yaml is asked.",
  ),
  ask: optional(
    nullable(
      text({
        examples: ["select id, tier from public.customers where id in ({keys})", "/customers/{id}"],
      }),
    ),
    NO_TEXT,
    "lookup: the statement, with {keys}; or what follows the url, with the columns of the key in braces.",
  ),
  body: optional(
    nullable(text({ examples: ['{"ids": {keys}}'] })),
    NO_TEXT,
    "lookup, over HTTP: what is posted, with {keys}, a JSON array. Default: nothing is, and it is a GET.",
  ),
  items: optional(
    nullable(text({ examples: ["data.items"] })),
    NO_TEXT,
    "lookup, over HTTP: the member of an answer that its rows are in. Default: the answer is one row, or an array.",
  ),
  ttl: optional(
    nullable(duration()),
    NO_NUMBER,
    "lookup: how long an answer holds; a later build asks again. Default: for ever.",
  ),
  error_ttl: optional(
    duration(),
    RETRY_MS,
    "lookup: after which a key whose answer was an error is asked again.",
  ),
  batch: optional(
    nullable(integer({ min: 1, max: BATCH_MAX })),
    NO_NUMBER,
    "lookup: keys of one request. Default: 500 of a statement or a body, 1 of an address.",
  ),
};

export interface LookupValues {
  readonly kind: string;
  readonly key: readonly string[];
  readonly from: string | null;
  readonly ask: string | null;
  readonly body: string | null;
  readonly items: string | null;
  readonly ttl: number | null;
  readonly error_ttl: number;
  readonly batch: number | null;
  readonly columns: { readonly types: ReadonlyMap<string, Type> | null } | null;
}

/** The lookup of a model, or null; reports what is missing, or means nothing for its kind. */
export function lookupFrom(values: LookupValues, layer: string, cursor: Cursor): Lookup | null {
  const { kind, from, ask, body, items, batch, key } = values;
  if (kind !== "lookup") {
    refuseSettings(values, cursor);
    return null;
  }
  reportMissing(values, layer, cursor);
  const types = values.columns?.types ?? null;
  reportColumns(types, cursor);
  if (from === null || ask === null || types === null) return null;
  const texts = [...types].map(([name, type]) => [name, declaredTypeText(type)]);
  const isMany = /\{keys\}/.test(ask) || body !== null;
  return {
    from,
    ask,
    body,
    items,
    columns: types,
    ttlMs: values.ttl,
    retryMs: values.error_ttl,
    batch: batch ?? (isMany ? SQL_BATCH : 1),
    version: sha256Hex(JSON.stringify([from, ask, body, items, key, texts])).slice(
      0,
      VERSION_CHARS,
    ),
  };
}

/** What makes a lookup look which keys it has to ask for: the question, and how long answers hold. */
export function lookupMeaning({ version, ttlMs, retryMs }: Lookup): unknown {
  return [version, ttlMs, retryMs];
}

function refuseSettings(values: LookupValues, cursor: Cursor): void {
  const { kind, from, ask, body, items, ttl, batch } = values;
  const error_ttl = values.error_ttl === RETRY_MS ? null : values.error_ttl;
  for (const [name, value] of Object.entries({ from, ask, body, items, ttl, batch, error_ttl })) {
    if (value === null) continue;
    const message = `${name} means nothing for kind ${kind}`;
    report(below(cursor, name), message, "write kind: lookup, or take it out", "key");
  }
}

function reportMissing(values: LookupValues, layer: string, cursor: Cursor): void {
  const { from, ask, body, key } = values;
  const types = values.columns?.types ?? new Map();
  const isWithKeys = ask === null || ask.includes("{") || body?.includes("{") === true;
  const needs: readonly (readonly [boolean, string, string])[] = [
    [from !== null, "somebody to ask", "from: crm, an entry of lookups: in tarn.yaml"],
    [ask !== null, "a question", "ask: select id, tier from public.customers where id in ({keys})"],
    [key.length > 0, "a key", "key: customer_id, a column of its query"],
    [types.size > 0, "columns with their types", "columns: { tier: varchar }"],
    [
      isWithKeys,
      "a question with keys in it",
      "ask: /customers/{customer_id}, or a statement with {keys}",
    ],
  ];
  for (const [isThere, what, line] of needs) {
    if (isThere) continue;
    report(below(cursor, "kind"), `a lookup needs ${what}`, `add a line such as: ${line}`);
  }
  if (layer === ANSWERS_LAYER) return;
  const hint = `move it to models/${ANSWERS_LAYER}/: what came from outside is not made again`;
  report(below(cursor, "kind"), `answers are kept in ${ANSWERS_LAYER}, not in ${layer}`, hint);
}

function reportColumns(types: ReadonlyMap<string, Type> | null, cursor: Cursor): void {
  for (const [name, type] of types ?? []) {
    const isPlain = type.kind === "primitive" || type.kind === "decimal";
    if (isPlain && !OWN_COLUMNS.includes(name)) continue;
    const message = isPlain
      ? `${name} is a column of every lookup`
      : `${name} cannot be ${declaredTypeText(type)}`;
    const hint = "take plain types, under other names: varchar holds JSON";
    report(below(cursor, "columns"), message, hint);
  }
}
