/** Draws the line being edited: wraps, colours, and changes only the rows that differ. */

import type { Span, SpanStyle } from "./highlight.ts";
import type { Terminal } from "./terminal.ts";

/** What is to be seen. */
export interface View {
  readonly prompt: string;
  /** In front of the second and later lines of the text; as wide as the prompt looks best. */
  readonly continuation: string;
  readonly text: string;
  readonly cursor: number;
  readonly spans: readonly Span[];
  /** Shown dim behind the text: what the right arrow would add. */
  readonly ghost: string;
  /** Lines below the text: completions, search results. */
  readonly below: readonly string[];
}

export interface Frame {
  readonly rows: readonly string[];
  readonly cursorRow: number;
  readonly cursorColumn: number;
}

const SGR: Readonly<Record<SpanStyle | "ghost" | "prompt", string>> = {
  keyword: "\x1b[34;1m",
  string: "\x1b[32m",
  number: "\x1b[36m",
  comment: "\x1b[2m",
  command: "\x1b[35m",
  error: "\x1b[31m",
  ghost: "\x1b[2m",
  prompt: "\x1b[1m",
};
const RESET = "\x1b[0m";
const BEGIN_UPDATE = "\x1b[?2026h\x1b[?25l";
const END_UPDATE = "\x1b[?25h\x1b[?2026l";
const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** Lays the view out in rows of at most `width` columns. Pure: the tests look at frames. */
export function layout(view: View, width: number, colors: boolean): Frame {
  const page = new Page(Math.max(2, width), colors);
  page.put(view.prompt, "prompt");
  let spanIndex = 0;
  let offset = 0;
  let cursor: readonly [number, number] | null = null;
  for (const { segment } of GRAPHEMES.segment(view.text)) {
    if (offset === view.cursor) cursor = page.place();
    while ((view.spans[spanIndex]?.end ?? Number.POSITIVE_INFINITY) <= offset) spanIndex++;
    const span = view.spans[spanIndex];
    const style = span !== undefined && span.start <= offset ? span.style : null;
    if (segment === "\n" || segment === "\r\n") {
      page.breakLine();
      page.put(view.continuation, "ghost");
    } else page.put(visible(segment), style);
    offset += segment.length;
  }
  cursor ??= page.place();
  for (const [index, line] of view.ghost.split("\n").entries()) {
    if (index > 0) {
      page.breakLine();
      page.put(view.continuation, "ghost");
    }
    page.put(line, "ghost");
  }
  const rows = [...page.rows()];
  while (rows.length <= cursor[0]) rows.push("");
  for (const line of view.below) {
    rows.push(Bun.stringWidth(line) > width ? Bun.sliceAnsi(line, 0, width) : line);
  }
  return { rows, cursorRow: cursor[0], cursorColumn: cursor[1] };
}

/** Keeps what is on the screen, and draws the difference. */
export class Renderer {
  readonly #terminal: Terminal;
  readonly #colors: boolean;
  #rows: readonly string[] = [];
  #row = 0;

  constructor(terminal: Terminal, colors: boolean) {
    this.#terminal = terminal;
    this.#colors = colors;
  }

  draw(view: View): void {
    const width = this.#terminal.columns();
    const frame = windowed(layout(view, width, this.#colors), this.#terminal.rows());
    let drawn = Math.max(1, this.#rows.length);
    let out = "";
    const goTo = (row: number) => {
      if (row < this.#row) out += `\x1b[${this.#row - row}A`;
      for (let at = this.#row; at < row; at++) {
        out += at + 1 < drawn ? "\x1b[B" : "\r\n";
        if (at + 1 >= drawn) drawn++;
      }
      this.#row = row;
      out += "\r";
    };
    for (const [index, row] of frame.rows.entries()) {
      if (row === this.#rows[index]) continue;
      goTo(index);
      out += `${row}\x1b[K`;
    }
    if (frame.rows.length < this.#rows.length) {
      goTo(frame.rows.length);
      out += "\x1b[J";
    }
    goTo(frame.cursorRow);
    if (frame.cursorColumn > 0) out += `\x1b[${frame.cursorColumn}C`;
    this.#rows = frame.rows;
    this.#terminal.write(BEGIN_UPDATE + out + END_UPDATE);
  }

  /** Draws once more without ghost and menu, and leaves the cursor on the line below. */
  finish(view: View): void {
    this.draw({ ...view, cursor: view.text.length, ghost: "", below: [] });
    this.#terminal.write("\r\n");
    this.#rows = [];
    this.#row = 0;
  }

  /** The terminal has another width: what was drawn may have wrapped anew. */
  resize(view: View): void {
    const width = Math.max(1, this.#terminal.columns());
    let above = 0;
    for (const row of this.#rows.slice(0, this.#row)) {
      above += Math.max(1, Math.ceil(Bun.stringWidth(row) / width));
    }
    this.#terminal.write(`${above > 0 ? `\x1b[${above}A` : ""}\r\x1b[J`);
    this.#rows = [];
    this.#row = 0;
    this.draw(view);
  }

  clearScreen(view: View): void {
    this.#terminal.write("\x1b[2J\x1b[H");
    this.#rows = [];
    this.#row = 0;
    this.draw(view);
  }
}

/** The rows around the cursor when there are more than the screen has. */
function windowed(frame: Frame, height: number): Frame {
  if (frame.rows.length <= height) return frame;
  const top = Math.max(0, Math.min(frame.cursorRow - height + 1, frame.rows.length - height));
  return {
    rows: frame.rows.slice(top, top + height),
    cursorRow: frame.cursorRow - top,
    cursorColumn: frame.cursorColumn,
  };
}

function visible(segment: string): string {
  const code = segment.charCodeAt(0);
  if (segment === "\t") return "  ";
  if (code < 0x20 || code === 0x7f) return `^${String.fromCharCode(code ^ 0x40)}`;
  if (code >= 0x80 && code < 0xa0) return "�";
  return segment;
}

/** Rows being filled from left to right. */
class Page {
  readonly #width: number;
  readonly #colors: boolean;
  #rows: string[] = [""];
  #column = 0;
  #style: keyof typeof SGR | null = null;

  constructor(width: number, colors: boolean) {
    this.#width = width;
    this.#colors = colors;
  }

  put(text: string, style: keyof typeof SGR | null): void {
    for (const { segment } of GRAPHEMES.segment(text)) {
      const width = Bun.stringWidth(segment);
      if (this.#column + width > this.#width) this.breakLine();
      this.#switchTo(style);
      this.#append(segment);
      this.#column += width;
    }
    this.#switchTo(null);
  }

  breakLine(): void {
    this.#switchTo(null);
    this.#rows.push("");
    this.#column = 0;
  }

  /** Row and column where the next grapheme would stand. */
  place(): readonly [number, number] {
    const row = this.#rows.length - 1;
    return this.#column >= this.#width ? [row + 1, 0] : [row, this.#column];
  }

  rows(): readonly string[] {
    return this.#rows;
  }

  #switchTo(style: keyof typeof SGR | null): void {
    if (!this.#colors || style === this.#style) return;
    if (this.#style !== null) this.#append(RESET);
    if (style !== null) this.#append(SGR[style]);
    this.#style = style;
  }

  #append(text: string): void {
    this.#rows[this.#rows.length - 1] += text;
  }
}
