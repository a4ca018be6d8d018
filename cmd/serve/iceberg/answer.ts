/** Requests and answers of the Iceberg REST catalog, and its one shape of error. Iceberg REST spec, `ErrorModel`. */

import { type ErrorCode, errorText, LakeError } from "../../../core/base/errors.ts";
import {
  isJsonObject,
  type Json,
  type JsonObject,
  parseJson,
  stringifyJson,
} from "../../../core/base/json.ts";
import type { Idempotency } from "../../../storage/catalog/idempotency.ts";
import { type RefusalType, refusal, refusalType } from "../../../storage/catalog/refusal.ts";

/** A request that a route took. */
export interface Ask {
  /** Parts of the path, by the names that the route has for them. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  /** Its JSON. Throws where it is none, or too long. */
  readonly body: () => Promise<JsonObject>;
  /** The key that the client gave the request; null without one. */
  readonly once: Idempotency | null;
}

export interface Answer {
  readonly status: number;
  /** JSON; null for no body at all. */
  readonly body: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

export const NO_CONTENT: Answer = { status: 204, body: null };

const STATUS: Readonly<Record<RefusalType, number>> = {
  BadRequestException: 400,
  IllegalArgumentException: 400,
  ValidationException: 400,
  ForbiddenException: 403,
  NoSuchNamespaceException: 404,
  NoSuchTableException: 404,
  NoSuchViewException: 404,
  NotFoundException: 404,
  UnsupportedOperationException: 406,
  AlreadyExistsException: 409,
  NamespaceNotEmptyException: 409,
  CommitFailedException: 409,
  UnprocessableEntityException: 422,
  CommitStateUnknownException: 500,
};

/** Failures that bear no name of the protocol. 5xx tells a client that a commit may have happened. */
const OTHER: Partial<Record<ErrorCode, readonly [number, string]>> = {
  usage: [400, "BadRequestException"],
  schema: [400, "ValidationException"],
  unsupported: [406, "UnsupportedOperationException"],
  "not-found": [404, "NotFoundException"],
  conflict: [409, "CommitFailedException"],
  locked: [503, "ServiceUnavailableException"],
};

export function ok(json: Json): Answer {
  return { status: 200, body: stringifyJson(json) };
}

export function failed(status: number, type: string, message: string): Answer {
  return { status, body: stringifyJson({ error: { message, type, code: status } }) };
}

/** What a failure is to a client. Nothing of a bug is told but that it is one. */
export function failure(thrown: unknown): Answer {
  if (!(thrown instanceof LakeError)) {
    return failed(500, "InternalServerError", "the catalog failed; its own terminal says more");
  }
  const type = refusalType(thrown);
  const said = thrown.hint === null ? thrown.message : `${thrown.message}; ${thrown.hint}`;
  if (type !== null) return failed(STATUS[type], type, said);
  const [status, name] = OTHER[thrown.code] ?? [500, "ServiceFailureException"];
  const answer = failed(status, name, said);
  return status === 503 ? { ...answer, headers: { "retry-after": "1" } } : answer;
}

/** Bytes of a request's body: hundreds of schemas of thousands of columns. */
const BODY_BYTES_MAX = 32 * 1024 * 1024;

/** Reads a body whole, as long as it is not too long. Throws TooLong. */
export async function bodyText(request: Request): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  if (request.body !== null) {
    for await (const chunk of request.body) {
      size += chunk.byteLength;
      if (size > BODY_BYTES_MAX) throw tooLong();
      chunks.push(chunk);
    }
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch (thrown) {
    throw refusal("BadRequestException", `Malformed request: ${errorText(thrown)}`);
  }
}

export function jsonOf(text: string): JsonObject {
  let json: Json;
  try {
    json = parseJson(text);
  } catch (thrown) {
    throw refusal("BadRequestException", `Malformed request: ${errorText(thrown)}`);
  }
  if (isJsonObject(json)) return json;
  throw refusal("BadRequestException", "Malformed request: the body is no JSON object");
}

/** Says what of a request is wrong in the words of one. */
export function readingBody<T>(read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    if (!(thrown instanceof LakeError) || refusalType(thrown) !== null) throw thrown;
    if (thrown.code === "unsupported") {
      throw refusal("UnsupportedOperationException", thrown.message, thrown);
    }
    throw refusal("BadRequestException", `Malformed request: ${thrown.message}`, thrown);
  }
}

/** Sent with 413 by its type's own status. */
export class TooLong extends Error {}

function tooLong(): TooLong {
  return new TooLong(`a request has at most ${BODY_BYTES_MAX} bytes`);
}
