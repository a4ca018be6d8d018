/** The registry that has the schemas of records: each is asked for once, and waited for while nobody answers. */

import { errorText, LakeError } from "../../../core/base/errors.ts";
import {
  isJsonObject,
  type JsonObject,
  numberField,
  objectsField,
  parseJson,
  stringField,
} from "../../../core/base/json.ts";
import type { SegmentSchema } from "../../../core/ingest/segment.ts";
import type { ReaderWorld } from "../../../core/ingest/source-kind.ts";
import { SCHEMA_BYTES_MAX, SCHEMA_REFERENCES_MAX } from "../../../core/limits.ts";
import { authoritiesIn } from "./cluster.ts";
import { refusal } from "./failure.ts";
import type { KafkaSettings, RegistrySettings } from "./settings.ts";

/** As fetch does. */
export type Ask = (url: string, how: RequestInit) => Promise<Response>;

/** What is framed begins with this byte; the number of the schema is behind it. Confluent, "Wire format". */
const MARK = 0;
const FRAME_BYTES = 5;
const TIMEOUT_MS = 10_000;
/** Nobody answers: it is asked again after so long, and later up to so long. */
const AGAIN_MS = 100;
const AGAIN_MS_MAX = 5_000;
/** What lasts longer is the source's failure, which is tried again as such. */
const TROUBLE_MS = 30_000;
/** A number that is in no registry may be there later. */
const UNKNOWN_MS = 10_000;
const ACCEPT = "application/vnd.schemaregistry.v1+json, application/json";

/** The number of the schema that bytes name; null where they name none. */
export function schemaIdOf(bytes: Uint8Array, start: number, end: number): number | null {
  if (start < 0 || end - start < FRAME_BYTES || bytes[start] !== MARK) return null;
  return new DataView(bytes.buffer, bytes.byteOffset + start).getUint32(1);
}

/** Null where none is configured. Throws LakeError for a file that cannot be read. */
export async function registryOf(
  { registry }: KafkaSettings,
  projectRoot: string,
): Promise<RegistryClient | null> {
  if (registry === null) return null;
  const { tls_ca: file } = registry;
  const authorities = file === null ? null : await authoritiesIn(file, projectRoot);
  return new RegistryClient(registry, authorities);
}

/** The schemas that were asked for. */
export class Schemas {
  readonly #client: Pick<RegistryClient, "schema">;
  readonly #world: Pick<ReaderWorld, "clock" | "random" | "notice">;
  /** What a number stands for never changes, whatever becomes of the subject that it was made for. */
  readonly #schemas = new Map<number, SegmentSchema>();
  /** By number: until when it is not asked for again. */
  readonly #unknown = new Map<number, number>();

  constructor(
    client: Pick<RegistryClient, "schema">,
    world: Pick<ReaderWorld, "clock" | "random" | "notice">,
  ) {
    this.#client = client;
    this.#world = world;
  }

  /** Those of the numbers that the registry has; waits while it does not answer. Throws LakeError. */
  async of(ids: Iterable<number>, signal: AbortSignal): Promise<readonly SegmentSchema[]> {
    const found: SegmentSchema[] = [];
    for (const id of ids) {
      const schema = this.#schemas.get(id) ?? (await this.#fetched(id, signal));
      if (schema !== null) found.push(schema);
    }
    return found;
  }

  async #fetched(id: number, signal: AbortSignal): Promise<SegmentSchema | null> {
    const { clock } = this.#world;
    if (clock.nowMs() < (this.#unknown.get(id) ?? 0)) return null;
    const schema = await this.#patiently(() => this.#client.schema(id, signal), signal);
    if (schema === null) this.#unknown.set(id, clock.nowMs() + UNKNOWN_MS);
    else this.#schemas.set(id, schema);
    return schema;
  }

  /** What passes is tried again, later each time. */
  async #patiently<T>(action: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { clock, random, notice } = this.#world;
    const startMs = clock.nowMs();
    for (let times = 0; ; times++) {
      try {
        return await action();
      } catch (thrown) {
        const isPassing = thrown instanceof LakeError && thrown.code === "io";
        if (!isPassing || signal.aborted || clock.nowMs() - startMs >= TROUBLE_MS) throw thrown;
        if (times === 0) notice(`${thrown.message}; waiting for it`);
        const most = Math.min(AGAIN_MS_MAX, AGAIN_MS * 2 ** times);
        await clock.sleep(most / 2 + random.fraction() * (most / 2), signal);
      }
    }
  }
}

export class RegistryClient {
  readonly #url: string;
  readonly #how: RequestInit;
  readonly #ask: Ask;

