/** Source text for the house rules: code without comments and strings, and where its functions begin and end. */

export interface SourceText {
  /** The text as it is, by line. */
  readonly lines: readonly string[];
  /** The same lines with the contents of comments, strings and patterns blanked. */
  readonly code: readonly string[];
  /** The same lines with the contents of comments blanked only. */
  readonly uncommented: readonly string[];
}

export interface FunctionSpan {
  /** From 1. */
  readonly line: number;
  readonly lineCount: number;
  /** The code before the body, in one line. */
  readonly head: string;
}

/** Words after which a slash begins a pattern, not a division. */
const BEFORE_PATTERN =
  /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|yield|await))\s*$/;
const NOT_FUNCTIONS = /\b(?:if|for|while|switch|catch|with)\s*$/;

/** Splits a TypeScript text into code and the rest. Knows nested templates; not a parser, and need not be one. */
export function readSource(text: string): SourceText {
  const code = [...text];
  const uncommented = [...text];
  const chars = [...text];
  /** Depth of braces at which each open template goes on. */
  const templates: number[] = [];
  let depth = 0;
  let index = 0;
  const blank = (from: number, to: number, isComment: boolean): void => {
    for (let at = from; at < Math.min(to, chars.length); at++) {
      if (chars[at] === "\n") continue;
      code[at] = " ";
      if (isComment) uncommented[at] = " ";
    }
    index = to;
  };
  const template = (from: number): void => {
    let at = from;
    while (at < chars.length && chars[at] !== "`") {
      if (chars[at] === "$" && chars[at + 1] === "{") {
        templates.push(depth);
        depth += 1;
        blank(from, at, false);
        index = at + 2;
        return;
      }
      at += chars[at] === "\\" ? 2 : 1;
    }
    blank(from, at, false);
    index = at + 1;
  };
  while (index < chars.length) {
    const char = chars[index] ?? "";
    const pair = char + (chars[index + 1] ?? "");
    if (pair === "//") blank(index, endOf(chars, index, "\n"), true);
    else if (pair === "/*") blank(index, blockEnd(chars, index), true);
    else if (char === '"' || char === "'") {
      const end = quoteEnd(chars, index);
      blank(index + 1, end - 1, false);
      index = end;
    } else if (char === "`") template(index + 1);
    else if (char === "/" && BEFORE_PATTERN.test(lineBefore(code, index))) {
      const end = patternEnd(chars, index);
      blank(index + 1, end - 1, false);
      index = end;
    } else {
      if (char === "{") depth += 1;
      if (char === "}") depth -= 1;
      index += 1;
      if (char === "}" && templates.at(-1) === depth) {
        templates.pop();
        template(index);
      }
    }
  }
  return {
    lines: split(text),
    code: split(code.join("")),
    uncommented: split(uncommented.join("")),
  };
}

/** Every function with a body of braces, in the order their bodies end. */
export function functionsOf(source: SourceText): FunctionSpan[] {
  const text = source.code.join("\n");
  const lineStarts = startsOf(text);
  const found: FunctionSpan[] = [];
  const open: { readonly head: string; readonly start: number; readonly isFunction: boolean }[] =
    [];
  let statement = 0;
  for (let index = 0; index < text.length; index++) {
    const char = text[index];
    if (char === "{") {
      const head = text.slice(statement, index);
      open.push({ head, start: statement + leadingBlank(head), isFunction: opensFunction(head) });
      statement = index + 1;
    } else if (char === "}") {
      const block = open.pop();
      // A type written as `): { … } {` leaves its head to the body that follows.
      const isReturnType =
        block !== undefined &&
        /\)\s*:\s*[^()]*$/.test(block.head) &&
        /^\s*[{[|>]/.test(text.slice(index + 1, index + 40));
      if (block?.isFunction === true && !isReturnType) {
        const first = lineAt(lineStarts, block.start);
        const lineCount = lineAt(lineStarts, index) - first + 1;
        found.push({ line: first + 1, lineCount, head: block.head.replace(/\s+/g, " ").trim() });
      }
      statement = isReturnType ? block.start : index + 1;
    } else if (char === ";") statement = index + 1;
  }
  return found;
}

function opensFunction(head: string): boolean {
  if (/=>\s*$/.test(head)) return true;
  const open = openParenthesis(head);
  if (open === null || NOT_FUNCTIONS.test(head.slice(0, open))) return false;
  return (
    /[\w$\])>]\s*(?:<[^<>]*>)?\s*$/.test(head.slice(0, open)) ||
    /\bfunction\s*\*?\s*$/.test(head.slice(0, open))
  );
}

/** Where the parameter list of `f(a: number): string ` opens, or null when the head does not end in one. */
function openParenthesis(head: string): number | null {
  const match = /\)\s*(?::[\s\S]*)?$/.exec(head);
  if (match === null) return null;
  let depth = 0;
  const close = head.lastIndexOf(")", match.index + 1);
  for (let index = Math.max(close, match.index); index >= 0; index--) {
    if (head[index] === ")") depth += 1;
    if (head[index] === "(") depth -= 1;
    if (depth === 0) return index;
  }
  return null;
}

function leadingBlank(text: string): number {
  return text.length - text.trimStart().length;
}

function startsOf(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** Index of the line that holds a position. */
function lineAt(starts: readonly number[], position: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((starts[middle] ?? 0) <= position) low = middle;
    else high = middle - 1;
  }
  return low;
}

function lineBefore(code: readonly string[], index: number): string {
  let start = index;
  while (start > 0 && code[start - 1] !== "\n" && index - start < 80) start -= 1;
  return code.slice(start, index).join("");
}

function endOf(chars: readonly string[], from: number, end: string): number {
  const found = chars.indexOf(end, from);
  return found < 0 ? chars.length : found;
}

function blockEnd(chars: readonly string[], from: number): number {
  for (let index = from + 2; index < chars.length; index++) {
    if (chars[index] === "*" && chars[index + 1] === "/") return index + 2;
  }
  return chars.length;
}

function quoteEnd(chars: readonly string[], from: number): number {
  let index = from + 1;
  while (index < chars.length && chars[index] !== chars[from] && chars[index] !== "\n") {
    index += chars[index] === "\\" ? 2 : 1;
  }
  return index + 1;
}

function patternEnd(chars: readonly string[], from: number): number {
  let inClass = false;
  let index = from + 1;
  while (index < chars.length && chars[index] !== "\n") {
    if (chars[index] === "\\") index += 1;
    else if (chars[index] === "[") inClass = true;
    else if (chars[index] === "]") inClass = false;
    else if (chars[index] === "/" && !inClass) return index + 1;
    index += 1;
  }
  return index;
}

function split(text: string): string[] {
  return text.split("\n");
}
