/** Laws of binding: the bound statement answers what the statement answers over a view, and binding is idempotent. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { bindSelect, tablesIn } from "../../sql/bind/bind.ts";
import { tokensOf } from "../../sql/syntax/lexer.ts";
import { rewriteTimeTravel } from "../../sql/syntax/time-travel.ts";
import { Bench, scanBinding, scanOf, schemaOf } from "../support/lake-scan.ts";

const RUNS = 60;
const SCHEMA = schemaOf({
  id: "long",
  "odd name": "string",
  n: "int",
  ts: "timestamp",
  _source_file: "string",
});
const ROWS = `SELECT range AS id, CASE WHEN range % 3 = 0 THEN NULL ELSE 'it''s ' || range END AS "odd name",
  (range % 5)::INT AS n, TIMESTAMP '2026-01-01' + INTERVAL (range) HOUR AS ts, 'f.csv' AS _source_file FROM range(40)`;

const expressions = fc.constantFrom(
  "o.id",
  'o."odd name"',
  "id + n * 2",
  "CASE WHEN n > 2 THEN 'big' WHEN n IS NULL THEN NULL ELSE 'small' END",
  "date_trunc('day', ts)::DATE",
  "coalesce(\"odd name\", 'none') || ' -- no comment'",
  "n IN (1, 2, 3) AND NOT id BETWEEN 3 AND 9",
  "ts - INTERVAL '90 minutes'",
  "[x * 2 FOR x IN [n, id] IF x > 1]",
  "{'a': n, 'b c': [id]}",
  "struct_pack(k := n).k",
  "9223372036854775807 - id",
  "12345678901234567890123",
  "1.50::DECIMAL(10,3)",
  "'a' || 'b@12' || $$ FOR VERSION AS OF 1 $$",
  "(SELECT max(n) FROM bronze.orders i WHERE i.id <= o.id)",
  "EXISTS (FROM bronze.orders i WHERE i.id = o.id + 1)",
  "sum(n) OVER (PARTITION BY n % 2 ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
  'TRY_CAST("odd name" AS INT) IS DISTINCT FROM n',
  "regexp_extract(\"odd name\", '[0-9]+')",
  "list_transform([1, n], lambda y: y + id)",
  "-(-n) ** 2 // 3",
);
const filters = fc.constantFrom(
  "",
  "WHERE n <> 2",
  "WHERE o.ts > '2026-01-01 05:00'",
  "WHERE o.id IN (SELECT n FROM bronze.orders)",
);
const froms = fc.constantFrom(
  "bronze.orders o",
  "bronze.orders AS o LEFT JOIN (SELECT n AS m, count(*) AS c FROM bronze.orders GROUP BY ALL) g ON g.m = o.id",
  "(SELECT * FROM bronze.orders) o",
  "(FROM bronze.orders SELECT *, n AS again) o",
  "(SELECT * FROM bronze.orders UNION ALL SELECT * FROM bronze.orders LIMIT 1000) o",
);
const statement = fc
  .tuple(fc.array(expressions, { minLength: 1, maxLength: 4 }), froms, filters, fc.boolean())
  .map(([items, from, where, isCte]) => {
    const list = items.map((item, index) => `${item} AS c${index}`).join(", ");
    const body = `SELECT ${list} FROM ${from} ${where}`;
    return isCte ? `WITH q AS (${body}) SELECT * FROM q ORDER BY ALL` : `${body} ORDER BY ALL`;
  });

test("a bound statement answers as over a view of the same rows", async () => {
  await using bench = await Bench.open();
  const file = await bench.file(SCHEMA, ROWS);
  const binding = scanBinding("bronze.orders", scanOf("bronze.orders", SCHEMA, [file]));
  await bench.db.run(
    `CREATE SCHEMA bronze; CREATE VIEW bronze.orders AS SELECT * EXCLUDE (_source_file) FROM (${ROWS})`,
  );
  await fc.assert(
    fc.asyncProperty(statement, async (sql) => {
      const once = await bindSelect(bench.db, sql, [binding], { runTimeMs: 0 });
      const expected = await bench.db.rows(sql);
      expect(await bench.db.rows(once.sql)).toEqual(expected);
      const twice = await bindSelect(bench.db, once.sql, [binding], { runTimeMs: 0 });
      expect(await bench.db.rows(twice.sql)).toEqual(expected);
      expect(await tablesIn(bench.db, once.sql)).toEqual([]);
      for (const ref of await tablesIn(bench.db, sql)) {
        expect(sql.slice(ref.offset ?? 0)).toStartWith("bronze.orders");
      }
    }),
    { numRuns: RUNS },
  );
}, 120_000);

const anything = fc.oneof(
  fc.string(),
  fc
    .array(
      fc.constantFrom(
        "'",
        '"',
        "$$",
        "--",
        "/*",
        "*/",
        "\n",
        "orders@1",
        " at (tag => 1)",
        "for version as of",
        " ",
        "x",
        "(",
        ")",
        "é😀",
      ),
      { maxLength: 20 },
    )
    .map((parts) => parts.join("")),
);

test("the lexer covers any text, token by token, and offsets lead back into it", () => {
  fc.assert(
    fc.property(anything, (text) => {
      let at = 0;
      for (const token of tokensOf(text)) {
        expect(token.start).toBeGreaterThanOrEqual(at);
        expect(token.end).toBeGreaterThan(token.start);
        expect(token.text).toBe(text.slice(token.start, token.end));
        at = token.end;
      }
      const rewritten = rewriteTimeTravel(text);
      for (let offset = 0; offset <= rewritten.sql.length; offset++) {
        const original = rewritten.originalOffset(offset);
        expect(original >= 0 && original <= text.length).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});
