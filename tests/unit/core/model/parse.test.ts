/** Model files: names from paths, settings from the front comment, checks, places of mistakes. */

import { expect, test } from "bun:test";
import { model, parsed } from "../../../support/models.ts";

const FULL = `-- orders as they stand
/* tarn
   kind: merge                # view | full | append | merge
   key: order_id
   latest_by: updated_at
   tests:
     - not_null: [order_id, customer_id]
     - unique: order_id
     - accepted: { status: [new, "it's", 3, true] }
     - relationships: { column: customer_id, to: silver.customers }
     - expect: gross >= 0     # any SQL condition
     - expect: { sql: "a > 1", name: positive, on_fail: quarantine, on_null: violate }
     - not_null: gross
       on_fail: drop
   partition: day(updated_at)
   tags: [finance]
   description: one row an order
*/
-- kept
select *
from bronze.orders;
`;

/** `message @line:column (hint)` of every error. */
function errors(file: string, text: string): string[] {
  return parsed(file, text).errors.map(
    (error) => `${error.message} @${error.place?.line}:${error.place?.column} (${error.hint})`,
  );
}

test("a model is named by its path", () => {
  expect(
    ["models/silver/orders.sql", "models/gold/finance/daily.sql"].map(
      (file) => parsed(file, "select 1").model?.name,
    ),
  ).toEqual(["silver.orders", "gold.daily"]);
});

test("a path that names no table is refused with the right one", () => {
  expect(errors("models/orders.sql", "select 1")[0]).toContain(
    "move it to models/silver/orders.sql",
  );
  expect(errors("models/silver/Daily Revenue.sql", "select 1")[0]).toContain(
    'rename it to "daily_revenue"',
  );
  expect(errors("models/bronze/x.sql", "select 1")[0]).toContain("cannot write into bronze");
  expect(errors("models/gold_quarantine/x.sql", "select 1")[0]).toContain("cannot write into");
});

test("without a front comment a model is full", () => {
  const found = parsed("models/silver/a.sql", "\n\n  select 1 as x;\n").model;
  expect([found?.kind, found?.sql, found?.sqlLine]).toEqual(["full", "  select 1 as x", 3]);
});

test("the front comment is read, and the query keeps its line", () => {
  const found = parsed("models/silver/orders.sql", FULL).model;
  expect([
    found?.kind,
    found?.key,
    found?.latestBy,
    found?.partition,
    found?.tags,
    found?.description,
  ]).toEqual([
    "merge",
    ["order_id"],
    ["updated_at"],
    ["day(updated_at)"],
    ["finance"],
    "one row an order",
  ]);
  expect([found?.sqlLine, found?.sql]).toEqual([19, "-- kept\nselect *\nfrom bronze.orders"]);
});

test("row checks become expectations with their NULL rule", () => {
  const found = parsed("models/silver/orders.sql", FULL).model?.expectations ?? [];
  expect(found.map((entry) => [entry.name, entry.action, entry.onNull])).toEqual([
    ["not_null(order_id)", "warn", "violate"],
    ["not_null(customer_id)", "warn", "violate"],
    ["accepted(status)", "warn", "pass"],
    ["gross >= 0", "warn", "pass"],
    ["positive", "quarantine", "violate"],
    ["not_null(gross)", "drop", "violate"],
  ]);
  expect(found[2]?.sql).toContain("'it''s'");
});

test("set checks warn unless a layer or the test says otherwise", () => {
  const severities = (["quarantine", "fail", null] as const).map(
    (onFail) =>
      parsed("models/silver/a.sql", "/* tarn\ntests:\n - unique: [a, b]\n*/ select 1", onFail).model
        ?.tests,
  );
  expect(severities).toEqual([
    [{ kind: "unique", columns: ["a", "b"], severity: "fail" }],
    [{ kind: "unique", columns: ["a", "b"], severity: "fail" }],
    [{ kind: "unique", columns: ["a", "b"], severity: "warn" }],
  ]);
});

