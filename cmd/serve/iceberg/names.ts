/** Names as they stand in paths, queries and bodies of the Iceberg REST catalog. */

import {
  isJsonObject,
  type Json,
  type JsonObject,
  listField,
  objectField,
  stringField,
} from "../../../core/base/json.ts";
import type { TableName } from "../../../core/table/types.ts";
import { refusal } from "../../../storage/catalog/refusal.ts";
import type { Ask } from "./answer.ts";

/** Between the levels of a namespace in a path. Iceberg REST spec, `namespace-separator`. */
const SEPARATOR = "\u001f";

export function levelsOf(text: string): readonly string[] {
  return text.split(SEPARATOR);
}

/** The namespace of a path. */
export function namespaceAsked({ params }: Ask): readonly string[] {
  return levelsOf(params.namespace ?? "");
}

/** The table or view of a path. */
export function nameAsked(ask: Ask): TableName {
  return nameOf(namespaceAsked(ask), ask.params.table ?? ask.params.view ?? "");
}

/** A name that cannot be told from another one is none that there is. */
export function nameOf(levels: readonly string[], name: string): TableName {
  const [wrong] = [...levels, name].filter((part) => part === "" || part.includes("."));
  if (wrong === undefined) return [...levels, name].join(".");
  throw refusal("BadRequestException", `Invalid name: "${wrong}" is empty or has a dot in it`);
}

export function levelsIn(json: JsonObject, key: string): readonly string[] {
  return listField(json, key).map((level: Json) => {
    if (typeof level === "string") return level;
    throw refusal("BadRequestException", `Malformed request: "${key}" is no list of names`);
  });
}

/** `{"namespace": ["a"], "name": "b"}`. */
export function identifierIn(json: JsonObject, key: string): TableName {
  const identifier = objectField(json, key);
  return nameOf(levelsIn(identifier, "namespace"), stringField(identifier, "name"));
}

export function identifierJson(levels: readonly string[], name: string): JsonObject {
  return { namespace: levels, name };
}

/** One page of sorted names: all of them unless a client began to ask by pages. Iceberg REST spec, `PageToken`. */
export function pageOf(
  names: readonly string[],
  query: URLSearchParams,
): { readonly page: readonly string[]; readonly next: string | null } {
  const token = query.get("pageToken");
  if (token === null) return { page: names, next: null };
  const size = sizeOf(query.get("pageSize"));
  const after = token === "" ? null : nameOfToken(token);
  const start = after === null ? 0 : names.findIndex((name) => name > after);
  const rest = start < 0 ? [] : names.slice(start);
  const page = rest.slice(0, size);
  const last = page.at(-1);
  const hasMore = rest.length > page.length && last !== undefined;
  return { page, next: hasMore ? Buffer.from(last, "utf8").toString("base64url") : null };
}

const PAGE_DEFAULT = 1_000;

function sizeOf(text: string | null): number {
  if (text === null) return PAGE_DEFAULT;
  const size = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (size > 0) return size;
  throw refusal("BadRequestException", `Invalid pageSize: ${text}`);
}

/** The last name of the page before: what comes after it does not depend on what is added or removed. */
function nameOfToken(token: string): string {
  const name = Buffer.from(token, "base64url").toString("utf8");
  if (Buffer.from(name, "utf8").toString("base64url") === token) return name;
  throw refusal("BadRequestException", `Invalid pageToken: ${token}`);
}

export function optionalText(json: JsonObject, key: string): string | null {
  const value = json[key];
  if (value === undefined || value === null) return null;
  if (typeof value === "string") return value;
  throw refusal("BadRequestException", `Malformed request: "${key}" is no text`);
}

export function isTrue(json: JsonObject, key: string): boolean {
  return isJsonObject(json) && json[key] === true;
}
