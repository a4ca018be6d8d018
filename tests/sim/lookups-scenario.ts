/** Keys that come, questions, a server that is down for a while, answers that run out, a replay. */

import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { must } from "../../core/base/assert.ts";
import type { Clock, Random } from "../../core/ports.ts";
import type { StepEngine } from "../../core/steps.ts";
import type { TableName } from "../../core/table/types.ts";
import { askAll } from "../../storage/steps/ask.ts";
import { parsed } from "../support/models.ts";
import type { FileRow } from "./row-reader.ts";
import {
  type Expect,
  type LakeView,
  NOTHING_OUTSIDE,
  type Scenario,
  START_MS,
  type Step,
} from "./scenario.ts";

const SOURCE = "orders";
const BRONZE = "bronze.orders";
const ANSWERS = "bronze.customers";
const CURRENT = "silver.customers";
/** Nobody knows this one. */
const UNKNOWN = "c9";

const LOOKUP = model(
  "models/bronze/customers.sql",
  `/* tarn
kind: lookup
from: crm
ask: /customers/{customer}
key: customer
columns: { tier: int }
*/
select customer from bronze.orders
`,
);
const MERGE = model(
  "models/silver/customers.sql",
  `/* tarn
kind: merge
key: customer
latest_by: _asked_at
*/
select customer, tier, _asked_at from bronze.customers where _answer = 'found'
`,
);

interface LookupsStep extends Step {
  readonly drops: Readonly<Record<string, string>>;
}

const STEPS: readonly LookupsStep[] = [
  step("first keys", "build", { "a.csv": "id,customer\n1,c1\n2,c2\n3,c1\n" }),
  step("one that nobody knows", "build", { "b.csv": "id,customer\n4,c9\n5,c3\n" }),
  step("nothing new", "build", { "c.csv": "id,customer\n6,c1\n" }),
  step("files made one", "compact", {}),
  step("more keys", "build", { "d.csv": "id,customer\n7,c4\n8,c9\n" }),
  step("replayed", "replay", {}),
  step("retention", "maintain", {}),
];
const KEYS = ["c1", "c2", "c3", "c4", UNKNOWN];

export const LOOKUPS: Scenario = {
  name: "lookups",
  steps: STEPS,
  sources: [SOURCE],
  sourceByTable: new Map([[BRONZE, SOURCE]]),
  rewrittenRowsMax: null,
  config: { sources: { [SOURCE]: { columns: { id: "bigint", customer: "varchar" } } } },
  prepare(project, index) {
    for (const { drops } of STEPS.slice(0, index + 1)) writeDrops(project, drops);
  },
  attach: async () => NOTHING_OUTSIDE,
  stepEngine,
  memory: () => null,
  recall: () => {},
  check,
};

/** Asks for real, of a service that is a function. */
function stepEngine(clock: Clock, random: Random): StepEngine {
  // One that was asked again after a crash is told apart by nothing else.
  const still = { nowMs: () => START_MS, sleep: clock.sleep.bind(clock) };
  const connection = {
    url: "http://crm",
    tls: "disable",
    tls_ca: null,
    headers: {},
    everyMs: 0,
    timeoutMs: 1_000,
    retries: 1,
  } as const;
  const answer = async (url: string): Promise<Response> => {
    const customer = url.split("/").at(-1) ?? "";
    if (customer === UNKNOWN) return new Response("", { status: 404 });
    return Response.json({ tier: customer.length + Number(customer.slice(1)) });
  };
  return {
    exec: async () => {
      throw new Error("no program is run here");
    },
    ask: (request) =>
      askAll(
        { kind: "ask", request, connection, folder: "/" },
        { clock: still, random, fetch: answer },
        new AbortController().signal,
      ),
  };
}

/** Each key that was asked for is answered once, as the service answers it; the current answers are made of them. */
async function check(view: LakeView, complete: boolean, expect: Expect): Promise<void> {
  const orders = await rowsOf(view, BRONZE);
  const answers = await rowsOf(view, ANSWERS);
  const current = await rowsOf(view, CURRENT);
  const known = new Set(orders.map((row) => String(row.customer)));
  const keys = answers.map((row) => String(row.customer));
  expect("each key has one answer", new Set(keys).size === keys.length);
  for (const row of answers) {
    const customer = String(row.customer);
    expect(`an answer to ${customer}, which nobody orders by`, known.has(customer));
    const wanted = customer === UNKNOWN ? "not_found" : "found";
    expect(`${customer} is ${row._answer}, not ${wanted}`, row._answer === wanted);
  }
  for (const row of current) {
    const made = answers.find((one) => one.customer === row.customer);
    expect(`${row.customer} is current and was not answered`, made !== undefined);
    expect(`${row.customer} has another tier`, Number(made?.tier) === Number(row.tier));
  }
  if (!complete) return;
  expect(`${keys.sort()} and not all keys`, keys.sort().join() === KEYS.join());
  expect(`${current.length} are current`, current.length === KEYS.length - 1);
}

async function rowsOf({ catalog, rowsAt }: LakeView, name: TableName): Promise<FileRow[]> {
  const table = await catalog.load(name);
  const id = table?.current?.snapshotId ?? null;
  return table === null || id === null ? [] : rowsAt(table, id);
}

function writeDrops(project: string, drops: Readonly<Record<string, string>>): void {
  for (const [file, text] of Object.entries(drops)) {
    const full = join(project, "drops", SOURCE, file);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, text);
    utimesSync(full, START_MS / 1000 - 7_200, START_MS / 1000 - 7_200);
  }
}

function model(file: string, text: string) {
  return must(parsed(file, text).model, "the model is valid");
}

function step(
  name: string,
  action: Step["action"],
  drops: Readonly<Record<string, string>>,
): LookupsStep {
  return { name, action, drops, models: [LOOKUP, MERGE] };
}
