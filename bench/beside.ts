/**
 * Batches from drop to gold under `up` beside a model that takes long and does not read them, against the same without
 * it: pairs by turns. Usage: beside.ts [SECONDS] [PAIRS] [BATCHES] [BINARY] (60, 5, 100: about so long a run takes).
 */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { benchFolder } from "./data.ts";
import { heading, percentile, progress, spread, table } from "./measure.ts";
import { askSql, CatalogView, dropText, makeProject, programPath, smallBatch } from "./project.ts";
import { RunningUp } from "./up.ts";

const ROWS = 1_000;
const WARM_UP = 8;
const BATCH_MS_MAX = 300_000;
const PAUSE_MS = 150;
const LAYERS = [
  ["bronze", "events"],
  ["silver", "events"],
  ["gold", "totals"],
] as const;
/** Rows of `range` that one thread hashes a second, about. */
const RATE = 60_000_000;

const [seconds, pairs, batches] = [60, 5, 100].map((given, at) =>
  Number(process.argv[2 + at] ?? given),
) as [number, number, number]; // parse: as many as there are defaults
const program = process.argv[5] ?? programPath();
const project = join(benchFolder("beside"), "project");
const samples: Record<"with" | "without", number[][]> = {
  with: [[], [], []],
  without: [[], [], []],
};
const ratios: { readonly p50: number[]; readonly p99: number[] }[] = LAYERS.map(() => ({
  p50: [],
  p99: [],
}));
for (let pair = 0; pair < pairs; pair += 1) {
  const without = await measured(false);
  const beside = await measured(true);
  for (const [layer] of LAYERS.entries()) {
    const [a, b] = [without[layer] ?? [], beside[layer] ?? []];
    samples.without[layer]?.push(...a);
    samples.with[layer]?.push(...b);
    ratios[layer]?.p50.push(at(b, 0.5) / at(a, 0.5));
    ratios[layer]?.p99.push(at(b, 0.99) / at(a, 0.99));
  }
  progress(`pair ${pair + 1}`);
}
heading(`${pairs} pairs of ${batches} batches of ${ROWS} rows, beside a run of about ${seconds} s`);
const rows = LAYERS.map(([namespace, name], layer) => {
  const [a, b] = [samples.without[layer] ?? [], samples.with[layer] ?? []];
  const ratio = ratios[layer] ?? { p50: [], p99: [] };
  return [
    `${namespace}.${name}`,
    `${at(a, 0.5).toFixed(0)} / ${at(a, 0.99).toFixed(0)}`,
    `${at(b, 0.5).toFixed(0)} / ${at(b, 0.99).toFixed(0)}`,
    spread(ratio.p50).median.toFixed(2),
    spread(ratio.p99).median.toFixed(2),
  ];
});
const head = ["visible in", "alone p50 / p99 ms", "beside p50 / p99 ms", "p50 ratio", "p99 ratio"];
console.log(table(head, rows));
rmSync(project, { recursive: true, force: true });

function at(samplesMs: readonly number[], fraction: number): number {
  return percentile(
    samplesMs.toSorted((a, b) => a - b),
    fraction,
  );
}

/** Milliseconds from drop to commit, by layer. */
async function measured(isBeside: boolean): Promise<number[][]> {
  makeProject(project, { declared: true, models: true });
  const slow = join(project, "models", "gold", "slow.sql");
  // Due with each drop of `others`, of which there is one.
  mkdirSync(join(project, "drops", "others"), { recursive: true });
  if (isBeside) {
    const sum = `sum(hash(r.range + o.n) % 7)`;
    const range = `range(${Math.round(seconds * RATE)}) r`;
    writeFileSync(
      slow,
      `select ${sum} as s from ${range}, (select count(*) n from bronze.others) o`,
    );
  }
  dropText(project, "0.jsonl", `{"a":1}\n`, "others");
  const up = await RunningUp.start(project, program);
  const byLayer: number[][] = LAYERS.map(() => []);
  try {
    using catalog = new CatalogView(project);
    for (let batch = 0; batch < WARM_UP + batches; batch += 1) {
      await Bun.sleep(PAUSE_MS);
      const heads = LAYERS.map(([namespace, name]) => catalog.metadata(namespace, name));
      const name = `${String(batch).padStart(6, "0")}.jsonl`;
      dropText(project, name, smallBatch(batch * ROWS, ROWS));
      // Whoever is slow is due again.
      if (batch % 20 === 0) dropText(project, name, `{"a":${batch}}\n`, "others");
      const started = performance.now();
      for (const [index, layer] of LAYERS.entries()) {
        await up.untilChanged(catalog, layer, heads[index] ?? null, BATCH_MS_MAX);
        if (batch >= WARM_UP) byLayer[index]?.push(performance.now() - started);
      }
    }
  } finally {
    await up.end();
  }
  const [row] = await askSql(project, "select sum(n)::double as n from gold.totals");
  const wanted = (WARM_UP + batches) * ROWS;
  if (row?.n !== wanted) throw new Error(`gold counts ${row?.n} rows, not ${wanted}`);
  return byLayer;
}
