/** Edits of models, each with the class that a person gave it. */

import { expect, test } from "bun:test";
import { type Edit, editOf, indirectEdit } from "../../../../core/model/edit.ts";
import { analyzeRequest, type ModelNode } from "../../../../core/model/node.ts";
import { analyzeSql } from "../../../../sql/analysis/analyze.ts";
import { Bench } from "../../../support/lake-scan.ts";
import { model } from "../../../support/models.ts";

interface Version {
  readonly sql?: string;
  readonly front?: string;
}

const PLAIN = "SELECT id, customer, amount FROM orders WHERE amount > 0";
const DAILY = "SELECT day, sum(amount) AS revenue FROM orders GROUP BY day";
const MERGE = "kind: merge\nkey: id";

/** What is edited, before, after, the class by hand, and a part of the reason. */
const EDITS: readonly (readonly [string, Version, Version, Edit["class"] | null, string])[] = [
  // Words about the model.
  ["nothing", { sql: PLAIN }, { sql: PLAIN }, null, ""],
  ["a comment", { sql: PLAIN }, { sql: `-- paid\n${PLAIN}` }, "metadata-only", "comments"],
  ["line ends", { sql: PLAIN }, { sql: PLAIN.replace(" FROM", "\n  FROM") }, "metadata-only", ""],
  ["case of keywords", { sql: PLAIN }, { sql: PLAIN.toLowerCase() }, "metadata-only", "layout"],
  [
    "brackets without a meaning",
    { sql: PLAIN },
    { sql: PLAIN.replace("amount > 0", "(amount > 0)") },
    "metadata-only",
    "layout",
  ],
  ["description", {}, { front: "description: paid orders" }, "metadata-only", "description"],
  ["owner", { front: "owner: ann" }, { front: "owner: ben" }, "metadata-only", "owner"],
  ["tags", { front: "tags: [a]" }, { front: "tags: [a, b]" }, "metadata-only", "tags"],
  ["schedule", {}, { front: "every: 1h" }, "metadata-only", "when it runs"],
  ["grain", {}, { front: "grain: id" }, "metadata-only", "grain"],
  [
    "an AS that is implied",
    { sql: "SELECT a b FROM t" },
    { sql: "SELECT a AS b FROM t" },
    "metadata-only",
    "",
  ],
  // Columns that are added.
  [
    "a column at the end",
    { sql: PLAIN },
    { sql: PLAIN.replace("amount FROM", "amount, shop FROM") },
    "non-breaking",
    "shop",
  ],
  [
    "a column in front",
    { sql: PLAIN },
    { sql: PLAIN.replace("SELECT", "SELECT shop,") },
    "non-breaking",
    "shop",
  ],
  [
    "two columns in between",
    { sql: PLAIN },
    { sql: PLAIN.replace("id,", "id, a + 1 AS x, b AS y,") },
    "non-breaking",
    "2 new columns (x, y)",
  ],
  [
    "a scalar subquery",
    { sql: PLAIN },
    { sql: PLAIN.replace("amount FROM", "amount, (SELECT max(r) FROM rates) AS best FROM") },
    "non-breaking",
    "best",
  ],
  [
    "a window function",
    { sql: PLAIN },
    {
      sql: PLAIN.replace(
        "amount FROM",
        "amount, row_number() OVER (PARTITION BY customer ORDER BY id) AS nth FROM",
      ),
    },
    "non-breaking",
    "nth",
  ],
  [
    "an aggregate of the same groups",
    { sql: DAILY },
    { sql: DAILY.replace("revenue", "revenue, count(*) AS n") },
    "non-breaking",
    "n",
  ],
  [
    "an aggregate under GROUP BY ALL",
    { sql: DAILY.replace("BY day", "BY ALL") },
    { sql: DAILY.replace("BY day", "BY ALL").replace("revenue", "revenue, min(amount) AS least") },
    "non-breaking",
    "least",
  ],
  [
    "a column before the one that is grouped by place",
    { sql: "SELECT day, sum(x) AS s FROM t GROUP BY 1" },
    { sql: "SELECT count(*) n, day, sum(x) AS s FROM t GROUP BY 2" },
    "non-breaking",
    "n",
  ],
  [
    "a CTE for a new column",
    { sql: PLAIN },
    {
      sql: `WITH b AS (SELECT max(r) AS r FROM x) ${PLAIN.replace(" FROM", ", (SELECT r FROM b) AS top FROM")}`,
    },
    "non-breaking",
    "top",
  ],
  [
    "the order of rows",
    { sql: PLAIN },
    { sql: `${PLAIN} ORDER BY id` },
    "non-breaking",
    "ORDER BY",
  ],
  ["a test that warns", {}, { front: "tests:\n  - expect: amount > 0" }, "non-breaking", "test"],
  ["a test of all rows", {}, { front: "tests:\n  - unique: id" }, "non-breaking", "unique"],
  ["a partition", {}, { front: "partition: customer" }, "non-breaking", "partition"],
  // Columns that look added.
  [
    "a column to group by",
    { sql: DAILY.replace("BY day", "BY ALL") },
    { sql: DAILY.replace("BY day", "BY ALL").replace("day,", "day, shop,") },
    "breaking",
    "GROUP BY ALL",
  ],
  [
    "a column of a DISTINCT",
    { sql: "SELECT DISTINCT a FROM t" },
    { sql: "SELECT DISTINCT a, b FROM t" },
    "breaking",
    "DISTINCT",
  ],
  [
    "a list unpacked",
    { sql: PLAIN },
    { sql: PLAIN.replace("amount FROM", "amount, unnest(items) AS item FROM") },
    "breaking",
    "makes rows",
  ],
  [
    "an aggregate of all",
    { sql: "SELECT 1 AS one FROM t" },
    { sql: "SELECT 1 AS one, count(*) AS n FROM t" },
    "breaking",
    "one row",
  ],
  [
    "a star",
    { sql: "SELECT id FROM t" },
    { sql: "SELECT id, t.* FROM t" },
    "breaking",
    "all columns",
  ],
  [
    "a column before the one that is ordered by place",
    { sql: "SELECT a FROM t ORDER BY 1 LIMIT 9" },
    { sql: "SELECT b, a FROM t ORDER BY 1 LIMIT 9" },
    "breaking",
    "ORDER BY",
  ],
  [
    "a name that the query used",
    { sql: "SELECT id FROM t WHERE net > 0" },
    { sql: "SELECT id, gross / 2 AS net FROM t WHERE net > 0" },
    "breaking",
    "used already",
  ],
  // Rows or values.
  ["a filter", { sql: PLAIN }, { sql: PLAIN.replace("> 0", "> 1") }, "breaking", "WHERE"],
  [
    "a filter that was none",
    { sql: "SELECT id FROM t" },
    { sql: "SELECT id FROM t WHERE id > 3" },
    "breaking",
    "WHERE",
  ],
  [
    "an expression",
    { sql: PLAIN },
    { sql: PLAIN.replace("amount FROM", "amount / 100 AS amount FROM") },
    "breaking",
    "amount is another expression",
  ],
  [
    "a column that is gone",
    { sql: PLAIN },
    { sql: PLAIN.replace("customer, ", "") },
    "breaking",
    "customer is gone",
  ],
  [
    "another name",
    { sql: PLAIN },
    { sql: PLAIN.replace("customer,", "customer AS buyer,") },
    "breaking",
    "customer is called buyer",
  ],
  [
    "another order of columns",
    { sql: PLAIN },
    { sql: PLAIN.replace("id, customer", "customer, id") },
    "breaking",
    "another order",
  ],
  [
    "a join",
    { sql: PLAIN },
    { sql: PLAIN.replace("FROM orders", "FROM orders LEFT JOIN shops USING (shop)") },
    "breaking",
    "FROM",
  ],
  [
    "another table",
    { sql: PLAIN },
    { sql: PLAIN.replace("orders", "orders2") },
    "breaking",
    "FROM",
  ],
  [
    "other groups",
    { sql: DAILY },
    { sql: DAILY.replaceAll("day", "week") },
    "breaking",
    "GROUP BY",
  ],
  [
    "a CTE that is read",
    { sql: "WITH p AS (SELECT * FROM t) SELECT a FROM p" },
    { sql: "WITH p AS (SELECT * FROM t WHERE b) SELECT a FROM p" },
    "breaking",
    "WITH p",
  ],
  [
    "a CTE in the place of a table",
    { sql: "SELECT a FROM t" },
    { sql: "WITH t AS (SELECT 1 AS a) SELECT a FROM t" },
    "breaking",
    "WITH t",
  ],
  [
    "DISTINCT",
    { sql: "SELECT a FROM t" },
    { sql: "SELECT DISTINCT a FROM t" },
    "breaking",
    "DISTINCT",
  ],
  [
    "a limit",
    { sql: "SELECT a FROM t ORDER BY a LIMIT 5" },
    { sql: "SELECT a FROM t ORDER BY a LIMIT 6" },
    "breaking",
    "LIMIT",
  ],
  [
    "a set more",
    { sql: "SELECT a FROM t" },
    { sql: "SELECT a FROM t UNION ALL SELECT a FROM u" },
    "breaking",
    "set",
  ],
  [
    "a constant",
    { sql: "SELECT 1.0 AS x FROM t" },
    { sql: "SELECT 1.00 AS x FROM t" },
    "breaking",
    "x is another",
  ],
  ["a key", { front: MERGE }, { front: "kind: merge\nkey: [id, customer]" }, "breaking", "key"],
  ["a kind", {}, { front: "kind: append" }, "breaking", "kind"],
  [
    "a test that takes rows out",
    {},
    { front: "tests:\n  - expect: amount > 0\n    on_fail: quarantine" },
    "breaking",
    "takes rows out",
  ],
  // For what comes.
  [
    "a rule from now on",
    { front: `${MERGE}\nforward_only: true` },
    {
      front: `${MERGE}\nforward_only: true`,
      sql: PLAIN.replace("amount FROM", "amount / 100 AS amount FROM"),
    },
    "forward-only",
    "rows that are there stay",
  ],
  [
    "a filter from now on",
    { front: MERGE },
    { front: `${MERGE}\nforward_only: true`, sql: PLAIN.replace("> 0", "> 1") },
    "forward-only",
    "WHERE",
  ],
];

