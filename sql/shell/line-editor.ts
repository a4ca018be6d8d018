/** Reads one statement from a terminal: keys in, edited text out, history and completion on the way. */

import { type Completer, type Completion, commonStart } from "./completer.ts";
import { EditBuffer } from "./edit-buffer.ts";
import { highlight, isComplete } from "./highlight.ts";
import type { History } from "./history.ts";
import { type Key, KeyDecoder } from "./key-decoder.ts";
import { type Command, commandOf } from "./keymap.ts";
import { Renderer, type View } from "./renderer.ts";
import type { Terminal } from "./terminal.ts";

export type Read =
  | { readonly kind: "text"; readonly text: string }
  /** Ctrl+D on an empty line, or the terminal went away. */
  | { readonly kind: "leave" };

export interface LineEditorOptions {
  readonly terminal: Terminal;
  readonly history: History;
  readonly completer: Completer;
  readonly colors: boolean;
  /** Ctrl+C while nothing is being read. */
  onInterrupt(): void;
}

/** A lone escape is the Escape key when nothing follows for so long. */
const ESCAPE_WAIT_MS = 30;
const MENU_ROWS_MAX = 6;
const SEARCH_ROWS_MAX = 8;

interface Menu {
  readonly completion: Completion;
  readonly index: number;
}

interface Search {
  readonly query: string;
  readonly found: readonly string[];
  readonly index: number;
  /** The text before the search, for Escape. */
  readonly saved: string;
}

export class LineEditor {
  readonly #options: LineEditorOptions;
  readonly #decoder = new KeyDecoder();
  readonly #renderer: Renderer;
  readonly #buffer = new EditBuffer();
  readonly #typedAhead: Key[] = [];
  /** Keys that came while a completion was being looked up. */
  readonly #held: Key[] = [];
  #completing = false;
  #prompt = "";
  #resolve: ((read: Read) => void) | null = null;
  #menu: Menu | null = null;
  #search: Search | null = null;
  /** Place in the history, counted back from the end; 0 is the text being written. */
  #back = 0;
  #draft = "";
  #ended = false;
  #stopEscape: () => void = () => undefined;

