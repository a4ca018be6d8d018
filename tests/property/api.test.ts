/** An API that changes while it is read, fails, and is asked by readers that die: what is landed is what it has. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { must } from "../../core/base/assert.ts";
import type { Clock } from "../../core/ports.ts";
import { ApiReader } from "../../storage/sources/api/read.ts";
import { API_SETTINGS } from "../../storage/sources/api/settings.ts";
import { SimRandom } from "../sim/world.ts";
import { tempFolder } from "../support/temp-folder.ts";

setDefaultTimeout(120_000);

const SIZE = 3;
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

interface Item {
  readonly id: number;
  readonly version: number;
  readonly updated: string;
}

/** Payments, newest change last, in four styles of pages. */
class Server {
  readonly items = new Map<number, Item>();
  readonly #clock: Clock;
  readonly #random: () => number;
  /** Of which token is good. */
  #token = 0;
  /** Nothing changes any more. */
  isOver = false;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Many changes have one time: clocks of servers are coarse. */
  change(id: number): void {
    const version = (this.items.get(id)?.version ?? 0) + 1;
    const second = Math.floor(this.#clock.nowMs() / 60_000) * 60_000;
    this.items.delete(id);
    this.items.set(id, { id, version, updated: new Date(second).toISOString() });
  }

  async answer(address: string, how: RequestInit): Promise<Response> {
    const url = new URL(address);
    if (url.pathname === "/token") {
      return Response.json({ access_token: `t${this.#token}`, expires_in: 3600 });
    }
    const dice = this.#random();
    if (dice < 0.04) return new Response("busy", { status: 429, headers: { "retry-after": "2" } });
    if (dice < 0.08) {
      const when = new Date(this.#clock.nowMs() + 3_000).toUTCString();
      return new Response("busy", { status: 429, headers: { "retry-after": when } });
    }
    if (dice < 0.12) return new Response("oh", { status: 503 });
    if (dice < 0.16) return new Response('{"data": [{"id": 1, "ver');
    if (dice < 0.2) this.#token++;
    const headers = new Headers(how.headers);
    if (headers.get("authorization") !== `Bearer t${this.#token}`) {
      return new Response("token has ended", { status: 401 });
    }
    if (dice > 0.9 && !this.isOver) this.change(1 + Math.floor(this.#random() * 12));
    return this.#page(url);
  }

  #page(url: URL): Response {
    const since = url.searchParams.get("since");
    const due = [...this.items.values()]
      .filter(({ updated }) => since === null || updated >= since)
      .sort((a, b) => (a.updated < b.updated ? -1 : a.updated > b.updated ? 1 : a.id - b.id));
    const child = /^\/items\/(\d+)\/parts$/.exec(url.pathname)?.[1];
    if (child !== undefined) return Response.json([{ part: `${child}a` }, { part: `${child}b` }]);
    const style = url.pathname.slice(1);
    const number = Number(url.searchParams.get("page") ?? "1");
    const after = url.searchParams.get("after");
    const offset = Number(url.searchParams.get("offset") ?? "0");
    const from =
      style === "offset"
        ? offset
        : style === "cursor"
          ? due.findIndex(({ id, updated }) => `${updated}/${id}` === after) + 1
          : (number - 1) * SIZE;
    const page = due.slice(from, from + SIZE);
    const isMore = from + SIZE < due.length;
    const last = page.at(-1);
    const next = isMore && last !== undefined ? `${last.updated}/${last.id}` : null;
    const link = new URL(url);
    link.searchParams.set("page", String(number + 1));
    const headers: Record<string, string> = isMore ? { link: `<${link.href}>; rel="next"` } : {};
    return Response.json({ data: page, meta: { next } }, { headers });
  }
}

const PAGES = {
  page: { style: "page", size_param: "per_page", size: SIZE },
  offset: { style: "offset", size_param: "limit", size: SIZE },
  cursor: { style: "cursor", param: "after", next: "meta.next" },
  link: { style: "link" },
} as const;

type Style = keyof typeof PAGES;

function settingsOf(style: Style) {
  const auth = { token_url: "https://api.test/token", client_id: "c", client_secret: "s" };
  const incremental = { cursor: "updated", cursor_param: "since", overlap: "1h", key: "id" };
  const items = { path: `/${style}`, records: "data", pages: PAGES[style], ...incremental };
  const endpoints = { items, parts: { path: "/items/{id}/parts", each: "items" } };
  const issues: never[] = [];
  const given = { url: "https://api.test", auth, every: "1m", endpoints };
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
  const server = new Server(clock, () => random.fraction());
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
    const stretch = await reader.next({ bytes: 1_000, ms: 10 }, new AbortController().signal);
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