  /** `authorities` are those of `tls_ca`. */
  constructor(
    settings: RegistrySettings,
    authorities: string | null,
    ask: Ask = (url, how) => fetch(url, how),
  ) {
    this.#url = settings.url.replace(/\/+$/, "");
    this.#how = {
      headers: { accept: ACCEPT, ...loginOf(settings) },
      ...(authorities === null ? {} : { tls: { ca: authorities } }),
    };
    this.#ask = ask;
  }

  /** Whether it answers, and lets one in. Throws LakeError. */
  async look(): Promise<void> {
    await this.#get("/schemas/types", AbortSignal.timeout(TIMEOUT_MS));
  }

  /** Null where it has none of this number. Throws LakeError. */
  async schema(id: number, signal: AbortSignal): Promise<SegmentSchema | null> {
    const json = await this.#get(`/schemas/ids/${id}`, signal);
    if (json === null) return null;
    const references = new Map<string, string>();
    await this.#refer(json, references, new Set(), signal);
    const texts = [...references].map(([name, text]) => ({ name, text }));
    return { id, type: typeOf(json), text: stringField(json, "schema"), references: texts };
  }

  /** Adds what a schema refers to, what that refers to first. */
  async #refer(
    json: JsonObject,
    texts: Map<string, string>,
    under: Set<string>,
    signal: AbortSignal,
  ): Promise<void> {
    for (const reference of objectsField(json, "references")) {
      const name = stringField(reference, "name");
      if (texts.has(name) || under.has(name)) continue;
      under.add(name);
      if (under.size > SCHEMA_REFERENCES_MAX) {
        const hint = "give the topic a source of its own with format: bytes";
        throw refusal(
          "input",
          `a schema refers to more than ${SCHEMA_REFERENCES_MAX} others`,
          hint,
        );
      }
      const subject = encodeURIComponent(stringField(reference, "subject"));
      const version = numberField(reference, "version");
      // Records outlive the subject that their schema refers to.
      const path = `/subjects/${subject}/versions/${version}?deleted=true`;
      const found = await this.#get(path, signal);
      // What lacks it is read as far as it can be.
      if (found === null) continue;
      await this.#refer(found, texts, under, signal);
      texts.set(name, stringField(found, "schema"));
    }
  }

  /** Null where there is no such thing. */
  async #get(path: string, signal: AbortSignal): Promise<JsonObject | null> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const { status, text } = await this.#answer(`${this.#url}${path}`, limit);
    if (status === 404) {
      // Somebody else's page says so too, and would make every record one of no schema.
      if (isRegistryError(text)) return null;
      throw refusal("config", `${this.#url} is no schema registry: it answers 404`, HINTS.url);
    }
    if (status === 401 || status === 403) {
      throw refusal("config", `${this.#url} answers ${status}: ${shown(text)}`, HINTS.login);
    }
    if (status !== 200) {
      throw refusal("io", `${this.#url} answers ${status}: ${shown(text)}`, HINTS.again);
    }
    const json = jsonOf(text);
    if (json === null) {
      throw refusal("io", `${this.#url} answers what no registry does: ${shown(text)}`, HINTS.url);
    }
    return isJsonObject(json) ? json : {};
  }

  async #answer(url: string, signal: AbortSignal) {
    try {
      const response = await this.#ask(url, { ...this.#how, signal });
      const bytes = await response.arrayBuffer();
      if (bytes.byteLength > SCHEMA_BYTES_MAX) {
        const hint = "give the topic a source of its own with format: bytes";
        throw refusal("input", `a schema has more than ${SCHEMA_BYTES_MAX} bytes`, hint);
      }
      return { status: response.status, text: new TextDecoder().decode(bytes) };
    } catch (thrown) {
      if (thrown instanceof LakeError) throw thrown;
      const message = `the schema registry ${this.#url} does not answer: ${errorText(thrown)}`;
      throw refusal("io", message, HINTS.again);
    }
  }
}

const HINTS = {
  url: "correct url: of registry: it is what stands before /schemas/ids",
  login: "look at user, password or token of registry:",
  again: "it is asked again; nothing is lost",
} as const;
const SHOWN_CHARS = 200;

function loginOf({ user, password, token }: RegistrySettings): Readonly<Record<string, string>> {
  if (token !== null) return { authorization: `Bearer ${token}` };
  if (user === null) return {};
  const pair = Buffer.from(`${user}:${password ?? ""}`).toString("base64");
  return { authorization: `Basic ${pair}` };
}

/** A schema of Avro has no word for it. */
function typeOf(json: JsonObject): SegmentSchema["type"] {
  const word = json.schemaType ?? "AVRO";
  switch (word) {
    case "AVRO":
      return "avro";
    case "PROTOBUF":
      return "protobuf";
    case "JSON":
      return "json";
    default:
      throw refusal(
        "unsupported",
        `the registry has a schema of the type ${String(word)}`,
        "give the topic a source of its own with format: bytes",
      );
  }
}

function isRegistryError(text: string): boolean {
  const json = jsonOf(text);
  return isJsonObject(json) && json.error_code !== undefined;
}

function jsonOf(text: string) {
  try {
    return parseJson(text);
  } catch {
    return null;
  }
}

function shown(text: string): string {
  return text.replaceAll(/\s+/g, " ").slice(0, SHOWN_CHARS);
}
