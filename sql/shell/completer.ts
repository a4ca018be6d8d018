/** Completion by context: tables after FROM, columns of the tables named, functions, keywords, commands. */

import { isSymbol, isWord, nameOf, type Token, tokensOf } from "../syntax/lexer.ts";
import { quoteIdentifier } from "../syntax/quote.ts";
import { isCommand } from "./highlight.ts";
import { FUNCTIONS, KEYWORD_SET, KEYWORDS } from "./words.ts";

/** Where names come from; answers may come too late to be used. */
export interface Names {
  /** Qualified names of lake and system tables, and plain ones of temporary tables. */
  tables(): Promise<readonly string[]>;
  columns(table: string): Promise<readonly string[]>;
}

export interface Completion {
  /** The range of the text that a candidate replaces. */
  readonly start: number;
  readonly end: number;
  readonly candidates: readonly string[];
}

export interface CompleterOptions {
  readonly names: Names;
  /** Dot commands with what their argument is. */
  readonly commands: ReadonlyMap<string, readonly string[] | "table" | "none">;
  later(ms: number, callback: () => void): () => void;
}

/** Typing never waits longer for names; the next key finds them in the cache. experience.md 14. */
const DEADLINE_MS = 30;
const CANDIDATES_MAX = 200;

export class Completer {
  readonly #options: CompleterOptions;
  #tables: readonly string[] = [];
  readonly #columnsByTable = new Map<string, readonly string[]>();

  constructor(options: CompleterOptions) {
    this.#options = options;
  }

  /** Forgets and asks again; call after each statement. */
  refresh(): void {
    this.#columnsByTable.clear();
    this.#options.names.tables().then(
      (tables) => {
        this.#tables = tables;
      },
      () => undefined,
    );
  }

  async complete(text: string, cursor: number): Promise<Completion> {
    const before = text.slice(0, cursor);
    if (isCommand(before)) return this.#completeCommand(before);
    const tokens = tokensOf(text);
    const word = /[\p{L}\p{N}_.$]*$/u.exec(before)?.[0] ?? "";
    const start = cursor - word.length;
    const inside = tokens.find((token) => token.start < cursor && cursor < token.end);
    const open = tokens.find((token) => token.end === cursor && token.kind === "string");
    const isText = inside?.kind === "string" || inside?.kind === "quoted" || open !== undefined;
    if (isText || /--[^\n]*$/.test(before)) return { start: cursor, end: cursor, candidates: [] };
    const left = tokens.filter((token) => token.end <= start);
    const candidates = await this.#candidates(word, left, tokens);
    return { start, end: cursor, candidates: candidates.slice(0, CANDIDATES_MAX) };
  }

  async #completeCommand(before: string): Promise<Completion> {
    const cursor = before.length;
    const [, name = "", rest] = /^\s*(\S+)(?:\s+(.*))?$/s.exec(before) ?? [];
    if (rest === undefined && !/\s$/.test(before)) {
      const found = [...this.#options.commands.keys()].filter((each) => each.startsWith(name));
      return { start: cursor - name.length, end: cursor, candidates: found };
    }
    const word = /\S*$/.exec(before)?.[0] ?? "";
    const kind = this.#options.commands.get(name) ?? "none";
    const known = kind === "table" ? await this.#tableNames() : kind === "none" ? [] : kind;
    return { start: cursor - word.length, end: cursor, candidates: matching(known, word) };
  }

  async #candidates(
    word: string,
    left: readonly Token[],
    tokens: readonly Token[],
  ): Promise<string[]> {
    const tables = await this.#tableNames();
    const mentioned = mentionedTables(tokens);
    const dot = word.lastIndexOf(".");
    if (dot >= 0) {
      const qualifier = word.slice(0, dot).toLowerCase();
      const table = mentioned.get(qualifier);
      const columns = table === undefined ? [] : await this.#columns(table);
      const found = matching(columns.map(quotedIfNeeded), word.slice(dot + 1));
      return [...found.map((name) => word.slice(0, dot + 1) + name), ...matching(tables, word)];
    }
    if (wantsTable(left)) return [...matchingLastPart(tables, word), ...matching(["select"], word)];
    const columns: string[] = [];
    for (const table of new Set(mentioned.values())) columns.push(...(await this.#columns(table)));
    const isUpper = word !== "" && word === word.toUpperCase() && /\p{L}/u.test(word);
    const keywords = matching(KEYWORDS, word).map((each) => (isUpper ? each.toUpperCase() : each));
    return unique([
      ...matching(columns.map(quotedIfNeeded), word),
      ...(word === "" ? [] : matching(FUNCTIONS, word).map((name) => `${name}(`)),
      ...keywords,
      ...(word === "" ? [] : matchingLastPart(tables, word)),
    ]);
  }

  async #tableNames(): Promise<readonly string[]> {
    const tables = await this.#inTime(this.#options.names.tables());
    if (tables !== null) this.#tables = tables;
    return this.#tables;
  }

  async #columns(table: string): Promise<readonly string[]> {
    const known = this.#columnsByTable.get(table);
    if (known !== undefined) return known;
    const asked = this.#options.names.columns(table);
    asked.then(
      (columns) => this.#columnsByTable.set(table, columns),
      () => undefined,
    );
    return (await this.#inTime(asked)) ?? [];
  }

  /** The answer if it comes in time; null when it is late or fails. */
  async #inTime<T>(answer: Promise<T>): Promise<T | null> {
    return new Promise((resolve) => {
      const stop = this.#options.later(DEADLINE_MS, () => resolve(null));
      answer.then(
        (value) => {
          stop();
          resolve(value);
        },
        () => {
          stop();
          resolve(null);
        },
      );
    });
  }
}

