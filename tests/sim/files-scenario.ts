/**
 * The story that is crashed: three batches with bad lines, a duplicate, a grown file and a type that widens; a merge
 * with an expectation, an append and a full model; a replay with a changed model, a batch after it, and the sweep.
 */

import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { must } from "../../core/base/assert.ts";
import type { Model } from "../../core/model/model.ts";
import { parsed } from "../support/models.ts";
import { checkFiles } from "./files-check.ts";
import { type Action, NOTHING_OUTSIDE, type Scenario, START_MS, type Step } from "./scenario.ts";

/** One command, and the drops that are there from then on, by path; a later step may grow one. */
interface FilesStep extends Step {
  readonly drops: ReadonlyMap<string, string>;
}

export const SOURCE = "orders";
export const BRONZE = "bronze.orders";
export const MODEL_TABLES = ["silver.orders", "silver.trail", "gold.daily"] as const;

/** Older than any settle time, so that a drop lands at once. */
const SETTLED_S = 3_600;
const HEADER = "line,order_id,customer,amount,ordered_at";

const FIRST = {
  a: csv([...rows(1, 8), bad(101), ...rows(9, 12), bad(102)]),
  b: csv([...rows(13, 18), bad(103)]),
};
const GROWN = `${FIRST.b}${[...rows(31, 33), bad(105)].join("\n")}\n`;

const SILVER_FRONT = `kind: merge
key: order_id
latest_by: ordered_at
tests:
  - not_null: [order_id]
  - expect: amount >= 0
    on_fail: quarantine`;
const SILVER = "select line, order_id, customer, amount, ordered_at from bronze.orders";
const SILVER_FIXED = `select line, order_id, upper(customer) as customer, amount, ordered_at
from bronze.orders where customer <> 'c3'`;
const TRAIL = "select line, amount from bronze.orders";
const GOLD = `select ordered_at::date as day, count(*) as orders, sum(amount) as amount
from silver.orders group by day`;

const BEFORE = models(SILVER);
const AFTER = models(SILVER_FIXED);

const STEPS: readonly FilesStep[] = [
  step("first batch", "build", { "a.csv": FIRST.a, "b.csv": FIRST.b }, BEFORE),
  step("second batch", "build", { "c.csv": csv([...rows(21, 28), bad(104)]) }, BEFORE),
  step(
    "a duplicate, a grown file, a wider type",
    "build",
    {
      "d.csv": FIRST.a,
      "b.csv": GROWN,
      "e.csv": csv([...rows(41, 43), "44,o4,c4,4.25,2030-12-05 08:00:00"]),
    },
    BEFORE,
  ),
  step("a changed model", "replay", {}, AFTER),
  step("a batch after the replay", "build", { "f.csv": csv([...rows(51, 55), bad(106)]) }, AFTER),
  step("retention", "maintain", {}, AFTER),
];

/** The lines of `orders` that each drop brings in, good and bad, as its text stands after the last step. */
export function droppedLines(): {
  readonly good: readonly number[];
  readonly bad: readonly number[];
} {
  const texts = new Map(STEPS.flatMap((one) => [...one.drops]));
  const unique = new Set([...texts.values()]);
  const lines = [...unique].flatMap((text) => text.trimEnd().split("\n").slice(1));
  const good = lines.filter((line) => line.split(",").length === HEADER.split(",").length);
  const rest = lines.filter((line) => !good.includes(line));
  const numbers = (some: readonly string[]): number[] =>
    some.map((line) => Number.parseInt(line, 10)).sort((a, b) => a - b);
  return { good: numbers(good), bad: numbers(rest) };
}

/**
 * What `silver.orders` and `gold.daily` are, in one statement over the rows of bronze (`bronze`), without any of the
 * engine's machinery. `line` grows with batch, file and row, so it breaks ties as they do.
 */
export function oneShot(table: (typeof MODEL_TABLES)[number], modelHash: string): string {
  const isFixed = AFTER.some((model) => model.hash === modelHash);
  switch (table) {
    case "silver.orders":
      return `select line, order_id, customer, amount, ordered_at from (
        select line, order_id, ${isFixed ? "upper(customer) as customer" : "customer"}, amount, ordered_at,
          row_number() over (partition by order_id order by ordered_at desc, line desc) as place
        from bronze where amount >= 0 ${isFixed ? "and customer <> 'c3'" : ""}) where place = 1`;
    case "silver.trail":
      return "select line, amount from bronze";
    case "gold.daily":
      return `select ordered_at::date as day, count(*) as orders, sum(amount) as amount
        from silver group by day`;
  }
}

/** Drops and models. */
export const FILES: Scenario = {
  name: "files",
  steps: STEPS,
  sources: [SOURCE],
  sourceByTable: new Map([[BRONZE, SOURCE]]),
  rewrittenRowsMax: null,
  config: {},
  prepare(project, index) {
    for (const step of STEPS.slice(0, index + 1)) writeDrops(project, step);
  },
  attach: async () => NOTHING_OUTSIDE,
  memory: () => null,
  recall: () => {},
  check: checkFiles,
};

/** Puts the drops of a step into the project, those aside that are there already in this form. */
function writeDrops(project: string, one: FilesStep): void {
  for (const [path, text] of one.drops) {
    const full = join(project, path);
    mkdirSync(dirname(full), { recursive: true });
    if (existsSync(full) && readFileSync(full, "utf8") === text) continue;
    writeFileSync(full, text);
    utimesSync(full, START_MS / 1000 - SETTLED_S, START_MS / 1000 - SETTLED_S);
  }
}

function step(
  name: string,
  action: Action,
  files: Readonly<Record<string, string>>,
  all: readonly Model[],
): FilesStep {
  const drops = Object.entries(files).map(([file, text]) => [`drops/${SOURCE}/${file}`, text]);
  return { name, action, drops: new Map(drops as [string, string][]), models: all };
}

function models(silver: string): Model[] {
  return [
    modelFrom("silver/orders", `/* tarn\n${SILVER_FRONT}\n*/\n${silver}`),
    modelFrom("silver/trail", `/* tarn\nkind: append\n*/\n${TRAIL}`),
    modelFrom("gold/daily", GOLD),
  ];
}

function modelFrom(path: string, text: string): Model {
  const { model, errors } = parsed(`models/${path}.sql`, text);
  return must(model, errors.map((error) => error.message).join("; "));
}

/** Nine orders written again and again; every seventh amount is below zero. */
function rows(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => {
    const line = from + index;
    const amount = line % 7 === 0 ? -line : line;
    const day = String(1 + (line % 5)).padStart(2, "0");
    return `${line},o${line % 9},c${line % 6},${amount},2030-12-${day} 0${line % 8}:30:00`;
  });
}

/** A line with a field too many. */
function bad(line: number): string {
  return `${line},o1,c1,1,2030-12-01 00:00:00,surplus`;
}

function csv(lines: readonly string[]): string {
  return `${[HEADER, ...lines].join("\n")}\n`;
}
