/** How far sources are behind: measured by each kind, kept by the lake, said in the status and in SQL. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { buildOf } from "../../../../cmd/lake/build.ts";
import { lakeRows } from "../../../../cmd/lake/query.ts";
import { isTroubled, type Status, statusOf } from "../../../../cmd/lake/status.ts";
import { openSession } from "../../../../cmd/open.ts";
import { lagText } from "../../../../cmd/render/status-lines.ts";
import type { Lag, MeasuredLag } from "../../../../core/ingest/lag.ts";
import { LagWatch } from "../../../../core/ingest/lag-watch.ts";
import type { Source } from "../../../../core/ingest/source.ts";
import type { Clock } from "../../../../core/ports.ts";
import { LagClock } from "../../../../storage/sources/lag-clock.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(120_000);

class SetClock implements Clock {
  ms = 1_000_000;
  nowMs(): number {
    return this.ms;
  }
  async sleep(ms: number): Promise<void> {
    this.ms += ms;
  }
}

async function build(root: string, models: boolean): Promise<void> {
  const flags = { folder: root, args: { threads: "1" } };
  await using session = await openSession(flags, { engine: "t" });
  const request = { select: [], exclude: [], full: false, models, sources: true };
  await buildOf(session, request, { signal: new AbortController().signal, onEvent: () => {} });
}

async function status(root: string): Promise<Status> {
  await using session = await openSession({ folder: root, args: {} }, { engine: null });
  return await statusOf(session, "new");
}

test("a log is behind by the bytes that are no whole line yet, in the status and in lake.sources", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  writeFileSync(`${root}/tarn.yaml`, "sources: { web: { kind: log, path: web.jsonl } }\n");
  writeFileSync(`${root}/web.jsonl`, '{"a":1}\n{"a":2}\n');
  await build(root, true);
  expect((await status(root)).streams[0]?.lag).toMatchObject({ bytes: 0, rows: null, ms: 0 });
  appendFileSync(`${root}/web.jsonl`, '{"a":3}\n{"a":');
  await build(root, true);
  expect((await status(root)).streams[0]?.lag).toMatchObject({ bytes: 5, rows: null });
  await using session = await openSession({ folder: root, args: {} }, { engine: null });
  const sql = "select source, lag_bytes, lag_rows, lag_measured_at is not null from lake.sources";
  expect((await lakeRows(session, sql)).map((row) => Object.values(row))).toEqual([
    ["web", 5, null, true],
  ]);
});

test("a model is behind while a table that it is made of, near or far, is newer", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  mkdirSync(`${root}/models/silver`, { recursive: true });
  mkdirSync(`${root}/models/gold`, { recursive: true });
  writeFileSync(`${root}/tarn.yaml`, "sources: { web: { kind: log, path: web.jsonl } }\n");
  writeFileSync(`${root}/models/silver/hits.sql`, "select a from bronze.web");
  writeFileSync(`${root}/models/gold/total.sql`, "select count(*) as n from silver.hits");
  writeFileSync(`${root}/web.jsonl`, '{"a":1}\n');
  await build(root, true);
  const fresh = await status(root);
  expect(fresh.models.map(({ behind }) => behind)).toEqual([null, null]);
  expect(isTroubled(fresh)).toBe(false);
  appendFileSync(`${root}/web.jsonl`, '{"a":2}\n');
  await build(root, false);
  const old = await status(root);
  expect(old.models.map(({ behind }) => behind)).toEqual(["bronze.web", "bronze.web"]);
  expect(isTroubled(old)).toBe(true);
  await build(root, true);
  expect((await status(root)).models.map(({ behind }) => behind)).toEqual([null, null]);
});

test("the age of what landed last is that of its time, or of when the server was there", () => {
  const clock = new SetClock();
  const lag = new LagClock<bigint>(clock);
  expect(lag.ageMs(0n, 10n)).toBeNull();
  lag.timed(5n, 999_000);
  lag.timed(8n, 999_500);
  lag.timed(9n, 999_520);
  expect(lag.ageMs(8n, 10n)).toBe(1_000);
  expect(lag.ageMs(9n, 10n)).toBe(480);
  clock.ms += 2_000;
  expect(lag.ageMs(10n, 12n)).toBe(2_000);
  expect(lag.ageMs(12n, 12n)).toBe(0);
  clock.ms += 500;
  expect(lag.ageMs(12n, 13n)).toBe(500);
});

test("an age is whole milliseconds, though a server's times are microseconds", () => {
  const lag = new LagClock<bigint>(new SetClock());
  lag.timed(5n, 999_000.627);
  expect(lag.ageMs(5n, 10n)).toBe(999);
});

test("a lag is written down while it changes, now and then, and never by two at once", async () => {
  const clock = new SetClock();
  const recorded: (readonly MeasuredLag[])[] = [];
  let lag: Lag = { bytes: 1, rows: null, ms: 0 };
  const source = { name: "s", lag: async () => lag } as unknown as Source;
  const catalog = {
    lags: {
      record: async (lags: readonly MeasuredLag[]) => void recorded.push(lags),
      all: async () => [],
    },
  };
  const watch = new LagWatch({ catalog, clock });
  const look = async (): Promise<number> => {
    watch.look([source]);
    watch.look([source]);
    await watch.close();
    return recorded.length;
  };
  expect(await look()).toBe(1);
  clock.ms += 4_999;
  expect(await look()).toBe(1);
  clock.ms += 5_001;
  expect(await look()).toBe(1);
  lag = { ...lag, bytes: 2 };
  clock.ms += 5_000;
  expect(await look()).toBe(2);
  clock.ms += 60_000;
  expect(await look()).toBe(3);
});

test("people read what is missing, since when, and how old the measure is", () => {
  const at = { measuredMs: 1_000_000 };
  const text = (lag: Lag, nowMs = 1_001_000) => lagText({ ...lag, ...at }, nowMs);
  expect(text({ bytes: 0, rows: null, ms: 0 })).toBe("nothing missing");
  expect(text({ bytes: 1_200_000, rows: 31, ms: 4_000 })).toBe("1.2 MB and 31 rows behind, 4.00 s");
  expect(text({ bytes: null, rows: 1, ms: null })).toBe("1 row behind");
  expect(text({ bytes: null, rows: null, ms: 90_000 })).toBe("as of 1 m 30 s before");
  expect(text({ bytes: 0, rows: null, ms: 0 }, 1_200_000)).toBe(
    "nothing missing (measured 3 min ago)",
  );
});
