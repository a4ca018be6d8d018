/** Bytes from a terminal as keys: CSI and SS3 sequences, modifiers, pastes, characters split over reads. */

export type Key =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "paste"; readonly text: string }
  /** `name` with modifiers in front, such as `ctrl+a`, `alt+enter`, `ctrl+shift+left`, `f1`. */
  | { readonly kind: "key"; readonly name: string };

const PASTE_START = "\x1b[200~";
const PASTE_END = "\x1b[201~";
/** A sequence longer than this is noise, not a key. */
const SEQUENCE_CHARS_MAX = 64;

/** Decodes what arrives; keeps what is not yet whole. */
export class KeyDecoder {
  readonly #utf8 = new TextDecoder();
  #pending = "";
  /** Parts of a paste that has not ended; null outside one. */
  #paste: string[] | null = null;

  /** The keys that are complete with these bytes. */
  push(bytes: Uint8Array): Key[] {
    this.#pending += this.#utf8.decode(bytes, { stream: true });
    const keys: Key[] = [];
    for (;;) {
      const before = this.#pending.length;
      const key = this.#paste === null ? this.#next() : this.#endOfPaste();
      if (key !== null) keys.push(...(key.kind === "text" ? splitText(key.text) : [key]));
      if (this.#pending.length === before || this.#pending === "") return keys;
    }
  }

  /** True when an escape waits for its rest: call `flush` when nothing came for a moment. */
  get isWaiting(): boolean {
    return this.#pending !== "" && this.#paste === null;
  }

  /** What waits, taken as it is: a lone escape is the Escape key. */
  flush(): Key[] {
    if (!this.isWaiting) return [];
    const pending = this.#pending;
    this.#pending = "";
    if (pending === "\x1b") return [{ kind: "key", name: "escape" }];
    if (pending === "\x1b\x1b") return [{ kind: "key", name: "alt+escape" }];
    if (pending === "\x1b[" || pending === "\x1bO") {
      return [{ kind: "key", name: `alt+${pending[1] === "[" ? "[" : "shift+o"}` }];
    }
    return [];
  }

  #next(): Key | null {
    const text = this.#pending;
    if (text === "") return null;
    if (text[0] !== "\x1b") return this.#plain();
    if (text.startsWith(PASTE_START)) {
      this.#take(PASTE_START.length);
      this.#paste = [];
      return null;
    }
    if (text.length === 1) return null;
    if (text[1] === "[") return this.#csi();
    if (text[1] === "O") return this.#ss3();
    if (text[1] === "\x1b") {
      // Alt with a sequence (some terminals), or two escapes.
      if (text.length === 2) return null;
      this.#take(1);
      const inner = this.#next();
      return inner?.kind === "key" ? withModifier("alt", inner.name) : inner;
    }
    const [character = ""] = text.slice(1, 3);
    this.#take(1 + character.length);
    const control = controlName(character);
    if (control !== null) return withModifier("alt", control);
    const upper = character !== character.toLowerCase();
    return withModifier("alt", upper ? `shift+${character.toLowerCase()}` : character);
  }

