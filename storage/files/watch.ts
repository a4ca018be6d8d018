/** Wakes the loop when something happens in watched folders. A hint only: the listing is the truth. */

import { existsSync } from "node:fs";
import { basename } from "node:path";
import { type FSWatcher, watch } from "chokidar";
import { errorText } from "../../core/base/errors.ts";
import type { Clock, Watcher } from "../../core/ports.ts";
import { isTemporaryName } from "./drops.ts";

export interface WatchOptions {
  /** Absolute folders; those that do not exist yet are found by the rescan. */
  readonly folders: readonly string[];
  readonly clock: Clock;
  /** A wake-up comes at least this often: events get lost (kernel queue overflow, network mounts). */
  readonly rescanMs: number;
  /** Told once when the system cannot watch (inotify limit); rescans go on. */
  readonly onTrouble?: (message: string) => void;
}

/** Watches folders, never single files: a folder's raw events name what happens in it. */
export function watchFolders(options: WatchOptions): Watcher {
  return new FolderWatcher(options);
}

class FolderWatcher implements Watcher {
  readonly #options: WatchOptions;
  readonly #stop = new AbortController();
  readonly #rescans: Promise<void>;
  #watcher: FSWatcher | null = null;
  #watched: readonly string[] = [];
  #wake: (path: string | null) => void = () => {};
  #troubled = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#watch();
    this.#rescans = this.#rescan();
  }

  onWake(wake: (path: string | null) => void): void {
    this.#wake = wake;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#rescans;
    await this.#watcher?.close();
    this.#watcher = null;
  }

  #watch(): void {
    const present = this.#options.folders.filter((folder) => existsSync(folder));
    if (present.length === this.#watched.length) return;
    const before = this.#watcher;
    this.#watched = present;
    this.#watcher = watch([...present], {
      ignoreInitial: true,
      followSymlinks: false,
      // Files cost a watch each and their folder's events name them anyway. One in the making is not looked at: where
      // it is gone when the library looks, having got its name, that looks at all the others of its folder.
      ignored: (path, stats) =>
        isTemporaryName(basename(path)) || (stats !== undefined && !stats.isDirectory()),
    });
    this.#watcher.on("raw", (_event, name, details) => {
      const path = pathOf(name, details);
      if (path === null || !isTemporaryName(basename(path))) this.#wake(path);
    });
    this.#watcher.on("all", (_event, path) => this.#wake(path));
    this.#watcher.on("error", (thrown) => this.#report(thrown));
    void before?.close();
  }

  async #rescan(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#options.clock.sleep(this.#options.rescanMs, signal);
      if (signal.aborted) return;
      this.#watch();
      this.#wake(null);
    }
  }

  #report(thrown: unknown): void {
    this.#wake(null);
    if (this.#troubled) return;
    this.#troubled = true;
    const every = Math.round(this.#options.rescanMs / 1000);
    this.#options.onTrouble?.(
      `cannot watch ${this.#options.folders.join(", ")}: ${errorText(thrown)}; looking every ${every} s`,
    );
  }
}

/** Where a raw event happened: it names an entry of a watched folder, or nothing. */
function pathOf(name: unknown, details: unknown): string | null {
  if (typeof name !== "string" || name === "") return null;
  if (name.startsWith("/")) return name;
  if (typeof details !== "object" || details === null || !("watchedPath" in details)) return null;
  const { watchedPath } = details;
  return typeof watchedPath === "string" ? `${watchedPath}/${name}` : null;
}
