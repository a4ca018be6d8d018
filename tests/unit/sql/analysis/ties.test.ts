/** Ties in order: a query gives the same from the same rows, wherever they lie, and the columns that it gave before. */

import { expect, test } from "bun:test";
import type { Binding } from "../../../../core/engine.ts";
import { bindSelect } from "../../../../sql/bind/bind.ts";
import { Bench, scanBinding, scanOf, schemaOf } from "../../../support/lake-scan.ts";

const PLACES = { _source_file: "string", _batch: "string", _row: "long" };
const ORDERS = schemaOf({ id: "long", v: "string", ts: "long", n: "int", ...PLACES });
const RATES = schemaOf({ v: "string", f: "int" });

const QUERIES = [
  "select (select first(r.f) from s.rates r where r.v = o.v) as x from bronze.orders o",
  "select o.id, (select arg_max(r.f, r.v) from s.rates r where r.v = o.v) as x from " +
    "bronze.orders o",
  "select v, list(n) l from bronze.orders group by v having len(list(n)) > 0 order by first(id)",
  "select id from bronze.orders where id in (select id from bronze.orders order by n limit 3)",
  "(select id from bronze.orders order by n limit 3) union all (select id from " +
    "bronze.orders limit 2)",
  "select o.id, x.f from bronze.orders o, lateral (select first(r.f) f from s.rates r " +
    "where r.v = o.v) x",
  "select o.id, x.f from bronze.orders o left join lateral (select f from s.rates r where " +
    "r.v = o.v limit 1) x on true",
  "select id, row_number() over w a, lag(n) over w b, first_value(v) over w c from " +
    "bronze.orders window w as (partition by v order by n)",
  "select distinct on (o.v) o.v, r.f from bronze.orders o join s.rates r using (v)",
  "select distinct on (o.v) o.v, o.id, r.f from bronze.orders o join s.rates r using (v) " +
    "order by r.f desc",
  "select v, first(n) filter (n > 0), last(distinct n), string_agg(v, ',' order by n " +
    "desc), list(distinct v), mode(n) from bronze.orders group by all",
  "select v, arg_min(n, ts), min_by(n, ts), max_by(id, row(n, v)), arg_max(id, ts, 2), " +
    "arg_max_null(n, ts) from bronze.orders group by v",
  "from bronze.orders limit 2",
  "from bronze.orders order by n limit 2 offset 1",
  "select * from bronze.orders order by all limit 2",
  "select v, count(*) c from bronze.orders group by v order by c desc limit 1",
  "select v as w, count(*) c from bronze.orders group by w order by c limit 1",
  "select upper(v) as w, count(*) c from bronze.orders group by 1 order by c limit 1",
  "select id, sum(n) over (order by ts rows between 1 preceding and 1 following) s from " +
    "bronze.orders",
  "select id, avg(n) over (order by ts rows unbounded preceding exclude current row) a " +
    "from bronze.orders",
  "select id, last_value(v) over (order by n range between 1 preceding and current row) l " +
    "from bronze.orders",
  "select id, list(v) over (partition by n) a, string_agg(v, '-') over (order by n) b, " +
    "mode(v) over (partition by n) c from bronze.orders",
  "select id, arg_max(v, n) over (partition by id) d, any_value(v) over () e from bronze.orders",
  "select id, list(distinct v) over (partition by n) a from bronze.orders",
  "select id, nth_value(v, 2) over (order by n) a, first_value(v ignore nulls) over " +
    "(order by n) b, ntile(3) over (order by n) c, lead(v, 2, 'x') over (order by n) d from " +
    "bronze.orders",
  "with a as (select id, v, n from bronze.orders), b as (select v, first(id) f, " +
    "row_number() over (order by count(*)) r from a group by v) select *, lag(f) over " +
    "(order by r) p from b",
  "select upper(v) as w, row_number() over (order by sum(n)) r from bronze.orders group by 1",
  "select sum(n) s, row_number() over () r from bronze.orders",
  "with a as materialized (from bronze.orders limit 5) select v, last(n) from a group by v",
  "select * from bronze.orders qualify row_number() over (partition by id order by ts desc) = 1",
  "select * exclude (v) from (select *, row_number() over (partition by id order by n) as " +
    "rn from bronze.orders) where rn = 1",
  "select o.*, r.f from bronze.orders o semi join s.rates x on x.v = o.v left join " +
    "s.rates r on r.v = o.v qualify row_number() over (partition by o.id order by r.f) = 1",
  "select first(o), last(r.f) from bronze.orders o cross join s.rates r",
  "select x.v, first(x.n) from (select v, n from bronze.orders) x group by x.v",
  "select first(n) from bronze.orders where n > (select first(n) from bronze.orders where " +
    "n is not null)",
  "select id, row_number() over (partition by v) as r from bronze.orders order by r, id limit 4",
  "select id % 2 as p, list({'a': v, 'b': n}) as l from bronze.orders group by p",
  "select v, list(n)[1:2] as l, array_agg(n order by n desc nulls last)[1] as m from " +
    "bronze.orders group by v",
  "select case when first(n) > 0 then 'x' else 'y' end as c from bronze.orders group by v",
  "select id from bronze.orders order by (select first(f) from s.rates) limit 1",
  "select v from bronze.orders group by v order by first(n) limit 1",
  "select v, arg_max(n, ts order by id) as x, first(n order by ts) y from bronze.orders " +
    "group by rollup (v)",
  "select distinct v, first_value(n) over (partition by v order by ts) f from bronze.orders",
  "select lower(string_agg(v, ', ')) as l from bronze.orders group by ts",
];

