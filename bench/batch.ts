/**
 * Latency of 1,000-row batches through three layers under a running `up`: from the drop's rename to gold's commit.
 * Usage: batch.ts [BATCHES] (200).
 */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { benchFolder } from "./data.ts";
import { heading, MIB, percentile, progress, table } from "./measure.ts";
import { askSql, CatalogView, dropText, makeProject, smallBatch } from "./project.ts";
import { RunningUp } from "./up.ts";

const ROWS = 1_000;
const WARM_UP = 10;
const BATCH_MS_MAX = 60_000;
const LAYERS = [
  ["bronze", "events"],
  ["silver", "events"],
  ["gold", "totals"],
] as const;

const batches = Number(process.argv[2] ?? 200);
const project = join(benchFolder("batch"), "project");
makeProject(project, { declared: true, models: true });
const up = await RunningUp.start(project);
const samplesByLayer: number[][] = LAYERS.map(() => []);
let peakRssBytes = 0;
try {
  using catalog = new CatalogView(project);
  for (let batch = 0; batch < batches + WARM_UP; batch += 1) {
    const before = LAYERS.map(([namespace, name]) => catalog.metadata(namespace, name));
    const text = smallBatch(batch * ROWS, ROWS);
    dropText(project, `${String(batch).padStart(6, "0")}.jsonl`, text);
    const started = performance.now();
    for (const [index, layer] of LAYERS.entries()) {
      await up.untilChanged(catalog, layer, before[index] ?? null, BATCH_MS_MAX);
      if (batch >= WARM_UP) samplesByLayer[index]?.push(performance.now() - started);
    }
    peakRssBytes = Math.max(peakRssBytes, up.rssBytes());
    if (batch % 50 === 0) progress(`batch ${batch}`);
  }
} finally {
  await up.end();
}
await checkTotals();
heading(`${batches} batches of ${ROWS} rows, drop to each layer's commit`);
const rows = LAYERS.map(([namespace, name], index) => {
  const sorted = [...(samplesByLayer[index] ?? [])].sort((a, b) => a - b);
  const at = (fraction: number) => percentile(sorted, fraction).toFixed(1);
  return [`${namespace}.${name}`, at(0.5), at(0.9), at(0.99), at(1)];
});
console.log(table(["visible in", "p50 ms", "p90 ms", "p99 ms", "max ms"], rows));
console.log(`\npeak RSS of all processes: ${(peakRssBytes / MIB).toFixed(0)} MiB`);
rmSync(project, { recursive: true, force: true });

async function checkTotals() {
  const [row] = await askSql(project, "select sum(n)::double as n from gold.totals");
  const wanted = (batches + WARM_UP) * ROWS;
  if (row?.n !== wanted) throw new Error(`gold counts ${row?.n} rows, not ${wanted}`);
}
