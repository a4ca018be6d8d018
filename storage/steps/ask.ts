/** Asks for keys, some at a time: paced, asked again where that may help, within the time that a run has for it. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { errorText } from "../../core/base/errors.ts";
import { LOOKUP_KEYS_MAX } from "../../core/limits.ts";
import type { Clock, Random, Row } from "../../core/ports.ts";
import type { Asked, AskRequest } from "../../core/steps.ts";
import type { Column, Schema } from "../../core/table/types.ts";
import { loadParquetWasm } from "../parquet/wasm.ts";
import { rowFiles } from "../parquet/write.ts";
import type { Ask } from "../sources/api/request.ts";
import { misfitOf } from "./fits.ts";
import { type Answer, type KeyTexts, type Oracle, Passing } from "./oracle.ts";
import type { AskTask } from "./wire.ts";

/** A run asks for so long; what is left is the next one's. */
const RUN_MS = 60_000;
/** Who may not be asked for longer is asked by a run that begins later. */
const HELD_MS = 1_000;
const BACKOFF_MS = 200;
const BACKOFF_MS_MAX = 30_000;
/** A server that asks to be left alone for longer is asked by a later run. */
const PATIENT_MS = 60_000;

export interface AskWorld {
  readonly clock: Pick<Clock, "nowMs" | "sleep">;
  readonly random: Pick<Random, "fraction">;
  /** As fetch does. */
  readonly fetch: Ask;
}

/** Asks for what can be asked for. Throws where not one answer was had. */
export async function askAll(task: AskTask, world: AskWorld, signal: AbortSignal): Promise<Asked> {
  const { request } = task;
  const { keys, untilMs } = await keysIn(request);
  const run = new AskRun(task, world, signal);
  if (keys.length > 0) {
    const { openOracle } = await import("./open-oracle.ts");
    const oracle = await openOracle(task, world);
    try {
      await run.ask(oracle, keys.slice(0, LOOKUP_KEYS_MAX));
    } finally {
      await oracle.close();
    }
  }
  const { rows, stopped, nextMs } = run;
  const isLeft = rows.length < keys.length;
  const schema = answersSchema(request);
  const path = join(request.staging, "answers.parquet");
  const files = rows.length === 0 ? [] : [await rowFiles.write(path, schema, rows)];
  // A slow rate holds between runs too.
  const isHeld = nextMs - world.clock.nowMs() > HELD_MS;
  const leftMs = isHeld ? nextMs : 0;
  const dueMs = isLeft ? leftMs : earliest([untilMs, run.untilMs]);
  return { output: { schema, files }, errors: run.errors, dueMs, stopped };
}

class AskRun {
  readonly #task: AskTask;
  readonly #world: AskWorld;
  readonly #signal: AbortSignal;
  readonly #startedMs: number;
  /** When the next request may begin. */
  nextMs = 0;
  readonly rows: Row[] = [];
  errors = 0;
  untilMs: number | null = null;
  stopped: string | null = null;

  constructor(task: AskTask, world: AskWorld, signal: AbortSignal) {
    this.#task = task;
    this.#world = world;
    this.#signal = signal;
    this.#startedMs = world.clock.nowMs();
  }

