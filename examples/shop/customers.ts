/**
 * Customers as a database tells of them: Debezium's events as NDJSON. Everybody as they were first, then changes, some
 * of them twice, late or out of order; from the second part on customers have fields that are new.
 */

import { DAY_MS, dayMs, daysOfPart, timeText } from "./calendar.ts";
import { type Stream, streamOf } from "./random.ts";

const FIRST = [
  "Ada",
  "Björn",
  "Chloé",
  "Dmitri",
  "Eva",
  "Femi",
  "Grace",
  "Hana",
  "Ivo",
  "José",
] as const;
const LAST = [
  "Åberg",
  "Bauer",
  "Costa",
  "Duarte",
  "Eriksen",
  "Fischer",
  "Novák",
  "O'Neil",
] as const;
const PLACES = [
  { city: "Berlin", country: "DE", zip: "10115" },
  { city: "Dresden", country: "DE", zip: "01067" },
  { city: "Lisboa", country: "PT", zip: "1100-148" },
  { city: "Oslo", country: "NO", zip: "0150" },
  { city: "Zürich", country: "CH", zip: "8001" },
] as const;

/** Lines of one part: what its day brought, and what the part before kept back. */
export function* customerLines(options: CustomerOptions): Generator<string> {
  const { seed, part } = options;
  const random = streamOf(seed, "customer lines", part);
  const state = new Map<number, Customer | null>();
  let late: readonly CustomerEvent[] = [];
  let events: readonly CustomerEvent[] = [];
  for (let earlier = 1; earlier <= part; earlier++) {
    late = events.filter((event) => event.isLate);
    events = [...eventsOf({ ...options, part: earlier }, state)];
  }
  const lines = [...late, ...events.filter((event) => !event.isLate)].map((event) =>
    lineOf(event, random),
  );
  for (let index = 0; index < lines.length; index++) {
    const [line, next] = [lines[index] ?? "", lines[index + 1]];
    // A neighbour comes first, and a line comes twice.
    if (next !== undefined && random.chance(0.02)) [lines[index], lines[index + 1]] = [next, line];
    yield lines[index] ?? "";
    if (random.chance(0.01)) yield lines[index] ?? "";
  }
}

/** One whom every later part lets move, and nothing else happens to. */
export const MOVING_CUSTOMER = 7;

export interface CustomerOptions {
  readonly seed: number;
  readonly part: number;
  /** The last of the part. */
  readonly day: number;
  readonly customers: number;
}

type Customer = Readonly<Record<string, string | number>>;

interface CustomerEvent {
  readonly op: "r" | "c" | "u" | "d";
  readonly before: Customer | null;
  readonly after: Customer | null;
  readonly atMs: number;
  /** Its place in the database's log. */
  readonly lsn: number;
  readonly isLate: boolean;
}

/** Places of one part in the log; each part has its own. */
const PART_LSNS = 16_777_216;

/** What happened in one part, in its order; `state` moves on with it. */
function* eventsOf(
  { seed, part, day, customers }: CustomerOptions,
  state: Map<number, Customer | null>,
): Generator<CustomerEvent> {
  const random = streamOf(seed, "customers", part);
  let lsn = part * PART_LSNS;
  const event = (op: CustomerEvent["op"], id: number, after: Customer | null, atMs: number) => {
    const before = op === "u" || op === "d" ? (state.get(id) ?? null) : null;
    state.set(id, after);
    lsn += 64;
    const isLate = op !== "r" && id !== MOVING_CUSTOMER && random.chance(0.02);
    return { op, before, after, atMs, lsn, isLate };
  };
  for (let id = 1; part === 1 && id <= customers; id++) {
    const atMs = dayMs(0) + id;
    yield event("r", id, { ...customerOf(seed, id), updated_at: timeText(atMs) }, atMs);
  }
  // The first part has many days, but a customer's changes are of its last.
  const changes = Math.ceil(customers / 20);
  const stepMs = Math.floor(DAY_MS / (changes + 2));
  for (let index = 0; index <= changes; index++) {
    const atMs = dayMs(dayOf(part, day)) + stepMs * index + random.below(stepMs);
    const isMove = part > 1 && index === 0;
    const id = isMove ? MOVING_CUSTOMER : 1 + random.below(customers);
    const known = state.get(id) ?? null;
    if (known === null || (id === MOVING_CUSTOMER && !isMove)) continue;
    const places = PLACES.filter(({ city }) => city !== known.city);
    const moved = { ...known, ...random.pick(places), updated_at: timeText(atMs) };
    const loyalty = {
      loyalty_tier: random.pick(["bronze", "silver", "gold"]),
      loyalty_points: random.below(5_000),
    };
    const isGone = !isMove && random.chance(0.02);
    if (isGone) yield event("d", id, null, atMs);
    else yield event("u", id, part > 1 ? { ...moved, ...loyalty } : moved, atMs);
  }
  const fresh = customers + part;
  const atMs = dayMs(dayOf(part, day)) + DAY_MS - 1_000;
  yield event("c", fresh, { ...customerOf(seed, fresh), updated_at: timeText(atMs) }, atMs);
}

/** The last day of a part. */
function dayOf(part: number, day: number): number {
  return daysOfPart(part).at(-1) ?? day;
}

function customerOf(seed: number, id: number): Customer {
  const random = streamOf(seed, "customer", id);
  const first = random.pick(FIRST);
  const last = random.pick(LAST);
  return {
    customer_id: id,
    name: `${first} ${last}`,
    email: `${first}.${last}${id}@example.com`.normalize("NFD").replace(/[^\w.@]/g, ""),
    street: `${random.pick(LAST)}gata ${1 + random.below(120)}`,
    ...random.pick(PLACES),
    signed_up_at: timeText(dayMs(0) - random.below(700 * DAY_MS)),
  };
}

function lineOf(event: CustomerEvent, random: Stream): string {
  const { op, before, after, atMs, lsn } = event;
  const of = (changed: Customer | null): string =>
    JSON.stringify({
      before,
      after: changed,
      source: {
        connector: "postgresql",
        ...{ lsn, txId: 700 + lsn / 64, ts_ms: atMs, snapshot: String(op === "r") },
        ...{ db: "crm", schema: "public", table: "customers" },
      },
      op,
      ts_ms: atMs + 250,
    });
  const isWhole = after === null || after.customer_id === MOVING_CUSTOMER || !random.chance(0.005);
  if (isWhole) return of(after);
  // Cut off in the middle, or with an address that is none.
  return random.pick([of(after).slice(0, 20 + random.below(60)), of({ ...after, email: "none" })]);
}
