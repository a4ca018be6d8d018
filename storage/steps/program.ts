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
  readonly #saidChars: number;
  readonly #hidden: readonly string[];
  readonly #exited: Promise<void>;
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
        // What left the group is not ended, and may hold them for ever.
        void this.#grace().then(() => stderr?.destroy());
      });
    });
    this.#exited = new Promise((resolve) => {
      for (const event of ["exit", "error"]) this.#child.once(event, () => resolve());
    });
    this.#hidden = hiddenIn(options.environment);
    this.#saidChars = SAID_CHARS + Math.max(0, ...this.#hidden.map(({ length }) => length));
    // It need not read all that it is given.
    this.#child.stdin?.on("error", () => {});
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#said = `${this.#said}${text}`.slice(-this.#saidChars);
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
    const pieces: AsyncIterator<Uint8Array> = stdout[Symbol.asyncIterator]();
    for (;;) {
      const piece = await Promise.race([pieces.next(), this.#exited.then(() => this.#grace())]);
      if (piece === null || piece.done === true) return;
      const bytes = piece.value;
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
    const open = this.#hidden.reduce(
      (said, value) => said.replaceAll(value, "(secret)"),
      this.#said,
    );
    const lines = open.split(/\r?\n/).filter((line) => line.trim() !== "");
    // Characters that control terminals stand in no log.
    const told = lines
      .slice(-TOLD_LINES)
      .join(" | ")
      .replaceAll(/[\s\p{Cc}]+/gu, " ");
    return told.trim().slice(-TOLD_CHARS);
  }

  /** Behind its end, for what is in its pipes. */
  async #grace(): Promise<null> {
    await this.#options.clock.sleep(GRACE_MS, this.#over.signal);
    return null;
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

/** Values that are not told, and each of their lines; longer ones first. */
function hiddenIn(environment: Readonly<Record<string, string>>): readonly string[] {
  const values = Object.entries(environment).flatMap(([name, value]) =>
    OPEN_NAMES.has(name) ? [] : [value, ...value.split(/\r?\n/).map((line) => line.trim())],
  );
  const long = values.filter(({ length }) => length >= HIDDEN_CHARS_MIN);
  return [...new Set(long)].sort((a, b) => b.length - a.length);
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
