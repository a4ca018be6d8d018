/** A table of dbt-duckdb beside the lake's: the same columns in the same order, and the same rows. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BINARY } from "../../examples/shop/binary.ts";

export interface DbtRelation {
  readonly name: string;
  readonly schema: string;
  readonly alias: string;
  readonly kind: string;
}

/** Of a snapshot: a hash of when runs were, among other things. */
const OF_RUNS = ["dbt_scd_id"];
/** As long as a comparison takes at most. */
const RUN_MS = 900_000;

/** What dbt made, as its manifest has it. */
export function relationsOf(root: string): readonly DbtRelation[] {
  const manifest = JSON.parse(readFileSync(join(root, "target/manifest.json"), "utf8"));
  const nodes: readonly ManifestNode[] = Object.values(manifest.nodes);
  return nodes.flatMap(({ name, schema, alias, resource_type: kind, config }) => {
    if (!["model", "seed", "snapshot"].includes(kind)) return [];
    return config?.materialized === "ephemeral" ? [] : [{ name, schema, alias, kind }];
  });
}

interface ManifestNode {
  readonly name: string;
  readonly schema: string;
  readonly alias: string;
  readonly resource_type: string;
  readonly config?: { readonly materialized?: string };
}

/** What is other; nothing where all is the same. Numbers are compared as numbers, of whatever type. */
export function differences(
  python: string,
  root: string,
  relation: DbtRelation,
): readonly string[] {
  const { schema, alias, kind } = relation;
  const theirs = rowsOf(
    Bun.spawnSync([python, "-c", THEIR_ROWS, join(root, "dbt.duckdb"), schema, alias]),
  );
  const namespace = kind === "seed" ? "seeds" : namespaceOf(root, schema);
  const query = `from "${namespace}"."${kind === "seed" ? relation.name : alias}"`;
  const command = [BINARY, "sql", "-c", query, "--format", "json"];
  const ours = rowsOf(Bun.spawnSync(command, { cwd: root }));
  if (typeof theirs === "string") return [`dbt: ${theirs}`];
  if (typeof ours === "string") return [`tarn: ${ours}`];
  const found: string[] = [];
  const columns = (rows: readonly Row[]): string => Object.keys(rows[0] ?? {}).join(",");
  if (theirs.length > 0 && ours.length > 0 && columns(theirs) !== columns(ours)) {
    found.push(`columns ${columns(theirs)} against ${columns(ours)}`);
  }
  const [left, right] = [counted(theirs, kind), counted(ours, kind)];
  for (const [row, count] of left) {
    const other = right.get(row) ?? 0;
    if (other !== count) found.push(`dbt has ${count} and tarn ${other} of ${row}`);
  }
  for (const [row, count] of right) {
    if (!left.has(row)) found.push(`dbt has 0 and tarn ${count} of ${row}`);
  }
  return found.slice(0, 4);
}

type Row = Readonly<Record<string, unknown>>;

const THEIR_ROWS = `
import duckdb, json, sys
path, schema, alias = sys.argv[1:]
made = duckdb.connect(path, read_only=True).execute(f'select * from "{schema}"."{alias}"')
names = [column[0] for column in made.description]
print(json.dumps([dict(zip(names, map(lambda v: v if v is None or isinstance(v, (bool, int, float)) else str(v), row)))
  for row in made.fetchall()]))
`;

function rowsOf(ran: {
  exitCode: number;
  stdout: Buffer;
  stderr: Buffer;
}): readonly Row[] | string {
  if (ran.exitCode !== 0) return ran.stderr.toString().trim().split("\n").at(-1) ?? "it failed";
  const rows: unknown = JSON.parse(ran.stdout.toString() || "[]");
  return Array.isArray(rows) ? rows : "no rows";
}

/** Rows with how often each is there; what depends on when runs were is left out. */
function counted(rows: readonly Row[], kind: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const row of rows) {
    const told = Object.entries(row).flatMap(([name, value]) => {
      if (kind === "snapshot" && OF_RUNS.includes(name)) return [];
      return [[name, plain(value)]];
    });
    const text = JSON.stringify(Object.fromEntries(told));
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return counts;
}

/** `1`, `1.00` and `1.0` are one number, a day is midnight of it, and times are told with a blank. */
function plain(value: unknown): unknown {
  if (typeof value === "number") return rounded(value);
  if (typeof value !== "string") return value;
  if (/^-?\d+(?:\.\d+)?$/.test(value)) return rounded(Number(value));
  // A seed's `True` stays the text that it is.
  if (/^(?:true|false)$/i.test(value)) return value.toLowerCase() === "true";
  const time = value.replace("T", " ").replace(/(?:\+00(?::00)?|Z)$/, "");
  // The time of the run, which no other has; of another zone it is none.
  const ago = Date.now() - Date.parse(`${time.replace(" ", "T")}Z`);
  if (time.length > 10 && ago >= 0 && ago < RUN_MS) return "now";
  return /^\d{4}-\d\d-\d\d/.test(time) ? time.replace(/ 00:00:00(?:\.0+)?$/, "") : value;
}

function rounded(value: number): number {
  return Number(value.toPrecision(12));
}

/** As the lake has a schema of dbt; `main` is the project's name. */
function namespaceOf(root: string, schema: string): string {
  const text = readFileSync(join(root, "dbt_project.yml"), "utf8");
  const project = /^name:\s*["']?(\w+)/m.exec(text)?.[1] ?? "";
  return schema.replace(/^main(?=$|_)/, project);
}
