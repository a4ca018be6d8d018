/** A lookup over weeks: asked once, kept, asked again when the question, the time or a person says so, and replayed. */

import { Database } from "bun:sqlite";
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { planOf } from "../../../../cmd/lake/plan.ts";
import { type ReplayRequest, replayOf } from "../../../../cmd/lake/replay.ts";
import { openSession } from "../../../../cmd/open.ts";
import { errorText } from "../../../../core/base/errors.ts";
import { build, rows } from "../../../support/built-lake.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(180_000);

const EVERYTHING = { select: [], exclude: [] };
const WHOLE: Omit<ReplayRequest, "select"> = {
  from: null,
  to: null,
  by: "_ingested_at",
  at: null,
  promote: false,
  code: "current",
  fromOriginals: false,
  dryRun: false,
  why: null,
  limit: 0,
};

function lookup(columns: string, more = ""): string {
  return `/* tarn
   kind: lookup
   from: crm
   ask: select * from customers where customer in ({keys})
   key: customer
   columns: ${columns}
${more}*/
select customer from bronze.orders`;
}

async function replayed(root: string, select: string, refresh: boolean): Promise<string> {
  await using session = await openSession({ folder: root, args: {} }, { engine: "t" });
  try {
    const done = await replayOf(session, { ...WHOLE, select: [select], refresh }, () => {});
    return `${done?.tables.length} tables`;
  } catch (thrown) {
    return errorText(thrown);
  }
}

/** What a build would do with the lookup. */
async function planned(root: string): Promise<string> {
  await using session = await openSession({ folder: root, args: {} }, { engine: null });
  const steps = await planOf(session, EVERYTHING);
  const found = steps.find((one) => one.kind === "model" && one.table === "bronze.customers");
  return found?.kind === "model" ? `${found.plan}: ${found.reason}` : "none";
}

test("answers are kept, whatever is asked later: edits, refreshes, times that run out", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  const write = (file: string, text: string): void => {
    mkdirSync(join(root, file, ".."), { recursive: true });
    writeFileSync(join(root, file), text);
  };
  using crm = new Database(join(root, "crm.db"));
  crm.run("create table customers(customer text primary key, tier int, city text)");
  crm.run("insert into customers values ('c1', 1, 'Rome'), ('c2', 2, 'Oslo')");
  write(
    "tarn.yaml",
    'lookups: { crm: { url: "sqlite:crm.db" } }\nsources: { orders: { settle: 0 } }\n',
  );
  write("drops/orders/a.csv", "id,customer\n1,c1\n2,c2\n3,c9\n");
  write("models/bronze/customers.sql", lookup("{ tier: int }"));
  write(
    "models/silver/customers.sql",
    "/* tarn\n   kind: merge\n   key: customer\n   latest_by: _asked_at\n*/\n" +
      "select customer, tier, _asked_at from bronze.customers where _answer = 'found'",
  );
  const tiers = () => rows(root, "select customer, tier from silver.customers order by all");
  const count = async () => (await rows(root, "select count(*)::int from bronze.customers"))[0];

  expect(await build(root)).toEqual([]);
  expect(await tiers()).toEqual([
    ["c1", 1],
    ["c2", 2],
  ]);
  // What changes outside is not asked for by itself.
  crm.run("update customers set tier = 7 where customer = 'c1'");
  expect(await planned(root)).toBe("skip: nothing new");
  expect(await build(root)).toEqual([]);
  expect(await count()).toEqual([3]);

  // A replay reads what was answered.
  expect(await replayed(root, "bronze.customers+", false)).toBe("1 tables");
  expect(await count()).toEqual([3]);
  const refused = "bronze.customers holds answers, which a replay reads and does not make";
  expect(await replayed(root, "bronze.customers", false)).toBe(refused);

  // A refresh asks for all keys again, and the answers of before stay.
  expect(await replayed(root, "silver.customers", true)).toBe("1 tables");
  expect(await count()).toEqual([6]);
  expect((await tiers())[0]).toEqual(["c1", 7]);

  // Another question is asked of all keys; its columns are added.
  write("models/bronze/customers.sql", lookup("{ tier: int, city: varchar }"));
  expect(await planned(root)).toBe("incremental: the model changed");
  expect(await build(root)).toEqual([]);
  expect(await count()).toEqual([9]);
  const cities = "select city, count(*)::int from bronze.customers group by all order by all";
  expect(await rows(root, cities)).toEqual([
    ["Oslo", 1],
    ["Rome", 1],
    [null, 7],
  ]);

  // Another time for answers to hold is no other question.
  write("models/bronze/customers.sql", lookup("{ tier: int, city: varchar }", "   ttl: 1d\n"));
  expect(await build(root)).toEqual([]);
  expect(await count()).toEqual([9]);
  write("models/bronze/customers.sql", lookup("{ tier: int, city: varchar }", "   ttl: 1ms\n"));
  expect(await build(root)).toEqual([]);
  expect(await count()).toEqual([12]);
});
