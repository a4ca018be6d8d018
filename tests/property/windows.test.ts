/**
 * Laws of the window table functions: the windows of a row are those that a plain reading of their definition gives,
 * at their bounds, before 1970, in zones whose clocks change, and for rows that have no time.
 *
 * TARN_PROPERTY_RUNS multiplies the number of rows.
 */

import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { type DuckDB, openDuckDB } from "../../sql/duckdb/duckdb.ts";
import { quoteLiteral } from "../../sql/syntax/quote.ts";
import { rewriteSpellings } from "../../sql/syntax/time-travel.ts";
import { type TempFolder, tempFolder } from "../support/temp-folder.ts";

const RUNS = 60 * Number(process.env.TARN_PROPERTY_RUNS ?? "1");
const TIMEOUT_MS = 120_000;
const HOUR = 3_600_000_000n;
const DAY = 24n * HOUR;
/** Clocks change at midnight in some of them, and by half an hour in one. */
const ZONES = [
  "UTC",
  "Europe/Oslo",
  "America/New_York",
  "America/Havana",
  "America/Sao_Paulo",
  "Africa/Cairo",
  "Asia/Beirut",
  "Australia/Lord_Howe",
  "Asia/Kolkata",
] as const;

let folder: TempFolder;
let db: DuckDB;

beforeAll(async () => {
  folder = await tempFolder();
  db = await openDuckDB({
    allowedPaths: [],
    allowedFolders: [folder.path],
    memoryBytes: 512 * 1024 ** 2,
    threads: 1,
    tempFolder: null,
    lockdown: false,
  });
});

