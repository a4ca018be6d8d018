/** The text being edited: grapheme by grapheme, over several lines, with undo and a kill ring. */

interface Saved {
  readonly text: string;
  readonly cursor: number;
}

/** What the last change was, so that typing is undone by the word and kills join. */
type LastChange = "none" | "typing" | "kill" | "yank" | "other";

const UNDO_MAX = 500;
const KILLS_MAX = 32;
const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: "grapheme" });

export class EditBuffer {
  #text = "";
  /** UTF-16 offset, always between two graphemes. */
  #cursor = 0;
  #undo: Saved[] = [];
  #redo: Saved[] = [];
  #kills: string[] = [];
  #yankLength = 0;
  #last: LastChange = "none";
  /** Column to keep while moving up and down. */
  #column: number | null = null;

  get text(): string {
    return this.#text;
  }

  get cursor(): number {
    return this.#cursor;
  }

  /** Replaces everything, cursor at the end; forgets what could be undone when `fresh`. */
  set(text: string, options: { readonly fresh?: boolean; readonly cursor?: number } = {}): void {
    if (options.fresh === true) {
      this.#undo = [];
      this.#redo = [];
      this.#last = "none";
    } else this.#save("other");
    this.#text = text;
    this.#place(options.cursor ?? text.length);
  }

  insert(text: string): void {
    const isTyping = text.length <= 2 && !/\s/.test(text);
    if (!(isTyping && this.#last === "typing")) this.#save("typing");
    if (!isTyping) this.#last = "other";
    this.#splice(this.#cursor, this.#cursor, text);
  }

  /** Replaces a range, cursor behind the new text; one step of undo. */
  replace(start: number, end: number, text: string): void {
    this.#save("other");
    this.#splice(start, end, text);
  }

  backspace(): void {
    this.#delete(this.#before(this.#cursor), this.#cursor);
  }

  delete(): void {
    this.#delete(this.#cursor, this.#after(this.#cursor));
  }

  left(): void {
    this.#place(this.#before(this.#cursor));
  }

  right(): void {
    this.#place(this.#after(this.#cursor));
  }

  wordLeft(): void {
    this.#place(this.#wordBefore());
  }

  wordRight(): void {
    this.#place(this.#wordAfter());
  }

  lineStart(): void {
    this.#place(this.#startOfLine(this.#cursor));
  }

  lineEnd(): void {
    this.#place(this.#endOfLine(this.#cursor));
  }

  textStart(): void {
    this.#place(0);
  }

  textEnd(): void {
    this.#place(this.#text.length);
  }

  /** One line up; false on the first line. */
  up(): boolean {
    const start = this.#startOfLine(this.#cursor);
    if (start === 0) return false;
    this.#toColumn(this.#startOfLine(start - 1));
    return true;
  }

  /** One line down; false on the last line. */
  down(): boolean {
    const end = this.#endOfLine(this.#cursor);
    if (end === this.#text.length) return false;
    this.#toColumn(end + 1);
    return true;
  }

  killToLineEnd(): void {
    const end = this.#endOfLine(this.#cursor);
    this.#kill(this.#cursor, end === this.#cursor ? this.#after(end) : end, "after");
  }

  killToLineStart(): void {
    const start = this.#startOfLine(this.#cursor);
    this.#kill(start === this.#cursor ? this.#before(start) : start, this.#cursor, "before");
  }

  killWordBefore(): void {
    this.#kill(this.#wordBefore(), this.#cursor, "before");
  }

  killWordAfter(): void {
    this.#kill(this.#cursor, this.#wordAfter(), "after");
  }

  /** Back to the last blank, as the Unix line discipline does it. */
  killBlankWordBefore(): void {
    const before = this.#text.slice(0, this.#cursor).replace(/\s+$/, "");
    const start = before.length - (/\S*$/.exec(before)?.[0].length ?? 0);
    this.#kill(start, this.#cursor, "before");
  }

  yank(): void {
    const [text] = this.#kills;
    if (text === undefined) return;
    this.#save("yank");
    this.#splice(this.#cursor, this.#cursor, text);
    this.#yankLength = text.length;
  }

  /** After a yank: the kill before it in its place. */
  yankPop(): void {
    const [first, ...rest] = this.#kills;
    const [text] = rest;
    if (this.#last !== "yank" || first === undefined || text === undefined) return;
    this.#kills = [...rest, first];
    this.#splice(this.#cursor - this.#yankLength, this.#cursor, text);
    this.#yankLength = text.length;
  }

  /** Swaps the graphemes around the cursor and moves on. */
  transpose(): void {
    const start = this.#startOfLine(this.#cursor);
    const end =
      this.#cursor === this.#endOfLine(this.#cursor) ? this.#cursor : this.#after(this.#cursor);
    const middle = this.#before(end);
    const first = this.#before(middle);
    if (first < start || first === middle || middle === end) return;
    const swapped = this.#text.slice(middle, end) + this.#text.slice(first, middle);
    this.#save("other");
    this.#splice(first, end, swapped);
  }

  undo(): void {
    const saved = this.#undo.pop();
    if (saved === undefined) return;
    this.#redo.push({ text: this.#text, cursor: this.#cursor });
    this.#restore(saved);
  }

  redo(): void {
    const saved = this.#redo.pop();
    if (saved === undefined) return;
    this.#undo.push({ text: this.#text, cursor: this.#cursor });
    this.#restore(saved);
  }

  #restore(saved: Saved): void {
    this.#text = saved.text;
    this.#cursor = saved.cursor;
    this.#last = "none";
    this.#column = null;
  }

  #save(change: LastChange): void {
    this.#undo.push({ text: this.#text, cursor: this.#cursor });
    if (this.#undo.length > UNDO_MAX) this.#undo.shift();
    this.#redo = [];
    this.#last = change;
  }

  #delete(start: number, end: number): void {
    if (start === end) return;
    this.#save("other");
    this.#splice(start, end, "");
  }

  #kill(start: number, end: number, side: "before" | "after"): void {
    if (start === end) return;
    const text = this.#text.slice(start, end);
    const [top, ...rest] = this.#kills;
    if (this.#last === "kill" && top !== undefined) {
      this.#kills = [side === "after" ? top + text : text + top, ...rest];
    } else this.#kills = [text, ...this.#kills].slice(0, KILLS_MAX);
    this.#save("kill");
    this.#splice(start, end, "");
  }

  #splice(start: number, end: number, text: string): void {
    this.#text = this.#text.slice(0, start) + text + this.#text.slice(end);
    // What was typed may join its neighbours to one grapheme: the cursor goes behind it.
    this.#cursor = boundaryAtOrAfter(this.#text, start + text.length);
    this.#column = null;
  }

