/**
 * The plain part of YAML, read without the library, whose loading costs more than a whole status: keys, lists and
 * simple values as people write them. Whatever else a text holds is left to `yaml.ts`.
 */

/** The data of a plain text; null for any text of which the library might have another opinion, or find fault with. */
export function parsePlainYaml(text: string): { readonly data: unknown } | null {
  if (!/^[\n\x20-\x7e]*$/.test(text)) return null;
  const lines: Line[] = [];
  for (const raw of text.split("\n")) {
    const content = raw.trimStart();
    if (content === "" || content.startsWith("#")) continue;
    lines.push({ indent: raw.length - content.length, text: content.trimEnd() });
  }
  const [first] = lines;
  if (first === undefined) return { data: null };
  try {
    const reader = new BlockReader(lines);
    const data = reader.map(first.indent, 0);
    return reader.done ? { data } : null;
  } catch (thrown) {
    if (thrown instanceof NotPlain) return null;
    throw thrown;
  }
}

interface Line {
  readonly indent: number;
  readonly text: string;
}

/** Never leaves this file. */
class NotPlain extends Error {}

const DEPTH_MAX = 32;
const KEY = /^([A-Za-z][A-Za-z0-9_.-]*|_[A-Za-z0-9][A-Za-z0-9_.-]*):(?: +(.*))?$/;
const FLOW_KEY = /^ *([A-Za-z][A-Za-z0-9_.-]*): +/;
const NUMBER = /^(?:0|-?[1-9][0-9]{0,14})$/;
/** A word or a few, a size or a duration. Nothing that YAML 1.2 takes for something else than text. */
const WORDS =
  /^(?:(?:\.\/)?[A-Za-z_/][-A-Za-z0-9_./*()%+=<>!?;,' ]*|[1-9][0-9]*[A-Za-z]+|0(?:ms|s|m|h|d))$/;
const FLOW_WORDS = /^(?:[A-Za-z_/][-A-Za-z0-9_./*()%+=<>!?; ]*|[1-9][0-9]*[A-Za-z]+)$/;
const RESERVED = /^(?:null|true|false)$/i;
const QUOTED = /^(?:'([^']*)'|"([^"\\]*)")/;

class BlockReader {
  readonly #lines: readonly Line[];
  #at = 0;

  constructor(lines: readonly Line[]) {
    this.#lines = lines;
  }

  get done(): boolean {
    return this.#at === this.#lines.length;
  }

  map(indent: number, depth: number): Record<string, unknown> {
    const entries = new Map<string, unknown>();
    for (let line = this.#line(indent, depth); line !== null; line = this.#line(indent, depth)) {
      const [, key = "", rest = ""] = KEY.exec(line.text) ?? [];
      if (key === "" || RESERVED.test(key) || entries.has(key)) throw new NotPlain();
      this.#at++;
      const inline = withoutComment(rest);
      entries.set(key, inline === "" ? this.#nested(indent, depth) : scalar(inline));
    }
    return Object.fromEntries(entries);
  }

  /** What stands below a key; a list may stand right under it. */
  #nested(indent: number, depth: number): unknown {
    const next = this.#lines[this.#at];
    if (next === undefined || next.indent < indent) return null;
    if (isItem(next)) return this.#list(next.indent, depth + 1);
    return next.indent === indent ? null : this.map(next.indent, depth + 1);
  }

  #list(indent: number, depth: number): unknown[] {
    const items: unknown[] = [];
    for (let line = this.#line(indent, depth); line !== null; line = this.#line(indent, depth)) {
      // The list of a key at the same depth ends where the next key begins.
      if (!isItem(line)) break;
      const content = line.text.slice(1).trimStart();
      const inner = indent + line.text.length - content.length;
      if (!KEY.test(content)) {
        this.#at++;
        items.push(scalar(withoutComment(content)));
        continue;
      }
      items.push(this.#itemMap({ indent: inner, text: content }, depth));
    }
    return items;
  }

  /** `- key: value` begins a map whose other keys stand below this one. */
  #itemMap(first: Line, depth: number): Record<string, unknown> {
    const [next] = this.#lines.slice(this.#at + 1);
    const rest = next?.indent === first.indent ? this.#lines.slice(this.#at + 1) : [];
    const inner = new BlockReader([first, ...rest]);
    if (rest.length === 0 && next !== undefined && next.indent > first.indent - 1) {
      throw new NotPlain();
    }
    const value = inner.map(first.indent, depth + 1);
    this.#at += inner.#at;
    return value;
  }

  /** The next line of a block; null at its end. */
  #line(indent: number, depth: number): Line | null {
    if (depth > DEPTH_MAX) throw new NotPlain();
    const line = this.#lines[this.#at];
    if (line === undefined || line.indent < indent) return null;
    if (line.indent > indent) throw new NotPlain();
    return line;
  }
}

