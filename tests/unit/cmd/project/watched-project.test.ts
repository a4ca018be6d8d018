/** Edits of a project that is followed: what a watcher names is looked at, and everything every few seconds. */

import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { WatchedProject } from "../../../../cmd/project/watched-project.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

/** Later than any edit here. */
const LATER_MS = 3_600_000;
const LOOK_MS = 5_000;

test("models are looked at when they are named, after a while, and with the first look", async () => {
  await using folder = await tempFolder();
  const model = `${folder.path}/models/silver/a.sql`;
  mkdirSync(`${folder.path}/models/silver`, { recursive: true });
  writeFileSync(model, "select 1");
  const project = new WatchedProject(folder.path);
  const named = project.follow();
  const nowMs = Date.now() + LATER_MS;
  const first = project.stamp(nowMs);
  writeFileSync(model, "select 1, 2");
  named(`${folder.path}/drops/a/b.csv`);
  expect(project.stamp(nowMs)).toBe(first);
  named(model);
  const second = project.stamp(nowMs);
  expect(second).not.toBe(first);
  writeFileSync(model, "select 1, 2, 3");
  expect(project.stamp(nowMs + LOOK_MS - 1)).toBe(second);
  expect(project.stamp(nowMs + LOOK_MS)).not.toBe(second);
  writeFileSync(model, "select 1, 2, 3, 4");
  const third = project.stamp(nowMs + LOOK_MS);
  named(null);
  expect(project.stamp(nowMs + LOOK_MS)).not.toBe(third);
});

test("settings are looked at every time, and so are models that nobody follows", async () => {
  await using folder = await tempFolder();
  const settings = `${folder.path}/tarn.yaml`;
  writeFileSync(settings, "project: a");
  const project = new WatchedProject(folder.path);
  const nowMs = Date.now() + LATER_MS;
  const first = project.stamp(nowMs);
  mkdirSync(`${folder.path}/models`);
  writeFileSync(`${folder.path}/models/a.sql`, "select 1");
  const second = project.stamp(nowMs);
  expect(second).not.toBe(first);
  project.follow();
  expect(project.stamp(nowMs)).toBe(second);
  writeFileSync(settings, "project: other");
  expect(project.stamp(nowMs)).not.toBe(second);
});

test("what was edited just now may be edited again unseen: it has no stamp", async () => {
  await using folder = await tempFolder();
  mkdirSync(`${folder.path}/models`);
  writeFileSync(`${folder.path}/models/a.sql`, "select 1");
  const project = new WatchedProject(folder.path);
  project.follow();
  expect(project.stamp(Date.now())).toBeNull();
  expect(project.stamp(Date.now() + LATER_MS)).not.toBeNull();
});
