/** The process's own terminal, as the shell wants it. */

import type { Terminal } from "../../sql/shell/terminal.ts";

const BRACKETED_PASTE_ON = "\x1b[?2004h";
const BRACKETED_PASTE_OFF = "\x1b[?2004l";

/** Stdin and stdout as a terminal. Raw mode is left again when the process ends, however it ends. */
export function processTerminal(): Terminal & { close(): void } {
  const { stdin, stdout } = process;
  let raw = false;
  const setRaw = (wanted: boolean) => {
    if (raw === wanted || stdin.isTTY !== true) return;
    raw = wanted;
    stdin.setRawMode(wanted);
    stdout.write(wanted ? BRACKETED_PASTE_ON : BRACKETED_PASTE_OFF);
  };
  const leave = () => setRaw(false);
  process.on("exit", leave);
  // Listeners keep the process alive: all are taken off at the end.
  const undo: (() => void)[] = [() => process.off("exit", leave)];
  return {
    setRaw,
    columns: () => stdout.columns ?? 80,
    rows: () => stdout.rows ?? 24,
    write: (text) => {
      stdout.write(text);
    },
    onInput(listener) {
      const take = (data: Uint8Array | string) =>
        listener(typeof data === "string" ? new TextEncoder().encode(data) : data);
      stdin.on("data", take);
      undo.push(() => stdin.off("data", take));
      stdin.resume();
    },
    onEnd(listener) {
      stdin.on("end", listener);
      process.on("SIGHUP", listener);
      undo.push(() => stdin.off("end", listener));
      undo.push(() => process.off("SIGHUP", listener));
    },
    onResize(listener) {
      stdout.on("resize", listener);
      undo.push(() => stdout.off("resize", listener));
    },
    suspend(onContinue) {
      const wasRaw = raw;
      setRaw(false);
      process.once("SIGCONT", () => {
        setRaw(wasRaw);
        onContinue();
      });
      process.kill(process.pid, "SIGTSTP");
    },
    later(ms, callback) {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
    nowMs: () => performance.now() + performance.timeOrigin,
    close() {
      setRaw(false);
      for (const step of undo) step();
      // Paused alone, a line-wise terminal keeps its read open and the process alive.
      stdin.destroy();
    },
  };
}
