/** An API for tests: it changes while it is read, in four styles of pages, and fails in each of its ways. */

import type { Clock } from "../../core/ports.ts";

const SIZE = 3;

export interface Item {
  readonly id: number;
  readonly version: number;
  readonly updated: string;
}

/** Payments, newest change last, in four styles of pages. */
export class ApiServer {
  readonly items = new Map<number, Item>();
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #coarseMs: number;
  readonly #busyMs: number;
  readonly #random: () => number;
  /** Of which token is good. */
  #token = 0;
  #isUsed = false;
  /** Nothing changes any more. */
  isOver = false;

  /** Clocks of its rows stand still for `coarseMs`; whom it is too busy for is to wait `busyMs`. */
  constructor(
    clock: Pick<Clock, "nowMs">,
    random: () => number,
    { coarseMs = 60_000, busyMs = 2_000 } = {},
  ) {
    this.#coarseMs = coarseMs;
    this.#busyMs = busyMs;
    this.#clock = clock;
    this.#random = random;
  }

  /** Many changes have one time: clocks of servers are coarse. */
  change(id: number): void {
    const version = (this.items.get(id)?.version ?? 0) + 1;
    const second = Math.floor(this.#clock.nowMs() / this.#coarseMs) * this.#coarseMs;
    this.items.delete(id);
    this.items.set(id, { id, version, updated: new Date(second).toISOString() });
  }

  async answer(address: string, how: RequestInit): Promise<Response> {
    const url = new URL(address);
    if (url.pathname === "/token") {
      return Response.json({ access_token: `t${this.#token}`, expires_in: 3600 });
    }
    const dice = this.#random();
    if (dice < 0.04) {
      const seconds = String(Math.ceil(this.#busyMs / 1000));
      return new Response("busy", { status: 429, headers: { "retry-after": seconds } });
    }
    if (dice < 0.08) {
      const when = new Date(this.#clock.nowMs() + this.#busyMs + 1_000).toUTCString();
      return new Response("busy", { status: 429, headers: { "retry-after": when } });
    }
    if (dice < 0.12) return new Response("oh", { status: 503 });
    if (dice < 0.16) return new Response('{"data": [{"id": 1, "ver');
    // One that was taken up just now is good once at least, as those of servers are.
    if (dice < 0.2 && this.#isUsed) {
      this.#token++;
      this.#isUsed = false;
    }
    const headers = new Headers(how.headers);
    if (headers.get("authorization") !== `Bearer t${this.#token}`) {
      return new Response("token has ended", { status: 401 });
    }
    this.#isUsed = true;
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

export const PAGES = {
  page: { style: "page", size_param: "per_page", size: SIZE },
  offset: { style: "offset", size_param: "limit", size: SIZE },
  cursor: { style: "cursor", param: "after", next: "meta.next" },
  link: { style: "link" },
} as const;

export type Style = keyof typeof PAGES;

/** Of a source: what it has, and what belongs to each. */
export function endpointsOf(style: Style) {
  const incremental = { cursor: "updated", cursor_param: "since", overlap: "1h", key: "id" };
  const items = { path: `/${style}`, records: "data", pages: PAGES[style], ...incremental };
  return { items, parts: { path: "/items/{id}/parts", each: "items" } };
}
