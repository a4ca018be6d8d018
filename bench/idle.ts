/** Memory of `up` at rest: after its workers have retired, over all processes. Usage: idle.ts [SECONDS] (45). */

import { join } from "node:path";
import { benchFolder } from "./data.ts";
import { heading, MIB, table } from "./measure.ts";
import { CatalogView, dropText, makeProject, smallBatch } from "./project.ts";
import { RunningUp } from "./up.ts";

const seconds = Number(process.argv[2] ?? 45);
const project = join(benchFolder("idle"), "project");
makeProject(project, { declared: true, models: true });
const up = await RunningUp.start(project);
try {
  const started = up.rssBytes();
  using catalog = new CatalogView(project);
  dropText(project, "a.jsonl", smallBatch(0, 1_000));
  await up.untilChanged(catalog, ["gold", "totals"], null, 60_000);
  const busy = up.rssBytes();
  await Bun.sleep(seconds * 1_000);
  const idle = up.rssBytes();
  heading("Memory of up, all processes");
  const rows = [
    ["after start", started],
    ["after one batch", busy],
    [`idle for ${seconds} s`, idle],
  ] as const;
  const cells = rows.map(([name, bytes]) => [name, (bytes / MIB).toFixed(0)]);
  console.log(table(["", "RSS MiB"], cells));
} finally {
  await up.end();
}
