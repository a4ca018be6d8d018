/** Window functions: how they are written, and what is said of those that are written otherwise. */

import { expect, test } from "bun:test";
import { LakeError } from "../../../../core/base/errors.ts";
import { intervalOfText } from "../../../../sql/syntax/interval.ts";
import { rewriteSpellings } from "../../../../sql/syntax/time-travel.ts";

async function error(sql: string): Promise<LakeError> {
  try {
    await rewriteSpellings(sql);
  } catch (thrown) {
    if (thrown instanceof LakeError) return thrown;
  }
  throw new Error(`${sql} is taken as it is`);
}

test("one call is one query, whatever the order and the names of its arguments", async () => {
  const { sql: plain } = await rewriteSpellings(
    "from hop(table a.b, descriptor(ts), interval '1' hour, interval 2 hours) w",
  );
  for (const sql of [
    "from HOP(a.b, DESCRIPTOR(ts), INTERVAL '60 minutes', INTERVAL '02:00:00') w",
    "from hop(data => table a.b, timecol => descriptor(ts), slide => interval '1h', size => interval '2' hours) w",
    `from table(hop(size => interval '1 hour 60 minutes', slide => interval '3600 s', timecol => descriptor(ts),
       data => table a.b)) w`,
  ]) {
    expect((await rewriteSpellings(sql)).sql.replaceAll(/\s+/g, " ")).toBe(plain);
  }
});

test("what is wrong with the table or the column stands where they are written", async () => {
  const sql = "select *\nfrom tumble(table tt, descriptor(at), interval '1 hour') x where y";
  const { sql: text, originalOffset } = await rewriteSpellings(sql);
  expect(originalOffset(text.indexOf("tt"))).toBe(sql.indexOf("tt"));
  expect(originalOffset(text.indexOf('"at"'))).toBe(sql.indexOf("at)"));
  expect(originalOffset(text.indexOf("x where"))).toBe(sql.indexOf("x where"));
});

test("names that are none of the functions' stay as they are", async () => {
  for (const sql of [
    "select session(a, b), hop from t",
    "select tumble from session",
    "select * from range(5) tumble(n)",
    "select table from x",
    "create table session(a int)",
  ]) {
    expect((await rewriteSpellings(sql)).sql).toBe(sql);
  }
});

test("a call that is not right says what, where and how it is written", async () => {
  expect(
    (await error("select 1,\n 2 from tumble(table t, descriptor(ts), interval 1 month)")).place,
  ).toMatchObject({ line: 2, column: 41 });
  expect((await error("from tumbel(table t, descriptor(ts), interval 1 day)")).hint).toBe(
    "did you mean TUMBLE?",
  );
  expect((await error("from hop(table t, descriptor(ts), slidee => interval 1 day)")).hint).toBe(
    'did you mean "slide"?',
  );
  for (const [sql, said] of [
    ["from tumble()", "a table first"],
    ["from tumble(table t)", "DESCRIPTOR"],
    ["from tumble(table t, descriptor(a, b), interval 1 day)", "DESCRIPTOR"],
    ["from tumble(table t, descriptor(a + 1), interval 1 day)", "DESCRIPTOR"],
    ["from tumble(table t, descriptor(a), to_days(1))", "written out"],
    ["from tumble(table t, descriptor(a), interval '-1 day')", "not more than nothing"],
    [
      "from tumble(table t, descriptor(a), interval 1 day, interval 1 day, interval 1 day)",
      "too many",
    ],
    ["from tumble(table t, descriptor(a), interval 1 day, size => interval 1 day)", "twice"],
    ["from tumble(table t partition by a, descriptor(a), interval 1 day)", "no partitions"],
    ["from tumble(table t, descriptor(a), interval 1 hour, zone => 'Asia/Kolkata')", "whole days"],
    [
      "from session(table t, descriptor(a), interval 1 hour, zone => 'Asia/Kolkata')",
      "no argument zone",
    ],
    ["from hop(table t, descriptor(a), interval 1 second, interval 1 year)", "of months"],
    ["from hop(table t, descriptor(a), interval 1 second, interval 52 weeks)", "windows"],
    ["from cumulate(table t, descriptor(a), interval 2 days, interval 3 days)", "multiple"],
  ] as const) {
    expect((await error(sql)).message).toContain(said);
  }
});

test("intervals are exact, in all the ways in which they are written", async () => {
  const of = (text: string) => intervalOfText(text);
  expect(of("1 day 02:30:00.5")).toEqual({ months: 0n, days: 1n, micros: 9_000_500_000n });
  expect(of("1.5 hours")).toEqual({ months: 0n, days: 0n, micros: 5_400_000_000n });
  expect(of("-3 weeks 1us")).toEqual({ months: 0n, days: -21n, micros: 1n });
  expect(of("2 years 1 quarter")).toEqual({ months: 27n, days: 0n, micros: 0n });
  for (const text of ["", "5", "hour", "1.5 days 3", "0.5 us", "1 fortnight", "1..5 hours"]) {
    expect(of(text)).toBeNull();
  }
});
