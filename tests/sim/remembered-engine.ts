/**
 * The real engine, asked once for each distinct question. A request that is byte for byte one of before, over files
 * that are byte for byte those of before, gets the answer of before: the same staged bytes at the same paths. So
 * hundreds of crashes take seconds; that DuckDB answers equal questions equally is assumed here, and a part of every
 * sweep runs with `remember: false`, where each question goes to a real worker.
 */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Binding, MaterializeRequest } from "../../core/engine.ts";
import type { AnalyzeRequest } from "../../core/model/analysis.ts";
import type { SqlEngine } from "../../core/ports.ts";
import { pathsOf } from "../../sql/bind/scan.ts";

/** What was asked of it. */
export interface EngineCounts {
  readonly asked: number;
  /** Questions that went to a real worker. */
  readonly real: number;
  /** Those of them that were answered with position deletes. */
  readonly marks: number;
}

interface Remembered {
  readonly answer: unknown;
  readonly staged: readonly { readonly path: string; readonly bytes: Uint8Array }[];
}

/** What a request reads and where it writes. */
interface Touched {
  readonly reads: readonly string[];
  readonly staging: string | null;
}

export class RememberedEngine implements SqlEngine {
  readonly #real: SqlEngine;
  readonly #rewrittenRowsMax: number | null;
  readonly #answers = new Map<string, Remembered>();
  #asked = 0;
  #answered = 0;
  #marks = 0;
  /** False sends every question to the real engine. */
  remember = true;

  /** `rewrittenRowsMax` stands in for that of the lake: rows leave small files by marks too. */
  constructor(real: SqlEngine, rewrittenRowsMax: number | null = null) {
    this.#real = real;
    this.#rewrittenRowsMax = rewrittenRowsMax;
  }

  get counts(): EngineCounts {
    return { asked: this.#asked, real: this.#answered, marks: this.#marks };
  }

  prepare() {}

  analyze(request: AnalyzeRequest) {
    return this.#ask("analyze", request, NOTHING, () => this.#real.analyze(request));
  }

  inspect(request: Parameters<SqlEngine["inspect"]>[0]) {
    const reads = request.files.map((file) => file.path);
    return this.#ask("inspect", request, { reads, staging: null }, () =>
      this.#real.inspect(request),
    );
  }

  decode(request: Parameters<SqlEngine["decode"]>[0]) {
    const { staging } = request;
    const reads = request.files.map((file) => file.path);
    return this.#ask("decode", request, { reads, staging }, () => this.#real.decode(request));
  }

  describe(request: Parameters<SqlEngine["describe"]>[0]) {
    const touched = { reads: request.bindings.flatMap(filesOf), staging: null };
    return this.#ask("describe", request, touched, () => this.#real.describe(request));
  }

  materialize(asked: MaterializeRequest) {
    const rewrittenRowsMax = this.#rewrittenRowsMax ?? asked.rewrittenRowsMax;
    const request = { ...asked, rewrittenRowsMax };
    const { staging, bindings, testBindings, mode } = request;
    const target = mode.kind === "rows" ? [] : pathsOf(mode.target);
    const history = mode.kind === "cdc" ? (mode.history ?? []) : [];
    const reads = [...[...bindings, ...testBindings, ...history].flatMap(filesOf), ...target];
    const ask = async () => {
      const answer = await this.#real.materialize(request);
      if (answer.deletes.files.length > 0) this.#marks += 1;
      return answer;
    };
    return this.#ask("materialize", request, { reads, staging }, ask);
  }

  rewrite(request: Parameters<SqlEngine["rewrite"]>[0]) {
    const { scan, staging } = request;
    const touched = { reads: pathsOf(scan), staging };
    return this.#ask("rewrite", request, touched, () => this.#real.rewrite(request));
  }

  compact(request: Parameters<SqlEngine["compact"]>[0]) {
    const { scan, staging } = request;
    const touched = { reads: pathsOf(scan), staging };
    return this.#ask("compact", request, touched, () => this.#real.compact(request));
  }

  aside(request: Parameters<SqlEngine["aside"]>[0]) {
    const reads = pathsOf(request.scan);
    return this.#ask("aside", request, { reads, staging: null }, () => this.#real.aside(request));
  }

  rowTexts(request: Parameters<SqlEngine["rowTexts"]>[0]) {
    const { staging, files } = request;
    const reads = files.map((file) => file.path);
    return this.#ask("row-texts", request, { reads, staging }, () => this.#real.rowTexts(request));
  }

  diff(request: Parameters<SqlEngine["diff"]>[0]) {
    const reads = [request.before, request.after].flatMap(pathsOf);
    return this.#ask("diff", request, { reads, staging: null }, () => this.#real.diff(request));
  }

  /** The workers outlive the simulated process; `end` ends them. */
  async close(): Promise<void> {}

  async end(): Promise<void> {
    await this.#real.close();
  }

  async #ask<T>(
    operation: string,
    request: unknown,
    touched: Touched,
    ask: () => Promise<T>,
  ): Promise<T> {
    this.#asked += 1;
    const key = `${operation} ${keyOf(request)} ${touched.reads.map(sha256OfFile).join(" ")}`;
    const known = this.remember ? this.#answers.get(key) : undefined;
    if (known !== undefined) {
      for (const { path, bytes } of known.staged) {
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, bytes, { mode: 0o600 });
      }
      return known.answer as T; // parse: stored below under the same operation
    }
    this.#answered += 1;
    const answer = await ask();
    const staged = touched.staging === null ? [] : filesBelow(touched.staging);
    this.#answers.set(key, { answer, staged });
    return answer;
  }
}

const NOTHING: Touched = { reads: [], staging: null };

/** Metrics serve planning alone and do not travel to a worker. */
function keyOf(request: unknown): string {
  return JSON.stringify(request, (name, value: unknown) => {
    if (name === "metrics") return undefined;
    if (typeof value === "bigint") return `${value}n`;
    return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
  });
}

function filesOf(binding: Binding): string[] {
  return binding.kind === "scan" ? pathsOf(binding.scan) : binding.bindings.flatMap(filesOf);
}

function sha256OfFile(path: string): string {
  return new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");
}

function filesBelow(folder: string): { path: string; bytes: Uint8Array }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`)
    .map((path) => ({ path, bytes: new Uint8Array(readFileSync(path)) }));
}
