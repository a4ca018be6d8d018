/** The shop's change feed: customers and their history are what the events come to, in any order, late and doubled. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { buildOf, hasFailed } from "../../../cmd/lake/build.ts";
import { lakeRows } from "../../../cmd/lake/query.ts";
import { openSession } from "../../../cmd/open.ts";
import { initProject } from "../../../cmd/project/init.ts";
import { MOVING_CUSTOMER } from "../../../examples/shop/customers.ts";
import { dropPart, type ShopSize } from "../../../examples/shop/generate.ts";
import { tempFolder } from "../../support/temp-folder.ts";

setDefaultTimeout(120_000);

const SMALL: ShopSize = { ordersPerDay: 20, customers: 2_000, clicksPerDay: 50 };
const EVERYTHING = { select: [], exclude: [], full: false, models: true, sources: true };

interface Event {
  readonly op: string;
  readonly before: { readonly customer_id: number } | null;
  readonly after: { readonly customer_id: number; readonly city: string; email: string } | null;
  readonly source: { readonly lsn: number };
}

async function build(root: string): Promise<boolean> {
  const flags = { folder: root, args: { threads: "1" } };
  await using session = await openSession(flags, { engine: "t" });
  const following = { signal: new AbortController().signal, onEvent: () => {} };
  return hasFailed(await buildOf(session, EVERYTHING, following));
}

async function rows(root: string, sql: string): Promise<readonly (readonly unknown[])[]> {
  await using session = await openSession({ folder: root, args: {} }, { engine: null });
  return (await lakeRows(session, sql)).map((row) => Object.values(row));
}

/** Whole events of all files, as they stand in them. */
function events(root: string): Event[] {
  const folder = `${root}/drops/customers`;
  const lines = readdirSync(folder)
    .toSorted()
    .flatMap((file) => readFileSync(`${folder}/${file}`, "utf8").trimEnd().split("\n"));
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line)];
    } catch {
      return [];
    }
  });
}

/** Cities by customer, out of the events alone: what the test of the model sets aside never was. */
function current(all: readonly Event[]): ReadonlyMap<number, string> {
  const cities = new Map<number, string>();
  for (const { after, before } of all
    .filter((event) => event.after?.email !== "none")
    .toSorted((a, b) => a.source.lsn - b.source.lsn)) {
    const id = (after ?? before)?.customer_id ?? 0;
    if (after === null) cities.delete(id);
    else cities.set(id, after.city);
  }
  return cities;
}

test("customers are as their last events say, now and as of before", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  await initProject({ folder: root, template: "shop", sample: false });
  const size = { project: root, seed: 7, size: SMALL };
  await dropPart({ ...size, part: 1 });
  expect(await build(root)).toBe(false);
  const first = current(events(root));
  const before = new Date().toISOString();
  const sql = "select customer_id, city from silver.customers";
  expect(new Map((await rows(root, sql)) as [number, string][])).toEqual(new Map(first));

  await dropPart({ ...size, part: 2 });
  expect(await build(root)).toBe(false);
  const all = events(root);
  const second = current(all);
  expect(new Map((await rows(root, sql)) as [number, string][])).toEqual(new Map(second));
  expect([...first].filter(([id, city]) => second.get(id) !== city).length).toBeGreaterThan(20);

  // What the file was made to hold is in it.
  const lsns = all.map(({ source }) => source.lsn);
  expect(new Set(lsns).size).toBeLessThan(lsns.length);
  expect(lsns).not.toEqual(lsns.toSorted((a, b) => a - b));
  expect(all.some(({ op }) => op === "d")).toBe(true);

  const one = `where customer_id = ${MOVING_CUSTOMER}`;
  const history = await rows(
    root,
    `select city, __END_AT is null from silver.customers_history ${one} order by __START_AT`,
  );
  expect(history).toEqual([
    [first.get(MOVING_CUSTOMER), false],
    [second.get(MOVING_CUSTOMER), true],
  ]);
  const whole = "select count(*) from silver.customers_history where __END_AT is null";
  expect(Number((await rows(root, whole))[0]?.[0])).toBeGreaterThanOrEqual(second.size);
  const then = `select city from silver.customers at (timestamp => '${before}') ${one}`;
  expect(await rows(root, then)).toEqual([[first.get(MOVING_CUSTOMER)]]);
});

test("the example rows of the template build, with a customer who is gone", async () => {
  await using folder = await tempFolder();
  await initProject({ folder: folder.path, template: "shop", sample: true });
  expect(await build(folder.path)).toBe(false);
  const counts = "select count(*), count(*) filter (where customer_id = 3) from silver.customers";
  expect((await rows(folder.path, counts))[0]?.map(Number)).toEqual([13, 0]);
});
