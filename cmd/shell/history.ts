/** The shell's history on disk: one file for the person, under XDG's state folder, mode 0600. */

import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { HistoryStore } from "../../sql/shell/history.ts";

/** Where the file is: XDG_STATE_HOME, or ~/.local/state. */
export function historyPath(env: Readonly<Record<string, string | undefined>>): string {
  const given = env.XDG_STATE_HOME ?? "";
  const state = given.startsWith("/") ? given : join(homedir(), ".local", "state");
  return join(state, "tarn", "history.jsonl");
}

/** A history that cannot be kept is no reason to stop working: failures are silent. */
export function historyFile(path: string): HistoryStore {
  return {
    load() {
      try {
        return readFileSync(path, "utf8")
          .split("\n")
          .filter((line) => line !== "");
      } catch {
        return [];
      }
    },
    append(line) {
      try {
        mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
        appendFileSync(path, `${line}\n`, { mode: 0o600 });
      } catch {
        // Read-only home, full disk: the session goes on without.
      }
    },
    rewrite(lines) {
      try {
        writeFileSync(path, `${lines.join("\n")}\n`, { mode: 0o600 });
      } catch {
        // As above.
      }
    },
  };
}
