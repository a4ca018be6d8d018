/** Answers from outside are nowhere else: those that `main` gets while a lookup is on a branch outlive its promote. */

import { Database } from "bun:sqlite";
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { buildOnBranch, promoteBuilt } from "../../../../cmd/lake/branch-build.ts";
import { buildOf } from "../../../../cmd/lake/build.ts";
import { lakeRows } from "../../../../cmd/lake/query.ts";
import { openSession, type Session } from "../../../../cmd/open.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(120_000);

const EVERYTHING = { select: [], exclude: [], full: false, models: true, sources: true };
/** Dropped long ago: nothing waits for it to settle. */
const OLD = new Date("2026-01-01T00:00:00Z");

const lookup = (query: string): string => `/* tarn
   kind: lookup
   from: crm
   ask: select id as customer, tier from customers where id in ({keys})
   key: customer
   columns: { tier: varchar }
*/
${query}
`;
const BEFORE = lookup("select customer from bronze.o");
const AFTER = lookup("select customer from bronze.o where customer <> 'z'");

async function inProject<T>(root: string, act: (session: Session) => Promise<T>): Promise<T> {
  await using session = await openSession({ folder: root, args: {} }, { engine: "test" });
  return await act(session);
}

test("what main was answered since the branch began is kept, and read by what reads it", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  const put = async (name: string, text: string): Promise<void> => {
    const path = join(root, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    await utimes(path, OLD, OLD);
  };
  await put("tarn.yaml", 'lookups:\n  crm: { url: "sqlite:data/crm.db" }\n');
  await put("models/bronze/customers.sql", BEFORE);
  await put(
    "models/gold/tiers.sql",
    "select tier, count(*) as n from bronze.customers group by tier\n",
  );
  await put("drops/o/1.csv", "id,customer\n1,a\n");
  await mkdir(join(root, "data"));
  const crm = new Database(join(root, "data/crm.db"));
  crm.run("create table customers (id text primary key, tier text)");
  crm.run("insert into customers values ('a', 'gold'), ('b', 'silver'), ('c', 'iron')");
  const following = { signal: new AbortController().signal, onEvent: () => {} };
  const build = () => inProject(root, (session) => buildOf(session, EVERYTHING, following));
  const branch = () =>
    inProject(root, (session) => buildOnBranch(session, "b", EVERYTHING, following));
  await build();

  await put("models/bronze/customers.sql", AFTER);
  await branch();

  await put("models/bronze/customers.sql", BEFORE);
  await put("drops/o/2.csv", "id,customer\n2,b\n");
  await build();
  crm.run("update customers set tier = 'lead' where id = 'b'");
  crm.close();
  await put("models/bronze/customers.sql", AFTER);
  await put("drops/o/3.csv", "id,customer\n3,c\n");
  await inProject(root, (session) => promoteBuilt(session, "b", { keep: false, following }));
  await build();

  const rows = await inProject(root, async (session) => [
    await lakeRows(session, "select customer, tier from bronze.customers order by customer"),
    await lakeRows(session, "select tier, n::int as n from gold.tiers order by tier"),
  ]);
  expect(rows).toEqual([
    [
      { customer: "a", tier: "gold" },
      { customer: "b", tier: "silver" },
      { customer: "c", tier: "iron" },
    ],
    [
      { tier: "gold", n: 1 },
      { tier: "iron", n: 1 },
      { tier: "silver", n: 1 },
    ],
  ]);
});