test("the same rows in other files and another order give the same", async () => {
  await using bench = await Bench.open();
  const layouts = [await bindings(bench, false), await bindings(bench, true)];
  for (const sql of QUERIES) {
    const results: string[] = [];
    for (const layout of layouts) {
      const options = { runTimeMs: 0, orderTies: true };
      const { sql: bound } = await bindSelect(bench.db, sql, layout, options);
      const rows = await bench.db.rows(`SELECT result::VARCHAR AS text FROM (${bound}) AS result`);
      results.push(
        rows
          .map((row) => String(row.text))
          .sort()
          .join("\n"),
      );
      const before = await bindSelect(bench.db, sql, layout, { runTimeMs: 0 });
      expect([sql, await columns(bench, bound)]).toEqual([sql, await columns(bench, before.sql)]);
    }
    expect([sql, results[1]]).toEqual([sql, results[0]]);
  }
});

/** The rows in one file in their order; or in two, turned round. */
async function bindings(bench: Bench, isTurned: boolean): Promise<Binding[]> {
  const rows =
    "select (i % 7)::bigint id, chr(97 + (i * 5 % 4)::int) v, (i % 3)::bigint ts, nullif(i % 5, 4)::int n, " +
    "'f.csv' _source_file, 'b1' _batch, i as _row from range(1, 60) r(i)";
  const rates = "select chr(97 + (i % 5)::int) v, (i % 4)::int f from range(20) r(i)";
  const order = isTurned ? "order by _row desc" : "order by _row";
  const parts = isTurned ? ["_row > 25", "_row <= 25"] : ["true"];
  const files = [];
  for (const part of parts) {
    files.push(await bench.file(ORDERS, `select * from (${rows}) where ${part} ${order}`));
  }
  const turned = isTurned ? "order by f desc, v desc" : "order by v, f";
  const file = await bench.file(RATES, `select * from (${rates}) ${turned}`);
  return [
    scanBinding("bronze.orders", scanOf("bronze.orders", ORDERS, files)),
    scanBinding("s.rates", scanOf("s.rates", RATES, [file])),
  ];
}

async function columns(bench: Bench, sql: string): Promise<string[]> {
  const rows = await bench.db.rows(`DESCRIBE ${sql}`);
  return rows.map((row) => `${row.column_name} ${row.column_type}`);
}
