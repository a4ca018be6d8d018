/** The shop's drops: part 1 is two weeks, each later part the next day. Same seed, same bytes. */

import { join } from "node:path";
import { dateText, dayMs, daysOfPart } from "./calendar.ts";
import { clickLines } from "./clicks.ts";
import { customerLines } from "./customers.ts";
import { orderLines } from "./orders.ts";
import { paymentsOfDay, paymentsParquet } from "./payments.ts";
import { writeLines, writeWhole } from "./write.ts";

export interface ShopSize {
  readonly ordersPerDay: number;
  readonly customers: number;
  readonly clicksPerDay: number;
}

export interface PartRequest {
  /** The project's folder; files go under its `drops/`. */
  readonly project: string;
  /** From 1. */
  readonly part: number;
  readonly seed: number;
  readonly size: ShopSize;
  /** Called after each file, for progress. */
  readonly onFile?: (file: DroppedFile) => void;
}

export interface DroppedFile {
  /** Relative to the project. */
  readonly path: string;
  /** Rows as written, good and bad; a CSV's header is none. */
  readonly rows: number;
}

/** About a million page events in the first part. */
export const SHOP_SIZE: ShopSize = { ordersPerDay: 4_000, customers: 12_000, clicksPerDay: 70_000 };
export const SHOP_SEED = 20_261_101;

/** Writes the files of one part and says what it wrote. */
export async function dropPart(request: PartRequest): Promise<readonly DroppedFile[]> {
  const { project, part, seed, size } = request;
  const dropped: DroppedFile[] = [];
  const add = (path: string, rows: number): void => {
    const file = { path, rows };
    dropped.push(file);
    request.onFile?.(file);
  };
  const days = daysOfPart(part);
  for (const day of days) {
    const date = dateText(dayMs(day));
    const common = { seed, day, perDay: size.ordersPerDay, customers: size.customers };
    const orders = `drops/orders/${date}.csv`;
    add(orders, (await writeLines(join(project, orders), orderLines(common))) - 1);
    const payments = paymentsOfDay(common);
    const parquet = `drops/payments/${date}.parquet`;
    await writeWhole(join(project, parquet), paymentsParquet(payments));
    add(parquet, payments.length);
    const clicks = `drops/clicks/${date}.jsonl.gz`;
    const events = clickLines({ seed, day, count: size.clicksPerDay, users: size.customers });
    add(clicks, await writeLines(join(project, clicks), events));
  }
  const day = days.at(-1) ?? 0;
  const customers = `drops/customers/${dateText(dayMs(day))}.ndjson`;
  const lines = customerLines({ seed, part, day, customers: size.customers });
  add(customers, await writeLines(join(project, customers), lines));
  return dropped;
}