  constructor(options: LineEditorOptions) {
    this.#options = options;
    this.#renderer = new Renderer(options.terminal, options.colors);
    options.terminal.onInput((bytes) => this.#input(bytes));
    options.terminal.onEnd(() => this.#end());
    options.terminal.onResize(() => {
      if (this.#resolve !== null) this.#renderer.resize(this.#view());
    });
  }

  /** Reads until Enter on a whole statement. Keys typed before the call are taken first. */
  read(prompt: string): Promise<Read> {
    this.#prompt = prompt;
    this.#buffer.set("", { fresh: true });
    this.#back = 0;
    this.#menu = null;
    this.#search = null;
    const { promise, resolve } = Promise.withResolvers<Read>();
    this.#resolve = resolve;
    if (this.#ended) this.#leave();
    else {
      this.#draw();
      this.#keys(this.#typedAhead.splice(0));
    }
    return promise;
  }

  #input(bytes: Uint8Array): void {
    this.#stopEscape();
    this.#keys(this.#decoder.push(bytes));
    if (!this.#decoder.isWaiting) return;
    this.#stopEscape = this.#options.terminal.later(ESCAPE_WAIT_MS, () => {
      this.#keys(this.#decoder.flush());
    });
  }

  #end(): void {
    this.#ended = true;
    this.#leave();
  }

  #keys(keys: readonly Key[]): void {
    for (const [index, key] of keys.entries()) {
      if (this.#completing) {
        this.#held.push(...keys.slice(index));
        return;
      }
      if (this.#resolve === null) {
        if (key.kind === "key" && key.name === "ctrl+c") {
          this.#typedAhead.length = 0;
          this.#options.onInterrupt();
        } else this.#typedAhead.push(key);
        continue;
      }
      if (this.#search !== null) this.#searchKey(key);
      else if (key.kind === "key") this.#command(commandOf(key.name));
      else this.#typed(key);
    }
    if (this.#resolve !== null) this.#draw();
  }

  #typed(key: Exclude<Key, { kind: "key" }>): void {
    this.#menu = null;
    this.#buffer.insert(key.text);
  }

  #command(command: Command): void {
    if (command === "complete" || command === "complete-back") {
      void this.#complete(command === "complete" ? 1 : -1);
      return;
    }
    const hadMenu = this.#menu !== null;
    this.#menu = null;
    if (hadMenu && (command === "cancel" || command === "submit")) return;
    if (EDITS[command] !== undefined) EDITS[command](this.#buffer);
    else this.#control(command);
  }

  #control(command: Command): void {
    const { text, cursor } = this.#buffer;
    switch (command) {
      case "submit":
        if (isComplete(text)) this.#submit();
        else this.#buffer.insert("\n");
        return;
      case "right":
        if (cursor === text.length) this.#buffer.insert(this.#ghost());
        else this.#buffer.right();
        return;
      case "line-end":
        if (cursor === text.length) this.#buffer.insert(this.#ghost());
        else this.#buffer.lineEnd();
        return;
      case "up":
        if (!this.#buffer.up()) this.#toHistory(this.#back + 1);
        return;
      case "down":
        if (!this.#buffer.down()) this.#toHistory(this.#back - 1);
        return;
      case "history-previous":
        this.#toHistory(this.#back + 1);
        return;
      case "history-next":
        this.#toHistory(this.#back - 1);
        return;
      case "history-first":
        this.#toHistory(this.#options.history.entries().length);
        return;
      case "history-last":
        this.#toHistory(0);
        return;
      case "search":
        this.#search = { query: "", found: [], index: 0, saved: text };
        return;
      case "delete-or-leave":
        if (text === "") this.#leave();
        else this.#buffer.delete();
        return;
      case "interrupt":
        this.#abandon();
        return;
      case "clear-screen":
        this.#renderer.clearScreen(this.#view());
        return;
      case "suspend":
        this.#renderer.finish(this.#view());
        this.#options.terminal.suspend(() => this.#draw());
        return;
      default:
        return;
    }
  }

  /** Leaves the line on the screen as it is and begins a new one. */
  #abandon(): void {
    if (this.#buffer.text !== "") this.#renderer.finish(this.#view());
    this.#buffer.set("", { fresh: true });
    this.#back = 0;
  }

  #submit(): void {
    const { text } = this.#buffer;
    this.#renderer.finish(this.#view());
    const resolve = this.#resolve;
    this.#resolve = null;
    resolve?.({ kind: "text", text });
  }

  #leave(): void {
    const resolve = this.#resolve;
    if (resolve === null) return;
    if (!this.#ended) this.#renderer.finish(this.#view());
    this.#resolve = null;
    resolve({ kind: "leave" });
  }

  #toHistory(back: number): void {
    const entries = this.#options.history.entries();
    if (back < 0 || back > entries.length || back === this.#back) return;
    if (this.#back === 0) this.#draft = this.#buffer.text;
    this.#back = back;
    const text = back === 0 ? this.#draft : (entries[entries.length - back]?.text ?? "");
    this.#buffer.set(text, { fresh: true });
  }

  async #complete(direction: 1 | -1): Promise<void> {
    const { text, cursor } = this.#buffer;
    if (this.#menu !== null) {
      this.#choose(this.#menu, direction);
      return;
    }
    if (text.slice(0, cursor).trim() === "") {
      this.#buffer.insert("  ");
      return;
    }
    this.#completing = true;
    const completion = await this.#options.completer.complete(text, cursor);
    this.#completing = false;
    this.#completed(completion);
    this.#draw();
    this.#keys(this.#held.splice(0));
  }

  #completed(completion: Completion): void {
    const [only] = completion.candidates;
    const common = commonStart(completion.candidates);
    if (completion.candidates.length === 1 && only !== undefined) {
      this.#buffer.replace(completion.start, completion.end, only);
    } else if (common.length > completion.end - completion.start) {
      this.#buffer.replace(completion.start, completion.end, common);
    }
    if (completion.candidates.length > 1) {
      const end = this.#buffer.cursor;
      this.#menu = { completion: { ...completion, end }, index: -1 };
    }
  }

  #choose(menu: Menu, direction: 1 | -1): void {
    const { candidates, start } = menu.completion;
    const from = menu.index < 0 && direction < 0 ? 0 : menu.index;
    const index = (from + direction + candidates.length) % candidates.length;
    this.#buffer.replace(start, this.#buffer.cursor, candidates[index] ?? "");
    const completion = { ...menu.completion, end: this.#buffer.cursor };
    this.#menu = { completion, index };
    this.#draw();
  }

