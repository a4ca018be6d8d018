/** What an endpoint answers: where its records are, what names them, and how it seems to say that there are more. */

import { LakeError } from "../../../core/base/errors.ts";
import { isJsonObject, type Json, type JsonObject, parseJson } from "../../../core/base/json.ts";
import type { Finds } from "../../../core/ingest/discovery.ts";
import type { DiscoverWorld } from "../../../core/ingest/source-kind.ts";
import { namePartFrom } from "../../../core/table/name.ts";
import { ApiClient, type Ask } from "./request.ts";
import type { ApiSettings } from "./settings.ts";

const KEYS = ["id", "uuid", "key", "code", "number"] as const;
const CURSORS = ["updated_at", "updatedAt", "modified_at", "last_modified", "updated"] as const;
const NEXT = /^(next_cursor|next_page_token|nextPageToken|cursor|next)$/;
const FIELDS_SHOWN_MAX = 8;
/** Somebody waits for the answer. */
const PATIENCE_MS = 15_000;

/** The endpoint that an address is of. */
export function apiEntry(address: string): JsonObject {
  const { origin, pathname, searchParams } = new URL(address);
  const last = pathname.split("/").findLast((part) => part !== "") ?? "records";
  const params = Object.fromEntries(searchParams);
  const endpoint = { path: pathname, ...(searchParams.size === 0 ? {} : { params }) };
  return { url: origin, endpoints: { [namePartFrom(last)]: endpoint } };
}

/** Asks each endpoint that is asked once for its first page. Throws LakeError. */
export async function discoverEndpoints(
  settings: ApiSettings,
  { clock, random }: DiscoverWorld,
  ask: Ask = (url, how) => fetch(url, how),
): Promise<Finds> {
  const world = { clock, random, notice: () => {} };
  const client = new ApiClient(settings, world, (url, how) => askData(ask, url, how));
  const found: Finds["found"][number][] = [];
  const keys: Record<string, JsonObject> = {};
  for (const { name, path, params, each } of settings.endpoints) {
    if (each !== null) continue;
    const url = new URL(`${settings.url.replace(/\/+$/, "")}/${path.replace(/^\/+/, "")}`);
    for (const [key, value] of Object.entries(params)) url.searchParams.set(key, value);
    const { text, nextLink } = await client.get(url.href, AbortSignal.timeout(PATIENCE_MS));
    const page = jsonOf(text, url);
    const records = recordsIn(page, []);
    const fields = Object.keys(records?.items[0] ?? {});
    const key = KEYS.find((each) => fields.includes(each)) ?? null;
    const cursor = CURSORS.find((each) => fields.includes(each)) ?? null;
    const shown = fields.slice(0, FIELDS_SHOWN_MAX).join(", ");
    const more = fields.length > FIELDS_SHOWN_MAX ? ", …" : "";
    const note = records === null ? "no records are in its answer" : `fields ${shown}${more}`;
    const rows = records?.items.length ?? null;
    found.push({ name, rows, bytes: text.length, key, note });
    const pages = pagesOf(page, nextLink, key);
    keys[name] = {
      path,
      ...(Object.keys(params).length === 0 ? {} : { params }),
      ...(records === null || records.path === "" ? {} : { records: records.path }),
      ...(pages === null ? {} : { pages }),
      ...(cursor === null ? {} : { cursor }),
      ...(key === null ? {} : { key }),
    };
  }
  return { at: settings.url, found, keys: { endpoints: keys } };
}

/** A page for people is no answer that was cut: it is not asked for again. */
async function askData(ask: Ask, url: string, how: RequestInit): Promise<Response> {
  const response = await ask(url, how);
  if (response.ok && /html/.test(response.headers.get("content-type") ?? "")) {
    throw noJson(new URL(url));
  }
  return response;
}

function jsonOf(text: string, url: URL): Json {
  try {
    return parseJson(text);
  } catch {
    throw noJson(url);
  }
}

function noJson({ origin, pathname }: URL): LakeError {
  return new LakeError("input", `${origin}${pathname} does not answer with JSON`, {
    hint: "name an endpoint that lists records",
  });
}

/** The first list of objects, outermost first, and the path that leads to it. */
function recordsIn(
  value: Json,
  path: readonly string[],
): { readonly path: string; readonly items: readonly JsonObject[] } | null {
  if (Array.isArray(value)) {
    const items = value.filter(isJsonObject);
    return items.length > 0 ? { path: path.join("."), items } : null;
  }
  if (!isJsonObject(value)) return null;
  for (const [name, item = null] of Object.entries(value)) {
    if (!Array.isArray(item)) continue;
    const found = recordsIn(item, [...path, name]);
    if (found !== null) return found;
  }
  for (const [name, item = null] of Object.entries(value)) {
    const found = isJsonObject(item) ? recordsIn(item, [...path, name]) : null;
    if (found !== null) return found;
  }
  return null;
}

/** Null where nothing says that there is more. */
function pagesOf(page: Json, nextLink: string | null, key: string | null): JsonObject | null {
  if (nextLink !== null) return { style: "link" };
  if (!isJsonObject(page)) return null;
  if (page.has_more === true && key !== null) {
    return { style: "cursor", param: "starting_after", next: `last.${key}` };
  }
  const nested = Object.entries(page).flatMap(([name, item = null]): [string, Json][] =>
    isJsonObject(item)
      ? Object.entries(item).map(([inner, value = null]) => [`${name}.${inner}`, value])
      : [[name, item]],
  );
  const next = nested.find(
    ([path, value]) => NEXT.test(path.split(".").at(-1) ?? "") && typeof value === "string",
  );
  return next === undefined ? null : { style: "cursor", next: next[0] };
}
