/** Dropped files as a source: what is settled, what waits, what is known, and what happens to it afterwards. */

import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { defaultSource } from "../../../../core/config/default-source.ts";
import type { FileSourceConfig } from "../../../../core/ingest/contract.ts";
import type { KnownFile, Ledger } from "../../../../core/ingest/ledger.ts";
import { LocalFiles } from "../../../../storage/disk/local.ts";
import { Claims } from "../../../../storage/files/claim.ts";
import { listDrops, lookAtDrop } from "../../../../storage/files/drops.ts";
import { Drops } from "../../../../storage/sources/files.ts";
import { SimClock, SimRandom } from "../../../sim/world.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const NOW = Date.UTC(2026, 10, 20, 12);
const LIMITS = { files: 100, bytes: 1_000_000 };

async function world(root: string, options: Partial<FileSourceConfig> = {}) {
  mkdirSync(`${root}/drops/o`, { recursive: true });
  const clock = new SimClock(NOW);
  const random = new SimRandom(1);
  const io = await LocalFiles.open({ root: `${root}/lake`, random, readonly: false });
  const known = new Map<string, KnownFile>();
  const reused: string[] = [];
  const counts = { lists: 0, looks: 0 };
  const settings = { current: {} };
  const config = { ...defaultSource("o", "drops/o/**"), ...options };
  const asked = { known: async () => known, sources: async () => [] };
  const drops = new Drops({
    list: (unchanged) => {
      counts.lists += 1;
      return listDrops({
        projectRoot: root,
        folder: "drops",
        unchanged: (file) => {
          const drop = unchanged(file);
          if (drop !== null) reused.push(file);
          return drop;
        },
      });
    },
    look: (file) => {
      counts.looks += 1;
      return lookAtDrop({ projectRoot: root }, file);
    },
    settings: () => settings.current,
    claims: async () => new Claims({ durable: io.durable, random }),
    ledger: asked as unknown as Ledger, // parse: a source asks the ledger for nothing else
    renames: "recorded",
    clock,
    io,
    projectRoot: root,
    deal: (files) => ({
      sources: [config],
      sourceByPath: new Map(files.map((file) => [file, config])),
      unclaimed: [],
      sourceOf: (path) => (path.startsWith("drops/o/") ? config : null),
    }),
  });
  const source = drops.source(config);
  return { drops, source, clock, known, reused, counts, settings };
}

function write(root: string, name: string, text: string, ageMs: number): void {
  const path = `${root}/drops/o/${name}`;
  writeFileSync(path, text);
  const at = new Date(NOW - ageMs);
  utimesSync(path, at, at);
}

test("an old file is ready at once, a young one when it has not changed for the settle time", async () => {
  await using folder = await tempFolder();
  const { drops, source, clock } = await world(folder.path);
  write(folder.path, "old.csv", "id\n1\n", 60_000);
  write(folder.path, "young.csv", "id\n2\n", 500);
  await drops.refresh();
  expect(source.waitingFiles).toBe(2);
  const first = await source.poll(LIMITS);
  expect(first?.claims.map((claim) => claim.file)).toEqual(["drops/o/old.csv"]);
  expect(source.waitingMs()).toBe(1_500);
  expect(await source.poll(LIMITS)).toBeNull();
  clock.advance(1_500);
  const second = await source.poll(LIMITS);
  expect(second?.claims.map((claim) => claim.file)).toEqual(["drops/o/young.csv"]);
  expect(source.waitingMs()).toBeNull();
});

test("a file that is written on starts anew; one from the future settles by sight", async () => {
  await using folder = await tempFolder();
  const { drops, source, clock } = await world(folder.path);
  write(folder.path, "a.csv", "id\n", -3_600_000);
  await drops.refresh();
  expect(source.waitingMs()).toBe(2_000);
  clock.advance(1_000);
  write(folder.path, "a.csv", "id\n1\n", -3_600_000);
  await drops.refresh();
  expect(source.waitingMs()).toBe(2_000);
  clock.advance(2_000);
  expect((await source.poll(LIMITS))?.claims[0]?.newlines).toBe(2);
});

test("batches keep to their limits, but one big file is one batch", async () => {
  await using folder = await tempFolder();
  const { drops, source } = await world(folder.path);
  for (const name of ["a", "b", "c"]) write(folder.path, `${name}.csv`, "0123456789", 60_000);
  await drops.refresh();
  const sizes: (readonly [number, number])[] = [];
  for (const limits of [
    { files: 9, bytes: 5 },
    { files: 1, bytes: 99 },
    { files: 9, bytes: 99 },
  ]) {
    const batch = await source.poll(limits);
    if (batch !== null) sizes.push([batch.claims.length, source.waitingFiles]);
  }
  expect(sizes).toEqual([
    [1, 2],
    [1, 1],
    [1, 0],
  ]);
});

test("what the ledger holds in this form is not offered; a touched one is", async () => {
  await using folder = await tempFolder();
  const { drops, source, known } = await world(folder.path);
  write(folder.path, "a.csv", "id\n1\n", 60_000);
  await drops.refresh();
  const [claim] = (await source.poll(LIMITS))?.claims ?? [];
  if (claim === undefined) throw new Error("the file is claimed");
  known.set(claim.file, { ...claim, version: 1, outcome: "landed" });
  await drops.refresh();
  expect(source.waitingFiles).toBe(0);
  write(folder.path, "a.csv", "id\n1\n", 50_000);
  await drops.refresh();
  expect(source.waitingFiles).toBe(1);
});