  #plain(): Key {
    const control = controlName(this.#pending[0] ?? "");
    if (control !== null) {
      this.#take(1);
      return { kind: "key", name: control };
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: text ends where a control character is
    const text = /^[^\u0000-\u001f\u007f]+/.exec(this.#pending)?.[0] ?? this.#pending;
    this.#take(text.length);
    return { kind: "text", text };
  }

  #csi(): Key | null {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: ECMA-48, 5.4: parameters, intermediates, final
    const found = /^\x1b\[([0-?]*)([ -/]*)([@-~])/.exec(this.#pending);
    if (found === null) {
      // Not a sequence (yet): drop what can never become one.
      // biome-ignore lint/suspicious/noControlCharactersInRegex: see above
      const isPrefix = /^\x1b\[[0-?]*[ -/]*$/.test(this.#pending);
      if (!isPrefix || this.#pending.length > SEQUENCE_CHARS_MAX) this.#take(2);
      return null;
    }
    const [whole, parameters = "", , final = ""] = found;
    this.#take(whole.length);
    return csiKey(parameters, final);
  }

  #ss3(): Key | null {
    const final = this.#pending[2];
    if (final === undefined) return null;
    this.#take(3);
    const name = CSI_LETTERS[final];
    return name === undefined ? null : { kind: "key", name };
  }

  #endOfPaste(): Key | null {
    const end = this.#pending.indexOf(PASTE_END);
    if (end < 0) {
      // The end marker itself may be split: keep as much as could be its start.
      const safe = this.#pending.length - (PASTE_END.length - 1);
      if (safe > 0) {
        this.#paste?.push(this.#pending.slice(0, safe));
        this.#take(safe);
      }
      return null;
    }
    const text = [...(this.#paste ?? []), this.#pending.slice(0, end)].join("");
    this.#take(end + PASTE_END.length);
    this.#paste = null;
    return { kind: "paste", text: text.replace(/\r\n?/g, "\n") };
  }

  #take(count: number): void {
    this.#pending = this.#pending.slice(count);
  }
}

const CSI_LETTERS: Readonly<Record<string, string>> = {
  A: "up",
  B: "down",
  C: "right",
  D: "left",
  E: "begin",
  F: "end",
  H: "home",
  M: "enter",
  P: "f1",
  Q: "f2",
  R: "f3",
  S: "f4",
  Z: "shift+tab",
};

const CSI_NUMBERS: Readonly<Record<number, string>> = {
  1: "home",
  2: "insert",
  3: "delete",
  4: "end",
  5: "pageup",
  6: "pagedown",
  7: "home",
  8: "end",
  15: "f5",
  17: "f6",
  18: "f7",
  19: "f8",
  20: "f9",
  21: "f10",
  23: "f11",
  24: "f12",
};

/** Names of the codes that modifyOtherKeys and the kitty protocol report by number. */
const CODE_NAMES: Readonly<Record<number, string>> = {
  8: "backspace",
  9: "tab",
  13: "enter",
  27: "escape",
  32: "space",
  127: "backspace",
};

function csiKey(parameters: string, final: string): Key | null {
  const numbers = parameters.split(";").map((part) => Number(part.split(":")[0] || "1"));
  const [first = 1, second = 1, third = 0] = numbers;
  if (final === "~" && first === 27) return modified(codeName(third), second);
  if (final === "~") return modified(CSI_NUMBERS[first] ?? null, second);
  if (final === "u") return modified(codeName(first), second);
  return modified(CSI_LETTERS[final] ?? null, second);
}

function codeName(code: number): string | null {
  const named = CODE_NAMES[code];
  if (named !== undefined) return named;
  return code > 32 && code < 0x110000 ? String.fromCodePoint(code) : null;
}

/** xterm: one more than the sum of shift 1, alt 2, ctrl 4, meta 8. */
function modified(name: string | null, code: number): Key | null {
  if (name === null) return null;
  const bits = Math.max(0, code - 1);
  let full = name;
  if ((bits & 1) !== 0 && !full.startsWith("shift+")) full = `shift+${full}`;
  if ((bits & 2) !== 0 || (bits & 8) !== 0) full = `alt+${full}`;
  if ((bits & 4) !== 0) full = `ctrl+${full}`;
  if (full.length === 1) return { kind: "text", text: full };
  return { kind: "key", name: full };
}

function withModifier(modifier: string, name: string): Key {
  return { kind: "key", name: `${modifier}+${name}` };
}

function controlName(character: string): string | null {
  const code = character.charCodeAt(0);
  if (code === 0x0d) return "enter";
  if (code === 0x0a) return "ctrl+j";
  if (code === 0x09) return "tab";
  if (code === 0x7f || code === 0x08) return "backspace";
  if (code === 0x1b) return "escape";
  if (code === 0) return "ctrl+space";
  if (code < 0x1b) return `ctrl+${String.fromCharCode(code + 0x60)}`;
  if (code < 0x20) return `ctrl+${String.fromCharCode(code + 0x40).toLowerCase()}`;
  return null;
}

function splitText(text: string): Key[] {
  return [{ kind: "text", text }];
}