  async ask(oracle: Oracle, keys: readonly KeyTexts[]): Promise<void> {
    const { batch } = this.#task.request;
    const { clock } = this.#world;
    for (let first = 0; first < keys.length; first += batch) {
      const beginsMs = Math.max(clock.nowMs(), this.nextMs);
      if (this.#signal.aborted || beginsMs - this.#startedMs > RUN_MS) return;
      const asked = keys.slice(first, first + batch);
      try {
        const { answers, askedMs } = await this.#patiently(oracle, asked);
        for (const [index, key] of asked.entries()) this.#add(key, answers[index], askedMs);
      } catch (thrown) {
        // What was answered before is kept; the next run finds the rest, and fails if that is still so.
        if (this.rows.length === 0) throw thrown;
        this.stopped = errorText(thrown);
        return;
      }
    }
  }

  /** Full jitter: who failed together does not come back together. */
  async #patiently(
    oracle: Oracle,
    keys: readonly KeyTexts[],
  ): Promise<{ readonly answers: readonly Answer[]; readonly askedMs: number }> {
    const { clock, random } = this.#world;
    const { retries } = this.#task.connection;
    for (let attempt = 0; ; attempt++) {
      await this.#turn();
      const askedMs = clock.nowMs();
      try {
        return { answers: await oracle.ask(keys, this.#signal), askedMs };
      } catch (thrown) {
        if (!(thrown instanceof Passing)) throw thrown;
        const { afterMs, error } = thrown;
        if (attempt >= retries || this.#signal.aborted) throw error;
        if (afterMs !== null && afterMs > PATIENT_MS) throw error;
        const most = Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** attempt);
        await clock.sleep(afterMs ?? random.fraction() * most, this.#signal);
      }
    }
  }

  /** Waits until the next request may begin. */
  async #turn(): Promise<void> {
    const { clock } = this.#world;
    const { everyMs } = this.#task.connection;
    const nowMs = clock.nowMs();
    if (this.nextMs > nowMs) await clock.sleep(this.nextMs - nowMs, this.#signal);
    this.nextMs = Math.max(nowMs, this.nextMs) + everyMs;
  }

  #add(key: KeyTexts, answer: Answer | undefined, askedMs: number): void {
    const { keys, columns, ttlMs, retryMs, version } = this.#task.request;
    const { kind, values, error } = fitted(answer ?? NOT_FOUND, columns);
    const row: Record<string, Row[string]> = {};
    for (const [index, { name }] of columns.entries()) row[name] = values[index] ?? null;
    for (const [index, name] of keys.entries()) row[name] = key[index] ?? null;
    this.rows.push({
      ...row,
      _answer: kind,
      _error: error,
      _asked_at: BigInt(askedMs) * 1_000n,
      _version: version,
    });
    if (kind === "error") this.errors += 1;
    const holdsMs = kind === "error" ? retryMs : ttlMs;
    if (holdsMs !== null) this.untilMs = earliest([this.untilMs, askedMs + holdsMs]);
  }
}

/** An answer whose values are all such as their columns take; else an error that says which is not. */
function fitted(answer: Answer, columns: readonly Column[]): Answer {
  const misfits = columns.flatMap(
    ({ name, type }, index) => misfitOf(name, answer.values[index] ?? null, type) ?? [],
  );
  if (misfits.length === 0) return answer;
  return { kind: "error", values: [], error: misfits.join("; ") };
}

const NOT_FOUND: Answer = { kind: "not_found", values: [], error: null };

function earliest(times: readonly (number | null)[]): number | null {
  const known = times.filter((time) => time !== null);
  return known.length === 0 ? null : Math.min(...known);
}

/** The keys of the files, and when the next of the other answers runs out. */
async function keysIn({ inputs, keys: names, until }: AskRequest) {
  const wasm = await loadParquetWasm();
  const keys: KeyTexts[] = [];
  let untilMs: number | null = null;
  for (const path of inputs) {
    const table = tableFromIPC(wasm.readParquet(await readFile(path)).intoIPCStream());
    const columns = names.map((name) => table.getChild(name));
    const untils = table.getChild(until);
    for (let row = 0; row < table.numRows; row++) {
      const texts = columns.map((column): unknown => column?.get(row) ?? null);
      if (texts.every((text) => typeof text === "string")) keys.push(texts);
      const ms: unknown = untils?.get(row) ?? null;
      if (ms !== null) untilMs = Number(ms);
    }
  }
  return { keys, untilMs };
}

/** The columns of answers, before they have their types. */
function answersSchema({ keys, columns }: AskRequest): Schema {
  const own = columns.map(({ name }) => name).filter((name) => !keys.includes(name));
  const texts = [...keys, ...own, "_answer", "_error", "_version"];
  const string = { kind: "primitive", name: "string" } as const;
  const time = { kind: "primitive", name: "timestamptz" } as const;
  const named = texts.map((name, index) => ({
    id: index + 1,
    name,
    required: false,
    type: string,
  }));
  const at = { id: texts.length + 1, name: "_asked_at", required: false, type: time };
  return { schemaId: 0, fields: [...named, at] };
}
