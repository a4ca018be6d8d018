/** Glob patterns over paths: a compiled matcher whose time is bounded by path length times pattern length. */

/** `matches` takes a path with `/` between folders. Foreign names never become a regular expression. */
export interface Glob {
  readonly pattern: string;
  /** The folders before the first wildcard, with a final `/`; empty when there are none. */
  readonly folder: string;
  readonly matches: (path: string) => boolean;
}

export type GlobResult =
  | { readonly kind: "glob"; readonly glob: Glob }
  | { readonly kind: "invalid"; readonly reason: string };

/** Characters of a pattern at most: the matcher's states grow with it. */
const PATTERN_CHARS_MAX = 1_000;
const WILDCARDS = "*?[]{}\\";

/**
 * Compiles a glob: `*` and `?` stop at `/`, `**` does not and `a/**` also holds `a/b/c`, `**` + `/` may be empty,
 * `{a,b}` is either (and nests), `[a-z]` and `[!a-z]` are classes without `/`, `\` takes the next one literally.
 */
export function compileGlob(pattern: string): GlobResult {
  if (pattern === "") return { kind: "invalid", reason: "the pattern is empty" };
  if (pattern.length > PATTERN_CHARS_MAX) {
    return { kind: "invalid", reason: `the pattern is longer than ${PATTERN_CHARS_MAX}` };
  }
  const compiler = new Compiler([...pattern]);
  const start = compiler.compile();
  if (typeof start === "string") return { kind: "invalid", reason: start };
  const folder = literalFolder(pattern);
  const matches = (path: string) => path.startsWith(folder) && run(compiler.states, start, path);
  return { kind: "glob", glob: { pattern, folder, matches } };
}

/** Compiles what says where files lie: a glob; without wildcards, a file or all below the folder of that name. */
export function compilePath(pattern: string): GlobResult {
  const compiled = compileGlob(pattern);
  if (compiled.kind === "invalid" || hasWildcard(pattern)) return compiled;
  const folder = pattern.endsWith("/") ? pattern : `${pattern}/`;
  const matches = (path: string) => path === pattern || path.startsWith(folder);
  return { kind: "glob", glob: { pattern, folder, matches } };
}

/** The text as a pattern that matches only itself. */
export function escapeGlob(text: string): string {
  let escaped = "";
  for (const char of text) escaped += WILDCARDS.includes(char) || char === "," ? `\\${char}` : char;
  return escaped;
}

/** True when the text has a wildcard in it. */
export function hasWildcard(text: string): boolean {
  return [...text].some((char) => WILDCARDS.includes(char));
}

function literalFolder(pattern: string): string {
  let end = 0;
  for (const [index, char] of [...pattern].entries()) {
    if (WILDCARDS.includes(char)) break;
    if (char === "/") end = index + 1;
  }
  return [...pattern].slice(0, end).join("");
}

/** Which characters a state takes. */
type Accepts =
  | { readonly kind: "literal"; readonly char: string }
  | { readonly kind: "not-slash" }
  | { readonly kind: "any" }
  | { readonly kind: "class"; readonly negated: boolean; readonly ranges: readonly Range[] };
type Range = readonly [from: number, to: number];

/** A state takes a character and goes on, forks without one, or is the end. */
type State =
  | { readonly kind: "take"; readonly accepts: Accepts; readonly next: number }
  | { readonly kind: "fork"; readonly targets: number[] }
  | { readonly kind: "end" };

/** Builds the states from back to front, so that every state knows its successor. */
class Compiler {
  readonly states: State[] = [{ kind: "end" }];
  readonly #chars: readonly string[];

  constructor(chars: readonly string[]) {
    this.#chars = chars;
  }

  /** The start state, or what is wrong with the pattern. */
  compile(): number | string {
    const parsed = parseSequence(this.#chars, 0, false);
    if (typeof parsed === "string") return parsed;
    return this.#sequence(parsed.parts, 0);
  }

  #add(state: State): number {
    this.states.push(state);
    return this.states.length - 1;
  }

  #sequence(parts: readonly Part[], next: number): number {
    let target = next;
    for (const part of parts.toReversed()) target = this.#part(part, target);
    return target;
  }

  #part(part: Part, next: number): number {
    switch (part.kind) {
      case "one":
        return this.#add({ kind: "take", accepts: part.accepts, next });
      case "many": {
        const targets: number[] = [next];
        const fork = this.#add({ kind: "fork", targets });
        targets.push(this.#add({ kind: "take", accepts: part.accepts, next: fork }));
        return fork;
      }
      case "folders": {
        // `**/` is nothing, or anything that ends in a slash.
        const slash = this.#add({ kind: "take", accepts: { kind: "literal", char: "/" }, next });
        const many = this.#part({ kind: "many", accepts: { kind: "any" } }, slash);
        return this.#add({ kind: "fork", targets: [next, many] });
      }
      case "either":
        return this.#add({
          kind: "fork",
          targets: part.choices.map((choice) => this.#sequence(choice, next)),
        });
    }
  }
}