test("links are refused by name, and a file that is gone is no failure", async () => {
  await using folder = await tempFolder();
  const { drops, source, clock } = await world(folder.path);
  write(folder.path, "a.csv", "id\n1\n", 60_000);
  symlinkSync("/etc/passwd", `${folder.path}/drops/o/link.csv`);
  await drops.refresh();
  await Bun.file(`${folder.path}/drops/o/a.csv`).delete();
  clock.advance(2_000);
  const batch = await source.poll(LIMITS);
  expect(batch?.claims).toEqual([]);
  expect(batch?.refused.map((refusal) => refusal.file)).toEqual(["drops/o/link.csv"]);
});

test("landed drops are kept, deleted, or moved without covering an earlier version", async () => {
  await using folder = await tempFolder();
  const { drops, source } = await world(folder.path, { onLanded: "move" });
  for (const text of ["id\n1\n", "id\n2\n"]) {
    write(folder.path, "a.csv", text, 60_000);
    await drops.refresh();
    const batch = await source.poll(LIMITS);
    if (batch === null) throw new Error("the file is ready");
    await source.settle(batch.claims);
    await source.settle(batch.claims);
  }
  expect(readdirSync(`${folder.path}/drops/o`)).toEqual([".landed"]);
  expect(readdirSync(`${folder.path}/drops/o/.landed`).sort()).toEqual(["a.2.csv", "a.csv"]);
});

test("a drop that changed after it was claimed stays", async () => {
  await using folder = await tempFolder();
  const { drops, source } = await world(folder.path, { onLanded: "delete" });
  write(folder.path, "a.csv", "id\n1\n", 60_000);
  await drops.refresh();
  const batch = await source.poll(LIMITS);
  if (batch === null) throw new Error("the file is ready");
  write(folder.path, "a.csv", "id\n1\n2\n", 0);
  await source.settle(batch.claims);
  expect(readdirSync(`${folder.path}/drops/o`)).toEqual(["a.csv"]);
});

test("beside a watcher, landed files are looked at when they are named, and else every few seconds", async () => {
  await using folder = await tempFolder();
  const { drops, source, clock, known, reused } = await world(folder.path);
  const touched = drops.follow();
  write(folder.path, "a.csv", "id\n1\n", 60_000);
  write(folder.path, "b.csv", "id\n1\n", 60_000);
  await drops.refresh();
  const batch = await source.poll(LIMITS);
  for (const claim of batch?.claims ?? []) {
    known.set(claim.file, { ...claim, version: 1, outcome: "landed" });
  }
  await drops.refresh();
  expect([reused, source.waitingFiles]).toEqual([[], 0]);
  await drops.refresh();
  expect(reused.splice(0)).toEqual(["drops/o/a.csv", "drops/o/b.csv"]);
  for (const name of ["a.csv", "b.csv"]) write(folder.path, name, "id\n1\n2\n", 50_000);
  write(folder.path, "c.csv", "id\n3\n", 60_000);
  touched(null);
  touched(`${folder.path}/drops/o/a.csv`);
  await drops.refresh();
  expect(reused.splice(0)).toEqual(["drops/o/b.csv"]);
  expect(source.waitingFiles).toBe(2);
  clock.advance(6_000);
  await drops.refresh();
  expect([reused, source.waitingFiles]).toEqual([[], 3]);
});

test("where a watcher names files, these and those that wait are looked at, and no folder", async () => {
  await using folder = await tempFolder();
  const { drops, source, clock, known, counts, settings } = await world(folder.path);
  for (const name of ["a", "b", "c"]) write(folder.path, `${name}.csv`, "id\n1\n", 60_000);
  const named = drops.follow();
  const refreshed = async (...paths: (string | null)[]) => {
    for (const path of paths) named(path === null ? null : `${folder.path}/drops/${path}`);
    const before = { ...counts };
    await drops.refresh();
    const waiting = source.waiting.map((file) => file.slice("drops/o/".length));
    return [counts.lists - before.lists, counts.looks - before.looks, waiting.join(" ")];
  };
  expect(await refreshed()).toEqual([1, 0, "a.csv b.csv c.csv"]);
  for (const { file, ...form } of (await source.poll(LIMITS))?.claims ?? []) {
    known.set(file, { ...form, file, outcome: "landed" } as unknown as KnownFile); // parse: all that is asked
  }
  expect(await refreshed()).toEqual([1, 0, ""]);
  write(folder.path, "b2.csv", "id\n2\n", 60_000);
  write(folder.path, "unnamed.csv", "id\n2\n", 60_000);
  expect(await refreshed("o/b2.csv")).toEqual([0, 1, "b2.csv"]);
  write(folder.path, "a2.csv", "id\n2\n", 60_000);
  // What waits is looked at again, as it may go on.
  expect(await refreshed("o/a2.csv")).toEqual([0, 2, "a2.csv b2.csv"]);
  rmSync(`${folder.path}/drops/o/b2.csv`);
  expect(await refreshed("o/b2.csv")).toEqual([0, 2, "a2.csv"]);
  // A landed file that changes waits again.
  write(folder.path, "a.csv", "id\n1\n3\n", 60_000);
  expect(await refreshed("o/a.csv")).toEqual([0, 2, "a.csv a2.csv"]);
  // Of a folder, of what nobody listed, of another source, and of something somewhere a listing tells.
  mkdirSync(`${folder.path}/drops/o/deep`);
  write(folder.path, "deep/d.csv", "id\n4\n", 60_000);
  const all = "a.csv a2.csv deep/d.csv unnamed.csv";
  for (const path of ["o/deep", "o/gone.csv", "other/x.csv", null]) {
    expect((await refreshed(path)).slice(0, 1)).toEqual([1]);
  }
  expect(await refreshed("o/a.csv")).toEqual([0, 4, all]);
  settings.current = {};
  expect((await refreshed("o/a.csv"))[0]).toBe(1);
  clock.advance(5_000);
  expect((await refreshed("o/a.csv"))[0]).toBe(1);
});
