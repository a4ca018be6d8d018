/** Customers as NDJSON with a nested address; from the second part on they have a field that is new. */

import { DAY_MS, dayMs, timeText } from "./calendar.ts";
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

/** Lines of one part: everybody at first, later those who changed. */
export function* customerLines(options: {
  readonly seed: number;
  readonly part: number;
  readonly day: number;
  readonly customers: number;
}): Generator<string> {
  const { seed, part, day, customers } = options;
  const random = streamOf(seed, "customers", part);
  const count = part === 1 ? customers : Math.ceil(customers / 20);
  for (let index = 0; index < count; index++) {
    const id = part === 1 ? index + 1 : 1 + random.below(customers);
    const updatedMs = part === 1 ? dayMs(0) + index : dayMs(day) + random.below(DAY_MS);
    yield customerLine(customerOf(seed, id), { part, updatedMs, random });
  }
}

function customerOf(seed: number, id: number) {
  const random = streamOf(seed, "customer", id);
  const first = random.pick(FIRST);
  const last = random.pick(LAST);
  return {
    customer_id: id,
    name: `${first} ${last}`,
    email: `${first}.${last}${id}@example.com`.normalize("NFD").replace(/[^\w.@]/g, ""),
    address: {
      street: `${random.pick(LAST)}gata ${1 + random.below(120)}`,
      ...random.pick(PLACES),
    },
    signed_up_at: timeText(dayMs(0) - random.below(700 * DAY_MS)),
  };
}

function customerLine(
  customer: ReturnType<typeof customerOf>,
  change: { readonly part: number; readonly updatedMs: number; readonly random: Stream },
): string {
  const { part, random } = change;
  const moved = part > 1 ? { ...customer.address, ...random.pick(PLACES) } : customer.address;
  const loyalty = { tier: random.pick(["bronze", "silver", "gold"]), points: random.below(5_000) };
  const whole = {
    ...customer,
    address: moved,
    ...(part > 1 ? { loyalty } : {}),
    updated_at: timeText(change.updatedMs),
  };
  if (!random.chance(0.005)) return JSON.stringify(whole);
  // Cut off in the middle, without an id, or with an address that is none.
  const json = JSON.stringify(whole);
  const ways: readonly [string, ...string[]] = [
    json.slice(0, 20 + random.below(60)),
    JSON.stringify({ ...whole, customer_id: null }),
    JSON.stringify({ ...whole, email: "none" }),
  ];
  return random.pick(ways);
}
