/** The facts of functions are those of the DuckDB that is built in. */

import { expect, test } from "bun:test";
import { FUNCTION_NAMES } from "../../../../sql/duckdb/function-names.ts";
import { FUNCTION_FACTS } from "../../../../sql/duckdb/functions.ts";
import { type Node, textAt, visitNodes } from "../../../../sql/syntax/ast.ts";
import { isClock } from "../../../../sql/syntax/table-ref.ts";
import { Bench } from "../../../support/lake-scan.ts";

test("aggregates and volatile functions are those of DuckDB's catalog, macros that call them among them", async () => {
  await using bench = await Bench.open();
  const rows = await bench.db.rows(
    `SELECT DISTINCT lower(function_name) AS name, function_type AS kind, stability,
       CASE function_type WHEN 'macro' THEN json_serialize_sql('SELECT ' || macro_definition) END AS body
     FROM duckdb_functions() WHERE function_type IN ('aggregate', 'macro')
       OR (function_type = 'scalar' AND stability <> 'CONSISTENT') ORDER BY ALL`,
  );
  const aggregates = new Set<string>();
  const volatile = new Set<string>(["getenv", "getvariable"]);
  for (const { name, kind, stability } of rows) {
    if (kind === "aggregate") aggregates.add(String(name));
    const isVolatile = stability === "VOLATILE" || stability === "CONSISTENT_WITHIN_QUERY";
    // `error` only fails; calling it volatile would make a guard clause a reason.
    if (isVolatile && !isClock(String(name)) && name !== "error") volatile.add(String(name));
  }
  const macros = rows.flatMap(({ name, kind, body }) =>
    kind === "macro" && body !== null
      ? [{ name: String(name), calls: calledIn(String(body)) }]
      : [],
  );
  // Macros call macros: until no more are found.
  for (let found = -1; found < aggregates.size + volatile.size; ) {
    found = aggregates.size + volatile.size;
    for (const { name, calls } of macros) {
      if (calls.some((inner) => aggregates.has(inner))) aggregates.add(name);
      if (calls.some((inner) => volatile.has(inner))) volatile.add(name);
    }
  }
  expect([...FUNCTION_FACTS.aggregates].sort()).toEqual([...aggregates].sort());
  expect([...FUNCTION_FACTS.volatile].sort()).toEqual([...volatile].sort());
});

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

test("names of functions are those of DuckDB's catalog", async () => {
  await using bench = await Bench.open();
  const rows = await bench.db.rows(
    `SELECT DISTINCT lower(function_name) AS name FROM duckdb_functions()
      WHERE regexp_matches(function_name, '^[a-zA-Z_][a-zA-Z0-9_]*$') ORDER BY 1`,
  );
  expect([...FUNCTION_NAMES].sort()).toEqual(rows.map(({ name }) => String(name)).sort());
});
