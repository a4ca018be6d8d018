/** The Iceberg REST catalog: which path is whose. Iceberg REST spec 1.11; Java: ResourcePaths. */

import { createHash } from "node:crypto";
import { IDEMPOTENCY_MS, type Idempotency } from "../../../storage/catalog/idempotency.ts";
import { refusal } from "../../../storage/catalog/refusal.ts";
import { isEqual } from "../../../storage/sources/push/signature.ts";
import type { Session } from "../../open.ts";
import { type Answer, type Ask, bodyText, failed, failure, jsonOf, ok, TooLong } from "./answer.ts";
import { Door } from "./door.ts";
import * as namespaces from "./namespaces.ts";
import * as tables from "./tables.ts";
import * as views from "./views.ts";

type Handler = (door: Door, ask: Ask) => Promise<Answer>;

interface Route {
  readonly method: string;
  /** Below `/v1/`, or below `/v1/{prefix}/` in what clients are told. */
  readonly path: string;
  readonly run: Handler;
}

const NAMESPACE = "namespaces/{namespace}";
const TABLE = `${NAMESPACE}/tables/{table}`;
const VIEW = `${NAMESPACE}/views/{view}`;

const ROUTES: readonly Route[] = [
  { method: "GET", path: "namespaces", run: namespaces.list },
  { method: "POST", path: "namespaces", run: namespaces.create },
  { method: "GET", path: NAMESPACE, run: namespaces.load },
  { method: "HEAD", path: NAMESPACE, run: namespaces.exists },
  { method: "DELETE", path: NAMESPACE, run: namespaces.drop },
  { method: "POST", path: `${NAMESPACE}/properties`, run: namespaces.update },
  { method: "GET", path: `${NAMESPACE}/tables`, run: tables.list },
  { method: "POST", path: `${NAMESPACE}/tables`, run: tables.create },
  { method: "POST", path: `${NAMESPACE}/register`, run: tables.register },
  { method: "GET", path: TABLE, run: tables.load },
  { method: "HEAD", path: TABLE, run: tables.exists },
  { method: "POST", path: TABLE, run: tables.commit },
  { method: "DELETE", path: TABLE, run: tables.drop },
  { method: "GET", path: `${TABLE}/credentials`, run: tables.credentials },
  { method: "POST", path: `${TABLE}/metrics`, run: tables.metrics },
  { method: "POST", path: "tables/rename", run: tables.rename },
  { method: "GET", path: `${NAMESPACE}/views`, run: views.list },
  { method: "POST", path: `${NAMESPACE}/views`, run: views.create },
  { method: "POST", path: `${NAMESPACE}/register-view`, run: views.register },
  { method: "GET", path: VIEW, run: views.load },
  { method: "HEAD", path: VIEW, run: views.exists },
  { method: "POST", path: VIEW, run: views.commit },
  { method: "DELETE", path: VIEW, run: views.drop },
  { method: "POST", path: "views/rename", run: views.rename },
  { method: "POST", path: "transactions/commit", run: tables.commitTransaction },
];

const ENDPOINTS = ROUTES.map(({ method, path }) => `${method} /v1/{prefix}/${path}`);

export async function openDoor(session: Session, wake: () => void): Promise<Door> {
  return new Door(session, await session.iceberg(), wake);
}

/** Answers what is below `base`. */
export async function answerIceberg(
  door: Door,
  request: Request,
  { token, base }: { readonly token: string; readonly base: string },
): Promise<Response> {
  const answer = await answerOf(door, request, token, base);
  const isHead = request.method === "HEAD";
  return new Response(isHead ? null : answer.body, {
    status: answer.status,
    headers: {
      ...(answer.body === null ? {} : { "content-type": "application/json" }),
      ...answer.headers,
    },
  });
}

async function answerOf(
  door: Door,
  request: Request,
  token: string,
  base: string,
): Promise<Answer> {
  try {
    // RFC 9110, 11.1: a scheme is the same in any case.
    const said = (request.headers.get("authorization") ?? "").replace(/^bearer +/i, "Bearer ");
    if (!isEqual(said, `Bearer ${token}`)) {
      const text = "the token is missing or another one: Authorization: Bearer TOKEN";
      return failed(401, "NotAuthorizedException", text);
    }
    const { pathname, searchParams: query } = new URL(request.url);
    const { method, headers } = request;
    const path = pathname.slice(base.length).replace(/\/+$/, "");
    if (method === "GET" && path === "/v1/config") return config();
    const found = routeOf(method, path);
    if (found === null) {
      const text = `No route for request: ${method} ${path.replace(/^\//, "")}`;
      return failed(400, "BadRequestException", text);
    }
    const text = method === "POST" ? await bodyText(request) : "";
    const once = onceOf(headers, `${method} ${path} ${text}`);
    const { params } = found;
    const ask = { params, query, headers, body: async () => jsonOf(text), once };
    if (once === null || !CHANGING.has(method)) return await found.run(door, ask);
    return await door.answers.once(once, () => found.run(door, ask));
  } catch (thrown) {
    if (thrown instanceof TooLong) return failed(413, "BadRequestException", thrown.message);
    return failure(thrown);
  }
}

const CHANGING: ReadonlySet<string> = new Set(["POST", "DELETE"]);
const KEY_CHARS_MAX = 255;

function onceOf(headers: Headers, asked: string): Idempotency | null {
  const key = headers.get("idempotency-key");
  if (key === null) return null;
  if (key.length > 0 && key.length <= KEY_CHARS_MAX) {
    return { key, hash: createHash("sha256").update(asked).digest("hex") };
  }
  throw refusal("BadRequestException", `an Idempotency-Key has 1 to ${KEY_CHARS_MAX} characters`);
}

function config(): Answer {
  const lifetime = { "idempotency-key-lifetime": `PT${IDEMPOTENCY_MS / 60_000}M` };
  return ok({ defaults: {}, overrides: {}, endpoints: ENDPOINTS, ...lifetime });
}

function routeOf(
  method: string,
  path: string,
): { readonly run: Handler; readonly params: Record<string, string> } | null {
  const parts = path.split("/").slice(1);
  if (parts[0] !== "v1") return null;
  for (const route of ROUTES) {
    if (route.method !== method) continue;
    const params = matched(route.path.split("/"), parts.slice(1));
    if (params !== null) return { run: route.run, params };
  }
  return null;
}

function matched(
  pattern: readonly string[],
  parts: readonly string[],
): Record<string, string> | null {
  if (pattern.length !== parts.length) return null;
  const params: Record<string, string> = {};
  for (const [index, wanted] of pattern.entries()) {
    const part = parts[index] ?? "";
    const name = /^\{(.+)\}$/.exec(wanted)?.[1];
    if (name === undefined) {
      if (part !== wanted) return null;
      continue;
    }
    const text = decoded(part);
    if (text === null) return null;
    params[name] = text;
  }
  return params;
}

/** As forms are: clients in Java write a blank as a plus. Java: RESTUtil.encodeString. */
function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part.replaceAll("+", " "));
  } catch {
    return null;
  }
}
