/** Models of every shape and kind that goes on by keys, and what plain SQL says of each. */

import type { TableName } from "../../core/table/types.ts";

export const MERGED = "silver.merged";

export interface Shape {
  readonly name: TableName;
  readonly front: string;
  readonly sql: string;
  /** What plain SQL says of it, where that is more than its query. */
  readonly law?: string;
  /** Columns that are compared, as a pattern. */
  readonly columns?: string;
}

const WINNER =
  "qualify row_number() over (partition by id order by ts desc nulls last, _batch, _source_file, _row) = 1";

/** In the order in which they read each other. */
export const SHAPES: readonly Shape[] = [
  {
    name: MERGED,
    front: "kind: merge\nkey: id\nlatest_by: ts",
    sql: "select o.id, o.v, o.ts, o.n, r.f from bronze.orders o left join bronze.rates r on o.v = r.v",
    law: `select o.id, o.v, o.ts, o.n, r.f from bronze.orders o left join bronze.rates r on o.v = r.v
      where id is not null qualify row_number() over (partition by id order by ts desc nulls last,
        o._batch desc, o._source_file desc, o._row desc, row(o.id, o.v, o.ts, o.n, r.f) desc) = 1`,
    columns: "id|v|ts|n|f",
  },
  {
    name: "silver.joined",
    front: "kind: append",
    sql: "select o.id, upper(o.v) as v, r.f from bronze.orders o join bronze.rates r using (v) where o.n > -2",
    columns: "id|v|f",
  },
  {
    name: "silver.padded",
    front: "kind: append",
    sql: `with o as (select * from bronze.orders where id > 0)
      select o.id, o.n, r.f from o left join bronze.rates r on o.v = r.v`,
    columns: "id|n|f",
  },
  {
    name: "gold.sums",
    front: "kind: full",
    sql: `select v, count(*) as c, sum(n)::bigint as n, min(ts) as first, max(id) as top, bool_or(n > 1) as some,
      count(n) filter (id > 2) as late from bronze.orders group by v`,
  },
  {
    name: "gold.days",
    front: "kind: full",
    sql: `select date_trunc('day', ts) as d, v, sum(n * 1.5) as s from bronze.orders where id is not null
      group by 1, v order by 1`,
  },
  {
    name: "gold.means",
    front: "kind: full",
    sql: "select v, avg(n) as a, count(distinct id) as ids from bronze.orders group by v having count(*) > 1",
  },
  {
    name: "gold.one",
    front: "kind: full",
    sql: "select count(*) as c, sum(n) as n from bronze.orders",
  },
  {
    name: "gold.latest",
    front: "kind: full",
    sql: `select * exclude (rn) from (select id, v, n, row_number() over (partition by id order by ts desc) as rn
      from bronze.orders) where rn = 1`,
    law: `select id, v, n from bronze.orders ${WINNER}`,
  },
  {
    name: "gold.newest",
    front: "kind: full",
    sql: "select * from bronze.orders qualify row_number() over (partition by id order by ts desc) = 1",
    law: `select id, v, ts, n from bronze.orders ${WINNER}`,
  },
  {
    name: "gold.firsts",
    front: "kind: full",
    sql: `select v, n as amount, id, ts from bronze.orders o
      qualify row_number() over (partition by o.v order by n desc, ts) < 3`,
    law: `select v, n as amount, id, ts from bronze.orders
      qualify row_number() over (partition by v order by n desc, ts, _batch, _source_file, _row) < 3`,
  },
  {
    name: "gold.numbered",
    front: "kind: full",
    sql: `with ranked as (select *, upper(v) as u, row_number() over (partition by id, o.v order by ts, n desc) as nth
      from bronze.orders o where n is not null)
      select r.v, r.ts as t, n, u, id + 1 as next, id from ranked r where r.nth <= 2`,
    law: `select v, ts as t, n, upper(v) as u, id + 1 as next, id from bronze.orders where n is not null
      qualify row_number() over (partition by id, v order by ts, n desc, _batch, _source_file, _row) <= 2`,
  },
  {
    name: "gold.dense",
    front: "kind: full",
    sql: `select o.id, o.v, r.f, o.n from bronze.orders o join bronze.rates r on o.v = r.v where o.n is not null
      qualify dense_rank() over (partition by o.v, id order by o.n nulls first) <= 2`,
  },
  {
    name: "gold.top",
    front: "kind: full",
    sql: "select v, id, n from bronze.orders qualify rank() over (partition by v order by n desc, id) <= 2",
  },
  {
    name: "gold.steps",
    front: "kind: full",
    sql: `select id, ts, n, lag(n) over (partition by id order by ts, n, v) as before from bronze.orders
      where id is not null`,
  },
  { name: "gold.pairs", front: "kind: full", sql: "select distinct v, n from bronze.orders" },
  {
    name: "gold.either",
    front: "kind: full",
    sql: "select v from bronze.orders union select v from bronze.rates",
  },
  {
    name: "gold.both",
    front: "kind: full",
    sql: "select v, n from bronze.orders union all select v, f from bronze.rates",
  },
  {
    name: "gold.less",
    front: "kind: full",
    sql: "select v, n from bronze.orders except select v, f from bronze.rates",
  },
  {
    name: "gold.rated",
    front: "kind: full",
    sql: `select r.f, o.v, count(*) as c, sum(o.n) as n from bronze.orders o left join bronze.rates r on o.v = r.v
      group by r.f, o.v`,
  },
  {
    name: "gold.unrated",
    front: "kind: full",
    sql: "select v, count(*) as c from bronze.orders o anti join bronze.rates r using (v) group by v",
  },
  {
    name: "gold.known",
    front: "kind: full",
    sql: `select o.v, sum(o.n) as n from bronze.orders o semi join bronze.rates r on o.v = r.v and r.f > 2
      group by o.v`,
  },
  {
    name: "gold.twice",
    front: "kind: full",
    sql: `with d as (select v, ts::date as day, sum(n) as n from bronze.orders group by all),
      e as (select v, max(n) as best from d group by v) select v, best from e where best > 0`,
  },
  {
    name: "gold.beside",
    front: "kind: full",
    sql: `with a as (select v, sum(n) as n from bronze.orders group by v),
      b as (select v, max(f) as f from bronze.rates group by v) select a.v, a.n, b.f from a join b on a.v = b.v`,
  },
  {
    name: "gold.left_of",
    front: "kind: full",
    sql: `with a as (select v, sum(n) as n from bronze.orders group by v),
      b as (select v, max(f) as f from bronze.rates group by v) select a.v, a.n, b.f from a left join b on a.v = b.v`,
  },
  {
    name: "gold.right_of",
    front: "kind: full",
    sql: `with a as (select v, sum(n) as n from bronze.orders group by v),
      b as (select v, max(f) as f from bronze.rates group by v) select v, n, f from b left join a using (v)`,
  },
  {
    name: "gold.none_of",
    front: "kind: full",
    sql: `with a as (select v, sum(n) as n from bronze.orders group by v having sum(n) > 0)
      select r.v, r.f from bronze.rates r anti join a on a.v = r.v`,
  },
  {
    name: "gold.asked",
    front: "kind: full",
    sql: `select v, count(*) as c from bronze.orders o where exists (select 1 from bronze.rates r where r.v = o.v)
      group by v`,
  },
  {
    name: "gold.unasked",
    front: "kind: full",
    sql: `select id, v from bronze.orders o where n is distinct from 0
      and not exists (select 1 from bronze.rates r where r.v = o.v and r.f > 2)`,
  },
  {
    name: "silver.asked",
    front: "kind: append",
    sql: "select id, v, n from bronze.orders where v in (select v from bronze.rates where f < 4)",
    columns: "id|v|n",
  },
  {
    name: "gold.plain",
    front: "kind: full",
    sql: "select id, n + 1 as n from bronze.orders where n > 0",
  },
  {
    name: "gold.merged_sums",
    front: "kind: full",
    sql: `select v, count(*) as c, sum(n) as n, avg(f) as f from ${MERGED} group by v`,
  },
  {
    name: "gold.of_sums",
    front: "kind: full",
    sql: "select c, count(*) as groups, max(top) as top from gold.sums group by c",
  },
  {
    // Results of these are in another order, or not as wide, as they are stored.
    name: "gold.cast",
    front: "kind: full",
    sql: `select v, max(n)::varchar as m, min(id * 3)::varchar as l, try_cast(sum(n * 15000) as smallint) as s,
      max(if(n > 0, 'small', 'large')::enum('small', 'large')) as e, bool_or(n > 1)::int as b, bit_or(n::hugeint) as o,
      max(ts - timestamp '2026-01-01')::varchar as t from bronze.orders group by v`,
  },
  {
    name: "gold.of_names",
    front: "kind: full",
    sql: "select v, sum(n) as s, s + 1 as t from bronze.orders group by v",
  },
  {
    name: "gold.constant",
    front: "kind: full",
    sql: "select 'all' as v, count(*) as c from bronze.orders group by v",
  },
  {
    name: "gold.dropped",
    front: "kind: full\ntests:\n  - expect: c > 2\n    on_fail: drop",
    sql: "select v, count(*) as c from bronze.orders group by v",
    law: "select v, count(*) as c from bronze.orders group by v having count(*) > 2",
  },
  {
    name: "gold.renamed",
    front: "kind: full",
    sql: `with p(n, v, c) as (select v, n, count(*) from bronze.orders group by v, n)
      select n, max(c) as c from p group by n`,
  },
  {
    name: "gold.named",
    front: "kind: full",
    sql: "select n, v from bronze.orders union all by name select v, f as n, 1 as one from bronze.rates",
  },
  {
    name: "gold.computed",
    front: "kind: full",
    sql: `select ts::date as day, case when n > 0 then 1.5e3 else id / 2 end as k, [n, 7] as l, avg(n) as a
      from bronze.orders group by all`,
  },
  {
    // Two parts with one name, which a question for keys alone would have side by side.
    name: "gold.shadowed",
    front: "kind: full",
    sql: `with x as (select 1 as one) select v, c, two, one from
      (with x as (select 2 as two) select v, count(*) as c, max(two) as two from bronze.orders, x group by v) q, x`,
  },
  {
    name: "gold.padded_twice",
    front: "kind: full",
    sql: `select o.id, x.c, x.f from bronze.orders o left join (select s.v, s.c, r.f from gold.sums s
      left join bronze.rates r on s.v = r.v) x on o.v = x.v and (o.n < x.f or x.f is null)`,
  },
  {
    name: "gold.collated",
    front: "kind: full",
    sql: `select n, max(v collate nocase) as v from (select n, if(id > 2, upper(v), v || 'x') as v from bronze.orders)
      group by n`,
  },
  {
    // All rows of a key that came with its newest file.
    name: "silver.lines",
    front: "kind: delete_insert\nkey: id",
    sql: "select o.id, o.v, o.n, r.f from bronze.orders o left join bronze.rates r on o.v = r.v",
    law: `select o.id, o.v, o.n, r.f from bronze.orders o left join bronze.rates r on o.v = r.v where id is not null
      qualify rank() over (partition by id order by o._batch desc, o._source_file desc) = 1`,
    columns: "id|v|n|f",
  },
  {
    // A key whose newest row says that it is gone has none, and an older row that comes later brings none back.
    name: "silver.living",
    front: "kind: merge\nkey: id\nlatest_by: ts\ndeleted_when: n < 0 or v = 'b'",
    sql: "select id, v, ts, n from bronze.orders",
    law: `select * from (select id, v, ts, n from bronze.orders where id is not null
      qualify row_number() over (partition by id order by ts desc nulls last,
        _batch desc, _source_file desc, _row desc) = 1) where (n < 0 or v = 'b') is not true`,
    columns: "id|v|ts|n",
  },
  {
    name: "silver.living_lines",
    front: "kind: delete_insert\nkey: v\ndeleted_when: n is null",
    sql: "select v, n, id, f from bronze.orders left join bronze.rates using (v)",
    law: `select * from (select o.v, n, id, f from bronze.orders o left join bronze.rates r on o.v = r.v
      where o.v is not null qualify rank() over (partition by o.v order by o._batch desc, o._source_file desc) = 1)
      where n is not null`,
    columns: "v|n|id|f",
  },
  {
    // All rows of a key that are of its last day.
    name: "silver.days",
    front: "kind: delete_insert\nkey: [id, v]\nlatest_by: ts",
    sql: "select id, v, ts, n from bronze.orders where n is distinct from 3",
    law: `select id, v, ts, n from bronze.orders where n is distinct from 3 and id is not null and v is not null
      qualify rank() over (partition by id, v order by ts desc nulls last) = 1`,
    columns: "id|v|ts|n",
  },
  {
    name: "gold.day_values",
    front: "kind: delete_insert\nkey: day",
    sql: "select ts::date as day, v, avg(n) as a, count(*) as c from bronze.orders group by all",
    law: "select ts::date as day, v, avg(n) as a, count(*) as c from bronze.orders where ts is not null group by all",
  },
  {
    name: "gold.by_months",
    front: "kind: insert_overwrite\npartition: [month(ts), 'bucket(4, v)']",
    sql: "select ts, v, avg(n) as a, count(*) as c from bronze.orders group by all",
  },
  {
    name: "gold.by_days",
    front: "kind: insert_overwrite\npartition: day(at)",
    sql: `select ts + interval 31 hour as at, v, count(*) as c, sum(f) as f
      from (select o.v, o.ts, r.f from bronze.orders o left join bronze.rates r on o.v = r.v) group by all`,
  },
  {
    name: "gold.in_days",
    front: "kind: insert_overwrite\npartition: day",
    sql: `select ts::date as day, id, v, n, row_number() over (partition by ts::date order by n, id, v) as nth
      from bronze.orders`,
  },
  {
    name: "gold.micro_days",
    front:
      "kind: microbatch\nevent_time: ts\nbatch_size: day\nbegin: 2026-01-02 13:00\nlookback: 1",
    sql: "select date_trunc('day', ts) as ts, v, count(*) as c, avg(n) as a from bronze.orders group by all",
    law: `select date_trunc('day', ts) as ts, v, count(*) as c, avg(n) as a from bronze.orders
      where ts >= '2026-01-02' group by all`,
  },
  {
    // Numbered anew in each window, and joined to a table that is read whole.
    name: "gold.micro_first",
    front: "kind: microbatch\nevent_time: ts\nbatch_size: day",
    sql: `select id, ts, n, f, row_number() over (partition by v order by n, id, f) as nth
      from bronze.orders left join bronze.rates using (v)`,
    law: `select id, ts, n, f, row_number() over (partition by v, ts order by n, id, f) as nth
      from bronze.orders left join bronze.rates using (v) where ts is not null`,
  },
  {
    // One row of each window.
    name: "gold.micro_one",
    front: "kind: microbatch\nevent_time: ts\nbatch_size: month",
    sql: "select min(ts) as ts, count(*) as c, sum(n) as n from bronze.orders",
    law: "select min(ts) as ts, count(*) as c, sum(n) as n from bronze.orders where ts is not null having count(*) > 0",
  },
  {
    // Both sides are read by windows: pairs of one day.
    name: "gold.micro_pairs",
    front: "kind: microbatch\nevent_time: ts\nbatch_size: day",
    sql: `select o.ts, o.id, count(*) as c from bronze.orders o join silver.days d using (v)
      group by o.ts, o.id`,
    law: `select o.ts, o.id, count(*) as c from bronze.orders o join silver.days d on o.v = d.v and o.ts = d.ts
      group by o.ts, o.id`,
  },
  {
    name: "gold.by_values",
    front: "kind: insert_overwrite\npartition: [v, id]",
    sql: "select v, max(id) as id, sum(n) as n from bronze.orders where n is not null group by v",
  },
  {
    name: "gold.by_largest",
    front: "kind: insert_overwrite\npartition: m",
    sql: "select v, max(id) as m from bronze.orders group by v",
  },
  {
    name: "gold.keyed",
    front: "kind: merge\nkey: v",
    sql: `select v, count(*) as c, avg(n) as a from ${MERGED} group by v`,
    law: `select v, count(*) as c, avg(n) as a from ${MERGED} where v is not null group by v`,
  },
  {
    name: "gold.tumbled",
    front: "kind: full",
    sql: `select window_start, window_end, v, count(*) as c, avg(n) as a
      from tumble(table bronze.orders, descriptor(ts), interval '2 days', interval '-1 day') group by all`,
  },
  {
    name: "gold.hopped",
    front: "kind: full",
    sql: `select window_end, count(distinct id) as ids, sum(n) as n
      from hop(table bronze.orders, descriptor(ts), interval '36 hours', interval '60 hours') group by window_end`,
  },
  {
    name: "gold.cumulated",
    front: "kind: merge\nkey: [window_start, window_end]",
    sql: `select window_start, window_end, max(id) as top
      from cumulate(table ${MERGED}, descriptor(ts), interval '1 day', interval '3 days') group by 1, 2`,
    law: `select window_start, window_end, max(id) as top
      from cumulate(table ${MERGED}, descriptor(ts), interval '1 day', interval '3 days')
      where window_end is not null group by 1, 2`,
  },
  {
    name: "gold.sessions",
    front: "kind: full",
    sql: `select v, window_start, window_end, count(*) as c, sum(n) as n
      from session(table bronze.orders partition by v, descriptor(ts), interval '24 hours') group by all`,
  },
  {
    name: "gold.first_of_window",
    front: "kind: full",
    sql: `select id, v, n, window_start from tumble(table bronze.orders, descriptor(ts), interval '2 days')
      qualify row_number() over (partition by window_start order by n desc, v, id) = 1`,
  },
  {
    name: "silver.hopped",
    front: "kind: append",
    sql: `select id, v, window_start from hop((from bronze.orders where n > 0), descriptor(ts), interval '1 day',
      interval '2 days')`,
    columns: "id|v|window_start",
  },
];
