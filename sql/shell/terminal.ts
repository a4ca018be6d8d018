/** What the shell needs of a terminal; the process's own is made in cmd, tests make theirs. */

export interface Terminal {
  /** Keys one by one, no echo. False: lines as the system edits them. */
  setRaw(raw: boolean): void;
  columns(): number;
  rows(): number;
  write(text: string): void;
  /** The one listener for what is typed. */
  onInput(listener: (bytes: Uint8Array) => void): void;
  onEnd(listener: () => void): void;
  onResize(listener: () => void): void;
  /** Stops the process until it is continued, as Ctrl+Z does. */
  suspend(onContinue: () => void): void;
  /** Calls back after a while; answers how to call it off. */
  later(ms: number, callback: () => void): () => void;
  nowMs(): number;
}
