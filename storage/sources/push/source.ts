/** Bodies that others push over HTTP: each is an original, and its sender hears of it once it is committed. */

import { keepsOriginals, type SourceConfig } from "../../../core/ingest/contract.ts";
import type { Lag } from "../../../core/ingest/lag.ts";
import type { LedgerFile } from "../../../core/ingest/ledger.ts";
import type { Batch, BatchLimits, Claim, Part, Source } from "../../../core/ingest/source.ts";
import type {
  HttpAnswer,
  HttpAsked,
  HttpDoor,
  SourceWorld,
} from "../../../core/ingest/source-kind.ts";
import type { Disk } from "../../disk/disk.ts";
import { Durable, realDisk } from "../../disk/durable.ts";
import { emptyFolder, sealBytes, sha256Of } from "../sealed-file.ts";
import { BODY_ENDINGS, bodyOf, type PushedBody } from "./body.ts";
import type { PushSettings } from "./settings.ts";
import { isEqual, signatureFault } from "./signature.ts";

/** Bytes of bodies that wait at a time: more are told to come back. */
const WAITING_BYTES_MAX = 128 * 1024 * 1024;
const WAITING_MAX = 10_000;
const KEY_CHARS_MAX = 255;
const RETRY_AFTER = { "retry-after": "1" };

interface Waiting extends PushedBody {
  /** In the ledger. */
  readonly name: string;
  readonly sha256: string;
  readonly sinceMs: number;
  readonly answer: (answer: HttpAnswer) => void;
}

export class PushSource implements Source {
  readonly name: string;
  readonly into: string;
  readonly #settings: PushSettings;
  readonly #config: SourceConfig;
  readonly #world: SourceWorld;
  readonly #durable: Durable;
  readonly #leave: () => void;
  readonly #folder: string;
  #isSwept = false;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** Answers to come, by name: who asks again while one is under way hears the same. */
  readonly #underWay = new Map<
    string,
    { readonly sha256: string; readonly answer: Promise<HttpAnswer> }
  >();

  /** `disk` holds the lake. */
  constructor(
    name: string,
    settings: PushSettings,
    config: SourceConfig,
    world: SourceWorld,
    disk: Disk = realDisk,
  ) {
    this.name = name;
    this.into = config.into;
    this.#settings = settings;
    this.#config = config;
    this.#world = world;
    this.#durable = new Durable(disk, world.io.root);
    this.#folder = `${world.io.root}/streams/${name}`;
    this.#leave = world.http?.enter(name, (asked, door) => this.#take(asked, door)) ?? (() => {});
  }

