/**
 * Which transactions of a server were read: MariaDB's state of domains, `0-1-72,3-1-5`, and MySQL's set of intervals,
 * `uuid:1-5:7,uuid:1-9`.
 */

import { LakeError } from "../../../core/base/errors.ts";

export type Flavor = "mariadb" | "mysql";

/** What was read, as it grows. */
export interface GtidSet {
  /** As the server writes it. */
  readonly text: string;
  add(gtid: string): void;
  has(gtid: string): boolean;
}

/** Reads a set of a flavor. Throws `corrupt`. */
export function parseGtids(flavor: Flavor, text: string): GtidSet {
  return flavor === "mariadb" ? DomainState.of(text) : IntervalSet.of(text);
}

interface DomainGtid {
  readonly domain: number;
  readonly server: number;
  readonly sequence: bigint;
}

/** MariaDB: the last transaction of each domain, and with it all before. */
export class DomainState implements GtidSet {
  /** As the server writes them: they are read where somebody asks, and there is one for each transaction. */
  readonly #lastByDomain = new Map<string, string>();

  static of(text: string): DomainState {
    const state = new DomainState();
    for (const gtid of domainGtids(text)) state.add(domainText(gtid));
    return state;
  }

  get text(): string {
    const all = this.gtids.toSorted((a, b) => a.domain - b.domain);
    return all.map(domainText).join(",");
  }

  get gtids(): readonly DomainGtid[] {
    return [...this.#lastByDomain.values()].flatMap(domainGtids);
  }

  /** One transaction. */
  add(text: string): void {
    this.#lastByDomain.set(text.slice(0, text.indexOf("-")), text);
  }

  has(text: string): boolean {
    const { gtids } = this;
    return domainGtids(text).every(({ domain, sequence }) =>
      gtids.some((last) => last.domain === domain && last.sequence >= sequence),
    );
  }
}

/** The transactions of a list. Throws `corrupt`. */
export function domainGtids(text: string): readonly DomainGtid[] {
  if (text.trim() === "") return [];
  return text.split(",").map((part) => {
    const match = /^\s*(\d+)-(\d+)-(\d+)\s*$/.exec(part);
    if (match === null) throw new LakeError("corrupt", `"${part}" is no GTID of MariaDB`);
    return {
      domain: Number(match[1]),
      server: Number(match[2]),
      sequence: BigInt(match[3] ?? "0"),
    };
  });
}

export function domainText({ domain, server, sequence }: DomainGtid): string {
  return `${domain}-${server}-${sequence}`;
}

interface Interval {
  readonly first: bigint;
  readonly last: bigint;
}

/** MySQL: any transactions, by the servers that they come from. */
export class IntervalSet implements GtidSet {
  readonly #intervalsBySource = new Map<string, readonly Interval[]>();

  static of(text: string): IntervalSet {
    const set = new IntervalSet();
    for (const part of text.replace(/\s/g, "").split(",")) {
      if (part === "") continue;
      const [source = "", ...ranges] = part.split(":");
      for (const range of ranges) {
        const match = /^(\d+)(?:-(\d+))?$/.exec(range);
        if (match === null) throw new LakeError("corrupt", `"${part}" is no set of GTIDs`);
        const first = BigInt(match[1] ?? "0");
        set.#put(source.toLowerCase(), { first, last: BigInt(match[2] ?? first) });
      }
    }
    return set;
  }

  get text(): string {
    const sources = [...this.#intervalsBySource].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return sources
      .map(([source, intervals]) => [source, ...intervals.map(intervalText)].join(":"))
      .join(",");
  }

  /** By the servers that they come from. */
  get sources(): readonly (readonly [string, readonly Interval[]])[] {
    return [...this.#intervalsBySource];
  }

  add(gtid: string): void {
    const [source = "", number = "0"] = gtid.split(":");
    this.#put(source.toLowerCase(), { first: BigInt(number), last: BigInt(number) });
  }

  has(gtid: string): boolean {
    return this.holds(IntervalSet.of(gtid));
  }

  /** True when all of another set is in it. */
  holds(other: IntervalSet): boolean {
    return other.sources.every(([source, intervals]) => {
      const own = this.#intervalsBySource.get(source) ?? [];
      return intervals.every(({ first, last }) =>
        own.some((interval) => interval.first <= first && last <= interval.last),
      );
    });
  }

  #put(source: string, added: Interval): void {
    const kept: Interval[] = [];
    let { first, last } = added;
    for (const interval of this.#intervalsBySource.get(source) ?? []) {
      if (interval.last + 1n < first || last + 1n < interval.first) kept.push(interval);
      else {
        if (interval.first < first) first = interval.first;
        if (interval.last > last) last = interval.last;
      }
    }
    const sorted = [...kept, { first, last }].toSorted((a, b) => (a.first < b.first ? -1 : 1));
    this.#intervalsBySource.set(source, sorted);
  }
}

function intervalText({ first, last }: Interval): string {
  return first === last ? String(first) : `${first}-${last}`;
}
