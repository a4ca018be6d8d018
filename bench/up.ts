/** A running `up` to measure: started, waited for, its memory seen, ended. */

import { type ChildProcess, spawn } from "node:child_process";
import { processCpuMs, sessionCpuMs, sessionRssBytes } from "./measure.ts";
import { CatalogView, programPath } from "./project.ts";

const START_MS_MAX = 30_000;
const POLL_MS = 0.25;

export class RunningUp {
  readonly #child: ChildProcess;
  #stderr = "";

  /** Starts `up` and waits until the catalog can be read. */
  static async start(project: string, program = programPath()): Promise<RunningUp> {
    const up = new RunningUp(project, program);
    const isReady = () => CatalogView.isReady(project);
    try {
      await waitUntil(isReady, START_MS_MAX, () => up.words("made no catalog"));
    } catch (thrown) {
      await up.end();
      throw thrown;
    }
    return up;
  }

  private constructor(project: string, program: string) {
    this.#child = spawn(program, ["up"], {
      cwd: project,
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
    });
    this.#child.stderr?.on("data", (bytes) => {
      this.#stderr = (this.#stderr + String(bytes)).slice(-2_000);
    });
  }

  rssBytes(): number {
    return sessionRssBytes(this.#child.pid ?? 0);
  }

  /** Processor time so far, of all its processes. */
  cpuMs(): number {
    return sessionCpuMs(this.#child.pid ?? 0);
  }

  /** Of the process that owns the catalog alone, without its workers. */
  ownerCpuMs(): number {
    return processCpuMs(this.#child.pid ?? 0);
  }

  words(what: string): string {
    return `up ${what} (exit code ${this.#child.exitCode}): ${this.#stderr}`;
  }

  /** Milliseconds until a table's metadata is another one than `before`. */
  async untilChanged(
    catalog: CatalogView,
    table: readonly [string, string],
    before: string | null,
    timeoutMs: number,
  ): Promise<number> {
    const started = performance.now();
    const moved = () => catalog.metadata(...table) !== before;
    await waitUntil(moved, timeoutMs, () => this.words(`did not change ${table.join(".")}`));
    return performance.now() - started;
  }

  async end() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGTERM");
    await ended;
  }
}

/** Polls finely, and lets other work of this process go on between. */
export async function waitUntil(
  done: () => boolean,
  timeoutMs: number,
  words: () => string,
): Promise<void> {
  const started = performance.now();
  while (!done()) {
    if (performance.now() - started > timeoutMs) throw new Error(words());
    await Bun.sleep(POLL_MS);
  }
}