test("a layer's default is taken only where a test says nothing", () => {
  const text = "/* tarn\ntests:\n - expect: a > 0\n - expect: b > 0\n   on_fail: warn\n*/ select 1";
  const found = parsed("models/silver/a.sql", text, "quarantine").model?.expectations ?? [];
  expect(found.map((entry) => entry.action)).toEqual(["quarantine", "warn"]);
});

test("a mistake points into the file", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["/* tarn\n   kynd: merge\n*/\nselect 1", 'unknown key "kynd" @2:4 (did you mean "kind"?)'],
    ["-- x\n/* tarn\nkind: table */ select 1", '@3:7 (did you mean "full"?)'],
    ["/* tarn\nkind: merge\n*/\nselect 1", "a merge needs a key @2:7"],
    ["/* tarn\nlatest_by: a\n*/\nselect 1", "latest_by means nothing for kind full @2:1"],
    ["/* tarn\nkind: view\ntests: [{unique: a}]\n*/\nselect 1", "tests means nothing for a view"],
    [
      "/* tarn\ntests:\n - unique: a\n   on_fail: drop\n*/\nselect 1",
      "it can only warn or fail @4:13",
    ],
    [
      "/* tarn\ntests:\n - unique: a\n   not_null: b\n*/\nselect 1",
      "not_null and unique in one item @3:4",
    ],
    ["/* tarn\ntests:\n - name: x\n*/\nselect 1", "this test checks nothing @3:4"],
    ["/* tarn\nunique_key: a\n*/\nselect 1", 'did you mean "key"?'],
    ["/* tarn\nkind: [\n*/\nselect 1", "the front comment is not YAML"],
    ["/* tarn\nkind: full\nselect 1", "the front comment has no end @1:1"],
    ["/* tarn\nkind: full\n*/\n", "the model has no SELECT @4:1"],
    ["/* tarn\ntests:\n - not_null: ['']\n*/\nselect 1", "a column has a name"],
  ];
  for (const [text, words] of cases) {
    expect(errors("models/silver/a.sql", text).join("; ")).toContain(words);
  }
});

test("a byte order mark and Windows line ends change nothing", () => {
  const plain = parsed("models/silver/orders.sql", FULL).model;
  const windows = parsed(
    "models/silver/orders.sql",
    `\uFEFF${FULL.replaceAll("\n", "\r\n")}`,
  ).model;
  expect([windows?.hash, windows?.sql, windows?.sqlLine]).toEqual([
    plain?.hash,
    plain?.sql,
    plain?.sqlLine,
  ]);
});

test("the hash changes with what decides the rows, and with nothing else", () => {
  const base = model("silver.a", "select 1", "kind: full").hash;
  const same = [
    model("silver.a", "select 1").hash,
    model("silver.a", "select 1\n;\n", "kind: full\ntags: [x]\ndescription: y").hash,
  ];
  for (const sql of [
    "select 1 -- one",
    "-- what\n-- it is\nselect/* one */1 /* /* two */ */\n; -- end",
    "select\n\t1",
  ]) {
    same.push(model("silver.a", sql).hash);
  }
  const other = [
    model("silver.a", "select '-- no comment'").hash,
    model("silver.a", "select '-- no  comment'").hash,
    model("silver.a", 'select 1 as "--a"').hash,
    model("silver.a", "select $$/* a */$$").hash,
    model("silver.a", "select 'a' 'b'").hash,
    model("silver.a", "select 'a'\n'b'").hash,
    model("silver.a", "select 2").hash,
    model("silver.b", "select 1").hash,
    model("silver.a", "select 1", "kind: append").hash,
    model("silver.a", "select 1", "tests: [{expect: a > 0}]").hash,
    model("silver.a", "select 1", "partition: x").hash,
  ];
  expect([new Set([base, ...same]).size, new Set([base, ...other]).size]).toEqual([1, 12]);
});
