/** Lookups over HTTP: one host, one address or body for some keys, JSON answers. */

import { errorText, LakeError } from "../../core/base/errors.ts";
import { isJsonObject, type Json, parseJson, stringifyJson } from "../../core/base/json.ts";
import type { Clock } from "../../core/ports.ts";
import { type Ask, retryAfterMs } from "../sources/api/request.ts";
import {
  type Answer,
  type AnswerRow,
  answerOf,
  dealt,
  type KeyTexts,
  type Oracle,
  Passing,
} from "./oracle.ts";
import type { AskTask } from "./wire.ts";

const BODY_BYTES_MAX = 64 * 1024 * 1024;
const SAID_CHARS = 200;
const REDIRECTS_MAX = 3;
/** Shorter values stand in other words too. */
const HIDDEN_CHARS_MIN = 4;

export interface HttpWorld {
  readonly clock: Pick<Clock, "nowMs">;
  readonly fetch: Ask;
}

export class HttpOracle implements Oracle {
  readonly #task: AskTask;
  readonly #world: HttpWorld;
  readonly #base: URL;

  constructor(task: AskTask, world: HttpWorld) {
    this.#task = task;
    this.#world = world;
    try {
      this.#base = new URL(task.connection.url);
    } catch {
      throw new LakeError("config", `lookups: url of ${task.request.from} is no address`, {
        hint: "write https://host/path",
      });
    }
  }

  async ask(keys: readonly KeyTexts[], signal: AbortSignal): Promise<readonly Answer[]> {
    const { keys: names, body } = this.#task.request;
    const columns = this.#task.request.columns.map(({ name }) => name);
    const isOne = keys.length === 1 && body === null;
    const response = await this.#fetch(this.#address(keys), this.#body(keys), signal);
    const { status } = response;
    if (isOne && (status === 404 || status === 410)) {
      await response.body?.cancel();
      return keys.map(() => ({ kind: "not_found", values: [], error: null }));
    }
    const text = await this.#text(response);
    if (!response.ok) return keys.map(() => this.#refused(response, text));
    const rows = this.#rows(text);
    if (typeof rows === "string")
      return keys.map(() => ({ kind: "error", values: [], error: rows }));
    // An address of one key need not say the key again.
    return isOne ? [answerOf(rows, columns)] : dealt(rows, keys, { keys: names, columns });
  }

  async close(): Promise<void> {}

  #address(keys: readonly KeyTexts[]): URL {
    const { ask, keys: names } = this.#task.request;
    const filled = ask.replaceAll(/\{(\w+)\}/g, (whole, name: string) => {
      const index = names.findIndex((one) => one.toLowerCase() === name.toLowerCase());
      if (index < 0 && name !== "keys") return whole;
      const texts = keys.map((key) => encodeURIComponent(key[Math.max(0, index)] ?? ""));
      return texts.join(",");
    });
    const { origin, pathname, search } = this.#base;
    const address = new URL(`${origin}${pathname.replace(/\/$/, "")}/${filled.replace(/^\//, "")}`);
    if (search !== "") {
      address.search = address.search === "" ? search : `${address.search}&${search.slice(1)}`;
    }
    // What is asked came with rows: it may lead to no other host.
    if (address.origin === origin) return address;
    throw new LakeError("config", `ask leads to ${address.origin}, and ${origin} is asked alone`, {
      hint: "write what follows the url of lookups:",
    });
  }

