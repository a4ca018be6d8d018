/** What DuckDB's catalog says of its functions: which aggregate, which are not determined by their input. */

import { type Node, textAt, visitNodes } from "./ast.ts";
import type { DuckDB } from "./duckdb.ts";
import { isClock } from "./run-time.ts";

export interface FunctionFacts {
  /** Aggregate functions, and macros that expand to one. Lower case. */
  readonly aggregates: ReadonlySet<string>;
  /** Another value at every call, the clock aside, which is pinned. Lower case. */
  readonly volatile: ReadonlySet<string>;
}

/** Aggregates whose result depends on the order of their rows, unless an ORDER BY stands in the call. */
export const ORDERED_AGGREGATES: ReadonlySet<string> = new Set(
  (
    "first last any_value arbitrary list array_agg string_agg group_concat listagg json_group_array " +
    "json_group_object first_value last_value nth_value"
  ).split(" "),
);

/** Aggregates that estimate, and whose estimate depends on the order or on chance. */
export const ESTIMATES: ReadonlySet<string> = new Set([
  "reservoir_quantile",
  "approx_quantile",
  "approx_top_k",
]);

let facts: Promise<FunctionFacts> | null = null;

/** The facts, read once in a process. */
export function functionFacts(db: DuckDB): Promise<FunctionFacts> {
  facts ??= load(db).catch((thrown: unknown) => {
    facts = null;
    throw thrown;
  });
  return facts;
}

async function load(db: DuckDB): Promise<FunctionFacts> {
  const rows = await db.rows(
    `SELECT DISTINCT lower(function_name) AS name, function_type AS kind, stability,
       CASE function_type WHEN 'macro' THEN json_serialize_sql('SELECT ' || macro_definition) END AS body
     FROM duckdb_functions() WHERE function_type IN ('aggregate', 'macro')
       OR (function_type = 'scalar' AND stability <> 'CONSISTENT')`,
  );
  const aggregates = new Set<string>();
  const volatile = new Set<string>(["getenv", "getvariable"]);
  const macros: [string, string][] = [];
  for (const row of rows) {
    const name = String(row.name);
    if (row.kind === "aggregate") aggregates.add(name);
    if (row.kind === "macro" && row.body !== null) macros.push([name, String(row.body)]);
    const isVolatile = row.stability === "VOLATILE" || row.stability === "CONSISTENT_WITHIN_QUERY";
    // `error` only fails; calling it volatile would make a guard clause a reason.
    if (isVolatile && !isClock(name) && name !== "error") volatile.add(name);
  }
  for (const [name, body] of macros) {
    const called = calledIn(body);
    if (called.some((inner) => aggregates.has(inner))) aggregates.add(name);
    if (called.some((inner) => volatile.has(inner))) volatile.add(name);
  }
  return { aggregates, volatile };
}

/** A body that is no expression (a table macro) serialises as an error, and calls nothing in a select list. */
function calledIn(body: string): string[] {
  const names: string[] = [];
  const tree = JSON.parse(body) as Node; // parse: DuckDB writes one object
  visitNodes(tree, (node) => {
    if (node.class === "FUNCTION") names.push(textAt(node, "function_name").toLowerCase());
    return true;
  });
  return names;
}
