/** Whether the files of a project changed, without a look at each of hundreds of models every time. */

import { DROPS_FOLDER, SEEDS_FOLDER } from "../../core/config/default-source.ts";
import { foldersStamp, projectStamp, settingsStamp } from "./project.ts";

/** Models and contracts are looked at this often, whatever the watcher says. */
const LOOK_EVERY_MS = 5_000;

export class WatchedProject {
  readonly #root: string;
  #isFollowed = false;
  #isTouched = true;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #folders: string | null = null;

  constructor(root: string) {
    this.#root = root;
  }

  /**
   * From here on models and contracts are looked at when the answer is told of them, and every few seconds: a watcher
   * is a hint. The configuration, which nobody watches, is looked at every time.
   */
  follow(): (absolute: string | null) => void {
    this.#isFollowed = true;
    return (absolute) => {
      const isDrop = [DROPS_FOLDER, SEEDS_FOLDER].some(
        (folder) => absolute?.startsWith(`${this.#root}/${folder}/`) === true,
      );
      if (!isDrop) this.#isTouched = true;
    };
  }

  /** As projectStamp. */
  stamp(nowMs: number): string | null {
    if (!this.#isFollowed) return projectStamp(this.#root, nowMs);
    const isDue = this.#isTouched || nowMs - this.#lookedMs >= LOOK_EVERY_MS;
    if (isDue || this.#folders === null) {
      this.#isTouched = false;
      this.#lookedMs = nowMs;
      this.#folders = foldersStamp(this.#root, nowMs);
    }
    const settings = settingsStamp(this.#root, nowMs);
    return settings === null || this.#folders === null ? null : `${settings}\n${this.#folders}`;
  }
}
