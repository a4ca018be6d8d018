/** Moments as people write them, in zones with daylight saving time, and what is no moment. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { LakeError } from "../../../../core/base/errors.ts";
import { parseBound, parseMoment } from "../../../../core/base/moment.ts";

const NOW = Date.parse("2026-11-20T15:30:00Z");

function utc(text: string, timezone = "UTC"): string {
  return new Date(parseMoment(text, { timezone, nowMs: NOW })).toISOString();
}

test("absolute times, with and without a zone", () => {
  expect(utc("2026-11-20")).toBe("2026-11-20T00:00:00.000Z");
  expect(utc("2026-11-20 09:05")).toBe("2026-11-20T09:05:00.000Z");
  expect(utc(" 2026-11-20T09:05:06.5Z ")).toBe("2026-11-20T09:05:06.500Z");
  expect(utc("2026-11-20 09:05:06,123456789")).toBe("2026-11-20T09:05:06.123Z");
  expect(utc("2026-11-20 09:00+02")).toBe("2026-11-20T07:00:00.000Z");
  expect(utc("2026-11-20T09:00:00-0530")).toBe("2026-11-20T14:30:00.000Z");
  expect(utc("2026-11-20 09:00", "Europe/Berlin")).toBe("2026-11-20T08:00:00.000Z");
  expect(utc("2026-07-20 09:00", "Europe/Berlin")).toBe("2026-07-20T07:00:00.000Z");
  expect(utc("2024-02-29")).toBe("2024-02-29T00:00:00.000Z");
});

test("relative times", () => {
  expect(utc("now")).toBe("2026-11-20T15:30:00.000Z");
  expect(utc("-2h")).toBe("2026-11-20T13:30:00.000Z");
  expect(utc("-1h30m")).toBe("2026-11-20T14:00:00.000Z");
  expect(utc("-2d")).toBe("2026-11-18T15:30:00.000Z");
  expect(utc("today")).toBe("2026-11-20T00:00:00.000Z");
  expect(utc("Yesterday", "Europe/Berlin")).toBe("2026-11-18T23:00:00.000Z");
  expect(utc("today", "Pacific/Auckland")).toBe("2026-11-20T11:00:00.000Z");
});

test("bounds of a range keep microseconds, and what was on the wall", () => {
  const bound = (text: string, timezone: string) => {
    const { ms, wallMs } = parseBound(text, { timezone, nowMs: NOW });
    return [Math.round(ms * 1000), Math.round(wallMs * 1000)];
  };
  const micros = (text: string) => Date.parse(`${text}Z`) * 1000;
  const gap = [micros("2026-03-29T01:30:00"), micros("2026-03-29T02:30:00")];
  expect(bound("2026-03-29 02:30", "Europe/Berlin")).toEqual(gap);
  const repeated = [micros("2026-10-25T00:30:00"), micros("2026-10-25T02:30:00")];
  expect(bound("2026-10-25 02:30", "Europe/Berlin")).toEqual(repeated);
  const zoned = [micros("2026-11-20T09:00:00"), micros("2026-11-20T14:45:00")];
  expect(bound("2026-11-20T09:00Z", "Asia/Kathmandu")).toEqual(zoned);
  const fine = micros("2026-11-20T09:00:00") + 123_457;
  expect(bound("2026-11-20 09:00:00.1234561", "UTC")).toEqual([fine, fine]);
  expect(bound("today", "Europe/Berlin")[1]).toBe(micros("2026-11-20T00:00:00"));
});

test("a time that a clock change skips or repeats", () => {
  // Berlin: 02:00 to 03:00 is skipped on 29 March, 02:00 to 03:00 comes twice on 25 October.
  expect(utc("2026-03-29 01:59", "Europe/Berlin")).toBe("2026-03-29T00:59:00.000Z");
  expect(utc("2026-03-29 02:30", "Europe/Berlin")).toBe("2026-03-29T01:30:00.000Z");
  expect(utc("2026-03-29 03:00", "Europe/Berlin")).toBe("2026-03-29T01:00:00.000Z");
  expect(utc("2026-10-25 02:30", "Europe/Berlin")).toBe("2026-10-25T00:30:00.000Z");
  expect(utc("2026-10-25 03:00", "Europe/Berlin")).toBe("2026-10-25T02:00:00.000Z");
  expect(utc("2026-11-01 01:30", "America/New_York")).toBe("2026-11-01T05:30:00.000Z");
  expect(utc("2026-03-08 02:30", "America/New_York")).toBe("2026-03-08T07:30:00.000Z");
});

test("what is no moment", () => {
  const wrong = [
    "",
    "soon",
    "2026-02-30",
    "2026-04-31 10:00",
    "2025-02-29",
    "2026-13-01",
    "2026-00-10",
    "2026-11-20 24:00",
    "2026-11-20 10:70",
    "2026-11-20 10:00:61",
    "2026-11-20 10:00+19",
    "2026-11-20 10:00+02:99",
    "0026-11-20",
    "2026-11",
    "20261120",
    "11/20/2026",
    "-2 moons",
    "1763600000000",
  ];
  for (const text of wrong) {
    expect(() => parseMoment(text, { timezone: "UTC", nowMs: NOW })).toThrow(LakeError);
  }
});

test("every instant written in a zone is read back, repeated hours as the earlier one", () => {
  const zones = fc.constantFrom(
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
  );
  const minutes = fc.integer({ min: 10_000_000, max: 40_000_000 });
  fc.assert(
    fc.property(zones, minutes, (timezone, minute) => {
      const ms = minute * 60_000;
      const text = new Intl.DateTimeFormat("sv-SE", {
        timeZone: timezone,
        dateStyle: "short",
        timeStyle: "short",
      }).format(ms);
      const read = parseMoment(text, { timezone, nowMs: NOW });
      expect([ms, ms - 3_600_000, ms - 1_800_000]).toContain(read);
    }),
  );
});

test("each of a thousand milliseconds is kept", () => {
  for (let ms = 0; ms < 1000; ms++) {
    const text = `2026-11-20 00:00:00.${String(ms).padStart(3, "0")}`;
    expect(parseMoment(text, { timezone: "UTC", nowMs: NOW }) % 1000).toBe(ms);
  }
});
