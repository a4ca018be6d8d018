/** Asks an API, patiently: limits of its rate, failures that pass, tokens that end. */

import { errorText, LakeError } from "../../../core/base/errors.ts";
import { isJsonObject, parseJson } from "../../../core/base/json.ts";
import type { ReaderWorld } from "../../../core/ingest/source-kind.ts";
import type { ApiAuth, ApiSettings } from "./settings.ts";

/** As fetch does. */
export type Ask = (url: string, how: RequestInit) => Promise<Response>;

export interface Answer {
  readonly text: string;
  /** Of the Link header, the address of rel="next". */
  readonly nextLink: string | null;
}

const ATTEMPTS_MAX = 8;
const BACKOFF_MS = 500;
const BACKOFF_MS_MAX = 60_000;
const TIMEOUT_MS = 60_000;
const BODY_BYTES_MAX = 256 * 1024 * 1024;
/** A token is asked for again so long before it ends. */
const EARLY_MS = 30_000;

export class ApiClient {
  readonly #settings: ApiSettings;
  readonly #world: Pick<ReaderWorld, "clock" | "random" | "notice">;
  readonly #ask: Ask;
  #token: { readonly value: string; readonly untilMs: number } | null = null;

  constructor(
    settings: ApiSettings,
    world: Pick<ReaderWorld, "clock" | "random" | "notice">,
    ask: Ask,
  ) {
    this.#ask = ask;
    this.#settings = settings;
    this.#world = world;
  }

  /** Throws LakeError for what does not pass by itself. */
  async get(url: string, signal: AbortSignal): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#attempt(url, signal);
      if ("text" in outcome) return outcome;
      if (outcome.fatal || attempt === ATTEMPTS_MAX || signal.aborted) throw outcome.error;
      // Full jitter: who failed together does not come back together.
      const most = Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** attempt);
      const waitMs = outcome.afterMs ?? this.#world.random.fraction() * most;
      await this.#world.clock.sleep(waitMs, signal);
    }
  }

  async #attempt(url: string, signal: AbortSignal): Promise<Answer | Failure> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    try {
      const headers = await this.#headers(limit);
      const response = await this.#ask(url, { headers, signal: limit, redirect: "follow" });
      if (response.ok) return await answerOf(response, url);
      const said = (await response.text()).slice(0, 200);
      return this.#refused(url, response, said);
    } catch (thrown) {
      if (thrown instanceof LakeError) return { error: thrown, fatal: true, afterMs: null };
      const error = new LakeError("io", `${place(url)} does not answer: ${errorText(thrown)}`, {
        hint: "it is asked again; nothing is lost",
      });
      return { error, fatal: false, afterMs: null };
    }
  }

  #refused(url: string, response: Response, said: string): Failure {
    const { status } = response;
    const error = new LakeError("input", `${place(url)} answers ${status}: ${said}`, {
      hint: status === 401 || status === 403 ? "look at auth: of the source" : "it is asked again",
    });
    if (status === 401 && this.#token !== null) {
      // It ended before its time.
      this.#token = null;
      return { error, fatal: false, afterMs: 0 };
    }
    const passes = status === 429 || status === 408 || status >= 500;
    const afterMs = retryAfterMs(response.headers.get("retry-after"), this.#world.clock.nowMs());
    if (passes && afterMs !== null)
      this.#world.notice(`asked to wait ${Math.ceil(afterMs / 1000)} s`);
    return { error, fatal: !passes, afterMs };
  }

  async #headers(signal: AbortSignal): Promise<Record<string, string>> {
    const { headers, auth } = this.#settings;
    const own = { accept: "application/json", ...headers };
    if (auth === null) return own;
    const { bearer, basic, header, key, token_url: tokenUrl } = auth;
    if (bearer !== null) return { ...own, authorization: `Bearer ${bearer}` };
    if (basic !== null) return { ...own, authorization: `Basic ${btoa(basic)}` };
    if (header !== null) return { ...own, [header]: key ?? "" };
    if (tokenUrl === null) return own;
    return { ...own, authorization: `Bearer ${await this.#tokenOf(tokenUrl, auth, signal)}` };
  }

  /** RFC 6749, section 4.4. */
  async #tokenOf(url: string, auth: ApiAuth, signal: AbortSignal): Promise<string> {
    const nowMs = this.#world.clock.nowMs();
    if (this.#token !== null && nowMs < this.#token.untilMs) return this.#token.value;
    const body = new URLSearchParams({ grant_type: "client_credentials" });
    body.set("client_id", auth.client_id ?? "");
    body.set("client_secret", auth.client_secret ?? "");
    if (auth.scope !== null) body.set("scope", auth.scope);
    const response = await this.#ask(url, { method: "POST", body, signal });
    const json = response.ok ? parseJson(await response.text()) : null;
    const value = isJsonObject(json) ? json.access_token : null;
    if (typeof value !== "string") {
      throw new LakeError("config", `${place(url)} gives no token: it answers ${response.status}`, {
        hint: "look at client_id and client_secret of auth:",
      });
    }
    const seconds = isJsonObject(json) ? Number(json.expires_in ?? 3_600) : 3_600;
    this.#token = { value, untilMs: nowMs + Math.max(0, seconds * 1_000 - EARLY_MS) };
    return value;
  }
}

interface Failure {
  readonly error: LakeError;
  /** It does not pass by itself. */
  readonly fatal: boolean;
  /** What the server asks to be left alone for. */
  readonly afterMs: number | null;
}

/** The whole of it, or a failure: a body that was cut short is no answer. */
async function answerOf(response: Response, url: string): Promise<Answer> {
  const bytes = await response.arrayBuffer();
  if (bytes.byteLength > BODY_BYTES_MAX) {
    throw new LakeError("input", `an answer has more than ${BODY_BYTES_MAX} bytes`, {
      hint: "ask for smaller pages: pages: { size: }",
    });
  }
  const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  // What cannot be read is asked for again.
  parseJson(text);
  return { text, nextLink: nextLinkOf(response.headers.get("link") ?? "", url) };
}

/** RFC 8288. */
function nextLinkOf(links: string, base: string): string | null {
  for (const [, url = "", params = ""] of links.matchAll(/<([^>]*)>([^,]*)/g)) {
    if (/;\s*rel\s*=\s*"?next"?(?:;|\s|$)/i.test(params)) return new URL(url, base).href;
  }
  return null;
}

/** Seconds or a date. RFC 9110, section 10.2.3. */
export function retryAfterMs(value: string | null, nowMs: number): number | null {
  if (value === null) return null;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1_000;
  const time = Date.parse(value);
  return Number.isNaN(time) ? null : Math.max(0, time - nowMs);
}

/** An address without what may be secret in it. */
function place(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
