/** A spinner with a message, on stderr, only when a person watches. */

import type { Style } from "./style.ts";

export interface Progress {
  /** Shows or changes the message. Free when there is no terminal. */
  update(message: string): void;
  /** Removes the line; `update` shows it again. */
  clear(): void;
  stop(): void;
}

export interface ProgressOptions {
  readonly isTerminal: boolean;
  readonly style: Style;
  write(text: string): void;
  width(): number;
  /** Shown only when there was something to wait for this long. */
  readonly delayMs?: number;
}

/** A spinner that draws itself until it is stopped. Keeps no process alive. */
export function startProgress(options: ProgressOptions): Progress {
  if (!options.isTerminal) return SILENT;
  const delayMs = options.delayMs ?? DELAY_MS;
  let message: string | null = null;
  let frame = 0;
  let shown = false;
  let sinceMs = performance.now();
  const draw = () => {
    if (message === null || performance.now() - sinceMs < delayMs) return;
    const spinner = options.style.cyan(FRAMES[frame % FRAMES.length] ?? "");
    const text = Bun.sliceAnsi(message, 0, Math.max(1, options.width() - 3));
    options.write(`\r\x1b[2K${spinner} ${text}`);
    shown = true;
  };
  const clear = () => {
    if (shown) options.write("\r\x1b[2K");
    shown = false;
  };
  const timer = setInterval(() => {
    frame++;
    draw();
  }, FRAME_MS);
  timer.unref();
  return {
    update(next) {
      if (message === null) sinceMs = performance.now();
      message = next;
      draw();
    },
    clear() {
      message = null;
      clear();
    },
    stop() {
      clearInterval(timer);
      message = null;
      clear();
    },
  };
}

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const FRAME_MS = 80;
/** Quick work stays quiet. Issue: progress is shown on anything longer than a second. */
const DELAY_MS = 1_000;

const SILENT: Progress = {
  update: () => undefined,
  clear: () => undefined,
  stop: () => undefined,
};