  #body(keys: readonly KeyTexts[]): string | null {
    const { body, keys: names } = this.#task.request;
    if (body === null) return null;
    const values: Json =
      names.length === 1
        ? keys.map(([text = ""]) => text)
        : keys.map((key) =>
            Object.fromEntries(names.map((name, index) => [name, key[index] ?? ""])),
          );
    return body.replaceAll("{keys}", () => stringifyJson(values));
  }

  async #fetch(address: URL, body: string | null, signal: AbortSignal): Promise<Response> {
    const { headers, timeoutMs } = this.#task.connection;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const sent = {
      accept: "application/json",
      ...(body === null ? {} : { "content-type": "application/json" }),
      ...this.#basic(),
      ...headers,
    };
    let url = address;
    for (let redirects = 0; ; redirects++) {
      let response: Response;
      try {
        const method = body === null ? "GET" : "POST";
        response = await this.#world.fetch(url.href, {
          method,
          headers: sent,
          body,
          signal: limit,
          redirect: "manual",
        });
      } catch (thrown) {
        const why = this.#hidden(errorText(thrown));
        throw new Passing(
          new LakeError("io", `${place(url)} does not answer: ${why}`, {
            hint: "answers that were had are kept; the rest is asked for by the next build",
          }),
        );
      }
      const location = response.headers.get("location");
      if (response.status < 300 || response.status >= 400 || location === null) {
        return await this.#orPassing(response, url);
      }
      await response.body?.cancel();
      const next = URL.parse(location, url.href);
      if (next === null) {
        throw new LakeError("io", `${place(url)} sends on to what is no address`, {
          hint: "ask who runs it; the rest is asked for by the next build",
        });
      }
      if (next.origin !== this.#base.origin || redirects === REDIRECTS_MAX) {
        throw new LakeError(
          "config",
          `${place(url)} sends on to ${next.origin}, which is not asked`,
          {
            hint: "name that host in lookups: if it is meant",
          },
        );
      }
      url = next;
    }
  }

  /** User and password of the url; `headers:` come first. */
  #basic(): Readonly<Record<string, string>> {
    const { username, password } = this.#base;
    const names = Object.keys(this.#task.connection.headers).map((name) => name.toLowerCase());
    if ((username === "" && password === "") || names.includes("authorization")) return {};
    const pair = `${unescaped(username)}:${unescaped(password)}`;
    return { authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
  }

  /** What a later request may be answered otherwise throws; so does what no request will be. */
  async #orPassing(response: Response, url: URL): Promise<Response> {
    const { status } = response;
    const isPassing = status === 429 || status === 408 || status >= 500;
    const isDenied = status === 401 || status === 403;
    if (!isPassing && !isDenied) return response;
    const said = this.#said(await response.text().catch(() => ""));
    const message = `${place(url)} answers ${status}${said}`;
    if (isDenied) {
      throw new LakeError("config", message, { hint: "look at headers: of the entry in lookups:" });
    }
    const error = new LakeError("io", message, {
      hint: "answers that were had are kept; the rest is asked for by the next build",
    });
    throw new Passing(
      error,
      retryAfterMs(response.headers.get("retry-after"), this.#world.clock.nowMs()),
    );
  }

  async #text(response: Response): Promise<string> {
    const pieces: Uint8Array[] = [];
    let length = 0;
    try {
      for await (const piece of response.body ?? []) {
        length += piece.byteLength;
        if (length > BODY_BYTES_MAX) break;
        pieces.push(piece);
      }
    } catch (thrown) {
      const why = this.#hidden(errorText(thrown));
      throw new Passing(new LakeError("io", `${place(this.#base)} stopped in an answer: ${why}`));
    }
    if (length > BODY_BYTES_MAX) {
      throw new LakeError(
        "input",
        `an answer of ${place(this.#base)} has more than ${BODY_BYTES_MAX} bytes`,
        {
          hint: "ask for fewer keys at a time: batch:",
        },
      );
    }
    return Buffer.concat(pieces).toString("utf8");
  }

  #refused({ status }: Response, text: string): Answer {
    return { kind: "error", values: [], error: `HTTP ${status}${this.#said(text)}` };
  }

  /** The rows of an answer, or what is wrong with it. */
  #rows(text: string): readonly AnswerRow[] | string {
    const { items } = this.#task.request;
    let json: Json;
    try {
      json = parseJson(text);
    } catch {
      return `the answer is no JSON: ${this.#hidden(text.slice(0, SAID_CHARS))}`;
    }
    for (const name of items?.split(".") ?? []) {
      const inner = isJsonObject(json) ? json[name] : undefined;
      if (inner === undefined) return `the answer has no ${items}`;
      json = inner;
    }
    if (json === null) return [];
    const rows = Array.isArray(json) ? json : [json];
    if (!rows.every(isJsonObject)) return "the answer has rows that are no objects";
    return rows.map(
      (row) =>
        new Map(
          Object.entries(row).map(([name, value]) => [name.toLowerCase(), textOf(value ?? null)]),
        ),
    );
  }

  #said(text: string): string {
    const said = this.#hidden(text.replaceAll(/\s+/g, " ").trim().slice(0, SAID_CHARS));
    return said === "" ? "" : `: ${said}`;
  }

  /** Servers repeat what they were sent. */
  #hidden(text: string): string {
    const sent = { ...this.#basic(), ...this.#task.connection.headers };
    const values = Object.values(sent).flatMap((value) => [value, ...value.split(" ")]);
    const queried = this.#base.search.slice(1).split("&");
    const parts = [this.#base.password, ...queried.map((pair) => pair.replace(/^[^=]*=/, ""))];
    const secrets = [...values, ...parts, ...parts.map(unescaped)];
    return secrets
      .filter((value) => value.length >= HIDDEN_CHARS_MIN)
      .sort((a, b) => b.length - a.length)
      .reduce((told, value) => told.replaceAll(value, "(secret)"), text);
  }
}

function textOf(value: Json): string | null {
  if (value === null || typeof value === "string") return value;
  return typeof value === "object" ? stringifyJson(value) : String(value);
}

/** A part of an address as it is meant. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** An address without what may be secret in it. */
function place({ origin, pathname }: URL): string {
  return `${origin}${pathname}`;
}
