/** The shop's generator: same seed, same bytes; later parts bring only new files. */

import { expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { dropPart, type ShopSize } from "../../../examples/shop/generate.ts";
import { tempFolder } from "../../support/temp-folder.ts";

const SMALL: ShopSize = { ordersPerDay: 40, customers: 30, clicksPerDay: 200 };

test("the same seed drops the same bytes, each part its own files", async () => {
  await using one = await tempFolder();
  await using two = await tempFolder();
  const first = await dropPart({ project: one.path, part: 1, seed: 7, size: SMALL });
  await dropPart({ project: two.path, part: 1, seed: 7, size: SMALL });
  const second = await dropPart({ project: one.path, part: 2, seed: 7, size: SMALL });
  for (const { path } of first) {
    const bytes = await Promise.all([one, two].map((folder) => readFile(join(folder.path, path))));
    expect([path, bytes[0]?.equals(bytes[1] ?? Buffer.alloc(0))]).toEqual([path, true]);
  }
  const names = [...first, ...second].map((file) => file.path);
  expect([new Set(names).size, first.length, second.length]).toEqual([names.length, 43, 4]);
});

test("the tail of the orders is messy, and a later part has a field that is new", async () => {
  await using folder = await tempFolder();
  await dropPart({ project: folder.path, part: 2, seed: 7, size: SMALL });
  const orders = await readFile(join(folder.path, "drops/orders/2026-11-15.csv"), "utf8");
  const customers = await readFile(join(folder.path, "drops/customers/2026-11-15.ndjson"), "utf8");
  expect(orders.split("\n")[0]).toBe(
    "order_id,customer_id,status,amount,vat,currency,ordered_at,updated_at",
  );
  expect(customers).toContain('"loyalty_tier":"');
});