test("each edit has the class that a person gives it", async () => {
  await using bench = await Bench.open();
  for (const [what, before, after, expected, why] of EDITS) {
    const edit = editOf(await node(bench, before), await node(bench, after));
    expect([what, edit?.class ?? null]).toEqual([what, expected]);
    expect([what, edit?.why ?? ""]).toEqual([what, expect.stringContaining(why)]);
  }
  expect(EDITS.length).toBeGreaterThanOrEqual(40);
});

/** The edit of `silver.orders`, a reader of it, the class of the reader by hand, and a part of the reason. */
const READERS: readonly (readonly [string, string, Edit["class"] | null, string])[] = [
  [
    PLAIN.replace("amount FROM", "amount, shop FROM"),
    "SELECT id FROM silver.orders",
    "indirect-non-breaking",
    "none of the new",
  ],
  [
    PLAIN.replace("amount FROM", "amount, shop FROM"),
    "SELECT * FROM silver.orders",
    "indirect-non-breaking",
    "takes the new",
  ],
  [
    PLAIN.replace("amount FROM", "amount, shop FROM"),
    "SELECT o.id, shop FROM silver.orders o, shops",
    "indirect-breaking",
    "names shop",
  ],
  [
    PLAIN.replace("amount FROM", "amount, shop FROM"),
    "SELECT COLUMNS(*) + 1 FROM silver.orders",
    "indirect-breaking",
    "otherwise",
  ],
  [
    PLAIN.replace("amount FROM", "amount / 2 AS amount FROM"),
    "SELECT id FROM silver.orders",
    "indirect-breaking",
    "rows",
  ],
  [
    PLAIN.replace("customer,", "upper(customer) AS customer,"),
    "SELECT id, amount FROM silver.orders",
    "indirect-non-breaking",
    "none of the columns",
  ],
  [
    PLAIN.replace("customer,", "upper(customer) AS customer,"),
    "SELECT customer FROM silver.orders",
    "indirect-breaking",
    "reads customer",
  ],
  [
    PLAIN.replace("customer,", "upper(customer) AS customer,"),
    "FROM silver.orders",
    "indirect-breaking",
    "all columns",
  ],
  [
    PLAIN.replace("> 0", "> 1"),
    "SELECT count(*) AS n FROM silver.orders",
    "indirect-breaking",
    "rows",
  ],
  [`-- paid\n${PLAIN}`, "SELECT id FROM silver.orders", null, ""],
  [`${PLAIN} ORDER BY id`, "SELECT id FROM silver.orders", null, ""],
];

test("a reader is touched by what it reads", async () => {
  await using bench = await Bench.open();
  for (const [edited, reader, expected, why] of READERS) {
    const edit = editOf(await node(bench, { sql: PLAIN }), await node(bench, { sql: edited }));
    if (edit === null) throw new Error(edited);
    const below = indirectEdit(await node(bench, { sql: reader }), [["silver.orders", edit]]);
    expect([edited, reader, below?.class ?? null]).toEqual([edited, reader, expected]);
    expect([reader, below?.why ?? ""]).toEqual([reader, expect.stringContaining(why)]);
  }
});

async function node(bench: Bench, { sql = PLAIN, front = "" }: Version): Promise<ModelNode> {
  const parsed = model("silver.orders", sql, front);
  const { sql: query, conditions } = analyzeRequest(parsed);
  return { model: parsed, analysis: await analyzeSql(bench.db, query, conditions) };
}