afterAll(async () => {
  await db[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

type Window = readonly [start: bigint, end: bigint];

/** Times around bounds of windows, near 1970 and today. */
const time = fc
  .tuple(
    fc.constantFrom(0n, -DAY, 1_772_000_000_000_000n - (1_772_000_000_000_000n % DAY)),
    fc.bigInt({ min: -100n, max: 100n }),
    fc.constantFrom(0n, -1n, 1n, 17n * 60_000_000n, 999_999n),
  )
  .map(([base, hours, off]) => base + hours * HOUR + off);
const times = fc.array(fc.option(time, { freq: 6 }), { minLength: 1, maxLength: 12 });
const length = fc.constantFrom(1n, 7n, 60n, 90n, 24n * 60n, 1_000n).map((n) => n * 60_000_000n);
const offset = fc.constantFrom(null, 0n, 15n * 60_000_000n, -25n * HOUR, 1n);
const isZoned = fc.boolean();

test(
  "TUMBLE and HOP: the windows [start, start + size) of all starts that are multiples of the step",
  async () => {
    await fc.assert(
      fc.asyncProperty(
        times,
        length,
        fc.integer({ min: 1, max: 4 }),
        offset,
        isZoned,
        async (...asked) => {
          const [rows, slide, parts, from, zoned] = asked;
          const size = parts === 3 ? slide * 2n + slide / 2n : slide * BigInt(parts);
          const law = (ts: bigint): Window[] => {
            const found: Window[] = [];
            let start = floored(ts, slide, from ?? 0n);
            for (; start + size > ts; start -= slide) found.push([start, start + size]);
            return found;
          };
          const more = from === null ? "" : `, ${interval(from)}`;
          expect(
            await windows(
              rows,
              zoned,
              `hop(table t, descriptor(ts), ${interval(slide)}, ${interval(size)}${more})`,
            ),
          ).toEqual(expected(rows, law));
          if (parts !== 1) return;
          expect(
            await windows(rows, zoned, `tumble(table t, descriptor(ts), ${interval(size)}${more})`),
          ).toEqual(expected(rows, law));
        },
      ),
      { numRuns: RUNS },
    );
  },
  TIMEOUT_MS,
);

test(
  "CUMULATE: windows of one start that grow by the step up to the size",
  async () => {
    await fc.assert(
      fc.asyncProperty(
        times,
        length,
        fc.integer({ min: 1, max: 5 }),
        offset,
        isZoned,
        async (...asked) => {
          const [rows, step, parts, from, zoned] = asked;
          const size = step * BigInt(parts);
          const law = (ts: bigint): Window[] => {
            const start = floored(ts, size, from ?? 0n);
            const ends = Array.from({ length: parts }, (_, nth) => start + step * BigInt(nth + 1));
            return ends.filter((end) => end > ts).map((end) => [start, end]);
          };
          const more = from === null ? "" : `, ${interval(from)}`;
          const call = `cumulate(table t, descriptor(ts), ${interval(step)}, ${interval(size)}${more})`;
          expect(await windows(rows, zoned, call)).toEqual(expected(rows, law));
        },
      ),
      { numRuns: RUNS },
    );
  },
  TIMEOUT_MS,
);

test(
  "SESSION: rows of a key that follow each other within the gap, its end included",
  async () => {
    const keyed = fc.array(
      fc.tuple(fc.option(time, { freq: 8 }), fc.constantFrom("a", "b", null)),
      {
        minLength: 1,
        maxLength: 14,
      },
    );
    await fc.assert(
      fc.asyncProperty(keyed, length, isZoned, async (rows, gap, zoned) => {
        const sessionOf = (ts: bigint, key: string | null): Window => {
          const own = rows
            .flatMap(([at, k]) => (k === key && at !== null ? [at] : []))
            .sort(compare);
          let first = own.indexOf(ts);
          let last = own.lastIndexOf(ts);
          const at = (nth: number): bigint => own[nth] ?? 0n;
          while (first > 0 && at(first) - at(first - 1) <= gap) first--;
          while (last + 1 < own.length && at(last + 1) - at(last) <= gap) last++;
          return [at(first), at(last) + gap];
        };
        const all = rows.map(([ts, key], nth) =>
          ts === null ? [nth, null, null] : [nth, ...sessionOf(ts, key)],
        );
        await fill(
          rows.map(([ts]) => ts),
          zoned,
          rows.map(([, key]) => key),
        );
        const call = `session(table t partition by k, descriptor(ts), ${interval(gap)})`;
        expect(await answered(call)).toEqual(all.map(String));
      }),
      { numRuns: RUNS },
    );
  },
  TIMEOUT_MS,
);

test(
  "windows of days begin and end at midnights of their zone, whatever its clocks do",
  async () => {
    const near = fc.integer({ min: -400, max: 400 }).map((hours) => BigInt(hours));
    const zone = fc.constantFrom(...ZONES);
    const around = fc.constantFrom(
      "2018-11-04",
      "2026-03-08",
      "2026-10-25",
      "2026-11-01",
      "2026-04-24",
      "1969-12-31",
    );
    const days = fc.integer({ min: 1, max: 3 });
    await fc.assert(
      fc.asyncProperty(
        zone,
        around,
        near,
        days,
        fc.boolean(),
        async (name, day, hours, size, isSession) => {
          const ts = BigInt(Date.parse(day)) * 1000n + hours * (HOUR / 2n) + 1n;
          if (isSession) await db.run(`SET TimeZone = ${quoteLiteral(name)}`);
          const zoned = isSession ? "" : `, zone => '${name}'`;
          const found = await windows(
            [ts],
            true,
            `tumble(table t, descriptor(ts), interval '${size} days'${zoned})`,
          );
          await db.run("SET TimeZone = 'UTC'");
          expect(found).toEqual(expected([ts], (at) => [calendarWindow(at, size, name)]));
        },
      ),
      { numRuns: RUNS * 3 },
    );
  },
  TIMEOUT_MS,
);

/** By the calendar of a zone, as the platform knows it. */
function calendarWindow(ts: bigint, days: number, zone: string): Window {
  const local = Temporal.Instant.fromEpochNanoseconds(ts * 1000n)
    .toZonedDateTimeISO(zone)
    .toPlainDate();
  const epoch = Temporal.PlainDate.from("1970-01-01");
  const since = epoch.until(local, { largestUnit: "days" }).days;
  const first = epoch.add({ days: Math.floor(since / days) * days });
  const at = (date: Temporal.PlainDate): bigint =>
    date.toZonedDateTime({ timeZone: zone }).epochNanoseconds / 1000n;
  return [at(first), at(first.add({ days }))];
}

function floored(ts: bigint, each: bigint, from: bigint): bigint {
  const since = ts - from;
  return ts - (((since % each) + each) % each);
}

function interval(micros: bigint): string {
  return `interval '${micros} microseconds'`;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Row numbers with the bounds of their windows, in order; a row without a time is there once. */
function expected(rows: readonly (bigint | null)[], law: (ts: bigint) => Window[]): string[] {
  return rows.flatMap((ts, nth) => {
    const own =
      ts === null
        ? [[null, null]]
        : law(ts).sort(([a, c], [b, d]) => compare(a, b) || compare(c, d));
    return own.map((bounds) => String([nth, ...bounds]));
  });
}

async function windows(
  rows: readonly (bigint | null)[],
  zoned: boolean,
  call: string,
): Promise<string[]> {
  await fill(
    rows,
    zoned,
    rows.map(() => null),
  );
  return answered(call);
}

async function fill(
  rows: readonly (bigint | null)[],
  zoned: boolean,
  keys: readonly (string | null)[],
): Promise<void> {
  const kind = zoned ? "timestamptz" : "timestamp";
  const values = rows.map((ts, nth) => {
    const at = ts === null ? `NULL::${kind}` : quoteLiteral({ kind, micros: ts });
    return `(${nth}, ${quoteLiteral(keys[nth] ?? null)}::VARCHAR, ${at})`;
  });
  await db.run(
    `CREATE OR REPLACE TEMP TABLE t AS FROM (VALUES ${values.join(", ")}) v(nth, k, ts)`,
  );
}

async function answered(call: string): Promise<string[]> {
  const { sql } = await rewriteSpellings(
    `SELECT nth, epoch_us(window_start) AS a, epoch_us(window_end) AS b,
      coalesce(window_time = window_end - INTERVAL 1 MILLISECOND, ts IS NULL) AS is_right
     FROM ${call} ORDER BY nth, a, b`,
  );
  const rows = await db.rows(sql);
  return rows.map(({ nth, a, b, is_right }) => {
    expect(is_right).toBe(true);
    return String([nth, a, b]);
  });
}
