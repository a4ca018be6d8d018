/** An API that changes while it is read, fails, and is asked by readers that die: what is landed is what it has. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { must } from "../../core/base/assert.ts";
import type { Clock } from "../../core/ports.ts";
import { ApiReader } from "../../storage/sources/api/read.ts";
import { API_SETTINGS } from "../../storage/sources/api/settings.ts";
import { SimRandom } from "../sim/world.ts";
import { ApiServer, endpointsOf, type Item, PAGES, type Style } from "../support/api-server.ts";
import { tempFolder } from "../support/temp-folder.ts";

setDefaultTimeout(120_000);

const START = Date.UTC(2026, 10, 1);

/** Time passes when somebody waits. */
class PassingClock implements Clock {
  #nowMs = START;
  nowMs(): number {
    return this.#nowMs;
  }
  async sleep(ms: number): Promise<void> {
    this.#nowMs += ms;
  }
}

function settingsOf(style: Style) {
  const auth = { token_url: "https://api.test/token", client_id: "c", client_secret: "s" };
  const issues: never[] = [];
  const given = { url: "https://api.test", auth, every: "1m", endpoints: endpointsOf(style) };
  return must(API_SETTINGS.read(given, { path: [], issues }), "the settings are right");
}

interface Story {
  readonly style: Style;
  readonly seed: number;
  /**
   * Between two of the first changes: none, or more than the overlap. Nothing changes then while it is read: pages by
   * number shift where a record moves, and what slips through is read again within the overlap alone.
   */
  readonly apartMs: number;
  readonly steps: readonly ("change" | "read" | "die" | "wait")[];
}

const STORY: fc.Arbitrary<Story> = fc.record({
  style: fc.constantFrom(...(Object.keys(PAGES) as Style[])), // parse: its own keys
  seed: fc.integer({ min: 1, max: 1_000_000 }),
  apartMs: fc.constantFrom(0, 2 * 3_600_000),
  steps: fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.constant("change" as const) },
      { weight: 5, arbitrary: fc.constant("read" as const) },
      { weight: 1, arbitrary: fc.constant("die" as const) },
      { weight: 1, arbitrary: fc.constant("wait" as const) },
    ),
    { maxLength: 40 },
  ),
});

async function tell(root: string, { style, seed, apartMs, steps }: Story) {
  const clock = new PassingClock();
  const random = new SimRandom(seed);
  const server = new ApiServer(clock, () => random.fraction());
  for (let id = 1; id <= 8; id++) {
    server.change(id);
    await clock.sleep(apartMs);
  }
  server.isOver = apartMs > 0;
  const lakeRoot = `${root}/lake`;
  mkdirSync(lakeRoot);
  const settings = settingsOf(style);
  const landed: Item[] = [];
  const parts: { _parent_id: number; part: string }[] = [];
  let position: string | null = null;
  let reader: ApiReader | null = null;
  const open = (): Promise<ApiReader> =>
    ApiReader.open(
      {
        ...{ stream: "shop", kind: "api", settings, lakeId: "lake", lakeRoot },
        ...{ folder: `${lakeRoot}/streams/shop`, projectRoot: root, from: position },
      },
      settings,
      { clock, random, notice: () => {} },
      (url, how) => server.answer(url, how),
    );
  const read = async (): Promise<boolean> => {
    reader ??= await open();
    const stretch = await reader.next(
      { bytes: 1_000, lingerMs: 10, ms: 10 },
      new AbortController().signal,
    );
    if (stretch === null) return false;
    for (const file of stretch.files) {
      const rows = readFileSync(file.path, "utf8").trimEnd().split("\n");
      expect(rows.length).toBe(file.newlines);
      for (const row of rows) {
        if (file.tables[0] === "items") landed.push(JSON.parse(row));
        else parts.push(JSON.parse(row));
      }
    }
    position = stretch.to;
    return true;
  };
  for (const step of steps) {
    if (step === "change" && !server.isOver) server.change(1 + Math.floor(random.fraction() * 12));
    else if (step === "read") await read();
    else if (step === "die") reader = null;
    else await clock.sleep(61_000);
  }
  server.isOver = true;
  // The first may have been under way at the last change.
  for (let run = 0; run < 3; run++) {
    while (await read());
    await clock.sleep(120_000);
  }
  return { server, landed, parts };
}

test("what an API has is landed, whatever its pages, failures and changes, and whoever dies", async () => {
  await fc.assert(
    fc.asyncProperty(STORY, async (story) => {
      await using folder = await tempFolder();
      const { server, landed, parts } = await tell(folder.path, story);
      const latest = new Map<number, number>();
      for (const { id, version } of landed) latest.set(id, Math.max(version, latest.get(id) ?? 0));
      const wanted = [...server.items.values()].map(({ id, version }) => [id, version] as const);
      expect(latest).toEqual(new Map(wanted));
      for (const { _parent_id: id, part } of parts) expect(part.startsWith(String(id))).toBe(true);
      expect(new Set(parts.map(({ _parent_id: id }) => id))).toEqual(new Set(latest.keys()));
    }),
    { numRuns: 40 },
  );
});

test("what did not change is not landed again", async () => {
  await using folder = await tempFolder();
  const steps = Array.from({ length: 30 }, () => ["read", "wait"] as const).flat();
  const { landed } = await tell(folder.path, { style: "cursor", seed: 7, apartMs: 0, steps });
  const once = new Set(landed.map(({ id, version }) => `${id}/${version}`));
  expect(landed.length).toBe(once.size);
});