  async poll(limits: BatchLimits): Promise<Batch | null> {
    await this.#sweep();
    const taken: Waiting[] = [];
    let bytes = 0;
    for (const waiting of this.#waiting) {
      const isFull = taken.length >= limits.files || bytes + waiting.bytes.length > limits.bytes;
      if (isFull && taken.length > 0) break;
      taken.push(waiting);
      bytes += waiting.bytes.length;
    }
    if (taken.length === 0) return null;
    this.#waiting = this.#waiting.slice(taken.length);
    this.#waitingBytes -= bytes;
    const waitingByClaim = new Map<Claim, Waiting>();
    try {
      for (const waiting of taken) waitingByClaim.set(await this.#claim(waiting), waiting);
    } catch (thrown) {
      for (const { answer } of taken) answer(notNow("the lake's disk does not take it"));
      throw thrown;
    }
    return new PushBatch(this.#config, this.#world.originals, waitingByClaim);
  }

  /** What an earlier process left goes: its senders heard of nothing. */
  async #sweep(): Promise<void> {
    if (this.#isSwept) return;
    if ((await this.#durable.disk.stat(this.#folder)) !== null) {
      await emptyFolder(this.#durable, this.#folder);
    }
    this.#isSwept = true;
  }

  async #claim({ name, bytes }: Waiting): Promise<Claim> {
    const { random, originals, clock } = this.#world;
    const folder = this.#folder;
    await this.#durable.ensureFolders([folder]);
    const sealed = await sealBytes(bytes, name, { disk: this.#durable.disk, folder, random });
    return originals.adopt(sealed, clock.nowMs(), keepsOriginals(this.#config));
  }

  async lag(): Promise<Lag> {
    const [oldest] = this.#waiting;
    const ms = oldest === undefined ? 0 : this.#world.clock.nowMs() - oldest.sinceMs;
    return { bytes: this.#waitingBytes, rows: null, ms };
  }

  waitingMs(): number | null {
    return this.#waiting.length > 0 ? 0 : null;
  }

  async close(): Promise<void> {
    this.#leave();
    for (const { answer } of this.#waiting) answer(notNow("the lake is closing"));
    this.#waiting = [];
  }

  async #take(asked: HttpAsked, door: HttpDoor): Promise<HttpAnswer> {
    const refused = this.#refuse(asked, door);
    if (refused !== null) return refused;
    const body = bodyOf(asked.headers, asked.body);
    if (typeof body === "string") return answerOf(415, { error: body });
    const key = asked.headers.get("idempotency-key") ?? asked.headers.get("webhook-id") ?? null;
    if (key !== null && (key === "" || key.length > KEY_CHARS_MAX)) {
      return answerOf(400, { error: `an Idempotency-Key has 1 to ${KEY_CHARS_MAX} characters` });
    }
    const sha256 = sha256Of(body.bytes);
    const id = key === null ? this.#world.random.uuid() : sha256Of(key);
    const name = `${id}${body.ending}`;
    const underWay = this.#underWay.get(id);
    if (underWay !== undefined) {
      return underWay.sha256 === sha256 ? await underWay.answer : anotherBody();
    }
    // From here on who comes under this key hears what becomes of this body: nothing is awaited in between.
    const answer = this.#landOnce(key === null ? null : id, {
      ...body,
      name,
      sha256,
      sinceMs: this.#world.clock.nowMs(),
    });
    this.#underWay.set(id, { sha256, answer });
    try {
      return await answer;
    } finally {
      this.#underWay.delete(id);
    }
  }

  async #landOnce(id: string | null, body: Omit<Waiting, "answer">): Promise<HttpAnswer> {
    const before = id === null ? null : await this.#landedAs(id, body.sha256);
    return before ?? (await this.#enqueue(body));
  }

  #enqueue(waiting: Omit<Waiting, "answer">): Promise<HttpAnswer> {
    const isFull =
      this.#waiting.length >= WAITING_MAX ||
      this.#waitingBytes + waiting.bytes.length > WAITING_BYTES_MAX;
    if (isFull) {
      const error = { error: "more is waiting than is landed: come back" };
      return Promise.resolve({ ...answerOf(429, error), headers: RETRY_AFTER });
    }
    return new Promise((answer) => {
      this.#waiting.push({ ...waiting, answer });
      this.#waitingBytes += waiting.bytes.length;
      this.#world.wake();
    });
  }

  #refuse({ headers, body }: HttpAsked, door: HttpDoor): HttpAnswer | null {
    const { max_body: bytesMax, signature, token } = this.#settings;
    if (signature === "none") {
      const given = headers.get("authorization") ?? "";
      const expected = `Bearer ${token ?? door.token}`;
      if (!isEqual(given, expected)) {
        const error = "the token is missing or another one: Authorization: Bearer TOKEN";
        return answerOf(401, { error });
      }
    }
    if (body.length > bytesMax) {
      return answerOf(413, { error: `a body has at most ${bytesMax} bytes here: max_body` });
    }
    const nowMs = this.#world.clock.nowMs();
    const header = (name: string): string | null => headers.get(name) ?? null;
    const fault = signatureFault(this.#settings, { header, body, nowMs });
    return fault === null ? null : answerOf(401, { error: fault });
  }

  /** What landed under a key before: it is not landed again. */
  async #landedAs(id: string, sha256: string): Promise<HttpAnswer | null> {
    const names = BODY_ENDINGS.map((ending) => `${id}${ending}`);
    const [known] = (await this.#world.catalog.ledger.latest(this.name, names)).values();
    if (known === undefined) return null;
    if (known.sha256 !== sha256) return anotherBody();
    return landedAnswer(known, true);
  }
}

/** Bodies that are landed together. */
class PushBatch implements Batch {
  readonly unit = "body";
  /** The ledger knows which bodies landed. */
  readonly offset = null;
  readonly #config: SourceConfig;
  readonly #originals: SourceWorld["originals"];
  readonly #waitingByClaim: ReadonlyMap<Claim, Waiting>;
  #isKept = false;

  constructor(
    config: SourceConfig,
    originals: SourceWorld["originals"],
    waitingByClaim: ReadonlyMap<Claim, Waiting>,
  ) {
    this.#config = config;
    this.#originals = originals;
    this.#waitingByClaim = waitingByClaim;
  }

  async parts(): Promise<readonly Part[]> {
    const decisions = [...this.#waitingByClaim.keys()].map((claim) => {
      const whole = { version: 1, fromByte: 0, newlines: claim.newlines };
      return { kind: "land", claim, ...whole, changed: false, replaces: false } as const;
    });
    return [{ config: this.#config, decisions, refused: [] }];
  }

  pathOf(claim: Claim): string {
    return this.#isKept ? claim.keptPath : claim.localPath;
  }

  async keep(): Promise<void> {
    if (this.#isKept) return;
    await this.#originals.keep([...this.#waitingByClaim.keys()]);
    this.#isKept = true;
  }

  async acknowledge(files: readonly LedgerFile[]): Promise<void> {
    const claims = [...this.#waitingByClaim.keys()];
    await this.#originals.release(claims.filter(({ original }) => original === null));
    const fileByName = new Map(files.map((file) => [file.file, file]));
    for (const { name, answer } of this.#waitingByClaim.values()) {
      const file = fileByName.get(name);
      if (file !== undefined) answer(landedAnswer(file, false));
    }
  }

  async failed(thrown: unknown): Promise<void> {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    for (const { answer } of this.#waitingByClaim.values()) answer(notNow(why));
  }
}

function landedAnswer(file: LedgerFile, isAgain: boolean): HttpAnswer {
  const { batch, rowsLanded: rows, rowsQuarantined: quarantined, reason } = file;
  const said = quarantined > 0 && reason !== null ? { reason } : {};
  return answerOf(200, { batch, rows, quarantined, again: isAgain, ...said });
}

function answerOf(status: number, body: HttpAnswer["body"]): HttpAnswer {
  return { status, headers: {}, body };
}

function anotherBody(): HttpAnswer {
  return answerOf(422, { error: "this Idempotency-Key came with another body before" });
}

function notNow(error: string): HttpAnswer {
  return { ...answerOf(503, { error }), headers: RETRY_AFTER };
}