  #place(offset: number): void {
    this.#cursor = boundaryAtOrAfter(this.#text, Math.max(0, Math.min(offset, this.#text.length)));
    this.#column = null;
    this.#last = "none";
  }

  #toColumn(lineStart: number): void {
    const column =
      this.#column ??
      Bun.stringWidth(this.#text.slice(this.#startOfLine(this.#cursor), this.#cursor));
    const line = this.#text.slice(lineStart, this.#endOfLine(lineStart));
    let width = 0;
    let offset = lineStart;
    for (const { segment } of GRAPHEMES.segment(line)) {
      const next = width + Bun.stringWidth(segment);
      if (next > column) break;
      width = next;
      offset += segment.length;
    }
    this.#place(offset);
    this.#column = column;
  }

  #startOfLine(offset: number): number {
    return offset === 0 ? 0 : this.#text.lastIndexOf("\n", offset - 1) + 1;
  }

  #endOfLine(offset: number): number {
    const end = this.#text.indexOf("\n", offset);
    return end < 0 ? this.#text.length : end;
  }

  #before(offset: number): number {
    if (offset === 0) return 0;
    const start = this.#startOfLine(offset);
    if (start === offset) return offset - 1;
    const line = this.#text.slice(start, this.#endOfLine(offset));
    return start + (GRAPHEMES.segment(line).containing(offset - start - 1)?.index ?? 0);
  }

  #after(offset: number): number {
    if (offset >= this.#text.length) return this.#text.length;
    const start = this.#startOfLine(offset);
    const end = this.#endOfLine(offset);
    if (end === offset) return offset + 1;
    const found = GRAPHEMES.segment(this.#text.slice(start, end)).containing(offset - start);
    return found === undefined ? end : start + found.index + found.segment.length;
  }

  #wordBefore(): number {
    const before = this.#text.slice(0, this.#cursor);
    return (
      before.length - (/[\p{L}\p{M}\p{N}_]*[^\p{L}\p{M}\p{N}_]*$/u.exec(before)?.[0].length ?? 0)
    );
  }

  #wordAfter(): number {
    const after = this.#text.slice(this.#cursor);
    return this.#cursor + (/^[^\p{L}\p{N}_]*[\p{L}\p{M}\p{N}_]*/u.exec(after)?.[0].length ?? 0);
  }
}

/** The nearest place between two graphemes at or behind an offset; a line end always parts. */
function boundaryAtOrAfter(text: string, offset: number): number {
  if (offset <= 0 || offset >= text.length || text[offset] === "\n" || text[offset - 1] === "\n") {
    return offset;
  }
  const start = text.lastIndexOf("\n", offset - 1) + 1;
  const end = text.indexOf("\n", offset);
  const line = text.slice(start, end < 0 ? text.length : end);
  const found = GRAPHEMES.segment(line).containing(offset - start);
  if (found === undefined || start + found.index === offset) return offset;
  return start + found.index + found.segment.length;
}
