/** Compares sources with what was delivered now and then, while `up` runs: in a process of its own, beside landing. */

import { type ChildProcess, spawn } from "node:child_process";
import { constants, setPriority } from "node:os";
import type { Session } from "../open.ts";
import { selfCommand } from "../worker.ts";

/** How its ends are heard of. */
export interface ReconcileNotice {
  readonly notice: (text: string) => void;
  readonly wake: () => void;
}

/** What a comparison may take of the workers' memory. */
const MEMORY_SHARE = 4;
const TEXT_MAX = 2_000;

/** One comparison at a time; what was compared last, also by others, says when the next is due. */
export class ReconcileWatch {
  readonly #session: Session;
  readonly #tell: ReconcileNotice;
  #child: ChildProcess | null = null;
  #ended: Promise<void> = Promise.resolve();
  /** When the last one began; null: not known yet. */
  #lastMs: number | null = null;

  constructor(session: Session, tell: ReconcileNotice) {
    this.#session = session;
    this.#tell = tell;
  }

  /** Begins one where it is due. Waits for nothing that takes long. */
  async look(): Promise<void> {
    const { everyMs } = this.#session.config.reconcile;
    if (everyMs === null || this.#child !== null) return;
    const nowMs = this.#session.ports.clock.nowMs();
    this.#lastMs ??= await this.#lastKept();
    if (nowMs - this.#lastMs < everyMs) return;
    this.#lastMs = nowMs;
    this.#begin();
  }

  async close(): Promise<void> {
    this.#child?.kill("SIGTERM");
    await this.#ended;
  }

  async #lastKept(): Promise<number> {
    const kept = await this.#session.catalog.reconciliations.latest();
    return Math.max(0, ...kept.map(({ atMs }) => atMs));
  }

  #begin(): void {
    const { root, settings } = this.#session;
    const [program = "", ...words] = selfCommand();
    const memory = `${Math.floor(settings.memoryBytes / MEMORY_SHARE)}B`;
    const own = ["reconcile", "-C", root, "--threads", "1", "--memory", memory, "--json"];
    const child = spawn(program, [...words, ...own], { stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said = `${said}${chunk}`.slice(-TEXT_MAX);
    });
    this.#ended = new Promise((resolve) => {
      const end = (text: string | null): void => {
        this.#child = null;
        if (text !== null) this.#tell.notice(text);
        this.#tell.wake();
        resolve();
      };
      child.once("error", (thrown) => end(thrown.message));
      child.once("close", (code, signal) => end(signal === null ? endText(code, said) : null));
    });
    if (child.pid === undefined) return;
    try {
      setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
    } catch {
      // It has ended already.
    }
  }
}

/** Null for one that found nothing. */
function endText(code: number | null, said: string): string | null {
  if (code === 0) return null;
  const lines = said.split("\n").filter((line) => line.trim() !== "");
  const failed = lines.find((line) => line.startsWith("error"));
  if (failed !== undefined) return failed;
  return code === 1 ? "something is not as in its source: tarn status" : (lines.at(-1) ?? "");
}
