/**
 * Memory of `up` at rest: after its workers have retired, over all processes; of dropped files, and following a
 * PostgreSQL. Usage: idle.ts [SECONDS] (45).
 */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startPostgres } from "../tests/support/postgres.ts";
import { benchFolder } from "./data.ts";
import { heading, MIB, table } from "./measure.ts";
import { CatalogView, dropText, makeProject, smallBatch } from "./project.ts";
import { RunningUp } from "./up.ts";

const seconds = Number(process.argv[2] ?? 45);
const project = join(benchFolder("idle"), "project");
makeProject(project, { declared: true, models: true });
const drops = await memoryOf(["gold", "totals"], () =>
  dropText(project, "a.jsonl", smallBatch(0, 1_000)),
);
await using server = await startPostgres(18);
rmSync(project, { recursive: true });
mkdirSync(project);
const place = { host: "127.0.0.1", port: server.port, database: "bench", tls: "disable" };
const source = JSON.stringify({ kind: "postgres", ...place, tables: ["events"] });
writeFileSync(join(project, "tarn.yaml"), `sources: { shop: ${source} }\n`);
await server.run("bench", "create table events (id bigint primary key, name text)");
const followed = await memoryOf(["bronze", "shop_events"], () =>
  server.run("bench", "insert into events select g, 'a' || g from generate_series(1, 1000) g"),
);
heading("Memory of up, all processes");
const columns = ["RSS MiB", "after start", "after one batch", `idle for ${seconds} s`];
console.log(table(columns, [cells("dropped files", drops), cells("a PostgreSQL", followed)]));

/** Bytes before a batch of a table, behind it, and at rest. */
async function memoryOf(name: readonly [string, string], land: () => unknown): Promise<number[]> {
  const up = await RunningUp.start(project);
  try {
    const started = up.rssBytes();
    using catalog = new CatalogView(project);
    const before = catalog.metadata(...name);
    await land();
    await up.untilChanged(catalog, name, before, 60_000);
    const busy = up.rssBytes();
    await Bun.sleep(seconds * 1_000);
    return [started, busy, up.rssBytes()];
  } finally {
    await up.end();
  }
}

function cells(what: string, bytes: readonly number[]): string[] {
  return [what, ...bytes.map((one) => (one / MIB).toFixed(0))];
}
