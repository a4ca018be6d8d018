/**
 * Latency of 1,000-row batches through three layers under a running `up`: from the drop's rename to gold's commit.
 * First each batch into an idle engine, then one right after the other. Usage: batch.ts [BATCHES] (200).
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
/** Long enough for the next worker to be ready. */
const PAUSE_MS = 400;
const LAYERS = [
  ["bronze", "events"],
  ["silver", "events"],
  ["gold", "totals"],
] as const;

const batches = Number(process.argv[2] ?? 200);
const project = join(benchFolder("batch"), "project");
makeProject(project, { declared: true, models: true });
const up = await RunningUp.start(project);
let dropped = 0;
let peakRssBytes = 0;
const tables: string[] = [];
try {
  using catalog = new CatalogView(project);
  await drop(catalog, WARM_UP, PAUSE_MS);
  tables.push(latencies(await drop(catalog, batches, PAUSE_MS)));
  tables.push(latencies(await drop(catalog, batches, 0)));
} finally {
  await up.end();
}
await checkTotals();
heading(`${batches} batches of ${ROWS} rows, drop to each layer's commit`);
console.log(
  `Each into an idle engine:\n\n${tables[0]}\n\nOne right after the other:\n\n${tables[1]}`,
);
console.log(`\npeak RSS of all processes: ${(peakRssBytes / MIB).toFixed(0)} MiB`);
rmSync(project, { recursive: true, force: true });

interface Samples {
  readonly byLayer: readonly number[][];
  readonly cpuMs: number;
}

/** Drops batches, each when the one before is in gold and some time has passed. */
async function drop(catalog: CatalogView, count: number, pauseMs: number): Promise<Samples> {
  const byLayer: number[][] = LAYERS.map(() => []);
  const before = up.cpuMs();
  for (let batch = 0; batch < count; batch += 1) {
    await Bun.sleep(pauseMs);
    const heads = LAYERS.map(([namespace, name]) => catalog.metadata(namespace, name));
    const text = smallBatch(dropped * ROWS, ROWS);
    dropText(project, `${String(dropped).padStart(6, "0")}.jsonl`, text);
    dropped += 1;
    const started = performance.now();
    for (const [index, layer] of LAYERS.entries()) {
      await up.untilChanged(catalog, layer, heads[index] ?? null, BATCH_MS_MAX);
      byLayer[index]?.push(performance.now() - started);
    }
    peakRssBytes = Math.max(peakRssBytes, up.rssBytes());
    if (batch % 50 === 0) progress(`batch ${batch}`);
  }
  return { byLayer, cpuMs: (up.cpuMs() - before) / count };
}

function latencies({ byLayer, cpuMs }: Samples): string {
  const rows = LAYERS.map(([namespace, name], index) => {
    const sorted = [...(byLayer[index] ?? [])].sort((a, b) => a - b);
    const at = (fraction: number) => percentile(sorted, fraction).toFixed(1);
    return [`${namespace}.${name}`, at(0.5), at(0.9), at(0.99), at(1)];
  });
  const lines = table(["visible in", "p50 ms", "p90 ms", "p99 ms", "max ms"], rows);
  return `${lines}\n\nprocessor time of all processes: ${cpuMs.toFixed(0)} ms a batch`;
}

async function checkTotals() {
  const [row] = await askSql(project, "select sum(n)::double as n from gold.totals");
  const wanted = dropped * ROWS;
  if (row?.n !== wanted) throw new Error(`gold counts ${row?.n} rows, not ${wanted}`);
}
