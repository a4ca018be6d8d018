/** The SQL shell: reads statements, runs them, shows results, and keeps its few settings. */

import { LakeError } from "../../core/base/errors.ts";
import { isCancelled } from "../query/error.ts";
import type { QueryResult, QuerySession } from "../query/query.ts";
import type { ResultSet } from "../query/result.ts";
import { quoteQualified } from "../syntax/quote.ts";
import { Completer } from "./completer.ts";
import { type CommandHost, commandCompletions, runDotCommand } from "./dot-commands.ts";
import { isCommand, isComplete } from "./highlight.ts";
import type { History } from "./history.ts";
import { LineEditor } from "./line-editor.ts";
import type { Terminal } from "./terminal.ts";

/** How results look; the presenter knows what the formats are. */
export interface ShellView {
  readonly mode: string;
  readonly timer: boolean;
  /** Every row and column, whatever the width. */
  readonly full: boolean;
  /** The result goes to a file. */
  readonly toFile: boolean;
}

/** Somewhere text goes. */
export interface ShellOutput {
  write(data: string | Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** A file for results. */
export interface ShellFile extends ShellOutput {
  /** Leaves what was there before. */
  discard(): Promise<void>;
  /** The format that its ending says. */
  readonly mode: string;
  /** It holds one result. */
  readonly isSingle: boolean;
  /** Where the engine writes the file itself, from one query. */
  readonly copy: ((text: string) => Promise<QueryResult>) | null;
}

/** Turns results and errors into text; made in cmd, where rendering lives. */
export interface Presenter {
  /** Reads the result to its end. `elapsedMs` is asked when it was. Answers the footer. */
  result(
    answer: QueryResult,
    view: ShellView,
    out: ShellOutput,
    elapsedMs: () => number,
  ): Promise<string>;
  /** `text` is what was run, for the excerpt. */
  error(thrown: unknown, text: string): string;
  dim(text: string): string;
  /** The text in lines that fit the screen. */
  fit(text: string): string;
  /** The format of a name, or a throw that lists all. */
  modeNamed(name: string): string;
}

/** What the shell asks of the lake beside queries. */
export interface ShellLake {
  /** Lines of `.tables`, grouped by layer. */
  tableLines(pattern: string | null): Promise<readonly string[]>;
  snapshots(table: string): Promise<ResultSet>;
  /** A moment as the lookup takes it, and as the prompt shows it. Throws when it is none. */
  moment(text: string): Promise<{ readonly asOf: string; readonly label: string }>;
}

export interface ShellOptions {
  readonly session: QuerySession;
  readonly presenter: Presenter;
  /** Null outside a lake. */
  readonly lake: ShellLake | null;
  readonly history: History;
  readonly terminal: Terminal;
  /** False for dumb terminals: lines as the system edits them. */
  readonly editing: boolean;
  readonly colors: boolean;
  /** In front of `>`. */
  readonly name: string;
  readonly banner: string;
  /** Says what is being waited for, until null; drawn by the caller after a moment. */
  busy(message: string | null): void;
  /** The format results begin with. */
  readonly mode: string;
  readText(path: string): Promise<string>;
  /** Throws where the file's ending says no format. */
  openOutput(path: string): Promise<ShellFile>;
}

/** Runs until the person leaves. */
export async function runShell(options: ShellOptions): Promise<void> {
  const shell = new Shell(options);
  await shell.run();
}

/** Runs a text with dot commands in it; stops at the first error, which it throws. */
export async function runScript(options: ShellOptions, text: string): Promise<void> {
  const shell = new Shell(options);
  await shell.script(text);
}

class Shell implements CommandHost {
  readonly #options: ShellOptions;
  readonly #screen: ShellOutput;
  #mode: string;
  #timer = true;
  #label: string | null = null;
  #file: { readonly output: ShellFile; readonly path: string; readonly once: boolean } | null =
    null;
  #last: string | null = null;
  #leaving = false;
  #depth = 0;

  constructor(options: ShellOptions) {
    this.#options = options;
    this.#mode = options.mode;
    this.#screen = {
      write: async (data) => {
        options.busy(null);
        options.terminal.write(typeof data === "string" ? data : new TextDecoder().decode(data));
      },
      close: async () => undefined,
    };
  }

  async run(): Promise<void> {
    const { terminal, session, banner } = this.#options;
    if (banner !== "") this.print(`${banner}\n`);
    const completer = new Completer({
      names: {
        tables: () => session.tableNames(),
        columns: (table) => session.columnNames(table),
      },
      commands: commandCompletions(),
      later: (ms, callback) => terminal.later(ms, callback),
    });
    completer.refresh();
    const read = this.#options.editing ? this.#editor(completer) : this.#plainReader();
    while (!this.#leaving) {
      const text = await read();
      if (text === null) break;
      if (text.trim() === "") continue;
      this.#options.history.add(text, terminal.nowMs());
      await this.#tryRun(text);
      completer.refresh();
    }
    if (session.isInTransaction) this.print(this.#options.presenter.dim(LEFT_OPEN));
    if (this.#options.editing) terminal.setRaw(false);
    await this.#file?.output.close();
  }

  async script(text: string): Promise<void> {
    for (const part of scriptParts(text)) {
      if (this.#leaving) return;
      await this.#execute(part);
    }
  }

  async tables(pattern: string | null): Promise<void> {
    const lines = (await this.#options.lake?.tableLines(pattern)) ?? [];
    const { session } = this.#options;
    const temporary = session.temporaryNames;
    const all = [...lines, ...temporary.map((name) => `  ${name}   (temporary)`)];
    this.print(all.length === 0 ? "no tables yet\n" : `${all.join("\n")}\n`);
  }

  async schema(table: string): Promise<void> {
    await this.#execute(`DESCRIBE FROM ${quoteQualified(table.split("."))}`);
  }

  async snapshots(table: string): Promise<void> {
    const result = await this.#needLake().snapshots(table);
    await this.#show({ sql: "", result, rowsChanged: null, tables: [], notes: [] });
  }

  async asOf(moment: string): Promise<void> {
    const { session } = this.#options;
    if (moment === "off") {
      session.asOf = null;
      this.#label = null;
      this.print("reading the current tables\n");
      return;
    }
    const { asOf, label } = await this.#needLake().moment(moment);
    session.asOf = asOf;
    this.#label = label;
    this.print(`as of ${label}; .asof off returns\n`);
  }

  mode(name: string): void {
    this.#mode = this.#options.presenter.modeNamed(name);
  }

  toggleExpanded(): void {
    this.#mode = this.#mode === "line" ? "box" : "line";
    this.print(`mode ${this.#mode}\n`);
  }

  timer(on: boolean | null): void {
    this.#timer = on ?? !this.#timer;
    this.print(`timer ${this.#timer ? "on" : "off"}\n`);
  }

  async output(path: string | null, once: boolean): Promise<void> {
    await this.#file?.output.close();
    this.#file = null;
    if (path === null) return;
    const output = await this.#options.openOutput(path);
    if (output.isSingle && !once) {
      await output.discard();
      throw new LakeError("usage", `${path} can hold one result`, { hint: `.once ${path}` });
    }
    this.#file = { output, path, once };
  }

  async read(path: string): Promise<void> {
    if (this.#depth >= READ_DEPTH_MAX) {
      throw new LakeError("usage", `.read is nested more than ${READ_DEPTH_MAX} deep`, {
        hint: "a file that reads itself?",
      });
    }
    this.#depth++;
    try {
      await this.script(await this.#options.readText(path));
    } finally {
      this.#depth--;
    }
  }

  async last(): Promise<void> {
    if (this.#last === null) {
      throw new LakeError("usage", "there is no last result", { hint: "run a query first" });
    }
    await this.#query(this.#last, true);
  }

  history(count: number): void {
    const entries = this.#options.history.entries().slice(-count);
    this.print(entries.map((entry) => `${entry.text}\n`).join(""));
  }

  show(): void {
    const { session } = this.#options;
    const settings: readonly (readonly [string, string])[] = [
      ["mode", this.#mode],
      ["timer", this.#timer ? "on" : "off"],
      ["output", this.#file?.path ?? "screen"],
      ["asof", this.#label ?? "off"],
      ["timezone", session.timezone],
    ];
    this.print(settings.map(([name, value]) => `${name.padStart(10)}: ${value}\n`).join(""));
  }

  quit(): void {
    this.#leaving = true;
  }

  print(text: string): void {
    const { terminal, presenter } = this.#options;
    this.#options.busy(null);
    terminal.write(presenter.fit(text));
  }

  async #tryRun(text: string): Promise<void> {
    try {
      await this.#execute(text);
    } catch (thrown) {
      if (isCancelled(thrown)) this.print(this.#options.presenter.dim("cancelled\n"));
      else this.print(this.#options.presenter.error(thrown, text));
    }
  }

  async #execute(text: string): Promise<void> {
    if (isCommand(text)) await runDotCommand(text, this);
    else await this.#query(text, false);
  }

  async #query(text: string, full: boolean): Promise<void> {
    const { terminal, session } = this.#options;
    let startedMs = terminal.nowMs();
    this.#options.busy(WAITING);
    try {
      const copy = this.#file?.output.copy ?? null;
      if (copy !== null) {
        const path = this.#file?.path ?? "";
        const answer = await copy(text);
        await this.output(null, false);
        const notes = [...answer.notes, path];
        await this.#show({ ...answer, notes }, full, () => terminal.nowMs() - startedMs);
        return;
      }
      for await (const answer of session.run(text)) {
        await this.#show(answer, full, () => terminal.nowMs() - startedMs);
        if (answer.result !== null) this.#last = answer.sql;
        startedMs = terminal.nowMs();
        this.#options.busy(WAITING);
      }
    } finally {
      this.#options.busy(null);
    }
  }

  async #show(answer: QueryResult, full = false, elapsedMs: () => number = () => 0): Promise<void> {
    const file = this.#file;
    const view = {
      mode: file?.output.mode ?? this.#mode,
      timer: this.#timer && answer.sql !== "",
      full: full || file !== null,
      toFile: file !== null,
    };
    const out = file?.output ?? this.#screen;
    const notes = file === null ? answer.notes : [...answer.notes, file.path];
    const told = { ...answer, notes };
    const footer = await this.#options.presenter.result(told, view, out, elapsedMs);
    if (file?.once === true && answer.result !== null) await this.output(null, false);
    if (footer.trim() !== "") this.print(`${this.#options.presenter.dim(footer)}\n`);
  }

  #needLake(): ShellLake {
    const { lake } = this.#options;
    if (lake !== null) return lake;
    throw new LakeError("usage", "there is no lake here", {
      hint: "start the shell in a project: a folder with tarn.yaml or drops/",
    });
  }

  #prompt(): string {
    const { name, session } = this.#options;
    const branch = session.branch === null ? "" : `:${session.branch}`;
    return this.#label === null ? `${name}${branch}> ` : `${name}@${this.#label}> `;
  }

  #editor(completer: Completer): () => Promise<string | null> {
    const { terminal, history, colors, session } = this.#options;
    terminal.setRaw(true);
    const editor = new LineEditor({
      terminal,
      history,
      completer,
      colors,
      onInterrupt: () => session.interrupt(),
    });
    return async () => {
      const read = await editor.read(this.#prompt());
      return read.kind === "text" ? read.text : null;
    };
  }

  /** For dumb terminals: whole lines, no drawing. */
  #plainReader(): () => Promise<string | null> {
    const { terminal } = this.#options;
    const lines = new LineQueue(terminal);
    return async () => {
      let text = "";
      terminal.write(this.#prompt());
      for (;;) {
        const line = await lines.next();
        if (line === null) return text.trim() === "" ? null : text;
        text = text === "" ? line : `${text}\n${line}`;
        if (isComplete(text)) return text;
        terminal.write("   ...> ");
      }
    };
  }
}

const READ_DEPTH_MAX = 16;
const WAITING = "running · Ctrl+C cancels";
const LEFT_OPEN = "the transaction had no COMMIT: nothing of it was done\n";

/** A text as dot commands (a line each, where a statement could begin) and SQL between them. */
export function scriptParts(text: string): string[] {
  const parts: string[] = [];
  let sql = "";
  for (const line of text.split(/\r?\n/)) {
    if (isCommand(line) && isComplete(sql)) {
      if (sql.trim() !== "") parts.push(sql);
      parts.push(line);
      sql = "";
    } else sql += sql === "" ? line : `\n${line}`;
  }
  if (sql.trim() !== "") parts.push(sql);
  return parts;
}

/** Lines of what is typed, as they come. */
class LineQueue {
  readonly #decoder = new TextDecoder();
  readonly #lines: (string | null)[] = [];
  #rest = "";
  #wake: () => void = () => undefined;

  constructor(terminal: Terminal) {
    terminal.onInput((bytes) => {
      const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split(/\r?\n/);
      this.#rest = lines.pop() ?? "";
      this.#lines.push(...lines);
      this.#wake();
    });
    terminal.onEnd(() => {
      if (this.#rest !== "") this.#lines.push(this.#rest);
      this.#lines.push(null);
      this.#wake();
    });
  }

  async next(): Promise<string | null> {
    while (this.#lines.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const [line = null] = this.#lines;
    if (line !== null) this.#lines.shift();
    return line;
  }
}
