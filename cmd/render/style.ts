/** Colours of the terminal, and when there are none. */

export interface Style {
  readonly enabled: boolean;
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  blue(text: string): string;
  magenta(text: string): string;
  cyan(text: string): string;
}

export interface ColorQuestion {
  readonly isTerminal: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `--no-color` (false) or `--color` (true) on the command line. */
  readonly flag: boolean | null;
}

/** The 16 colours only, so that the terminal's theme rules. */
export function createStyle(enabled: boolean): Style {
  const wrap = (open: number, close: number) => (text: string) =>
    enabled && text !== "" ? `\x1b[${open}m${text}\x1b[${close}m` : text;
  return {
    enabled,
    bold: wrap(1, 22),
    dim: wrap(2, 22),
    red: wrap(31, 39),
    green: wrap(32, 39),
    yellow: wrap(33, 39),
    blue: wrap(34, 39),
    magenta: wrap(35, 39),
    cyan: wrap(36, 39),
  };
}

/**
 * Whether to colour a stream: the flag, then FORCE_COLOR or CLICOLOR_FORCE, then NO_COLOR, then whether it is
 * a terminal that can. no-color.org and force-color.org: an empty value counts as unset, FORCE_COLOR=0 as no.
 */
export function wantsColor({ isTerminal, env, flag }: ColorQuestion): boolean {
  if (flag !== null) return flag;
  const force = env.FORCE_COLOR ?? "";
  if (force !== "") return force !== "0" && force !== "false";
  if (!["", "0"].includes(env.CLICOLOR_FORCE ?? "")) return true;
  if ((env.NO_COLOR ?? "") !== "") return false;
  return isTerminal && env.TERM !== "dumb";
}

/** A word of a command, in quotes where a shell would read it otherwise. */
export function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * Text that cannot move the cursor or turn the line around: control characters and direction marks as escapes.
 * Values come from foreign files.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is shown
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, (found) => {
    const named = NAMED[found];
    if (named !== undefined) return named;
    const code = found.charCodeAt(0).toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u${code}`;
  });
}

/** The line in at most `width` columns: what has no room ends in `…`, between words where there is a gap near. */
export function shortened(line: string, width: number): string {
  if (Bun.stringWidth(line) <= width) return line;
  const cut = Bun.stripANSI(Bun.sliceAnsi(line, 0, Math.max(0, width - 2)));
  const gap = cut.lastIndexOf(" ");
  const kept =
    gap > 0 && cut.length - gap <= Math.min(LAST_WORD_MAX, width / 2)
      ? cut.slice(0, gap).trimEnd()
      : cut;
  // Cut anew, so that colours end where the text does.
  return `${Bun.sliceAnsi(line, 0, Bun.stringWidth(kept))} …`;
}

/** A longer last word is cut, rather than left out. */
const LAST_WORD_MAX = 16;

/**
 * The text in lines of at most `width` terminal columns, broken between words. What follows a break stands where the
 * last column of its line began, or two columns further in than the line. A word that is longer than a line stays
 * whole, so that it can be copied.
 */
export function wrapped(text: string, width: number): string {
  const lines = text.split("\n");
  if (lines.every((line) => Bun.stringWidth(line) <= width)) return text;
  return lines.flatMap((line) => wrappedLine(line, width)).join("\n");
}

function wrappedLine(line: string, width: number): string[] {
  if (Bun.stringWidth(line) <= width) return [line];
  const lines: string[] = [];
  let hang = "";
  let current = "";
  // Blanks between words are kept within a line: they are the columns of a table.
  for (const [, blanks = "", word = ""] of line.matchAll(/( *)([^ ]*)/g)) {
    if (word === "") continue;
    const next = current + blanks + word;
    if (current.trim() !== "" && Bun.stringWidth(next) > width) {
      if (lines.length === 0) hang = " ".repeat(hangOf(current, width));
      lines.push(current.trimEnd());
      current = hang + word;
    } else current = next;
  }
  return [...lines, current];
}

/** Where the last column begins in a line, if that leaves room; else a little further in than the line. */
function hangOf(line: string, width: number): number {
  const column = /^.*[^ ] {2,}(?=[^ ])/.exec(line)?.[0];
  const begin = column === undefined ? width : Bun.stringWidth(column);
  if (begin <= width * COLUMN_SHARE_MAX) return begin;
  const indent = /^ */.exec(line)?.[0].length ?? 0;
  return Math.min(indent + 2, Math.floor(width / 2));
}

const COLUMN_SHARE_MAX = 0.6;

const NAMED: Readonly<Record<string, string>> = {
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\x1b": "\\e",
  "\0": "\\0",
};
