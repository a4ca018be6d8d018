/**
 * Tables of PyIceberg's own catalog that are registered: read here at every snapshot, and by PyIceberg in the lake; and
 * a file that is added.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mustRun, programPath } from "../crash/program.ts";

/** Answers what is wrong. */
export async function checkForeign(python: string): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), "lake-foreign-"));
  const project = join(folder, "project");
  const script = join(import.meta.dirname, "foreign_pyiceberg.py");
  const run = async (command: readonly string[], cwd: string): Promise<string> =>
    (await mustRun([...command], { cwd })).stdout.trim();
  mkdirSync(join(project, "drops"), { recursive: true });
  writeFileSync(join(project, "tarn.yaml"), "project: foreign\n");
  const wrong: string[] = [];
  const made = (await run([python, script, folder, "make"], folder)).split("\n");
  const places = made.flatMap((line) => (line.startsWith("at ") ? [line.slice(3)] : []));
  const half = made.indexOf(`at ${places[0]}`);
  const states = [made.slice(0, half), made.slice(half + 1, -1)];
  for (const [index, place] of places.entries()) {
    const name = `silver.v${index + 1}`;
    await run([programPath(), "register", name, place], project);
    const seen = await run([python, script, join(project, "warehouse"), name], project);
    const wanted = (states[index] ?? []).join("\n");
    if (seen !== wanted) wrong.push(`PyIceberg reads of ${name}\n${seen}\nnot\n${wanted}`);
    const count = (states[index] ?? []).length;
    for (let at = 1; at <= count; at++) {
      const id = `(select snapshot_id from lake.snapshots where table_name = 'v${index + 1}'
        order by committed_at limit 1 offset ${at - 1})`;
      const [found] = JSON.parse(
        await run([programPath(), "sql", "--format", "json", "-c", `select ${id} as id`], project),
      );
      const sql = `select count(*) as n, sum(id)::bigint as s, sum(length(place.city))::bigint as c
        from ${name} at (version => '${found.id}')`;
      const [row] = JSON.parse(
        await run([programPath(), "sql", "--format", "json", "-c", sql], project),
      );
      const here = `v ${row.n} ${row.s} ${row.c}`;
      const there = states[index]?.[at - 1];
      // A text of an absent place is none.
      if (here !== there) wrong.push(`tarn reads of ${name} at ${at}: ${here}, not ${there}`);
    }
  }
  const columns =
    "id bigint, day date, price decimal(9,2), place struct(city text), tags text[], more int";
  await run([programPath(), "sql", "-c", `create table silver.loose (${columns})`], project);
  await run([programPath(), "add-files", "silver.loose", join(folder, "loose.parquet")], project);
  const loose = await run([python, script, join(project, "warehouse"), "silver.loose"], project);
  if (loose !== "l 20 10190 60") wrong.push(`PyIceberg reads of a file that was added: ${loose}`);
  if (wrong.length === 0) rmSync(folder, { recursive: true, force: true });
  return wrong;
}
