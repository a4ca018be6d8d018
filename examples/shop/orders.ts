/** Orders as a nightly CSV export: new orders and changes of earlier ones, with a messy tail. */

import { DAY_MS, dayMs, timeText } from "./calendar.ts";
import { type Stream, streamOf } from "./random.ts";

export interface Order {
  readonly id: number;
  readonly customer: number;
  readonly amountCents: number;
  readonly vat: "0.19" | "0.07";
  readonly orderedMs: number;
}

const HEADER = "order_id,customer_id,status,amount,vat,currency,ordered_at,updated_at";
/** Share of rows that something is wrong with. */
const BAD_SHARE = 0.005;
const LATER = ["paid", "shipped", "refunded", "cancelled"] as const;

/** Orders of a day have ids in one block, so that any file can speak of any order. */
export function orderOf(seed: number, perDay: number, customers: number, id: number): Order {
  const random = streamOf(seed, "order", id);
  const day = Math.floor((id - 1) / perDay);
  // More orders in the evening than at night.
  const hour = (random.fraction() + random.fraction()) * 12;
  return {
    id,
    customer: 1 + Math.floor(customers * random.fraction() ** 2),
    amountCents: 499 + Math.floor(20_000 * random.fraction() ** 3),
    vat: random.chance(0.3) ? "0.07" : "0.19",
    orderedMs: dayMs(day) + Math.floor(((hour + 6) % 24) * 3_600_000),
  };
}

/** Lines of the export of one day: the day's orders, changes of the last days, and the messy tail. */
export function* orderLines(options: {
  readonly seed: number;
  readonly day: number;
  readonly perDay: number;
  readonly customers: number;
}): Generator<string> {
  const { seed, day, perDay, customers } = options;
  const random = streamOf(seed, "orders", day);
  const firstId = day * perDay + 1;
  yield HEADER;
  for (let id = firstId; id < firstId + perDay; id++) {
    const order = orderOf(seed, perDay, customers, id);
    yield line(order, "new", order.orderedMs);
    if (random.chance(0.8)) yield line(order, "paid", order.orderedMs + random.below(DAY_MS / 24));
  }
  for (let change = 0; change < perDay / 2 && day > 0; change++) {
    const id = Math.max(1, firstId - 1 - random.below(perDay * 3));
    const order = orderOf(seed, perDay, customers, id);
    const status = random.chance(0.7) ? "shipped" : random.pick(LATER);
    // Some systems shout.
    const written = random.chance(0.02) ? status.toUpperCase() : status;
    yield line(order, written, dayMs(day) + random.below(DAY_MS));
  }
  const badCount = Math.ceil(perDay * 2.3 * BAD_SHARE);
  for (let bad = 0; bad < badCount; bad++) {
    yield badLine(orderOf(seed, perDay, customers, firstId + random.below(perDay)), random);
  }
}

function line(order: Order, status: string, updatedMs: number): string {
  const amount = (order.amountCents / 100).toFixed(2);
  const times = `${timeText(order.orderedMs)},${timeText(updatedMs)}`;
  return `${order.id},${order.customer},${status},${amount},${order.vat},EUR,${times}`;
}

function badLine(order: Order, random: Stream): string {
  const good = line(order, "paid", order.orderedMs).split(",");
  const replace = (index: number, value: string): string => good.with(index, value).join(",");
  const ways: readonly [() => string, ...(() => string)[]] = [
    () => replace(3, "nineteen"),
    () => replace(3, "19.999"),
    () => replace(3, "-12.50"),
    () => replace(2, "lost"),
    () => replace(6, "31/11/2026 10:00"),
    () => replace(0, ""),
    () => good.slice(0, 3 + random.below(3)).join(","),
    () => `${good.join(",")},gift wrap`,
  ];
  return random.pick(ways)();
}
