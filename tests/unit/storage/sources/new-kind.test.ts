/** A new kind of source, as somebody would add one: what it takes, and that landing, replay and crash know it. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { lakeRows } from "../../../../cmd/lake/query.ts";
import { openSession, type Session } from "../../../../cmd/open.ts";
import { must } from "../../../../core/base/assert.ts";
import { sha256Hex } from "../../../../core/base/sha256.ts";
import { integer, needed, object } from "../../../../core/config/shape.ts";
import { sourceReader } from "../../../../core/config/sources.ts";
import { readConfig } from "../../../../core/config.ts";
import { landBatch } from "../../../../core/ingest/landing.ts";
import { replayOriginals } from "../../../../core/ingest/originals.ts";
import type { Source } from "../../../../core/ingest/source.ts";
import type { SourceWorld } from "../../../../core/ingest/source-kind.ts";
import { positionName, StreamBatch, streamTable } from "../../../../core/ingest/stream.ts";
import { type Intake, landAll } from "../../../../core/lake.ts";
import { FORMATS } from "../../../../sql/decode/formats.ts";
import { sourceKind } from "../../../../storage/sources/source-kind.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(120_000);

// --- What would be storage/sources/count/kind.ts: the folder of the kind. ---

const SETTINGS = object({ to: needed(integer({ min: 0, max: 1_000 }), "How far it counts.") });
const STEP = 4;

function countTable(name: string, table: string) {
  return streamTable(name, table, { into: `bronze.${name}_${table}`, read: { format: "json" } });
}

/** Counts, four numbers a batch: the even ones into one table, the odd ones into another. */
class Counter implements Source {
  readonly name: string;
  readonly into: string;
  readonly confirmed: number[] = [];
  readonly #to: number;
  readonly #world: SourceWorld;

  constructor(name: string, to: number, world: SourceWorld) {
    this.name = name;
    this.into = `bronze.${name}_even`;
    this.#to = to;
    this.#world = world;
  }

