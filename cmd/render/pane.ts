/** Lines that stay at the bottom of a terminal while others scroll by above them. */

import { shortened } from "./style.ts";

export interface PaneOptions {
  write(text: string): void;
  /** Columns and rows of the terminal, asked for at every drawing. */
  size(): { readonly columns: number; readonly rows: number };
}

/** The pane takes at most half of the screen: what scrolls by is to be read, too. */
const SCREEN_SHARE = 0.5;

export class Pane {
  readonly #options: PaneOptions;
  #lines: readonly string[] = [];
  /** Lines on the screen that are the pane's. */
  #drawn = 0;

  constructor(options: PaneOptions) {
    this.#options = options;
  }

  /** Shows these lines from now on; those that have no room are counted in the last one. */
  update(lines: readonly string[]): void {
    if (this.#drawn === lines.length && lines.every((line, at) => line === this.#lines[at])) return;
    this.#lines = lines;
    this.above(() => {});
  }

  /** Lets `print` write lines above the pane. */
  above(print: () => void): void {
    this.#erase();
    print();
    this.#draw();
  }

  /** Takes the pane off the screen. */
  close(): void {
    this.#lines = [];
    this.#erase();
  }

  #erase(): void {
    if (this.#drawn > 0) this.#options.write(`\x1b[${this.#drawn}A\r\x1b[0J`);
    this.#drawn = 0;
  }

  #draw(): void {
    const { columns, rows } = this.#options.size();
    const room = Math.max(1, Math.floor(rows * SCREEN_SHARE));
    const shown =
      this.#lines.length <= room
        ? this.#lines
        : [
            ...this.#lines.slice(0, room - 1),
            `  … and ${this.#lines.length - room + 1} more: tarn status`,
          ];
    // A line that wraps would take two, and the next erasure would leave one behind.
    const cut = shown.map((line) => shortened(line, Math.max(1, columns - 1)));
    if (cut.length > 0) this.#options.write(`${cut.join("\n")}\n`);
    this.#drawn = cut.length;
  }
}
