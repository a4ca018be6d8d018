/** A watcher wakes on what happens in its folders, and without events at least at each rescan. */

import { expect, test } from "bun:test";
import { appendFileSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import type { Clock } from "../../../../core/ports.ts";
import { watchFolders } from "../../../../storage/files/watch.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

/** A rescan that never comes, until it is asked for. */
class HeldClock implements Clock {
  #resolve: () => void = () => {};

  nowMs(): number {
    return 0;
  }

  sleep(_ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
      signal?.addEventListener("abort", () => resolve());
    });
  }

  tick(): void {
    this.#resolve();
  }
}

test("a file in a nested folder wakes", async () => {
  await using folder = await tempFolder();
  mkdirSync(`${folder.path}/drops/orders`, { recursive: true });
  const options = { folders: [`${folder.path}/drops`], clock: new HeldClock(), rescanMs: 1_000 };
  const watcher = watchFolders(options);
  const woken = new Promise<void>((resolve) => watcher.onWake(() => resolve()));
  // The watch is set up in the background: write until it is.
  const writing = setInterval(() => writeFileSync(`${folder.path}/drops/orders/a.csv`, "x"), 20);
  await woken;
  clearInterval(writing);
  await watcher.close();
});

test("a rescan wakes without any event, and finds folders made since", async () => {
  await using folder = await tempFolder();
  const clock = new HeldClock();
  const options = { folders: [`${folder.path}/drops`], clock, rescanMs: 1_000 };
  const watcher = watchFolders(options);
  mkdirSync(`${folder.path}/drops`);
  const woken = new Promise<void>((resolve) => watcher.onWake(() => resolve()));
  clock.tick();
  await woken;
  await watcher.close();
});

test("a change of a file wakes with its path", async () => {
  await using folder = await tempFolder();
  mkdirSync(`${folder.path}/drops/orders`, { recursive: true });
  const file = `${folder.path}/drops/orders/a.csv`;
  writeFileSync(file, "x");
  const options = { folders: [`${folder.path}/drops`], clock: new HeldClock(), rescanMs: 1_000 };
  const watcher = watchFolders(options);
  const named = new Promise<void>((resolve) =>
    watcher.onWake((path) => {
      if (path === file) resolve();
    }),
  );
  const writing = setInterval(() => appendFileSync(file, "y"), 20);
  await named;
  clearInterval(writing);
  await watcher.close();
});

test("a file in the making wakes nobody until it has its name", async () => {
  await using folder = await tempFolder();
  const drops = `${folder.path}/drops/orders`;
  mkdirSync(drops, { recursive: true });
  const options = {
    folders: [`${folder.path}/drops`],
    clock: new HeldClock(),
    rescanMs: 1_000,
  };
  const watcher = watchFolders(options);
  const names = new Set<string | null>();
  const named = new Promise<void>((resolve) =>
    watcher.onWake((path) => {
      names.add(path);
      if (path === `${drops}/a.csv`) resolve();
    }),
  );
  const writing = setInterval(() => {
    writeFileSync(`${drops}/.a.csv.part`, "x");
    renameSync(`${drops}/.a.csv.part`, `${drops}/a.csv`);
  }, 20);
  await named;
  clearInterval(writing);
  await watcher.close();
  expect(names).not.toContain(`${drops}/.a.csv.part`);
});