  #searchKey(key: Key): void {
    const search = this.#search;
    if (search === null) return;
    if (key.kind !== "key") {
      this.#find(search, search.query + key.text);
      return;
    }
    const command = commandOf(key.name);
    if (command === "backspace") this.#find(search, search.query.slice(0, -1));
    else if (command === "search" || command === "up") this.#pick(search, search.index + 1);
    else if (command === "down") this.#pick(search, search.index - 1);
    else {
      this.#search = null;
      const taken = search.found[search.index];
      const isCancelled = command === "cancel" || command === "interrupt";
      this.#buffer.set(isCancelled ? search.saved : (taken ?? search.saved));
      if (!isCancelled && command !== "submit") this.#command(command);
    }
  }

  #find(search: Search, query: string): void {
    const found = query === "" ? [] : this.#options.history.search(query, 50);
    this.#search = { ...search, query, found, index: 0 };
  }

  #pick(search: Search, index: number): void {
    const last = search.found.length - 1;
    this.#search = { ...search, index: Math.max(0, Math.min(index, last)) };
  }

  #ghost(): string {
    const { text, cursor } = this.#buffer;
    return cursor === text.length ? this.#options.history.suggest(text) : "";
  }

  #draw(): void {
    if (this.#resolve !== null) this.#renderer.draw(this.#view());
  }

  #view(): View {
    const width = Bun.stringWidth(this.#prompt);
    const continuation = `${" ".repeat(Math.max(0, width - 5))}...> `;
    const search = this.#search;
    if (search !== null) {
      const query = `search: ${search.query}`;
      const below = searchRows(search);
      return {
        prompt: "",
        continuation: "",
        text: query,
        cursor: query.length,
        spans: [],
        ghost: "",
        below,
      };
    }
    const { text, cursor } = this.#buffer;
    const below = this.#menu === null ? [] : menuRows(this.#menu, this.#options.terminal.columns());
    const ghost = this.#menu === null ? this.#ghost() : "";
    return {
      prompt: this.#prompt,
      continuation,
      text,
      cursor,
      spans: highlight(text),
      ghost,
      below,
    };
  }
}

type Edit = (buffer: EditBuffer) => void;

const EDITS: { readonly [command in Command]?: Edit } = {
  newline: (buffer) => buffer.insert("\n"),
  left: (buffer) => buffer.left(),
  "word-left": (buffer) => buffer.wordLeft(),
  "word-right": (buffer) => buffer.wordRight(),
  "line-start": (buffer) => buffer.lineStart(),
  "text-start": (buffer) => buffer.textStart(),
  "text-end": (buffer) => buffer.textEnd(),
  backspace: (buffer) => buffer.backspace(),
  delete: (buffer) => buffer.delete(),
  "kill-to-end": (buffer) => buffer.killToLineEnd(),
  "kill-to-start": (buffer) => buffer.killToLineStart(),
  "kill-word-before": (buffer) => buffer.killWordBefore(),
  "kill-word-after": (buffer) => buffer.killWordAfter(),
  "kill-blank-word": (buffer) => buffer.killBlankWordBefore(),
  yank: (buffer) => buffer.yank(),
  "yank-pop": (buffer) => buffer.yankPop(),
  transpose: (buffer) => buffer.transpose(),
  undo: (buffer) => buffer.undo(),
  redo: (buffer) => buffer.redo(),
};

/** Candidates in columns, the chosen one marked, as many rows as there is room for. */
function menuRows(menu: Menu, width: number): string[] {
  const { candidates } = menu.completion;
  const cell = Math.min(width, Math.max(...candidates.map((each) => Bun.stringWidth(each))) + 2);
  const perRow = Math.max(1, Math.floor(width / cell));
  const rowCount = Math.ceil(candidates.length / perRow);
  const chosenRow = Math.max(0, Math.floor(menu.index / perRow));
  const first = Math.max(0, Math.min(chosenRow - MENU_ROWS_MAX + 1, rowCount - MENU_ROWS_MAX));
  const rows: string[] = [];
  for (let row = first; row < Math.min(rowCount, first + MENU_ROWS_MAX); row++) {
    const cells = candidates.slice(row * perRow, (row + 1) * perRow).map((candidate, column) => {
      const text = candidate + " ".repeat(Math.max(0, cell - Bun.stringWidth(candidate)));
      return row * perRow + column === menu.index
        ? `\x1b[7m${text.trimEnd()}\x1b[27m${text.slice(text.trimEnd().length)}`
        : text;
    });
    rows.push(cells.join("").trimEnd());
  }
  if (rowCount > rows.length) rows.push(`… ${candidates.length} in all`);
  return rows;
}

function searchRows(search: Search): string[] {
  if (search.query !== "" && search.found.length === 0) return ["(nothing found)"];
  const first = Math.max(0, search.index - SEARCH_ROWS_MAX + 1);
  return search.found.slice(first, first + SEARCH_ROWS_MAX).map((text, index) => {
    const line = text.replace(/\s+/g, " ");
    return first + index === search.index ? `\x1b[7m> ${line}\x1b[27m` : `  ${line}`;
  });
}