type Part =
  | { readonly kind: "one"; readonly accepts: Accepts }
  | { readonly kind: "many"; readonly accepts: Accepts }
  | { readonly kind: "folders" }
  | { readonly kind: "either"; readonly choices: readonly (readonly Part[])[] };

interface Parsed {
  readonly parts: readonly Part[];
  readonly end: number;
}

/** Parses up to the end, or inside braces up to the `,` or `}` that ends the choice. */
function parseSequence(chars: readonly string[], from: number, inBraces: boolean): Parsed | string {
  const parts: Part[] = [];
  let index = from;
  while (index < chars.length) {
    const char = chars[index] ?? "";
    if (inBraces && (char === "," || char === "}")) return { parts, end: index };
    if (char === "*") {
      const double = chars[index + 1] === "*";
      const atStart = index === 0 || "/{,".includes(chars[index - 1] ?? "/");
      if (double && atStart && chars[index + 2] === "/") {
        parts.push({ kind: "folders" });
        index += 3;
      } else {
        parts.push({ kind: "many", accepts: double ? { kind: "any" } : { kind: "not-slash" } });
        index += double ? 2 : 1;
      }
    } else if (char === "?") {
      parts.push({ kind: "one", accepts: { kind: "not-slash" } });
      index += 1;
    } else if (char === "[" || char === "{") {
      const parsed = char === "[" ? parseClass(chars, index) : parseBraces(chars, index);
      if (typeof parsed === "string") return parsed;
      parts.push(...parsed.parts);
      index = parsed.end;
    } else {
      const escaped = char === "\\";
      const literal = escaped ? chars[index + 1] : char;
      if (literal === undefined) return "it ends in a backslash";
      parts.push({ kind: "one", accepts: { kind: "literal", char: literal } });
      index += escaped ? 2 : 1;
    }
  }
  return inBraces ? "a { has no }" : { parts, end: index };
}

function parseBraces(chars: readonly string[], from: number): Parsed | string {
  const choices: (readonly Part[])[] = [];
  let index = from + 1;
  while (index <= chars.length) {
    const parsed = parseSequence(chars, index, true);
    if (typeof parsed === "string") return parsed;
    choices.push(parsed.parts);
    index = parsed.end + 1;
    if (chars[parsed.end] === "}") return { parts: [{ kind: "either", choices }], end: index };
  }
  return "a { has no }";
}

function parseClass(chars: readonly string[], from: number): Parsed | string {
  let index = from + 1;
  const negated = chars[index] === "!" || chars[index] === "^";
  if (negated) index += 1;
  const ranges: Range[] = [];
  const first = index;
  for (; index < chars.length; index++) {
    if (chars[index] === "]" && index > first) {
      return {
        parts: [{ kind: "one", accepts: { kind: "class", negated, ranges } }],
        end: index + 1,
      };
    }
    if (chars[index] === "\\") index += 1;
    const low = codePoint(chars[index]);
    const isRange = chars[index + 1] === "-" && (chars[index + 2] ?? "]") !== "]";
    const high = isRange ? codePoint(chars[index + 2]) : low;
    if (high < low) return `the range ${chars[index]}-${chars[index + 2]} is backwards`;
    ranges.push([low, high]);
    if (isRange) index += 2;
  }
  return "a [ has no ]";
}

function codePoint(char: string | undefined): number {
  return char?.codePointAt(0) ?? 0;
}

/** Steps through the path with the set of states it may be in; each state enters the set at most once a step. */
function run(states: readonly State[], start: number, path: string): boolean {
  const marks = new Int32Array(states.length).fill(-1);
  let current: number[] = [];
  enter(states, start, 0, marks, current);
  let step = 0;
  for (const char of path) {
    step += 1;
    const following: number[] = [];
    for (const index of current) {
      const state = states[index];
      if (state?.kind !== "take" || !takes(state.accepts, char)) continue;
      enter(states, state.next, step, marks, following);
    }
    if (following.length === 0) return false;
    current = following;
  }
  return current.includes(0);
}

function enter(
  states: readonly State[],
  start: number,
  step: number,
  marks: Int32Array,
  into: number[],
): void {
  const pending = [start];
  for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
    if (marks[index] === step) continue;
    marks[index] = step;
    const state = states[index];
    if (state?.kind === "fork") pending.push(...state.targets);
    else into.push(index);
  }
}

function takes(accepts: Accepts, char: string): boolean {
  switch (accepts.kind) {
    case "literal":
      return accepts.char === char;
    case "any":
      return true;
    case "not-slash":
      return char !== "/";
    case "class": {
      const code = codePoint(char);
      const inside = accepts.ranges.some(([low, high]) => code >= low && code <= high);
      return char !== "/" && inside !== accepts.negated;
    }
  }
}