/** What all candidates begin with. */
export function commonStart(candidates: readonly string[]): string {
  let common = candidates[0] ?? "";
  for (const candidate of candidates) {
    while (!candidate.toLowerCase().startsWith(common.toLowerCase())) common = common.slice(0, -1);
  }
  return common;
}

const TABLE_WORDS = ["from", "join", "into", "table", "describe", "summarize", "update"];

function wantsTable(left: readonly Token[]): boolean {
  const last = left.at(-1);
  if (last === undefined) return false;
  if (TABLE_WORDS.some((word) => isWord(last, word))) return true;
  if (!isSymbol(last, ",")) return false;
  for (let index = left.length - 1; index >= 0; index--) {
    const token = left[index];
    if (isWord(token, "from") || isWord(token, "join")) return true;
    if (token?.kind === "word" && KEYWORD_SET.has(token.text.toLowerCase())) return false;
    if (isSymbol(token, "(") || isSymbol(token, ")")) return false;
  }
  return false;
}

/** Tables named after FROM and JOIN, by every name a column can be qualified with. Lower case. */
function mentionedTables(tokens: readonly Token[]): Map<string, string> {
  const tables = new Map<string, string>();
  for (let index = 0; index < tokens.length; index++) {
    if (!isWord(tokens[index], "from") && !isWord(tokens[index], "join")) continue;
    let at = index + 1;
    const parts: string[] = [];
    for (let token = tokens[at]; isName(token); token = tokens[at]) {
      parts.push(nameOf(token));
      at++;
      if (!isSymbol(tokens[at], ".")) break;
      at++;
    }
    const name = parts.join(".");
    // A dot at the end: the name is still being typed.
    if (name === "" || isSymbol(tokens[at - 1], ".")) continue;
    tables.set(name.toLowerCase(), name);
    tables.set((parts.at(-1) ?? name).toLowerCase(), name);
    if (isWord(tokens[at], "as")) at++;
    const alias = tokens[at];
    const isAlias = isName(alias) && !KEYWORD_SET.has(alias.text.toLowerCase());
    if (isAlias) tables.set(nameOf(alias).toLowerCase(), name);
  }
  return tables;
}

function isName(token: Token | undefined): token is Token {
  return token?.kind === "word" || token?.kind === "quoted";
}

function matching(known: readonly string[], word: string): string[] {
  const wanted = word.toLowerCase();
  return known.filter((name) => name.toLowerCase().replaceAll('"', "").startsWith(wanted));
}

/** `ord` finds `silver.orders`: people think of the table, not of its layer. */
function matchingLastPart(tables: readonly string[], word: string): string[] {
  const wanted = word.toLowerCase();
  const byLast = tables.filter((name) => {
    const last = name.slice(name.lastIndexOf(".") + 1).toLowerCase();
    return wanted !== "" && last.startsWith(wanted);
  });
  return unique([...matching(tables, word), ...byLast]);
}

function quotedIfNeeded(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) && !KEYWORD_SET.has(name) ? name : quoteIdentifier(name);
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}
