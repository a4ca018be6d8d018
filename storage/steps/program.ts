/** A program under watch: input written, output read, time, memory and bytes bounded, last words kept. */

import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { errorText, LakeError, systemCode } from "../../core/base/errors.ts";
import { formatDuration, formatSize } from "../../core/base/quantity.ts";
import type { Clock } from "../../core/ports.ts";

export interface ProgramOptions {
  readonly command: readonly string[];
  /** How it is told of. */
  readonly name: string;
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly memoryBytes: number;
  readonly outputBytes: number;
  readonly clock: Pick<Clock, "sleep">;
}

const SAID_CHARS = 2_000;
const TOLD_LINES = 3;
const TOLD_CHARS = 400;
const WATCH_MS = 100;
/** Between the end of what a program writes and its own. */
const GRACE_MS = 1_000;
const PAGE_BYTES = 4_096;
/** Shorter values stand in other words too. */
const HIDDEN_CHARS_MIN = 4;
/** What every program may see, and nothing in it is a secret. */
const OPEN_NAMES: ReadonlySet<string> = new Set(["PATH", "LANG", "TZ", "TMPDIR"]);

export class Program {
  readonly #options: ProgramOptions;
  readonly #child: ChildProcess;
  readonly #ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /** Ends what watches it. */
  readonly #over = new AbortController();
  #said = "";
  /** Why it was ended from here. */
  #fault: LakeError | null = null;
  #outputBytes = 0;

  constructor(options: ProgramOptions) {
    this.#options = options;
    const [file = "", ...args] = options.command;
    // A group of its own, that is ended as a whole: a program may start others.
    this.#child = spawn(file, args, {
      cwd: options.folder,
      env: options.environment,
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once("error", (thrown) => {
        this.#fault ??= unstarted(thrown, options);
        resolve({ code: null, signal: null });
      });
      this.#child.once("exit", (code, signal) => {
        // What it left running is ended with it, and holds none of its pipes open.
        this.kill();
        const { stderr } = this.#child;
        const ended = (): void => resolve({ code, signal });
        if (stderr === null || stderr.readableEnded || stderr.destroyed) ended();
        else stderr.once("close", ended);
      });
    });
    // It need not read all that it is given.
    this.#child.stdin?.on("error", () => {});
    this.#child.stderr?.on("data", (bytes: Buffer) => {
      this.#said = `${this.#said}${bytes.toString("utf8")}`.slice(-SAID_CHARS);
    });
    void this.#watchTime();
    void this.#watchMemory();
  }

  /** Writes its input, at its pace. Ends quietly where it reads no more. */
  async write(pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const { stdin } = this.#child;
    if (stdin === null) return;
    for await (const piece of pieces) {
      if (!stdin.writable) return;
      if (stdin.write(piece)) continue;
      const closed = this.#ended.then(() => {});
      await Promise.race([new Promise<void>((resolve) => stdin.once("drain", resolve)), closed]);
    }
    stdin.end();
  }

  /** What it writes. */
  async *output(): AsyncGenerator<Uint8Array> {
    const { stdout } = this.#child;
    if (stdout === null) return;
    const { outputBytes } = this.#options;
    for await (const piece of stdout) {
      const bytes: Uint8Array = piece;
      this.#outputBytes += bytes.byteLength;
      if (this.#outputBytes > outputBytes) {
        const most = formatSize(outputBytes);
        this.#end(`wrote more than ${most}`, `raise output: ${most} of the model`);
        return;
      }
      yield bytes;
    }
  }

  /** When it has ended by itself, and well. Throws `input` with its last words, `config` where it did not start. */
  async done(): Promise<void> {
    const { code, signal } = await this.#ended;
    this.#rest();
    if (this.#fault !== null) throw this.#fault;
    if (code === 0) return;
    const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
    throw this.#failed(`ended ${how}`, "mend the program; nothing was published");
  }

  /** What it gave cannot be used: it is ended, and that is why. */
  async refuse(thrown: unknown): Promise<never> {
    // A program that crashed wrote half of a stream: the crash is what is wrong.
    const hasEnded = await Promise.race([
      this.#ended.then(() => true),
      this.#options.clock.sleep(GRACE_MS, this.#over.signal).then(() => false),
    ]);
    if (hasEnded) await this.done();
    this.kill();
    await this.#ended;
    this.#rest();
    if (this.#fault !== null) throw this.#fault;
    const why = errorText(thrown);
    const hint = thrown instanceof LakeError ? thrown.hint : null;
    throw this.#failed(
      why,
      hint ?? "it writes one Arrow IPC stream, and nothing else, to its output",
    );
  }

  kill(): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // It ended before.
    }
  }

  #rest(): void {
    this.#over.abort();
    this.#child.stdout?.destroy();
  }

  #end(what: string, hint: string): void {
    this.#fault ??= this.#failed(what, hint);
    this.kill();
  }

  #failed(what: string, hint: string): LakeError {
    const said = this.#lastWords();
    const { name } = this.#options;
    return new LakeError("input", `${name} ${what}${said === "" ? "" : `: ${said}`}`, { hint });
  }

  #lastWords(): string {
    const lines = this.#said.split(/\r?\n/).filter((line) => line.trim() !== "");
    let told = lines.slice(-TOLD_LINES).join(" | ").replaceAll(/\s+/g, " ").trim();
    for (const [name, value] of Object.entries(this.#options.environment)) {
      if (!OPEN_NAMES.has(name) && value.length >= HIDDEN_CHARS_MIN)
        told = told.replaceAll(value, "(secret)");
    }
    return told.slice(-TOLD_CHARS);
  }

  async #watchTime(): Promise<void> {
    const { timeoutMs, clock } = this.#options;
    await clock.sleep(timeoutMs, this.#over.signal);
    if (this.#over.signal.aborted) return;
    const after = formatDuration(timeoutMs);
    const hint = `raise timeout: ${after} of the model, or give it fewer rows`;
    this.#end(`did not end within ${after}`, hint);
  }

  async #watchMemory(): Promise<void> {
    const { memoryBytes, clock } = this.#options;
    const { pid } = this.#child;
    while (!this.#over.signal.aborted && pid !== undefined) {
      if (residentBytes(pid) > memoryBytes) {
        const most = formatSize(memoryBytes);
        const hint = `raise memory: ${most} of the model, or give it fewer rows`;
        this.#end(`held more than ${most} of memory`, hint);
        return;
      }
      await clock.sleep(WATCH_MS, this.#over.signal);
    }
  }
}

/** Memory of all processes of a group; 0 where the system does not say. */
function residentBytes(group: number): number {
  let pages = 0;
  try {
    for (const entry of readdirSync("/proc")) {
      if (!/^\d+$/.test(entry)) continue;
      pages += pagesIn(entry, group);
    }
  } catch {
    return 0;
  }
  return pages * PAGE_BYTES;
}

/** proc(5): behind the name in brackets come state, parent and group; the 24th field counts resident pages. */
function pagesIn(pid: string, group: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(fields[2]) === group ? Number(fields[21] ?? 0) : 0;
  } catch {
    return 0;
  }
}

function unstarted(thrown: unknown, { command, name }: ProgramOptions): LakeError {
  const isAbsent = systemCode(thrown) === "ENOENT";
  const what = isAbsent ? `there is no program ${command[0]}` : errorText(thrown);
  return new LakeError("config", `${name} cannot be started: ${what}`, {
    hint: isAbsent
      ? "install it, or name it by its path: run: .venv/bin/python steps/score.py"
      : "it must be a program that this user may run: chmod +x",
    cause: thrown,
  });
}