function isItem(line: Line): boolean {
  return line.text.startsWith("- ");
}

function withoutComment(text: string): string {
  if (text.startsWith("#")) return "";
  const end = text.search(/ +#/);
  if (end < 0) return text;
  const before = text.slice(0, end);
  // Inside of quotes a # is text: such a line is not plain.
  if (/['"]/.test(before)) throw new NotPlain();
  return before;
}

function scalar(text: string): unknown {
  if (text.startsWith("[") || text.startsWith("{")) {
    const reader = new FlowReader(text);
    const value = reader.value(0);
    if (!reader.done) throw new NotPlain();
    return value;
  }
  const quoted = QUOTED.exec(text);
  if (quoted !== null && quoted[0].length === text.length) return quoted[1] ?? quoted[2] ?? "";
  return word(text, WORDS);
}

function word(text: string, words: RegExp): unknown {
  if (text === "true" || text === "false") return text === "true";
  if (NUMBER.test(text)) return Number(text);
  if (!words.test(text) || RESERVED.test(text)) throw new NotPlain();
  return text;
}

/** `[a, b]` and `{ a: b }` on one line. */
class FlowReader {
  #rest: string;

  constructor(text: string) {
    this.#rest = text;
  }

  get done(): boolean {
    return this.#rest === "";
  }

  value(depth: number): unknown {
    if (depth > DEPTH_MAX) throw new NotPlain();
    this.#rest = this.#rest.trimStart();
    if (this.#rest.startsWith("[")) return this.#items("]", () => this.value(depth + 1));
    if (this.#rest.startsWith("{")) return this.#map(depth);
    const quoted = QUOTED.exec(this.#rest);
    if (quoted !== null) {
      this.#rest = this.#rest.slice(quoted[0].length).trimStart();
      return quoted[1] ?? quoted[2] ?? "";
    }
    const end = this.#rest.search(/[,[\]{}]/);
    if (end < 0) throw new NotPlain();
    const text = this.#rest.slice(0, end).trimEnd();
    this.#rest = this.#rest.slice(end);
    return word(text, FLOW_WORDS);
  }

  #map(depth: number): Record<string, unknown> {
    const seen = new Set<string>();
    const entries = this.#items("}", (): [string, unknown] => {
      const [all = "", key = ""] = FLOW_KEY.exec(this.#rest) ?? [];
      if (key === "" || RESERVED.test(key) || seen.has(key)) throw new NotPlain();
      seen.add(key);
      this.#rest = this.#rest.slice(all.length);
      return [key, this.value(depth + 1)];
    });
    return Object.fromEntries(entries);
  }

  /** At least one: an empty one, or one that ends with a comma, is not plain. */
  #items<T>(close: string, item: () => T): T[] {
    const items: T[] = [];
    do {
      this.#rest = this.#rest.slice(1);
      items.push(item());
      this.#rest = this.#rest.trimStart();
    } while (this.#rest.startsWith(","));
    if (!this.#rest.startsWith(close)) throw new NotPlain();
    this.#rest = this.#rest.slice(1).trimStart();
    return items;
  }
}
