/** Landing what is there: whose failure ends it. */

import { expect, test } from "bun:test";
import { LakeError } from "../../../core/base/errors.ts";
import type { LandingPorts } from "../../../core/ingest/landing.ts";
import type { Source } from "../../../core/ingest/source.ts";
import { type Intake, type LakeEvent, landAll } from "../../../core/lake.ts";

const SETTINGS = { timezone: "UTC", engineVersion: "test", memoryBytes: 1, threads: 1 };

const FULL = new LakeError("io", "the disk is full", { hint: "free some space" });
const LOST = new LakeError("io", "the disk lost data", { scope: "lake" });

/** A source whose polls throw what is given; null has nothing. */
function sourceThatThrows(name: string, thrown: unknown): Source {
  return {
    name,
    into: `bronze.${name}`,
    poll: async () => {
      if (thrown !== null) throw thrown;
      return null;
    },
    waitingMs: () => null,
    close: async () => {},
  };
}

function portsThatRecord(recorded: () => void): LandingPorts {
  const ports = {
    clock: { nowMs: () => 1, sleep: async () => {} },
    random: { uuid: () => "u" },
    engine: { prepare: () => {} },
    catalog: { runs: { record: async () => recorded() } },
  };
  return ports as unknown as LandingPorts; // parse: all that the loop itself calls
}

function intakeOf(sources: Intake["sources"], unreadable: Intake["unreadable"] = []): Intake {
  return { refresh: async () => {}, refreshFreed: async () => false, sources, unreadable };
}

function options(events: LakeEvent[]) {
  return {
    select: null,
    full: false,
    land: true,
    waitForSettle: false,
    batchBytes: 1,
    signal: new AbortController().signal,
    onEvent: (event: LakeEvent) => void events.push(event),
  };
}

test("landAll goes on to the next source when the disk of one is full, whatever is recorded", async () => {
  const events: LakeEvent[] = [];
  const polled: string[] = [];
  const after = sourceThatThrows("b", null);
  const poll = async (): Promise<null> => {
    polled.push("b");
    return null;
  };
  const intake = intakeOf([sourceThatThrows("a", FULL), { ...after, poll }]);
  const ports = portsThatRecord(() => {
    throw FULL;
  });
  const result = await landAll(ports, intake, SETTINGS, options(events));
  expect([result.landFailures, polled.length > 0, events.map((event) => event.event)]).toEqual([
    1,
    true,
    ["land-failed"],
  ]);
});

test("landAll throws the lake's own failure", async () => {
  const intake = intakeOf([sourceThatThrows("a", LOST)]);
  const landing = landAll(
    portsThatRecord(() => {}),
    intake,
    SETTINGS,
    options([]),
  );
  expect(landing).rejects.toBe(LOST);
});

test("landAll tells what could not be looked at and counts it", async () => {
  const events: LakeEvent[] = [];
  const intake = intakeOf([], [{ path: "drops/x", error: FULL }]);
  const result = await landAll(
    portsThatRecord(() => {}),
    intake,
    SETTINGS,
    options(events),
  );
  expect([result.landFailures, events]).toEqual([
    1,
    [{ event: "unreadable", path: "drops/x", error: FULL }],
  ]);
});
