/** Versions as people write them. */

import { expect, test } from "bun:test";
import { splitVersion, versionRef } from "../../../../cmd/lake/version-ref.ts";
import { SimClock } from "../../../sim/world.ts";

type Asked = Parameters<typeof versionRef>[0];

// parse: versionRef asks a session for its tags, zone and clock
const SESSION = {
  catalog: { tags: async () => new Map([["month-end", {}]]) },
  config: { timezone: "Europe/Berlin" },
  ports: { clock: new SimClock(Date.parse("2026-11-20T12:00:00Z")) },
} as unknown as Asked; // parse: above

test("numbers are versions, known tags are tags, the rest are times or branches", async () => {
  const asked = async (text: string) => JSON.stringify(await versionRef(SESSION, text));
  expect(await asked("@12")).toBe('{"kind":"version","value":"12"}');
  expect(await asked("9223372036854775807")).toBe(
    '{"kind":"version","value":"9223372036854775807"}',
  );
  expect(await asked("@-1")).toBe('{"kind":"back","steps":1}');
  expect(await asked("month-end")).toBe('{"kind":"tag","name":"month-end"}');
  expect(await asked("tag:month-end")).toBe('{"kind":"tag","name":"month-end"}');
  expect(await asked("-2h")).toContain(`"timeMs":${Date.parse("2026-11-20T10:00:00Z")}`);
  expect(await asked("2026-11-20 09:00")).toContain(
    `"timeMs":${Date.parse("2026-11-20T08:00:00Z")}`,
  );
  expect(await asked("audit")).toBe('{"kind":"version","value":"audit"}');
  expect(versionRef(SESSION, "2026-02-30")).rejects.toThrow("is not a time");
});

test("a table with its version", () => {
  expect(splitVersion("silver.orders@12")).toEqual({ name: "silver.orders", version: "12" });
  expect(splitVersion("silver.orders")).toEqual({ name: "silver.orders", version: null });
  expect(splitVersion("o@-1")).toEqual({ name: "o", version: "-1" });
});
