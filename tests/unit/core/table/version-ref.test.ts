/** Versions and moments as people write them, alike on every surface. */

import { expect, test } from "bun:test";
import { must } from "../../../../core/base/assert.ts";
import {
  lakeMoment,
  movesByItself,
  parseVersion,
  splitVersion,
  type VersionUnit,
} from "../../../../core/table/version-ref.ts";
import { TestCatalog } from "../../../sim/lake.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const NAMES = {
  tags: new Set(["month-end", "today"]),
  refs: new Set(["audit", "2026-11-01"]),
  moments: { timezone: "Europe/Berlin", nowMs: Date.parse("2026-11-20T12:00:00Z") },
};

function asked(text: string, unit: VersionUnit = "any"): string {
  const ref = parseVersion(text, unit, NAMES);
  if (ref.kind === "time") return new Date(ref.timeMs).toISOString();
  if (ref.kind === "back") return `-${ref.steps}`;
  return ref.kind === "tag" ? `tag ${ref.name}` : ref.kind === "version" ? ref.value : ref.kind;
}

test("numbers are versions, known names are tags and branches, the rest are times or names", () => {
  expect(asked("@12")).toBe("12");
  expect(asked("9223372036854775807")).toBe("9223372036854775807");
  expect(asked("@-1")).toBe("-1");
  expect(asked("month-end")).toBe("tag month-end");
  expect(asked("tag:gone")).toBe("tag gone");
  expect(asked("gone", "tag")).toBe("tag gone");
  expect(asked("today")).toBe("tag today");
  expect(asked("2026-11-01")).toBe("2026-11-01");
  expect(asked("2026-11-01", "timestamp")).toBe("2026-10-31T23:00:00.000Z");
  expect(asked("-2h")).toBe("2026-11-20T10:00:00.000Z");
  expect(asked("@2026-11-20 09:00")).toBe("2026-11-20T08:00:00.000Z");
  expect(asked("audit")).toBe("audit");
  expect(asked("unknown")).toBe("unknown");
});

test("what AT says of its value, and spellings that are the same under each", () => {
  for (const unit of ["any", "version", "timestamp"] as const) {
    expect(asked("month-end", unit)).toBe("tag month-end");
    expect(asked("tag:month-end", unit)).toBe("tag month-end");
    expect(asked("yesterday", unit)).toBe("2026-11-18T23:00:00.000Z");
    expect(asked("2026-11-20 09:00", unit)).toBe("2026-11-20T08:00:00.000Z");
  }
  expect(asked("no name", "version")).toBe("no name");
  expect(() => asked("12", "timestamp")).toThrow("is not a time");
  expect(() => asked("2026-02-30")).toThrow("is not a time");
  expect(() => asked("no name")).toThrow("is not a time");
});

test("spellings that move by themselves", () => {
  for (const text of ["-1", "@-3", "now", "Today", "yesterday", "-3s", "-1h30m"]) {
    expect(movesByItself(text, "version")).not.toBeNull();
  }
  for (const text of ["12", "month-end", "2026-11-20", "9999-01-01"]) {
    expect(movesByItself(text, "version")).toBeNull();
  }
  expect(movesByItself("today", "tag")).toBeNull();
});

test("a table with its version", () => {
  expect(splitVersion("silver.orders@12")).toEqual({ name: "silver.orders", version: "12" });
  expect(splitVersion("silver.orders")).toEqual({ name: "silver.orders", version: null });
  expect(splitVersion("o@-1")).toEqual({ name: "o", version: "-1" });
});

test("a moment of the lake is a tag's, a snapshot's of any table, or a time", async () => {
  await using folder = await tempFolder();
  const lake = await TestCatalog.open({ root: folder.path });
  await lake.append("bronze.a", [1]);
  await lake.catalog.setTag("first", 1n);
  lake.clock.advance(60_000);
  await lake.append("bronze.b", [2]);
  const { catalog, clock } = lake;
  const [last, first] = await catalog.commits({ limit: 10 });
  const times = [first, last].map((commit) => must(commit ?? null, "two commits").timeMs);
  const ids = [first, last].map((commit) => String(commit?.tables[0]?.snapshotId));
  const moments = { timezone: "UTC", nowMs: clock.nowMs() };
  const ask = (text: string) => lakeMoment(catalog, text, moments);
  expect(await Promise.all(ids.map(ask))).toEqual(times);
  expect(await ask("first")).toBe(times[0] ?? 0);
  expect(await ask("tag:first")).toBe(times[0] ?? 0);
  expect(await ask("2026-11-20 12:00")).toBe(Date.UTC(2026, 10, 20, 12));
  const unknown = String(BigInt(ids[0] ?? "0") + 1n);
  await expect(ask(unknown)).rejects.toMatchObject({ code: "not-found" });
  await expect(ask("tag:frist")).rejects.toMatchObject({ hint: 'did you mean "first"?' });
  await expect(ask("frist")).rejects.toThrow("neither a tag, a snapshot id nor a time");
  for (const text of ["@2", "2", "@-1"]) await expect(ask(text)).rejects.toThrow("of one table");
  await catalog.close();
});