  async poll(): Promise<StreamBatch | null> {
    const { io, catalog, clock, originals } = this.#world;
    const from = await catalog.fact("offset", positionName(this.name));
    const first = Number(from ?? "0");
    if (first >= this.#to) return null;
    const to = Math.min(first + STEP, this.#to);
    const folder = await io.stagingFolder(`count-${this.name}`);
    const written = async (table: string, rest: number) => {
      const numbers = Array.from({ length: to - first }, (_, index) => first + index);
      const lines = numbers.filter((n) => n % 2 === rest).map((n) => `{"n":${n}}\n`);
      const text = lines.join("");
      const path = `${folder}/${table}`;
      await io.writeStaged(path, new TextEncoder().encode(text));
      const name = `${this.name}/${first}-${table}.jsonl`;
      const sealed = { name, path, sha256: sha256Hex(text), sizeBytes: text.length };
      return {
        config: countTable(this.name, table),
        files: [{ ...sealed, newlines: lines.length }],
      };
    };
    const tables = [await written("even", 0), await written("odd", 1)];
    const acknowledge = async (): Promise<void> => void this.confirmed.push(to);
    const stretch = { stream: this.name, from, to: String(to), tables, acknowledge };
    return new StreamBatch(stretch, originals, clock.nowMs());
  }

  waitingMs(): number | null {
    return null;
  }

  async close(): Promise<void> {}
}

const COUNT = sourceKind({
  word: "count",
  settings: SETTINGS,
  secrets: [],
  check: async () => [{ what: "numbers", state: "ok", text: "there are enough" }],
  open: async (name, { to }, world) => new Counter(name, to, world),
  tables: () => ["even", "odd"],
  table: (name, _settings, table) => countTable(name, table),
});

// --- And the line that lists it, in storage/sources/kinds.ts. ---

const KINDS = { words: ["count"], byWord: { count: COUNT } };

function configured(data: unknown) {
  return readConfig(data, {
    folderName: "spike",
    env: {},
    sources: sourceReader({ formats: FORMATS, kinds: KINDS }),
  });
}

async function worldOf(session: Session): Promise<SourceWorld> {
  const { io, catalog, clock, random } = session.ports;
  return {
    io,
    catalog,
    clock,
    random,
    originals: await session.claims(),
    projectRoot: session.root,
    readerCommand: [],
    secretOf: session.secretOf,
    http: null,
    wake: () => {},
    notice: () => {},
  };
}

async function land(session: Session, source: Source): Promise<number> {
  const intake: Intake = {
    refresh: async () => {},
    refreshFreed: async () => false,
    sources: [source],
    unreadable: [],
  };
  const failures: unknown[] = [];
  const { landFailures } = await landAll(session.ports, intake, session.settings, {
    select: null,
    full: false,
    land: true,
    waitForSettle: false,
    batchBytes: 1_000_000,
    signal: new AbortController().signal,
    onEvent: (event) => {
      if (event.event === "land-failed") failures.push(event.error);
    },
  });
  expect(failures).toEqual([]);
  return landFailures;
}

test("a kind of source is a folder and a line: settings, tables of one commit, positions, replay", async () => {
  const { config, issues } = configured({ sources: { numbers: { kind: "count", to: 10 } } });
  expect(issues).toEqual([]);
  const stream = must(config?.streams[0], "one stream is configured");

  await using folder = await tempFolder();
  writeFileSync(`${folder.path}/tarn.yaml`, "project: spike\n");
  await using session = await openSession(
    { folder: folder.path, args: { threads: "1" } },
    { engine: "test" },
  );
  const world = await worldOf(session);
  const counter = new Counter(stream.name, 6, world);
  await land(session, counter);
  expect(counter.confirmed).toEqual([4, 6]);
  // A new process goes on from the position in the catalog.
  await land(session, await COUNT.open(stream, world));

  const rows = (sql: string) => lakeRows(session, sql);
  const totals = "select count(*)::int as rows, sum(n)::int as total from bronze.numbers_";
  expect(await rows(`${totals}even`)).toEqual([{ rows: 5, total: 20 }]);
  expect(await rows(`${totals}odd`)).toEqual([{ rows: 5, total: 25 }]);
  const commits = `select count(distinct commit_number)::int as n from lake.batches where source like 'numbers.%'`;
  expect(await rows(commits)).toEqual([{ n: 3 }]);

  const even = COUNT.table(stream, "even");
  const again = await replayOriginals(session.ports, even, session.settings, {
    dryRun: false,
    why: "test",
  });
  expect([again.files, again.rowsLanded]).toEqual([3, 5]);
  expect(await rows(`${totals}even`)).toEqual([{ rows: 5, total: 20 }]);
});

test("a position that moves over nothing for these tables is committed by itself", async () => {
  await using folder = await tempFolder();
  writeFileSync(`${folder.path}/tarn.yaml`, "project: spike\n");
  await using session = await openSession(
    { folder: folder.path, args: { threads: "1" } },
    { engine: "test" },
  );
  const { originals, catalog, clock } = await worldOf(session);
  const told: string[] = [];
  const move = async (from: string | null, to: string): Promise<void> => {
    const acknowledge = async (): Promise<void> => void told.push(to);
    const stretch = { stream: "s", from, to, tables: [], acknowledge };
    const batch = new StreamBatch(stretch, originals, clock.nowMs());
    expect(await landBatch(session.ports, batch, session.settings)).toEqual([]);
  };
  await move(null, "one");
  await move("one", "two");
  expect(await catalog.fact("offset", positionName("s"))).toBe("two");
  // Another reader of the same stream was faster: nothing of this one is committed.
  await expect(move("one", "three")).rejects.toThrow();
  expect(told).toEqual(["one", "two"]);
});

test("a kind that is not there, and a setting that it does not have, are named", () => {
  const said = (entry: unknown) =>
    configured({ sources: { s: entry } }).issues.map(({ path, message, hint }) => [
      path.join("."),
      message,
      hint,
    ]);
  expect(said({ kind: "cuont", to: 1 })).toEqual([
    ["sources.s.kind", '"cuont" is no kind of source', 'did you mean "count"?'],
  ]);
  expect(said({ kind: "count", too: 1 })).toEqual([
    ["sources.s.too", 'unknown key "too"', 'did you mean "to"?'],
    ["sources.s", '"to" is missing: How far it counts.', null],
  ]);
  expect(said({ kind: "files", path: "drops/x/**" })).toEqual([]);
});
