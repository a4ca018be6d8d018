/** Which key does what: the emacs keys that readline taught, and those of DuckDB's shell. */

export type Command =
  | "submit"
  | "newline"
  | "complete"
  | "complete-back"
  | "left"
  | "right"
  | "word-left"
  | "word-right"
  | "line-start"
  | "line-end"
  | "text-start"
  | "text-end"
  | "up"
  | "down"
  | "history-previous"
  | "history-next"
  | "history-first"
  | "history-last"
  | "search"
  | "backspace"
  | "delete"
  | "delete-or-leave"
  | "kill-to-end"
  | "kill-to-start"
  | "kill-word-before"
  | "kill-word-after"
  | "kill-blank-word"
  | "yank"
  | "yank-pop"
  | "transpose"
  | "undo"
  | "redo"
  | "clear-screen"
  | "interrupt"
  | "suspend"
  | "cancel"
  | "ignore";

const KEYMAP: Readonly<Record<string, Command>> = {
  enter: "submit",
  "ctrl+j": "submit",
  "ctrl+m": "submit",
  "alt+enter": "newline",
  "shift+enter": "newline",
  "ctrl+enter": "submit",
  "alt+ctrl+j": "newline",
  "ctrl+o": "newline",
  tab: "complete",
  "shift+tab": "complete-back",
  left: "left",
  "ctrl+b": "left",
  right: "right",
  "ctrl+f": "right",
  "ctrl+left": "word-left",
  "alt+left": "word-left",
  "alt+b": "word-left",
  "ctrl+right": "word-right",
  "alt+right": "word-right",
  "alt+f": "word-right",
  home: "line-start",
  "ctrl+a": "line-start",
  end: "line-end",
  "ctrl+e": "line-end",
  "ctrl+home": "text-start",
  "ctrl+end": "text-end",
  "alt+<": "history-first",
  "alt+shift+,": "history-first",
  "alt+>": "history-last",
  up: "up",
  down: "down",
  "ctrl+p": "history-previous",
  pageup: "history-first",
  pagedown: "history-last",
  "ctrl+n": "history-next",
  "alt+up": "history-previous",
  "alt+down": "history-next",
  "ctrl+r": "search",
  "ctrl+s": "search",
  backspace: "backspace",
  "shift+backspace": "backspace",
  "ctrl+h": "backspace",
  delete: "delete",
  "ctrl+d": "delete-or-leave",
  "ctrl+k": "kill-to-end",
  "ctrl+u": "kill-to-start",
  "ctrl+w": "kill-blank-word",
  "alt+backspace": "kill-word-before",
  "ctrl+backspace": "kill-word-before",
  "alt+d": "kill-word-after",
  "ctrl+delete": "kill-word-after",
  "alt+delete": "kill-word-after",
  "ctrl+y": "yank",
  "alt+y": "yank-pop",
  "ctrl+t": "transpose",
  "ctrl+_": "undo",
  "ctrl+z": "suspend",
  "alt+z": "undo",
  "alt+shift+z": "redo",
  "alt+r": "redo",
  "ctrl+l": "clear-screen",
  "ctrl+c": "interrupt",
  "ctrl+g": "cancel",
  escape: "cancel",
};

/** What a key does; keys that mean nothing here do nothing, and never become text. */
export function commandOf(keyName: string): Command {
  return KEYMAP[keyName] ?? "ignore";
}
