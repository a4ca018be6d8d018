/**
 * Random edits of models, on main and on branches, with rows that land in between: a build does what plan said, what
 * is promoted is not computed again, and each table is what its query says.
 */

import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { branchOf } from "../../cmd/lake/branch-list.ts";
import { dropBranchOf, promoteOf } from "../../cmd/lake/branches.ts";
import { buildOf } from "../../cmd/lake/build.ts";
import { isDue, planOf } from "../../cmd/lake/plan.ts";
import { lakeRows } from "../../cmd/lake/query.ts";
import { openSession, type Session } from "../../cmd/open.ts";
import { tempFolder } from "../support/temp-folder.ts";

setDefaultTimeout(240_000);

const OLD = new Date("2026-01-01T00:00:00Z");
const KINDS = ["append", "full", "merge\nkey: id"] as const;
/** Versions of the first model: columns more, filters, other values, and the same said otherwise. */
const ORDERS = [
  "select id, customer, amount from bronze.o",
  "SELECT id, customer, (amount) AS amount FROM bronze.o",
  "select id, customer, amount, amount * 2 as twice from bronze.o",
  "select id, customer, amount from bronze.o where amount > 4",
  "select id, upper(customer) as customer, amount from bronze.o",
] as const;
const TOTALS = [
  "select customer, sum(amount) as total, count(*) as n from silver.orders group by customer",
  "select customer, sum(amount) as total, count(*) as n, max(id) as last from silver.orders group by customer",
  "select customer, count(*) as n from silver.orders where amount > 2 group by customer",
] as const;

type Step =
  | { readonly do: "land"; readonly rows: number }
  | { readonly do: "orders"; readonly version: number }
  | { readonly do: "totals"; readonly version: number }
  | { readonly do: "build" | "branch" | "promote" | "drop" };

const STEP: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("land" as const), rows: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ do: fc.constant("orders" as const), version: fc.nat(ORDERS.length - 1) }),
  fc.record({ do: fc.constant("totals" as const), version: fc.nat(TOTALS.length - 1) }),
  fc.constantFrom("build", "branch", "branch", "promote", "drop").map((one) => ({ do: one })),
) as fc.Arbitrary<Step>; // parse: each of them is a step

const ALL = { select: [], exclude: [], full: false, models: true, sources: true };

test("builds do what plans say, and promotes lose and double nothing", async () => {
  const runs = Number(process.env.EDITS_RUNS ?? 4);
  const seed = Number(process.env.EDITS_SEED ?? 56);
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...KINDS), fc.array(STEP, { maxLength: 9 }), story),
    { numRuns: runs, seed, endOnFailure: true },
  );
});

async function story(kind: string, steps: readonly Step[]): Promise<void> {
  await using folder = await tempFolder();
  const root = folder.path;
  let files = 0;
  let id = 0;
  const land = async (rows: number): Promise<void> => {
    const lines = Array.from({ length: rows }, () => `${++id},c${id % 3},${(id * 7) % 11}`);
    const text = `id,customer,amount\n${lines.join("\n")}\n`;
    await put(join(root, `drops/o/${++files}.csv`), text);
  };
  const now = { orders: ORDERS[0] as string, totals: TOTALS[0] as string };
  const write = async (): Promise<void> => {
    await put(
      join(root, "models/silver/orders.sql"),
      `/* tarn\nkind: ${kind}\n*/\n${now.orders}\n`,
    );
    await put(join(root, "models/gold/totals.sql"), `${now.totals}\n`);
  };
  await put(
    join(root, "tarn.yaml"),
    "sources:\n  o:\n    columns: { id: bigint, customer: text, amount: bigint }\n",
  );
  await land(3);
  await write();
  await using session = await openSession({ folder: root, args: {} }, { engine: "test" });
  await build(session);
  for (const step of [...steps, { do: "build" } as const]) {
    if (step.do === "land") await land(step.rows);
    if (step.do === "orders") now.orders = ORDERS[step.version] ?? now.orders;
    if (step.do === "totals") now.totals = TOTALS[step.version] ?? now.totals;
    await write();
    await session.reload();
    if (step.do === "build") await asPlanned(session);
    if (step.do === "branch") await build(session, "b");
    if (step.do === "drop") await dropBranchOf(session, "b").catch(() => null);
    if (step.do === "promote") await promoted(session);
    if (step.do === "build") await holds(session, now);
  }
}

/** What is on the branch is main afterwards: nothing of it runs, but for rows that land. */
async function promoted(session: Session): Promise<void> {
  await build(session, "b");
  const branch = await branchOf(session, "b");
  if (branch.tables.length === 0) return;
  const heads = new Map(branch.tables.map(({ table, head }) => [table, `${head.snapshotId}`]));
  const following = { signal: new AbortController().signal, onEvent: () => undefined };
  try {
    await promoteOf(session, "b", { heads, keep: false, root: session.root, following });
  } catch (thrown) {
    // Main has got another version of the model: told, and nothing is done.
    expect(String(thrown)).toContain("another version");
    await dropBranchOf(session, "b");
    return;
  }
  const { runs } = await buildOf(session, { ...ALL, sources: false }, following);
  expect(runs.map(({ kind }) => kind)).toEqual(runs.map(() => "skipped"));
}

async function build(session: Session, branch: string | null = null): Promise<void> {
  const following = { signal: new AbortController().signal, onEvent: () => undefined };
  const { runs } = await buildOf(session, { ...ALL, branch }, following);
  expect(runs.filter(({ kind }) => kind === "failed" || kind === "blocked")).toEqual([]);
}

/** Models that the plan names run, and no others do; what only follows may find that nothing is other. */
async function asPlanned(session: Session): Promise<void> {
  const following = { signal: new AbortController().signal, onEvent: () => undefined };
  await buildOf(session, { ...ALL, models: false }, following);
  const plan = await planOf(session, { select: [], exclude: [] });
  const said = new Map(
    plan.flatMap((step) => (step.kind === "model" ? [[step.table, step] as const] : [])),
  );
  const { runs } = await buildOf(session, { ...ALL, sources: false }, following);
  for (const run of runs) {
    const step = said.get(run.model);
    if (step === undefined) throw new Error(`${run.model} is in no plan`);
    if (run.kind === "built") expect([run.model, isDue(step)]).toEqual([run.model, true]);
    else if (step.plan !== "follow") expect([run.model, step.plan]).toEqual([run.model, "skip"]);
  }
}

async function holds(
  session: Session,
  { orders, totals }: { readonly orders: string; readonly totals: string },
): Promise<void> {
  for (const [table, query] of [
    ["silver.orders", orders],
    ["gold.totals", totals],
  ] as const) {
    const both = `(${query})`;
    const [row] = await lakeRows(
      session,
      `select (select count(*) from (${both} except all select * from ${table})) as missing,
        (select count(*) from (select * from ${table} except all ${both})) as more`,
    );
    expect([table, query, Number(row?.missing), Number(row?.more)]).toEqual([table, query, 0, 0]);
  }
}

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  if (path.includes("/drops/")) await utimes(path, OLD, OLD);
}
