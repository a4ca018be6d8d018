/** The pane of `tarn dev`: how every source and model stands, below what happens. */

import type { Terminal } from "../command.ts";
import { statusOf } from "../lake/status.ts";
import type { Session } from "../open.ts";
import { Pane } from "./pane.ts";
import { statusLines } from "./status-lines.ts";

/** Ages are shown in seconds. */
const REFRESH_MS = 1_000;

export class StatusPane implements Disposable {
  /** Whatever is said through it stands above the pane. */
  readonly terminal: Terminal;
  readonly #session: Session;
  readonly #pane: Pane;
  readonly #timer: ReturnType<typeof setInterval>;
  #refreshing = false;
  #closed = false;

  /** Null where nobody watches: then lines are all there is. */
  static open(session: Session, terminal: Terminal): StatusPane | null {
    const isWatched = terminal.interactive && !terminal.json && !terminal.quiet;
    return isWatched ? new StatusPane(session, terminal) : null;
  }

  private constructor(session: Session, terminal: Terminal) {
    const { stderr } = process;
    this.#session = session;
    this.#pane = new Pane({
      write: (text) => void stderr.write(text),
      // A terminal that does not know its size says 0.
      size: () => ({ columns: stderr.columns || 80, rows: stderr.rows || 24 }),
    });
    this.terminal = {
      ...terminal,
      note: (text) => this.#pane.above(() => terminal.note(text)),
      line: (text) => this.#pane.above(() => terminal.line(text)),
      failures: (thrown) => {
        let code = 0;
        this.#pane.above(() => {
          code = terminal.failures(thrown);
        });
        return code;
      },
    };
    this.#timer = setInterval(() => void this.refresh(), REFRESH_MS);
    this.#timer.unref();
  }

  /** What cannot be read now is read the next time: the pane only shows. */
  async refresh(): Promise<void> {
    if (this.#refreshing || this.#closed) return;
    this.#refreshing = true;
    const { style, width } = this.terminal;
    try {
      const status = await statusOf(this.#session, "last");
      const rule = style.dim("─".repeat(Math.min(width || 80, 60)));
      if (!this.#closed) this.#pane.update([rule, ...statusLines(status, style)]);
    } catch {
      return;
    } finally {
      this.#refreshing = false;
    }
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.#pane.close();
  }
}
