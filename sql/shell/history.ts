/** What was run before: in order, searchable, kept in a file that several shells may append to. */

/** Where history is kept; the file itself is made in cmd. */
export interface HistoryStore {
  /** Every line of the file, oldest first; empty when there is none. */
  load(): readonly string[];
  /** Adds one line in one write. Failing to is not worth an error. */
  append(line: string): void;
  /** Replaces the file, when it has grown too long. */
  rewrite(lines: readonly string[]): void;
}

export interface HistoryEntry {
  readonly text: string;
  readonly timeMs: number;
  /** The project it was run in, or null. */
  readonly project: string | null;
}

/** Entries kept; the file is cut back to this when it has twice as many. */
const ENTRIES_MAX = 10_000;
/** Longer texts are pasted data, not something to come back to. */
const ENTRY_CHARS_MAX = 20_000;

export class History {
  readonly #store: HistoryStore;
  readonly #project: string | null;
  #entries: HistoryEntry[];

  /** Entries of other projects stay searchable, behind those of this one. */
  constructor(store: HistoryStore, project: string | null) {
    this.#store = store;
    this.#project = project;
    const lines = store.load();
    this.#entries = lines.flatMap(parseEntry).slice(-ENTRIES_MAX);
    if (lines.length > 2 * ENTRIES_MAX) store.rewrite(this.#entries.map(entryLine));
  }

  /** This project's entries, or all outside a project; oldest first, without repeats in a row. */
  entries(): readonly HistoryEntry[] {
    const mine = this.#entries.filter((entry) => entry.project === this.#project);
    return mine.filter((entry, index) => entry.text !== mine[index - 1]?.text);
  }

  /** Keeps a text, unless it starts with a blank, is empty or repeats the last one. Secrets are masked. */
  add(text: string, timeMs: number): void {
    const trimmed = text.trimEnd();
    if (trimmed === "" || /^\s/.test(text) || trimmed.length > ENTRY_CHARS_MAX) return;
    const entry = { text: withoutSecrets(trimmed), timeMs, project: this.#project };
    if (this.entries().at(-1)?.text === entry.text) return;
    this.#entries.push(entry);
    this.#store.append(entryLine(entry));
  }

  /** Entries that hold all words of the query, newest first, this project's first, each text once. */
  search(query: string, limit: number): readonly string[] {
    const words = query
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== "");
    const found = new Set<string>();
    const scan = (isMine: boolean) => {
      for (let index = this.#entries.length - 1; index >= 0 && found.size < limit; index--) {
        const entry = this.#entries[index];
        if (entry === undefined || (entry.project === this.#project) !== isMine) continue;
        const text = entry.text.toLowerCase();
        if (words.every((word) => text.includes(word))) found.add(entry.text);
      }
    };
    scan(true);
    scan(false);
    return [...found];
  }

  /** What the newest entry that begins with the text goes on with; empty when there is none. */
  suggest(text: string): string {
    if (text.trim().length < 2) return "";
    for (let index = this.#entries.length - 1; index >= 0; index--) {
      const entry = this.#entries[index];
      if (entry?.project === this.#project && entry.text.startsWith(text)) {
        return entry.text.slice(text.length);
      }
    }
    return "";
  }
}

/** The text with the values of passwords, secrets, tokens and keys as `***`. */
export function withoutSecrets(text: string): string {
  return text
    .replace(
      /\b(\w*(?:secret|password|passwd|token|key_id|access_key|api_key)\w*)(\s*(?:=>|:=|=|:|\s)\s*)'(?:[^']|'')*'/gi,
      "$1$2'***'",
    )
    .replace(/(\w+:\/\/[^\s:/@']+:)[^\s@']+@/g, "$1***@");
}

function entryLine(entry: HistoryEntry): string {
  return JSON.stringify({ t: entry.timeMs, project: entry.project, text: entry.text });
}

function parseEntry(line: string): HistoryEntry[] {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== "object" || value === null || !("text" in value)) return [];
    const timeMs = "t" in value && typeof value.t === "number" ? value.t : 0;
    const project = "project" in value && typeof value.project === "string" ? value.project : null;
    return typeof value.text === "string" ? [{ text: value.text, timeMs, project }] : [];
  } catch {
    return [];
  }
}
